"""Handlers of versions that no other resource has: one version with its headers, revoking, lineage,
and the comparison with another version."""

from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

from msgspec import Struct
from msgspec.json import Decoder

from goldenrod.base import clock, wire
from goldenrod.base.faults import Faults
from goldenrod.base.numbers import whole_number
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import diff, revocations, versions
from goldenrod.catalogue.versions.bulk import bulk
from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.rules.access import Actor
from goldenrod.rules.changes import idempotency
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.lifecycle import states
from goldenrod.store.db import Row, Tx
from goldenrod.web.api.handlers import one, parameter_problem
from goldenrod.web.request import Request, Response, written


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


class VersionAddress(Struct):
    """Another version; without an address where the reader may not read it."""

    url: str | None = None
    state: str | None = None


class Deprecation(Struct):
    at: str
    replacement: VersionAddress | None


class VersionFacts(Struct):
    """What a version's headers tell: all that is read of its JSON."""

    state: str
    end_date: str | None
    parent: VersionAddress | None = None
    deprecation: Deprecation | None = None


_VERSION = Decoder(VersionFacts)


def _url(other: VersionAddress | None) -> str | None:
    return other.url if other else None


def _usable(replacement: VersionAddress | None) -> VersionAddress | None:
    """The replacement, unless it was revoked or has ended itself."""
    return replacement if replacement and replacement.state in states.OFFERABLE else None


def warnings(
    deprecation: Deprecation | None, version: VersionFacts, links: list[tuple[str, str | None]]
) -> dict[str, str]:
    """The headers Deprecation (RFC 9745), Sunset (RFC 8594, an end to come) and Link (RFC 8288)."""
    headers: dict[str, str] = {}
    if deprecation:
        since = clock.to_datetime(clock.Instant(deprecation.at))
        headers["Deprecation"] = f"@{int(since.replace(microsecond=0).timestamp())}"
        links = [*links, ("successor-version", _url(_usable(deprecation.replacement)))]
    if version.end_date and version.state != "ended":
        ends = clock.to_datetime(clock.Instant(version.end_date))
        headers["Sunset"] = format_datetime(ends, usegmt=True)
    shown = [f'<{url}>; rel="{relation}"' for relation, url in links if url]
    if shown:
        headers["Link"] = ", ".join(shown)
    return headers


def revoke(request: Request, key: str) -> Response:
    """POST revokes a version: what changes, or with `dry_run` would."""
    return _revoking(request, key, wire.Revocation, revocations.revoke)


def restore(request: Request, key: str) -> Response:
    """POST lifts a version's own revocation."""
    return _revoking(request, key, wire.Restoring, revocations.restore)


def change_in_bulk(request: Request, key: str) -> Response:
    """POST deprecates, revokes or shares several versions of an image, or with `dry_run` would."""
    with request.change() as (tx, actor):
        row = images.IMAGES.row(tx, actor, key)
        actor.require_write()
        request.expect(images.IMAGES.get(tx, actor, key))
        outcome, dry_run = _tried(request, tx, actor, row, wire.Bulk, bulk.change, bulk.Outcome)
        return Response(200, written(bulk.describe(tx, actor, outcome, dry_run=dry_run)))


def _revoking(
    request: Request,
    key: str,
    shape: type[Struct],
    act: Callable[[Tx, Actor, Row, Any], revocations.Effect],
) -> Response:
    with request.change() as (tx, actor):
        row = versions.VERSIONS.row_for_change(tx, actor, key)
        request.expect(versions.VERSIONS.get(tx, actor, key))
        effect, dry_run = _tried(request, tx, actor, row, shape, act, revocations.Effect)
        shown = revocations.describe(tx, actor, effect, dry_run=dry_run)
        return Response(200, written(shown))


def _tried(
    request: Request,
    tx: Tx,
    actor: Actor,
    row: Row,
    shape: type[Struct],
    act: Callable[[Tx, Actor, Row, Any], Any],
    result: Callable[..., Any],
) -> tuple[Any, bool]:
    """What `act` does, a `result`, and whether that was a dry run. A request that is repeated with its
    Idempotency-Key gets the first result."""
    faults = Faults()
    body: Any = request.body(shape, faults)
    request.no_arguments()
    repeated = request.req.get_header("Idempotency-Key")
    if repeated is None or body.dry_run:
        tx.dry_run = body.dry_run
        return faults.then(act, tx, actor, row, body), body.dry_run
    print_ = idempotency.fingerprint(request.req.path, request.raw())
    kept = idempotency.find_stored(tx, actor, idempotency.checked(repeated), print_)
    if kept:
        return result(**kept.extra), False
    found = faults.then(act, tx, actor, row, body)
    made = Created(str(row["id"]), False, found._asdict())
    idempotency.store(tx, actor, repeated, print_, made)
    return found, False


MOST_FAR = 99_999_999
"""Any distance beyond the longest line of versions means the same."""


def get_lineage(request: Request, key: str) -> Response:
    """GET what a version was built on and what was built on it."""
    with request.read() as (tx, actor):
        given = request.options("direction", "depth")
        direction: Any = given.get("direction", "both")
        if direction not in ("ancestors", "descendants", "both"):
            raise parameter_problem("direction", "takes ancestors, descendants or both.")
        try:
            depth = whole_number(given["depth"], at_most=MOST_FAR) if "depth" in given else None
        except ValueError as wrong:
            raise parameter_problem("depth", str(wrong)) from None
        found = lineage.get_lineage(tx, actor, key, direction, depth)
    return one(written(found))


def get_diff(request: Request, key: str) -> Response:
    """GET what changed from another version, the parent if none is named."""
    with request.read() as (tx, actor):
        against = request.options("against").get("against")
        if against is not None and not versions.VERSIONS.takes(against):
            versions.VERSIONS.row(tx, actor, key)
            raise parameter_problem("against", "takes a uuid.")
        return one(written(diff.get_diff(tx, actor, key, against)))
