"""The two drivers: what differs between SQLite and PostgreSQL outside of statements.

Connections are pooled rather than one for each thread, because threads that end would leave files open.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.errors import SettingError, Unavailable
from goldenrod.store import postgresql
from goldenrod.store import revision as open_revision_source
from goldenrod.store.revision import RevisionSource, Seen, server_of

BUSY_TIMEOUT_MS = 5_000
"""How long a SQLite writer waits for another before it answers 503."""
BRIEF_WAIT_MS = 100
"""How long it waits for a lock where it must not wait: for a read's own small writes."""
POOL_TIMEOUT_S = 2.0
"""How long a request waits for a free connection before it answers 503."""

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


class Driver(Protocol):
    """What differs between the two databases outside of statements."""

    dialect: str
    increment: str
    """The statement that increments the catalogue's revision and draws a new mark."""

    def connection(self) -> AbstractContextManager[Any]: ...
    def open_revision_source(self) -> RevisionSource: ...
    def transaction(self, *, write: bool, wait: bool = True) -> AbstractContextManager[Any]: ...
    def time(self, connection: Any) -> tuple[Seen, Instant]: ...
    def commit(self, connection: Any) -> None: ...
    def is_one_server(self, connection: Any) -> bool: ...
    def connect_anew(self, last: Any = None, pause_s: float = 1) -> None: ...
    def abandon(self) -> None: ...
    def connect(self) -> Any: ...
    def is_unavailable(self, error: BaseException) -> bool: ...
    def close(self) -> None: ...


def driver_of(url: str, pool: int, *, prepare: bool = True, standby: bool = False) -> Driver:
    """The driver for the database that a URL names. The rest is for PostgreSQL: whether statements are
    prepared, and whether the URL is that of a standby."""
    if url.startswith("sqlite:"):
        return _Sqlite(sqlite_path(url), pool)
    return _Postgresql(url, pool, prepare=prepare, standby=standby)


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


class _Sqlite:
    """SQLite: WAL, durable commits, one writer at a time."""

    dialect = "sqlite"
    increment = "UPDATE catalogue SET revision = revision + 1, mark = lower(hex(randomblob(8)))"

    def __init__(self, path: str, pool: int) -> None:
        self._path = path
        self._file = str(Path(path).resolve())
        open_revision_source.opened(self._file)
        # None stands for a connection to be opened when one is needed.
        self._free: list[sqlite3.Connection | None] = [None] * pool
        self._slots = threading.Semaphore(pool)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        if not self._slots.acquire(timeout=POOL_TIMEOUT_S):
            raise Unavailable("All connections to the database are busy.")
        connection = None
        try:
            # The one used last, because its pages are in the processor's cache.
            connection = self._free.pop() or self._open()
            yield connection
        finally:
            self._free.append(connection if connection and _is_open(connection) else None)
            self._slots.release()

    def _open(self) -> sqlite3.Connection:
        make_private(self._file)
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

    @contextmanager
    def transaction(self, *, write: bool, wait: bool = True) -> Iterator[sqlite3.Connection]:
        with self.connection() as connection:
            if not wait:
                connection.execute(f"PRAGMA busy_timeout = {BRIEF_WAIT_MS}")
            try:
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            finally:
                if not wait:
                    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            yield connection

    def open_revision_source(self) -> RevisionSource:
        return open_revision_source.WalIndexRevision(self._file, self._open)

    def time(self, connection: sqlite3.Connection) -> tuple[Seen, Instant]:
        return Seen(*connection.execute(open_revision_source.ASKED).fetchone()), clock.now()

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
        code = getattr(error, "sqlite_errorcode", None)
        return isinstance(error, sqlite3.Error) and code is not None and code & 0xFF in _AWAY

    def close(self) -> None:
        for index, connection in enumerate(self._free):
            if connection:
                connection.close()
                self._free[index] = None
        open_revision_source.closed(self._file)


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
    increment = (
        "UPDATE catalogue SET revision = revision + 1,"
        " mark = right(replace(gen_random_uuid()::text, '-', ''), 16)"
    )

    def __init__(self, url: str, pool: int, *, prepare: bool, standby: bool) -> None:
        import psycopg
        from psycopg_pool import ConnectionPool, PoolTimeout

        self._psycopg = psycopg
        self._conninfo = postgresql.conninfo(url, standby=standby)
        self._several = postgresql.has_several_hosts(psycopg.conninfo.conninfo_to_dict(url))
        self._prepare = prepare
        self._connecting = postgresql.connecting(prepare=prepare)
        self._asking: open_revision_source.PostgresRevision | None = None
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
        # A pooled connection may have been lost: the first statement fails then.
        for left in range(self._pool.max_size, -1, -1):
            connection = self._pool.getconn()
            self._in_use.add(connection)
            try:
                connection.execute(begin)
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
        except self._psycopg.errors.ReadOnlySqlTransaction:
            self.connect_anew(connection)
            connection.close()
            raise
        finally:
            self._in_use.discard(connection)
            self._pool.putconn(connection)

    def open_revision_source(self) -> RevisionSource:
        asking = open_revision_source.PostgresRevision(self.connect, prepare=self._prepare)
        self._asking = asking
        return open_revision_source.BatchedReads(asking.ask, asking.close)

    def time(self, connection: Any) -> tuple[Seen, Instant]:
        row = connection.execute(
            "SELECT revision, mark, clock_timestamp() FROM catalogue"
        ).fetchone()
        return Seen(row[0], row[1]), row[2]

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
        return isinstance(error, self._errors)

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
