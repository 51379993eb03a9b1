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
from urllib.parse import quote, unquote, urlsplit

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.errors import SettingError, Unavailable
from goldenrod.store import outages
from goldenrod.store import revision as open_revision_source
from goldenrod.store.revision import GENERATION, RevisionSource
from goldenrod.store.sqlite_file import DatabaseFile

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
_OPEN_AGAIN = _AWAY - {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}
"""After these a connection is not used again: one to a file that could only be read, say, stays so."""


class Driver(Protocol):
    """What differs between the two databases outside of statements."""

    dialect: str

    def connection(self) -> AbstractContextManager[Any]: ...
    def open_revision_source(self) -> RevisionSource: ...
    def transaction(self, *, write: bool, wait: bool = True) -> AbstractContextManager[Any]: ...
    def time(self, connection: Any) -> tuple[int, Instant]: ...
    def is_unavailable(self, error: BaseException) -> bool: ...
    def close(self) -> None: ...


def driver_of(url: str, pool: int) -> Driver:
    """The driver for the database that a URL names."""
    if url.startswith("sqlite:"):
        return _Sqlite(sqlite_path(url), pool)
    return _Postgresql(url, pool)


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


class _Sqlite:
    """SQLite: WAL, durable commits, one writer at a time. Where another file takes the place of the
    database, connections to the old one are not used again."""

    dialect = "sqlite"

    def __init__(self, path: str, pool: int) -> None:
        path = str(Path(path).resolve())
        self._file = DatabaseFile(path)
        open_revision_source.opened(path)
        # None stands for a connection to be opened when one is needed.
        self._free: list[_Connection | None] = [None] * pool
        self._slots = threading.Semaphore(pool)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        generation = self._file.generation()
        if not self._slots.acquire(timeout=POOL_TIMEOUT_S):
            raise Unavailable("All connections to the database are busy.")
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
            if connection and _primary_code(error) in _OPEN_AGAIN:
                connection.close()
            raise
        finally:
            self._free.append(connection if connection and _is_open(connection) else None)
            self._slots.release()

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
        connection.execute("PRAGMA cache_size = -65536")
        self._file.remember(connection, generation)
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
            if write:
                self._file.require_same(_generation(connection))

    def open_revision_source(self) -> RevisionSource:
        def of_the_file() -> RevisionSource:
            return open_revision_source.WalIndexRevision(self._file.path, self._open)

        return open_revision_source.ReplaceableRevision(self._file.generation, of_the_file)

    def time(self, connection: sqlite3.Connection) -> tuple[int, Instant]:
        revision = connection.execute("SELECT revision FROM catalogue").fetchone()[0]
        return revision + _generation(connection) * GENERATION, clock.now()

    def is_unavailable(self, error: BaseException) -> bool:
        return isinstance(error, sqlite3.Error) and _primary_code(error) in _AWAY

    def close(self) -> None:
        for index, connection in enumerate(self._free):
            if connection:
                connection.close()
                self._free[index] = None
        open_revision_source.closed(self._file.path)


def _primary_code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


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

        self._psycopg = psycopg
        self._url = url.replace("postgres://", "postgresql://", 1)
        self._errors = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
        self._internal = psycopg.InternalError
        self._pool = ConnectionPool(
            self._url,
            min_size=1,
            max_size=pool,
            timeout=POOL_TIMEOUT_S,
            # Each try to reconnect waits twice as long as the one before, so that after an outage
            # the pool would come back as late again: it gives up soon, and a request begins anew.
            reconnect_timeout=POOL_TIMEOUT_S,
            configure=_configure,
            kwargs=_CONNECTING,
            open=False,
        )
        self._pool.open()

    def connection(self) -> AbstractContextManager[Any]:
        return self._pool.connection()

    @contextmanager
    def transaction(self, *, write: bool, wait: bool = True) -> Iterator[Any]:
        begin = "BEGIN" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        # A pooled connection may have been lost: the first statement fails then.
        for left in range(self._pool.max_size, -1, -1):
            connection = self._pool.getconn()
            try:
                connection.execute(begin)
                break
            except BaseException as error:
                self._pool.putconn(connection)  # discards it where it is lost
                if not left or not isinstance(error, self._errors):
                    raise
        try:
            if not wait:
                connection.execute(f"SET LOCAL lock_timeout = {BRIEF_WAIT_MS}")
            yield connection
        except self._internal as error:
            if self.is_unavailable(error):
                self._pool.drain()  # sessions that only read, say, stay so
            raise
        finally:
            self._pool.putconn(connection)

    def open_revision_source(self) -> RevisionSource:
        def connect() -> Any:
            return self._psycopg.connect(self._url, **_CONNECTING)

        asking = open_revision_source.PostgresRevision(connect)
        return open_revision_source.BatchedReads(asking.ask, asking.close)

    def time(self, connection: Any) -> tuple[int, Instant]:
        row = connection.execute("SELECT revision, clock_timestamp() FROM catalogue").fetchone()
        return row[0], row[1]

    def is_unavailable(self, error: BaseException) -> bool:
        if isinstance(error, self._internal):
            return error.sqlstate in outages.INTERNAL
        return isinstance(error, self._errors)

    def close(self) -> None:
        self._pool.close()


_CONNECTING: dict[str, Any] = {
    "autocommit": True,
    "prepare_threshold": 0,
    "options": "-c plan_cache_mode=force_generic_plan -c timezone=UTC -c jit=off",
}


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
