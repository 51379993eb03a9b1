"""CSV files that people open in a spreadsheet.

A cell that begins with `=`, `+`, `-`, `@` (also in the wide forms that some spreadsheets take for the
same), a tab or a line end could be run as a formula by a spreadsheet. It gets an apostrophe in front,
which spreadsheets show as text.
"""

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
_SPACES = " \u00a0\u3000"
_SUSPECT = frozenset((*_FORMULA, *_SPACES))


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV file as text: a line with the names of the columns, then the rows. None is empty."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(
        [
            _escaped(value) if isinstance(value, str) and value[:1] in _SUSPECT else value
            for value in row
        ]
        for row in rows
    )
    return file.getvalue()


def _escaped(value: str) -> str:
    return f"'{value}" if value.lstrip(_SPACES).startswith(_FORMULA) else value
