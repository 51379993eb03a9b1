"""How many requests a process works on at once; the next ones wait for a moment, the rest get 503.

Without it, every request that arrived would wait for its turn, and under more load than the server can
answer each would wait longer than the one before. Answers from the cache need no turn. Half of the
turns are for requests that may change something: while these wait for each other, others still read.
A request whose body is arriving has no turn meanwhile (`request_body.py` limits these).
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from goldenrod.base.errors import Unavailable

MOST_WAITING = 64
MOST_CHANGES_WAITING = 32
"""Requests that wait for a turn at once: those that only read, and the others."""
WAIT_S = 0.2
CHANGE_WAIT_S = 2.0
"""How long they wait for it."""
GATE = "goldenrod.gate"
"""The name under which a request's environment has its turn."""


class _Turns:
    """At most so many at once, and so many that wait: whoever came first is the next."""

    def __init__(self, at_once: int, most_waiting: int, wait_s: float) -> None:
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._free = at_once
        self._most_waiting = most_waiting
        self._waiting: deque[threading.Lock] = deque()

    def take(self) -> None:
        """Take a turn. Raises Unavailable."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            if len(self._waiting) >= self._most_waiting:
                raise _busy()
            given = threading.Lock()
            given.acquire()
            self._waiting.append(given)
        if given.acquire(timeout=self._wait_s):
            return
        with self._lock:
            # It may have been given a moment ago.
            if given in self._waiting:
                self._waiting.remove(given)
                raise _busy()

    def give_back(self) -> None:
        """Give the turn to the next one."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class Turn:
    """The turn of one request."""

    def __init__(self, turns: _Turns) -> None:
        self._turns = turns
        self._taken = False

    def begin(self) -> None:
        """Wait for a turn. Raises Unavailable."""
        self._turns.take()
        self._taken = True

    def end(self) -> None:
        """Let the next one have it."""
        if self._taken:
            self._taken = False
            self._turns.give_back()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have no turn in the block, which waits for the client. Raises Unavailable at its end."""
        self.end()
        try:
            yield
        finally:
            self.begin()


class Gate:
    """The turns of a process."""

    def __init__(self, at_once: int) -> None:
        half = max(1, at_once // 2)
        self._changes = _Turns(half, MOST_CHANGES_WAITING, CHANGE_WAIT_S)
        self._reads = _Turns(max(1, at_once - half), MOST_WAITING, WAIT_S)

    def turn(self, *, change: bool) -> Turn:
        """A turn that has not begun, for a request that may `change` something or only reads."""
        return Turn(self._changes if change else self._reads)


def _busy() -> Unavailable:
    return Unavailable(
        "The server has more requests than it can answer. Try again in a moment.",
        code="server_busy",
    )
