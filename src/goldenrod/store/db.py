"""Connections and transactions: how a statement reaches SQLite or PostgreSQL.

A `Database` is opened once per process. `read()` gives one snapshot, `write()` one change: it takes
the catalogue's lock by incrementing its revision first, so that checks and writes are one.
`note()` writes what no reader of the catalogue sees (last use, limits), without the revision.
`glance()` is a read without a transaction, for doors that can begin anew: where nothing was written
between its statements, they saw one snapshot (`watch.py`).
Statements are composed with SQLAlchemy (`sql.py`), compiled once per shape, and run on the driver's
own connection: a fifth of the cost. Instants and ids come out as text on both databases.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.errors import PreconditionFailed, Unavailable
from goldenrod.store.drivers import driver_of
from goldenrod.store.revision import Revision, RevisionSource
from goldenrod.store.statements import Build, Row, Statement, delete, insert, statement, update

__all__ = ["Build", "Database", "Row", "SnapshotChanged", "Tx", "statement"]


class SnapshotChanged(Exception):
    """The catalogue was changed, or its connection lost, between the statements of a glance: what
    they gave is not one snapshot. Begin anew, in a transaction."""


class Tx:
    """One transaction: everything in it sees one state of the catalogue and one `now`.

    `build` arguments are module-level functions that compose a statement from `shape`; parameters
    are given by name. `api` is where the addresses of things begin; `undone` has a change rolled
    back at its end: a dry run. `address` is that of the client that a change is made for, where there
    is one.
    """

    __slots__ = (
        "_connection",
        "_etag",
        "_if_match",
        "_trace",
        "address",
        "api",
        "committed",
        "dialect",
        "dry_run",
        "now",
        "revision",
        "statements",
    )

    def __init__(self, connection: Any, db: "Database", revision: int, now: Instant) -> None:
        self._connection = connection
        self._trace = db.trace
        self.dialect = db.dialect
        self.api = db.api
        self.now = now
        self.revision = revision
        self.statements = 0
        self.dry_run = False
        self.address: str | None = None
        self.committed: list[Callable[[], object]] = []
        self._if_match: str | None = None
        self._etag: str | None = None

    def rows(self, build: Build, *shape: Any, **params: Any) -> list[Row]:
        """All rows, as dicts keyed by column."""
        ready = statement(self.dialect, build, *shape)
        return [ready.row(values) for values in self._run(ready, params).fetchall()]

    def first(self, build: Build, *shape: Any, **params: Any) -> Row | None:
        """The first row, or None."""
        ready = statement(self.dialect, build, *shape)
        values = self._run(ready, params).fetchone()
        return None if values is None else ready.row(values)

    def value(self, build: Build, *shape: Any, **params: Any) -> Any:
        """The first column of the first row; None where there is no row."""
        ready = statement(self.dialect, build, *shape)
        values = self._run(ready, params).fetchone()
        return None if values is None else values[0]

    def stream(self, build: Build, *shape: Any, **params: Any) -> Iterator[Row]:
        """The rows one after the other, without holding them all (SQLite; PostgreSQL buffers)."""
        ready = statement(self.dialect, build, *shape)
        for values in self._run(ready, params):
            yield ready.row(values)

    def change(self, build: Build, *shape: Any, **params: Any) -> int:
        """Run a statement that changes rows; how many it changed."""
        return int(self._run(statement(self.dialect, build, *shape), params).rowcount)

    def insert(self, table: sa.Table, /, **values: Any) -> int:
        """Insert one row; its (first) primary key."""
        ready = statement(self.dialect, insert, table, tuple(values))
        key: int = self._run(ready, values).fetchone()[0]
        return key

    def update(self, table: sa.Table, key: Row, /, **values: Any) -> int:
        """Set columns of the rows that `key` names; how many."""
        ready = statement(self.dialect, update, table, tuple(key), tuple(values))
        given = key | {f"new_{name}": value for name, value in values.items()}
        return int(self._run(ready, given).rowcount)

    def delete(self, table: sa.Table, **key: Any) -> int:
        """Delete the rows that `key` names; how many."""
        return int(self._run(statement(self.dialect, delete, table, tuple(key)), key).rowcount)

    def sql(self, text: str, params: Row | None = None) -> Any:
        """Run text as it is, on the driver: for what Core cannot say. Give a dict where it has
        parameters, in the driver's own style."""
        self.statements += 1
        if self._trace is not None:
            self._trace.append(text)
        return self._connection.execute(text, params or {})

    def after(self, call: Callable[[], object]) -> None:
        """Call this once the change is committed; never, where it is not."""
        self.committed.append(call)

    def expect(self, if_match: str | None, etag: str | None) -> None:
        """Take note of the request's If-Match and of the ETag that the reader's GET answers now;
        None where there is nothing to get."""
        self._if_match = if_match
        self._etag = etag

    def check_match(self) -> None:
        """Raise 412 unless If-Match, where one was given, names the present ETag.

        Nouns call it between what is wrong with the body (400) and what conflicts (409).
        """
        if self._if_match is None:
            return
        wanted = [part.strip() for part in self._if_match.split(",")]
        if self._etag is None or not ("*" in wanted or self._etag in wanted):
            raise PreconditionFailed(
                "Somebody changed this since you read it. Read it again, and send its new ETag."
            )

    def _run(self, ready: Statement, params: Row) -> Any:
        # A shape may use fewer parameters than its caller knows (the reader's, say).
        defaults = ready.defaults
        given = {n: params[n] if n in params else defaults[n] for n in ready.names}
        if self.dialect == "sqlite":
            for name, value in given.items():
                if isinstance(value, list):
                    given[name] = json.dumps(value)
        self.statements += 1
        if self._trace is not None:
            self._trace.append(ready.text)
        return self._connection.execute(ready.text, given)


class _RolledBack(Exception):
    """A dry run has ended."""


_INCREMENT = "UPDATE catalogue SET revision = revision + 1"


class Database:
    """An open catalogue. `now`, where given, replaces the clock: tests move time with it.

    `trace`, where set to a list, receives the text of each statement that runs.
    """

    def __init__(
        self,
        url: str,
        *,
        public_url: str = "",
        pool: int = 8,
        now: Callable[[], Instant] | None = None,
    ) -> None:
        self.url = url
        self.api = f"{public_url}/api/v2"
        self.now = now
        self.trace: list[str] | None = None
        self._driver = driver_of(url, pool)
        self._revision_source: RevisionSource | None = None
        self._open_revision_source = threading.Lock()
        self.dialect = self._driver.dialect

    def current_revision(self) -> Revision:
        """The revision now, and the clock. Raises Unavailable."""
        try:
            if self._revision_source is None:
                with self._open_revision_source:
                    self._revision_source = (
                        self._revision_source or self._driver.open_revision_source()
                    )
            seen = self._revision_source.current_revision()
        except Exception as error:
            if self._driver.away(error):
                raise _unavailable() from error
            raise
        return seen if self.now is None else Revision(seen.revision, clock.to_micros(self.now()))

    @contextmanager
    def optimistic_read(self) -> Iterator[Tx]:
        """A read without a transaction: each statement is a snapshot by itself, and all of them are
        one where the revision at the end is that of the beginning. Raises Moved where it is not:
        whatever the block made or raised is void then, and is to be made anew with `read()`."""
        seen = self.current_revision()
        tx = None
        try:
            with self._driver.connection() as connection:
                tx = Tx(connection, self, seen.revision, clock.of_micros(seen.micros))
                yield tx
        except Exception as error:
            if self._driver.away(error) or self._snapshot_changed(tx, seen):
                raise SnapshotChanged from error
            raise
        if self._snapshot_changed(tx, seen):
            raise SnapshotChanged

    def _snapshot_changed(self, tx: Tx | None, seen: Revision) -> bool:
        several = tx is not None and tx.statements > 1
        return several and self.current_revision().revision != seen.revision

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """One snapshot of the catalogue; `tx.now` and `tx.revision` belong to it."""
        with self._transaction(write=False) as connection:
            yield self._tx(connection)

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """One change of the catalogue: all of it or, where an exception leaves, nothing."""
        with self._transaction(write=True) as connection:
            if self.trace is not None:
                self.trace.append(_INCREMENT)
            connection.execute(_INCREMENT)
            tx = self._tx(connection)
            yield tx
            if tx.dry_run:
                raise _RolledBack
        if not tx.dry_run:
            _call(tx.committed)

    @contextmanager
    def write_unversioned(self) -> Iterator[Tx]:
        """A change that no reader of the catalogue sees, outside its revision."""
        with self._transaction(write=True) as connection:
            tx = self._tx(connection)
            yield tx
        _call(tx.committed)

    def _tx(self, connection: Any) -> Tx:
        revision, now = self._driver.time(connection)
        return Tx(connection, self, revision, self.now() if self.now else now)

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Any]:
        try:
            with self._driver.begun(write=write) as connection:
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    _roll_back(connection)
                    raise
        except _RolledBack:
            pass
        except Exception as error:
            if self._driver.away(error):
                raise _unavailable() from error
            raise

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A bare driver connection, outside any transaction: migrations and backup."""
        with self._driver.connection() as connection:
            yield connection

    def close(self) -> None:
        if self._revision_source is not None:
            self._revision_source.close()
        self._driver.close()


def _call(calls: list[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _unavailable() -> Unavailable:
    return Unavailable(
        "The database is away or busy. Try again in a moment.", code="database_unavailable"
    )


def _roll_back(connection: Any) -> None:
    try:
        connection.execute("ROLLBACK")
    except Exception:
        # The connection is gone, and the change with it; the pool throws it away.
        connection.close()
