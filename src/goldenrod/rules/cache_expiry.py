"""When a cached answer expires: the next instant at which an answer may change although nobody changes
anything.

The access rule, the lifecycle and look-up compare a few columns of instants with now. Until the next
of these instants, the same revision gives the same answers, so a cached answer is valid until then.
Each column has its own index, so this query takes the same time in a catalogue of any size.
"""

from typing import Any

from sqlalchemy import ColumnElement, func, select, union_all

from goldenrod.base.clock import END_OF_TIME, Instant
from goldenrod.rules.access import NOW
from goldenrod.store import schema
from goldenrod.store.db import Tx

_V, _I, _M = schema.versions, schema.images, schema.machines
_P, _R, _T = schema.providers, schema.revocations, schema.tokens
_C = schema.cloud_machines


def _least(at: ColumnElement[Any], *conditions: Any) -> Any:
    return select(func.min(at).label("at")).where(at > NOW, *conditions)


def _next() -> Any:
    # opens_at and closes_at combine the dates of a version and its image. Each has two indexes: one of
    # public versions and one of the others.
    parts = union_all(
        _least(_V.c.opens_at, _V.c.public),
        _least(_V.c.opens_at, ~_V.c.public),
        _least(_V.c.closes_at, _V.c.public),
        _least(_V.c.closes_at, ~_V.c.public),
        _least(_V.c.deprecated_at),
        _least(_R.c.at, _R.c.restored_at.is_(None)),
        _least(_I.c.start_date),
        _least(_I.c.end_date),
        _least(_M.c.start_date),
        _least(_M.c.end_date),
        _least(_P.c.start_date),
        _least(_P.c.end_date),
        _least(_T.c.expires),
        _least(_C.c.deprecated_at),
    ).subquery("parts")
    return select(func.min(parts.c.at))


def next_instant(tx: Tx) -> Instant | None:
    """The next instant after now at which any answer may change; None if there is none."""
    found = tx.value(_next, now=tx.now)
    return None if found is None or found == END_OF_TIME else Instant(found)
