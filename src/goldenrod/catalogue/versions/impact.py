"""Impact of ending or revoking, for the confirmation pages: machines, channels, groups shared with.

Only what the reader may read is counted.
"""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, distinct, func, literal_column, select, true

from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.lifecycle import machine_access, machine_choice
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Id, Key, in_list, json_list, json_text, param


@dataclass(frozen=True)
class MachineCounts:
    """Numbers of current machines, of the providers that have them, and of machines by the id of their
    version."""

    count: int
    providers: int
    by_version: dict[str, int]


def _machines(version: FromClause, reader: ReaderKind, *columns: Any) -> Any:
    machine, provider = schema.machines.alias("machine"), schema.providers.alias("provider")
    return (
        select(*columns)
        .select_from(
            version.join(machine, machine.c.version_n == version.c.n).join(
                provider, provider.c.id == machine.c.provider_id
            )
        )
        .where(
            access.readable(version, reader),
            machine_access.readable_of(machine, version, provider, reader),
            access.open_now(version),
            access.current(machine),
        )
    )


_PROVIDER: ColumnElement[int] = literal_column("provider.id")


def _machines_of_versions(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    shown = version.c.id, _PROVIDER.label("provider"), func.count().label("machines")
    found = _machines(version, reader, *shown)
    return found.where(in_list(version.c.id, "ids", Id())).group_by(version.c.id, _PROVIDER)


def machines_of_versions(tx: Tx, actor: Actor, ids: list[str]) -> MachineCounts:
    """Counts the current machines of those of these versions that are current."""
    given = {**resources.params(tx, actor), "ids": ids}
    rows = tx.rows(_machines_of_versions, actor.reader, **given)
    by_version: Counter[str] = Counter()
    for row in rows:
        by_version[row["id"]] += row["machines"]
    return MachineCounts(by_version.total(), len({row["provider"] for row in rows}), by_version)


def _machines_of_image(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    shown = func.count().label("count"), func.count(distinct(_PROVIDER)).label("providers")
    return _machines(version, reader, *shown).where(version.c.image_id == param("image", Key))


def machines_of_image(tx: Tx, actor: Actor, image_id: int) -> MachineCounts:
    """Counts the current machines of an image's current versions."""
    given = {**resources.params(tx, actor), "image": image_id}
    row = tx.first(_machines_of_image, actor.reader, **given)
    assert row is not None
    return MachineCounts(row["count"], row["providers"], {})


def _groups(reader: ReaderKind, of: str) -> Any:
    group, link, version = (
        schema.groups.alias(),
        schema.version_memberships.alias(),
        schema.versions.alias(),
    )
    wanted = (
        [in_list(version.c.id, "ids", Id())]
        if of == "versions"
        else [version.c.image_id == param("image", Key), access.open_now(version)]
    )
    # Everyone who may read an attachment may read its group.
    shared = (
        select(link.c.group_id)
        .select_from(version.join(link, link.c.version_n == version.c.n))
        .where(*wanted, access.readable(version, reader), access.readable(link, reader))
    )
    shown = select(summaries.group_shape(group, reader)).where(group.c.id.in_(shared))
    return select(json_text(json_list(shown.order_by(group.c.name_key))))


def groups_of_image(tx: Tx, actor: Actor, image_id: int) -> list[dict[str, Any]]:
    """The groups that current versions of an image are shared with."""
    given = {**resources.params(tx, actor), "image": image_id}
    found: list[dict[str, Any]] = json.loads(tx.value(_groups, actor.reader, "image", **given))
    return found


def groups_of_versions(tx: Tx, actor: Actor, ids: list[str]) -> list[dict[str, Any]]:
    """The groups that these versions are shared with, each once."""
    given = {**resources.params(tx, actor), "ids": ids}
    found: list[dict[str, Any]] = json.loads(tx.value(_groups, actor.reader, "versions", **given))
    return found


def _channels_of_machine(reader: ReaderKind) -> Any:
    machine, channel = schema.machines.alias(), schema.channels.alias()

    def alike(other: FromClause) -> ColumnElement[bool]:
        same: ColumnElement[bool] = other.c.architecture == machine.c.architecture
        return same

    offered = machine_choice.by_channel(channel, machine.c.provider_id, reader, alike)
    return (
        select(channel.c.name)
        .select_from(machine.join(channel, channel.c.image_id == machine.c.image_id))
        .where(
            machine.c.id == param("machine", Key),
            access.readable(machine, reader),
            access.readable(channel, reader),
            offered == machine.c.id,
        )
        .order_by(channel.c.name)
    )


def channels_of_machine(tx: Tx, actor: Actor, machine_id: int) -> list[str]:
    """The channels that offer a machine now, to this reader."""
    given = {**resources.params(tx, actor), "machine": machine_id}
    return [row["name"] for row in tx.rows(_channels_of_machine, actor.reader, **given)]


def _channels_on_provider(reader: ReaderKind) -> Any:
    provider, channel, machine = (
        schema.providers.alias(),
        schema.channels.alias(),
        schema.machines.alias(),
    )
    has_machines = select(machine.c.image_id).where(
        machine.c.provider_id == param("provider", Key), access.readable(machine, reader)
    )
    offered = machine_choice.by_channel(channel, provider.c.id, reader, lambda it: true())
    return (
        select(func.count())
        .select_from(provider.join(channel, channel.c.image_id.in_(has_machines)))
        .where(
            provider.c.id == param("provider", Key),
            access.readable(provider, reader),
            access.readable(channel, reader),
            offered.is_not(None),
        )
    )


def channels_on_provider(tx: Tx, actor: Actor, provider_id: int) -> int:
    """How many channels offer this reader a machine on a provider now."""
    given = {**resources.params(tx, actor), "provider": provider_id}
    return int(tx.value(_channels_on_provider, actor.reader, **given))
