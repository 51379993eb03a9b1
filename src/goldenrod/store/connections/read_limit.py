"""Ends reads of SQLite that take too long, by interrupting their statement.

A thread looks at the reads that are running a few times a second, so that a read itself does almost
nothing for it. (SQLite's progress handler would be called every few steps of each statement.) Only
reads are here: a change, or its COMMIT, is never interrupted.
"""

import sqlite3
import threading
import time
from contextlib import suppress

WATCH_S = 0.25
"""Seconds between two looks."""


class ReadLimit:
    """The reads that are running, and when each must have ended."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.lock = threading.Lock()
        self.running: dict[LimitedRead, float] = {}
        self.watched = False

    def watch(self) -> None:
        """Start the thread that ends reads, unless it runs."""
        with self.lock:
            if not self.watched:
                self.watched = True
                threading.Thread(target=self._watch, name="read limit", daemon=True).start()

    def _watch(self) -> None:
        """Interrupt what is late, again and again: a statement may begin after the time was over."""
        idle_until = time.monotonic() + self.seconds
        while True:
            time.sleep(WATCH_S)
            now = time.monotonic()
            with self.lock:
                for read, ends in list(self.running.items()):
                    if ends <= now:
                        read.interrupt()
                if self.running:
                    idle_until = now + self.seconds
                elif now > idle_until:
                    self.watched = False
                    # A read that began just before has seen that it is watched.
                    if not self.running:
                        return
                    self.watched = True


class LimitedRead:
    """One read, as a context: whatever its connection runs is interrupted once its time is over."""

    __slots__ = ("_connection", "_limit")

    def __init__(self, limit: ReadLimit, connection: sqlite3.Connection) -> None:
        self._limit = limit
        self._connection = connection

    def __enter__(self) -> None:
        limit = self._limit
        limit.running[self] = time.monotonic() + limit.seconds
        if not limit.watched:
            limit.watch()

    def __exit__(self, *error: object) -> None:
        # Under the lock: whoever has the connection next must not be interrupted.
        with self._limit.lock:
            del self._limit.running[self]

    def interrupt(self) -> None:
        """Interrupt the statement that is running, if any."""
        with suppress(sqlite3.Error):
            self._connection.interrupt()
