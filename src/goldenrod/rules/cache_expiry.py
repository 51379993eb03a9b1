"""The next instant at which an answer may change without anybody changing anything.

All that the rule, the lifecycle and look-up compare with now stands in a few columns of instants.
Until the least of them that is still to come, the catalogue answers each question as it did, as long
as its revision stays: whoever keeps an answer keeps it until then. Each column is one look at an
index of its own, so asking costs the same in a catalogue of any size.
"""

from typing import Any

from sqlalchemy import ColumnElement, func, select, union_all

from goldenrod.base.clock import END_OF_TIME, Instant
from goldenrod.rules.access import NOW
from goldenrod.store import schema
from goldenrod.store.db import Tx

_V, _I, _M = schema.versions, schema.images, schema.machines
_P, _R, _T = schema.providers, schema.revocations, schema.tokens


def _least(at: ColumnElement[Any], *conditions: Any) -> Any:
    return select(func.min(at).label("at")).where(at > NOW, *conditions)


def _next() -> Any:
    # A version's own dates are in opens_at and closes_at, with its image's; the two indexes of each
    # are one for the public and one for the rest.
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
    ).subquery("parts")
    return select(func.min(parts.c.at))


def next_instant(tx: Tx) -> Instant | None:
    """The least instant after now at which anything that any answer depends on takes effect.

    None where nothing is to come.
    """
    found = tx.value(_next, now=tx.now)
    return None if found is None or found == END_OF_TIME else Instant(found)
