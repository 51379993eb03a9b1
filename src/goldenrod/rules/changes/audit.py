"""The audit: every change records one entry, in its own transaction.

`changes` holds the fields before and after, with other resources as ids. Entries are ordered by
`sequence`, never by instant. `docs/access.md` says what each action means.
"""

import json
from collections.abc import Iterable
from typing import Any, Literal, get_args

from sqlalchemy import Table

from goldenrod.rules.access import Actor
from goldenrod.store import bulk, schema
from goldenrod.store.db import Row, Tx

Action = Literal[
    "channel:assign",
    "channel:edit",
    "channel:hide",
    "group:create",
    "group:edit",
    "group:remove",
    "identity:create",
    "identity:edit",
    "identity:remove",
    "image:create",
    "image:edit",
    "image:end",
    "license:create",
    "license:edit",
    "license:remove",
    "machine:create",
    "machine:edit",
    "machine:end",
    "machine:restore",
    "provider:create",
    "provider:edit",
    "provider:end",
    "script:create",
    "script:edit",
    "script:remove",
    "tag:create",
    "tag:edit",
    "tag:remove",
    "token:create",
    "token:revoke",
    "user:create",
    "user:edit",
    "user:link",
    "user:unlink",
    "version:create",
    "version:edit",
    "version:end",
    "version:restore",
    "version:revoke",
    "webhook:create",
    "webhook:edit",
    "webhook:remove",
]
"""What an entry says was done."""

ACTIONS: tuple[Action, ...] = get_args(Action)


def action(resource: str, verb: str) -> Action:
    """The action of this resource and verb, for code that serves several resources."""
    tag = f"{resource}:{verb}"
    assert tag in ACTIONS, tag
    return tag


def record(
    tx: Tx,
    actor: Actor,
    action: Action,
    subject: Table,
    subject_id: int,
    changes: dict[str, Any],
) -> None:
    """Record one entry: `changes` is {field: {"before": …, "after": …}}."""
    tx.insert(schema.audit, **_entry(tx, actor, action, subject, subject_id, changes))


def record_all(
    tx: Tx,
    actor: Actor,
    action: Action,
    subject: Table,
    changed: Iterable[tuple[int, dict[str, Any]]],
) -> None:
    """Record an entry for each of several things: their ids with the changes of each."""
    bulk.insert_rows(
        tx, schema.audit, [_entry(tx, actor, action, subject, one, its) for one, its in changed]
    )


def _entry(
    tx: Tx,
    actor: Actor,
    action: Action,
    subject: Table,
    subject_id: int,
    changes: dict[str, Any],
) -> Row:
    return {
        "at": tx.now,
        "user_id": actor.user_id or None,
        "via": actor.kind,
        "source": actor.source,
        "action": action,
        "subject": subject.name,
        "subject_id": subject_id,
        "changes": json.dumps(changes, ensure_ascii=False, separators=(",", ":")),
    }


def created(values: Row) -> dict[str, Any]:
    """The changes of a new resource: null before."""
    return {name: {"before": None, "after": value} for name, value in values.items()}


def changed(before: Row, after: Row) -> dict[str, Any]:
    """The changes from one set of values to another: the fields whose value differs."""
    return {
        name: {"before": before.get(name), "after": value}
        for name, value in after.items()
        if before.get(name) != value
    }
