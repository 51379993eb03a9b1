"""Changes of channels: assigning versions, configuring access and requirements, removing.

Only a current or deprecated version of the image that meets the channel's requirements may be
assigned. Overriding the requirements takes a reason, and the history records both. Assigning what is
assigned already adds no entry. Of two concurrent assignments with If-Match, the second gets a 412.
"""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import FromClause, exists, func, select

from goldenrod.base.clock import later
from goldenrod.base.errors import Conflict, NotFound, PreconditionFailed, field_problem
from goldenrod.base.faults import Faults
from goldenrod.base.wire import ChannelPatch, NewAssignment, NewRequirements
from goldenrod.catalogue.channels import channels
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, mutations, references
from goldenrod.rules.lifecycle import deprecation, states
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, json_list, json_text, param

_NAME_RULE = "Names of channels consist of a-z, 0-9, dots, hyphens and underscores."


def channel_for_assigning(tx: Tx, actor: Actor, key: str, name: str) -> tuple[Row, Row | None]:
    """The row of an image that the actor may change, and of its channel of this name or None.

    Raises Unauthorized, NotFound, Forbidden.
    """
    image = resources.get_row_for_change(tx, actor, schema.images, key)
    if not channels.NAME.fullmatch(name):
        raise NotFound(_NAME_RULE)
    return image, tx.first(_channel_named, image=image["id"], named=name)


def checked_name(field: str, name: str) -> str:
    """The name of a channel that a body gives. Raises BadRequest."""
    if not channels.NAME.fullmatch(name):
        raise field_problem(field, f"is not the name of a channel. {_NAME_RULE}")
    return name


def assign_new_version(
    tx: Tx, actor: Actor, image: Row, version: Row, names: Iterable[str]
) -> None:
    """Assign a version that the actor just published to channels of its image, in this order.

    Raises Conflict (`channel_computed`, `version_not_offered`, `channel_requirement_unmet`).
    """
    distinct = list(dict.fromkeys(names))
    for name in distinct:
        _require_assignable(name)
    if distinct:
        _require_offerable(tx, version)
    given = {"reason": None, "override": False, "voids": None}
    for name in distinct:
        channel = tx.first(_channel_named, image=image["id"], named=name)
        if channel:
            _require_met(
                tx, actor, channel, version, f"publish it without the channel {name} first"
            )
        _record_assignment(tx, actor, image, channel, name, version, given)


def _channel_named() -> Any:
    """A channel by its name, hidden ones included."""
    channel = schema.channels
    return select(*channel.c).where(
        channel.c.image_id == param("image", Key), channel.c.name == param("named")
    )


def _newest_assignments() -> Any:
    """The two newest assignments of a channel, the newest first."""
    entry = schema.assignments
    return (
        select(entry.c.sequence, entry.c.version_n)
        .where(entry.c.channel_id == param("channel", Key))
        .order_by(entry.c.sequence.desc())
        .limit(2)
    )


def newest_sequence(tx: Tx, channel_id: int) -> int | None:
    """The sequence of a channel's newest assignment, by which it is undone; None for none."""
    entries = tx.rows(_newest_assignments, channel=channel_id)
    return entries[0]["sequence"] if entries else None


def _assigned(tx: Tx, channel_id: int) -> int | None:
    """The version of a channel's newest assignment."""
    entries = tx.rows(_newest_assignments, channel=channel_id)
    return entries[0]["version_n"] if entries else None


def _state(version_n: str = "n") -> Any:
    version = schema.versions.alias()
    return select(states.state(version)).where(version.c.n == param(version_n, Key))


def assign(
    tx: Tx, actor: Actor, image: Row, channel: Row | None, name: str, body: NewAssignment
) -> bool:
    """Assign a version, or none, to a channel. Returns whether the channel is new.

    Raises BadRequest, Conflict (`channel_computed`, `version_not_offered`,
    `channel_requirement_unmet`).
    """
    faults = Faults()
    reason = body.reason and faults.of(deprecation.reason, "reason", body.reason)
    if body.override and not reason:
        faults.add(field_problem("reason", "is required with override"))
    version = None
    if body.version is not None:
        version = faults.of(_version_of, tx, actor, image, body.version)
    faults.report()
    _require_assignable(name)
    new = channel is None or channel["hidden"]
    if body.voids is not None:
        _require_undoes(tx, channel, body.voids, version)
    elif version:
        _require_offerable(tx, version)
        if channel and not body.override:
            _require_met(tx, actor, channel, version)
    given = {"reason": reason, "override": body.override, "voids": body.voids}
    with tx.within_image(image["id"]):
        _record_assignment(tx, actor, image, channel, name, version, given)
    return new


def _require_offerable(tx: Tx, version: Row) -> None:
    state = tx.value(_state, n=version["n"], now=tx.now)
    if state not in states.OFFERABLE:
        raise Conflict(
            f"Only current or deprecated versions can be assigned. This version is {state}.",
            code="version_not_offered",
            extra={"state": state},
        )


def _version_of(tx: Tx, actor: Actor, image: Row, ref: references.Given) -> Row:
    version = references.read(tx, actor, schema.versions, ref, "version")
    if version["image_id"] != image["id"]:
        raise field_problem(
            "version", "must be a version of this image", code="version_of_other_image"
        )
    return version


def _require_undoes(tx: Tx, channel: Row | None, voids: int, version: Row | None) -> None:
    """Raise PreconditionFailed unless `voids` is the channel's newest assignment, and BadRequest unless
    the version is the one before it. What a channel had is given back whatever its state is now."""
    entries = tx.rows(_newest_assignments, channel=channel["id"]) if channel else []
    if not entries or entries[0]["sequence"] != voids:
        raise PreconditionFailed(
            "The channel was assigned again, so there is another assignment to undo now."
        )
    before = entries[1]["version_n"] if len(entries) > 1 else None
    if before != (version["n"] if version else None):
        raise field_problem("version", "must be what the channel was assigned before that")


def _require_assignable(name: str) -> None:
    if name == LATEST:
        raise Conflict(
            "The channel latest is computed and cannot be changed: it is the newest current version "
            "that you may launch.",
            code="channel_computed",
        )


def _record_assignment(
    tx: Tx,
    actor: Actor,
    image: Row,
    channel: Row | None,
    name: str,
    version: Row | None,
    given: Row,
) -> None:
    n = version["n"] if version else None
    new = channel is None or channel["hidden"]
    if channel is None:
        channel_id, before = channels.insert_channel(tx, image["id"], name), None
    else:
        channel_id, before = channel["id"], _assigned(tx, channel["id"])
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
        **given,
    )
    events.channel_assigned(tx, image["id"], channel_id, before, n)


def _requirements(reader: ReaderKind, one: bool) -> Any:
    """What a version lacks for the channels of an image, or for one: the required providers on which it
    has no current machine, as JSON, and when it was first assigned to the required channel."""
    channel = schema.channels.alias()
    link, provider = schema.channel_providers.alias(), schema.providers.alias()
    machine = schema.machines.alias()
    on_provider = exists().where(
        machine.c.version_n == param("n", Key),
        machine.c.provider_id == provider.c.id,
        access.current(machine),
    )
    lacking = (
        select(summaries.readable_or_id(summaries.provider_shape, provider, reader))
        .select_from(link.join(provider, provider.c.id == link.c.provider_id))
        .where(link.c.channel_id == channel.c.id, ~on_provider)
        .order_by(provider.c.id)
    )
    entry, other = schema.assignments.alias(), schema.channels.alias()
    first_assigned = (
        select(func.min(entry.c.at, type_=entry.c.at.type))
        .select_from(entry.join(other, other.c.id == entry.c.channel_id))
        .where(
            other.c.image_id == channel.c.image_id,
            other.c.name == channel.c.requires_channel,
            entry.c.version_n == param("n", Key),
        )
    )
    query = select(
        channel.c.name,
        channel.c.requires_channel,
        channel.c.requires_days,
        json_text(json_list(lacking, channel)).label("providers"),
        first_assigned.correlate(channel).scalar_subquery().label("first_assigned"),
    ).where(channel.c.image_id == param("image", Key))
    return query.where(channel.c.name == param("named")) if one else query


def find_unmet(
    tx: Tx, actor: Actor, image_id: int, version_n: int, name: str | None = None
) -> dict[str, dict[str, Any]]:
    """What a version is missing for each channel of the image, or for the one named, whose requirements
    it does not meet. The actor must be an editor of the image. One statement."""
    given = resources.params(tx, actor) | {"image": image_id, "n": version_n}
    if name is not None:
        given["named"] = name
    found: dict[str, dict[str, Any]] = {}
    for row in tx.rows(_requirements, actor.reader, name is not None, **given):
        missing: dict[str, Any] = {}
        if providers := json.loads(row["providers"]):
            missing["providers"] = providers
        if row["requires_channel"] is not None:
            first_assigned = row["first_assigned"]
            not_before = first_assigned and later(first_assigned, days=row["requires_days"] or 0)
            if not_before is None or not_before > tx.now:
                missing["not_before"] = not_before
        if missing:
            found[row["name"]] = missing
    return found


def _require_met(tx: Tx, actor: Actor, channel: Row, version: Row, first: str = "") -> None:
    """Raise Conflict with what is missing unless the version meets the channel's requirements. `first`
    is what must be done before the version can be assigned."""
    name = channel["name"]
    missing = find_unmet(tx, actor, channel["image_id"], version["n"], name).get(name)
    if missing:
        raise Conflict(
            f"The version does not meet the requirements of the channel {name}: see missing. To assign "
            f"it anyway, {first and f'{first}, then '}send override with a reason.",
            code="channel_requirement_unmet",
            extra={"channel": name, "missing": missing},
        )


def edit_channel(tx: Tx, actor: Actor, row: Row, patch: ChannelPatch) -> None:
    """Change who sees a channel and what it requires. Raises BadRequest, Conflict."""
    given = mutations.given(patch)
    after: Row = {}
    if "restricted" in given:
        after["restricted"] = given["restricted"]
    attached = _attached(tx, row)
    wanted = dict(attached)
    faults = Faults()
    if "groups" in given:
        wanted["groups"] = faults.of(
            references.all_of,
            given["groups"],
            lambda ref, position: references.group_id(
                tx, actor, ref, f"groups[{position}]", attached["groups"]
            ),
        )
    if "requires" in given:
        requirements: NewRequirements = given["requires"] or NewRequirements()
        with faults.noted():
            after["requires_channel"], after["requires_days"] = _required_channel(
                tx, actor, row, requirements
            )
        wanted["providers"] = faults.of(
            references.all_of,
            requirements.providers,
            lambda ref, position: _provider(tx, actor, ref, position, attached["providers"]),
        )
    faults.report()
    _require_assignable(row["name"])
    changed = audit.changed(row, after) | audit.changed(attached, wanted)
    if not changed:
        return
    if after:
        tx.update(schema.channels, {"id": row["id"]}, **after)
    _replace_links(tx, schema.channel_groups, row["id"], "group_id", wanted["groups"])
    _replace_links(tx, schema.channel_providers, row["id"], "provider_id", wanted["providers"])
    audit.record(tx, actor, "channel:edit", schema.channels, row["id"], changed)


def _provider(tx: Tx, actor: Actor, ref: Any, position: int, known: list[int]) -> int:
    value = references.plain(ref)
    if value in known:
        return int(value)
    field = f"requires.providers[{position}]"
    return int(references.read(tx, actor, schema.providers, ref, field)["id"])


def _required_channel(
    tx: Tx, actor: Actor, row: Row, requirements: NewRequirements
) -> tuple[str | None, int | None]:
    """The required channel and number of days. Raises BadRequest."""
    if requirements.channel is None and _keeps_hidden_channel(tx, actor, row, requirements):
        return row["requires_channel"], requirements.days
    if not isinstance(requirements.channel, str):
        if requirements.days is not None:
            raise field_problem("requires.days", "needs requires.channel as well")
        return None, None
    if requirements.channel in (row["name"], LATEST):
        raise field_problem("requires.channel", "must be another channel than this one and latest")
    if requirements.channel != row["requires_channel"]:
        other = tx.first(_channel_named, image=row["image_id"], named=requirements.channel)
        if other is None or other["hidden"]:
            raise field_problem(
                "requires.channel", "is not a channel of this image", code="reference_unknown"
            )
    return requirements.channel, requirements.days


def _keeps_hidden_channel(tx: Tx, actor: Actor, row: Row, requirements: NewRequirements) -> bool:
    """Whether the required channel stays although the body gives null for it.

    To an actor who may not see that channel, its name is shown as null. Sending that back must not
    remove the requirement, unless the days are removed too.
    """
    named = row["requires_channel"]
    if named is None or channels.find_channel(tx, actor, row["image_id"], named) is not None:
        return False
    return requirements.days is not None or row["requires_days"] is None


def _attached_ids(table: FromClause, column: str) -> Any:
    return select(table.c[column]).where(table.c.channel_id == param("channel", Key))


def _attached(tx: Tx, row: Row) -> dict[str, list[int]]:
    def ids(table: Any, column: str) -> list[int]:
        return sorted(r[column] for r in tx.rows(_attached_ids, table, column, channel=row["id"]))

    return {
        "groups": ids(schema.channel_groups, "group_id"),
        "providers": ids(schema.channel_providers, "provider_id"),
    }


def _replace_links(tx: Tx, table: Any, channel_id: int, column: str, ids: list[int]) -> None:
    tx.delete(table, channel_id=channel_id)
    for key in ids:
        tx.insert(table, channel_id=channel_id, **{column: key})


def hide_channel(tx: Tx, actor: Actor, row: Row) -> None:
    """Remove a channel: unassign it, and hide it until it is assigned again."""
    _require_assignable(row["name"])
    before = _assigned(tx, row["id"])
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
    events.channel_assigned(tx, row["image_id"], row["id"], before, None)
