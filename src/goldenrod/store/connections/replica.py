"""Reads from a standby of PostgreSQL, where it knows what the reader has seen.

A thread watches the standby: once a second it reads how far the primary has written and the standby has
replayed. A standby that does not answer, is not a standby any more, or lags too far behind the primary
is not used until that has changed; nor is one before it was seen to have caught up. While the primary
does not answer, the standby is used however old it is: nothing newer can be had.

Each read is one REPEATABLE READ transaction whose first statement reads the revision. So revision and
data are of one snapshot, as if one statement had read both. Whether the reader has seen a newer
revision is decided before anything else is read. What fails is read from the primary instead.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from goldenrod.base.errors import Unavailable
from goldenrod.store.connections import postgresql
from goldenrod.store.revision import Revision, Seen

if TYPE_CHECKING:
    from goldenrod.store.connections.drivers import Driver
    from goldenrod.store.db import Database, Tx

log = logging.getLogger("goldenrod")

PAUSE_S = 1.0
"""Time between two looks at the standby."""
ANSWER_S = 1.0
"""How long one look waits for an answer."""
MOST_SILENT = 3
"""After so many looks without an answer from the primary, its connections are broken off."""
_MOST_SAMPLES = 600

_WRITTEN = b"SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"
_REPLAYED = (
    b"SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0'::pg_lsn END"
)


class _Position:
    """How far a server has written or replayed, over a connection of its own."""

    def __init__(self, connect: Callable[[], Any], text: bytes) -> None:
        self._connect = connect
        self._text = text
        self._connection: Any = None

    def read(self) -> int | None:
        """The position in bytes; None where the server does not answer in time, or is no standby."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            (result,) = postgresql.run(self._connection.pgconn, self._text, ANSWER_S)
            position = result.get_value(0, 0)
        except Exception as error:
            log.debug("a database server does not answer", exc_info=error)
            self.close()
            return None
        return None if position is None else int(position)

    def close(self) -> None:
        """Close the connection; the next read opens another."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None


class Replica:
    """A standby of the catalogue's database, and whether reads may use it now."""

    def __init__(
        self,
        db: "Database",
        primary: "Driver",
        most_lag_s: float,
    ) -> None:
        self.db = db
        self._primary = primary
        self._replayed = _Position(db.connect, _REPLAYED)
        self._written = _Position(primary.connect, _WRITTEN)
        self._silent = 0
        self._most_lag_s = most_lag_s
        self._samples: deque[tuple[float, int]] = deque(maxlen=_MOST_SAMPLES)
        """When the primary had written how far, oldest first: the last that is replayed, and all that
        are not."""
        self._lag_s: float | None = None
        self.usable = False
        """Whether reads may use it."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="replica", daemon=True)
        self._thread.start()

    def lag_seconds(self) -> float | None:
        """How far it lags behind the primary; None while that is unknown, because one of the two does
        not answer or it has not caught up since the start."""
        return self._lag_s

    def current_revision(self) -> Revision | None:
        """Its revision; None where it cannot be used."""
        if not self.usable:
            return None
        try:
            return self.db.current_revision()
        except Unavailable:
            self._give_up()
            return None

    def begin(self, stack: ExitStack, least: Seen | None) -> "Tx | None":
        """Begin a read that ends with the stack; None if the standby cannot be used or has not reached
        `least`. Where it fails later, SnapshotChanged is raised: read again from the primary."""
        from goldenrod.store.db import SnapshotChanged

        if not self.usable:
            return None
        with ExitStack() as own:
            try:
                tx = own.enter_context(self._read())
            except SnapshotChanged:
                self._give_up()
                return None
            if tx.has_reached(least):
                stack.push(own.pop_all())
                return tx
        return None

    @contextmanager
    def _read(self) -> "Iterator[Tx]":
        from goldenrod.store.db import SnapshotChanged

        try:
            with self.db.read() as tx:
                yield tx
        except Unavailable as error:
            # Also a conflict with what the standby replays.
            raise SnapshotChanged from error

    def _give_up(self) -> None:
        """Use the primary until the next look."""
        self.usable = False

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:
                self.usable = False
                log.exception("looking at the replica failed")
            self._stop.wait(PAUSE_S)

    def look(self) -> None:
        """Find out once whether it can be used."""
        now = time.monotonic()
        written = self._written.read()
        if written is not None:
            self._silent = 0
            self._samples.append((now, written))
        else:
            self._silent += 1
            if self._silent % MOST_SILENT == 0:
                # Its host may have stopped without a word. What waited gets an error, and what is asked
                # next looks for another primary.
                self._primary.connect_anew()
                self._primary.abandon()
        replayed = self._replayed.read()
        was_usable = self.usable
        self._lag_s = self._measure(now, written, replayed)
        self.usable = replayed is not None and (
            written is None if self._lag_s is None else self._lag_s <= self._most_lag_s
        )
        if replayed is None:
            # Threads may wait for an answer that never comes.
            self.db.abandon()
        if self.usable != was_usable:
            lag = "unknown" if self._lag_s is None else f"{self._lag_s:.1f} s"
            state = "used" if self.usable else "not used"
            log.warning("the replica is %s for reads now; its lag is %s", state, lag)

    def _measure(self, now: float, written: int | None, replayed: int | None) -> float | None:
        """The lag: since when the primary has written something that is not replayed."""
        if replayed is None or written is None:
            return None
        if replayed >= written:
            self._samples.clear()
            self._samples.append((now, written))
            return 0.0
        while len(self._samples) > 1 and self._samples[1][1] <= replayed:
            self._samples.popleft()
        first, position = self._samples[0]
        # It has everything up to the first sample, or has not caught up since the start.
        return now - first if position <= replayed else None

    def close(self) -> None:
        """Stop watching, and close its connections."""
        self._stop.set()
        self._thread.join(2 * ANSWER_S)
        self._replayed.close()
        self._written.close()
        self.db.close()
