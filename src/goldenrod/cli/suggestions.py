"""Suggests names that are close to a name that was not found."""

from collections.abc import Iterable
from difflib import get_close_matches

MOST_SUGGESTED = 3


def suggestion(typed: str, known: Iterable[str]) -> str:
    """A question that names what is close to the typed text; empty if nothing is."""
    names = {name.casefold(): name for name in known}
    close = get_close_matches(typed.casefold(), names, MOST_SUGGESTED, cutoff=0.6)
    return f" Did you mean {' or '.join(names[name] for name in close)}?" if close else ""
