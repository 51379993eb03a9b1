"""Where channels point, as SQL: the target of a channel, what stops it, and the computed `latest`.

Nothing here is stored: a channel is a list of assignments, and its target is found when it is asked for
(docs/lifecycle.md).
"""

from collections.abc import Callable

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    case,
    exists,
    literal_column,
    or_,
    select,
)

from goldenrod.rules import access
from goldenrod.rules.access import ReaderKind
from goldenrod.rules.lifecycle import machine_access, states
from goldenrod.store import schema
from goldenrod.store.sql import among

Predicate = ColumnElement[bool]

LATEST = "latest"


def has_launchable(version: FromClause, reader: ReaderKind) -> Predicate:
    """The version, which the reader may read, has a machine that they may launch."""
    machine, provider = schema.machines.alias(), schema.providers.alias()
    return exists().where(
        machine.c.version_n == version.c.n,
        provider.c.id == machine.c.provider_id,
        machine_access.launchable(machine, version, provider, reader),
    )


def eligible_for_latest(version: FromClause, reader: ReaderKind) -> Predicate:
    """`latest` may choose the version, if it has a machine: current, readable, not excluded."""
    return and_(
        states.is_current(version), ~version.c.exclude_from_latest, access.readable(version, reader)
    )


def latest(
    image_id: ColumnElement[int],
    reader: ReaderKind,
    has: Callable[[FromClause, ReaderKind], Predicate] = has_launchable,
) -> ColumnElement[int]:
    """The key of an image's `latest` for this reader; null for none. `has`: the machine that it
    must have."""
    first = states.newest_current(
        lambda version: and_(
            version.c.image_id == image_id,
            eligible_for_latest(version, reader),
            has(version, reader),
        ),
        1,
    )
    return (
        select(first.c.n)
        .order_by(first.c.start_date.desc(), first.c.id.desc())
        .limit(literal_column("1"))
        .scalar_subquery()
    )


def _stop(channel_id: ColumnElement[int], column: str) -> ColumnElement[int]:
    """The version at which the search back over a channel's assignments stops, if it is the channel's
    target (`target`) or a revoked version that stops the channel (`stopped`); else null. Assignments
    that a later one undoes are passed over.

    The search stops at an unassignment, at a version with a revocation that stops channels, or at
    the first version that is open and not revoked."""
    a, v, undoing = schema.assignments.alias(), schema.versions.alias(), schema.assignments.alias()
    undone = exists().where(undoing.c.voids == a.c.sequence).correlate_except(undoing)
    stopping = states.stops(v)
    shown = case((stopping if column == "stopped" else ~stopping, a.c.version_n), else_=None)
    return (
        select(shown)
        .select_from(a.outerjoin(v, v.c.n == a.c.version_n))
        .where(
            a.c.channel_id == channel_id,
            ~undone,
            or_(
                a.c.version_n.is_(None),
                and_(access.open_now(v), or_(stopping, ~states.revoked(v))),
            ),
        )
        .order_by(a.c.sequence.desc())
        .limit(1)
        .correlate_except(a, v)
        .scalar_subquery()
    )


def target(channel: FromClause, reader: ReaderKind) -> ColumnElement[int]:
    """The key of a channel's target; null for none. It is the same for every reader, except for
    `latest`."""
    return case(
        (channel.c.name == LATEST, latest(channel.c.image_id, reader)),
        else_=_stop(channel.c.id, "target"),
    )


def stopped(channel: FromClause) -> ColumnElement[int]:
    """The key of the revoked version at which a channel stopped; null where it did not stop."""
    return case((channel.c.name == LATEST, None), else_=_stop(channel.c.id, "stopped"))


def assigned(channel: FromClause) -> ColumnElement[int]:
    """The key of the newest assignment's version; null for none."""
    a = schema.assignments.alias()
    return (
        select(a.c.version_n)
        .where(a.c.channel_id == channel.c.id)
        .order_by(a.c.sequence.desc())
        .limit(1)
        .correlate_except(a)
        .scalar_subquery()
    )


def targeted(version: FromClause, reader: ReaderKind, name: ColumnElement[str]) -> Predicate:
    """The version is the target of a channel of this name that the reader may read."""
    channel = schema.channels.alias()
    targets = select(target(channel, reader)).where(
        channel.c.name == name, access.readable(channel, reader)
    )
    return among(version.c.n, targets)
