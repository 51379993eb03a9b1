"""What `around.py` asks of the database: which versions matter, their kin, and what each shows.

Each statement starts from an index: an image's versions, or the parents or children of some. Every
version that comes out is one that the reader may read; kin goes on only through such.
"""

from typing import Any, Literal

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
from goldenrod.rules.lifecycle import states
from goldenrod.rules.lifecycle.states import LATEST
from goldenrod.store import schema
from goldenrod.store.sql import Id, Key, Moment, in_list, param

Middle = Literal["image", "version"]
"""What is asked about."""

NEWEST = 10
TROUBLED = 12
FORKS = 20
CHANNELS = 40
BESIDE = 3
"""Around a version: how many of its image just before it, just after it, and newest of all."""
MOST_KIN = {True: 80, False: 160}
"""How many above (True) and below are looked at, nearest first."""
NEXT_OF_KIN = {True: 60, False: 120}
"""How many of them may be parents or children: what is further away is to have room too."""
GENERATIONS: dict[Middle, int] = {"image": 3, "version": 12}


def matter(reader: ReaderKind) -> Any:
    """The versions that matter of the image: the newest, the troubled, those with several children.

    `also` is the newest child of one that has several.
    """
    return _all_of(_newest(reader, NEWEST), _troubled(reader), _forks(reader))


def beside(reader: ReaderKind) -> Any:
    """Of the image the newest, and those just before and just after the version at `at`, `id`."""
    return _all_of(*(_next_to(reader, older) for older in (True, False)), _newest(reader, BESIDE))


def _all_of(*queries: Any) -> Any:
    """The rows of queries that are each limited, in the order of the queries."""
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


def _troubled(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    bad = or_(states.revoked(version), states.deprecated(version))
    return _of_image(version, reader, access.open_now(version), bad).limit(TROUBLED)


def _next_to(reader: ReaderKind, older: bool) -> Any:
    version = schema.versions.alias()
    place = tuple_(version.c.start_date, version.c.id)
    root = tuple_(param("at", Moment), param("id", Id))
    nearer = place < root if older else place > root
    return _of_image(version, reader, nearer, oldest=not older).limit(BESIDE)


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
        .limit(FORKS)
    )


def pointed(reader: ReaderKind) -> Any:
    """The image's channels that the reader sees, each with its target, if they may read that."""
    channel, version = schema.channels.alias(), schema.versions.alias()
    return (
        select(channel.c.name, version.c.n)
        .where(
            channel.c.image_id == param("image", Key),
            access.readable(channel, reader),
            version.c.n == states.target(channel, reader),
            access.readable(version, reader),
        )
        .order_by(channel.c.name)
        .limit(CHANNELS)
    )


def kin(reader: ReaderKind, up: bool, of: Middle) -> Any:
    """Ancestors or descendants, nearest and newest first: n, image_id, `far`, and `near`, the child
    or parent that each was found through.

    Of a version: of it alone, in all images. Of an image: of all its versions, in other images.
    """
    line = _next_of_kin(reader, up, of).cte("above" if up else "below", recursive=True)
    version = schema.versions.alias()
    step = version.c.n == line.c.parent_n if up else version.c.parent_n == line.c.n
    further = select(
        version.c.n,
        version.c.parent_n,
        version.c.image_id,
        version.c.start_date,
        line.c.n.label("near"),
        (line.c.far + 1).label("far"),
    ).where(
        step,
        line.c.far < GENERATIONS[of],
        _elsewhere(version, of),
        access.readable(version, reader),
    )
    # UNION: many may be built on one, whose own ancestors are then found once. Both databases go
    # on only until there are enough, breadth first.
    enough = select(line.union(further)).limit(MOST_KIN[up] + 1).subquery()
    return select(enough.c.n, enough.c.image_id, enough.c.near, enough.c.far).order_by(
        enough.c.far, enough.c.start_date.desc(), enough.c.n.desc(), enough.c.near.desc()
    )


def _next_of_kin(reader: ReaderKind, up: bool, of: Middle) -> Any:
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
            one.c.n.label("near"),
            literal(1, Integer).label("far"),
        )
        .select_from(one.join(version, step))
        .where(
            middle,
            _elsewhere(version, of),
            access.readable(one, reader),
            access.readable(version, reader),
        )
        .order_by(*order)
        .limit(NEXT_OF_KIN[up] + 1)
        .subquery()
    )
    return select(*found.c)


def _elsewhere(version: FromClause, of: Middle) -> Predicate:
    return version.c.image_id != param("image", Key) if of == "image" else true()


def places(reader: ReaderKind) -> Any:
    """Where each of the versions `ns` stands among the image's that the reader may read, from 1."""
    version = schema.versions.alias()
    order = (version.c.start_date, version.c.id)
    every = (
        select(version.c.n, func.row_number().over(order_by=order).label("place"))
        .where(version.c.image_id == param("image", Key), access.readable(version, reader))
        .subquery()
    )
    return select(every.c.n, every.c.place).where(in_list(every.c.n, "ns"))


def heads(reader: ReaderKind) -> Any:
    """Of each image that a parent of one of the versions `ns` is of: its newest current version.

    A version is stale where its parent is older than that: what `lifecycle.stale` says, asked once
    for each image.
    """
    child, parent, version = (schema.versions.alias() for _ in range(3))
    images = (
        select(parent.c.image_id)
        .select_from(child.join(parent, parent.c.n == child.c.parent_n))
        .where(
            in_list(child.c.n, "ns"),
            access.readable(child, reader),
            access.readable(parent, reader),
        )
        .distinct()
        .subquery()
    )
    newest = (
        select(version.c.n)
        .where(
            version.c.image_id == images.c.image_id,
            states.is_current(version),
            access.readable(version, reader),
        )
        .order_by(version.c.start_date.desc(), version.c.id.desc())
        .limit(1)
        .correlate(images)
        .scalar_subquery()
    )
    head = schema.versions.alias()
    return (
        select(head.c.image_id, head.c.start_date, head.c.id)
        .select_from(images.join(head, head.c.n == newest))
        .where(access.readable(head, reader))
    )


def nodes(reader: ReaderKind) -> Any:
    """What the versions `ns` show, and when their parents are from."""
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
            parent.c.start_date.label("parent_start"),
            parent.c.id.label("parent_id"),
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


def pointed_elsewhere(reader: ReaderKind) -> Any:
    """The channels, as far as the reader sees them, whose targets are among the versions `ns`."""
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
            states.target(channel, reader) == version.c.n,
        )
    )


def _by_latest(reader: ReaderKind) -> Any:
    version, channel = schema.versions.alias(), schema.channels.alias()
    # Whether it could be is asked first: of an image that offers the reader nothing, `latest` goes
    # through all versions to find that out.
    may = and_(states.eligible_for_latest(version, reader), states.has_launchable(version, reader))
    found = case((may, states.latest(version.c.image_id, reader)), else_=None)
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
