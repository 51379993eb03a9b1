"""States of versions as SQL: state, revocation, behind, stale. Computed, not stored.

The state of a version at an instant is the first row that holds:

    ended        its or its image's end_date is past
    scheduled    its or its image's start_date is in the future
    revoked      a revocation in force is its own or inherited
    deprecated   its deprecation's instant is past
    current      otherwise

The instant is the parameter `now`. A preview of another instant runs the same statement with that.
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
    select,
    tuple_,
    union_all,
)

from goldenrod.rules import access
from goldenrod.rules.access import NOW, ReaderKind
from goldenrod.store import schema
from goldenrod.store.sql import Moment, among, earliest, unindexed

Predicate = ColumnElement[bool]

STATES = ("ended", "scheduled", "revoked", "deprecated", "current")
MOST_BEHIND = 1000
"""`behind` counts newer versions up to this number."""


def revoked(version: FromClause) -> Predicate:
    """A revocation in force is its own or inherited."""
    reach = schema.revocation_reach.alias()
    return exists().where(reach.c.n == version.c.n, reach.c.at <= NOW)


def found_revoked(version: FromClause) -> Predicate:
    """The same, in a form by which versions are found: usually few are revoked."""
    reach = schema.revocation_reach.alias()
    return among(version.c.n, select(reach.c.n).where(reach.c.at <= NOW))


def stops(version: FromClause) -> Predicate:
    """A revocation in force, own or inherited, stops channels instead of rolling back."""
    reach = schema.revocation_reach.alias()
    return exists().where(reach.c.n == version.c.n, stops_at(reach))


def stops_at(reach: FromClause) -> Predicate:
    """The revocation is in force and stops channels at the versions that it applies to."""
    return and_(reach.c.at <= NOW, ~reach.c.roll_back_channels)


def deprecated(version: FromClause) -> Predicate:
    """Its deprecation's instant is past."""
    return and_(version.c.deprecated_at.is_not(None), version.c.deprecated_at <= NOW)


def state(version: FromClause) -> ColumnElement[str]:
    """The version's state, by the table at the top of this module."""
    return case(
        (version.c.closes_at <= NOW, literal("ended", String)),
        (version.c.opens_at > NOW, literal("scheduled", String)),
        (revoked(version), literal("revoked", String)),
        (deprecated(version), literal("deprecated", String)),
        else_=literal("current", String),
    )


def or_never(date: ColumnElement[Any]) -> ColumnElement[Any]:
    """The instant, or the end of time."""
    return func.coalesce(date, schema.END_OF_TIME, type_=Moment())


def not_current_from(
    version: FromClause, closes: ColumnElement[Any], save: ColumnElement[int] | None = None
) -> ColumnElement[Any]:
    """The instant from which a version is no longer current: the earliest of its end, deprecation and
    revocations (except the revocation `save`)."""
    reach = schema.revocation_reach.alias()
    revokes = select(func.min(reach.c.at)).where(reach.c.n == version.c.n)
    if save is not None:
        revokes = revokes.where(reach.c.revocation_id != save)
    revoked_at: ColumnElement[Any] = revokes.scalar_subquery()
    return earliest(closes, or_never(version.c.deprecated_at), or_never(revoked_at))


def is_current(version: FromClause) -> Predicate:
    """Its state is current."""
    return and_(version.c.opens_at <= NOW, version.c.not_current_from > NOW)


def is_in(version: FromClause, word: str) -> Predicate:
    """Its state is this one, in a form by which versions are found."""
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
    # Without unindexed() SQLite would search by start_date only, and read all with the same date.
    mark = tuple_(unindexed(than.c.start_date), unindexed(than.c.id))
    return and_(
        version.c.image_id == than.c.image_id,
        tuple_(version.c.start_date, version.c.id) > mark,
    )


def newest_current(condition: Callable[[FromClause], Predicate], most: int) -> Any:
    """The newest current versions of one image that meet the condition: `n`, `start_date`, `id`.

    The condition must name the image. Versions without an end are in one index, and those with a
    future end in another, so withdrawn versions are not read, however many there are.
    """
    unspent, ending = schema.versions.alias(), schema.versions.alias()
    parts = []
    for version, which in (
        (unspent, unspent.c.not_current_from == schema.END_OF_TIME),
        (ending, ending.c.not_current_from < schema.END_OF_TIME),
    ):
        part = (
            select(version.c.n, version.c.start_date, version.c.id)
            .where(condition(version), which, is_current(version))
            .order_by(version.c.start_date.desc(), version.c.id.desc())
            .limit(literal_column(str(most)))
            .correlate_except(version)
        )
        parts.append(select(part.subquery()))
    return union_all(*parts).subquery()


def behind(version: FromClause, reader: ReaderKind) -> ColumnElement[int]:
    """How many readable, current versions of its image are newer, counted to a thousand."""
    ahead = newest_current(
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

    This selects the newest version with a limit of one. For an EXISTS a planner might read all
    versions to find any.
    """
    parent = schema.versions.alias()
    ahead = newest_current(
        lambda other: and_(newer(other, parent), access.readable(other, reader)), 1
    )
    newest = select(ahead.c.n).limit(literal_column("1")).scalar_subquery()
    found = select(newest).where(parent.c.n == version.c.parent_n, access.readable(parent, reader))
    return found.scalar_subquery().is_not(None)
