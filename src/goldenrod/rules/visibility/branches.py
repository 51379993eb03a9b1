"""The access rule on versions as branches of a UNION, one index each, for lists of millions.

`for_reader` gives the versions for which `access.readable` holds as several sources: public versions,
and those that each of the reader's groups may read (their personal group may read what they edit).
The first rows of each source are the first of an index, so a page costs the same for readers of all
versions and of few. tests/rules hold the two forms equal.
"""

from typing import Any, NamedTuple

from sqlalchemy import FromClause, and_, or_, select, true, union

from goldenrod.rules import access
from goldenrod.rules.access import NOW, Predicate, ReaderKind
from goldenrod.store import schema
from goldenrod.store.sql import Key, in_list, param, unindexed


class Branch(NamedTuple):
    """One source of versions: rows with `n`, `id` and the columns that lists sort by, and which of
    them the reader may read. Two branches may have the same version."""

    rows: FromClause
    shows: Predicate


MOST_BRANCHES = 64
"""Up to this number of groups, each has a branch. More groups share one branch, which is sorted."""


def params(groups: tuple[int, ...]) -> dict[str, int]:
    """The parameters of a reader's branches by group. Their number is a power of two, padded with 0,
    so that few different statements are compiled."""
    if not groups or len(groups) > MOST_BRANCHES:
        return {}
    size = 1 << (len(groups) - 1).bit_length()
    padded = (*groups, *(0 for _ in range(size - len(groups))))
    return {f"group_{index}": group for index, group in enumerate(padded)}


def for_reader(reader: ReaderKind, groups: int) -> list[Branch]:
    """Sources of exactly the versions that a reader may read.

    `groups`: the number of parameters that `params` gives.
    """
    version = schema.versions.alias()
    if reader is ReaderKind.STAFF:
        return [Branch(version, true())]
    public = [
        Branch(version, and_(~version.c.ended_hint, public_now(version))),
        _ended_hint_wrong(),
    ]
    if reader is ReaderKind.ANONYMOUS:
        return public
    if groups:
        return [*public, *(_shares(f"group_{index}") for index in range(groups))]
    return [*public, _sorted_shares()]


def public_now(version: FromClause) -> Predicate:
    """The version is public, and open now."""
    return and_(
        version.c.public,
        unindexed(version.c.opens_at) <= NOW,
        unindexed(version.c.closes_at) > NOW,
    )


_SORTED_BY = ("n", "id", "start_date", "ends_at", "name_key")


def _ended_hint_wrong() -> Branch:
    """Versions marked as ended that have not ended, because the clock was set back. Usually none."""
    version = schema.versions.alias()
    rows = (
        select(*(version.c[name] for name in _SORTED_BY))
        .where(
            version.c.public,
            version.c.ended_hint,
            version.c.opens_at <= NOW,
            version.c.closes_at > NOW,
            # An upper bound as well: planners expect few rows between two instants, but a third of
            # all rows after one.
            version.c.closes_at < schema.END_OF_TIME,
        )
        # DISTINCT keeps this a subquery, so that its index is chosen by the end, not by the order.
        .distinct()
    )
    return Branch(rows.subquery("not_ended"), true())


def _shares(group: str) -> Branch:
    share = schema.shares.alias()
    may_read = or_(share.c.as_editor, access.open_now(share))
    return Branch(share, and_(share.c.group_id == param(group, Key), may_read))


def _sorted_shares() -> Branch:
    """The versions that all of the reader's groups may read."""
    share = schema.shares.alias()
    rows = (
        select(*(share.c[name] for name in _SORTED_BY))
        .where(in_list(share.c.group_id, "groups"), or_(share.c.as_editor, access.open_now(share)))
        # Each version once, so that a limit counts versions.
        .distinct()
    )
    return Branch(rows.subquery("shared"), true())


def readable_keys(reader: ReaderKind) -> Any:
    """The keys of all versions that a reader may read, for readers of few versions."""
    keys = (select(branch.rows.c.n).where(branch.shows) for branch in for_reader(reader, 0))
    return union(*keys)
