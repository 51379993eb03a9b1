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
    BigInteger,
    ColumnElement,
    FromClause,
    String,
    and_,
    case,
    except_,
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
OFFERABLE = ("current", "deprecated")
"""The states of versions that channels can offer, and that can be recommended."""
MOST_BEHIND = 1000
"""`behind` counts newer versions up to this number."""


def revoked(version: FromClause) -> Predicate:
    """A revocation in force is its own or inherited."""
    reach = schema.revocation_reach.alias()
    return exists().where(reach.c.n == version.c.n, reach.c.at <= NOW)


def revoked_from(version: FromClause) -> ColumnElement[Any]:
    """The instant of its earliest revocation, own or inherited; null if there is none."""
    reach = schema.revocation_reach.alias()
    return select(func.min(reach.c.at)).where(reach.c.n == version.c.n).scalar_subquery()


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


def state(version: FromClause, in_force: Predicate | None = None) -> ColumnElement[str]:
    """The version's state, by the table at the top of this module. `in_force`, where given, replaces
    `revoked`."""
    return case(
        (version.c.closes_at <= NOW, literal("ended", String)),
        (version.c.opens_at > NOW, literal("scheduled", String)),
        (revoked(version) if in_force is None else in_force, literal("revoked", String)),
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


def _counting(other: FromClause, than: FromClause, reader: ReaderKind) -> Predicate:
    """The version counts as a newer one: `latest` offers it if it has a machine."""
    return and_(newer(other, than), ~other.c.exclude_from_latest, access.readable(other, reader))


def counts_as_newer(other: FromClause, than: FromClause, reader: ReaderKind) -> Predicate:
    """The version is one of those that `behind` of `than` counts."""
    return and_(_counting(other, than, reader), is_current(other))


def _newer_counting(than: FromClause, reader: ReaderKind, most: int) -> Any:
    return newest_current(lambda other: _counting(other, than, reader), most)


def _count(ahead: Any) -> ColumnElement[int]:
    """The number of rows, counted to a thousand."""
    counted: ColumnElement[int] = select(func.count()).select_from(ahead).scalar_subquery()
    # A CASE would have the subquery twice, and the database would set up both.
    return earliest(counted, literal(MOST_BEHIND, BigInteger))


def behind(version: FromClause, reader: ReaderKind) -> ColumnElement[int]:
    """How many readable, current versions of its image are newer, counted to a thousand. Versions
    excluded from `latest` do not count."""
    return _count(_newer_counting(version, reader, MOST_BEHIND))


def parent_behind(version: FromClause, reader: ReaderKind) -> ColumnElement[int]:
    """How many versions are newer than its parent in the parent's image, without the version itself and
    those built on it: what it could be built on instead. Null where there is no parent that the reader
    may read."""
    parent = schema.versions.alias()
    count = case(
        (~_one_line(parent), _count(_not_below(version, parent, reader, MOST_BEHIND + 1))),
        (version.c.image_id == parent.c.image_id, 0),
        else_=behind(parent, reader),
    )
    return _of_parent(count, version, parent, reader)


def in_line(version: FromClause, reader: ReaderKind) -> Predicate:
    """The reader may read its parent, and both are of one image whose versions are one line: nothing
    newer than the parent counts, and the version is not stale. Null where there is no such parent."""
    parent = schema.versions.alias()
    one_image = version.c.image_id == parent.c.image_id
    return _of_parent(and_(one_image, _one_line(parent)), version, parent, reader)


def stale(version: FromClause, reader: ReaderKind) -> Predicate:
    """`parent_behind` is above 0.

    This selects one version with a limit. For an EXISTS a planner might read all versions to find any.
    """
    parent = schema.versions.alias()

    def one_of(ahead: Any) -> ColumnElement[Any]:
        found = select(ahead.c.n).limit(literal_column("1"))
        return found.scalar_subquery()

    ahead = case(
        (~_one_line(parent), one_of(_not_below(version, parent, reader, 1))),
        (version.c.image_id == parent.c.image_id, None),
        else_=one_of(_newer_counting(parent, reader, 1)),
    )
    return _of_parent(ahead, version, parent, reader).is_not(None)


def _of_parent(
    value: ColumnElement[Any], version: FromClause, parent: FromClause, reader: ReaderKind
) -> ColumnElement[Any]:
    is_it = parent.c.n == version.c.parent_n
    return select(value).where(is_it, access.readable(parent, reader)).scalar_subquery()


def _one_line(version: FromClause) -> Predicate:
    """The versions of its image are one line (see `lines.py`). What is newer than a version of a line
    descends from it; and no version of a line descends from one of another image that is built on
    it, since lineage has no cycle."""
    image = schema.images.alias()
    one_line = select(image.c.one_line).where(image.c.id == version.c.image_id)
    return one_line.scalar_subquery()


def _not_below(version: FromClause, parent: FromClause, reader: ReaderKind, most: int) -> Any:
    """The versions that count as newer than `parent` and are neither `version` nor below it.

    Those below it in the parent's image are removed together. The others are followed upwards one
    by one, since a line may leave the image and come back.
    """
    child, other, above = (
        schema.versions.alias(),
        schema.versions.alias(),
        schema.versions.alias(),
    )
    below = select(version.c.n.label("n")).correlate(version).cte(recursive=True, nesting=True)
    children = select(child.c.n).where(
        child.c.parent_n == below.c.n, child.c.image_id == parent.c.image_id
    )
    below = below.union_all(children.correlate(parent))
    counting = select(other.c.n).where(
        _counting(other, parent, reader), is_current(other), other.c.n != version.c.n
    )
    left = except_(counting.correlate_except(other), select(below.c.n)).subquery()
    up = select(left.c.n.label("n")).correlate(left).cte(recursive=True, nesting=True)
    up = up.union_all(
        select(above.c.parent_n).where(above.c.n == up.c.n, above.c.parent_n.is_not(None))
    )
    comes_back = exists(select(up.c.n).where(up.c.n == version.c.n).correlate(version))
    return select(left.c.n).where(~comes_back).limit(literal_column(str(most))).subquery()
