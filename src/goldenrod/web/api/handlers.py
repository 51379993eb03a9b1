"""The five handlers that nearly every resource has: list, get, create, edit, and end or remove.

Each is built from the resource's own functions, so a route is one line. All resources behave alike:
the same order of errors, the same ETags, the same Idempotency-Key.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from goldenrod.base.errors import BadRequest, Conflict, FieldError, NotFound
from goldenrod.base.faults import Faults
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.rules.changes import idempotency
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.resources import Resource
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing, Page, Query, parse
from goldenrod.web.request import JSON, Handler, Request, Response

Get = Callable[[Tx, Actor, str], str]
Take = Callable[[Tx, Actor, str], Row]
Extra = Callable[[Tx, Actor, Created], Mapping[str, Any]]


def listing(list_page: Callable[[Tx, Actor, Query], Page], takes: Listing) -> Handler:
    """GET one page of a list."""

    def handler(request: Request) -> Response:
        with request.read() as (tx, actor):
            page = list_page(tx, actor, request.query(takes))
        return one(page.envelope(request.base()))

    return handler


def reading_one(get: Get) -> Handler:
    """GET one thing."""

    def handler(request: Request, key: str) -> Response:
        with request.read() as (tx, actor):
            body = get(tx, actor, key)
            request.no_arguments()
        return one(body)

    return handler


TEXT = "text/plain"


def one(
    body: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
) -> Response:
    """A response with its strong ETag."""
    return Response(status, body, headers or {}, resources.etag(body), media_type)


def creating(
    create: Callable[[Tx, Actor, Any], Created],
    of: Resource,
    shape: type[Struct],
    *,
    may: Callable[[Actor], None] = Actor.require_write,
    adds: Extra = lambda tx, actor, created: {},
) -> Handler:
    """POST something new: 201 with its address, or 200 if it existed already. `adds` returns the
    fields that only this answer has, and GET has not.

    A request that is repeated with its Idempotency-Key answers the first result, read again.
    """

    def handler(request: Request) -> Response:
        with request.change() as (tx, actor):
            may(actor)
            request.expect_list(tx, actor, of)
            faults = Faults()
            body = request.body(shape, faults)
            request.no_arguments()
            key = request.req.get_header("Idempotency-Key")
            if key is None:
                created = faults.then(create, tx, actor, body)
            else:
                fingerprint = idempotency.fingerprint(request.req.path, request.raw())
                found = idempotency.find_stored(tx, actor, idempotency.checked(key), fingerprint)
                created = found or faults.then(create, tx, actor, body)
                if not found:
                    idempotency.store(tx, actor, key, fingerprint, created)
            return _creation_answer(
                created, of.get(tx, actor, created.key), adds(tx, actor, created)
            )

    return handler


def _creation_answer(created: Created, body: str, more: Mapping[str, Any]) -> Response:
    address = json.loads(body)["url"]
    answered = body
    for name, value in more.items():
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        answered = f'{answered[:-1]},"{name}":{text}}}'
    status = 201 if created.new else 200
    return Response(status, answered, {"Location": address}, etag=resources.etag(body))


def editing(
    take: Take,
    edit: Callable[[Tx, Actor, Row, Any], None],
    get: Get,
    shape: type[Struct],
) -> Handler:
    """PATCH one thing with a merge patch, all of it or nothing: 200, or 204 when the edit makes it
    invisible to its editor."""

    def handler(request: Request, key: str) -> Response:
        with request.change() as (tx, actor):
            row = take(tx, actor, key)
            current = get(tx, actor, key)
            request.expect(current)
            faults = Faults()
            patch = request.patch(shape, json.loads(current), faults)
            request.no_arguments()
            faults.then(edit, tx, actor, row, patch)
            try:
                return one(get(tx, actor, str(row.get("uuid") or row["id"])))
            except NotFound:
                return Response(204)

    return handler


def ending(take: Take, end: Callable[[Tx, Actor, Row], None], get: Get) -> Handler:
    """DELETE one thing: 204. A second DELETE also gets 204 if the thing is still visible."""

    def handler(request: Request, key: str) -> Response:
        with request.change() as (tx, actor):
            row = take(tx, actor, key)
            request.expect(get(tx, actor, key))
            request.no_arguments()
            end(tx, actor, row)
        return Response(204)

    return handler


def listing_of(list_page: Callable[[Tx, Actor, str, Query], Page], takes: Listing) -> Handler:
    """GET one page of a list that belongs to one thing."""

    def handler(request: Request, key: str) -> Response:
        with request.read() as (tx, actor):
            try:
                query = request.query(takes)
            except BadRequest:
                # A reader who may not see the thing gets 404, not a hint about its lists.
                list_page(tx, actor, key, parse(takes, {}))
                raise
            page = list_page(tx, actor, key, query)
        return one(page.envelope(request.base()))

    return handler


def without_idempotency(request: Request) -> None:
    """Raise Conflict if the request has an Idempotency-Key. For handlers that answer a secret."""
    if request.req.get_header("Idempotency-Key") is not None:
        raise Conflict(
            "This answer has a secret that is shown only once, so it accepts no Idempotency-Key.",
            code="idempotency_not_offered",
        )


def parameter_problem(name: str, detail: str) -> BadRequest:
    """The error for a query parameter; `detail` says what the parameter must be."""
    return BadRequest(
        f"{name} {detail}", code="parameter_invalid", errors=(FieldError(name, detail),)
    )
