"""Which machine a channel offers a reader on a provider: the one answer that automation asks for.

Through `latest` the newest version that has one there; through another channel its target's. Of
several alike the newest by start_date, then id.
"""

from collections.abc import Callable

from sqlalchemy import ColumnElement, FromClause, and_, case, select

from goldenrod.rules import access, launching, lifecycle
from goldenrod.rules.access import Sight
from goldenrod.rules.lifecycle import LATEST
from goldenrod.store import schema

Where = Callable[[FromClause], ColumnElement[bool]]
"""Further conditions on a machine."""


def _newest(
    of: Callable[[FromClause], ColumnElement[bool]],
    provider_id: ColumnElement[int],
    sight: Sight,
    where: Where,
) -> ColumnElement[int]:
    """The id of the newest machine there of the newest version that `of` holds of; null for none."""
    version, machine, provider = (
        schema.versions.alias(),
        schema.machines.alias(),
        schema.providers.alias(),
    )
    query = select(machine.c.id).where(
        of(version),
        machine.c.version_n == version.c.n,
        machine.c.provider_id == provider_id,
        provider.c.id == machine.c.provider_id,
        launching.launchable(machine, version, provider, sight),
        where(machine),
    )
    ordered = query.order_by(
        version.c.start_date.desc(),
        version.c.id.desc(),
        machine.c.start_date.desc(),
        machine.c.id.desc(),
    )
    return ordered.limit(1).correlate_except(version, machine, provider).scalar_subquery()


def by_latest(
    image_id: ColumnElement[int], provider_id: ColumnElement[int], sight: Sight, where: Where
) -> ColumnElement[int]:
    """The id of the machine that `latest` offers there; null for none."""
    return _newest(
        lambda version: and_(
            version.c.image_id == image_id, lifecycle.offered_by_latest(version, sight)
        ),
        provider_id,
        sight,
        where,
    )


def of_version(
    n: ColumnElement[int], provider_id: ColumnElement[int], sight: Sight, where: Where
) -> ColumnElement[int]:
    """The id of the newest machine of one version there; null for none."""
    return _newest(
        lambda version: and_(version.c.n == n, access.readable(version, sight)),
        provider_id,
        sight,
        where,
    )


def by_channel(
    channel: FromClause, provider_id: ColumnElement[int], sight: Sight, where: Where
) -> ColumnElement[int]:
    """The id of the machine that a channel offers there; null for none."""
    target = lifecycle.target(channel, sight)
    return case(
        (
            channel.c.name == LATEST,
            by_latest(channel.c.image_id, provider_id, sight, where),
        ),
        else_=of_version(target, provider_id, sight, where),
    )
