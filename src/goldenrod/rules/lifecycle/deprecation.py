"""Deprecation: a field of a version that warns its users; the version stays available.

It has an instant, a reason and a replacement, which is a version of any image. Replacements never
form a cycle.
"""

from typing import Any

from msgspec import UNSET
from sqlalchemy import select

from goldenrod.base import decode
from goldenrod.base.errors import field_problem
from goldenrod.base.faults import Faults
from goldenrod.base.wire import NewDeprecation
from goldenrod.rules.access import Actor
from goldenrod.rules.changes import references
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, param

_NONE: Row = {"deprecated_at": None, "deprecation_reason": None, "replacement_n": None}


def _id_of() -> Any:
    return select(schema.versions.c.id).where(schema.versions.c.n == param("n", Key))


def columns(tx: Tx, actor: Actor, row: Row | None, given: NewDeprecation | None) -> Row:
    """The columns of a version that a body's deprecation gives; `row` is the version as it is.

    Raises BadRequest.
    """
    if given is None:
        return dict(_NONE)
    after = {name: row[name] for name in _NONE} if row else dict(_NONE)
    faults = Faults()
    if isinstance(given.at, str):
        after["deprecated_at"] = faults.of(decode.instant, "deprecation.at", given.at)
    elif given.at is None or after["deprecated_at"] is None:
        after["deprecated_at"] = tx.now
    if given.reason is not UNSET:
        after["deprecation_reason"] = given.reason and faults.of(
            reason, "deprecation.reason", given.reason
        )
    if given.replacement is not UNSET:
        after["replacement_n"] = faults.of(_replacement, tx, actor, after["replacement_n"], given)
    faults.report()
    return after


def _replacement(tx: Tx, actor: Actor, present: int | None, given: NewDeprecation) -> int | None:
    ref = given.replacement
    if ref is None or ref is UNSET:
        return None
    if present and str(references.plain(ref)).lower() == tx.value(_id_of, n=present):
        return present
    field = "deprecation.replacement"
    return int(references.read(tx, actor, schema.versions, ref, field)["n"])


def reason(field: str, text: str) -> str:
    """A reason: 1 to 2,000 characters, not only spaces."""
    trimmed = text.strip()
    if not trimmed:
        raise field_problem(field, "must say why, in 1 to 2,000 characters")
    return trimmed
