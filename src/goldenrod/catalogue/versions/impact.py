"""Impact of ending or revoking, for the confirmation pages: machines, and groups shared with.

Only what the reader may read is counted.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, select

from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Id, Key, in_list, json_list, json_text, param


@dataclass(frozen=True)
class MachineCounts:
    """Numbers of current machines, by the id of their version, and of the providers that have them."""

    by_version: dict[str, int]
    providers: int

    @property
    def count(self) -> int:
        return sum(self.by_version.values())


def _machine_counts(reader: ReaderKind, of: str) -> Any:
    machine, version = schema.machines.alias(), schema.versions.alias()
    wanted = (
        in_list(version.c.id, "ids", Id())
        if of == "versions"
        else version.c.image_id == param("image", Key)
    )
    return (
        select(
            version.c.id,
            machine.c.provider_id.label("provider"),
            func.count(machine.c.id).label("machines"),
        )
        .select_from(machine.join(version, version.c.n == machine.c.version_n))
        .where(
            wanted,
            access.readable(version, reader),
            access.readable(machine, reader),
            access.open_now(version),
            access.current(machine),
        )
        .group_by(version.c.id, machine.c.provider_id)
    )


def _counted(rows: list[dict[str, Any]]) -> MachineCounts:
    by_version: dict[str, int] = {}
    for row in rows:
        by_version[row["id"]] = by_version.get(row["id"], 0) + int(row["machines"])
    return MachineCounts(by_version, len({row["provider"] for row in rows}))


def machines_of_versions(tx: Tx, actor: Actor, ids: list[str]) -> MachineCounts:
    """Counts the current machines of those of these versions that are current."""
    given = {**resources.params(tx, actor), "ids": ids}
    return _counted(tx.rows(_machine_counts, actor.reader, "versions", **given))


def machines_of_image(tx: Tx, actor: Actor, image_id: int) -> MachineCounts:
    """Counts the current machines of an image's current versions."""
    given = {**resources.params(tx, actor), "image": image_id}
    return _counted(tx.rows(_machine_counts, actor.reader, "image", **given))


def _groups(reader: ReaderKind) -> Any:
    group, link, version = (
        schema.groups.alias(),
        schema.version_memberships.alias(),
        schema.versions.alias(),
    )
    # Everyone who may read an attachment may read its group.
    shared = exists().where(
        link.c.group_id == group.c.id,
        access.readable(link, reader),
        version.c.n == link.c.version_n,
        version.c.image_id == param("image", Key),
        access.readable(version, reader),
        access.open_now(version),
    )
    shown = select(summaries.group_shape(group, reader)).where(shared).order_by(group.c.name_key)
    return select(json_text(json_list(shown)))


def groups_of_image(tx: Tx, actor: Actor, image_id: int) -> list[dict[str, Any]]:
    """The groups that current versions of an image are shared with."""
    given = {**resources.params(tx, actor), "image": image_id}
    found: list[dict[str, Any]] = json.loads(tx.value(_groups, actor.reader, **given))
    return found
