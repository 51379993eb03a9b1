"""The lineage picture: where months begin, that no line goes through a name, and its legend."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from goldenrod.catalogue.versions.lineage.graph import Gap
from goldenrod.web import pages
from goldenrod.web.pages.lineage.layout import lay_out
from goldenrod.web.pages.lineage.svg import lineage_picture
from tests.support.lineage.graphs import SIZES, TODAY, around, node, of_size
from tests.versions.lineage.test_svg import drawn, laid


def test_a_month_begins_where_its_first_day_is() -> None:
    days = [date(2026, 7, 29), date(2026, 8, 8), date(2026, 9, 1), date(2026, 9, 30)]
    layout = lay_out(around([node(str(it), it) for it in days]))
    july, august, september = (tick.x for tick in layout.ticks)
    first, second, third, _ = (spot.x for spot in layout.spots.values())
    assert july < first
    assert august == round(first + (second - first) * 0.3)
    # It keeps clear of the version that was released on that day.
    assert second < september < third - 6
    assert [tick.text for tick in layout.ticks] == ["Jul 2026", "Aug", "Sep"]


@pytest.mark.parametrize("count", SIZES)
def test_no_name_is_struck_through(count: int) -> None:
    shown = of_size(count)
    layout, found, written = laid(shown)
    for key, label in written.names.items():
        node_ = layout.spots[key].node
        if not (node_.channels or key == shown.version):
            assert not found.cross(label.left, label.right, label.y - 8, label.y)
    for tick in drawn(shown).iter("path"):
        if tick.get("class") != "tick":
            continue
        x = int(re.findall(r"M(\d+)", tick.get("d") or "")[0])
        for label in written.names.values():
            if label.left <= x <= label.right:
                for top, bottom in re.findall(r"M\d+ (\d+)V(\d+)", tick.get("d") or ""):
                    assert int(bottom) <= label.y - 8 or int(top) >= label.y


def test_the_legend_has_the_marks_that_there_are_and_no_others() -> None:
    one = lineage_picture(around([node("a", TODAY)]))
    assert (one.states, one.marks) == (("current",), frozenset())
    nodes = [
        node("a", TODAY, state="ended", revoked=True),
        node("b", TODAY + timedelta(days=1), stale=True, parent_image=2, channels=("stable",)),
        node("c", TODAY + timedelta(days=2), state="scheduled"),
    ]
    shown = around(nodes, [("a", "c")], gaps=[Gap(3, None, "a")], version="a")
    all_ = lineage_picture(shown)
    assert all_.states == ("current", "scheduled", "ended")
    assert all_.marks == {
        *("also revoked", "outdated", "asked", "channel", "scheduled line", "guide", "left out"),
    }
    template = Path(pages.__file__).parents[1] / "templates" / "lineage" / "_picture.html"
    assert all(f'"{mark}"' in template.read_text("utf-8") for mark in {*all_.marks, "line"})
    assert all_.begins and not lineage_picture(around(nodes, version="c")).begins
