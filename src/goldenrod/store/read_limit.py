"""Ends reads of SQLite that take too long, by interrupting their statement.

A thread looks at the reads that are running a few times a second, so that a read itself does almost
nothing for it. (SQLite's progress handler would be called every few steps of each statement.) Only
reads are here: a change, or its COMMIT, is never interrupted.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

WATCH_S = 0.25
"""Seconds between two looks."""


class ReadLimit:
    """The reads that are running, and when each must have ended."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._running: dict[object, tuple[float, sqlite3.Connection]] = {}
        self._watched = False

    @contextmanager
    def limit(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Interrupt what this connection runs in the block, once the time is over."""
        read = object()
        with self._lock:
            self._running[read] = (time.monotonic() + self._seconds, connection)
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, name="read limit", daemon=True).start()
        try:
            yield
        finally:
            # Under the lock: whoever has the connection next must not be interrupted.
            with self._lock:
                del self._running[read]

    def _watch(self) -> None:
        """Interrupt what is late, again and again: a statement may begin after the time was over."""
        idle = 0
        while True:
            time.sleep(WATCH_S)
            with self._lock:
                now = time.monotonic()
                for ends, connection in self._running.values():
                    if ends <= now:
                        with suppress(sqlite3.Error):
                            connection.interrupt()
                idle = 0 if self._running else idle + 1
                if idle * WATCH_S > self._seconds:
                    self._watched = False
                    return
