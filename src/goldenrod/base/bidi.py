"""Isolates text that runs from right to left, so that it cannot reorder the text beside it.

In HTML, an isolated text is in a `<bdi>` element. Where no element can be (titles of pages, options,
attributes, pictures), it is between two control characters, FIRST STRONG ISOLATE and POP DIRECTIONAL
ISOLATE. Other text cannot reorder anything, and stays as it is.
"""

import re
from collections.abc import Iterator

# The blocks of scripts that run from right to left, and the controls of direction.
_RTL = (
    "\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc"
    "\U00010800-\U00010fff\U0001e800-\U0001efff"
)
_FIRST = re.compile(f"[{_RTL}]")
_LETTER = re.compile(r"[^\W\d_]")
_RUN = re.compile(f"[{_RTL}]+(?:[0-9 ._-]+[{_RTL}]+)*")
_OPEN, _CLOSE = "\u2068", "\u2069"


def may_reorder(text: str) -> bool:
    """The text can change the order of the text beside it."""
    return not text.isascii() and _FIRST.search(text) is not None


def runs_from_the_right(text: str) -> bool:
    """The first letter of the text is of a script that runs from right to left."""
    first = _LETTER.search(text)
    return first is not None and _FIRST.match(first[0]) is not None


def runs(text: str) -> Iterator[tuple[str, bool]]:
    """The parts of a sentence, each with whether it runs from right to left."""
    at = 0
    for found in _RUN.finditer(text):
        if found.start() > at:
            yield text[at : found.start()], False
        yield found[0], True
        at = found.end()
    if at < len(text):
        yield text[at:], False


def isolated_by_controls(text: str) -> str:
    """A sentence in which each part that runs from right to left is isolated by controls."""
    if not may_reorder(text):
        return text
    return "".join(f"{_OPEN}{part}{_CLOSE}" if rtl else part for part, rtl in runs(text))
