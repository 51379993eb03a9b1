"""The words of the lineage picture: names as short as there is room for, and how wide they are."""

import unicodedata

CELL = 6.7
"""The width of a character, in pixels: 11 px, monospaced."""
LONGEST = 16
"""How many characters of a version's name are written."""


def cells(text: str) -> int:
    """How many characters' room a text takes: wide ones two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(it) else 2 if unicodedata.east_asian_width(it) in "WF" else 1
        for it in text
    )


def width(text: str) -> int:
    """How many pixels a text is wide."""
    return round(CELL * cells(text))


def shorten(text: str, most: int = LONGEST) -> str:
    """The text, its middle left out where it takes more room than that."""
    if cells(text) <= most:
        return text
    head, tail = "", ""
    for it in text:
        if cells(head + it) > most // 2:
            break
        head += it
    for it in reversed(text[len(head) :]):
        if cells(head) + 1 + cells(it + tail) > most:
            break
        tail = it + tail
    return f"{head}…{tail}"


def prefix(names: list[str]) -> str:
    """What long names begin with alike, up to a `.`, `-`, `_`, `+`, `/` or space: `2023.0.`.

    At least three characters are left of each; nothing is left out where names are short.
    """
    if len(names) < 2 or max(map(len, names)) <= 10:
        return ""
    first, last = min(names), max(names)
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    upto = min(same, min(map(len, names)) - 3)
    return first[: max(first.rfind(mark, 0, max(upto, 0)) for mark in ".-_+/ ") + 1]


def left_out(count: int) -> str:
    """How many are left out, in words."""
    return f"… {count:,} more"
