"""What revision the catalogue is at: exact for every process's writes, however it is found out."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from sqlalchemy import select

from goldenrod.base import clock
from goldenrod.store import revision_sources
from goldenrod.store.db import Database, SnapshotChanged, Tx
from goldenrod.store.revision import Revision, Seen
from goldenrod.store.revision_sources import BatchedReads, WalIndexRevision
from goldenrod.store.sql import revision_read

MANY = 300


def test_it_is_the_revision_after_each_write(
    new_database: Callable[[str], Database], backend: str
) -> None:
    db = new_database(backend)
    other = Database(db.url, pool=1)
    before = clock.micros()
    seen = db.current_revision()
    # The databases' clock is this machine's.
    assert before <= seen.micros <= clock.micros()
    for n in range(1, MANY):
        with (db if n % 3 else other).write():
            pass
        assert (
            db.current_revision().revision == other.current_revision().revision == seen.revision + n
        )
    other.close()


def test_what_is_undone_or_only_noted_leaves_it(
    new_database: Callable[[str], Database], backend: str
) -> None:
    db = new_database(backend)
    revision = db.current_revision().revision
    with db.write() as tx:
        tx.dry_run = True
    with pytest.raises(ZeroDivisionError), db.write():
        raise ZeroDivisionError
    with db.write_unversioned():
        pass
    assert db.current_revision().revision == revision


def test_on_sqlite_it_is_found_without_a_statement(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite_db.write():
        pass
    revision = sqlite_db.current_revision().revision
    asked: list[int] = []
    monkeypatch.setattr(WalIndexRevision, "_ask", lambda self: asked.append(1) or Seen(-1, ""))
    assert sqlite_db.current_revision().revision == revision
    assert asked == []
    with sqlite_db.write():
        pass
    assert sqlite_db.current_revision().revision == -1
    assert asked == [1]


@pytest.mark.parametrize("why", ["the file cannot be mapped", "the journal is no WAL"])
def test_where_the_header_cannot_be_mapped_a_statement_asks(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    path = sqlite_db.url.removeprefix("sqlite:///")
    if why == "the journal is no WAL":
        sqlite_db.close()
        set_ = sqlite3.connect(path)
        set_.execute("PRAGMA journal_mode = DELETE")
        set_.close()

        def plain() -> sqlite3.Connection:
            return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    else:

        def unmappable(*given: Any, **more: Any) -> None:
            raise OSError("this file system maps nothing")

        monkeypatch.setattr(revision_sources.mmap, "mmap", unmappable)
        plain = sqlite_db._driver._open  # type: ignore[attr-defined]
    asking = WalIndexRevision(path, plain)
    assert not asking.mapped
    writer = plain()
    first = asking.current_revision().revision
    for n in range(1, 20):
        writer.execute("UPDATE catalogue SET revision = revision + 1")
        assert asking.current_revision().revision == first + n
    asking.close()
    writer.close()


def test_what_is_mapped_stays_open_until_its_last_catalogue_is_closed(sqlite_db: Database) -> None:
    """Closing a file takes SQLite's locks on it from the whole process."""
    path = sqlite_db.url.removeprefix("sqlite:///")
    other = Database(sqlite_db.url)
    assert sqlite_db.current_revision() and other.current_revision()
    assert len(revision_sources._kept_open[path]) == 2
    other.close()
    assert len(revision_sources._kept_open[path]) == 2
    sqlite_db.close()
    assert path not in revision_sources._kept_open


# ── one question in flight ─────────────────────────────────────────────────────────────────


class _Slow:
    """Answers when it is told to; each answer one more than the one before."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.answers = 0

    def ask(self) -> Revision:
        self.answers += 1
        answer = self.answers
        self.began.release()
        assert self.may_end.acquire(timeout=60)
        if answer == 2:
            raise ConnectionError
        return Revision(answer, 0)


def _nothing_of_images(revision: int, images: Iterable[int]) -> bool:
    raise AssertionError(images)


def test_nobody_joins_a_question_that_has_begun() -> None:
    slow = _Slow()
    joined = BatchedReads(slow.ask, lambda: None, _nothing_of_images)
    found: dict[str, Any] = {}

    def look(name: str) -> None:
        try:
            found[name] = joined.current_revision().revision
        except ConnectionError as error:
            found[name] = error

    def asked(*names: str) -> list[threading.Thread]:
        threads = [threading.Thread(target=look, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        return threads

    threads = asked("first")
    assert slow.began.acquire(timeout=60)
    # These come while the first is under way: one question for the three of them, after it.
    threads += asked("second", "third", "fourth")
    _until(lambda: joined._next is not None and len(joined._next.waiting) == 3)
    assert slow.answers == 1
    slow.may_end.release()
    assert slow.began.acquire(timeout=60)
    threads += asked("fifth")
    _until(lambda: joined._next is not None)
    slow.may_end.release()
    slow.may_end.release()
    for thread in threads:
        thread.join(60)
    assert found["first"] == 1
    # The second question failed: for all who asked it, and for nobody else.
    assert [type(found[name]) for name in ("second", "third", "fourth")] == [ConnectionError] * 3
    assert found["fifth"] == 3
    slow.may_end.release()
    assert joined.current_revision().revision == 4


def test_who_asks_for_others_hands_over_in_time() -> None:
    """More threads than one asks for, each many times: all are answered, each after it asked."""
    asked = 0

    def ask() -> Revision:
        nonlocal asked
        asked += 1
        time.sleep(0)
        return Revision(asked, 0)

    joined = BatchedReads(ask, lambda: None, _nothing_of_images)
    wrong: list[tuple[int, int]] = []

    def look() -> None:
        for _ in range(200):
            before = asked
            if (seen := joined.current_revision().revision) <= before:
                wrong.append((before, seen))

    threads = [threading.Thread(target=look) for _ in range(3 * revision_sources.MOST_ASKED)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert wrong == []
    assert asked < 200 * len(threads)


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.001)


def test_a_lost_connection_is_made_anew(new_database: Callable[[str], Database]) -> None:
    db = new_database("postgresql")
    revision = db.current_revision().revision
    with db.connection() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert db.current_revision().revision == revision


# ── a glance ───────────────────────────────────────────────────────────────────────────────


def revisions(tx: Any) -> tuple[int, int]:
    """The revision as two statements of a transaction see it, with a write let in between."""
    first = tx.sql(revision_sources.ASKED).fetchone()[0]
    return first, tx.sql(revision_sources.ASKED).fetchone()[0]


class _LetIn(list[str]):
    """Has another catalogue write before each statement that is traced, as often as said."""

    def __init__(self, other: Database, after: int) -> None:
        self.other = other
        self.after = after

    def append(self, text: str) -> None:
        if len(self) == self.after:
            with self.other.write():
                pass
        super().append(text)


def read_while_another_writes(db: Database, other: Database) -> None:
    """A read of two statements without a transaction, with a write of the other in between."""
    db.trace = _LetIn(other, 1)
    with pytest.raises(SnapshotChanged), db.optimistic_read() as tx:
        first, second = revisions(tx)
        assert second == first + 1


def test_a_read_without_a_transaction_is_one_snapshot_or_void(
    new_database: Callable[[str], Database], backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldenrod.store.db.TRANSACTIONS", 0)
    db = new_database(backend)
    other = Database(db.url, pool=1)
    with db.optimistic_read() as tx:
        assert revisions(tx) == (tx.revision, tx.revision)
    read_while_another_writes(db, other)
    # Whatever it ends with: what it was made from was not one state.
    db.trace = _LetIn(other, 1)
    with pytest.raises(SnapshotChanged), db.optimistic_read() as tx:
        revisions(tx)
        raise ZeroDivisionError
    db.trace = None
    with pytest.raises(ZeroDivisionError), db.optimistic_read() as tx:
        revisions(tx)
        raise ZeroDivisionError
    # One statement is a snapshot by itself, written before or not.
    db.trace = _LetIn(other, 0)
    with db.optimistic_read() as tx:
        assert tx.sql(revision_sources.ASKED).fetchone()[0] == tx.revision + 1
    other.close()


def telling() -> Any:
    return select(revision_read().label("revision"))


def test_a_statement_that_tells_its_revision_saves_asking_for_it(
    new_database: Callable[[str], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldenrod.store.db.TRANSACTIONS", 0)
    db = new_database("postgresql")
    other = Database(db.url, pool=1)
    asked: list[Revision] = []
    ask = db.current_revision
    monkeypatch.setattr(db, "current_revision", lambda: asked.append(ask()) or asked[-1])

    def tell(tx: Tx) -> None:
        tx.read_at(tx.value(telling))

    db.trace = _LetIn(other, 0)
    with db.optimistic_read() as tx:
        tell(tx)
    assert tx.newest.revision == tx.revision + 1
    db.trace = _LetIn(other, 1)
    with pytest.raises(SnapshotChanged), db.optimistic_read() as tx:
        tell(tx)
        tell(tx)
    db.trace = None
    with db.optimistic_read() as tx:
        tx.sql(revision_sources.ASKED)
        tell(tx)
    assert len(asked) == 3
    # What the first statement told says nothing of the next.
    db.trace = _LetIn(other, 1)
    with pytest.raises(SnapshotChanged), db.optimistic_read() as tx:
        tell(tx)
        tx.sql(revision_sources.ASKED)
    assert len(asked) == 5
    other.close()


def test_after_a_read_that_is_repeated_the_next_ones_have_a_transaction_for_a_while(
    new_database: Callable[[str], Database], backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldenrod.store.db.TRANSACTIONS", 1_000_000)
    db = new_database(backend)
    other = Database(db.url, pool=1)
    read_while_another_writes(db, other)
    db.trace = let_in = _LetIn(other, 1)
    with db.optimistic_read() as tx:
        first, second = revisions(tx)
    assert first == second
    assert len(let_in) > let_in.after
    assert tx.generation == db.current_revision().generation
    # Another process has not had to repeat a read.
    read_while_another_writes(other, db)
    other.close()
