"""What a version repeats of its image, so that the rule never joins: kept with every change.

`public`, `owner_id`, `opens_at` and `closes_at` of versions, and `shares`, the memberships of those
whose image is not public. Whoever changes an image, a version's dates or image, or a membership
calls this in the same transaction.
"""

from typing import Any

from sqlalchemy import ColumnElement, case, func, insert, literal, select, update

from goldenrod.base.clock import END_OF_TIME
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, Moment, param

_V, _I = schema.versions, schema.images


def of_image(tx: Tx, image_id: int) -> None:
    """Set it anew on all versions of an image."""
    _refresh(tx, "image_id", image_id)


def of_version(tx: Tx, n: int) -> None:
    """Set it anew on one version."""
    _refresh(tx, "n", n)


def _refresh(tx: Tx, column: str, key: int) -> None:
    tx.change(_denormalise, column, key=key)
    tx.change(_forget_shares, column, key=key)
    tx.change(_write_shares, column, key=key)


def _end(date: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(date, literal(END_OF_TIME, Moment()), type_=Moment())


def _denormalise(column: str) -> Any:
    opens = case((_V.c.start_date > _I.c.start_date, _V.c.start_date), else_=_I.c.start_date)
    ends, image_ends = _end(_V.c.end_date), _end(_I.c.end_date)
    return (
        update(_V)
        .values(
            public=_I.c.is_public,
            owner_id=_I.c.owner_id,
            opens_at=opens,
            closes_at=case((ends < image_ends, ends), else_=image_ends),
        )
        .where(_I.c.id == _V.c.image_id, _V.c[column] == param("key", Key))
    )


def _forget_shares(column: str) -> Any:
    mine = select(_V.c.n).where(_V.c[column] == param("key", Key))
    return schema.shares.delete().where(schema.shares.c.n.in_(mine))


def _write_shares(column: str) -> Any:
    m = schema.version_memberships
    rows = (
        select(m.c.group_id, _V.c.n, _V.c.start_date, _V.c.opens_at, _V.c.closes_at)
        .select_from(m.join(_V, _V.c.n == m.c.version_n))
        .where(_V.c[column] == param("key", Key), ~_V.c.public)
    )
    return insert(schema.shares).from_select(
        ["group_id", "n", "start_date", "opens_at", "closes_at"], rows
    )
