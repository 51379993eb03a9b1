"""One request, as handlers see it: its transaction and actor, its query, its body, its response.

This module sets the order of errors: 401 before the body is read; errors of the body (413, 415, 400)
only when a handler asks for the body, after 404 and 403. The body of a client who may not write at all
is not read. `request_body.py` receives the others, so that slow senders do not block the server.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs

import falcon
from msgspec import Struct

from goldenrod.base import clock, decode, entity_tags, wire
from goldenrod.base.clock import Instant
from goldenrod.base.config import Settings
from goldenrod.base.errors import (
    BadRequest,
    Conflict,
    FieldError,
    PreconditionFailed,
    Problem,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
    field_problem,
)
from goldenrod.base.faults import Faults
from goldenrod.rules import resources
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.store import paging
from goldenrod.store.connections.replica import Replica
from goldenrod.store.db import Database, SnapshotChanged, Tx
from goldenrod.store.revision import Revision, Seen, read_seen
from goldenrod.web.authenticate import from_basic, identify, record_token_use
from goldenrod.web.client_address import client_address
from goldenrod.web.limits.gate import GATE
from goldenrod.web.limits.rate_limit import TOKEN_VALID
from goldenrod.web.request_body import RECEIVER, Sender
from goldenrod.web.response_cache import ResponseCache, Validity

S = TypeVar("S", bound=Struct)

REVISION = "Goldenrod-Revision"
"""The header with the revision that an answer shows, at the latest."""
MIN_REVISION = "Goldenrod-Min-Revision"
"""The header with the revision that the sender has seen: the answer must not be older."""
MIN_REVISION_VARIABLE = "HTTP_GOLDENROD_MIN_REVISION"
"""Its name in a WSGI environment."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True)
class Response:
    """A handler's response: a status, a text or an archive or nothing, and headers."""

    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    media_type: str = JSON
    archive: bytes | None = None


A = TypeVar("A", bound=Response)


class Request:
    """One request."""

    def __init__(
        self,
        req: falcon.Request,
        db: Database,
        settings: Settings,
        cache: ResponseCache | None = None,
        *,
        basic: bool = False,
    ) -> None:
        """`basic`: a token may also come as the password of HTTP Basic."""
        self.req = req
        self._basic = basic
        self.db = db
        self.settings = settings
        self.actor = ANONYMOUS
        self.now: Instant | None = None
        """The instant of the latest transaction; None before there was one."""
        self.seen: Seen | None = None
        """The newest revision that the answer may show; None before anything was read."""
        self.may_use_replica = False
        """Whether what is read may come from the replica, if that has what the sender has seen."""
        self._replica: Database | None = None
        """The replica that the latest read is from; None for the primary."""
        self._tx: Tx | None = None
        """The latest read, in which `actor` was found or confirmed."""
        self._cache = cache
        self._again = False
        self._use_noted = False
        self._unmet: PreconditionFailed | None = None
        """The condition of the request that does not hold."""
        self._raw: bytes | Problem | None = None
        self._withheld = False

    @property
    def anonymous(self) -> bool:
        """Whether the request is anonymous, as far as is known yet."""
        return self.actor.kind == "anonymous"

    @property
    def address(self) -> str:
        """The client's address."""
        return client_address(self.req, self.settings)

    def answer(self, handler: Callable[..., A], path: Mapping[str, str]) -> A:
        """The handler's response. Handlers read without a transaction first; where the catalogue
        changes meanwhile, the handler is called again and reads in one. So handlers read before they
        write."""
        try:
            return handler(self, **path)
        except SnapshotChanged:
            self._again = True
            self._tx = None
            return handler(self, **path)

    @contextmanager
    def read(self) -> Iterator[tuple[Tx, Actor]]:
        """A snapshot of the catalogue, and who asks. Raises SnapshotChanged, Unauthorized."""
        unnoted = False
        tx = None
        try:
            with self._snapshot() as tx:
                self.now = tx.now
                if self._is_unchanged(tx, tx.revision):
                    # Like the statement that it replaces, it is part of this read's snapshot.
                    tx.statements += 1
                else:
                    unnoted = self._identify_reader(tx)
                self._require_reached(tx.has_reached(self.least()))
                self._tx = tx
                yield tx, self.actor
        finally:
            if tx is not None:
                self.seen = tx.newest
            if unnoted and not self._use_noted:
                self._use_noted = True
                self._note_use()

    def _snapshot(self) -> AbstractContextManager[Tx]:
        """A read: from the replica where it may be, else the primary."""
        if self.db.replica is not None and self.may_use_replica and not self._again:
            return self._replicated_snapshot(self.db.replica)
        self._replica = None
        return self.db.read() if self._again else self.db.optimistic_read()

    @contextmanager
    def _replicated_snapshot(self, replica: Replica) -> Iterator[Tx]:
        with ExitStack() as stack:
            tx = replica.begin(stack, read_seen(self.req.get_header(MIN_REVISION) or ""))
            self._replica = None if tx is None else replica.db
            yield tx or stack.enter_context(self.db.optimistic_read())

    def _identify_reader(self, tx: Tx) -> bool:
        """Find who asks; whether the use of their token must be recorded. Raises Unauthorized."""
        try:
            return self._identify(tx)
        except Unauthorized:
            if self._replica is not None:
                raise SnapshotChanged from None  # perhaps a token that the replica does not have yet
            raise

    def least(self) -> Seen | None:
        """The revision that the sender has seen. Raises BadRequest where the header is not one."""
        given = self.req.get_header(MIN_REVISION)
        if given is None:
            return None
        seen = read_seen(given)
        if seen is None:
            raise BadRequest(
                f"{MIN_REVISION} takes what an earlier answer had in {REVISION}, such as "
                "1234-9f86d081884c7d65.",
                code="revision_malformed",
            )
        return seen

    def _require_reached(self, reached: bool) -> None:
        """Raise Unavailable where the primary is behind what the sender has seen. Perhaps it is none
        any more, so new connections are opened: rarely, because anybody can claim to have seen more."""
        if not reached:
            if self.settings.several_servers:
                self.db.connect_anew(pause_s=10)
            raise Unavailable(
                "The database has not reached the revision that you have seen. It may be changing its "
                "primary. Try again in a moment.",
                code="revision_not_reached",
            )

    def validity(self, *, narrow: bool = False) -> Validity | None:
        """The validity of what was read; None where it is unknown or nothing is cached. `narrow`: the
        answer depends on no images but those that the read told (`Tx.depends_on`)."""
        if self._cache is None or self._tx is None:
            return None
        tx = self._tx
        read = Revision(tx.revision, clock.to_micros(tx.now), tx.mark, tx.generation or 0)
        # Which images were changed is known of the primary, and of the connection to it.
        known = self._replica is None and tx.generation is not None
        images = tx.images if narrow and known else ()
        validity = self._cache.validity_of(read, self.actor, self._replica, images)
        header = self._authorization()
        if validity is not None and header is not None:
            self._cache.add_actor(header, self.actor, validity)
        return validity

    @contextmanager
    def change(self) -> Iterator[tuple[Tx, Actor]]:
        """A change of the catalogue, and who asks. The body is read before the transaction, so that a
        slow sender blocks nobody; what is wrong with it is raised when the handler asks for it. The
        handler refuses what a token may not change, after 404. The body of a token that may only read
        is not received at all."""
        self._require_somebody()
        self._withheld = self.actor.scope == "read"
        if not self._withheld:
            self.read_body()
        with self._write() as (tx, actor):
            yield tx, actor

    @contextmanager
    def _write(self) -> Iterator[tuple[Tx, Actor]]:
        """The transaction of a change, and who asks, once the request itself has been checked."""
        with self.db.write() as tx, self._unless_outdated():
            self._confirm(tx, tx.revision - 1)
            least = self.least()
            self._require_reached(least is None or tx.revision > least.revision)
            yield tx, self.actor
        if not tx.dry_run:
            self.seen = tx.newest

    @contextmanager
    def write_unversioned(self) -> Iterator[tuple[Tx, Actor]]:
        """A change without a body that no reader of the catalogue sees, and who asks."""
        self._require_somebody()
        with self.db.write_unversioned() as tx:
            self._confirm(tx, tx.revision)
            yield tx, self.actor

    def _require_somebody(self) -> None:
        """Raise Unauthorized where the request is anonymous."""
        self._find_who_asks()
        if self.anonymous:
            self.actor.require_write()

    def _find_who_asks(self) -> None:
        """Read who asks, unless a read of this request has found it. Raises Unauthorized."""
        if self._tx is None:
            with self.read():
                pass

    def _confirm(self, tx: Tx, revision: int) -> None:
        """Make sure of who asks, within a write that began at this revision of the catalogue. Raises
        Unauthorized."""
        tx.address = self.address
        self.now = tx.now
        if not self._is_unchanged(tx, revision, in_write=True):
            self._identify(tx)

    def _is_unchanged(self, tx: Tx, revision: int, *, in_write: bool = False) -> bool:
        """Whether the read before found who asks, and would find the same at `revision`: nobody has
        changed the catalogue since, and the token has not expired."""
        if self._tx is None or self._tx.revision != revision:
            return False
        expires = self.actor.token_expires
        return expires is None or tx.now < expires

    def _identify(self, tx: Tx) -> bool:
        """Find who asks; whether the use of their token must be recorded. Raises Unauthorized."""
        header = self._authorization()
        known = header and self._cache and self._cache.find_actor(tx, header)
        if known:
            self.actor, unnoted = known, False
        else:
            self.actor, unnoted = identify(tx, header)
        if header:
            self.req.env[TOKEN_VALID] = True
        return unnoted

    def _authorization(self) -> str | None:
        header = self.req.get_header("Authorization")
        return from_basic(header) if header and self._basic else header

    def _note_use(self) -> None:
        record_token_use(self.db, self.actor)

    def read_body(self) -> None:
        """Receive the body; `body()` raises what is wrong with it. Raises TooSlow, Unavailable."""
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
            self.address,
            req.remote_addr,
            None if self.anonymous else self.actor.user_id,
        )
        with req.env[GATE].paused():
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

    def body(self, shape: type[S], faults: Faults) -> S:
        """The body as `shape`. Raises TooLarge, UnsupportedMedia, BadRequest.

        Wrong fields are collected in `faults`; the handler calls `faults.then` to find what else is
        wrong.
        """
        raw = self.raw()
        most = decode.MOST_ANONYMOUS_SEPARATORS if self.anonymous else decode.MOST_SEPARATORS
        value = decode.parse(raw, most, faults)
        if not isinstance(value, dict):
            raise field_problem("body", "must be a JSON object")
        return decode.convert_with(faults, value, shape)

    def patch(self, shape: type[S], current: Mapping[str, Any], faults: Faults) -> S:
        """The body of a PATCH as `shape`. `current` is what GET answers now: fields that cannot be
        changed must equal it (400 `field_read_only`), and computed fields are ignored. `faults`: as
        for `body`."""
        value = decode.parse(self.raw(), faults=faults)
        if not isinstance(value, dict):
            raise field_problem("body", "must be a JSON object")
        changeable = set(shape.__struct_fields__)
        for name in [name for name in value if name in current and name not in changeable]:
            if name not in wire.COMPUTED and not _same(value[name], current[name]):
                faults.add(field_problem(name, "cannot be changed", code="field_read_only"))
            del value[name]
        return decode.convert_with(faults, value, shape)

    def query(self, listing: paging.Listing) -> paging.Query:
        """The filters, order and page that the request asks a list for. Raises BadRequest."""
        return paging.parse(listing, self.arguments())

    def arguments(self) -> dict[str, list[str]]:
        """The parameters of the query string. Raises BadRequest where it is not UTF-8."""
        try:
            # The server passes bytes that were not escaped on as latin-1.
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
        """Raise BadRequest where the request has query parameters: this handler takes none."""
        if not self.req.query_string:
            return
        for name in self.arguments():
            raise BadRequest(
                f"{name[:80]} is not a parameter of this address: it takes none.",
                code="parameter_unknown",
            )

    def options(self, *known: str) -> dict[str, str]:
        """The query's parameters, each of `known` at most once. Raises BadRequest."""
        given = {}
        for name, values in self.arguments().items():
            problem = None
            if name not in known:
                problem = f"is not a parameter of this address. It takes: {', '.join(known)}."
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
        """The public address of this request, for links to the pages before and after."""
        return f"{self.settings.public_url}{self.req.path}"

    def expect(self, current: str | None) -> None:
        """Compare the request's If-Match and If-None-Match with the ETag of what GET answers now; None
        for nothing. Where a condition does not hold, `change` ends with 412."""
        etag = None if current is None else resources.etag(current)
        self._expect(self.req.get_header("If-Match"), etag)
        given = self.req.get_header("If-None-Match")
        if self._unmet is None and not entity_tags.if_none_match_holds(given, etag):
            self._unmet = PreconditionFailed(
                "If-None-Match names what is here now, so nothing was changed."
            )

    def expect_list(self, tx: Tx, actor: Actor, of: resources.Resource) -> None:
        """The same for a POST that adds to a list: its conditions are about the list."""
        if not (self.req.get_header("If-Match") or self.req.get_header("If-None-Match")):
            return
        page = of.page(tx, actor, paging.parse(of.listing, {}))
        self.expect(page.envelope(self.base()))

    def _expect(self, if_match: str | None, etag: str | None) -> None:
        self._unmet = None
        if not entity_tags.if_match_holds(if_match, etag):
            self._unmet = PreconditionFailed(
                "Somebody changed this since you read it. Read it again, and send its new ETag."
            )

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
        if self._unmet:
            raise self._unmet


def written(value: Any) -> str:
    """A value as JSON text, as the database would write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _same(given: Any, current: Any) -> bool:
    """Whether a field that was sent back equals its current value. References compare by id only."""
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
