"""Events caused by dates: releases, ends, deprecations, revocations.

No job marks rows when a date passes. The events between two instants are found by range queries, each
on an index. A version's dates include those of its image. `events.py` gives each event the
`dedup_key` that a change causing the same event would give it.
"""

from typing import Any

from sqlalchemy import ColumnElement, String, exists, literal, or_, select, union_all

from goldenrod.rules.changes import events
from goldenrod.rules.changes.events import Event
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Moment, param

_V, _M, _R, _REACH = schema.versions, schema.machines, schema.revocations, schema.revocation_reach


def _within(
    kind: str,
    at: ColumnElement[Any],
    n: ColumnElement[int],
    image_id: ColumnElement[int],
    thing: ColumnElement[int],
    *conditions: Any,
) -> Any:
    columns = (
        literal(kind, String).label("kind"),
        at.label("at"),
        n.label("n"),
        image_id.label("image_id"),
        thing.label("thing"),
    )
    return select(*columns).where(
        at > param("since", Moment), at <= param("now", Moment), *conditions
    )


def _version(kind: str, at: ColumnElement[Any], *conditions: Any) -> Any:
    return _within(kind, at, _V.c.n, _V.c.image_id, _V.c.n, *conditions)


def _machine(kind: str, at: ColumnElement[Any], *conditions: Any) -> Any:
    return _within(kind, at, _M.c.version_n, _M.c.image_id, _M.c.id, *conditions)


def between() -> Any:
    """The events of dates after `since`, up to `now`; each part is one range of an index."""
    released = _V.c.opens_at < _V.c.closes_at
    not_empty = or_(_M.c.end_date.is_(None), _M.c.start_date < _M.c.end_date)
    reached = _R.join(_REACH, _REACH.c.revocation_id == _R.c.id).join(_V, _V.c.n == _REACH.c.n)
    unrestored = _R.c.restored_at.is_(None)
    return union_all(
        _version("version.published", _V.c.opens_at, _V.c.public, released),
        _version("version.published", _V.c.opens_at, ~_V.c.public, released),
        _version("version.deprecated", _V.c.deprecated_at),
        _version("version.ended", _V.c.closes_at, _V.c.public),
        _version("version.ended", _V.c.closes_at, ~_V.c.public),
        _machine("machine.added", _M.c.start_date, not_empty),
        _machine("machine.gone", _M.c.end_date),
        _within("version.revoked", _R.c.at, _V.c.n, _V.c.image_id, _R.c.id, unrestored).select_from(
            reached
        ),
    )


def _any() -> Any:
    return select(exists(between().subquery().select()))


def any_since(tx: Tx, since: str) -> bool:
    """Whether a date after `since`, up to now, caused an event."""
    return bool(tx.value(_any, since=since, now=tx.now))


def all_since(tx: Tx, since: str) -> list[Event]:
    """The events of dates after `since`, up to now, in their order."""
    happened = []
    for row in sorted(tx.rows(between, since=since, now=tx.now), key=lambda row: str(row["at"])):
        kind, at, thing = row["kind"], row["at"], row["thing"]
        if kind == "version.revoked":
            happened.append(events.of_revocation(row, thing, at, at))
        elif kind.startswith("machine"):
            machine = {"id": thing, "version_n": row["n"], "image_id": row["image_id"]}
            happened.append(events.of_machine(kind, machine, at, at))
        else:
            happened.append(events.of_version(kind, row, at, at))
    return happened
