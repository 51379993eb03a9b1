"""The doors of the lifecycle: channels, resolving, look-up, revoking, lineage and diff."""

import json
from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

from msgspec import Struct, convert
from msgspec.json import Decoder

from goldenrod.base import clock, wire
from goldenrod.base.errors import BadRequest, FieldError
from goldenrod.base.numbers import whole_number
from goldenrod.catalogue.channels import assign, channels, lookup
from goldenrod.catalogue.channels import resolve as resolving
from goldenrod.catalogue.versions import diff, revocations, versions
from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.rules.access import Actor
from goldenrod.rules.changes import idempotency
from goldenrod.rules.changes.mutations import Created
from goldenrod.store.db import Row, Tx
from goldenrod.web.api.handlers import one
from goldenrod.web.request import Request, Response, written

TEXT = "text/plain"


def get_version(request: Request, key: str) -> Response:
    """GET one version, with the links and warnings that its headers carry."""
    with request.read() as (tx, actor):
        body, latest = versions.get_with_latest(tx, actor, key)
        request.no_arguments()
    version = _VERSION.decode(body)
    links: list[tuple[str, str | None]] = [
        ("predecessor-version", _url(version.parent)),
        ("latest-version", latest),
    ]
    return one(body, headers=warnings(version.deprecation, version, links))


class _Address(Struct):
    """Another version; without an address where the reader may not read it."""

    url: str | None = None


class _Deprecation(Struct):
    at: str
    replacement: _Address | None


class _Version(Struct):
    """What a version's headers tell: all that is read of its JSON."""

    state: str
    end_date: str | None
    parent: _Address | None = None
    deprecation: _Deprecation | None = None


_VERSION = Decoder(_Version)


def _url(other: _Address | None) -> str | None:
    return other.url if other else None


def warnings(
    deprecation: _Deprecation | None, version: _Version, links: list[tuple[str, str | None]]
) -> dict[str, str]:
    """The headers Deprecation (RFC 9745), Sunset (RFC 8594, an end to come) and Link (RFC 8288)."""
    headers: dict[str, str] = {}
    if deprecation:
        since = clock.to_datetime(clock.Instant(deprecation.at))
        headers["Deprecation"] = f"@{int(since.replace(microsecond=0).timestamp())}"
        links = [*links, ("successor-version", _url(deprecation.replacement))]
    if version.end_date and version.state != "ended":
        ends = clock.to_datetime(clock.Instant(version.end_date))
        headers["Sunset"] = format_datetime(ends, usegmt=True)
    shown = [f'<{url}>; rel="{relation}"' for relation, url in links if url]
    if shown:
        headers["Link"] = ", ".join(shown)
    return headers


def get_channel(request: Request, key: str, name: str) -> Response:
    """GET one channel, its target computed."""
    with request.read() as (tx, actor):
        body = channels.get_channel(tx, actor, key, name)
        request.no_arguments()
    return one(body)


def put_channel(request: Request, key: str, name: str) -> Response:
    """PUT assigns a version, or none: 201 where the channel is new."""
    with request.change() as (tx, actor):
        image, channel = assign.channel_for_assigning(tx, actor, key, name)
        there = channel is not None and not channel["hidden"]
        request.expect(channels.get_channel(tx, actor, key, name) if there else None)
        body = request.body(wire.NewAssignment)
        request.no_arguments()
        new = assign.assign(tx, actor, image, channel, name, body)
        return one(channels.get_channel(tx, actor, key, name), 201 if new else 200)


def patch_channel(request: Request, key: str, name: str) -> Response:
    """PATCH says who sees a channel and what it requires."""
    with request.change() as (tx, actor):
        row = channels.channel_for_change(tx, actor, key, name)
        current = channels.get_channel(tx, actor, key, name)
        request.expect(current)
        patch = request.patch(wire.ChannelPatch, json.loads(current))
        request.no_arguments()
        assign.edit_channel(tx, actor, row, patch)
        return one(channels.get_channel(tx, actor, key, name))


def delete_channel(request: Request, key: str, name: str) -> Response:
    """DELETE unassigns and hides a channel."""
    with request.change() as (tx, actor):
        row = channels.channel_for_change(tx, actor, key, name)
        request.expect(channels.get_channel(tx, actor, key, name))
        request.no_arguments()
        assign.hide_channel(tx, actor, row)
    return Response(204)


def channel_history(request: Request, key: str, name: str) -> Response:
    """GET a page of a channel's assignments."""
    with request.read() as (tx, actor):
        query = request.query(channels.HISTORY)
        page = channels.list_assignments(tx, actor, key, name, query)
    return one(page.envelope(request.base()))


def resolve(request: Request, image: str, channel: str, provider: str) -> Response:
    """GET the machine that a channel offers on a provider; as text/plain its identifier alone."""
    with request.read() as (tx, actor):
        given = request.options("architecture", "allow_revoked")
        allow = _boolean("allow_revoked", given.get("allow_revoked", "false"))
        found = resolving.resolve(
            tx,
            actor,
            image,
            channel,
            provider,
            architecture=given.get("architecture"),
            allow_revoked=allow,
        )
    deprecation = convert(found["deprecation"], _Deprecation | None)
    headers = warnings(deprecation, convert(found["version"], _Version), [])
    if request.req.get_header("Accept", default="").split(";")[0].strip().lower() == TEXT:
        text = f"{found['machine']['identifier']}\n"
        return Response(200, text, headers, one(text).etag, TEXT)
    return one(written(found), headers=headers)


def resolve_everywhere(request: Request, image: str, channel: str) -> Response:
    """GET what a channel offers, one machine for each provider."""
    with request.read() as (tx, actor):
        request.no_arguments()
        return one(written(resolving.resolve_everywhere(tx, actor, image, channel)))


def _boolean(name: str, given: str) -> bool:
    if given.lower() not in ("true", "false", "1", "0"):
        raise _wrong(name, "takes true or false.")
    return given.lower() in ("true", "1")


def _wrong(name: str, detail: str) -> BadRequest:
    return BadRequest(
        f"{name} {detail}", code="parameter_invalid", errors=(FieldError(name, detail),)
    )


def look_up_one(request: Request) -> Response:
    """GET what one id is."""
    with request.read() as (tx, actor):
        given = request.options("identifier", "provider")
        identifier = given.get("identifier", "")
        if not 0 < len(identifier) <= lookup.MOST_CHARACTERS:
            raise _wrong("identifier", f"takes an id of 1 to {lookup.MOST_CHARACTERS} characters.")
        asked = wire.Running(identifier=identifier, provider=given.get("provider"))
        return one(written(lookup.look_up(tx, actor, [asked])))


def look_up_many(request: Request) -> Response:
    """POST up to a thousand ids; it changes nothing, and needs no credentials."""
    with request.read() as (_, _actor):
        request.no_arguments()
    body = request.body(wire.Lookup)
    with request.read() as (tx, actor):
        return Response(200, written(lookup.look_up(tx, actor, body.identifiers)))


def revoke(request: Request, key: str) -> Response:
    """POST revokes a version: what changes, or with `dry_run` would."""
    return _revoking(request, key, wire.Revocation, revocations.revoke)


def restore(request: Request, key: str) -> Response:
    """POST lifts a version's own revocation."""
    return _revoking(request, key, wire.Restoring, revocations.restore)


def _revoking(
    request: Request,
    key: str,
    shape: type[Struct],
    act: Callable[[Tx, Actor, Row, Any], revocations.Effect],
) -> Response:
    with request.change() as (tx, actor):
        row = versions.VERSIONS.row_for_change(tx, actor, key)
        current = versions.VERSIONS.get(tx, actor, key)
        body: Any = request.body(shape)
        request.no_arguments()
        repeated = request.req.get_header("Idempotency-Key")
        if repeated is None or body.dry_run:
            request.expect(current)
            effect = act(tx, actor, row, body)
            tx.undone = body.dry_run
        else:
            print_ = idempotency.fingerprint(request.req.path, request.raw())
            kept = idempotency.find(tx, actor, idempotency.checked(repeated), print_)
            if kept:
                effect = revocations.Effect(**kept.extra)
            else:
                request.expect(current)
                effect = act(tx, actor, row, body)
                made = Created(row["id"], False, effect._asdict())
                idempotency.keep(tx, actor, repeated, print_, made)
        shown = revocations.shown(tx, actor, effect, dry_run=body.dry_run)
        return Response(200, written(shown))


MOST_FAR = 99_999_999
"""Any distance beyond the longest line of versions means the same."""


def get_lineage(request: Request, key: str) -> Response:
    """GET what a version was built on and what was built on it."""
    with request.read() as (tx, actor):
        given = request.options("direction", "depth")
        direction: Any = given.get("direction", "both")
        if direction not in ("ancestors", "descendants", "both"):
            raise _wrong("direction", "takes ancestors, descendants or both.")
        try:
            depth = whole_number(given["depth"], at_most=MOST_FAR) if "depth" in given else None
        except ValueError as wrong:
            raise _wrong("depth", str(wrong)) from None
        found = lineage.get_lineage(tx, actor, key, direction, depth)
    return one(written(found))


def get_diff(request: Request, key: str) -> Response:
    """GET what changed from another version, the parent if none is named."""
    with request.read() as (tx, actor):
        against = request.options("against").get("against")
        return one(written(diff.get_diff(tx, actor, key, against)))
