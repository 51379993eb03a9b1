"""Recursive queries over versions: the ancestors or descendants of one, and chains of references."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import FromClause, Integer, exists, literal, select

from goldenrod.rules.access import Predicate
from goldenrod.store import schema
from goldenrod.store.sql import Key, in_list, param

Condition = Callable[[FromClause, FromClause], Predicate]
"""Whether the walk goes on to a version from a row of the walk: `condition(version, line)`."""


def line(root: str, *, up: bool, condition: Condition | None = None) -> Any:
    """A version and its ancestors (`up`) or descendants: `n`, `parent_n` and `distance` of each.

    `root` names the parameter with the key of the version, whose distance is 0.
    """
    start = schema.versions.alias()
    walked = (
        select(start.c.n, start.c.parent_n, literal(0, Integer).label("distance"))
        .where(start.c.n == param(root, Key))
        .cte("above" if up else "below", recursive=True)
    )
    version = schema.versions.alias()
    step = version.c.n == walked.c.parent_n if up else version.c.parent_n == walked.c.n
    further = select(
        version.c.n, version.c.parent_n, (walked.c.distance + 1).label("distance")
    ).where(step)
    if condition is not None:
        further = further.where(condition(version, walked))
    return walked.union_all(further)


def below() -> Any:
    """The versions `roots` and all that descend from them, each once."""
    start, version = schema.versions.alias(), schema.versions.alias()
    walked = select(start.c.n).where(in_list(start.c.n, "roots")).cte("below", recursive=True)
    found = walked.union(select(version.c.n).where(version.c.parent_n == walked.c.n))
    return select(found.c.n)


def reaches(link: str) -> Any:
    """Whether following a column (`parent_n`, `replacement_n`) from the version `start` reaches the
    version `target`. A version reaches itself. Ends even where the references form a cycle."""
    version, further = schema.versions.alias(), schema.versions.alias()
    chain = (
        select(version.c.n, version.c[link].label("next"))
        .where(version.c.n == param("start", Key))
        .cte("chain", recursive=True)
    )
    chain = chain.union(select(further.c.n, further.c[link]).where(further.c.n == chain.c.next))
    return select(literal(1)).where(exists().where(chain.c.n == param("target", Key)))
