"""The two drivers: what differs between SQLite and PostgreSQL outside of statements.

Connections are pooled rather than one for each thread, because threads that end would leave files open.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.errors import SettingError, Unavailable
from goldenrod.store import revision_sources
from goldenrod.store.connections import outages, postgresql
from goldenrod.store.connections.pool_use import PoolUse, Waits
from goldenrod.store.connections.read_limit import LimitedRead, ReadLimit
from goldenrod.store.connections.sqlite_file import DatabaseFile
from goldenrod.store.connections.sqlite_locks import (
    BUSY_TIMEOUT_MS,
    begin_change,
    primary_code,
    use_wal,
)
from goldenrod.store.revision import GENERATION, Seen
from goldenrod.store.revision_sources import ASKED, RevisionSource, server_of

BRIEF_WAIT_MS = 100
"""How long it waits for a lock where it must not wait: for a read's own small writes."""
POOL_TIMEOUT_S = 2.0
"""How long a request waits for a free connection before it answers 503."""

PAGES_MB = 16
"""How much of a SQLite file all connections of a pool keep in memory, unless it is said otherwise."""

OWNER_ONLY = 0o600
"""The mode of files that hold password hashes: read and written by their owner alone."""

_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CORRUPT,
}
_OPEN_AGAIN = _AWAY - {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}
"""After these a connection is not used again: one to a file that could only be read, say, stays so."""


class Driver(Protocol):
    """What differs between the two databases outside of statements."""

    dialect: str
    increment: str
    """The statement that increments the catalogue's revision, draws a new mark, and returns both."""

    def connection(self) -> AbstractContextManager[Any]: ...
    def open_revision_source(self) -> RevisionSource: ...
    def transaction(self, *, write: bool, wait: bool = True) -> AbstractContextManager[Any]: ...
    def time(self, connection: Any, asked: str = ...) -> tuple[Seen, Instant]: ...
    def commit(self, connection: Any) -> None: ...
    def is_one_server(self, connection: Any) -> bool: ...
    def connect_anew(self, last: Any = None, pause_s: float = 1) -> None: ...
    def abandon(self) -> None: ...
    def connect(self) -> Any: ...
    def is_unavailable(self, error: BaseException) -> bool: ...
    def is_timed_out(self, error: BaseException) -> bool: ...
    def limited(self, connection: Any) -> AbstractContextManager[None]: ...
    def pool_use(self) -> PoolUse: ...
    def close(self) -> None: ...


_NO_LIMIT = nullcontext()


def driver_of(
    url: str,
    pool: int,
    read_seconds: float | None = None,
    *,
    prepare: bool = True,
    standby: bool = False,
    pages_mb: int = PAGES_MB,
) -> Driver:
    """The driver for the database that a URL names. `read_seconds`: how long a read may take. For
    SQLite, `pages_mb`: how much of the file is kept in memory. For PostgreSQL: whether statements are
    prepared, and whether the URL is that of a standby."""
    if url.startswith("sqlite:"):
        return _Sqlite(sqlite_path(url), pool, read_seconds, pages_mb)
    return _Postgresql(url, pool, read_seconds, prepare=prepare, standby=standby)


def sqlite_path(url: str) -> str:
    """The file that a sqlite: URL names. Three slashes: from the working directory; four: absolute."""
    try:
        parts = urlsplit(url)
        path = unquote(parts.path)[1:]
        wrong = bool(parts.netloc or parts.query) or not path or "\0" in path
    except ValueError:
        wrong = True
    if wrong:
        raise SettingError(
            "a SQLite address looks like sqlite:///goldenrod.db, or sqlite:////srv/goldenrod.db"
        )
    return path


class _Connection(sqlite3.Connection):
    """A connection, and which of the files that were at the path it has open."""

    generation = 0


_COUNTS_KEPT = (
    ", counts_until = CASE WHEN counts_until = revision THEN revision + 1 ELSE counts_until END"
)
"""Part of the statement that increments the revision: this change updates the counts of providers, so
they stay right if they were (`rules/visibility/stored_counts.py`)."""


class _Sqlite:
    """SQLite: WAL, durable commits, one writer at a time. Where another file takes the place of the
    database, connections to the old one are not used again."""

    dialect = "sqlite"
    increment = (
        "UPDATE catalogue SET revision = revision + 1, mark = lower(hex(randomblob(8)))"
        f"{_COUNTS_KEPT} RETURNING revision, mark"
    )

    def __init__(self, path: str, pool: int, read_seconds: float | None, pages_mb: int) -> None:
        self._read_limit = None if read_seconds is None else ReadLimit(read_seconds)
        path = str(Path(path).resolve())
        self._file = DatabaseFile(path)
        revision_sources.opened(path)
        # None stands for a connection to be opened when one is needed.
        self._free: list[_Connection | None] = [None] * pool
        self._slots = threading.Semaphore(pool)
        self._most = pool
        self._pages_kib = max(1, pages_mb * 1024 // pool)
        self._waits = Waits()

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        generation = self._file.generation()
        if not self._slots.acquire(blocking=False):
            self._wait_for_slot()
        connection = None
        try:
            # The one used last, because its pages are in the processor's cache.
            connection = self._free.pop()
            if connection and connection.generation != generation:
                connection.close()
                connection = None
            connection = connection or self._open()
            yield connection
        except sqlite3.Error as error:
            if connection and primary_code(error) in _OPEN_AGAIN:
                connection.close()
            raise
        finally:
            self._free.append(connection if connection and _is_open(connection) else None)
            self._slots.release()

    def _wait_for_slot(self) -> None:
        with self._waits.waiting_for():
            if self._slots.acquire(timeout=POOL_TIMEOUT_S):
                return
        self._waits.refuse()
        raise Unavailable("All connections to the database are busy.")

    def pool_use(self) -> PoolUse:
        waits = self._waits
        in_use = self._most - len(self._free)
        return PoolUse(
            self._most, in_use, waits.waiting, waits.waited, waits.seconds, waits.refused
        )

    def _open(self) -> _Connection:
        generation = self._file.generation()
        if self._file.is_new:
            make_private(self._file.path)
        connection = sqlite3.connect(
            # Not created once it was there: an empty file in its place would be an empty catalogue.
            f"file:{quote(os.fsencode(self._file.path))}?mode={'rwc' if self._file.is_new else 'rw'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
            factory=_Connection,
        )
        connection.generation = generation
        # Before the first statement, which would apply a -wal that is there to this file.
        self._file.require_opened(connection, generation)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA cache_size = -{self._pages_kib}")
        self._file.remember(connection, generation)
        return connection

    @contextmanager
    def transaction(self, *, write: bool, wait: bool = True) -> Iterator[sqlite3.Connection]:
        with self.connection() as connection:
            if write:
                begin_change(connection, BUSY_TIMEOUT_MS if wait else BRIEF_WAIT_MS)
            else:
                connection.execute("BEGIN")
            yield connection
            if write:
                self._file.require_same(_generation(connection))

    def open_revision_source(self) -> RevisionSource:
        def of_the_file() -> RevisionSource:
            return revision_sources.WalIndexRevision(self._file.path, self._open)

        return revision_sources.ReplaceableRevision(self._file.recent_generation, of_the_file)

    def time(self, connection: sqlite3.Connection, asked: str = ASKED) -> tuple[Seen, Instant]:
        ((revision, mark),) = connection.execute(asked).fetchall()
        return Seen(revision + _generation(connection) * GENERATION, mark), clock.now()

    def commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")

    def is_one_server(self, connection: sqlite3.Connection) -> bool:
        return True

    def connect_anew(self, last: Any = None, pause_s: float = 1) -> None:
        """There is one file only."""

    def abandon(self) -> None:
        """A file does not stop answering."""

    def connect(self) -> sqlite3.Connection:
        return self._open()

    def is_unavailable(self, error: BaseException) -> bool:
        return isinstance(error, sqlite3.Error) and primary_code(error) in _AWAY

    def is_timed_out(self, error: BaseException) -> bool:
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT

    def limited(self, connection: sqlite3.Connection) -> AbstractContextManager[None]:
        return LimitedRead(self._read_limit, connection) if self._read_limit else _NO_LIMIT

    def close(self) -> None:
        for index, connection in enumerate(self._free):
            if connection:
                connection.close()
                self._free[index] = None
        revision_sources.closed(self._file.path)


def _generation(connection: Any) -> int:
    return int(connection.generation)


def make_private(path: str) -> None:
    """Create the database file, if there is none yet, so that only its owner may read it, whatever
    the umask. SQLite gives its `-wal` and `-shm` files the mode of the database file.

    A file that exists is never opened here: closing it would drop SQLite's locks on it. Where the
    file cannot be created, SQLite says why.
    """
    with suppress(OSError):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
        try:
            os.fchmod(file, OWNER_ONLY)
        finally:
            os.close(file)


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        return not connection.in_transaction
    except sqlite3.ProgrammingError:
        return False


class _Postgresql:
    """PostgreSQL through a pool of psycopg connections."""

    dialect = "postgresql"
    increment = (
        "UPDATE catalogue SET revision = revision + 1,"
        " mark = right(replace(gen_random_uuid()::text, '-', ''), 16)"
        f"{_COUNTS_KEPT} RETURNING revision, mark, clock_timestamp()"
    )

    def __init__(
        self, url: str, pool: int, read_seconds: float | None, *, prepare: bool, standby: bool
    ) -> None:
        import psycopg
        from psycopg_pool import ConnectionPool, PoolTimeout

        self._psycopg = psycopg
        self._internal = psycopg.InternalError
        self._conninfo = postgresql.conninfo(url, standby=standby)
        self._several = postgresql.has_several_hosts(psycopg.conninfo.conninfo_to_dict(url))
        self._prepare = prepare
        self._limited = read_seconds is not None
        self._connecting = postgresql.connecting(prepare=prepare, read_seconds=read_seconds)
        self._asking: revision_sources.PostgresRevision | None = None
        self._in_use: set[Any] = set()
        self._renewed_at = 0.0
        self._errors = (
            psycopg.OperationalError,
            psycopg.InterfaceError,
            PoolTimeout,
            # A standby: the server that was the primary is none any more.
            psycopg.errors.ReadOnlySqlTransaction,
        )
        self._pool = ConnectionPool(
            lambda: self._conninfo,
            min_size=1,
            max_size=pool,
            timeout=POOL_TIMEOUT_S,
            # Each try to reconnect waits twice as long as the one before, so that after an outage
            # the pool would come back as late again: it gives up soon, and a request begins anew.
            reconnect_timeout=POOL_TIMEOUT_S,
            configure=_configure if prepare else _configure_pooled,
            kwargs=self._connecting,
            open=False,
        )
        self._pool.open()

    @contextmanager
    def connection(self) -> Iterator[Any]:
        with self._pool.connection() as connection:
            self._in_use.add(connection)
            try:
                yield connection
            finally:
                self._in_use.discard(connection)

    @contextmanager
    def transaction(self, *, write: bool, wait: bool = True) -> Iterator[Any]:
        begin = "BEGIN" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        if write and self._limited:
            # A COMMIT that waits for a standby must not be cancelled. In one message with BEGIN.
            begin = "BEGIN; SET LOCAL statement_timeout = 0"
        # A pooled connection may have been lost: the first statement fails then.
        for left in range(self._pool.max_size, -1, -1):
            connection = self._pool.getconn()
            self._in_use.add(connection)
            try:
                connection.execute(begin, prepare=None if ";" not in begin else False)
                break
            except BaseException as error:
                self._in_use.discard(connection)
                self._pool.putconn(connection)  # discards it where it is lost
                if not left or not isinstance(error, self._errors):
                    raise
        try:
            if not wait:
                connection.execute(_BRIEFLY)
            yield connection
        except self._internal as error:
            if isinstance(error, self._psycopg.errors.ReadOnlySqlTransaction):
                self.connect_anew(connection)
            if self.is_unavailable(error):
                self._pool.drain()  # sessions that only read, say, stay so
            raise
        finally:
            self._in_use.discard(connection)
            self._pool.putconn(connection)

    def open_revision_source(self) -> RevisionSource:
        asking = revision_sources.PostgresRevision(self.connect, prepare=self._prepare)
        self._asking = asking
        return revision_sources.BatchedReads(asking.ask, asking.close, asking.unchanged)

    def time(
        self,
        connection: Any,
        asked: str = "SELECT revision, mark, clock_timestamp() FROM catalogue",
    ) -> tuple[Seen, Instant]:
        revision, mark, now = connection.execute(asked).fetchone()
        return Seen(revision, mark), now

    def commit(self, connection: Any) -> None:
        postgresql.commit(connection)

    def is_one_server(self, connection: Any) -> bool:
        """Whether the connection is to the server whose revision `open_revision_source` reads. After a
        failover the two may differ for a while."""
        if not self._several:
            return True
        return self._asking is not None and self._asking.server == server_of(connection)

    def connect_anew(self, last: Any = None, pause_s: float = 1) -> None:
        """Open new connections, unless it was done a moment ago: another server may be the primary now.
        Try the server of the connection `last`, or else that of the revision, after all others: one
        that was the primary may go on to say that it is, and only a fence around it stops it."""
        if time.monotonic() - self._renewed_at < pause_s:
            return
        self._renewed_at = time.monotonic()
        if self._several and (last := last or (self._asking and self._asking.connection)):
            host, port = server_of(last)
            self._conninfo = postgresql.with_last(self._conninfo, host.decode(), port.decode())
        if self._asking is not None:
            self._asking.renew = True
        with suppress(self._psycopg.OperationalError):  # while it is being closed
            self._pool.drain()

    def abandon(self) -> None:
        """Break the connections in use: the server does not answer, and their threads wait for it."""
        asking = self._asking.connection if self._asking is not None else None
        for connection in (*self._in_use, *([asking] if asking is not None else [])):
            postgresql.break_off(connection)

    def connect(self) -> Any:
        """A connection of its own, outside the pool."""
        return self._psycopg.connect(self._conninfo, **self._connecting)

    def is_unavailable(self, error: BaseException) -> bool:
        if isinstance(error, self._internal):
            return error.sqlstate in outages.INTERNAL
        return isinstance(error, self._errors)

    def is_timed_out(self, error: BaseException) -> bool:
        return isinstance(error, self._psycopg.errors.QueryCanceled)

    def limited(self, connection: Any) -> AbstractContextManager[None]:
        return _NO_LIMIT  # PostgreSQL does it: see `postgresql.connecting`

    def pool_use(self) -> PoolUse:
        now = self._pool.get_stats()
        return PoolUse(
            self._pool.max_size,
            now["pool_size"] - now["pool_available"],
            now["requests_waiting"],
            now.get("requests_queued", 0),
            now.get("requests_wait_ms", 0) / 1000,
            now.get("requests_errors", 0),
        )

    def close(self) -> None:
        self._pool.close()


_BRIEFLY = (
    f"SELECT set_config('lock_timeout', '{BRIEF_WAIT_MS}', true),"
    " set_config('synchronous_commit', 'off', true)"
)
"""What must not wait waits neither for a lock nor for standbys."""


def _configure_pooled(connection: Any) -> None:
    """A connection through a pooler."""
    postgresql.set_time_zone(connection)
    _configure(connection)


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
