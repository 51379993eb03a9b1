"""CSV files: what is in them, and that no cell is run as a formula."""

import csv
import io

from goldenrod.base.csv_text import csv_text


def test_no_cell_of_a_csv_file_is_run_as_a_formula() -> None:
    bad = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1"]
    bad += ["\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)", "\u00a0=1", "\u3000 -1"]
    good = ["a=1", "1-2", 'say "=1"', "", "a,b\nc"]
    text = csv_text(["a", "b"], [*((cell, 7) for cell in [*bad, *good]), (None, -7)])
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert head == ["a", "b"]
    assert [row[0] for row in rows] == [*(f"'{cell}" for cell in bad), *good, ""]
    assert rows[-1][1] == "-7"
