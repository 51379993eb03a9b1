"""How many changes a process makes at once, and how it lets other processes make theirs."""

import threading
import time

OWN_PAUSE_S = 0.001
"""The pause in which a thread lets others of its process begin a change."""


class Writers:
    """At most so many changes at once. `pausing`: after each one there is a pause, so that a process
    that changes much in the background lets others in: SQLite's writers are not queued."""

    def __init__(self, at_once: int, *, pausing: bool) -> None:
        self._free = threading.Semaphore(at_once)
        self._pausing = pausing

    def acquire(self, timeout: float) -> bool:
        """Wait so many seconds for one's turn; whether it came."""
        return self._free.acquire(timeout=timeout)

    def release(self, began: float | None) -> None:
        """End a change that began at that time (monotonic); None if it never did."""
        if began is None or not self._pausing:
            self._free.release()
            return
        time.sleep(_pause_after(time.monotonic() - began))
        self._free.release()
        time.sleep(OWN_PAUSE_S)


def _pause_after(seconds: float) -> float:
    """How long to pause after a change in the background. A writer that waits looks every millisecond
    (`sqlite_locks.begin_change`). Without a pause, the writer would rarely look between two changes."""
    return min(max(seconds / 2, 0.002), 0.02)
