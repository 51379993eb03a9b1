"""What revision the catalogue is at: asked with each request, so it must cost next to nothing.

What `look()` gives reflects every change whose success was told to anyone before it was called: an
answer that was built at that revision may be given again. How that is known differs.

SQLite changes the header of its WAL index (the `-shm` file, https://sqlite.org/walformat.html) in
each commit of any process before the commit returns. While its 48 bytes equal those remembered,
nothing was committed since, and no statement runs at all. Where the header cannot be mapped (no WAL,
another file system), a statement asks.

PostgreSQL is asked, with at most one question under way: a question answers for all who were waiting
when it *began*. Who comes while one is under way waits for the next: joining it would be stale.
"""

import mmap
import os
import sqlite3
import struct
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from goldenrod.base import clock

ASKED = "SELECT revision FROM catalogue"
_HEADER = 48
_VERSION = 3_007_000
"""The format of the WAL index, the first number of its header."""


class Revision(NamedTuple):
    """The revision, and the clock that comes with it, in microseconds since 1970."""

    revision: int
    micros: int


class RevisionSource(Protocol):
    """Says what revision the catalogue is at."""

    def current_revision(self) -> Revision: ...
    def close(self) -> None: ...


class WalIndexRevision:
    """The WAL-index header where it can be mapped, else a statement. Keeps a connection open, so
    that the file that is mapped stays the one in use."""

    def __init__(self, path: str, open_: Callable[[], sqlite3.Connection]) -> None:
        self._connection = open_()
        self._lock = threading.Lock()
        self._remembered: tuple[bytes, int] = (b"", 0)
        self._connection.execute(ASKED).fetchone()  # from here on there is a WAL index
        self._map = _map_header(self._connection, path)

    @property
    def mapped(self) -> bool:
        """Whether looking costs no statement."""
        return self._map is not None

    def current_revision(self) -> Revision:
        """The revision now."""
        micros = clock.micros()
        if self._map is None:
            with self._lock:
                return Revision(self._ask(), micros)
        header, revision = self._remembered
        if self._map[:_HEADER] != header:
            with self._lock:
                # Read before the question: what is committed in between changes it again.
                header = self._map[:_HEADER]
                revision = self._ask()
                self._remembered = (header, revision)
        return Revision(revision, micros)

    def _ask(self) -> int:
        revision: int = self._connection.execute(ASKED).fetchone()[0]
        return revision

    def close(self) -> None:
        with self._lock:
            self._map = None
            self._connection.close()


_users: Counter[str] = Counter()
_kept_open: dict[str, list[tuple[int, mmap.mmap]]] = {}
_guard = threading.Lock()


def opened(path: str) -> None:
    """A catalogue in this file is open in this process."""
    with _guard:
        _users[path] += 1


def closed(path: str) -> None:
    """One less is; with the last one what was mapped of it is let go.

    Not before: POSIX takes all of a process's locks on a file when any descriptor of it is closed,
    and SQLite's locks are on the file that was mapped.
    """
    with _guard:
        _users[path] -= 1
        if _users[path] <= 0:
            del _users[path]
            for descriptor, mapped in _kept_open.pop(path, []):
                mapped.close()
                os.close(descriptor)


def _map_header(connection: sqlite3.Connection, path: str) -> mmap.mmap | None:
    """The WAL index of an open database, mapped; None where there is none that can be."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        return None
    try:
        descriptor = os.open(f"{path}-shm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        mapped = mmap.mmap(descriptor, 2 * _HEADER, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        # Not closed: see `closed`.
        return None
    with _guard:
        _kept_open.setdefault(path, []).append((descriptor, mapped))
    version, _, _, initialised = struct.unpack_from("=IIIB", mapped)
    sound = version == _VERSION and initialised == 1
    return mapped if sound else None


class _Batch:
    """Who waits for one answer, each at a lock of their own; and the answer."""

    def __init__(self) -> None:
        self.waiting: list[threading.Lock] = []
        self.seen: Revision | None = None
        self.error: BaseException | None = None

    @property
    def answered(self) -> bool:
        return self.seen is not None or self.error is not None


MOST_ASKED = 16
"""So often one thread asks for the others, before it goes on with its own request: waking another
takes about as long as an answer."""


class BatchedReads:
    """One question in flight at a time, which serves all who were waiting when it began."""

    def __init__(self, ask: Callable[[], Revision], close: Callable[[], None]) -> None:
        self._ask = ask
        self.close = close
        self._lock = threading.Lock()
        self._in_flight = False
        self._next: _Batch | None = None

    def current_revision(self) -> Revision:
        """The revision now. Raises what the driver raises while the database is away."""
        woken = None
        with self._lock:
            if self._in_flight:
                question = self._next = self._next or _Batch()
                woken = threading.Lock()
                woken.acquire()
                question.waiting.append(woken)
            else:
                self._in_flight = True
                question = _Batch()
        if woken is not None:
            woken.acquire()
        if not question.answered:
            self._ask_for_all(question)
        if question.error is not None:
            raise question.error
        assert question.seen is not None
        return question.seen

    def _ask_for_all(self, question: _Batch) -> None:
        """Ask this question, and those that come meanwhile, up to a number; then whoever waits
        first is woken to ask."""
        for _ in range(MOST_ASKED):
            with self._lock:
                # Nobody joins it from here on.
                if self._next is question:
                    self._next = None
            try:
                question.seen = self._ask()
            except BaseException as error:
                question.error = error
            with self._lock:
                following = self._next
                self._in_flight = following is not None
            for woken in question.waiting:
                woken.release()
            if following is None:
                return
            question = following
        question.waiting[0].release()


class PostgresRevision:
    """The revision and clock of a PostgreSQL catalogue, over a connection of its own: prepared once
    and run on libpq itself, half of what the driver's cursor takes."""

    _TEXT = (
        b"SELECT revision, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM catalogue"
    )

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None

    def ask(self) -> Revision:
        """Raises psycopg's OperationalError while the database is away."""
        seen = self._run() if self._connection is not None else None
        if seen is None:
            self._connection = self._connect()
            self._connection.pgconn.prepare(b"look", self._TEXT)
            seen = self._run()
        if seen is None:
            from psycopg import OperationalError

            raise OperationalError("the catalogue's revision cannot be read")
        return seen

    def _run(self) -> Revision | None:
        """None where the connection is lost, which is closed then."""
        from psycopg.pq import ExecStatus

        try:
            result = self._connection.pgconn.exec_prepared(b"look", None)
            if result.status == ExecStatus.TUPLES_OK and result.ntuples == 1:
                return Revision(int(result.get_value(0, 0)), int(result.get_value(0, 1)))
        except Exception:
            self.close()
            raise
        self.close()
        return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
