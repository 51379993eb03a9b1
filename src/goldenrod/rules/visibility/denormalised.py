"""What a version repeats of its image, so that the rule never joins: kept with every change.

Of versions: `public`, `owner_id`, `created_by_id`, `opens_at`, `closes_at`, `ends_at`, `spent_at`,
`past`; who sees which otherwise than as everybody (`shares`); and how many those are (`counts.py`).
Whoever changes an image, who maintains it, a version's dates, deprecation, name or image, or a
membership calls this in the same transaction (`revoking.py` sees to `spent_at` itself); whoever fills
a whole catalogue calls `of_all` at its end.
"""

from typing import Any

from sqlalchemy import ColumnElement, Integer, func, insert, literal, or_, select, union_all
from sqlalchemy import update as update_of

from goldenrod.rules.access import NOW
from goldenrod.rules.lifecycle import states
from goldenrod.rules.visibility import stored_counts
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, earliest, latest, param

_V, _I = schema.versions, schema.images


def until_set(user_id: int, start_date: str) -> Row:
    """What a new row of a version holds until it is set: nobody sees it but its user."""
    users = dict.fromkeys(("owner_id", "created_by_id"), user_id)
    dates = dict.fromkeys(("opens_at", "closes_at", "ends_at", "spent_at"), start_date)
    return {"public": False, "past": False, **users, **dates}


def of_image(tx: Tx, image_id: int) -> None:
    """Set it anew on all versions of an image."""
    _refresh(tx, "image_id", image_id)


def of_version(tx: Tx, n: int) -> None:
    """Set it anew on one version."""
    _refresh(tx, "n", n)


def of_all(tx: Tx) -> None:
    """Set it anew in the whole catalogue, whatever stood there."""
    tx.change(_denormalise, None, now=tx.now)
    tx.change(_forget_shares, None)
    tx.change(_write_shares, None)
    stored_counts.count_anew(tx)


def _refresh(tx: Tx, column: str, key: int) -> None:
    stored_counts.catch_up(tx)
    before = stored_counts.held(tx, column, key)
    tx.change(_denormalise, column, key=key, now=tx.now)
    tx.change(_forget_shares, column, key=key)
    tx.change(_write_shares, column, key=key)
    stored_counts.changed(tx, before, stored_counts.held(tx, column, key))


def _of(column: str | None) -> list[ColumnElement[bool]]:
    """The versions that are set anew: those with the key in this column, or all."""
    return [] if column is None else [_V.c[column] == param("key", Key)]


def _denormalise(column: str | None) -> Any:
    ends, image_ends = states.or_never(_V.c.end_date), states.or_never(_I.c.end_date)
    closes = earliest(ends, image_ends)
    stands = {
        "public": _I.c.is_public,
        "owner_id": _I.c.owner_id,
        "created_by_id": _I.c.created_by_id,
        "opens_at": latest(_V.c.start_date, _I.c.start_date),
        "closes_at": closes,
        "ends_at": ends,
        "spent_at": states.not_current_from(_V, closes),
        "past": closes <= NOW,
    }
    # What stands as it should is not written again, nor is any index of it.
    other = or_(*(_V.c[name] != value for name, value in stands.items()))
    return update_of(_V).values(stands).where(_I.c.id == _V.c.image_id, other, *_of(column))


def _forget_shares(column: str | None) -> Any:
    forget = schema.shares.delete()
    if column is None:
        return forget
    if column == "n":
        return forget.where(schema.shares.c.n == param("key", Key))
    return forget.where(schema.shares.c.n.in_(select(_V.c.n).where(*_of(column))))


def _write_shares(column: str | None) -> Any:
    way = _ways(column)
    rows = (
        select(
            way.c.group_id,
            _V.c.n,
            _V.c.image_id,
            _V.c.id,
            _V.c.name_key,
            _V.c.start_date,
            _V.c.ends_at,
            _V.c.opens_at,
            _V.c.closes_at,
            _V.c.public,
            way.c.kept,
        )
        .select_from(way.join(_V, _V.c.n == way.c.n))
        # The order of the table's key: of a whole catalogue's rows each goes in after the last.
        .order_by(way.c.group_id, _V.c.n)
    )
    return insert(schema.shares).from_select(
        [str(column.key) for column in rows.selected_columns], rows
    )


def _ways(column: str | None) -> Any:
    """Which groups see which versions, once each; `kept`: as keepers."""
    group, maintains, shared = schema.groups, schema.image_maintainers, schema.version_memberships
    keeps, sees = literal(1, Integer).label("kept"), literal(0, Integer).label("kept")
    own = _of(column)
    every = union_all(
        *(
            select(group.c.id.label("group_id"), _V.c.n, keeps)
            .select_from(_V.join(group, group.c.personal_of == user))
            .where(*own)
            for user in (_V.c.owner_id, _V.c.user_id)
        ),
        select(maintains.c.group_id, _V.c.n, keeps)
        .select_from(_V.join(maintains, maintains.c.image_id == _V.c.image_id))
        .where(*own),
        select(shared.c.group_id, _V.c.n, sees)
        .select_from(_V.join(shared, shared.c.version_n == _V.c.n))
        .where(*own, ~_V.c.public),
    ).subquery("every")
    kept = (func.max(every.c.kept) == 1).label("kept")
    return (
        select(every.c.group_id, every.c.n, kept)
        .group_by(every.c.group_id, every.c.n)
        .subquery("way")
    )
