"""Connections and transactions: how a statement reaches SQLite or PostgreSQL.

A `Database` is opened once per process. `read()` gives one snapshot, `write()` one change: it takes
the catalogue's lock by incrementing its revision first, so that checks and writes are one.
`write_unversioned()` writes what no reader of the catalogue sees (last use, limits), without the
revision. `optimistic_read()` is a read without a transaction, for handlers that can start again: if
nothing was written between its statements, they saw one snapshot. Statements are composed with
SQLAlchemy (`sql.py`), compiled once per shape, and run on the driver's own connection, at a fifth of
the cost. Instants and ids are text on both databases.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.errors import OutcomeUnknown, Unavailable
from goldenrod.store import image_changes
from goldenrod.store.connections.drivers import BRIEF_WAIT_MS, PAGES_MB, driver_of
from goldenrod.store.connections.outages import unavailable
from goldenrod.store.connections.pool_use import PoolUse
from goldenrod.store.connections.replica import Replica
from goldenrod.store.connections.sqlite_locks import BUSY_TIMEOUT_MS
from goldenrod.store.connections.writers import Writers
from goldenrod.store.image_changes import ImageChanges
from goldenrod.store.revision import Revision, Seen
from goldenrod.store.revision_sources import RevisionSource
from goldenrod.store.statements import Build, Row, statement
from goldenrod.store.transaction import Tx

__all__ = ["Build", "Database", "Row", "SnapshotChanged", "Tx", "statement"]


class SnapshotChanged(Exception):
    """The catalogue was changed, or the connection lost, between the statements of an optimistic read,
    so their results are not one snapshot. Start again, in a transaction."""


class _RolledBack(Exception):
    """A dry run has ended."""


class Database:
    """An open catalogue. `now`, where given, replaces the clock: tests move time with it.

    `trace`, where set to a list, receives the text of each statement that runs. `read_seconds`: how
    long a read may take, where that is limited. On SQLite that is the whole read, on PostgreSQL each of
    its statements. Changes use at most half of the connections of the `pool`: while they wait for each
    other, others still read. `background`: its changes are made one at a time and leave time for those
    of other processes. `pages_mb`: how much of a SQLite file its connections keep in memory together.
    """

    def __init__(
        self,
        url: str,
        *,
        public_url: str = "",
        pool: int = 8,
        read_seconds: float | None = None,
        now: Callable[[], Instant] | None = None,
        prepare: bool = True,
        background: bool = False,
        pages_mb: int = PAGES_MB,
        standby: bool = False,
        replica_url: str = "",
        replica_lag_s: float = 10,
    ) -> None:
        self.url = url
        self.api = f"{public_url}/api/v2"
        self.now = now
        self.trace: list[str] | None = None
        self._driver = driver_of(
            url, pool, read_seconds, prepare=prepare, standby=standby, pages_mb=pages_mb
        )
        at_once = 1 if background else max(1, pool // 2)
        self._writers = Writers(at_once, pausing=background and self._driver.dialect == "sqlite")
        self._transactions_until = 0.0
        """Until when (monotonic) each read has a transaction: one without had to be repeated."""
        self._revision_source: RevisionSource | None = None
        self._open_revision_source = threading.Lock()
        self.dialect = self._driver.dialect
        self.replica: Replica | None = None
        if replica_url:
            copy = Database(
                replica_url,
                public_url=public_url,
                pool=pool,
                read_seconds=read_seconds,
                now=now,
                prepare=prepare,
                standby=True,
            )
            self.replica = Replica(copy, self._driver, replica_lag_s)

    def current_revision(self) -> Revision:
        """The revision now, and the clock. Raises Unavailable."""
        try:
            seen = self._source().current_revision()
        except Exception as error:
            self._require_available(error)
            raise
        return seen if self.now is None else seen._replace(micros=clock.to_micros(self.now()))

    def unchanged(self, revision: int, images: Iterable[int]) -> bool:
        """Whether nothing that may concern these images has changed after this revision, up to the
        latest that `current_revision` read."""
        return self._source().unchanged(revision, images)

    def _source(self) -> RevisionSource:
        if self._revision_source is None:
            with self._open_revision_source:
                self._revision_source = self._revision_source or self._driver.open_revision_source()
        return self._revision_source

    def _require_available(self, error: Exception) -> None:
        """Raise Unavailable where that is what the driver's error means."""
        if self._driver.is_unavailable(error):
            raise unavailable(error) from error

    def revision_for(self, seen: Seen | None) -> Revision:
        """The revision now of the database that a reader who has seen this may be answered from: the
        replica if there is one that has reached it, else the primary. Raises Unavailable."""
        if self.replica is not None:
            found = self.replica.current_revision()
            if found is not None and found.has_reached(seen):
                return found
        return self.current_revision()

    def pool_use(self) -> PoolUse:
        """How the connections of this process are used."""
        return self._driver.pool_use()

    def replica_lag_seconds(self) -> float | None:
        """How far the replica lags behind the primary; None where there is none, or it is not known."""
        return None if self.replica is None else self.replica.lag_seconds()

    @contextmanager
    def optimistic_read(self) -> Iterator[Tx]:
        """A read without a transaction. Each statement sees a snapshot of its own; they are one
        snapshot if the revision is the same at the end. Otherwise raises SnapshotChanged: the
        block's result or exception is void, and the caller repeats it with `read()`. For
        `TRANSACTIONS` times as long as it took, the next ones have a transaction from the start."""
        began = time.monotonic()
        seen = self.current_revision()
        tx: Tx | None = None
        if began < self._transactions_until:
            with self.read(after=seen) as tx:
                yield tx
            return
        try:
            with self._driver.connection() as connection, self._driver.limited(connection):
                if not self._driver.is_one_server(connection):
                    self.connect_anew()
                    raise SnapshotChanged
                now = clock.of_micros(seen.micros)
                tx = Tx(connection, self, seen.seen, now, generation=seen.generation)
                yield tx
        except SnapshotChanged:
            raise
        except Exception as error:
            if self._driver.is_timed_out(error):
                raise _timed_out() from error
            if self._driver.is_unavailable(error) or self._snapshot_changed(tx, seen, began):
                raise SnapshotChanged from error
            raise
        if self._snapshot_changed(tx, seen, began):
            raise SnapshotChanged

    def _snapshot_changed(self, tx: Tx | None, seen: Revision, began: float) -> bool:
        if tx is None or tx.statements == 0:
            return False
        # One statement has a snapshot of its own, which may be newer than `seen`. Where the latest
        # statement told its revision, the ones before it read nothing newer.
        tx.newest = tx.last_read_at or self.current_revision().seen
        if tx.statements == 1 or tx.newest == seen.seen:
            return False
        now = time.monotonic()
        self._transactions_until = now + TRANSACTIONS * (now - began)
        return True

    @contextmanager
    def read(self, *, after: Revision | None = None) -> Iterator[Tx]:
        """One snapshot of the catalogue; `tx.now` and `tx.revision` belong to it. `after`: the revision
        that was read before it."""
        with self._transaction(write=False) as connection, self._driver.limited(connection):
            tx = self._tx(connection)
            if after is not None and self._driver.is_one_server(connection):
                tx.generation = after.generation
            yield tx

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Tx]:
        """One change of the catalogue: all of it or, after an exception, nothing. Raises Unavailable
        where somebody else is writing for longer than it waits; without `wait` that is a tenth of a
        second."""
        with self._transaction(write=True, wait=wait) as connection:
            if self.trace is not None:
                self.trace.append(self._driver.increment)
            changes = ImageChanges()
            tx = self._tx(connection, self._driver.increment, changes=changes)
            yield tx
            if tx.dry_run:
                raise _RolledBack
            if changes.narrow:
                image_changes.record(tx, changes)
        if not tx.dry_run:
            _call(tx.committed)

    @contextmanager
    def preview(self) -> Iterator[Tx | None]:
        """A change that is tried and rolled back, to see what it would do. None where somebody else
        is writing: a reader does not wait for them."""
        with ExitStack() as stack:
            tx: Tx | None = None
            with suppress(Unavailable):
                tx = stack.enter_context(self.write(wait=False))
                tx.dry_run = True
            yield tx

    @contextmanager
    def write_unversioned(self, *, wait: bool = True) -> Iterator[Tx]:
        """A change that no reader of the catalogue sees, outside its revision. It waits for others
        as `write` does."""
        with self._transaction(write=True, wait=wait) as connection:
            tx = self._tx(connection)
            yield tx
        _call(tx.committed)

    def _tx(self, connection: Any, *asked: str, changes: ImageChanges | None = None) -> Tx:
        """A transaction on this connection, whose revision the statement `asked` reads."""
        seen, now = self._driver.time(connection, *asked)
        return Tx(connection, self, seen, self.now() if self.now else now, changes=changes)

    @contextmanager
    def _transaction(self, *, write: bool, wait: bool = True) -> Iterator[Any]:
        if write and not self._writers.acquire(
            timeout=(BUSY_TIMEOUT_MS if wait else BRIEF_WAIT_MS) / 1000
        ):
            raise unavailable(TimeoutError("other changes are being made"))
        began = None
        try:
            with self._driver.transaction(write=write, wait=wait) as connection:
                began = time.monotonic()
                try:
                    yield connection
                    if write:
                        self._driver.commit(connection)
                    else:
                        connection.execute("COMMIT")
                except OutcomeUnknown:
                    self._driver.connect_anew(connection)
                    connection.close()
                    raise
                except BaseException:
                    _roll_back(connection)
                    raise
        except _RolledBack:
            pass
        except Exception as error:
            if not write and self._driver.is_timed_out(error):
                raise _timed_out() from error
            if self._driver.is_unavailable(error):
                raise unavailable(error) from error
            raise
        finally:
            if write:
                self._writers.release(began)

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A bare driver connection, outside any transaction: migrations and backup."""
        with self._driver.connection() as connection:
            yield connection

    def connect_anew(self, pause_s: float = 1) -> None:
        """Open new connections, unless it was done within so many seconds: another server may be the
        primary now."""
        self._driver.connect_anew(pause_s=pause_s)

    def connect(self) -> Any:
        """A connection of its own, outside the pool."""
        return self._driver.connect()

    def abandon(self) -> None:
        """Break the connections in use: their server does not answer."""
        self._driver.abandon()

    def close(self) -> None:
        if self.replica is not None:
            self.replica.close()
        if self._revision_source is not None:
            self._revision_source.close()
        self._driver.close()


def _call(calls: list[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _timed_out() -> Unavailable:
    return Unavailable(
        "Reading this took too long and was stopped. Ask for less, such as a smaller page or fewer "
        "filters, or try again later.",
        code="read_timed_out",
        retry_after=5,
    )


TRANSACTIONS = 30
"""Reading twice costs a server under load half of what it can answer; a transaction costs little."""


def _roll_back(connection: Any) -> None:
    try:
        connection.execute("ROLLBACK")
    except Exception:
        # The connection is lost, and the change with it; the pool discards it.
        connection.close()
