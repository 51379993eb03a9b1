"""The file of a SQLite catalogue, while the server runs: whether it is still the one that was opened.

SQLite does not notice in WAL mode that another file was put in the place of an open one: it goes on
writing to the old file, which nobody will see again. So each use of the database looks at the path
first, and each change also after its commit. An answer from the cache uses no connection: for those, a
process looks every twentieth of a second. Where the file is gone, nothing is read or written. Where
another catalogue is there, it is used from then on.

A `-wal` file belongs to one database file, but SQLite finds it by its name, and would apply that of
the old file to the new one. So it is moved out of the way first (`-wal.replaced`).
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from goldenrod.base.errors import Unavailable

_AWAY_S = 5
"""Seconds after which a client may try again."""
LOOK_S = 0.05
"""Seconds between two looks at the path for answers from the cache. A look lets go of the interpreter's
lock, so that one for each answer would halve how many are sent."""
_BESIDE = ("-wal", "-shm")

Identity = tuple[int, int]


class DatabaseFile:
    """The file at a path, and how often another one took its place: its generation."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._identity: Identity | None = None
        self._generation = 0
        self._looked_at = float("-inf")
        self._beside: set[Identity | None] = set()
        """The `-wal` and `-shm` of the files that were used here."""
        self._schema: tuple[object, ...] | None = None
        """What the tables are at, once a connection has found any."""

    @property
    def is_new(self) -> bool:
        """Whether no connection was opened yet."""
        return self._identity is None

    def generation(self) -> int:
        """How often the file was replaced. Raises Unavailable where there is none any more."""
        if self._identity is None:
            return 0
        now = time.monotonic()
        found = _identity(self.path)
        if found != self._identity:
            self._replaced_by(found)
        self._looked_at = now
        return self._generation

    def recent_generation(self) -> int:
        """The same, as of the last twentieth of a second."""
        if time.monotonic() - self._looked_at < LOOK_S:
            return self._generation
        return self.generation()

    def require_same(self, generation: int) -> None:
        """Raise Unavailable where a commit went to a file that is not the catalogue any more."""
        if self.generation() != generation:
            raise _away("was replaced while this was written")

    def require_opened(self, connection: sqlite3.Connection, generation: int) -> None:
        """Close a connection, and raise Unavailable, where it may have opened another file."""
        try:
            if self.generation() != generation:
                raise _away("is being replaced")
        except Unavailable:
            connection.close()
            raise

    def remember(self, connection: sqlite3.Connection, generation: int) -> None:
        """Remember the file of a new connection, and those beside it. Closes the connection and raises
        Unavailable where it is not the one at the path, or has not the tables of the file before."""
        try:
            schema = _schema(connection)  # from here on there are the files beside it
            with self._lock:
                found = _identity(self.path)
                if self._identity is None:
                    self._identity = found
                if found != self._identity or generation != self._generation:
                    raise _away("is being replaced")
                if generation and schema != self._schema:
                    raise _away("was replaced by one of another release, or of no catalogue")
                self._schema = schema
                self._beside |= {_identity(self.path + end) for end in _BESIDE} - {None}
        except BaseException:
            connection.close()
            raise

    def _replaced_by(self, found: Identity | None) -> None:
        if found is None:
            raise _away("is not in its place")
        with self._lock, _alone_in(Path(self.path).parent):
            found = _identity(self.path)
            if found is None:
                raise _away("is not in its place")
            if found == self._identity:
                return
            for end in _BESIDE:
                if _identity(self.path + end) in self._beside:
                    with suppress(FileNotFoundError):
                        Path(self.path + end).replace(f"{self.path}{end}.replaced")
            self._generation += 1
            self._identity = found


def _identity(path: str) -> Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - every request does this, and a Path takes longer
    except FileNotFoundError:
        return None
    except OSError:
        raise _away("cannot be reached") from None
    return found.st_dev, found.st_ino


def _schema(connection: sqlite3.Connection) -> tuple[object, ...] | None:
    """The migration that the tables are at; None where there are no tables."""
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        return None
    return tuple(row) if row else None


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """No other process of Goldenrod moves files in this directory meanwhile."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise _away("cannot be reached") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _away(what: str) -> Unavailable:
    return Unavailable(
        f"The file of the database {what}. Its operator can restore it; then try again.",
        code="database_unavailable",
        retry_after=_AWAY_S,
    )
