"""Revoking and restoring: taking a bad version, and everything built on it, out of use.

A revocation is a record of its own, in force from `at` until it is restored. With `descendants` it
also covers everything built on its version. Revoking and restoring return which version states and
channel targets change when they take effect, limited to what the reader may read. A dry run returns
the same and changes nothing.
"""

import json
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, exists, select

from goldenrod.base import decode, wire
from goldenrod.base.clock import Instant, later
from goldenrod.base.errors import Conflict, field_problem
from goldenrod.base.faults import Faults
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, mutations
from goldenrod.rules.lifecycle import channel_targets, deprecation, revocation_reach
from goldenrod.rules.lifecycle import states as lifecycle
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Id, Key, in_list, json_text, param

MOST_LISTED = 500
LATE_MINUTES = 5
"""An instant at most this long ago counts as now."""


class Effect(NamedTuple):
    """What changes: versions as [id, before, after], channels as [image id, name, before, after].
    Lists the first 500 of each, and counts all."""

    at: Instant
    versions: list[list[str]]
    versions_count: int
    channels: list[list[Any]]
    channels_count: int


def _own_revocations() -> Any:
    revocation = schema.revocations
    return select(*revocation.c).where(
        in_list(revocation.c.version_n, "versions"), revocation.c.restored_at.is_(None)
    )


def own_revocations(tx: Tx, versions: list[int]) -> dict[int, Row]:
    """The unrestored revocations of these versions' own, by the key of the version."""
    return {row["version_n"]: row for row in tx.rows(_own_revocations, versions=versions)}


def revoke(tx: Tx, actor: Actor, row: Row, body: wire.Revocation) -> Effect:
    """Revoke a version. Raises BadRequest, Conflict
    (`version_already_revoked`)."""
    at, reason = checked(tx, body)
    before = own_revocations(tx, [row["n"]]).get(row["n"])
    if before and before["at"] <= tx.now:
        raise Conflict(
            "This version is already revoked. Restore it first.", code="version_already_revoked"
        )
    subtree = [r["n"] for r in tx.rows(revocation_reach.subtree, n=row["n"])]
    if not (body.descendants or (before and before["descendants"])):
        subtree = [row["n"]]
    was = snapshot(tx, actor, subtree, at)
    record(tx, actor, row["n"], before, at, reason, body)
    return _effect(tx, actor, at, was, snapshot(tx, actor, subtree, at))


def checked(tx: Tx, body: wire.Revocation) -> tuple[Instant, str]:
    """When a revocation takes effect, and its reason. Raises BadRequest."""
    faults = Faults()
    reason = faults.of(deprecation.reason, "reason", body.reason)
    at = faults.of(_instant, tx, body.at)
    faults.report()
    return at, reason


def record(
    tx: Tx,
    actor: Actor,
    n: int,
    before: Row | None,
    at: Instant,
    reason: str,
    body: wire.Revocation,
) -> None:
    """Record a checked revocation of a version, instead of its own one `before` that is still to
    come."""
    if before:
        _lift(tx, actor, before)
    values = {
        "version_n": n,
        "at": at,
        "reason": reason,
        "descendants": body.descendants,
        "roll_back_channels": body.roll_back_channels,
    }
    revocation_id = tx.insert(
        schema.revocations,
        uuid=mutations.new_uuid(),
        by_id=actor.user_id or None,
        created_at=tx.now,
        restored_at=None,
        restored_by_id=None,
        **values,
    )
    revocation_reach.add(tx, n, revocation_id)
    made = audit.created({name: value for name, value in values.items() if name != "version_n"})
    audit.record(tx, actor, "version:revoke", schema.versions, n, made)
    if at <= tx.now:
        events.version_revoked(tx, revocation_id, at)


def _instant(tx: Tx, given: str | None) -> Instant:
    """When a revocation takes effect: not before now."""
    at = tx.now if given is None else decode.instant("at", given)
    if at < later(tx.now, minutes=-LATE_MINUTES):
        raise field_problem("at", "must not be more than five minutes ago")
    return max(at, tx.now)


def _lift(tx: Tx, actor: Actor, revocation: Row) -> None:
    tx.update(
        schema.revocations,
        {"id": revocation["id"]},
        restored_at=tx.now,
        restored_by_id=actor.user_id or None,
    )
    revocation_reach.remove(tx, revocation["id"])


def restore(tx: Tx, actor: Actor, row: Row, body: wire.Restoring) -> Effect:
    """Lift a version's own revocation; inherited ones remain.

    Raises Conflict (`version_not_revoked`).
    """
    own = own_revocations(tx, [row["n"]]).get(row["n"])
    if own is None:
        raise _not_revoked(tx, actor, row)
    at = Instant(max(own["at"], tx.now))
    subtree = [r["n"] for r in tx.rows(revocation_reach.subtree, n=row["n"])]
    if not own["descendants"]:
        subtree = [row["n"]]
    was = snapshot(tx, actor, subtree, at)
    events.version_restored(tx, own)
    _lift(tx, actor, own)
    audited = {"revoked": {"before": own["reason"], "after": None}}
    audit.record(tx, actor, "version:restore", schema.versions, row["n"], audited)
    return _effect(tx, actor, at, was, snapshot(tx, actor, subtree, at))


def _not_revoked(tx: Tx, actor: Actor, row: Row) -> Conflict:
    shown = tx.value(_origin_of, actor.reader, n=row["n"], **resources.params(tx, actor))
    origin = shown and json.loads(shown)["inherited_from"]
    if origin and "name" in origin:
        return Conflict(
            f"This version is revoked through {origin['name']}, which it is built on. Restore "
            f"{origin['name']} instead.",
            code="version_not_revoked",
            extra={"inherited_from": origin},
        )
    return Conflict("This version has no revocation of its own.", code="version_not_revoked")


def _origin_of(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return select(json_text(summaries.revoked(version, reader))).where(
        version.c.n == param("n", Key), access.readable(version, reader)
    )


class Snapshot(NamedTuple):
    """States of versions by id, and targets (version ids) of channels by image id and name."""

    states: dict[str, str]
    targets: dict[tuple[int, str], str | None]


def _states(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return select(version.c.id, lifecycle.state(version).label("state")).where(
        in_list(version.c.n, "versions"), access.readable(version, reader)
    )


def _targets(reader: ReaderKind) -> Any:
    channel, version, changed = (
        schema.channels.alias(),
        schema.versions.alias(),
        schema.versions.alias(),
    )
    target: ColumnElement[int] = channel_targets.target(channel, reader)
    shown = (
        select(version.c.id)
        .where(version.c.n == target, access.readable(version, reader))
        .scalar_subquery()
    )
    return select(channel.c.image_id, channel.c.name, shown.label("target")).where(
        access.readable(channel, reader),
        exists().where(changed.c.image_id == channel.c.image_id, in_list(changed.c.n, "versions")),
    )


def snapshot(tx: Tx, actor: Actor, versions: list[int], at: str) -> Snapshot:
    """The states and targets at an instant, as the reader would see them then."""
    given = {**resources.params(tx, actor), "now": at, "versions": versions}
    states = {row["id"]: row["state"] for row in tx.rows(_states, actor.reader, **given)}
    targets = {
        (row["image_id"], row["name"]): row["target"]
        for row in tx.rows(_targets, actor.reader, **given)
    }
    return Snapshot(states, targets)


def _readable_now(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return select(version.c.id).where(
        in_list(version.c.id, "ids", Id()), access.readable(version, reader)
    )


def _effect(tx: Tx, actor: Actor, at: Instant, was: Snapshot, now: Snapshot) -> Effect:
    versions, channels = differences(tx, actor, was, now)
    return Effect(at, versions[:MOST_LISTED], len(versions), channels[:MOST_LISTED], len(channels))


def differences(
    tx: Tx, actor: Actor, was: Snapshot, now: Snapshot
) -> tuple[list[list[str]], list[list[Any]]]:
    """The versions and channels that differ between two snapshots, as `Effect` lists them, limited to
    versions that the reader may read now."""
    ids = {*was.states, *now.states, *was.targets.values(), *now.targets.values()} - {None}
    given = {**resources.params(tx, actor), "ids": sorted(str(key) for key in ids)}
    readable_ids = {row["id"] for row in tx.rows(_readable_now, actor.reader, **given)}
    versions = [
        [key, was.states[key], state]
        for key, state in sorted(now.states.items())
        if key in readable_ids and was.states.get(key, state) != state
    ]
    channels = []
    for place in sorted(was.targets.keys() | now.targets.keys()):
        before, after = (_if_readable(side.targets.get(place), readable_ids) for side in (was, now))
        if before != after:
            channels.append([*place, before, after])
    return versions, channels


def _if_readable(key: str | None, readable_ids: set[str]) -> str | None:
    return key if key in readable_ids else None


def _versions_by_id(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return select(
        version.c.id, json_text(summaries.version_shape(version, reader)).label("json")
    ).where(in_list(version.c.id, "ids", Id()), access.readable(version, reader))


def versions_by_id(tx: Tx, actor: Actor, ids: list[str]) -> dict[str, dict[str, Any]]:
    """The summaries of those of these versions that the actor may read, by id."""
    given = resources.params(tx, actor)
    rows = tx.rows(_versions_by_id, actor.reader, ids=ids, **given)
    return {row["id"]: json.loads(row["json"]) for row in rows}


def _images_by_id(reader: ReaderKind) -> Any:
    image = schema.images.alias()
    return select(image.c.id, json_text(summaries.image_shape(image, reader)).label("json")).where(
        in_list(image.c.id, "ids"), access.readable(image, reader)
    )


def describe(tx: Tx, actor: Actor, effect: Effect, *, dry_run: bool) -> dict[str, Any]:
    """An effect as the API returns it, with versions and images as the reader sees them now."""
    ids = {key for key, _, _ in effect.versions}
    ids |= {key for channel in effect.channels for key in channel[2:] if key}
    given = resources.params(tx, actor)
    versions = versions_by_id(tx, actor, sorted(ids))
    images = {
        row["id"]: json.loads(row["json"])
        for row in tx.rows(
            _images_by_id,
            actor.reader,
            ids=sorted({channel[0] for channel in effect.channels}),
            **given,
        )
    }
    return {
        "dry_run": dry_run,
        "at": effect.at,
        "versions_count": effect.versions_count,
        "versions": [
            {"version": versions[key], "before": before, "after": after}
            for key, before, after in effect.versions
            if key in versions
        ],
        "channels_count": effect.channels_count,
        "channels": [
            {
                "image": images.get(image, {"id": image}),
                "channel": name,
                "before": before and versions.get(before),
                "after": after and versions.get(after),
            }
            for image, name, before, after in effect.channels
        ],
    }
