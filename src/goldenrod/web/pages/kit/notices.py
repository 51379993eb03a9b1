"""The notice that the next page shows after a change: what was done, and how to undo it.

It travels in a cookie that only the browser's own session can have sealed (`cookies.py`), so nobody
can have a page say something that did not happen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from goldenrod.web.pages.kit import cookies

SECONDS = 120
"""How long a browser keeps a notice that no page has shown."""


@dataclass(frozen=True)
class Undo:
    """How to undo a change: a form of one button, with hidden fields."""

    action: str
    fields: Mapping[str, str]


def seal(secret: str, done: str, more: str = "", undo: Undo | None = None) -> str:
    """The cookie's text for a notice: what was `done`, `more` about it, and how to `undo` it. Undo is
    left out where the notice would be too long for a cookie with it, and all where it still is."""
    notice = {"done": done, "more": more, "undo": None}
    button = undo and {"action": undo.action, "fields": dict(undo.fields)}
    sealed = cookies.seal(secret, notice | {"undo": button})
    return sealed or cookies.seal(secret, notice) or ""
