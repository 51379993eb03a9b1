"""How many versions a reader may read: exact, without counting them one by one.

`scope_counts` has the number of versions in each scope at one instant, `catalogue.counted_at`:

    ALL         every version: what staff may read
    PUBLIC      what everybody may read: public and open
    a group     what it may read and not everybody: its `shares` that are not public and open

A change adds its difference to these numbers, in its own transaction. What opened or closed between
that instant and now is counted on request, from ranges of indexes; `catch_up` keeps this interval
short. So a count is right at any reading of the clock, also after it was set back.

A reader in groups may read what is public, what the biggest of their groups may read, and what only
the other groups may read. The last is counted one by one, each version once. Where all of their
groups may read few versions, these are all counted one by one.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
    union_all,
    update,
)

from goldenrod.base.clock import Instant, later
from goldenrod.rules.access import NOW, Actor, Predicate, ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, Moment, in_list, param, unindexed

ALL = -1
PUBLIC = 0
"""The scopes other than groups."""

COUNTED_ONE_BY_ONE = 10_000
"""Up to this many versions that a reader's groups may read, all are counted one by one."""
CATCH_UP_AFTER_S = 10
"""A change brings the counts to now where they are older than this."""

Counts = Counter[int]
"""Numbers of versions by scope."""

_V, _S = schema.versions, schema.shares
_SCOPES, _CATALOGUE = schema.scope_counts, schema.catalogue
_FIRST, _LAST = param("first", Moment), param("last", Moment)


class StoredCounts(NamedTuple):
    """The stored counts, and their instant."""

    at: Instant
    n: Counts

    def interval(self, now: Instant) -> tuple[dict[str, Instant], int]:
        """The two instants to look between, and 1; -1 where the clock was set back."""
        if self.at <= now:
            return {"first": self.at, "last": now}, 1
        return {"first": now, "last": self.at}, -1


def read(tx: Tx, scopes: Iterable[int]) -> StoredCounts:
    """The stored counts of these scopes."""
    rows = tx.rows(_stored, scopes=list(scopes))
    return StoredCounts(rows[0]["counted_at"], Counter({row["scope"]: row["n"] for row in rows}))


def _stored() -> Any:
    asked = in_list(_SCOPES.c.scope, "scopes")
    return select(_CATALOGUE.c.counted_at, _SCOPES.c.scope, _SCOPES.c.n).select_from(
        _CATALOGUE.outerjoin(_SCOPES, asked)
    )


def _open(thing: FromClause, at: ColumnElement[Any]) -> Predicate:
    return and_(thing.c.opens_at <= at, thing.c.closes_at > at)


def _adds(share: FromClause, at: ColumnElement[Any]) -> Predicate:
    """The group may read the version at this instant, and not everybody may."""
    opened = _open(share, at)
    return or_(and_(~share.c.public, or_(share.c.as_editor, opened)), and_(share.c.public, ~opened))


# What opened and closed between two instants


def _opened(thing: FromClause) -> Predicate:
    """It opened after the first, up to the last, and is open at the last."""
    return and_(thing.c.opens_at > _FIRST, thing.c.opens_at <= _LAST, thing.c.closes_at > _LAST)


def _closed(thing: FromClause) -> Predicate:
    """It was open at the first, and closed after it, up to the last."""
    return and_(thing.c.closes_at > _FIRST, thing.c.closes_at <= _LAST, thing.c.opens_at <= _FIRST)


def _opened_and_closed() -> Any:
    """The change of each scope's count between the two instants."""
    parts = []
    for by, turned in ((1, _opened), (-1, _closed)):
        shown = select(_V.c.n).where(_V.c.public, turned(_V)).subquery()
        parts += [
            select(literal(PUBLIC, Key).label("scope"), literal(by, Key).label("n")).select_from(
                shown
            ),
            # A version that everybody may read is in no group's count.
            select(_S.c.group_id, literal(-by, Key)).select_from(
                shown.join(_S, _S.c.n == shown.c.n)
            ),
            select(_S.c.group_id, literal(by, Key)).where(~_S.c.as_editor, turned(_S)),
        ]
    every = union_all(*parts).subquery("every")
    return select(every.c.scope, func.sum(every.c.n).label("n")).group_by(every.c.scope)


# Updating


def contribution(tx: Tx, column: str, key: int) -> Counts:
    """What the versions with this key in a column add to each scope's count now."""
    rows = tx.rows(_contribution, column, key=key)
    return Counter({row["scope"]: row["n"] for row in rows})


def _contribution(column: str | None) -> Any:
    at = select(_CATALOGUE.c.counted_at).scalar_subquery()
    public = select(literal(PUBLIC, Key).label("scope"), func.count().label("n")).where(
        _V.c.public, _open(_V, at)
    )
    shared = select(_S.c.group_id, func.count()).where(_adds(_S, at)).group_by(_S.c.group_id)
    if column is not None:
        key = param("key", Key)
        public = public.where(_V.c[column] == key)
        which = select(_V.c.n).where(_V.c[column] == key)
        shared = shared.where(_S.c.n == key if column == "n" else _S.c.n.in_(which))
    return union_all(public, shared)


def changed(tx: Tx, before: Counts, after: Counts) -> None:
    """A change made versions count as `after` that counted as `before`."""
    difference = after.copy()
    difference.subtract(before)
    add(tx, difference)


def add_version(tx: Tx) -> None:
    """Count a new version in ALL. `denormalised` counts it in the other scopes."""
    add(tx, Counter({ALL: 1}))


def add(tx: Tx, difference: Counts) -> None:
    """Add to the stored counts."""
    for scope, by in difference.items():
        if by and not tx.change(_more, scope=scope, by=by):
            tx.insert(_SCOPES, scope=scope, n=by)


def _more() -> Any:
    return (
        update(_SCOPES)
        .values(n=_SCOPES.c.n + param("by", Key))
        .where(_SCOPES.c.scope == param("scope", Key))
    )


def catch_up(tx: Tx) -> None:
    """Bring the counts to now where they are too old, or of an instant in the future."""
    stored = read(tx, ())
    if (
        later(tx.now, seconds=-CATCH_UP_AFTER_S)
        <= stored.at
        <= later(tx.now, seconds=CATCH_UP_AFTER_S)
    ):
        return
    between, sign = stored.interval(tx.now)
    rows = tx.rows(_opened_and_closed, **between)
    add(tx, Counter({row["scope"]: sign * row["n"] for row in rows}))
    if sign == 1:
        tx.change(_mark_past, **between)
    tx.change(_set_counted, now=tx.now)


def _mark_past() -> Any:
    """Mark versions that ended in the interval, so that lists can skip them."""
    ended = and_(_V.c.closes_at > _FIRST, _V.c.closes_at <= _LAST)
    return update(_V).values(ended_hint=True).where(_V.c.public, ~_V.c.ended_hint, ended)


def _set_counted() -> Any:
    return update(_CATALOGUE).values(counted_at=NOW)


def recount(tx: Tx) -> None:
    """Count all versions and shares again."""
    tx.change(_set_counted, now=tx.now)
    tx.change(_SCOPES.delete)
    tx.change(_count_all)


def _count_all() -> Any:
    every = select(literal(ALL, Key), func.count()).select_from(_V)
    return insert(_SCOPES).from_select(
        ["scope", "n"], union_all(every, *_contribution(None).selects)
    )


# Reading


def scopes(actor: Actor) -> tuple[int, ...]:
    """The scopes that count what the actor may read."""
    return (ALL,) if actor.reader is ReaderKind.STAFF else (PUBLIC, *actor.groups)


def count_readable(tx: Tx, actor: Actor) -> int:
    """How many versions the actor may read now."""
    counted = read(tx, scopes(actor))
    if actor.reader is ReaderKind.STAFF:
        return counted.n[ALL]
    between, sign = counted.interval(tx.now)
    biggest = _biggest(actor, counted.n)
    seen = tx.first(
        _seen,
        actor.reader,
        biggest > 0,
        now=tx.now,
        groups=[group for group in actor.groups if group != biggest],
        biggest=biggest,
        **between,
    )
    assert seen is not None
    n: int = counted.n[PUBLIC] + sign * seen["public"] + seen["rest"]
    if biggest:
        n += counted.n[biggest] + sign * seen["group"]
    return n


def _biggest(actor: Actor, n: Counts) -> int:
    """The group whose stored count is used: one that may read most of what the reader's groups may
    read, if that is much; else 0. (Checking whether another group may read a version takes longer
    than counting it.)"""
    every = sum(n[group] for group in actor.groups)
    biggest = max(actor.groups, key=lambda group: n[group], default=0)
    return biggest if every > COUNTED_ONE_BY_ONE and 2 * n[biggest] > every else 0


def _seen(reader: ReaderKind, big: bool) -> Any:
    """The changes of the public count and of the biggest group's count, and the rest's count."""
    nothing = literal(0, Key)
    public = _number(select(_V.c.n).where(_V.c.public, _opened(_V))) - _number(
        select(_V.c.n).where(_V.c.public, _closed(_V))
    )
    return select(
        public.label("public"),
        (_of_biggest() if big else nothing).label("group"),
        (_number(not_public(big)) if reader is ReaderKind.USER else nothing).label("rest"),
    )


def _number(rows: Any) -> ColumnElement[int]:
    return select(func.count()).select_from(rows.subquery()).scalar_subquery()


def _is_there(query: Any) -> Predicate:
    """A query has a row. Not an EXISTS: PostgreSQL would make it a join and read all shares of a
    group."""
    found: Predicate = query.limit(literal_column("1")).scalar_subquery().is_not(None)
    return found


_BIGGEST = param("biggest", Key)


def _of_biggest() -> ColumnElement[int]:
    opened, closed = (
        _number(
            select(_S.c.n).where(~_S.c.as_editor, turned(_S), unindexed(_S.c.group_id) == _BIGGEST)
        )
        - _number(select(_V.c.n).where(_V.c.public, turned(_V), _is_there(_of(_V, share))))
        for turned, share in ((_opened, _S.alias()), (_closed, _S.alias()))
    )
    return opened - closed


def _of(version: FromClause, share: FromClause) -> Select[Any]:
    """The biggest group's share of a version."""
    return select(share.c.n).where(share.c.group_id == _BIGGEST, share.c.n == version.c.n)


def not_public(big: bool) -> Select[Any]:
    """The versions that the reader's groups other than the biggest may read, and neither everybody
    nor the biggest may; each once."""
    one, version, share, theirs = _S.alias(), _V.alias(), _S.alias(), _S.alias()
    ours = in_list(one.c.group_id, "groups")
    scheduled = select(share.c.n).where(
        share.c.n == version.c.n, in_list(share.c.group_id, "groups")
    )
    seen = union_all(
        select(one.c.n).where(ours, ~one.c.public, one.c.as_editor),
        select(one.c.n).where(ours, ~one.c.public, ~one.c.as_editor, _open(one, NOW)),
        # Public versions that have ended, which editors may read,
        select(one.c.n).where(
            ours, one.c.public, one.c.closes_at <= NOW, one.c.closes_at < schema.END_OF_TIME
        ),
        # and those that have not begun, of which there are few anywhere.
        select(version.c.n).where(
            version.c.public,
            version.c.opens_at > NOW,
            version.c.opens_at <= schema.END_OF_TIME,
            _is_there(scheduled),
        ),
    ).subquery("readable")
    counted = ~_is_there(_of(seen, theirs).where(_adds(theirs, NOW))) if big else true()
    # SQLite groups rows in less time than a UNION takes.
    return select(seen.c.n).where(counted).group_by(seen.c.n)
