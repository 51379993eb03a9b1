"""Lifecycle as SQL: state, revocation, channel targets, `latest`, behind. Computed, never swept.

The state of a version at an instant is the first row that holds:

    ended        its or its image's end_date is past
    scheduled    its or its image's start_date is to come
    revoked      a revocation in force is its own or inherited
    deprecated   its deprecation's instant is past
    current      otherwise

The instant is the parameter `now`: what would hold at another one is asked by running the same
statement with that one.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    and_,
    case,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)

from goldenrod.rules import access
from goldenrod.rules.access import NOW, ReaderKind
from goldenrod.rules.lifecycle import machine_access
from goldenrod.store import schema
from goldenrod.store.sql import Moment, among, earliest, unindexed

Predicate = ColumnElement[bool]

LATEST = "latest"
STATES = ("ended", "scheduled", "revoked", "deprecated", "current")
MOST_BEHIND = 1000
"""How far behind is counted."""


def revoked(version: FromClause) -> Predicate:
    """A revocation in force is its own or inherited."""
    reach = schema.reach.alias()
    return exists().where(reach.c.n == version.c.n, reach.c.at <= NOW)


def found_revoked(version: FromClause) -> Predicate:
    """The same, of versions that are found by it: as a rule few are."""
    reach = schema.reach.alias()
    return among(version.c.n, select(reach.c.n).where(reach.c.at <= NOW))


def stops(version: FromClause) -> Predicate:
    """A revocation in force, its own or inherited, holds channels at it instead of rolling back."""
    reach = schema.reach.alias()
    return exists().where(reach.c.n == version.c.n, stops_at(reach))


def stops_at(reach: FromClause) -> Predicate:
    """The revocation is in force and holds channels at the versions that it reaches."""
    return and_(reach.c.at <= NOW, ~reach.c.roll_back_channels)


def deprecated(version: FromClause) -> Predicate:
    """Its deprecation's instant is past."""
    return and_(version.c.deprecated_at.is_not(None), version.c.deprecated_at <= NOW)


def state(version: FromClause) -> ColumnElement[str]:
    """The word of this module's table that holds."""
    return case(
        (version.c.closes_at <= NOW, literal("ended", String)),
        (version.c.opens_at > NOW, literal("scheduled", String)),
        (revoked(version), literal("revoked", String)),
        (deprecated(version), literal("deprecated", String)),
        else_=literal("current", String),
    )


def or_never(date: ColumnElement[Any]) -> ColumnElement[Any]:
    """The instant, or the end of time."""
    return func.coalesce(date, schema.AT_THE_END, type_=Moment())


def spent_at(
    version: FromClause, closes: ColumnElement[Any], save: ColumnElement[int] | None = None
) -> ColumnElement[Any]:
    """From when on a version is not current any more: what it closes at, its deprecation, or what
    revokes it (save one revocation), whichever comes first. Each of them, once past, stays so."""
    reach = schema.reach.alias()
    revokes = select(func.min(reach.c.at)).where(reach.c.n == version.c.n)
    if save is not None:
        revokes = revokes.where(reach.c.revocation_id != save)
    revoked_at: ColumnElement[Any] = revokes.scalar_subquery()
    return earliest(closes, or_never(version.c.deprecated_at), or_never(revoked_at))


def is_current(version: FromClause) -> Predicate:
    """Its state is current."""
    return and_(version.c.opens_at <= NOW, version.c.not_current_from > NOW)


def is_in(version: FromClause, word: str) -> Predicate:
    """Its state is this word of `state`, in a form by which versions are found."""
    opened = access.open_now(version)
    holds: dict[str, Predicate] = {
        "ended": version.c.closes_at <= NOW,
        "scheduled": and_(version.c.opens_at > NOW, version.c.closes_at > NOW),
        "revoked": and_(opened, found_revoked(version)),
        "deprecated": and_(opened, deprecated(version), ~revoked(version)),
        "current": is_current(version),
    }
    return holds[word]


def newer(version: FromClause, than: FromClause) -> Predicate:
    """By start_date, then id; never by comparing names."""
    # As they stand SQLite would look for the start_date only, and walk all that begin with it.
    mark = tuple_(unindexed(than.c.start_date), unindexed(than.c.id))
    return and_(
        version.c.image_id == than.c.image_id,
        tuple_(version.c.start_date, version.c.id) > mark,
    )


def _fresh(asks: Callable[[FromClause], Predicate], most: int) -> Any:
    """The newest current versions of one image for which it holds, as `n`, `start_date`, `id`.

    Those that nothing will end stand in an index by themselves, and of the rest those that are not
    spent yet: so what was withdrawn, however much of it, is not walked past. `asks` says of
    which image.
    """
    unspent, ending = schema.versions.alias(), schema.versions.alias()
    parts = []
    for version, which in (
        (unspent, unspent.c.not_current_from == schema.AT_THE_END),
        (ending, ending.c.not_current_from < schema.AT_THE_END),
    ):
        part = (
            select(version.c.n, version.c.start_date, version.c.id)
            .where(asks(version), which, is_current(version))
            .order_by(version.c.start_date.desc(), version.c.id.desc())
            .limit(literal_column(str(most)))
            .correlate_except(version)
        )
        parts.append(select(part.subquery()))
    return union_all(*parts).subquery()


def behind(version: FromClause, reader: ReaderKind) -> ColumnElement[int]:
    """How many readable, current versions of its image are newer, counted to a thousand."""
    ahead = _fresh(
        lambda other: and_(newer(other, version), access.readable(other, reader)),
        MOST_BEHIND,
    )
    counted = select(func.count()).select_from(ahead).scalar_subquery()
    return case((counted > MOST_BEHIND, MOST_BEHIND), else_=counted)


def parent_behind(version: FromClause, reader: ReaderKind) -> ColumnElement[int]:
    """The same for its parent; null where there is none that the reader may read."""
    parent = schema.versions.alias()
    return (
        select(behind(parent, reader))
        .where(parent.c.n == version.c.parent_n, access.readable(parent, reader))
        .scalar_subquery()
    )


def stale(version: FromClause, reader: ReaderKind) -> Predicate:
    """Its parent, which the reader may read, is behind.

    The newest first, and one: of an EXISTS a planner thinks that any row will do, and reads all
    versions to find it.
    """
    parent = schema.versions.alias()
    ahead = _fresh(lambda other: and_(newer(other, parent), access.readable(other, reader)), 1)
    newest = select(ahead.c.n).limit(literal_column("1")).scalar_subquery()
    found = select(newest).where(parent.c.n == version.c.parent_n, access.readable(parent, reader))
    return found.scalar_subquery().is_not(None)


def has_launchable(version: FromClause, reader: ReaderKind) -> Predicate:
    """The version, which the reader may read, has a machine that they may launch."""
    machine, provider = schema.machines.alias(), schema.providers.alias()
    return exists().where(
        machine.c.version_n == version.c.n,
        provider.c.id == machine.c.provider_id,
        machine_access.launchable(machine, version, provider, reader),
    )


def offered_by_latest(version: FromClause, reader: ReaderKind) -> Predicate:
    """What `latest` chooses from, save the machine: current, readable, not left out of it."""
    return and_(
        is_current(version), ~version.c.exclude_from_latest, access.readable(version, reader)
    )


def latest(
    image_id: ColumnElement[int],
    reader: ReaderKind,
    has: Callable[[FromClause, ReaderKind], Predicate] = has_launchable,
) -> ColumnElement[int]:
    """The internal key of an image's `latest` for this reader; null for none. `has`: which machine
    it must have."""
    first = _fresh(
        lambda version: and_(
            version.c.image_id == image_id,
            offered_by_latest(version, reader),
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


def _halt(channel_id: ColumnElement[int], column: str) -> ColumnElement[int]:
    """Where the walk back over a channel's assignments ends: an unassignment, a version that holds
    the channel, or the first that is open and not revoked. Its version, or its version only if it
    is a target (`target`) or holds the channel (`stopped`)."""
    a, v = schema.assignments.alias(), schema.versions.alias()
    held = stops(v)
    shown = case((held if column == "stopped" else ~held, a.c.version_n), else_=None)
    return (
        select(shown)
        .select_from(a.outerjoin(v, v.c.n == a.c.version_n))
        .where(
            a.c.channel_id == channel_id,
            or_(
                a.c.version_n.is_(None),
                and_(access.open_now(v), or_(held, ~revoked(v))),
            ),
        )
        .order_by(a.c.sequence.desc())
        .limit(1)
        .correlate_except(a, v)
        .scalar_subquery()
    )


def target(channel: FromClause, reader: ReaderKind) -> ColumnElement[int]:
    """The internal key of a channel's target; null for none. It does not depend on who asks, save
    for `latest`, which is each reader's own."""
    return case(
        (channel.c.name == LATEST, latest(channel.c.image_id, reader)),
        else_=_halt(channel.c.id, "target"),
    )


def stopped(channel: FromClause) -> ColumnElement[int]:
    """The internal key of the revoked version at which a channel stopped; null where it did not."""
    return case((channel.c.name == LATEST, None), else_=_halt(channel.c.id, "stopped"))


def assigned(channel: FromClause) -> ColumnElement[int]:
    """The internal key of the newest assignment's version; null for none."""
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
    """The version is the target of a channel of this name that the reader may see."""
    channel = schema.channels.alias()
    targets = select(target(channel, reader)).where(
        channel.c.name == name, access.readable(channel, reader)
    )
    return among(version.c.n, targets)
