"""Numbers of versions, stored, so that lists have exact counts without counting.

`scope_counts` has the number of versions in each scope at one instant, `catalogue.counted_at`:

    ALL         every version: what staff may read
    PUBLIC      what everybody may read: public and open
    a group     what it may read and not everybody: its `shares` that are not public and open

A change adds its difference to these numbers, in its own transaction. What opened or closed between
that instant and now is counted on request, from ranges of indexes; `catch_up` keeps this interval
short. So a count is right at any reading of the clock, also after it was set back.
`placement_counts.py` stores others with them, by machines. `readable_counts.py` makes of all these
numbers what a reader may read.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)

from goldenrod.base.clock import Instant, later
from goldenrod.base.errors import Unavailable
from goldenrod.rules.access import NOW, Predicate, open_at
from goldenrod.rules.visibility import placement_counts
from goldenrod.rules.visibility.intervals import closed, interval, opened, within
from goldenrod.rules.visibility.placement_counts import Placements
from goldenrod.store import schema
from goldenrod.store.db import Database, Tx
from goldenrod.store.sql import Key, given_rows, in_list, insert_or_update

ALL = -1
PUBLIC = 0
"""The scopes other than groups."""

RECOUNT_WAIT_S = 120
"""How long a command that starts waits for others that change the catalogue or count again."""
CATCH_UP_AFTER_S = 10
"""A change brings the counts to now where they are older than this."""

Counts = Counter[int]
"""Numbers of versions by scope."""

_V, _S = schema.versions, schema.shares
_SCOPES, _CATALOGUE = schema.scope_counts, schema.catalogue


class StoredCounts(NamedTuple):
    """The stored counts, and their instant."""

    at: Instant
    n: Counts


def read(tx: Tx, scopes: Iterable[int]) -> StoredCounts:
    """The stored counts of these scopes."""
    rows = tx.rows(_stored, scopes=list(scopes))
    return StoredCounts(rows[0]["counted_at"], Counter({row["scope"]: row["n"] for row in rows}))


def _stored() -> Any:
    asked = in_list(_SCOPES.c.scope, "scopes")
    return select(_CATALOGUE.c.counted_at, _SCOPES.c.scope, _SCOPES.c.n).select_from(
        _CATALOGUE.outerjoin(_SCOPES, asked)
    )


def hidden_at(share: FromClause, at: ColumnElement[Any]) -> Predicate:
    """The group may read the version at this instant, and not everybody may."""
    opened = open_at(share, at)
    return or_(and_(~share.c.public, or_(share.c.as_editor, opened)), and_(share.c.public, ~opened))


# What opened and closed between two instants


def _opened_and_closed() -> Any:
    """The change of each scope's count between the two instants."""
    parts = []
    for by, turned in ((1, opened), (-1, closed)):
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


@contextmanager
def counting(tx: Tx, column: str, keys: Sequence[int]) -> Iterator[None]:
    """What the block changes of the versions with these keys in a column, or of their machines, is
    added to the counts."""
    if not keys:
        yield
        return
    before = _contributed(tx, column, keys)
    if _caught_up(tx, before.at):
        before = _contributed(tx, column, keys)
    yield
    after = _contributed(tx, column, keys)
    after.scopes.subtract(before.scopes)
    add(tx, after.scopes)
    after.placements.subtract(before.placements)
    placement_counts.add(tx, after.placements)


def counting_machine(
    tx: Tx, version_key: int, columns: Iterable[str]
) -> AbstractContextManager[None]:
    """The same for a change of these columns of a machine of a version."""
    counts = not {"start_date", "end_date", "architecture"}.isdisjoint(columns)
    return counting(tx, "n", [version_key] if counts else [])


class _Contributed(NamedTuple):
    """What some versions add to the stored counts, and the instant of these counts."""

    at: Instant
    scopes: Counts
    placements: Placements


def _contributed(tx: Tx, column: str, keys: Sequence[int]) -> _Contributed:
    """What the versions with these keys in a column add."""
    rows = tx.rows(_contributions, column, keys=list(keys))
    return _Contributed(
        rows[0]["counted_at"],
        Counter({row["scope"]: row["n"] for row in rows if row["scope"] is not None}),
        placement_counts.counter(row for row in rows if row["placement"] is not None),
    )


def _contributions(column: str) -> Any:
    """By scope and by placement, in one statement. PUBLIC always has a row, so there is an instant."""
    at = select(_CATALOGUE.c.counted_at).scalar_subquery()
    scopes = [
        select(
            scope.label("scope"), null().label("placement"), n.label("n"), at.label("counted_at")
        )
        for scope, n in (it.subquery().c for it in _contribution(column).selects)
    ]
    placed = placement_counts.contribution(column).subquery()
    return union_all(*scopes, select(null(), placed.c.placement, placed.c.n, at))


def _contribution(column: str | None) -> Any:
    """What the versions with these keys in a column, or all, add to each scope but ALL."""
    at = select(_CATALOGUE.c.counted_at).scalar_subquery()
    public = select(literal(PUBLIC, Key).label("scope"), func.count().label("n")).where(
        _V.c.public, open_at(_V, at)
    )
    shared = select(_S.c.group_id, func.count()).where(hidden_at(_S, at)).group_by(_S.c.group_id)
    if column is not None:
        chosen = in_list(_V.c[column], "keys")
        public = public.where(chosen)
        which = select(_V.c.n).where(chosen)
        shared = shared.where(in_list(_S.c.n, "keys") if column == "n" else _S.c.n.in_(which))
    return union_all(public, shared)


def add_version(tx: Tx) -> None:
    """Count a new version in ALL. `denormalised` counts it in the other scopes."""
    add(tx, Counter({ALL: 1}))


def add(tx: Tx, difference: Counts) -> None:
    """Add to the stored counts."""
    given = [[scope, by] for scope, by in difference.items() if by]
    if given:
        tx.change(_add, tx.dialect, difference=json.dumps(given))


def _add(dialect: str) -> Any:
    rows = given_rows(dialect, "difference", Key, Key)
    return insert_or_update(dialect, _SCOPES, rows, lambda new: {"n": _SCOPES.c.n + new.n})


def catch_up(tx: Tx) -> None:
    """Bring the counts to now where they are too old, or of an instant in the future."""
    _caught_up(tx, read(tx, ()).at)


def _caught_up(tx: Tx, at: Instant) -> bool:
    """Bring counts of this instant to now where they are too old, or of the future; whether it was
    needed."""
    if later(tx.now, seconds=-CATCH_UP_AFTER_S) <= at <= later(tx.now, seconds=CATCH_UP_AFTER_S):
        return False
    between, sign = interval(at, tx.now)
    rows = tx.rows(_opened_and_closed, **between)
    placements = placement_counts.turned(tx, **between)
    with tx.unseen():
        add(tx, Counter({row["scope"]: sign * row["n"] for row in rows}))
        placement_counts.add(tx, Counter({it: sign * n for it, n in placements.items()}))
        placement_counts.forget_unused(tx)
        if sign == 1:
            tx.change(_mark_past, **between)
        tx.change(_set_counted, now=tx.now)
    return True


def _mark_past() -> Any:
    """Mark versions that ended in the interval, so that lists can skip them."""
    ended = within(_V.c.closes_at)
    return update(_V).values(ended_hint=True).where(_V.c.public, ~_V.c.ended_hint, ended)


def _set_counted() -> Any:
    return update(_CATALOGUE).values(counted_at=NOW)


def kept(catalogue: FromClause) -> Predicate:
    """Every change since the last recount has updated the counts by machines."""
    is_it: Predicate = catalogue.c.counts_until == catalogue.c.revision
    return is_it


def recount_machines_if_needed(db: Database) -> None:
    """Count by machines again if a server of an earlier release has not updated these counts. Waits for
    another process that is doing so. Raises Unavailable."""
    until = time.monotonic() + RECOUNT_WAIT_S
    while True:
        with db.read() as tx:
            if tx.value(_kept):
                return
        try:
            with db.write() as tx:
                if not tx.value(_kept):
                    placement_counts.recount(tx)
                    tx.change(_set_kept)
                return
        except Unavailable:
            if time.monotonic() > until:
                raise


def _kept() -> Any:
    return select(kept(_CATALOGUE))


def _set_kept() -> Any:
    return update(_CATALOGUE).values(counts_until=_CATALOGUE.c.revision)


def recount(tx: Tx) -> None:
    """Count all versions, shares and machines again."""
    tx.change(_set_counted, now=tx.now)
    tx.change(_SCOPES.delete)
    tx.change(_count_all)
    placement_counts.recount(tx)
    tx.change(_set_kept)


def _count_all() -> Any:
    every = select(literal(ALL, Key), func.count()).select_from(_V)
    return insert(_SCOPES).from_select(
        ["scope", "n"], union_all(every, *_contribution(None).selects)
    )
