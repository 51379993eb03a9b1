"""The response cache: answers of this process, sent again while a new answer would be the same.

An answer is valid for one revision of the catalogue, and until the next instant at which anything
takes effect that it may depend on: a start, an end, a deprecation, a revocation, a token's expiry. An
answer to a token is valid for at most the rest of the hour, so that the token's use is recorded. An
answer of a `narrow` route depends on certain images, and stays valid while only others are changed:
when the revision has moved, the database is asked once which images were changed, for all answers
together (`store/changed_images.py`).
The key is all of a request that its answer depends on: address, query, credentials, `Accept`. Names
that a page does not take were removed from its query before (`pages/responders.py: known_query`).
Where the cache would become larger than allowed, the oldest answers are removed. The compressed forms
of an answer are cached with it, each from when it is first asked for.

Each answer is built by one request at a time: others that miss it meanwhile wait, and send it too if it
is at least as new as the revision that they read when they arrived. So a change of the catalogue costs
one build of each answer, not one for each thread.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from goldenrod.base import clock, entity_tags
from goldenrod.base.errors import Unavailable
from goldenrod.rules.access import Actor
from goldenrod.rules.cache_expiry import next_instant
from goldenrod.store.db import Database, SnapshotChanged, Tx
from goldenrod.store.revision import Revision, Seen, read_seen
from goldenrod.web import content_coding
from goldenrod.web.content_coding import IDENTITY

Key = tuple[str, str, str | None, str | None, str | None]
Headers = list[tuple[str, str]]

VALIDITY = "goldenrod.validity"
"""The name under which a request's environment has its answer's `Validity`."""

_HOUR = 3_600_000_000
_OVERHEAD = 1024
"""Bytes that an answer takes beside its body and key, about."""
_LARGEST_SHARE = 8
"""An answer larger than this part of the cache is not cached."""
_MOST_ACTORS = 10_000
MOST_WAIT_S = 5.0
"""How long a request waits for another that builds the same answer before it builds its own."""
_BODY_HEADERS = frozenset({"content-type", "content-length"})


class Validity(NamedTuple):
    """The revision of an answer, and from when until when it is valid (microseconds since 1970).

    `images`: the ids of the images that the answer depends on; empty where that may be all.
    `generation`: that of the revision (`Revision.generation`).
    """

    revision: int
    valid_from: int
    valid_until: int
    mark: str = ""
    images: tuple[int, ...] = ()
    generation: int | None = None

    @property
    def seen(self) -> Seen:
        """The revision, with its mark."""
        return Seen(self.revision, self.mark)

    def is_of(self, arrival: Revision) -> bool:
        """Whether an answer with this validity was right at some instant since a request arrived. It
        may be newer than the request, but must show everything that had been changed before."""
        reached = self.revision > arrival.revision or self.seen == arrival.seen
        return reached and arrival.micros < self.valid_until

    def includes(self, now: Revision) -> bool:
        """Whether an answer with this validity is valid at that revision and instant."""
        return self.revision == now.revision and self.mark == now.mark and self.is_at(now.micros)

    def is_at(self, micros: int) -> bool:
        """Whether an answer with this validity is valid at that instant, as far as time goes."""
        return self.valid_from <= micros < self.valid_until


class CachedResponse(NamedTuple):
    """An answer of status 200, with its headers as they are sent. One without a validity is not
    cached."""

    validity: Validity | None
    etag: str
    headers: Headers
    body: bytes
    compressible: bool = False
    compressed: Mapping[str, bytes] = MappingProxyType({})
    """The compressed forms that were asked for so far, by coding."""
    route: str | None = None
    """The template of the route that it answers."""

    def tag(self, coding: str) -> str:
        """The ETag of the form with this coding."""
        return self.etag if coding == IDENTITY else entity_tags.of_form(self.etag, coding)

    def bytes_in(self, coding: str) -> bytes:
        """The body of a form that is there."""
        return self.body if coding == IDENTITY else self.compressed[coding]

    def headers_in(self, coding: str) -> Headers:
        """The headers of a form that is there."""
        if coding == IDENTITY:
            return self.headers
        return coded_headers(self.headers, coding, len(self.compressed[coding]))

    def with_form(self, coding: str, body: bytes) -> "CachedResponse":
        """The same answer with one more form."""
        return self._replace(compressed={**self.compressed, coding: body})

    def unchanged_tag(self, given: str | None, coding: str, accepted: str | None) -> str | None:
        """The ETag that If-None-Match names, of the form in `coding` or of another that a request with
        this Accept-Encoding accepts; None if it names none of them."""
        if given is None:
            return None
        chosen = self.tag(coding)
        if given == chosen:
            return chosen
        tags = [tag.removeprefix("W/") for tag in entity_tags.named(given)]
        if tags == ["*"] or chosen in tags:
            return chosen
        for other in (IDENTITY, *entity_tags.CODINGS) if self.compressible else (IDENTITY,):
            if self.tag(other) in tags and content_coding.accepts(accepted, other):
                return self.tag(other)
        return None


class Build:
    """An answer that one request builds while others wait for it."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: CachedResponse | None = None


def coded_headers(headers: Headers, coding: str, size: int) -> Headers:
    """The headers of an answer's form with this coding."""
    kept = [(name, value) for name, value in headers if name not in ("etag", "content-length")]
    tags = [entity_tags.of_form(value, coding) for name, value in headers if name == "etag"]
    more = [("content-encoding", coding), ("content-length", str(size))]
    return [*kept, *more, *(("etag", tag) for tag in tags)]


def unchanged(headers: Headers, etag: str) -> Headers:
    """The headers of a 304, from those of the answer that is unchanged."""
    kept = [header for header in headers if header[0] not in _BODY_HEADERS]
    return [("etag", etag) if name == "etag" else (name, value) for name, value in kept]


def key_of(environ: Mapping[str, Any]) -> Key:
    """The parts of a request that its answer depends on."""
    return (
        environ["PATH_INFO"],
        environ["QUERY_STRING"],
        environ.get("HTTP_AUTHORIZATION"),
        environ.get("HTTP_ACCEPT"),
        environ.get("HTTP_COOKIE"),
    )


def _size(key: Key, cached: CachedResponse) -> int:
    bodies = len(cached.body) + sum(map(len, cached.compressed.values()))
    return bodies + sum(len(part) for part in key if part) + _OVERHEAD


class _Answers:
    """Answers by their requests, the oldest first, and the bytes that they take."""

    def __init__(self) -> None:
        self.stored: dict[Key, CachedResponse] = {}
        self.bytes = 0

    def add(self, key: Key, answer: CachedResponse, size: int) -> None:
        self.stored[key] = answer
        self.bytes += size

    def remove(self, key: Key) -> None:
        if answer := self.stored.pop(key, None):
            self.bytes -= _size(key, answer)


class ResponseCache:
    """Answers, at most so many bytes of them, and the actors that tokens spoke for."""

    def __init__(self, db: Database, most_bytes: int) -> None:
        self._db = db
        self._most = most_bytes
        self._lock = threading.Lock()
        self._seen = Seen(0, "")
        self._answers = _Answers()
        """Those of the revision `_seen`."""
        self._of_images = _Answers()
        """Those that depend on certain images only, of any revision."""
        self._builds: dict[Key, Build] = {}
        self._actors: dict[str, tuple[Actor, Validity]] = {}
        self._cache_expiry = Validity(0, 0, 0)
        """Until when nothing takes effect, at the revision that was read last."""

    @property
    def stored_bytes(self) -> int:
        """The bytes that the cached answers take, about."""
        return self._answers.bytes + self._of_images.bytes

    def find(self, key: Key, least: str | None = None) -> CachedResponse | None:
        """The valid answer to this request, if it is cached or another request builds it. `least` is
        the revision that its sender has seen, as the header has it."""
        cached = self._answers.stored.get(key) or self._of_images.stored.get(key)
        build = self._builds.get(key)
        if cached is None and build is None:
            return None
        seen = None
        if least is not None and (seen := read_seen(least)) is None:
            return None  # the handler answers 400
        db = self._db
        try:
            now = db.current_revision() if db.replica is None else db.revision_for(seen)
        except Unavailable:
            return None  # the handler answers 503
        if seen is not None and not now.has_reached(seen):
            return None
        if cached is not None and (validity := cached.validity):
            if validity.includes(now):
                return cached
            if renewed := self._renewed(validity, now):
                cached = cached._replace(validity=renewed)
                self.add(key, cached)
                return cached
        if build is None or not build.done.wait(MOST_WAIT_S):
            return None
        built = build.answer
        return built if built and built.validity and built.validity.is_of(now) else None

    def _renewed(self, validity: Validity, now: Revision) -> Validity | None:
        """The validity of an answer at the revision now, which is a later one, if the answer depends on
        certain images only and none of them has changed. The instants at which it changes by itself
        are then the same."""
        if not validity.images:
            return None
        db = self._db
        if db.replica is not None:
            # Which images were changed is known of the primary.
            try:
                now = db.current_revision()
            except Unavailable:
                return None
        later = now.revision > validity.revision and now.generation == validity.generation
        if not (later and validity.is_at(now.micros)):
            return None
        if not db.unchanged(validity.revision, validity.images):
            return None
        return validity._replace(revision=now.revision, mark=now.mark)

    @contextmanager
    def building(self, key: Key) -> Iterator[Build]:
        """The block builds the answer to this request. Others wait for the first that does."""
        build = Build()
        self._builds.setdefault(key, build)
        try:
            yield build
        finally:
            build.done.set()
            if self._builds.get(key) is build:
                del self._builds[key]

    def add(self, key: Key, answer: CachedResponse) -> None:
        """Cache the answer to this request, unless it is too large."""
        size = _size(key, answer)
        if answer.validity is None or size * _LARGEST_SHARE > self._most:
            return
        with self._lock:
            if not self._advance(answer.validity.seen):
                return
            self._answers.remove(key)
            self._of_images.remove(key)
            while self.stored_bytes + size > self._most:
                fuller = max(self._answers, self._of_images, key=lambda answers: answers.bytes)
                fuller.remove(next(iter(fuller.stored)))
            (self._of_images if answer.validity.images else self._answers).add(key, answer, size)

    def _advance(self, seen: Seen) -> bool:
        """Remove everything that is valid for earlier revisions only; False where this itself is an
        earlier one."""
        if seen.revision >= self._seen.revision and seen != self._seen:
            self._seen = seen
            self._answers = _Answers()
            self._actors = {}
        return seen == self._seen

    def validity_of(
        self,
        read: Revision,
        actor: Actor,
        replica: Database | None = None,
        images: tuple[int, ...] = (),
    ) -> Validity | None:
        """The validity of what was read for `actor` at that revision, from the replica or else from the
        primary; None where it is unknown. `images`: those that it depends on, if on no others."""
        valid_until = self._valid_until(read, replica)
        if valid_until is None:
            return None
        if actor.token_expires is not None:
            valid_until = min(valid_until, clock.to_micros(actor.token_expires))
        if actor.kind != "anonymous":
            valid_until = min(valid_until, read.micros - read.micros % _HOUR + _HOUR)
        validity = Validity(read.revision, read.micros, valid_until, read.mark)
        return validity._replace(images=images, generation=read.generation) if images else validity

    def _valid_until(self, read: Revision, replica: Database | None) -> int | None:
        """The next instant after `read` at which anything takes effect, at its revision."""
        if self._cache_expiry.includes(read):
            return self._cache_expiry.valid_until
        try:
            with replica.read() if replica else self._db.optimistic_read() as tx:
                if (tx.revision, tx.mark) != read.seen:
                    return None
                tx.now = clock.of_micros(read.micros)
                found = next_instant(tx)
        except (SnapshotChanged, Unavailable):
            return None
        valid_until = clock.to_micros(clock.END_OF_TIME if found is None else found)
        self._cache_expiry = Validity(read.revision, read.micros, valid_until, read.mark)
        return valid_until

    def find_actor(self, tx: Tx, header: str) -> Actor | None:
        """The actor that this Authorization header spoke for at the revision of `tx`, if cached.

        It counts as a statement of `tx`: the actor must be of the same snapshot as the rest.
        """
        found = self._actors.get(header) if (tx.revision, tx.mark) == self._seen else None
        if found is None:
            return None
        actor, validity = found
        if not validity.includes(Revision(tx.revision, clock.to_micros(tx.now), tx.mark)):
            return None
        tx.statements += 1
        return actor

    def add_actor(self, header: str, actor: Actor, validity: Validity) -> None:
        """Cache the actor that the header spoke for, with the validity of the answer."""
        with self._lock:
            if self._advance(validity.seen) and len(self._actors) < _MOST_ACTORS:
                self._actors[header] = (actor, validity)
