"""Hashing of passwords with Argon2id, which takes 64 MiB of memory for each password.

So a process hashes few passwords at once. A few further requests wait for a moment; the rest are
refused with 503 and Retry-After.
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
    """Limits how many passwords are hashed or verified at once."""

    def __init__(
        self, at_once: int = AT_ONCE, most_waiting: int = MOST_WAITING, wait_s: float = WAIT_S
    ) -> None:
        self._slots = threading.BoundedSemaphore(at_once)
        self._queue = threading.BoundedSemaphore(most_waiting)
        self._wait_s = wait_s

    @contextmanager
    def take(self) -> Iterator[None]:
        """Take a slot for the block. Raises Unavailable."""
        if not self._slots.acquire(blocking=False):
            self._wait()
        try:
            yield
        finally:
            self._slots.release()

    def _wait(self) -> None:
        queued = self._queue.acquire(blocking=False)
        try:
            if not queued or not self._slots.acquire(timeout=self._wait_s):
                raise Unavailable(
                    "Too many passwords are being checked at once. Try again in a moment.",
                    retry_after=2,
                    code="server_busy",
                )
        finally:
            if queued:
                self._queue.release()


TURNS = Turns()
"""The limit of this process."""


def matches(password_hash: str, password: str) -> bool:
    """Whether a password has this hash. Call it within `TURNS.take()`."""
    try:
        return HASHER.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False


def hashed(password: str) -> str:
    """The hash of a password. Raises Unavailable."""
    with TURNS.take():
        return HASHER.hash(password)
