"""The catalogue's current revision, read cheaply, because every request reads it.

`current_revision()` includes every change that succeeded before the call. So an answer that was
built at that revision may be sent again.

SQLite changes the header of its WAL index (the `-shm` file, https://sqlite.org/walformat.html) in
each commit of any process, before the commit returns. While its 48 bytes are the same, nothing was
committed, and no statement runs. Where the header cannot be mapped (no WAL, another file system), a
statement reads the revision.

On PostgreSQL a query reads the revision, one at a time: it answers all requests that were waiting
when it *began*. A request that arrives during a query waits for the next one: joining could return an
older revision.
"""

import mmap
import os
import sqlite3
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from goldenrod.base import clock
from goldenrod.store.changed_images import NEWER, ChangedImages
from goldenrod.store.revision import GENERATION, Revision, Seen

ASKED = "SELECT revision, mark FROM catalogue"
_COMMON = "CASE WHEN narrow_until = revision THEN narrow_since ELSE revision END"
"""The last change that was not of single images only, or an earlier one."""
_LOOK = f"SELECT revision, mark, {_COMMON} FROM catalogue"  # nosec B608 # constants
_NEWER = NEWER.format(known="?")
_HEADER = 48
_VERSION = 3_007_000
"""The format of the WAL index, the first number of its header."""


class RevisionSource(Protocol):
    """Reads the catalogue's current revision."""

    def current_revision(self) -> Revision: ...
    def unchanged(self, revision: int, images: Iterable[int]) -> bool:
        """Whether nothing that may concern these images has changed after this revision, up to the
        latest that was read."""

    def close(self) -> None: ...


class WalIndexRevision:
    """The WAL-index header where it can be mapped, else a statement. Keeps a connection open, so
    that the file that is mapped stays the one in use."""

    def __init__(self, path: str, open_: Callable[[], sqlite3.Connection]) -> None:
        self._connection = open_()
        self._lock = threading.Lock()
        self._changed = ChangedImages()
        self.unchanged = self._changed.unchanged
        self._remembered: tuple[bytes, Seen] = (b"", Seen(0, ""))
        self._connection.execute(ASKED).fetchone()  # from here on there is a WAL index
        self._map = _map_header(self._connection, path)

    @property
    def mapped(self) -> bool:
        """Whether reading the revision needs no statement."""
        return self._map is not None

    def current_revision(self) -> Revision:
        """The revision now."""
        micros = clock.micros()
        if self._map is None:
            with self._lock:
                seen = self._ask()
                return Revision(seen.revision, micros, seen.mark)
        header, seen = self._remembered
        if self._map[:_HEADER] != header:
            with self._lock:
                now, (header, seen) = self._map[:_HEADER], self._remembered
                if now != header:  # another thread may have asked meanwhile
                    # Read before the question: what is committed in between changes it again.
                    seen = self._ask()
                    self._remembered = (now, seen)
        return Revision(seen.revision, micros, seen.mark)

    def _ask(self) -> Seen:
        revision, mark, common = self._connection.execute(_LOOK).fetchone()
        seen = Seen(revision, mark)
        if self._changed.follows(seen):
            newer = self._connection.execute(_NEWER, (self._changed.known.revision,))
            self._changed.add(seen, common, newer.fetchall())
        return seen

    def close(self) -> None:
        with self._lock:
            self._map = None
            self._connection.close()


class ReplaceableRevision:
    """The revision of whichever file is at the path. The source of a file that was replaced is not
    closed, because another thread may be reading it; it ends with its last reader."""

    def __init__(self, generation: Callable[[], int], open_: Callable[[], RevisionSource]) -> None:
        self._generation = generation
        self._open = open_
        self._lock = threading.Lock()
        self._current = (generation(), open_())

    def current_revision(self) -> Revision:
        """The revision now. Raises Unavailable where there is no file."""
        earlier, source = self._source()
        seen = source.current_revision()
        return seen._replace(revision=seen.revision + earlier) if earlier else seen

    def unchanged(self, revision: int, images: Iterable[int]) -> bool:
        """Whether nothing that may concern these images has changed after this revision. False for a
        revision of a file that was replaced."""
        earlier, source = self._source()
        return source.unchanged(revision - earlier, images)

    def _source(self) -> tuple[int, RevisionSource]:
        """What the files before this one add to its revision, and the source of this one."""
        wanted = self._generation()
        generation, source = self._current
        if generation != wanted:
            with self._lock:
                if self._current[0] != wanted:
                    self._current = (wanted, self._open())
                generation, source = self._current
        return generation * GENERATION, source

    def close(self) -> None:
        self._current[1].close()


_users: Counter[str] = Counter()
_kept_open: dict[str, list[tuple[int, mmap.mmap]]] = {}
_guard = threading.Lock()


def opened(path: str) -> None:
    """This process opens the catalogue in this file."""
    with _guard:
        _users[path] += 1


def closed(path: str) -> None:
    """This process closes it. When nobody has it open, its mapped headers are released.

    Not before: POSIX drops all locks of a process on a file when any of its descriptors is closed,
    and SQLite has locks on the mapped file.
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
    """The requests that wait for one query, each at its own lock; and the result."""

    def __init__(self) -> None:
        self.waiting: list[threading.Lock] = []
        self.seen: Revision | None = None
        self.error: BaseException | None = None

    @property
    def answered(self) -> bool:
        return self.seen is not None or self.error is not None


MOST_ASKED = 16
"""How many queries one thread runs for others before it continues its own request: waking another
thread takes about as long as a query."""


class BatchedReads:
    """One query at a time, whose result is for all that were waiting when it began."""

    def __init__(
        self,
        ask: Callable[[], Revision],
        close: Callable[[], None],
        unchanged: Callable[[int, Iterable[int]], bool],
    ) -> None:
        self._ask = ask
        self.close = close
        self.unchanged = unchanged
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
        """Run this query, and those requested meanwhile, up to a number; then wake the first of the
        waiting threads to go on."""
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

    _TEXTS: Mapping[bytes, bytes] = {
        b"look": (
            "SELECT revision, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, mark,"
            f" {_COMMON} FROM catalogue"  # nosec B608 # constants
        ).encode(),
        b"newer": NEWER.format(known="$1::bigint").encode(),
    }

    def __init__(self, connect: Callable[[], Any], *, prepare: bool = True) -> None:
        self._connect = connect
        self._prepare = prepare
        self._lock = threading.Lock()
        self._connection: Any = None
        self._generation = 0
        self._changed = ChangedImages()
        self.unchanged = self._changed.unchanged
        self.renew = False
        """Whether to connect anew before the next query: another server may be the primary now."""

    @property
    def server(self) -> tuple[bytes, bytes] | None:
        """The host and port that it asks; None while it is not connected."""
        connection = self._connection
        return server_of(connection) if connection is not None else None

    @property
    def connection(self) -> Any:
        """Its connection; None while there is none."""
        return self._connection

    def ask(self) -> Revision:
        """Raises psycopg's OperationalError while the database is away."""
        with self._lock:
            if self.renew:
                self.renew = False
                self.close()
            found = self._run(b"look") if self._connection is not None else None
            if not found:
                self._connect_anew()
                found = self._run(b"look")
            if not found:
                raise _unreadable()
            ((revision, micros, mark, common),) = found
            now = Revision(int(revision), int(micros), mark.decode(), self._generation)
            if self._changed.follows(now.seen):
                newer = self._run(b"newer", [str(self._changed.known.revision).encode()])
                if newer is None:
                    raise _unreadable()
                changed = [(int(image), int(last)) for image, last in newer]
                self._changed.add(now.seen, int(common), changed)
            return now

    def _connect_anew(self) -> None:
        """Another server may answer now, so nothing is known of what was changed before."""
        self.close()
        self._connection = self._connect()
        self._generation += 1
        self._changed.forget()
        if self._prepare:
            for statement, text in self._TEXTS.items():
                self._connection.pgconn.prepare(statement, text)

    def _run(self, name: bytes, given: list[bytes] | None = None) -> list[list[bytes]] | None:
        """The rows of a statement; None where the connection is lost, which is closed then."""
        from psycopg.pq import ExecStatus

        try:
            pgconn = self._connection.pgconn
            if self._prepare:
                result = pgconn.exec_prepared(name, given)
            else:
                result = pgconn.exec_params(self._TEXTS[name], given)
            if result.status == ExecStatus.TUPLES_OK:
                columns = range(result.nfields)
                return [
                    [result.get_value(row, column) for column in columns]
                    for row in range(result.ntuples)
                ]
        except Exception:
            self.close()
            raise
        self.close()
        return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def server_of(connection: Any) -> tuple[bytes, bytes]:
    """The host and port of a connection to PostgreSQL: of several in its URL, the one that it chose."""
    return connection.pgconn.host, connection.pgconn.port


def _unreadable() -> Exception:
    from psycopg import OperationalError

    return OperationalError("the catalogue's revision cannot be read")
