"""How the connections of a process to its database are used."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class PoolUse(NamedTuple):
    """The use of one pool: now, and in all since the process began."""

    most: int
    in_use: int
    waiting: int
    """How many requests wait for a connection now."""
    waited: int
    """How many had to wait."""
    waited_seconds: float
    refused: int
    """How many waited in vain."""


class Waits:
    """Counts who waits for a connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.waiting = self.waited = self.refused = 0
        self.seconds = 0.0

    @contextmanager
    def waiting_for(self) -> Iterator[None]:
        """The block waits for a connection."""
        began = time.monotonic()
        with self._lock:
            self.waiting += 1
            self.waited += 1
        try:
            yield
        finally:
            with self._lock:
                self.waiting -= 1
                self.seconds += time.monotonic() - began

    def refuse(self) -> None:
        """Somebody waited in vain."""
        with self._lock:
            self.refused += 1
