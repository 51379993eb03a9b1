"""The audit: every change writes one entry, in its own transaction.

`changes` are the fields before and after, things as ids; an action is `noun:verb`, with a third part
where the verb alone says too little. Order is by `sequence`, never by instant.
"""

import json
from typing import Any

from sqlalchemy import Table

from goldenrod.rules.access import Actor
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx


def record(
    tx: Tx,
    actor: Actor,
    action: str,
    subject: Table,
    subject_id: int,
    changes: dict[str, Any],
) -> None:
    """Write one entry: `changes` is {field: {"before": …, "after": …}}."""
    tx.insert(
        schema.audit,
        at=tx.now,
        user_id=actor.user_id or None,
        via=actor.kind,
        action=action,
        subject=subject.name,
        subject_id=subject_id,
        changes=json.dumps(changes, ensure_ascii=False, separators=(",", ":")),
    )


def created(values: Row) -> dict[str, Any]:
    """The changes of something new: nothing before."""
    return {name: {"before": None, "after": value} for name, value in values.items()}


def changed(before: Row, after: Row) -> dict[str, Any]:
    """The changes from one set of values to another, those that differ only."""
    return {
        name: {"before": before.get(name), "after": value}
        for name, value in after.items()
        if before.get(name) != value
    }
