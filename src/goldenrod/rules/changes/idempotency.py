"""Idempotency keys: a POST that is sent again with its Idempotency-Key gets the first one's result.

Keys are stored per user for 24 hours, in the transaction of the change, with the key of what was
created. The answer is not stored: it is built again through the access rule. A different request with
the same key is a 409.
"""

import hashlib
import json
from typing import Any

from sqlalchemy import select

from goldenrod.base.clock import later
from goldenrod.base.errors import BadRequest, Conflict
from goldenrod.rules.access import Actor
from goldenrod.rules.changes.mutations import Created
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, Moment, param

HOURS_STORED = 24
MOST_KEY = 256


def checked(key: str) -> str:
    """The key, if it is one. Raises BadRequest."""
    if not (0 < len(key) <= MOST_KEY and key.isprintable()):
        raise BadRequest(
            f"Idempotency-Key takes 1 to {MOST_KEY} printable characters.",
            code="idempotency_key_invalid",
        )
    return key


def fingerprint(path: str, body: bytes) -> str:
    """What makes two requests the same."""
    return hashlib.sha256(path.encode() + b"\0" + body).hexdigest()


def _stored() -> Any:
    table = schema.idempotency
    return select(*table.c).where(table.c.user_id == param("me", Key), table.c.key == param("key"))


def _old() -> Any:
    table = schema.idempotency
    return table.delete().where(table.c.at <= param("until", Moment))


def find_stored(tx: Tx, actor: Actor, key: str, print_: str) -> Created | None:
    """What the first request with this key created; None for a new key. Raises Conflict."""
    tx.change(_old, until=later(tx.now, hours=-HOURS_STORED))
    row = tx.first(_stored, me=actor.user_id, key=key)
    if row is None:
        return None
    if row["fingerprint"] != print_:
        raise Conflict(
            "This Idempotency-Key was used for another request. Use a new one.",
            code="idempotency_key_reused",
        )
    return Created(row["created_key"], row["status"] == 201, json.loads(row["extra"]))


def store(tx: Tx, actor: Actor, key: str, print_: str, result: Created) -> None:
    """Store what a request created."""
    tx.insert(
        schema.idempotency,
        user_id=actor.user_id,
        key=key,
        at=tx.now,
        fingerprint=print_,
        status=201 if result.new else 200,
        created_key=result.key,
        extra=json.dumps(dict(result.extra)),
    )
