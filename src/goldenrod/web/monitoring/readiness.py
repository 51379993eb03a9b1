"""Whether this server is ready: `GET /readyz`.

The database must answer, its tables must be those of this release, and the catalogue's revision must be
readable. It is asked over connections of its own, in a thread of its own: so the answer comes in
bounded time, also while all connections of the pool are in use or the network swallows what is sent.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import falcon

from goldenrod.store import migrate
from goldenrod.store.db import Database

WAIT_S = 2.0
"""Seconds that a request waits for the database at most."""
FRESH_S = 1.0
"""Seconds that what was found is used again: many probes cost as much as one."""

OK, NEWER, UNKNOWN = "ok", "newer", "unknown"
FINE = (OK, NEWER)
"""Tables of a newer release do not make a server unready: while servers are upgraded one by one, those
of the release before go on."""
PARTS = ("database", "migrations", "revision")

A = TypeVar("A")


class Bounded(Generic[A]):
    """Asks in a thread of its own, one at a time. Who asks waits for `wait_s` at most, and gets None
    where there is no answer by then. An answer is used again for `fresh_s`."""

    def __init__(
        self, ask: Callable[[], A], *, wait_s: float = WAIT_S, fresh_s: float = FRESH_S
    ) -> None:
        self._ask = ask
        self._wait_s = wait_s
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._asking: threading.Event | None = None
        self._found: A | None = None
        self._until = 0.0

    def get(self) -> A | None:
        """The answer, or None."""
        with self._lock:
            if self._found is not None and time.monotonic() < self._until:
                return self._found
            asking = self._asking
            if asking is None:
                asking = self._asking = threading.Event()
                threading.Thread(
                    target=self._run, args=(asking,), name="monitoring", daemon=True
                ).start()
        if not asking.wait(self._wait_s):
            return None
        return self._found

    def _run(self, asking: threading.Event) -> None:
        found: A | None = None
        try:
            found = self._ask()
        finally:
            with self._lock:
                self._found = found
                self._until = time.monotonic() + self._fresh_s
                self._asking = None
            asking.set()


class Readiness:
    """Finds out which parts work. `db` is that of requests, whose revision is asked for; `own` has
    connections that nothing else uses."""

    def __init__(self, db: Database, own: Callable[[], Database]) -> None:
        self._db = db
        self._own = own
        self._parts = dict.fromkeys(PARTS, UNKNOWN)
        self._bounded = Bounded(self._ask)

    def parts(self) -> dict[str, str]:
        """Each part: "ok", a word for what is wrong, or "unknown"."""
        found = self._bounded.get()
        if found is not None:
            return found
        # Still asking: what has answered so far, and the part that does not.
        parts = dict(self._parts)
        late = next((part for part in PARTS if parts[part] == UNKNOWN), None)
        return parts | ({late: "timed out"} if late else {})

    def _ask(self) -> dict[str, str]:
        self._parts = parts = dict.fromkeys(PARTS, UNKNOWN)
        for part, look in (
            ("database", self._tables),
            ("revision", self._revision),
        ):
            try:
                parts.update(look())
            except Exception:
                # Whatever it is, its text may name hosts.
                parts[part] = "unavailable"
        return dict(parts)

    def _tables(self) -> dict[str, str]:
        stored = migrate.stored_revision(self._own())
        tables = OK if stored == migrate.HEAD else "missing"
        if stored is not None and stored != migrate.HEAD:
            tables = NEWER if stored > migrate.HEAD else "older"
        return {"database": OK, "migrations": tables}

    def _revision(self) -> dict[str, str]:
        return {"revision": OK if self._db.current_revision() else UNKNOWN}


class Ready:
    """The resource `/readyz`: 200 if every part works, otherwise 503 with those that do not."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        parts = self._readiness.parts()
        failed = [part for part in PARTS if parts[part] not in FINE]
        document: dict[str, Any] = {"ready": not failed, "failed": failed, "parts": parts}
        resp.status = 503 if failed else 200
        if failed:
            resp.set_header("Retry-After", "1")
        resp.set_header("Cache-Control", "no-store")
        resp.content_type = "application/json"
        resp.text = json.dumps(document)
