"""Statements of the lineage graph: notable versions, their relatives, and what each node shows.

Each statement starts from an index: an image's versions, or the parents or children of some versions.
It returns only versions that the reader may read, and follows lineage only through such versions.
"""

from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    FromClause,
    Integer,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from goldenrod.rules import access
from goldenrod.rules.access import Predicate, ReaderKind
from goldenrod.rules.lifecycle import channel_targets, states
from goldenrod.rules.lifecycle.channel_targets import LATEST
from goldenrod.store import schema
from goldenrod.store.sql import Id, Key, Moment, in_list, param

Subject = Literal["image", "version"]
"""Whose lineage is read."""

MOST_NEWEST = 10
MOST_FLAGGED = 12
MOST_FORKS = 20
MOST_CHANNELS = 40
MOST_NEIGHBOURS = 3
"""For a version: how many versions of its image just before it, just after it, and newest."""
MOST_RELATIVES = {True: 80, False: 160}
"""How many ancestors (True) and descendants are read, nearest first."""
MOST_DIRECT = {True: 60, False: 120}
"""How many of them may be parents or children, so that more distant ones have room too."""
MOST_GENERATIONS: dict[Subject, int] = {"image": 3, "version": 12}


def notable(reader: ReaderKind) -> Any:
    """The notable versions of the image: the newest, the revoked or deprecated, and branch points.

    `also` is the newest child of a version with several children.
    """
    return _union(_newest(reader, MOST_NEWEST), _flagged(reader), _forks(reader))


def neighbours(reader: ReaderKind) -> Any:
    """The image's newest versions, and those just before and after the version at `at`, `id`."""
    return _union(
        *(_neighbours_on_one_side(reader, older) for older in (True, False)),
        _newest(reader, MOST_NEIGHBOURS),
    )


def _union(*queries: Any) -> Any:
    """The rows of several limited queries, in the order of the queries."""
    parts = [query.subquery() for query in queries]
    ranked = [select(it.c.n, it.c.also, literal(at).label("rank")) for at, it in enumerate(parts)]
    every = ranked[0].union_all(*ranked[1:]).subquery()
    return select(every.c.n, every.c.also).order_by(every.c.rank, every.c.n.desc())


def _of_image(
    version: FromClause, reader: ReaderKind, *where: Predicate, oldest: bool = False
) -> Any:
    """Versions of the image, newest first."""
    order = [it if oldest else it.desc() for it in (version.c.start_date, version.c.id)]
    return (
        select(version.c.n, literal(None, Integer).label("also"))
        .where(version.c.image_id == param("image", Key), *where, access.readable(version, reader))
        .order_by(*order)
    )


def _newest(reader: ReaderKind, most: int) -> Any:
    return _of_image(schema.versions.alias(), reader).limit(most)


def _flagged(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    bad = or_(states.revoked(version), states.deprecated(version))
    return _of_image(version, reader, access.open_now(version), bad).limit(MOST_FLAGGED)


def _neighbours_on_one_side(reader: ReaderKind, older: bool) -> Any:
    version = schema.versions.alias()
    place = tuple_(version.c.start_date, version.c.id)
    root = tuple_(param("at", Moment), param("id", Id))
    nearer = place < root if older else place > root
    return _of_image(version, reader, nearer, oldest=not older).limit(MOST_NEIGHBOURS)


def _forks(reader: ReaderKind) -> Any:
    parent, child = schema.versions.alias(), schema.versions.alias()
    return (
        select(parent.c.n, func.max(child.c.n).label("also"))
        .select_from(child.join(parent, parent.c.n == child.c.parent_n))
        .where(
            child.c.image_id == param("image", Key),
            parent.c.image_id == param("image", Key),
            access.readable(child, reader),
            access.readable(parent, reader),
        )
        .group_by(parent.c.n, parent.c.start_date, parent.c.id)
        .having(func.count() > 1)
        .order_by(parent.c.start_date.desc(), parent.c.id.desc())
        .limit(MOST_FORKS)
    )


def targets_of_channels(reader: ReaderKind) -> Any:
    """The image's channels that the reader sees and whose target they may read, with the target."""
    channel, version = schema.channels.alias(), schema.versions.alias()
    return (
        select(channel.c.name, version.c.n)
        .where(
            channel.c.image_id == param("image", Key),
            access.readable(channel, reader),
            version.c.n == channel_targets.target(channel, reader),
            access.readable(version, reader),
        )
        .order_by(channel.c.name)
        .limit(MOST_CHANNELS)
    )


def relatives(reader: ReaderKind, up: bool, of: Subject) -> Any:
    """Ancestors or descendants, nearest and newest first: n, image_id, `distance`, and `via`, the
    child or parent through which each was found.

    For a version they are its own, in all images. For an image they are those of all its versions,
    in other images.
    """
    line = _direct_relatives(reader, up, of).cte("above" if up else "below", recursive=True)
    version = schema.versions.alias()
    step = version.c.n == line.c.parent_n if up else version.c.parent_n == line.c.n
    further = select(
        version.c.n,
        version.c.parent_n,
        version.c.image_id,
        version.c.start_date,
        line.c.n.label("via"),
        (line.c.distance + 1).label("distance"),
    ).where(
        step,
        line.c.distance < MOST_GENERATIONS[of],
        _elsewhere(version, of),
        access.readable(version, reader),
    )
    # UNION removes duplicates, so the ancestors of a version with many children are found once.
    # Both databases search breadth first and stop at the limit.
    enough = select(line.union(further)).limit(MOST_RELATIVES[up] + 1).subquery()
    return select(enough.c.n, enough.c.image_id, enough.c.via, enough.c.distance).order_by(
        enough.c.distance, enough.c.start_date.desc(), enough.c.n.desc(), enough.c.via.desc()
    )


def _direct_relatives(reader: ReaderKind, up: bool, of: Subject) -> Any:
    one, version = schema.versions.alias(), schema.versions.alias()
    step = version.c.n == one.c.parent_n if up else version.c.parent_n == one.c.n
    middle, order = one.c.n == param("root", Key), [version.c.n.desc()]
    if of == "image":
        middle = one.c.image_id == param("image", Key)
        order = [one.c.start_date.desc(), one.c.id.desc(), *order]
    found = (
        select(
            version.c.n,
            version.c.parent_n,
            version.c.image_id,
            version.c.start_date,
            one.c.n.label("via"),
            literal(1, Integer).label("distance"),
        )
        .select_from(one.join(version, step))
        .where(
            middle,
            _elsewhere(version, of),
            access.readable(one, reader),
            access.readable(version, reader),
        )
        .order_by(*order)
        .limit(MOST_DIRECT[up] + 1)
        .subquery()
    )
    return select(*found.c)


def _elsewhere(version: FromClause, of: Subject) -> Predicate:
    return version.c.image_id != param("image", Key) if of == "image" else true()


def gaps(reader: ReaderKind) -> Any:
    """Between which of the versions `ns` of the image the reader may read others: the `count` of the
    others, and the ids `older` (null before the first of `ns`) and `newer`.

    Each version of the image is counted once, without numbering them all.
    """
    shown, other = schema.versions.alias(), schema.versions.alias()
    by = (shown.c.start_date, shown.c.id)
    places = (
        select(
            shown.c.id,
            shown.c.start_date,
            func.lag(shown.c.id).over(order_by=by).label("older"),
            func.lag(shown.c.start_date).over(order_by=by).label("older_date"),
        )
        .where(in_list(shown.c.n, "ns"), access.readable(shown, reader))
        .subquery()
    )
    place = tuple_(other.c.start_date, other.c.id)
    after = tuple_(
        func.coalesce(places.c.older_date, schema.BEGINNING_OF_TIME, type_=Moment()),
        func.coalesce(places.c.older, literal(str(UUID(int=0)), Id()), type_=Id()),
    )
    between = select(func.count()).where(
        other.c.image_id == param("image", Key),
        place > after,
        place < tuple_(places.c.start_date, places.c.id),
        access.readable(other, reader),
    )
    counted = select(
        between.correlate(places).scalar_subquery().label("count"),
        places.c.older,
        places.c.id.label("newer"),
        places.c.start_date,
    ).subquery()
    return (
        select(counted.c.count, counted.c.older, counted.c.newer)
        .where(counted.c.count > 0)
        .order_by(counted.c.start_date, counted.c.newer)
    )


def nodes(reader: ReaderKind) -> Any:
    """What the nodes of the versions `ns` show."""
    version, parent, image = (
        schema.versions.alias(),
        schema.versions.alias(),
        schema.images.alias(),
    )
    built_on = and_(parent.c.n == version.c.parent_n, access.readable(parent, reader))
    return (
        select(
            version.c.n,
            version.c.id,
            version.c.parent_n,
            version.c.name,
            states.state(version).label("state"),
            version.c.start_date,
            version.c.end_date,
            states.revoked(version).label("revoked"),
            parent.c.image_id.label("parent_image"),
            states.stale(version, reader).label("stale"),
            image.c.id.label("image_id"),
            image.c.slug,
            image.c.name.label("image_name"),
        )
        .select_from(
            version.join(image, image.c.id == version.c.image_id).outerjoin(parent, built_on)
        )
        .where(in_list(version.c.n, "ns"), access.readable(version, reader))
        .order_by(version.c.start_date, version.c.id)
    )


def channel_targets_elsewhere(reader: ReaderKind) -> Any:
    """The channels visible to the reader whose targets are among the versions `ns`."""
    return _by_name(reader).union(_by_latest(reader))


def _by_name(reader: ReaderKind) -> Any:
    version, channel = schema.versions.alias(), schema.channels.alias()
    entry = schema.assignments.alias()
    return (
        select(version.c.n, channel.c.name)
        .select_from(
            version.join(entry, entry.c.version_n == version.c.n).join(
                channel, channel.c.id == entry.c.channel_id
            )
        )
        .where(
            in_list(version.c.n, "ns"),
            access.readable(version, reader),
            access.readable(channel, reader),
            channel_targets.target(channel, reader) == version.c.n,
        )
    )


def _by_latest(reader: ReaderKind) -> Any:
    version, channel = schema.versions.alias(), schema.channels.alias()
    # Check first whether the version can be `latest`: for an image that offers the reader nothing,
    # computing `latest` would read all versions.
    may = and_(
        channel_targets.eligible_for_latest(version, reader),
        channel_targets.has_launchable(version, reader),
    )
    found = case((may, channel_targets.latest(version.c.image_id, reader)), else_=None)
    return (
        select(version.c.n, channel.c.name)
        .select_from(version.join(channel, channel.c.image_id == version.c.image_id))
        .where(
            in_list(version.c.n, "ns"),
            access.readable(version, reader),
            channel.c.name == LATEST,
            access.readable(channel, reader),
            found == version.c.n,
        )
    )
