"""Promoting: assigning versions to channels, and saying who sees a channel and what it requires.

Assigning needs a version of the image that is current or deprecated, and what the channel requires;
overriding that takes a reason, and the history says so. What is the newest assignment already adds
nothing. Two people promoting at once follow one another: one wins under If-Match, the other is told.
"""

import json
from typing import Any

from sqlalchemy import FromClause, exists, func, select

from goldenrod.base.clock import later
from goldenrod.base.errors import Conflict, NotFound, field_problem
from goldenrod.base.wire import ChannelPatch, NewAssignment, NewRequirements
from goldenrod.catalogue.channels import channels
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, mutations, references
from goldenrod.rules.lifecycle import deprecation, states
from goldenrod.rules.lifecycle.states import LATEST
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, json_list, json_text, param


def channel_for_assigning(tx: Tx, actor: Actor, key: str, name: str) -> tuple[Row, Row | None]:
    """The image, which the actor keeps, and its channel of this name, if there is one.

    Raises Unauthorized, NotFound, Forbidden.
    """
    image = resources.take(tx, actor, schema.images, key)
    if not channels.NAME.fullmatch(name):
        raise NotFound("A channel is named with a-z, 0-9, dots, dashes and underscores.")
    return image, tx.first(_hidden_too, image=image["id"], named=name)


def _hidden_too() -> Any:
    channel = schema.channels
    return select(*channel.c).where(
        channel.c.image_id == param("image", Key), channel.c.name == param("named")
    )


def _newest() -> Any:
    entry = schema.assignments
    return (
        select(entry.c.version_n)
        .where(entry.c.channel_id == param("channel", Key))
        .order_by(entry.c.sequence.desc())
        .limit(1)
    )


def _state(version_n: str = "n") -> Any:
    version = schema.versions.alias()
    return select(states.state(version)).where(version.c.n == param(version_n, Key))


def assign(
    tx: Tx, actor: Actor, image: Row, channel: Row | None, name: str, body: NewAssignment
) -> bool:
    """Assign a version to a channel, or none; whether the channel is new.

    Raises BadRequest, Conflict (`channel_computed`, `version_not_offered`,
    `channel_requirement_unmet`).
    """
    reason = body.reason and deprecation.reason("reason", body.reason)
    if body.override and not reason:
        raise field_problem("reason", "is required where a requirement is overridden")
    version = None
    if body.version is not None:
        version = references.read(tx, actor, schema.versions, body.version, "version")
        if version["image_id"] != image["id"]:
            raise field_problem("version", "is not of this image", code="version_of_other_image")
    _require_assignable(name)
    new = channel is None or channel["hidden"]
    if version:
        state = tx.value(_state, n=version["n"], now=tx.now)
        if state not in ("current", "deprecated"):
            raise Conflict(
                f"A channel offers versions that are current or deprecated; this one is {state}.",
                code="version_not_offered",
                extra={"state": state},
            )
        if channel and not body.override:
            _require_met(tx, actor, channel, version)
    _write(tx, actor, image, channel, name, version, reason, override=body.override)
    return new


def _require_assignable(name: str) -> None:
    if name == LATEST:
        raise Conflict(
            "latest is computed: the newest current version that you may launch.",
            code="channel_computed",
        )


def _write(
    tx: Tx,
    actor: Actor,
    image: Row,
    channel: Row | None,
    name: str,
    version: Row | None,
    reason: str | None,
    *,
    override: bool,
) -> None:
    n = version["n"] if version else None
    new = channel is None or channel["hidden"]
    if channel is None:
        channel_id, before = channels.insert_channel(tx, image["id"], name), None
    else:
        channel_id, before = channel["id"], tx.value(_newest, channel=channel["id"])
        if channel["hidden"]:
            tx.update(schema.channels, {"id": channel_id}, hidden=False)
    if before == n and not new:
        return
    changed = {name: {"before": before, "after": n}}
    audit.record(tx, actor, "channel:assign", schema.channels, channel_id, changed)
    if before == n:
        return
    tx.insert(
        schema.assignments,
        channel_id=channel_id,
        version_n=n,
        at=tx.now,
        by_id=actor.user_id or None,
        reason=reason,
        override=override,
    )
    events.assigned(tx, image["id"], channel_id, before, n)


def _covered(reader: ReaderKind) -> Any:
    """The providers a channel requires on which the version has no current machine, as JSON."""
    link, provider = schema.channel_providers.alias(), schema.providers.alias()
    machine = schema.machines.alias()
    there = exists().where(
        machine.c.version_n == param("n", Key),
        machine.c.provider_id == provider.c.id,
        access.current(machine),
    )
    query = (
        select(summaries.seen_or_id(summaries.provider_shape, provider, reader))
        .select_from(link.join(provider, provider.c.id == link.c.provider_id))
        .where(link.c.channel_id == param("channel", Key), ~there)
        .order_by(provider.c.id)
    )
    return select(json_text(json_list(query)))


def _first_in() -> Any:
    entry, channel = schema.assignments.alias(), schema.channels.alias()
    return (
        select(func.min(entry.c.at, type_=entry.c.at.type))
        .select_from(entry.join(channel, channel.c.id == entry.c.channel_id))
        .where(
            channel.c.image_id == param("image", Key),
            channel.c.name == param("named"),
            entry.c.version_n == param("n", Key),
        )
    )


def _require_met(tx: Tx, actor: Actor, channel: Row, version: Row) -> None:
    """Raise Conflict, listing what is missing, unless the channel's requirements are met."""
    missing: dict[str, Any] = {}
    given = resources.params(tx, actor)
    lacking = tx.value(_covered, actor.reader, channel=channel["id"], n=version["n"], **given)
    if providers := json.loads(lacking):
        missing["providers"] = providers
    if channel["requires_channel"] is not None:
        first = tx.value(
            _first_in, image=channel["image_id"], named=channel["requires_channel"], n=version["n"]
        )
        ready = first and later(first, days=channel["requires_days"] or 0)
        if ready is None or ready > tx.now:
            missing["not_before"] = ready
    if missing:
        raise Conflict(
            "This channel requires more of a version before it is assigned: see missing. A reason "
            "with override passes.",
            code="channel_requirement_unmet",
            extra={"missing": missing},
        )


def edit_channel(tx: Tx, actor: Actor, row: Row, patch: ChannelPatch) -> None:
    """Say who sees a channel and what assigning to it requires. Raises BadRequest, Conflict."""
    given = mutations.given(patch)
    after: Row = {}
    if "restricted" in given:
        after["restricted"] = given["restricted"]
    held = _held(tx, row)
    wanted = dict(held)
    if "groups" in given:
        wanted["groups"] = references.all_of(
            given["groups"],
            lambda ref, place: references.group_id(
                tx, actor, ref, f"groups[{place}]", held["groups"]
            ),
        )
    if "requires" in given:
        asked: NewRequirements = given["requires"] or NewRequirements()
        after["requires_channel"], after["requires_days"] = _other_channel(tx, actor, row, asked)
        wanted["providers"] = references.all_of(
            asked.providers, lambda ref, place: _provider(tx, actor, ref, place, held["providers"])
        )
    _require_assignable(row["name"])
    changed = audit.between(row, after) | audit.between(held, wanted)
    if not changed:
        return
    if after:
        tx.update(schema.channels, {"id": row["id"]}, **after)
    _set(tx, schema.channel_groups, row["id"], "group_id", wanted["groups"])
    _set(tx, schema.channel_providers, row["id"], "provider_id", wanted["providers"])
    audit.record(tx, actor, "channel:edit", schema.channels, row["id"], changed)


def _provider(tx: Tx, actor: Actor, ref: Any, place: int, known: list[int]) -> int:
    value = references.plain(ref)
    if value in known:
        return int(value)
    field = f"requires.providers[{place}]"
    return int(references.read(tx, actor, schema.providers, ref, field)["id"])


def _other_channel(
    tx: Tx, actor: Actor, row: Row, asked: NewRequirements
) -> tuple[str | None, int | None]:
    """The other channel and the days that are asked for. Raises BadRequest."""
    if asked.channel is None and _keeps_unnamed(tx, actor, row, asked):
        return row["requires_channel"], asked.days
    if not isinstance(asked.channel, str):
        if asked.days is not None:
            raise field_problem("requires.days", "goes with requires.channel")
        return None, None
    if asked.channel in (row["name"], LATEST):
        raise field_problem("requires.channel", "must be another channel, and not latest")
    if asked.channel != row["requires_channel"]:
        other = tx.first(_hidden_too, image=row["image_id"], named=asked.channel)
        if other is None or other["hidden"]:
            raise field_problem(
                "requires.channel", "is not a channel of this image", code="reference_unknown"
            )
    return asked.channel, asked.days


def _keeps_unnamed(tx: Tx, actor: Actor, row: Row, asked: NewRequirements) -> bool:
    """The actor sends back the null that is shown for a required channel that they may not see, and
    does not take its days away: it stays required."""
    named = row["requires_channel"]
    if named is None or channels.find_channel(tx, actor, row["image_id"], named) is not None:
        return False
    return asked.days is not None or row["requires_days"] is None


def _ids(table: FromClause, column: str) -> Any:
    return select(table.c[column]).where(table.c.channel_id == param("channel", Key))


def _held(tx: Tx, row: Row) -> dict[str, list[int]]:
    def ids(table: Any, column: str) -> list[int]:
        return sorted(r[column] for r in tx.rows(_ids, table, column, channel=row["id"]))

    return {
        "groups": ids(schema.channel_groups, "group_id"),
        "providers": ids(schema.channel_providers, "provider_id"),
    }


def _set(tx: Tx, table: Any, channel_id: int, column: str, ids: list[int]) -> None:
    tx.delete(table, channel_id=channel_id)
    for thing in ids:
        tx.insert(table, channel_id=channel_id, **{column: thing})


def hide_channel(tx: Tx, actor: Actor, row: Row) -> None:
    """Delete a channel: unassigned, and hidden until it is assigned again."""
    _require_assignable(row["name"])
    before = tx.value(_newest, channel=row["id"])
    tx.insert(
        schema.assignments,
        channel_id=row["id"],
        version_n=None,
        at=tx.now,
        by_id=actor.user_id or None,
        reason=None,
        override=False,
    )
    tx.update(schema.channels, {"id": row["id"]}, hidden=True)
    changed = {row["name"]: {"before": before, "after": None}}
    audit.record(tx, actor, "channel:hide", schema.channels, row["id"], changed)
    events.assigned(tx, row["image_id"], row["id"], before, None)
