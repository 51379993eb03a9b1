"""Changes in the background, one after the other without end, keep no other change waiting."""

import threading
import time
from contextlib import closing

import pytest

from goldenrod.store.db import Database

LASTS_S = 0.05
"""How long a change in the background takes."""
CHANGES = 10


@pytest.mark.parametrize("process", ["another", "the same"])
def test_others_change_the_catalogue_meanwhile(sqlite_db: Database, process: str) -> None:
    stop, longest = threading.Event(), 0.0
    with closing(Database(sqlite_db.url, pool=4, background=True)) as background:

        def work() -> None:
            while not stop.is_set():
                with background.write():
                    time.sleep(LASTS_S)

        # A database has its own queue of changes, as a process does.
        other = sqlite_db if process == "another" else background
        thread = threading.Thread(target=work)
        thread.start()
        try:
            for _ in range(CHANGES):
                began = time.monotonic()
                with other.write():
                    longest = max(longest, time.monotonic() - began)
                time.sleep(LASTS_S / 2)
        finally:
            stop.set()
            thread.join()
    # One is refused after five seconds: SQLite looks for the lock ten times a second at least.
    assert longest < 4
