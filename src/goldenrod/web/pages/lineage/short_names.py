"""Shortened names for the lineage picture, and their widths."""

import unicodedata

CELL = 6.7
"""The width of a character, in pixels: 11 px, monospaced."""
LONGEST = 16
"""The maximum width of a version's name, in characters."""


def cells(text: str) -> int:
    """The width of a text in characters. Wide characters count as two, combining ones as none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(it) else 2 if unicodedata.east_asian_width(it) in "WF" else 1
        for it in text
    )


def width(text: str) -> int:
    """The width of a text in pixels."""
    return round(CELL * cells(text))


def shorten(text: str, most: int = LONGEST) -> str:
    """The text, without its middle if it is wider than `most` characters."""
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
    """The common prefix of long names, up to a `.`, `-`, `_`, `+`, `/` or space: `2023.0.`.

    At least three characters of each name remain. Short names have no prefix.
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
    """The label for this number of left-out versions."""
    return f"… {count:,} more"
