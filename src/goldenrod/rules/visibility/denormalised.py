"""Columns that versions repeat of their image, so that the access rule needs no joins.

These are `public`, `owner_id`, `created_by_id`, `opens_at`, `closes_at`, `ends_at`,
`not_current_from` and `ended_hint` of versions, the table `shares` (which group may read which
version), and the counts of both (`stored_counts.py`). A change of an image, its maintainers, a
version's dates, deprecation, name or image, or a membership refreshes them in the same transaction.
(`revocation_reach.py` updates `not_current_from` itself.) An import of a whole catalogue calls
`refresh_all` at its end.
"""

from typing import Any

from sqlalchemy import ColumnElement, Integer, func, insert, literal, or_, select, union_all
from sqlalchemy import update as update_of

from goldenrod.rules.access import NOW
from goldenrod.rules.lifecycle import lines, states
from goldenrod.rules.visibility import stored_counts
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, earliest, latest, param

_V, _I = schema.versions, schema.images


def initial(user_id: int, start_date: str) -> Row:
    """The columns of a new version until they are refreshed."""
    users = dict.fromkeys(("owner_id", "created_by_id"), user_id)
    dates = dict.fromkeys(("opens_at", "closes_at", "ends_at", "not_current_from"), start_date)
    return {"public": False, "ended_hint": False, **users, **dates}


def refresh_image(tx: Tx, image_id: int) -> None:
    """Refresh all versions of an image."""
    _refresh(tx, "image_id", image_id)


def refresh_version(tx: Tx, n: int, *, readers: bool = True) -> None:
    """Refresh one version. `readers`: who may read it may have changed."""
    _refresh(tx, "n", n)
    if readers:
        tx.readers_changed(n)


def refresh_all(tx: Tx) -> None:
    """Refresh the whole catalogue, whatever is stored."""
    tx.change(_denormalise, None, now=tx.now)
    tx.change(_delete_shares, None)
    tx.change(_write_shares, None)
    stored_counts.recount(tx)
    lines.find_all(tx)


def _refresh(tx: Tx, column: str, key: int) -> None:
    with stored_counts.counting(tx, column, [key]):
        tx.change(_denormalise, column, key=key, now=tx.now)
        tx.change(_delete_shares, column, key=key)
        tx.change(_write_shares, column, key=key)


def _of(column: str | None) -> list[ColumnElement[bool]]:
    """The versions to refresh: those with the key in this column, or all."""
    return [] if column is None else [_V.c[column] == param("key", Key)]


def _denormalise(column: str | None) -> Any:
    ends, image_ends = states.or_never(_V.c.end_date), states.or_never(_I.c.end_date)
    closes = earliest(ends, image_ends)
    values = {
        "public": _I.c.is_public,
        "owner_id": _I.c.owner_id,
        "created_by_id": _I.c.created_by_id,
        "opens_at": latest(_V.c.start_date, _I.c.start_date),
        "closes_at": closes,
        "ends_at": ends,
        "not_current_from": states.not_current_from(_V, closes),
        "ended_hint": closes <= NOW,
    }
    # Only rows with a difference are written, as writing also updates every index.
    differs = or_(*(_V.c[name] != value for name, value in values.items()))
    return update_of(_V).values(values).where(_I.c.id == _V.c.image_id, differs, *_of(column))


def _delete_shares(column: str | None) -> Any:
    delete = schema.shares.delete()
    if column is None:
        return delete
    if column == "n":
        return delete.where(schema.shares.c.n == param("key", Key))
    return delete.where(schema.shares.c.n.in_(select(_V.c.n).where(*_of(column))))


def _write_shares(column: str | None) -> Any:
    source = _readers(column)
    rows = (
        select(
            source.c.group_id,
            _V.c.n,
            _V.c.image_id,
            _V.c.id,
            _V.c.name_key,
            _V.c.start_date,
            _V.c.ends_at,
            _V.c.opens_at,
            _V.c.closes_at,
            _V.c.public,
            source.c.as_editor,
        )
        .select_from(source.join(_V, _V.c.n == source.c.n))
        # In the order of the table's key, so that inserting a whole catalogue appends.
        .order_by(source.c.group_id, _V.c.n)
    )
    return insert(schema.shares).from_select(
        [str(column.key) for column in rows.selected_columns], rows
    )


def _readers(column: str | None) -> Any:
    """Which groups see which versions, once each; `as_editor`: as editors."""
    group, maintains, shared = schema.groups, schema.image_maintainers, schema.version_memberships
    editor, member = literal(1, Integer).label("as_editor"), literal(0, Integer).label("as_editor")
    own = _of(column)
    every = union_all(
        *(
            select(group.c.id.label("group_id"), _V.c.n, editor)
            .select_from(_V.join(group, group.c.personal_of == user))
            .where(*own)
            for user in (_V.c.owner_id, _V.c.user_id)
        ),
        select(maintains.c.group_id, _V.c.n, editor)
        .select_from(_V.join(maintains, maintains.c.image_id == _V.c.image_id))
        .where(*own),
        select(shared.c.group_id, _V.c.n, member)
        .select_from(_V.join(shared, shared.c.version_n == _V.c.n))
        .where(*own, ~_V.c.public),
    ).subquery("every")
    as_editor = (func.max(every.c.as_editor) == 1).label("as_editor")
    return (
        select(every.c.group_id, every.c.n, as_editor)
        .group_by(every.c.group_id, every.c.n)
        .subquery("readers")
    )
