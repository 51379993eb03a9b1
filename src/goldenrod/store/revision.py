"""The catalogue's revision as a value: its number, its mark, and the form in which clients see both.

`revision_sources.py` reads it.
"""

import re
from typing import NamedTuple

GENERATION = 1 << 48
"""What the replacement of a SQLite file adds to its revision, within a process: the file that took its
place may have been at any revision, and an answer from before must not be valid for it."""


class Seen(NamedTuple):
    """A revision that somebody has seen: its number and its mark."""

    revision: int
    mark: str

    def __str__(self) -> str:
        return f"{self.revision % GENERATION}-{self.mark}"


_SEEN = re.compile(r"([0-9]{1,18})-([0-9a-f]{16})", re.ASCII)


def read_seen(text: str) -> Seen | None:
    """The revision that a text names, as `str` of one writes it; None where it names none."""
    found = _SEEN.fullmatch(text.strip())
    return Seen(int(found[1]), found[2]) if found else None


class Revision(NamedTuple):
    """The revision, the clock that comes with it, in microseconds since 1970, and its mark."""

    revision: int
    micros: int
    mark: str = ""
    generation: int = 0
    """How often the connection that read it had been renewed: another server may have answered."""

    @property
    def seen(self) -> Seen:
        """Its number and its mark."""
        return Seen(self.revision, self.mark)

    def has_reached(self, seen: Seen | None) -> bool:
        """Whether it includes what somebody has seen. The same number with another mark does not: it is
        of a database that lost the change they saw."""
        return seen is None or self.revision > seen.revision or self.seen == seen
