"""The lease of a source: one run at a time reads it, whichever process runs.

A run renews its lease while it works. When a run is killed, another may take over: on the same machine
at once, elsewhere after the lease has expired. Every transaction of a run checks that the lease is
still its own.
"""

from typing import Any

from sqlalchemy import or_, select

from goldenrod.base.clock import later
from goldenrod.catalogue.leases import LONGEST_S, abandoned
from goldenrod.rules.changes import mutations
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Moment, param

LEASE_S = LONGEST_S
"""How long a lease lasts unless it is renewed."""

_S = schema.sync_sources


class LeaseLost(Exception):
    """Another run has taken the source over."""


def _by_name() -> Any:
    return select(*_S.c).where(_S.c.name == param("name"))


def _acquire() -> Any:
    me = param("me")
    free = or_(
        _S.c.locked_by.is_(None),
        _S.c.locked_by == me,
        _S.c.locked_by == param("abandoned"),
        _S.c.locked_until <= param("now", Moment),
    )
    return (
        _S.update()
        .where(_S.c.name == param("name"), free)
        .values(locked_by=me, locked_until=param("until", Moment))
    )


def find_source(tx: Tx, name: str) -> Row | None:
    """The row of a source; None where it was never synced."""
    return tx.first(_by_name, name=name)


def acquire(tx: Tx, name: str, kind: str, me: str, lease_s: float = LEASE_S) -> int | None:
    """Acquire or renew the lease of a source. Returns its id; None where another run has it.

    The transaction must hold the writers' lock, because the source is created on first use.
    """
    found = find_source(tx, name)
    if found is None:
        tx.insert(
            _S,
            uuid=mutations.new_uuid(),
            name=name,
            type=kind,
            start_date=tx.now,
            locked_by=None,
            locked_until=None,
        )
    elif found["type"] != kind:
        tx.update(_S, {"name": name}, type=kind)
    left = abandoned(found["locked_by"], found["locked_until"], tx.now) if found else ""
    if not renew(tx, name, me, lease_s, left):
        return None
    source = find_source(tx, name)
    assert source is not None
    return int(source["id"])


def renew(tx: Tx, name: str, me: str, lease_s: float = LEASE_S, left: str = "") -> bool:
    """Renew a lease, or take over that of a run that has `left` it. False where another has it."""
    until = later(tx.now, seconds=lease_s)
    return tx.change(_acquire, name=name, me=me, abandoned=left, now=tx.now, until=until) == 1


def release(tx: Tx, name: str, me: str) -> None:
    """Let another run begin."""
    tx.update(_S, {"name": name, "locked_by": me}, locked_by=None, locked_until=None)


def _held() -> Any:
    return select(_S.c.id).where(_S.c.id == param("source", Key), _S.c.locked_by == param("me"))


def require(tx: Tx, source_id: int, me: str) -> None:
    """Raise LeaseLost unless the lease is this run's."""
    if tx.value(_held, source=source_id, me=me) is None:
        raise LeaseLost("another run has taken this source over")
