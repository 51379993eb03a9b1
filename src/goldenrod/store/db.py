"""Connections and transactions: how a statement reaches SQLite or PostgreSQL.

A `Database` is opened once per process. `read()` gives one snapshot, `write()` one change: it takes
the catalogue's lock by incrementing its revision first, so that checks and writes are one.
`note()` writes what no reader of the catalogue sees (last use, limits), without the revision.
Statements are composed with SQLAlchemy (`sql.py`), compiled once per shape, and run on the driver's
own connection: a fifth of the cost. Instants and ids come out as text on both databases.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from queue import Empty, LifoQueue
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.errors import PreconditionFailed, SettingError, Unavailable
from goldenrod.store.statements import Build, Row, Statement, delete, insert, statement, update

__all__ = ["BUSY_TIMEOUT_MS", "Build", "Database", "Row", "Tx", "sqlite_path", "statement"]

BUSY_TIMEOUT_MS = 5_000
"""How long a SQLite writer waits for another before it answers 503."""
POOL_TIMEOUT_S = 2.0
"""How long a request waits for a free connection before it answers 503."""

_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOTADB,
}


class Tx:
    """One transaction: everything in it sees one state of the catalogue and one `now`.

    `build` arguments are module-level functions that compose a statement from `shape`; parameters
    are given by name. `api` is where the addresses of things begin; `undone` has a change rolled
    back at its end: a dry run.
    """

    __slots__ = (
        "_connection",
        "_etag",
        "_if_match",
        "_trace",
        "api",
        "dialect",
        "now",
        "revision",
        "undone",
    )

    def __init__(self, connection: Any, dialect: str, api: str, trace: list[str] | None) -> None:
        self._connection = connection
        self._trace = trace
        self.dialect = dialect
        self.api = api
        self.now = clock.now()
        self.revision = 0
        self.undone = False
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
        if self._trace is not None:
            self._trace.append(text)
        return self._connection.execute(text, params or {})

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
        if self._trace is not None:
            self._trace.append(ready.text)
        return self._connection.execute(ready.text, given)


class _Driver(Protocol):
    """What differs between the two databases outside of statements."""

    dialect: str

    def connection(self) -> AbstractContextManager[Any]: ...
    def begin(self, connection: Any, *, write: bool) -> None: ...
    def time(self, connection: Any) -> tuple[int, Instant]: ...
    def away(self, error: BaseException) -> bool: ...
    def close(self) -> None: ...


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
        self._driver: _Driver = _driver(url, pool)
        self.dialect = self._driver.dialect

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """One snapshot of the catalogue; `tx.now` and `tx.revision` belong to it."""
        with self._transaction(write=False) as (connection, tx):
            tx.revision, now = self._driver.time(connection)
            tx.now = self.now() if self.now else now
            yield tx

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """One change of the catalogue: all of it or, where an exception leaves, nothing."""
        with self._transaction(write=True) as (connection, tx):
            tx.sql("UPDATE catalogue SET revision = revision + 1")
            tx.revision, now = self._driver.time(connection)
            tx.now = self.now() if self.now else now
            yield tx

    @contextmanager
    def note(self) -> Iterator[Tx]:
        """A change that no reader of the catalogue sees, outside its revision."""
        with self._transaction(write=True) as (connection, tx):
            tx.revision, now = self._driver.time(connection)
            tx.now = self.now() if self.now else now
            yield tx

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[tuple[Any, Tx]]:
        try:
            with self._driver.connection() as connection:
                self._driver.begin(connection, write=write)
                try:
                    tx = Tx(connection, self.dialect, self.api, self.trace)
                    yield connection, tx
                    connection.execute("ROLLBACK" if tx.undone else "COMMIT")
                except BaseException:
                    _roll_back(connection)
                    raise
        except Exception as error:
            if self._driver.away(error):
                raise Unavailable(
                    "The database is away or busy. Try again in a moment.",
                    code="database_unavailable",
                ) from error
            raise

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A bare driver connection, outside any transaction: migrations and backup."""
        with self._driver.connection() as connection:
            yield connection

    def close(self) -> None:
        self._driver.close()


def _roll_back(connection: Any) -> None:
    try:
        connection.execute("ROLLBACK")
    except Exception:
        # The connection is gone, and the change with it; the pool throws it away.
        connection.close()


def _driver(url: str, pool: int) -> _Driver:
    if url.startswith("sqlite:"):
        return _Sqlite(sqlite_path(url), pool)
    return _Postgresql(url, pool)


def sqlite_path(url: str) -> str:
    """The file that a sqlite: URL names. Three slashes: from the working directory; four: absolute."""
    parts = urlsplit(url)
    path = unquote(parts.path)[1:]
    if parts.netloc or not path or parts.query:
        raise SettingError(
            "a SQLite address looks like sqlite:///goldenrod.db, or sqlite:////srv/goldenrod.db"
        )
    return path


class _Sqlite:
    """SQLite: WAL, durable commits, one writer at a time."""

    dialect = "sqlite"

    def __init__(self, path: str, pool: int) -> None:
        self._path = path
        self._free: LifoQueue[sqlite3.Connection | None] = LifoQueue()
        for _ in range(pool):
            self._free.put(None)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        try:
            kept = self._free.get(timeout=POOL_TIMEOUT_S)
        except Empty:
            raise Unavailable("All connections to the database are busy.") from None
        connection = None
        try:
            connection = kept or self._open()
            yield connection
        finally:
            self._free.put(connection if connection and _is_open(connection) else None)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cache_size = -65536")
        return connection

    def begin(self, connection: sqlite3.Connection, *, write: bool) -> None:
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")

    def time(self, connection: sqlite3.Connection) -> tuple[int, Instant]:
        revision = connection.execute("SELECT revision FROM catalogue").fetchone()[0]
        return revision, clock.now()

    def away(self, error: BaseException) -> bool:
        code = getattr(error, "sqlite_errorcode", None)
        return isinstance(error, sqlite3.Error) and code is not None and code & 0xFF in _AWAY

    def close(self) -> None:
        while True:
            try:
                connection = self._free.get_nowait()
            except Empty:
                return
            if connection:
                connection.close()


def use_wal(connection: sqlite3.Connection) -> None:
    """Set the journal to WAL, which stays with the file.

    SQLite does not wait, whatever the busy timeout, where others do the same to a new file.
    """
    ends = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
        time.sleep(0.01)


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        return not connection.in_transaction
    except sqlite3.ProgrammingError:
        return False


class _Postgresql:
    """PostgreSQL through a pool of psycopg connections."""

    dialect = "postgresql"

    def __init__(self, url: str, pool: int) -> None:
        import psycopg
        from psycopg_pool import ConnectionPool, PoolTimeout

        self._errors = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
        self._pool = ConnectionPool(
            url.replace("postgres://", "postgresql://", 1),
            min_size=1,
            max_size=pool,
            timeout=POOL_TIMEOUT_S,
            # Each try to reconnect waits twice as long as the one before, so that after an outage
            # the pool would come back as late again: it gives up soon, and a request begins anew.
            reconnect_timeout=POOL_TIMEOUT_S,
            check=ConnectionPool.check_connection,
            configure=_configure,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 0,
                "options": "-c plan_cache_mode=force_generic_plan -c timezone=UTC -c jit=off",
            },
            open=False,
        )
        self._pool.open()

    def connection(self) -> AbstractContextManager[Any]:
        return self._pool.connection()

    def begin(self, connection: Any, *, write: bool) -> None:
        connection.execute("BEGIN" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def time(self, connection: Any) -> tuple[int, Instant]:
        row = connection.execute("SELECT revision, clock_timestamp() FROM catalogue").fetchone()
        return row[0], row[1]

    def away(self, error: BaseException) -> bool:
        return isinstance(error, self._errors)

    def close(self) -> None:
        self._pool.close()


def _configure(connection: Any) -> None:
    """Instants and ids as text, in the catalogue's form."""
    from psycopg.adapt import Loader

    class InstantLoader(Loader):
        def load(self, data: Any) -> Instant:
            # 2015-10-11 10:50:50.1234+00, as PostgreSQL writes it in the time zone UTC
            moment, _, fraction = bytes(data)[:-3].decode().partition(".")
            return Instant(f"{moment[:10]}T{moment[11:]}.{fraction:0<6}Z")

    class IdLoader(Loader):
        def load(self, data: Any) -> str:
            return bytes(data).decode()

    connection.adapters.register_loader("timestamptz", InstantLoader)
    connection.adapters.register_loader("uuid", IdLoader)
