"""Shortened names of the lineage picture, and the picture as a list."""

import re

import pytest

from goldenrod.catalogue.versions.lineage.graph import Gap
from goldenrod.web.pages.lineage.short_names import cells, prefix, shorten
from goldenrod.web.pages.lineage.svg import lineage_picture
from goldenrod.web.pages.lineage.text_list import lineage_list
from tests.support.lineage.graphs import (
    OWN,
    SIZES,
    TODAY,
    around,
    chained,
    lane,
    node,
    of_size,
    releases,
)

# ── words ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["2023.0.20260901", "2023.0.20260929"], "2023.0."),
        (["2023.0.20260901", "2023.12.20260929"], "2023."),
        (["1.0.1", "1.0.2"], ""),
        (["release-2026-01", "release-2026-02"], "release-"),
        (["release-2026-001", "release-2026-002"], "release-2026-"),
        (["20260901", "20260902"], ""),
        (["longer-than-ten"], ""),
        (["same-same-same", "same-same-same-2"], "same-same-"),
        ([], ""),
    ],
)
def test_the_common_prefix_of_names_is_left_out(names: list[str], expected: str) -> None:
    assert prefix(names) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260929", "20260929"),
        ("0123456789abcdef", "0123456789abcdef"),
        ("0123456789abcdefg", "01234567…abcdefg"),
        ("日本語版二〇二六年九月", "日本語版…年九月"),
        ("e\u0301" * 16, "e\u0301" * 16),
    ],
)
def test_long_names_lose_their_middle(text: str, expected: str) -> None:
    assert shorten(text, 16) == expected
    assert cells(shorten(text, 16)) <= 16


# ── the list ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", SIZES)
def test_the_list_has_the_same_facts(count: int) -> None:
    shown = of_size(count)
    parts = lineage_list(shown)
    assert [part.name for part in parts] == [it.name for it in shown.lanes]
    assert [part.own for part in parts].count(True) == 1
    entries = [entry for part in parts for entry in part.versions]
    hrefs = set(re.findall(r'<a class="s-[^>]* href="([^"]+)"', lineage_picture(shown).svg))
    assert len(entries) == len(shown.nodes) and {it.href for it in entries} == hrefs
    nodes = {it.href: it for it in entries}
    built = [(it.built_on.href, it.href) for it in entries if it.built_on]
    assert len(built) == len(shown.edges)
    for parent, child in built:
        assert child in [it.href for it in nodes[parent].built_from_it]
    assert sum(len(it.built_from_it) for it in entries) == len(shown.edges)
    assert sum(it.left_out for it in entries) == sum(gap.count for gap in shown.gaps)
    for part in parts:
        dates = [it.start_date for it in part.versions]
        assert dates == sorted(dates, reverse=True)


def test_the_list_names_other_images() -> None:
    [base, own] = lineage_list(
        around(
            [node("b", TODAY, 2, name="12"), *(n := releases(3))],
            [("b", "own0"), *chained(n)],
            [lane(OWN), lane(2, -1, "base")],
            [Gap(7, None, "own0")],
            version="own1",
        )
    )
    assert [it.image for it in base.versions[0].built_from_it] == ["image 1"]
    first = own.versions[-1]
    assert first.built_on and (first.built_on.name, first.built_on.image) == ("12", "base")
    assert (first.left_out, first.left_out_href) == (
        7,
        "/images/image-1/versions?before=own0",
    )
    assert [it.image for it in first.built_from_it] == [None]
    assert [it.asked for it in own.versions] == [False, True, False]
    assert (base.level, own.level, own.own) == (-1, 0, True)
    assert not base.versions[0].has_parent
