"""Passwords as they are kept: Argon2id, which takes 64 MiB of memory for each that is worked on.

So a process works on few at once. Who comes while all places are taken waits a moment, a few at most;
everybody else is asked to come again.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from goldenrod.base.errors import Unavailable

AT_ONCE = 4
MOST_WAITING = 8
WAIT_S = 2.0

HASHER = PasswordHasher()
"""argon2id with the library's recommended costs."""


class Turns:
    """Places to work on passwords."""

    def __init__(
        self, at_once: int = AT_ONCE, most_waiting: int = MOST_WAITING, wait_s: float = WAIT_S
    ) -> None:
        self._places = threading.BoundedSemaphore(at_once)
        self._queue = threading.BoundedSemaphore(most_waiting)
        self._wait_s = wait_s

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a place. Raises Unavailable."""
        if not self._places.acquire(blocking=False):
            self._wait()
        try:
            yield
        finally:
            self._places.release()

    def _wait(self) -> None:
        queued = self._queue.acquire(blocking=False)
        try:
            if not queued or not self._places.acquire(timeout=self._wait_s):
                raise Unavailable(
                    "Too many passwords are being checked at once. Try again in a moment.",
                    retry_after=2,
                    code="server_busy",
                )
        finally:
            if queued:
                self._queue.release()


TURNS = Turns()
"""The process's own."""


def fits(kept: str, password: str) -> bool:
    """Whether a password is the one that was kept. Hold one of `TURNS`."""
    try:
        return HASHER.verify(kept, password)
    except (Argon2Error, InvalidHashError):
        return False


def hashed(password: str) -> str:
    """A password as it is kept. Raises Unavailable."""
    with TURNS.take():
        return HASHER.hash(password)
