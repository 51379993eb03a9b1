"""What withdrawing something touches, for whoever is about to: machines, and who it is shared with.

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
class Machines:
    """How many current machines stand of each version, by its id, and on how many providers."""

    by_version: dict[str, int]
    providers: int

    @property
    def count(self) -> int:
        return sum(self.by_version.values())


def _standing(reader: ReaderKind, of: str) -> Any:
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


def _counted(rows: list[dict[str, Any]]) -> Machines:
    by_version: dict[str, int] = {}
    for row in rows:
        by_version[row["id"]] = by_version.get(row["id"], 0) + int(row["machines"])
    return Machines(by_version, len({row["provider"] for row in rows}))


def machines_of_versions(tx: Tx, actor: Actor, ids: list[str]) -> Machines:
    """The current machines of these versions, as far as the versions are current themselves."""
    given = {**resources.params(tx, actor), "ids": ids}
    return _counted(tx.rows(_standing, actor.reader, "versions", **given))


def machines_of_image(tx: Tx, actor: Actor, image_id: int) -> Machines:
    """The current machines of an image's versions, as far as these are current themselves."""
    given = {**resources.params(tx, actor), "image": image_id}
    return _counted(tx.rows(_standing, actor.reader, "image", **given))


def _groups(reader: ReaderKind) -> Any:
    group, link, version = (
        schema.groups.alias(),
        schema.version_memberships.alias(),
        schema.versions.alias(),
    )
    # A pairing shows its group to whoever may read it.
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
