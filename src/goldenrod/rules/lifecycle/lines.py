"""Columns of images that follow from their versions: `one_line` and `newest_release`.

An image is one line if each of its versions is built on the one released before it. Most images are.
`stale` and `parent_behind` need not read the lineage of such an image: what is newer than a version of
a line descends from it. `newest_release` is the latest start_date of the image's versions, whoever may
read them; null if it has none. A search uses it to read few images: no channel offers a newer release.

Whoever adds a version, or changes its image, parent or start_date, calls a function of this module.
"""

from typing import Any

from sqlalchemy import and_, exists, func, or_, select, update

from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, param

_V, _I = schema.versions, schema.images


def added(tx: Tx, version_key: int) -> None:
    """A version is new. Takes the same time in an image of any size."""
    tx.change(_add, n=version_key)


def changed(tx: Tx, image_id: int) -> None:
    """The image, parent or start_date of a version of this image is another. Reads all its versions."""
    tx.change(_find, True, image=image_id)


def find_all(tx: Tx) -> None:
    """Find both columns of all images, whatever is stored."""
    tx.change(_find, False)


def _add() -> Any:
    new, other, newest = _V.alias(), _V.alias(), _V.alias()
    before = (
        select(newest.c.n)
        .where(newest.c.image_id == _I.c.id, newest.c.n != param("n", Key))
        .order_by(newest.c.start_date.desc(), newest.c.id.desc())
        .limit(1)
        .correlate_except(newest)
        .scalar_subquery()
    )
    continues = exists().where(
        new.c.n == param("n", Key),
        other.c.n == before,
        new.c.parent_n == other.c.n,
        or_(
            new.c.start_date > other.c.start_date,
            and_(new.c.start_date == other.c.start_date, new.c.id > other.c.id),
        ),
    )
    is_line = or_(before.is_(None), and_(_I.c.one_line, continues))
    image_id = select(new.c.image_id).where(new.c.n == param("n", Key)).scalar_subquery()
    return _set(is_line).where(_I.c.id == image_id)


def _set(is_line: Any) -> Any:
    """Sets the columns of the images where they differ."""
    version = _V.alias()
    newest = (
        select(func.max(version.c.start_date, type_=version.c.start_date.type))
        .where(version.c.image_id == _I.c.id)
        .correlate_except(version)
        .scalar_subquery()
    )
    differs = or_(_I.c.one_line != is_line, _I.c.newest_release.is_distinct_from(newest))
    return update(_I).values(one_line=is_line, newest_release=newest).where(differs)


def _find(one: bool) -> Any:
    version = _V.alias()
    before = func.lag(version.c.n).over(
        partition_by=version.c.image_id, order_by=(version.c.start_date, version.c.id)
    )
    each = select(version.c.image_id, version.c.parent_n, before.label("before"))
    if one:
        each = each.where(version.c.image_id == param("image", Key))
    pairs = each.subquery()
    broken = select(pairs.c.image_id).where(
        pairs.c.before.is_not(None),
        or_(pairs.c.parent_n.is_(None), pairs.c.parent_n != pairs.c.before),
    )
    filled = select(_V.c.image_id)
    is_line = and_(_I.c.id.not_in(broken), _I.c.id.in_(filled))
    which = [_I.c.id == param("image", Key)] if one else []
    return _set(is_line).where(*which)
