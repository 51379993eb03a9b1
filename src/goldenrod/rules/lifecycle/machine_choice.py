"""Which machine a channel offers a reader on a provider.

`latest` offers a machine of the newest version that has one there, another channel one of its
target. Of several machines it is the newest by start_date, then id.
"""

from collections.abc import Callable

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, select

from goldenrod.rules import access
from goldenrod.rules.access import ReaderKind
from goldenrod.rules.lifecycle import channel_targets, machine_access
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store import schema

Where = Callable[[FromClause], ColumnElement[bool]]
"""Further conditions on a machine."""


def by_latest(
    image_id: ColumnElement[int], provider_id: ColumnElement[int], reader: ReaderKind, where: Where
) -> ColumnElement[int]:
    """The id of the machine that `latest` offers there; null for none."""

    def has_one_there(version: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
        machine, provider = schema.machines.alias(), schema.providers.alias()
        there = _there(machine, version, provider, provider_id, reader, where)
        return exists().where(there).correlate_except(machine, provider)

    newest = channel_targets.latest(image_id, reader, has_one_there)
    return of_version(newest, provider_id, reader, where)


def of_version(
    n: ColumnElement[int], provider_id: ColumnElement[int], reader: ReaderKind, where: Where
) -> ColumnElement[int]:
    """The id of the newest machine of one version there; null for none."""
    version, machine, provider = (
        schema.versions.alias(),
        schema.machines.alias(),
        schema.providers.alias(),
    )
    newest = (
        select(machine.c.id)
        .where(
            version.c.n == n,
            access.readable(version, reader),
            _there(machine, version, provider, provider_id, reader, where),
        )
        .order_by(machine.c.start_date.desc(), machine.c.id.desc())
        .limit(1)
    )
    return newest.correlate_except(version, machine, provider).scalar_subquery()


def _there(
    machine: FromClause,
    version: FromClause,
    provider: FromClause,
    provider_id: ColumnElement[int],
    reader: ReaderKind,
    where: Where,
) -> ColumnElement[bool]:
    """The machine is the version's, is on that provider, and the reader may launch it."""
    return and_(
        machine.c.version_n == version.c.n,
        machine.c.provider_id == provider_id,
        provider.c.id == machine.c.provider_id,
        machine_access.launchable(machine, version, provider, reader),
        where(machine),
    )


def by_channel(
    channel: FromClause, provider_id: ColumnElement[int], reader: ReaderKind, where: Where
) -> ColumnElement[int]:
    """The id of the machine that a channel offers there; null for none."""
    target = channel_targets.target(channel, reader)
    return case(
        (
            channel.c.name == LATEST,
            by_latest(channel.c.image_id, provider_id, reader, where),
        ),
        else_=of_version(target, provider_id, reader, where),
    )
