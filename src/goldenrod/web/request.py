"""One request, as doors see it: its transaction and actor, its query, its body, its answer.

The order of refusals is kept here: 401 before the body is read, the body's own faults (413, 415,
400) only when a handler asks for it, after 404 and 403. The body of who may not write at all is not
read: `receiving.py` takes in the others, so that slow senders leave the rest of the server free.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs

import falcon
from msgspec import Struct

from goldenrod.base import clock, decode
from goldenrod.base.config import Settings
from goldenrod.base.errors import (
    BadRequest,
    Conflict,
    FieldError,
    PreconditionFailed,
    Problem,
    TooLarge,
    UnsupportedMedia,
    field_problem,
)
from goldenrod.rules import resources
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.store import paging
from goldenrod.store.db import Database, SnapshotChanged, Tx
from goldenrod.store.revision import Revision
from goldenrod.web.authenticate import client_address, identify, note_use
from goldenrod.web.request_body import RECEIVER, Sender
from goldenrod.web.response_cache import ResponseCache, Validity

S = TypeVar("S", bound=Struct)

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True)
class Response:
    """What a door answers: a status, JSON text or nothing, and headers of its own."""

    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    media_type: str = JSON


A = TypeVar("A", bound=Response)


class Request:
    """One request."""

    def __init__(
        self,
        req: falcon.Request,
        db: Database,
        settings: Settings,
        keep: ResponseCache | None = None,
    ) -> None:
        self.req = req
        self.db = db
        self.settings = settings
        self.actor = ANONYMOUS
        self._tx: Tx | None = None
        self._keep = keep
        self._again = False
        self._use_noted = False
        self._outdated = False
        self._raw: bytes | Problem | None = None
        self._withheld = False

    @property
    def anonymous(self) -> bool:
        """Whether nobody in particular asks, as far as is known yet."""
        return self.actor.kind == "anonymous"

    @property
    def address(self) -> str:
        """The client's address."""
        return client_address(self.req, self.settings)

    def answer(self, handler: Callable[..., A], path: Mapping[str, str]) -> A:
        """What a door answers: begun anew, in a transaction, where the catalogue was changed while
        it looked without one. So doors read before they write."""
        try:
            return handler(self, **path)
        except SnapshotChanged:
            self._again = True
            return handler(self, **path)

    @contextmanager
    def read(self) -> Iterator[tuple[Tx, Actor]]:
        """A snapshot, and who asks, found in it. Raises Moved (`answer`)."""
        unnoted = False
        snapshot = self.db.read if self._again else self.db.optimistic_read
        try:
            with snapshot() as tx:
                unnoted = self._identify(tx)
                self._tx = tx
                yield tx, self.actor
        finally:
            if unnoted and not self._use_noted:
                self._use_noted = True
                self._note_use()

    def hold(self) -> Validity | None:
        """For how long what was read holds; None where that is not known."""
        if self._keep is None or self._tx is None:
            return None
        seen = Revision(self._tx.revision, clock.to_micros(self._tx.now))
        held = self._keep.hold(seen, self.actor)
        header = self.req.get_header("Authorization")
        if held is not None and header is not None:
            self._keep.keep_actor(header, self.actor, held)
        return held

    @contextmanager
    def change(self) -> Iterator[tuple[Tx, Actor]]:
        """A change, and who asks. The body is read before it begins, so that a slow sender holds
        nothing up, and refused, where it is wrong, only when a handler asks for it. What a token may
        not change is the handler's to refuse, after 404: where that is everything, as with a token
        that only reads, the body is not waited for."""
        with self.read() as (_, actor):
            if actor.kind == "anonymous":
                actor.require_write()
        self._withheld = actor.scope == "read"
        if not self._withheld:
            self.read_body()
        with self.db.write() as tx, self._unless_outdated():
            tx.address = self.address
            self._identify(tx)
            yield tx, self.actor

    @contextmanager
    def write_unversioned(self) -> Iterator[tuple[Tx, Actor]]:
        """A change without a body that no reader of the catalogue sees, and who asks."""
        with self.read() as (_, actor):
            if actor.kind == "anonymous":
                actor.require_write()
        with self.db.write_unversioned() as tx:
            tx.address = self.address
            self._identify(tx)
            yield tx, self.actor

    def _identify(self, tx: Tx) -> bool:
        """Find out who asks; whether the use of their token is to be noted."""
        header = self.req.get_header("Authorization")
        known = header and self._keep and self._keep.find_actor(tx, header)
        if known:
            self.actor = known
            return False
        self.actor, unnoted = identify(tx, header)
        return unnoted

    def _note_use(self) -> None:
        note_use(self.db, self.actor)

    def read_body(self) -> None:
        """Take the body in; what is wrong with it is kept for `body()`. Raises TooSlow, Unavailable."""
        if self._raw is None:
            try:
                self._raw = self._receive()
            except (TooLarge, UnsupportedMedia, BadRequest) as wrong:
                self._raw = wrong

    def _receive(self) -> bytes:
        req = self.req
        declared = req.content_length
        if not declared and req.get_header("Transfer-Encoding") is None:
            return b""
        sender = Sender(
            client_address(req, self.settings),
            req.remote_addr,
            None if self.anonymous else self.actor.user_id,
        )
        return RECEIVER.receive(req.stream, declared, sender, self.settings.body_seconds)

    def raw(self) -> bytes:
        """The body's bytes. Raises Forbidden, TooLarge, UnsupportedMedia."""
        if self._withheld:
            self.actor.require_write()
        self.read_body()
        if isinstance(self._raw, Problem):
            raise self._raw
        self._require_json()
        assert self._raw is not None
        return self._raw

    def _require_json(self) -> None:
        given = self.req.content_type or ""
        kind, _, parameters = given.partition(";")
        allowed = (JSON, MERGE_PATCH) if self.req.method == "PATCH" else (JSON,)
        charset = parameters.strip().lower().replace('"', "")
        if kind.strip().lower() not in allowed or charset not in ("", "charset=utf-8"):
            raise UnsupportedMedia(f"Send the body as {' or '.join(allowed)}, in UTF-8.")
        if (self.req.get_header("Content-Encoding") or "identity").lower() != "identity":
            raise UnsupportedMedia("Send the body without a Content-Encoding.")

    def body(self, shape: type[S]) -> S:
        """The body as `shape`. Raises TooLarge, UnsupportedMedia, BadRequest."""
        value = decode.parse(self.raw())
        if not isinstance(value, dict):
            raise field_problem("body", "must be a JSON object")
        return decode.convert(value, shape)

    def patch(self, shape: type[S], current: Mapping[str, Any]) -> S:
        """The body of a PATCH as `shape`. `current` is what GET answers now: fields of it that
        cannot be changed must be as they are (400 `field_read_only`), or are computed and ignored.
        """
        value = decode.parse(self.raw())
        if not isinstance(value, dict):
            raise field_problem("body", "must be a JSON object")
        changeable = set(shape.__struct_fields__)
        for name in [name for name in value if name in current and name not in changeable]:
            if name not in COMPUTED and not _same(value[name], current[name]):
                raise field_problem(name, "cannot be changed", code="field_read_only")
            del value[name]
        return decode.convert(value, shape)

    def query(self, listing: paging.Listing) -> paging.Query:
        """What the request asks of a list. Raises BadRequest."""
        return paging.parse(listing, self.arguments())

    def arguments(self) -> dict[str, list[str]]:
        """The query string. Raises BadRequest where it is not UTF-8."""
        try:
            # As it was sent: a server hands bytes that nobody escaped on as latin-1.
            sent = self.req.query_string.encode("latin-1").decode("utf-8")
            return parse_qs(
                sent,
                keep_blank_values=True,
                errors="strict",
                max_num_fields=100,
            )
        except ValueError:
            raise BadRequest(
                "The query string is not well-formed UTF-8.", code="parameter_invalid"
            ) from None

    def no_arguments(self) -> None:
        """Raise BadRequest where the request has a query string: this door takes none."""
        if not self.req.query_string:
            return
        for name in self.arguments():
            raise BadRequest(
                f"{name[:80]} is not a parameter here: this address takes none.",
                code="parameter_unknown",
            )

    def options(self, *known: str) -> dict[str, str]:
        """The query's parameters, each of `known` at most once. Raises BadRequest."""
        given = {}
        for name, values in self.arguments().items():
            problem = None
            if name not in known:
                problem = f"is not a parameter here. It takes: {', '.join(known)}."
            elif len(values) != 1 or "\x00" in values[0]:
                problem = "may be given once, without NUL characters."
            if problem:
                raise BadRequest(
                    f"{name[:80]} {problem}",
                    code="parameter_unknown" if name not in known else "parameter_invalid",
                    errors=(FieldError(name[:80], problem),),
                )
            given[name] = values[0]
        return given

    def base(self) -> str:
        """The address that the request came in by, for the links to its neighbours."""
        return f"{self.settings.public_url}{self.req.path}"

    def expect(self, current: str | None) -> None:
        """Compare the request's If-Match with the ETag of what GET answers now; None for nothing.
        Where they differ, `change` ends with 412."""
        etag = None if current is None else resources.etag(current)
        self._expect(self.req.get_header("If-Match"), etag)

    def _expect(self, if_match: str | None, etag: str | None) -> None:
        if if_match is not None:
            wanted = [part.strip() for part in if_match.split(",")]
            self._outdated = etag is None or not ("*" in wanted or etag in wanted)

    @contextmanager
    def _unless_outdated(self) -> Iterator[None]:
        """A change, which is rolled back and refused with 412 where `expect` found a difference:
        after what is wrong with the request (400, 403), before what conflicts (409). So the change
        is tried first."""
        try:
            yield
        except Conflict:
            self._require_current()
            raise
        self._require_current()

    def _require_current(self) -> None:
        if self._outdated:
            raise PreconditionFailed(
                "Somebody changed this since you read it. Read it again, and send its new ETag."
            )


def written(value: Any) -> str:
    """A value as JSON text, as the database would write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


COMPUTED = frozenset(
    {
        "url",
        "state",
        "versions",
        "versions_count",
        "versions_url",
        "last_used",
        "personal",
        "stale",
        "behind",
        "parent_behind",
        "target",
        "stopped",
    }
)
"""Fields that an answer computes: sent back in a PATCH, they are ignored."""


def _same(given: Any, current: Any) -> bool:
    """Equal as the rule for sending back what GET gave has it: references compare by id alone."""
    if isinstance(current, dict) and "id" in current:
        given = given.get("id") if isinstance(given, dict) else given
        return bool(given == current["id"])
    if isinstance(current, list):
        return (
            isinstance(given, list)
            and len(given) == len(current)
            and all(_same(a, b) for a, b in zip(given, current, strict=True))
        )
    return bool(given == current)


Handler = Callable[..., Response]
