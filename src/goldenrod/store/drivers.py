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
from urllib.parse import unquote, urlsplit

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.errors import SettingError, Unavailable
from goldenrod.store import revision as open_revision_source
from goldenrod.store.read_limit import LimitedRead, ReadLimit
from goldenrod.store.revision import RevisionSource

BUSY_TIMEOUT_MS = 5_000
"""How long a SQLite writer waits for another before it answers 503."""
BRIEF_WAIT_MS = 100
"""How long it waits for a lock where it must not wait: for a read's own small writes."""
POOL_TIMEOUT_S = 2.0
"""How long a request waits for a free connection before it answers 503."""

LOCK_TIMEOUT_S = 5
"""How long a change in PostgreSQL waits for another before it is answered 503, where reads are
limited."""
IDLE_TRANSACTION_S = 60
"""After how long PostgreSQL ends a transaction whose server does nothing, where reads are limited: a
server that hangs must not stop the changes of all others."""

PAGE_CACHE_MB = 64
"""The size of a SQLite connection's own cache."""

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

    def connection(self) -> AbstractContextManager[Any]: ...
    def open_revision_source(self) -> RevisionSource: ...
    def transaction(self, *, write: bool, wait: bool = True) -> AbstractContextManager[Any]: ...
    def time(self, connection: Any) -> tuple[int, Instant]: ...
    def is_unavailable(self, error: BaseException) -> bool: ...
    def is_timed_out(self, error: BaseException) -> bool: ...
    def limited(self, connection: Any) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


_NO_LIMIT = nullcontext()


def driver_of(url: str, pool: int, read_seconds: float | None = None) -> Driver:
    """The driver for the database that a URL names. `read_seconds`: how long a read may take."""
    if url.startswith("sqlite:"):
        return _Sqlite(sqlite_path(url), pool, read_seconds)
    return _Postgresql(url, pool, read_seconds)


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

    def __init__(self, path: str, pool: int, read_seconds: float | None) -> None:
        self._path = path
        self._read_limit = None if read_seconds is None else ReadLimit(read_seconds)
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
        connection.execute(f"PRAGMA cache_size = -{PAGE_CACHE_MB * 1024}")
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

    def time(self, connection: sqlite3.Connection) -> tuple[int, Instant]:
        revision = connection.execute("SELECT revision FROM catalogue").fetchone()[0]
        return revision, clock.now()

    def is_unavailable(self, error: BaseException) -> bool:
        code = getattr(error, "sqlite_errorcode", None)
        return isinstance(error, sqlite3.Error) and code is not None and code & 0xFF in _AWAY

    def is_timed_out(self, error: BaseException) -> bool:
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT

    def limited(self, connection: sqlite3.Connection) -> AbstractContextManager[None]:
        return LimitedRead(self._read_limit, connection) if self._read_limit else _NO_LIMIT

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

    def __init__(self, url: str, pool: int, read_seconds: float | None) -> None:
        import psycopg
        from psycopg_pool import ConnectionPool, PoolTimeout

        self._psycopg = psycopg
        self._url = url.replace("postgres://", "postgresql://", 1)
        self._errors = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
        self._limited = read_seconds is not None
        connecting = _CONNECTING | (_limits(read_seconds) if read_seconds is not None else {})
        self._pool = ConnectionPool(
            self._url,
            min_size=1,
            max_size=pool,
            timeout=POOL_TIMEOUT_S,
            # Each try to reconnect waits twice as long as the one before, so that after an outage
            # the pool would come back as late again: it gives up soon, and a request begins anew.
            reconnect_timeout=POOL_TIMEOUT_S,
            configure=_configure,
            kwargs=connecting,
            open=False,
        )
        self._pool.open()

    def connection(self) -> AbstractContextManager[Any]:
        return self._pool.connection()

    @contextmanager
    def transaction(self, *, write: bool, wait: bool = True) -> Iterator[Any]:
        begin = "BEGIN" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        if write and self._limited:
            # A COMMIT that waits for a standby must not be cancelled. In one message with BEGIN.
            begin = "BEGIN; SET LOCAL statement_timeout = 0"
        # A pooled connection may have been lost: the first statement fails then.
        for left in range(self._pool.max_size, -1, -1):
            connection = self._pool.getconn()
            try:
                connection.execute(begin, prepare=None if ";" not in begin else False)
                break
            except BaseException as error:
                self._pool.putconn(connection)  # discards it where it is lost
                if not left or not isinstance(error, self._errors):
                    raise
        try:
            if not wait:
                connection.execute(f"SET LOCAL lock_timeout = {BRIEF_WAIT_MS}")
            yield connection
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
        return isinstance(error, self._errors)

    def is_timed_out(self, error: BaseException) -> bool:
        return isinstance(error, self._psycopg.errors.QueryCanceled)

    def limited(self, connection: Any) -> AbstractContextManager[None]:
        return _NO_LIMIT  # PostgreSQL does it: see `_limits`

    def close(self) -> None:
        self._pool.close()


_CONNECTING: dict[str, Any] = {
    "autocommit": True,
    "prepare_threshold": 0,
    "options": "-c plan_cache_mode=force_generic_plan -c timezone=UTC -c jit=off",
}


def _limits(read_seconds: float) -> dict[str, Any]:
    """How to connect so that a statement outside of changes takes at most so long. It is said once for
    each connection, because saying it in each transaction would cost a round trip."""
    limits = {
        "statement_timeout": read_seconds,
        "lock_timeout": LOCK_TIMEOUT_S,
        "idle_in_transaction_session_timeout": IDLE_TRANSACTION_S,
    }
    more = " ".join(f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items())
    return {"options": f"{_CONNECTING['options']} {more}"}


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
