"""The request that this thread answers: its id, and the statements that it has run.

The logs name the id. Slow requests are logged with the names of their statements, and traces show them;
values are never recorded.
"""

from contextvars import ContextVar
from typing import NamedTuple

MOST_STATEMENTS = 500
"""The statements of one request that are recorded; further ones are counted."""


class Ran(NamedTuple):
    """One statement that ran: its name, when it began (`time.perf_counter`), and its seconds until the
    database had its first rows."""

    name: str
    began: float
    seconds: float


class CurrentRequest:
    """One request, while it is answered."""

    __slots__ = ("id", "more", "ran")

    def __init__(self, id: str) -> None:
        self.id = id
        self.ran: list[Ran] = []
        self.more = 0
        """How many statements ran that are not in `ran`."""

    def add(self, name: str, began: float, ended: float) -> None:
        """A statement has run."""
        if len(self.ran) < MOST_STATEMENTS:
            self.ran.append(Ran(name, began, ended - began))
        else:
            self.more += 1


CURRENT: ContextVar[CurrentRequest | None] = ContextVar("current_request", default=None)
"""The request of this thread; None in threads that answer none, such as the deliverer's."""
