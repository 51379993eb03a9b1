"""Answers kept in this process, each given again only while it is what would be answered anew.

An answer holds for one revision of the catalogue, from when it was made until the next instant at
which anything takes effect that an answer may depend on: a start, an end, a deprecation, a
revocation, a token's expiry. A reader with a token is asked anew each hour, so that its use is noted.
Keys are all of a request that an answer depends on: address, query, credentials, what it accepts.
Names that a page does not take are left out of its query before (`pages/serving.py: known_query`).
The oldest go where the bytes kept would become more than was allowed.
"""

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from goldenrod.base import clock
from goldenrod.base.errors import Unavailable
from goldenrod.rules.access import Actor
from goldenrod.rules.cache_expiry import next_instant
from goldenrod.store.db import Database, SnapshotChanged, Tx
from goldenrod.store.revision import Revision

Key = tuple[str, str, str | None, str | None, str | None]
Headers = list[tuple[str, str]]

VALIDITY = "goldenrod.held"
"""Where a request's environment says for how long its answer holds."""

_HOUR = 3_600_000_000
_OVERHEAD = 1024
"""What an answer takes beside its bytes, about."""
_LARGEST_SHARE = 8
"""An answer larger than this part of the whole is not kept."""
_MOST_ACTORS = 10_000
_BODY_HEADERS = frozenset({"content-type", "content-length"})


class Validity(NamedTuple):
    """At which revision an answer was made, and when; until when it holds (microseconds since 1970)."""

    revision: int
    since: int
    until: int


class CachedResponse(NamedTuple):
    """An answer of status 200, with its headers as they are sent. `held`: None where it is not to
    be given again."""

    held: Validity | None
    etag: str
    headers: Headers
    body: bytes


def unchanged(headers: Headers) -> Headers:
    """The headers of a 304, from those of the answer that it stands for."""
    return [header for header in headers if header[0] not in _BODY_HEADERS]


def key_of(environ: Mapping[str, Any]) -> Key:
    """What of a request its answer depends on."""
    return (
        environ["PATH_INFO"],
        environ["QUERY_STRING"],
        environ.get("HTTP_AUTHORIZATION"),
        environ.get("HTTP_ACCEPT"),
        environ.get("HTTP_COOKIE"),
    )


def is_unchanged(given: str | None, etag: str) -> bool:
    """Whether the request's If-None-Match names this ETag."""
    if given is None:
        return False
    if given == etag:
        return True
    tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
    return etag in tags or tags == ["*"]


def _size(key: Key, kept: CachedResponse) -> int:
    return len(kept.body) + sum(len(part) for part in key if part) + _OVERHEAD


class ResponseCache:
    """The answers kept, at most so many bytes of them; and who the tokens spoke for that asked."""

    def __init__(self, db: Database, most_bytes: int) -> None:
        self._db = db
        self._most = most_bytes
        self._lock = threading.Lock()
        self._revision = 0
        self._bytes = 0
        self._answers: dict[Key, CachedResponse] = {}
        self._actors: dict[str, tuple[Actor, Validity]] = {}
        self._horizon = Validity(0, 0, 0)

    def find(self, key: Key) -> CachedResponse | None:
        """The answer to this request, if one is kept that holds."""
        kept = self._answers.get(key)
        if kept is None:
            return None
        held = kept.held
        try:
            revision, now = self._db.current_revision()
        except Unavailable:
            return None  # the door will say so
        assert held is not None
        return kept if held.revision == revision and held.since <= now < held.until else None

    def keep(self, key: Key, kept: CachedResponse) -> None:
        """Give this answer to the same request from now on, as long as it holds."""
        size = _size(key, kept)
        if kept.held is None or size * _LARGEST_SHARE > self._most:
            return
        with self._lock:
            if not self._reach(kept.held.revision):
                return
            self._forget(key)
            while self._bytes + size > self._most:
                self._forget(next(iter(self._answers)))
            self._answers[key] = kept
            self._bytes += size

    def _forget(self, key: Key) -> None:
        kept = self._answers.pop(key, None)
        if kept is not None:
            self._bytes -= _size(key, kept)

    def _reach(self, revision: int) -> bool:
        """Drop what an earlier revision answered; False for what is of an earlier one itself."""
        if revision > self._revision:
            self._revision = revision
            self._bytes = 0
            self._answers = {}
            self._actors = {}
        return revision == self._revision

    def hold(self, seen: Revision, actor: Actor) -> Validity | None:
        """For how long what `actor` was answered then holds; None where that is not known."""
        until = self._until(seen)
        if until is None:
            return None
        if actor.token_expires is not None:
            until = min(until, clock.to_micros(actor.token_expires))
        if actor.kind != "anonymous":
            until = min(until, seen.micros - seen.micros % _HOUR + _HOUR)
        return Validity(seen.revision, seen.micros, until)

    def _until(self, seen: Revision) -> int | None:
        """The next instant after `seen` at which anything takes effect, at its revision."""
        revision, since, until = self._horizon
        if revision == seen.revision and since <= seen.micros < until:
            return until
        try:
            with self._db.optimistic_read() as tx:
                if tx.revision != seen.revision:
                    return None
                tx.now = clock.of_micros(seen.micros)
                found = next_instant(tx)
        except (SnapshotChanged, Unavailable):
            return None
        until = clock.to_micros(clock.END_OF_TIME if found is None else found)
        self._horizon = Validity(seen.revision, seen.micros, until)
        return until

    def find_actor(self, tx: Tx, header: str) -> Actor | None:
        """Who this Authorization header spoke for at the revision of `tx`, if that is kept.

        It counts as a statement of `tx`: what it says must be of the same snapshot as the rest.
        """
        found = self._actors.get(header) if tx.revision == self._revision else None
        if found is None:
            return None
        actor, held = found
        if held.revision != tx.revision or not held.since <= clock.to_micros(tx.now) < held.until:
            return None
        tx.statements += 1
        return actor

    def keep_actor(self, header: str, actor: Actor, held: Validity) -> None:
        """Remember who the header spoke for, as long as the answer holds that it was given."""
        with self._lock:
            if self._reach(held.revision) and len(self._actors) < _MOST_ACTORS:
                self._actors[header] = (actor, held)
