"""How many versions a reader sees, exactly, without counting them.

`scope_counts` says how many versions each way of seeing showed at one instant,
`catalogue.counted_at`:

    ALL         every version: what staff see
    PUBLIC      what everybody sees: of public images, open
    a group     what it sees besides: its `shares` of what is not public and open

A change adds what it changes of that instant's counts, in its own transaction. What opened and
closed between that instant and now, either way round, is counted when it is asked, from ranges of
indexes; `roll` keeps that interval short. So a count is exact at any reading of the clock.

A reader in groups sees what is public, what the biggest of their groups sees besides, and of what
the others see the rest, each version once: that is counted one by one, as is all that their groups
see where it is little.
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
    union,
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
"""The scopes that are no group."""

COUNTED_ONE_BY_ONE = 10_000
"""Up to so many versions, what a reader's groups see is counted one by one, all of it."""
CATCH_UP_AFTER_S = 10
"""Counts of longer ago are brought to now by the next change."""

Counts = Counter[int]
"""Versions by scope."""

_V, _S = schema.versions, schema.shares
_SCOPES, _CATALOGUE = schema.scope_counts, schema.catalogue
_FIRST, _LAST = param("first", Moment), param("last", Moment)


class StoredCounts(NamedTuple):
    """Counts as they are kept, and of which instant."""

    at: Instant
    n: Counts

    def interval(self, now: Instant) -> tuple[dict[str, Instant], int]:
        """The two instants between which to look, and 1; -1 where the clock was set back."""
        if self.at <= now:
            return {"first": self.at, "last": now}, 1
        return {"first": now, "last": self.at}, -1


def read(tx: Tx, scopes: Iterable[int]) -> StoredCounts:
    """The counts of these scopes as they are kept."""
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
    """The group sees the version at this instant, and not everybody does."""
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
    """What this changes of each scope."""
    parts = []
    for by, turned in ((1, _opened), (-1, _closed)):
        shown = select(_V.c.n).where(_V.c.public, turned(_V)).subquery()
        parts += [
            select(literal(PUBLIC, Key).label("scope"), literal(by, Key).label("n")).select_from(
                shown
            ),
            # What everybody sees, nobody sees besides.
            select(_S.c.group_id, literal(-by, Key)).select_from(
                shown.join(_S, _S.c.n == shown.c.n)
            ),
            select(_S.c.group_id, literal(by, Key)).where(~_S.c.as_editor, turned(_S)),
        ]
    every = union_all(*parts).subquery("every")
    return select(every.c.scope, func.sum(every.c.n).label("n")).group_by(every.c.scope)


# Keeping


def contribution(tx: Tx, column: str, key: int) -> Counts:
    """What the versions with this key in a column add to each scope, as they stand."""
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
    """Versions that were counted as `before` are to be counted as `after`."""
    difference = after.copy()
    difference.subtract(before)
    add(tx, difference)


def add_version(tx: Tx) -> None:
    """There is a new version; who sees it, `standing` has counted."""
    add(tx, Counter({ALL: 1}))


def add(tx: Tx, difference: Counts) -> None:
    """Add to the counts of scopes."""
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
    """Bring the counts to now, where they are of long ago, or of an instant still to come."""
    counted = read(tx, ())
    if (
        later(tx.now, seconds=-CATCH_UP_AFTER_S)
        <= counted.at
        <= later(tx.now, seconds=CATCH_UP_AFTER_S)
    ):
        return
    between, sign = counted.interval(tx.now)
    rows = tx.rows(_opened_and_closed, **between)
    add(tx, Counter({row["scope"]: sign * row["n"] for row in rows}))
    if sign == 1:
        tx.change(_mark_past, **between)
    tx.change(_set_counted, now=tx.now)


def _mark_past() -> Any:
    """What has ended need not be walked past by lists any more."""
    ended = and_(_V.c.closes_at > _FIRST, _V.c.closes_at <= _LAST)
    return update(_V).values(ended_hint=True).where(_V.c.public, ~_V.c.ended_hint, ended)


def _set_counted() -> Any:
    return update(_CATALOGUE).values(counted_at=NOW)


def recount(tx: Tx) -> None:
    """Count everything, as the versions and shares stand."""
    tx.change(_set_counted, now=tx.now)
    tx.change(_SCOPES.delete)
    tx.change(_count_all)


def _count_all() -> Any:
    every = select(literal(ALL, Key), func.count()).select_from(_V)
    return insert(_SCOPES).from_select(
        ["scope", "n"], union_all(every, *_contribution(None).selects)
    )


# Asking


def scopes(actor: Actor) -> tuple[int, ...]:
    """Where what the actor sees is counted."""
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
    """The group whose counter is worth asking: one that sees most of what the reader's groups see,
    and that is much; else 0. (To look for a version among another group's takes longer than to
    count it with them.)"""
    every = sum(n[group] for group in actor.groups)
    biggest = max(actor.groups, key=lambda group: n[group], default=0)
    return biggest if every > COUNTED_ONE_BY_ONE and 2 * n[biggest] > every else 0


def _seen(reader: ReaderKind, big: bool) -> Any:
    """What opened, less what closed, of what is public and of the biggest group; and the rest."""
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
    """A query has a row. Asked of each row apart: of an EXISTS PostgreSQL makes a join, and reads
    all shares of a group for it."""
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
    """What the reader's groups, save the biggest, see and neither everybody nor it does, each
    version once."""
    one, version, share, theirs = _S.alias(), _V.alias(), _S.alias(), _S.alias()
    ours = in_list(one.c.group_id, "groups")
    scheduled = select(share.c.n).where(
        share.c.n == version.c.n, in_list(share.c.group_id, "groups")
    )
    seen = union(
        select(one.c.n).where(ours, ~one.c.public, one.c.as_editor),
        select(one.c.n).where(ours, ~one.c.public, ~one.c.as_editor, _open(one, NOW)),
        # Of what is public its keepers see also what is over,
        select(one.c.n).where(
            ours, one.c.public, one.c.closes_at <= NOW, one.c.closes_at < schema.END_OF_TIME
        ),
        # and what is still to come: of that there is little anywhere.
        select(version.c.n).where(
            version.c.public,
            version.c.opens_at > NOW,
            version.c.opens_at <= schema.END_OF_TIME,
            _is_there(scheduled),
        ),
    ).subquery("seen")
    counted = ~_is_there(_of(seen, theirs).where(_adds(theirs, NOW))) if big else true()
    return select(seen.c.n).where(counted)
