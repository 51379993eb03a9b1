"""Numbers of versions by their machines, stored, so that filters by provider and by architecture have
exact counts without counting.

A version's *placement* is the list of the pairs of provider and architecture that its current machines
have. `placement_counts` has, for each placement, the number of versions with it that everybody may
read, at the instant `catalogue.counted_at`. Few placements occur: releases are published to the same
regions again and again. So the number of versions on a provider, or of an architecture, is a sum over
some hundred rows, whichever providers are open to the reader.

`stored_counts.py` updates these numbers together with its own. Servers of releases before migration
0016 do not update them. Each change moves `catalogue.counts_until` to its revision if it was at the one
before. So the counts are right while it is at the catalogue's revision.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, exists, func, select, true, union, union_all

from goldenrod.rules.access import current, open_at
from goldenrod.rules.visibility.intervals import FIRST, LAST, closed, opened, within
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, given_rows, in_list, insert_or_update, json_pairs

Placements = Counter[str]
"""Numbers of versions by placement."""
MOST_LENGTH = 8_000
"""The characters of a placement, at most: about two hundred pairs."""
TOO_LONG = "null"
"""Stands for all placements that are longer: what they contain is not known."""

_V, _M = schema.versions, schema.machines
_COUNTS, _CATALOGUE = schema.placement_counts, schema.catalogue


def counter(rows: Iterable[Mapping[str, Any]]) -> Placements:
    """Rows of `placement`, as the database writes it, and `n`."""
    found = Placements()
    for row in rows:
        found[_normal(row["placement"])] += row["n"]
    return found


def _normal(written: str) -> str:
    """The one form of a placement, whatever order the database has read its pairs in."""
    pairs = sorted(set(map(tuple, json.loads(written))))
    placement = json.dumps(pairs, ensure_ascii=False, separators=(",", ":"))
    return placement if len(placement) <= MOST_LENGTH else TOO_LONG


def contribution(column: str | None) -> Any:
    """What the versions with the `keys` in a column, or all, add to each placement at the instant of
    the stored counts."""
    at = select(_CATALOGUE.c.counted_at).scalar_subquery()
    version = _V.alias()
    return _numbers(version, at, true() if column is None else in_list(version.c[column], "keys"))


def _numbers(version: FromClause, at: ColumnElement[Any], chosen: ColumnElement[Any]) -> Any:
    """The number of versions that everybody may read at this instant, by placement. A version without a
    current machine does not count."""
    machine = _M.alias()
    columns = version.c.n, machine.c.provider_id, machine.c.architecture
    pair = (
        select(*columns)
        .select_from(version.join(machine, machine.c.version_n == version.c.n))
        .where(version.c.public, open_at(version, at), current(machine, at), chosen)
        .subquery("pair")
    )
    written = json_pairs(pair.c.provider_id, pair.c.architecture)
    one = select(written.label("placement")).group_by(pair.c.n).subquery("one")
    return select(one.c.placement, func.count().label("n")).group_by(one.c.placement)


def turned(tx: Tx, **between: Any) -> Placements:
    """The difference of the counts between two instants."""
    return counter(tx.rows(_turned, **between))


def _turned() -> Any:
    between = _candidates().subquery("between")

    def numbers(at: ColumnElement[Any]) -> Any:
        version = _V.alias()
        found = _numbers(version, at, version.c.n.in_(select(between.c.n)))
        return found.subquery()

    first, last = numbers(FIRST), numbers(LAST)
    return union_all(
        select(last.c.placement, last.c.n), select(first.c.placement, (-first.c.n).label("n"))
    )


def _candidates() -> Any:
    """The versions that may have opened, closed or moved between the two instants, each once."""
    moved = [
        select(_M.c.version_n.label("n")).where(within(date))
        for date in (_M.c.start_date, _M.c.end_date)
    ]
    shown = [select(_V.c.n).where(_V.c.public, turns(_V)) for turns in (opened, closed)]
    return union(*shown, *moved)


def turn(is_placed: Any) -> ColumnElement[int]:
    """How many more versions that everybody may read had such a machine at the last instant than at the
    first. `is_placed(machine)`: it is such a machine."""
    between = _candidates().subquery("between")

    def number(at: ColumnElement[Any]) -> Any:
        version, machine = _V.alias(), _M.alias()
        placed = exists().where(
            machine.c.version_n == version.c.n, is_placed(machine), current(machine, at)
        )
        return (
            select(func.count())
            .select_from(between.join(version, version.c.n == between.c.n))
            .where(version.c.public, open_at(version, at), placed)
            .scalar_subquery()
        )

    difference: ColumnElement[int] = number(LAST) - number(FIRST)
    return difference


# Updating


def add(tx: Tx, difference: Placements) -> None:
    """Add to the stored counts."""
    given = [[_key(it), it, by] for it, by in difference.items() if by]
    if given:
        tx.change(_add, tx.dialect, difference=json.dumps(given))


def _key(placement: str) -> str:
    """A placement may be too long for an index."""
    return hashlib.blake2b(placement.encode(), digest_size=16).hexdigest()


def _add(dialect: str) -> Any:
    rows = given_rows(dialect, "difference", _COUNTS.c.key.type, _COUNTS.c.placement.type, Key)
    return insert_or_update(dialect, _COUNTS, rows, lambda new: {"n": _COUNTS.c.n + new.n})


def forget_unused(tx: Tx) -> None:
    """Remove the placements that no version has any more."""
    tx.change(_delete_unused)


def _delete_unused() -> Any:
    return _COUNTS.delete().where(_COUNTS.c.n == 0)


def recount(tx: Tx) -> None:
    """Count all versions again."""
    tx.change(_COUNTS.delete)
    add(tx, counter(tx.rows(contribution, None)))
