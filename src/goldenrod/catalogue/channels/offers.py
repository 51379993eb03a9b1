"""All machines that a channel or a version offers: one for each provider and architecture. Terraform
reads them, as a state or as a module.

Each is the machine that resolving answers for its provider and architecture.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, or_, select

from goldenrod.base.errors import NotFound
from goldenrod.catalogue.channels.resolve import find_named, offered_version
from goldenrod.rules import access, resources
from goldenrod.rules.access import NOW, Actor, ReaderKind
from goldenrod.rules.lifecycle import channel_targets, machine_access, machine_choice, states
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, param

MOST_VERSIONS = 10_000
"""How many versions of an image are listed, the newest."""


@dataclass(frozen=True)
class Offers:
    """What a channel offers, or a version if `channel` is None.

    Each row has provider (its slug), architecture and identifier of the machine, and of its version the
    name, start_date, id, deprecation_reason and whether it is `deprecated`.
    """

    image: Row
    channel: str | None
    rows: list[Row]


def _shown(machine: FromClause, version: FromClause, provider: FromClause) -> list[Any]:
    return [
        provider.c.slug.label("provider"),
        machine.c.architecture,
        machine.c.identifier,
        version.c.name,
        version.c.start_date,
        version.c.id,
        states.deprecated(version).label("deprecated"),
        version.c.deprecation_reason,
    ]


def _of_version(reader: ReaderKind) -> Any:
    """The machines of one version that the reader may launch, the newest of each kind first."""
    machine, version, provider = (
        schema.machines.alias(),
        schema.versions.alias(),
        schema.providers.alias(),
    )
    return (
        select(*_shown(machine, version, provider))
        .where(
            version.c.n == param("version_key", Key),
            access.readable(version, reader),
            machine.c.version_n == version.c.n,
            provider.c.id == machine.c.provider_id,
            access.readable(provider, reader),
            machine_access.launchable(machine, version, provider, reader),
        )
        .order_by(
            provider.c.slug,
            machine.c.architecture,
            machine.c.start_date.desc(),
            machine.c.id.desc(),
        )
    )


def _of_latest(reader: ReaderKind) -> Any:
    """The machine that `latest` offers on each provider for each architecture."""
    placed, machine, version, provider = (
        schema.machines.alias("placed"),
        schema.machines.alias(),
        schema.versions.alias(),
        schema.providers.alias(),
    )
    kinds = (
        select(placed.c.provider_id, placed.c.architecture)
        .where(
            placed.c.image_id == param("image", Key),
            or_(placed.c.end_date.is_(None), placed.c.end_date > NOW),
        )
        .distinct()
        .subquery("kinds")
    )

    def of_kind(candidate: FromClause) -> ColumnElement[bool]:
        same: ColumnElement[bool] = candidate.c.architecture == kinds.c.architecture
        return same

    chosen = machine_choice.by_latest(param("image", Key), kinds.c.provider_id, reader, of_kind)
    return (
        select(*_shown(machine, version, provider))
        .select_from(kinds)
        .where(
            provider.c.id == kinds.c.provider_id,
            access.readable(provider, reader),
            machine.c.id == chosen,
            version.c.n == machine.c.version_n,
            access.readable(version, reader),
        )
        .order_by(provider.c.slug, machine.c.architecture)
    )


def channel_offers(tx: Tx, actor: Actor, image: str, channel: str) -> Offers:
    """What a channel offers. Raises NotFound (`channel_not_found`, `machine_not_found`), Conflict
    (`version_revoked`)."""
    found = find_named(tx, actor, image, channel, None)
    given = resources.params(tx, actor)
    if channel == LATEST:
        rows = tx.rows(_of_latest, actor.reader, image=found["image_id"], **given)
    else:
        version_key = offered_version(tx, actor, found, allow_revoked=False)
        rows = tx.rows(_of_version, actor.reader, version_key=version_key, **given)
    return _offers(json.loads(found["image"]), channel, rows)


def version_offers(tx: Tx, actor: Actor, image: Row, version_key: int) -> Offers:
    """What one version of an image offers. Raises NotFound (`machine_not_found`)."""
    given = resources.params(tx, actor)
    rows = tx.rows(_of_version, actor.reader, version_key=version_key, **given)
    return _offers(image, None, rows)


def _offers(image: Row, channel: str | None, rows: list[Row]) -> Offers:
    if not rows:
        raise NotFound("It offers no machine that you may launch.", code="machine_not_found")
    newest = {(row["provider"], row["architecture"]): row for row in reversed(rows)}
    return Offers(image, channel, [newest[kind] for kind in sorted(newest)])


def _versions(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return (
        select(version.c.n, version.c.name)
        .where(
            version.c.image_id == param("image", Key),
            access.readable(version, reader),
            and_(access.open_now(version), ~states.revoked(version)),
            channel_targets.has_launchable(version, reader),
        )
        .order_by(version.c.start_date.desc(), version.c.id.desc())
        .limit(MOST_VERSIONS)
    )


def list_launchable(tx: Tx, actor: Actor, image: str) -> tuple[Row, list[Row]]:
    """An image, and its current and deprecated versions with a machine that the reader may launch, each
    with `n` and `name`, newest first. Raises NotFound."""
    row = resources.get_row(tx, actor, schema.images, image)
    given = resources.params(tx, actor)
    return row, tx.rows(_versions, actor.reader, image=row["id"], **given)
