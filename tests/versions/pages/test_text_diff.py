"""Differences between two texts: complete, short, and found with bounded work."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldenrod.web.pages.versions.text_diff import (
    AROUND,
    MOST_LINES,
    MOST_ROWS,
    Comparison,
    compared_texts,
)


def shown(found: Comparison) -> list[str]:
    """The rows as a patch has them, with [-removed-] and {+added+} words."""
    marks = {"same": "  ", "removed": "- ", "added": "+ ", "changed": "~ ", "left out": "…"}
    words = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    rows = []
    for row in found.rows:
        if row.kind == "left out":
            rows.append(f"… {row.count}")
            continue
        sides = [row.before, row.after] if row.kind == "changed" else [row.before or row.after]
        for side in sides:
            whole = row.kind != "changed"
            text = "".join(
                part.text if whole else words[part.kind].format(part.text) for part in side
            )
            rows.append(marks[row.kind] + text)
    return rows


def test_a_change_log() -> None:
    before = "Kernel 6.1.170\nopenssl 3.5.5-1\nThe agent starts early.\nGone.\n"
    after = "Kernel 6.1.175\nopenssl 3.5.5-1\nThe agent starts early.\nSomething else!\nNew.\n"
    found = compared_texts(before, after)
    assert shown(found) == [
        "~ Kernel 6.1.[-170-]",
        "~ Kernel 6.1.{+175+}",
        "  openssl 3.5.5-1",
        "  The agent starts early.",
        "- Gone.",
        "+ Something else!",
        "+ New.",
    ]
    assert (found.removed, found.added) == (2, 3)


def test_words_of_a_line() -> None:
    found = compared_texts("a quick, brown fox jumps", "a quick brown dog jumps over")
    assert shown(found) == [
        "~ a quick[-,-] brown [-fox-] jumps",
        "~ a quick brown {+dog+} jumps{+ over+}",
    ]


def test_unchanged_lines_are_left_out() -> None:
    lines = [f"line {number}" for number in range(30)]
    changed = [*lines[:10], "put in", *lines[10:]]
    found = compared_texts("\n".join(lines), "\n".join(changed))
    assert shown(found) == [
        "… 7",
        *(f"  line {number}" for number in range(10 - AROUND, 10)),
        "+ put in",
        *(f"  line {number}" for number in range(10, 10 + AROUND)),
        "… 17",
    ]
    # One line takes no less room than that it is left out.
    found = compared_texts("\n".join(lines[:4]), "\n".join([*lines[:4], "put in"]))
    assert shown(found) == ["  line 0", "  line 1", "  line 2", "  line 3", "+ put in"]


@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("a", "a"), ("a\n", "a"), ("a\r\nb", "a\nb\n")],
)
def test_no_difference(before: str, after: str) -> None:
    found = compared_texts(before, after)
    assert (found.removed, found.added) == (0, 0)
    assert all(row.kind in ("same", "left out") for row in found.rows)


def test_an_empty_text() -> None:
    assert shown(compared_texts("", "a\nb")) == ["+ a", "+ b"]
    assert shown(compared_texts("a\nb", "")) == ["- a", "- b"]


LINES = st.lists(st.sampled_from(["", "a", "b c", "b d", "the same again", "x" * 20]), max_size=25)


def longest_common(a: list[str], b: list[str]) -> int:
    """By the book, in the square of their lengths."""
    row = [0] * (len(b) + 1)
    for one in a:
        before = row[:]
        for at, other in enumerate(b):
            row[at + 1] = before[at] + 1 if one == other else max(row[at], before[at + 1])
    return row[-1]


@settings(max_examples=300, deadline=None)
@given(LINES, LINES)
def test_the_difference_is_complete_and_the_shortest(a: list[str], b: list[str]) -> None:
    before, after = ("".join(f"{line}\n" for line in it) for it in (a, b))
    found = compared_texts(before, after)
    # Where nothing is left out, both texts can be read off.
    if all(row.kind != "left out" for row in found.rows):
        for side, text in (("before", a), ("after", b)):
            rows = [
                row
                for row in found.rows
                if row.kind not in ({"added"} if side == "before" else {"removed"})
            ]
            assert ["".join(part.text for part in getattr(row, side)) for row in rows] == text
    same = sum(row.count for row in found.rows if row.kind in ("same", "left out"))
    assert same == longest_common(a, b)
    assert (same + found.removed, same + found.added) == (len(a), len(b))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_texts(before: str, after: str) -> None:
    found = compared_texts(before, after)
    for row in found.rows:
        if row.kind == "changed":
            assert {part.kind for part in row.before} <= {"same", "removed"}
            assert {part.kind for part in row.after} <= {"same", "added"}
            same = [
                "".join(p.text for p in side if p.kind == "same")
                for side in (row.before, row.after)
            ]
            assert same[0] == same[1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\n" * 65_000, "a\n" * 32_000),
        ("".join(f"{n}\n" for n in range(11_000)), "".join(f"{n}\n" for n in range(11_000, 0, -1))),
        ("a b " * 16_000, "b a " * 16_000),
        ("x" * 65_000, "y" * 65_000),
        (
            "".join(f"{'a b ' * 100}{n}\n" for n in range(150)),
            "".join(f"{'b a ' * 100}{n}\n" for n in range(150)),
        ),
        (
            "".join(f"same {n}\n" for n in range(5_000)),
            "".join(f"same {n + n % 7}\n" for n in range(5_000)),
        ),
    ],
)
def test_the_work_is_bounded(before: str, after: str) -> None:
    begun = time.perf_counter()
    found = compared_texts(before, after)
    spent = time.perf_counter() - begun
    print(f"\n{len(before)} and {len(after)} characters: {spent * 1000:.0f} ms")
    assert found.removed and found.added and spent < 3
    assert len(found.rows) <= MOST_ROWS
    assert found.complete == (len(found.rows) < MOST_ROWS)


def test_texts_that_are_too_different() -> None:
    lines = [f"line {number}" for number in range(MOST_LINES)]
    others = [f"other {number}" for number in range(MOST_LINES)]
    found = compared_texts("\n".join(["first", *lines]), "\n".join(["first", *others]))
    assert (found.removed, found.added) == (MOST_LINES, MOST_LINES)
    assert found.rows[0].kind == "same"
