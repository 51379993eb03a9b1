"""Which versions each revocation applies to, stored so that asking is one look-up.

A revocation applies to its own version and, if it has `descendants`, to every version below that in
the lineage. The table `revocation_reach` holds exactly this for unrestored revocations. Whoever
changes the lineage calls `change_parent`. These functions also update `not_current_from` of versions.
"""

from typing import Any

from sqlalchemy import and_, exists, insert, literal, or_, select, update

from goldenrod.base.errors import Conflict
from goldenrod.rules.lifecycle import lineage_walk, states
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, param

_V, _REACH, _R = schema.versions, schema.revocation_reach, schema.revocations
_COLUMNS = ["n", "revocation_id", "depth", "at", "roll_back_channels"]


def _tree() -> Any:
    """The version `n` and all below it."""
    return lineage_walk.line("n", up=False)


def subtree() -> Any:
    """The keys of the version `n` and of all below it."""
    return select(_tree().c.n)


def _add() -> Any:
    tree = _tree()
    rows = (
        select(tree.c.n, _R.c.id, tree.c.distance, _R.c.at, _R.c.roll_back_channels)
        .select_from(tree.join(_R, _R.c.id == param("revocation", Key)))
        .where(or_(tree.c.distance == 0, _R.c.descendants))
    )
    return insert(_REACH).from_select(_COLUMNS, rows)


def add(tx: Tx, version_key: int, revocation_id: int) -> None:
    """Store which versions a new revocation of a version applies to."""
    tx.change(_add, n=version_key, revocation=revocation_id)
    tx.change(_update_reached, revocation=revocation_id, none=0)


def remove(tx: Tx, revocation_id: int) -> None:
    """A revocation is restored: it no longer applies to any version."""
    tx.change(_update_reached, revocation=revocation_id, none=revocation_id)
    tx.delete(_REACH, revocation_id=revocation_id)


def _update_reached() -> Any:
    """Set `not_current_from` of the versions that a revocation applies to, by all of their
    revocations except `none`."""
    reached = select(_REACH.c.n).where(_REACH.c.revocation_id == param("revocation", Key))
    instant = states.not_current_from(_V, _V.c.closes_at, save=param("none", Key))
    return update(_V).values(not_current_from=instant).where(_V.c.n.in_(reached))


def _update_below() -> Any:
    tree = _tree()
    instant = states.not_current_from(_V, _V.c.closes_at)
    return update(_V).values(not_current_from=instant).where(_V.c.n.in_(select(tree.c.n)))


def _remove_inherited() -> Any:
    tree = _tree()
    inherited = select(_REACH.c.revocation_id).where(
        _REACH.c.n == param("n", Key), _REACH.c.depth > 0
    )
    return _REACH.delete().where(
        _REACH.c.n.in_(select(tree.c.n)), _REACH.c.revocation_id.in_(inherited)
    )


def _inherit() -> Any:
    tree = _tree()
    above = _REACH.alias()
    rows = (
        select(
            tree.c.n,
            _R.c.id,
            above.c.depth + 1 + tree.c.distance,
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
    return insert(_REACH).from_select(_COLUMNS, rows)


def change_parent(tx: Tx, version_key: int, parent_key: int | None, *, new: bool = False) -> None:
    """A version has another parent, or none. It and all below it inherit the new parent's revocations
    and no longer the old one's. `new`: the version is new, and its denormalised columns are set later.
    """
    if not new:
        tx.change(_remove_inherited, n=version_key)
    if parent_key is not None:
        tx.change(_inherit, n=version_key, parent=parent_key)
    if not new:
        tx.change(_update_below, n=version_key)


def _in_force() -> Any:
    version = _V.alias()
    return select(exists().where(version.c.n == param("n", Key), states.revoked(version)))


def require_parent_not_revoked(tx: Tx, parent_key: int, allowed: bool) -> None:
    """Raise Conflict where the parent is revoked, unless the request allows that."""
    if not allowed and tx.value(_in_force, n=parent_key, now=tx.now):
        raise Conflict(
            "The parent is revoked, so a version built on it would be revoked too. Set "
            "allow_revoked_parent to build on it anyway.",
            code="parent_revoked",
        )


def require_no_cycle(tx: Tx, version_key: int, replacement_key: int) -> None:
    """Raise Conflict where the replacement is, or leads to, the version itself."""
    if tx.value(lineage_walk.reaches, "replacement_n", start=replacement_key, target=version_key):
        raise Conflict("These replacements would form a cycle.", code="replacement_cycle")
