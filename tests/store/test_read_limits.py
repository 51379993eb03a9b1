"""How long reads may take, and how many connections changes may use."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from goldenrod.base.errors import Unavailable
from goldenrod.store.connections import read_limit
from goldenrod.store.db import Database

SLOW = {
    "sqlite": (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {million}000000) "
        "SELECT count(*) FROM n"
    ),
    "postgresql": "SELECT pg_sleep({million} * 0.1)",
}
LIMIT_S = 0.3


@pytest.fixture
def limited(
    new_database: Callable[[str], Database], backend: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    monkeypatch.setattr(read_limit, "WATCH_S", 0.02)
    made = Database(new_database(backend).url, pool=4, read_seconds=LIMIT_S)
    yield made
    made.close()


def slow(db: Database, million: int) -> str:
    return SLOW[db.dialect].format(million=million)


def test_a_read_that_takes_too_long_is_stopped_and_a_change_is_not(limited: Database) -> None:
    for opened in (limited.optimistic_read, limited.read):
        began = time.monotonic()
        with pytest.raises(Unavailable) as stopped, opened() as tx:
            tx.sql(slow(limited, 1000)).fetchone()
        assert stopped.value.code == "read_timed_out"
        assert stopped.value.headers == {"Retry-After": "5"}
        assert time.monotonic() - began < 5
        with opened() as tx:
            assert tx.sql("SELECT 1").fetchone()[0] == 1

    began = time.monotonic()
    with limited.write() as tx:
        while time.monotonic() - began < 2 * LIMIT_S:
            tx.sql(slow(limited, 4)).fetchone()
        revision = tx.revision
        if limited.dialect == "postgresql":
            assert tx.sql("SHOW statement_timeout").fetchone()[0] == "0"
            assert tx.sql("SHOW lock_timeout").fetchone()[0] == "5s"
    assert limited.current_revision().revision == revision


def test_changes_that_wait_for_each_other_leave_connections_for_reads(limited: Database) -> None:
    begun, finish = threading.Event(), threading.Event()

    def change(hold: bool) -> None:
        with limited.write():
            if hold:
                begun.set()
                finish.wait(20)

    changes = [threading.Thread(target=change, args=(True,))]
    changes[0].start()
    assert begun.wait(5)
    changes += [threading.Thread(target=change, args=(False,)) for _ in range(6)]
    for waiting in changes[1:]:
        waiting.start()
    time.sleep(0.1)
    try:
        began = time.monotonic()
        for _ in range(20):
            with limited.read() as tx:
                assert tx.sql("SELECT 1").fetchone()[0] == 1
        assert time.monotonic() - began < 1
    finally:
        finish.set()
        for waiting in changes:
            waiting.join(10)
    assert limited.current_revision().revision >= len(changes)
