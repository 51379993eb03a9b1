"""Numbers of versions, stored, so that lists have exact counts without counting.

`scope_counts` has the number of versions in each scope at one instant, `catalogue.counted_at`:

    ALL         every version: what staff may read
    PUBLIC      what everybody may read: public and open
    a group     what it may read and not everybody: its `shares` that are not public and open
    a provider  what everybody may read and has a current machine there (`on_provider`)

A change adds its difference to these numbers, in its own transaction. What opened or closed between
that instant and now is counted on request, from ranges of indexes; `catch_up` keeps this interval
short. So a count is right at any reading of the clock, also after it was set back.
`readable_counts.py` makes of these numbers what a reader may read.

Servers of releases before migration 0014 do not update the counts of providers. Each change moves
`catalogue.counts_until` to its revision if it was at the one before. So the counts are right while it
is at the catalogue's revision.
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
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    union,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from goldenrod.base.clock import Instant, later
from goldenrod.base.errors import Unavailable
from goldenrod.rules.access import NOW, Predicate, current, open_at
from goldenrod.store import schema
from goldenrod.store.db import Database, Tx
from goldenrod.store.sql import Key, Moment, in_list, param, unindexed

ALL = -1
PUBLIC = 0
"""The scopes other than groups and providers."""


def on_provider(provider_id: Any) -> Any:
    """The scope of a provider, from its id or the column of its id."""
    return ALL - provider_id


RECOUNT_WAIT_S = 120
"""How long a command that starts waits for others that change the catalogue or count again."""
CATCH_UP_AFTER_S = 10
"""A change brings the counts to now where they are older than this."""

Counts = Counter[int]
"""Numbers of versions by scope."""

_V, _S, _M = schema.versions, schema.shares, schema.machines
_SCOPES, _CATALOGUE = schema.scope_counts, schema.catalogue
FIRST, LAST = param("first", Moment), param("last", Moment)
"""The two instants between which versions and machines open and close."""


class StoredCounts(NamedTuple):
    """The stored counts, and their instant."""

    at: Instant
    n: Counts


def interval(at: Instant, now: Instant) -> tuple[dict[str, Instant], int]:
    """The two instants to look between for counts of `at`, and 1; -1 where the clock was set back."""
    if at <= now:
        return {"first": at, "last": now}, 1
    return {"first": now, "last": at}, -1


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


def opened(thing: FromClause) -> Predicate:
    """It opened after the first, up to the last, and is open at the last."""
    return and_(thing.c.opens_at > FIRST, thing.c.opens_at <= LAST, thing.c.closes_at > LAST)


def closed(thing: FromClause) -> Predicate:
    """It was open at the first, and closed after it, up to the last."""
    return and_(thing.c.closes_at > FIRST, thing.c.closes_at <= LAST, thing.c.opens_at <= FIRST)


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
    placed = _turned_on_providers(None)
    parts.append(select(on_provider(placed.c.provider_id), _turn(placed)))
    every = union_all(*parts).subquery("every")
    return select(every.c.scope, func.sum(every.c.n).label("n")).group_by(every.c.scope)


def turned_on_provider(provider: ColumnElement[int]) -> Any:
    """The change of a provider's count between the two instants, as a query of one number."""
    placed = _turned_on_providers(provider)
    turned = func.coalesce(func.sum(_turn(placed)), literal(0, Key))
    return select(turned).select_from(placed)


def _turned_on_providers(provider: ColumnElement[int] | None) -> FromClause:
    """Pairs of a version and a provider between the two instants: the version, or a machine of it
    there, opened or closed. Each once."""
    pair = select(_M.c.version_n, _M.c.provider_id)
    if provider is not None:
        # Of expressions, so that the index of instants is used and not that of providers.
        pair = pair.where(on_provider(_M.c.provider_id) == on_provider(provider))
    of_version = pair.join(_V, _V.c.n == _M.c.version_n).where(_V.c.public)
    return union(
        *(of_version.where(turned(_V)) for turned in (opened, closed)),
        *(pair.where(date > FIRST, date <= LAST) for date in (_M.c.start_date, _M.c.end_date)),
    ).subquery("turned")


def _turn(pair: FromClause) -> ColumnElement[int]:
    """What a pair of a version and a provider adds to the provider's count at the last instant, less
    what it added at the first."""

    def counts(at: ColumnElement[Any]) -> ColumnElement[int]:
        version, machine = _V.alias(), _M.alias()
        shown = exists().where(
            version.c.n == pair.c.version_n, version.c.public, open_at(version, at)
        )
        placed = exists().where(
            machine.c.version_n == pair.c.version_n,
            unindexed(machine.c.provider_id) == pair.c.provider_id,
            current(machine, at),
        )
        both = and_(shown.correlate(pair), placed.correlate(pair))
        return case((both, literal(1, Key)), else_=literal(0, Key))

    return counts(LAST) - counts(FIRST)


# Updating


@contextmanager
def counting(tx: Tx, column: str, keys: Sequence[int]) -> Iterator[None]:
    """What the block changes of the versions with these keys in a column, or of their machines, is
    added to the counts."""
    if not keys:
        yield
        return
    catch_up(tx)
    difference = _contributed(tx, column, keys)
    yield
    before, difference = difference, _contributed(tx, column, keys)
    difference.subtract(before)
    add(tx, difference)


def counting_machine(
    tx: Tx, version_key: int, columns: Iterable[str]
) -> AbstractContextManager[None]:
    """The same for a change of these columns of a machine of a version."""
    counts = not {"start_date", "end_date"}.isdisjoint(columns)
    return counting(tx, "n", [version_key] if counts else [])


def _contributed(tx: Tx, column: str, keys: Sequence[int]) -> Counts:
    rows = tx.rows(_contribution, column, keys=list(keys))
    return Counter({row["scope"]: row["n"] for row in rows})


def _contribution(column: str | None) -> Any:
    """What the versions with these keys in a column, or all, add to each scope but ALL."""
    at = select(_CATALOGUE.c.counted_at).scalar_subquery()
    public = select(literal(PUBLIC, Key).label("scope"), func.count().label("n")).where(
        _V.c.public, open_at(_V, at)
    )
    shared = select(_S.c.group_id, func.count()).where(hidden_at(_S, at)).group_by(_S.c.group_id)
    placed = _on_providers(at)
    if column is not None:
        chosen = in_list(_V.c[column], "keys")
        public, placed = public.where(chosen), placed.where(chosen)
        which = select(_V.c.n).where(chosen)
        shared = shared.where(in_list(_S.c.n, "keys") if column == "n" else _S.c.n.in_(which))
    return union_all(public, shared, placed)


def _on_providers(at: ColumnElement[Any]) -> Any:
    """How many versions that everybody may read at this instant have a current machine on each
    provider."""
    return (
        select(on_provider(_M.c.provider_id), func.count(_V.c.n.distinct()))
        .select_from(_V.join(_M, _M.c.version_n == _V.c.n))
        .where(_V.c.public, open_at(_V, at), current(_M, at))
        .group_by(_M.c.provider_id)
    )


def add_version(tx: Tx) -> None:
    """Count a new version in ALL. `denormalised` counts it in the other scopes."""
    add(tx, Counter({ALL: 1}))


def add(tx: Tx, difference: Counts) -> None:
    """Add to the stored counts."""
    given = {scope: by for scope, by in difference.items() if by}
    if given:
        tx.change(_add, tx.dialect, difference=json.dumps(given))


def _add(dialect: str) -> Any:
    difference = param("difference")
    insert: Any = sqlite.insert
    pairs = func.json_each(difference)
    if dialect == "postgresql":
        insert, pairs = postgresql.insert, func.json_each_text(cast(difference, postgresql.JSON))
    pair = pairs.table_valued("key", "value")
    # SQLite reads ON CONFLICT as part of a join where the query has no WHERE.
    rows = select(cast(pair.c.key, Key), cast(pair.c.value, Key)).where(true())
    new = insert(_SCOPES).from_select(["scope", "n"], rows)
    more = {"n": _SCOPES.c.n + new.excluded.n}
    return new.on_conflict_do_update(index_elements=["scope"], set_=more)


def catch_up(tx: Tx) -> None:
    """Bring the counts to now where they are too old, or of an instant in the future."""
    stored = read(tx, ())
    if (
        later(tx.now, seconds=-CATCH_UP_AFTER_S)
        <= stored.at
        <= later(tx.now, seconds=CATCH_UP_AFTER_S)
    ):
        return
    between, sign = interval(stored.at, tx.now)
    rows = tx.rows(_opened_and_closed, **between)
    with tx.unseen():
        add(tx, Counter({row["scope"]: sign * row["n"] for row in rows}))
        if sign == 1:
            tx.change(_mark_past, **between)
        tx.change(_set_counted, now=tx.now)


def _mark_past() -> Any:
    """Mark versions that ended in the interval, so that lists can skip them."""
    ended = and_(_V.c.closes_at > FIRST, _V.c.closes_at <= LAST)
    return update(_V).values(ended_hint=True).where(_V.c.public, ~_V.c.ended_hint, ended)


def _set_counted() -> Any:
    return update(_CATALOGUE).values(counted_at=NOW)


def kept(catalogue: FromClause) -> Predicate:
    """Every change since the last recount has updated the counts of providers."""
    is_it: Predicate = catalogue.c.counts_until == catalogue.c.revision
    return is_it


def recount_providers_if_needed(db: Database) -> None:
    """Count the versions of providers again if a server of an earlier release has not updated their
    counts. Waits for another process that is doing so. Raises Unavailable."""
    until = time.monotonic() + RECOUNT_WAIT_S
    while True:
        with db.read() as tx:
            if tx.value(_kept):
                return
        try:
            with db.write() as tx:
                if not tx.value(_kept):
                    tx.change(_delete_providers)
                    tx.change(_count_providers)
                    tx.change(_set_kept)
                return
        except Unavailable:
            if time.monotonic() > until:
                raise


def _kept() -> Any:
    return select(kept(_CATALOGUE))


def _delete_providers() -> Any:
    return _SCOPES.delete().where(_SCOPES.c.scope < ALL)


def _count_providers() -> Any:
    at = select(_CATALOGUE.c.counted_at).scalar_subquery()
    return insert(_SCOPES).from_select(["scope", "n"], _on_providers(at))


def _set_kept() -> Any:
    return update(_CATALOGUE).values(counts_until=_CATALOGUE.c.revision)


def recount(tx: Tx) -> None:
    """Count all versions, shares and machines again."""
    tx.change(_set_counted, now=tx.now)
    tx.change(_SCOPES.delete)
    tx.change(_count_all)
    tx.change(_set_kept)


def _count_all() -> Any:
    every = select(literal(ALL, Key), func.count()).select_from(_V)
    return insert(_SCOPES).from_select(
        ["scope", "n"], union_all(every, *_contribution(None).selects)
    )
