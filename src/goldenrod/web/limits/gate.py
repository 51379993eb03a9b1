"""How many requests a process works on at once; the next ones wait for a moment, the rest get 503.

Without it, every request that arrived would wait for its turn, and under more load than the server can
answer each would wait longer than the one before. Answers from the cache need no turn. Requests that
may change something have at most half of the turns: while they wait for each other, others still read.
A request whose body is arriving has no turn meanwhile (`request_body.py` limits these).
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from goldenrod.base.errors import Unavailable

MOST_WAITING = 64
"""Requests that wait for a turn at once; of them at most half may change something."""
WAIT_S = 0.3
"""How long a request waits for a turn."""
CHANGE_WAIT_S = 2.0
"""How long a request that may change something waits for others that may."""
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

    def __init__(self, *needed: _Turns) -> None:
        self._needed = needed

    def begin(self) -> None:
        """Wait for a turn. Raises Unavailable."""
        taken = []
        try:
            for turns in self._needed:
                turns.take()
                taken.append(turns)
        except Unavailable:
            for turns in taken:
                turns.give_back()
            self._needed = ()
            raise

    def end(self) -> None:
        """Let the next one have it."""
        for turns in self._needed:
            turns.give_back()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have no turn in the block, which waits for the client. Raises Unavailable at its end."""
        needed, self._needed = self._needed, ()
        for turns in needed:
            turns.give_back()
        try:
            yield
        finally:
            self._needed = needed
            self.begin()


class Gate:
    """The turns of a process."""

    def __init__(self, at_once: int) -> None:
        self._all = _Turns(at_once, MOST_WAITING, WAIT_S)
        self._changes = _Turns(max(1, at_once // 2), MOST_WAITING // 2, CHANGE_WAIT_S)

    def turn(self, *, change: bool) -> Turn:
        """A turn that has not begun, for a request that may `change` something or only reads."""
        return Turn(self._changes, self._all) if change else Turn(self._all)


def _busy() -> Unavailable:
    return Unavailable(
        "The server has more requests than it can answer. Try again in a moment.",
        code="server_busy",
    )
