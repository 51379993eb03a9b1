"""Where revocations hold: kept with each change of the lineage, so that asking is one look-up.

A revocation holds at its own version and, if it says `descendants`, at every version below it in the
lineage as it is now. `store/lifecycle.py: revocation_reach` holds exactly that for the unrestored
ones; whoever changes the lineage calls `adopt`. With it goes `spent_at` of versions.
"""

from typing import Any

from sqlalchemy import Integer, and_, exists, insert, literal, or_, select, update

from goldenrod.base.errors import Conflict
from goldenrod.rules.lifecycle import states
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, param

_V, _REACH, _R = schema.versions, schema.reach, schema.revocations


def _below(root: str) -> Any:
    """The versions of a subtree with their depth in it; the root's is 0."""
    tree = (
        select(_V.c.n, literal(0, Integer).label("depth"))
        .where(_V.c.n == param(root, Key))
        .cte("tree", recursive=True)
    )
    child = _V.alias()
    return tree.union_all(
        select(child.c.n, (tree.c.depth + 1).label("depth")).where(child.c.parent_n == tree.c.n)
    )


def subtree() -> Any:
    """A version `n` and all below it."""
    return select(_below("n").c.n)


def _spread() -> Any:
    tree = _below("n")
    rows = (
        select(tree.c.n, _R.c.id, tree.c.depth, _R.c.at, _R.c.roll_back_channels)
        .select_from(tree.join(_R, _R.c.id == param("revocation", Key)))
        .where(or_(tree.c.depth == 0, _R.c.descendants))
    )
    columns = ["n", "revocation_id", "depth", "at", "roll_back_channels"]
    return insert(_REACH).from_select(columns, rows)


def spread(tx: Tx, n: int, revocation_id: int) -> None:
    """Write where a new revocation of version `n` holds."""
    tx.change(_spread, n=n, revocation=revocation_id)
    tx.change(_spend_reached, revocation=revocation_id, none=0)


def lift(tx: Tx, revocation_id: int) -> None:
    """A revocation is restored: it holds nowhere any more."""
    tx.change(_spend_reached, revocation=revocation_id, none=revocation_id)
    tx.delete(_REACH, revocation_id=revocation_id)


def _spend_reached() -> Any:
    """When the versions that a revocation holds for are spent, by all of theirs save `none`."""
    reached = select(_REACH.c.n).where(_REACH.c.revocation_id == param("revocation", Key))
    spent = states.not_current_from(_V, _V.c.closes_at, save=param("none", Key))
    return update(_V).values(spent_at=spent).where(_V.c.n.in_(reached))


def _spend_below() -> Any:
    tree = _below("n")
    spent = states.not_current_from(_V, _V.c.closes_at)
    return update(_V).values(spent_at=spent).where(_V.c.n.in_(select(tree.c.n)))


def _leave() -> Any:
    tree = _below("n")
    inherited = select(_REACH.c.revocation_id).where(
        _REACH.c.n == param("n", Key), _REACH.c.depth > 0
    )
    return _REACH.delete().where(
        _REACH.c.n.in_(select(tree.c.n)), _REACH.c.revocation_id.in_(inherited)
    )


def _inherit() -> Any:
    tree = _below("n")
    above = _REACH.alias()
    rows = (
        select(
            tree.c.n,
            _R.c.id,
            above.c.depth + 1 + tree.c.depth,
            _R.c.at,
            _R.c.roll_back_channels,
        )
        .select_from(
            above.join(_R, and_(_R.c.id == above.c.revocation_id, _R.c.descendants)).join(
                tree, literal(True)
            )
        )
        .where(above.c.n == param("parent", Key))
    )
    columns = ["n", "revocation_id", "depth", "at", "roll_back_channels"]
    return insert(_REACH).from_select(columns, rows)


def adopt(tx: Tx, n: int, parent_n: int | None, *, new: bool = False) -> None:
    """A version has a new parent, or none: it and all below it inherit from there, and no longer
    from where they were (`new`: from nowhere; `standing` is still to be set)."""
    if not new:
        tx.change(_leave, n=n)
    if parent_n is not None:
        tx.change(_inherit, n=n, parent=parent_n)
    if not new:
        tx.change(_spend_below, n=n)


def _in_force() -> Any:
    version = _V.alias()
    return select(exists().where(version.c.n == param("n", Key), states.revoked(version)))


def require_parent(tx: Tx, parent_n: int, allowed: bool) -> None:
    """Raise Conflict below a version with a revocation in force, unless that was said."""
    if not allowed and tx.value(_in_force, n=parent_n, now=tx.now):
        raise Conflict(
            "The parent is revoked: what is built on it would be too. Say allow_revoked_parent to "
            "build on it all the same.",
            code="parent_revoked",
        )


def _replaces() -> Any:
    """Whether the version `n` is `start` or one of what replaces it, and so on."""
    version = _V
    line = (
        select(version.c.n, version.c.replacement_n)
        .where(version.c.n == param("start", Key))
        .cte("line", recursive=True)
    )
    further = version.alias()
    line = line.union(
        select(further.c.n, further.c.replacement_n).where(further.c.n == line.c.replacement_n)
    )
    return select(literal(1)).where(exists().where(line.c.n == param("n", Key)))


def require_no_circle(tx: Tx, n: int, replacement_n: int) -> None:
    """Raise Conflict where following replacements from `replacement_n` leads back to `n`."""
    if tx.value(_replaces, start=replacement_n, n=n):
        raise Conflict("Following the replacements leads in a circle.", code="replacement_cycle")
