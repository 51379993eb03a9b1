"""Who sees which version, once more: as one SELECT for each way of seeing, for lists of millions.

What `access.readable` says as one predicate, `ways` gives as sources that are merged: what is public,
and what each of the reader's groups sees (their personal group sees what they keep themselves). Of
each the first rows in a list's order are the first of an index, so that a page costs the same for a
reader who sees everything and for one who sees next to nothing. A test holds the two equal.
"""

from typing import Any, NamedTuple

from sqlalchemy import FromClause, and_, or_, select, true, union

from goldenrod.rules import access
from goldenrod.rules.access import NOW, Predicate, ReaderKind
from goldenrod.store import schema
from goldenrod.store.sql import Key, in_list, param, unindexed


class Branch(NamedTuple):
    """One way of seeing versions: rows with a version's `n`, `id` and what lists sort by, and
    which of them it shows. Two lanes may show the same version."""

    rows: FromClause
    shows: Predicate


MOST_BRANCHES = 64
"""How many of a reader's groups have a lane each; those of more share one, which is sorted whole."""


def params(groups: tuple[int, ...]) -> dict[str, int]:
    """The parameters of a reader's lanes by group: a power of two, 0 where there is no group, so
    that few statements serve all readers."""
    if not groups or len(groups) > MOST_BRANCHES:
        return {}
    places = 1 << (len(groups) - 1).bit_length()
    padded = (*groups, *(0 for _ in range(places - len(groups))))
    return {f"group_{place}": group for place, group in enumerate(padded)}


def for_reader(reader: ReaderKind, groups: int) -> list[Branch]:
    """The ways in which a reader sees versions: all that `readable` holds for, and no other.

    `groups`: how many parameters `params` gives.
    """
    version = schema.versions.alias()
    if reader is ReaderKind.STAFF:
        return [Branch(version, true())]
    public = [Branch(version, and_(~version.c.ended_hint, public_now(version))), _past()]
    if reader is ReaderKind.ANONYMOUS:
        return public
    if groups:
        return [*public, *(_shares(f"group_{place}") for place in range(groups))]
    return [*public, _sorted_shares()]


def public_now(version: FromClause) -> Predicate:
    """The version is public, and open now."""
    return and_(
        version.c.public,
        unindexed(version.c.opens_at) <= NOW,
        unindexed(version.c.closes_at) > NOW,
    )


_SORTED_BY = ("n", "id", "start_date", "ends_at", "name_key")


def _past() -> Branch:
    """What was over when the clock was further on than now: nothing, as a rule."""
    version = schema.versions.alias()
    rows = (
        select(*(version.c[name] for name in _SORTED_BY))
        .where(
            version.c.public,
            version.c.ended_hint,
            version.c.opens_at <= NOW,
            version.c.closes_at > NOW,
            # Between two instants there is little, a planner thinks; after one, a third of all.
            version.c.closes_at < schema.END_OF_TIME,
        )
        # Apart from what is asked of them, so that they are found by their end, not by the order.
        .distinct()
    )
    return Branch(rows.subquery("past"), true())


def _shares(group: str) -> Branch:
    share = schema.shares.alias()
    seen = or_(share.c.as_editor, access.open_now(share))
    return Branch(share, and_(share.c.group_id == param(group, Key), seen))


def _sorted_shares() -> Branch:
    """What all of the reader's groups see."""
    share = schema.shares.alias()
    rows = (
        select(*(share.c[name] for name in _SORTED_BY))
        .where(in_list(share.c.group_id, "groups"), or_(share.c.as_editor, access.open_now(share)))
        # Each once: a lane's first rows are to be that many versions.
        .distinct()
    )
    return Branch(rows.subquery("shared"), true())


def readable_keys(reader: ReaderKind) -> Any:
    """The keys of all versions that a reader of this sight, who sees few, may read."""
    every = (select(lane.rows.c.n).where(lane.shows) for lane in for_reader(reader, 0))
    return union(*every)
