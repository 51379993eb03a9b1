"""The newest attempts to deliver to webhooks: what was sent and what was answered, to be looked at.

Of each webhook the newest `MOST_STORED` are stored. Who may read a delivery reads its attempts; but in
a payload that was sent, what the reader may not read any more is its id alone. A payload that was built
with staff's rights is shown to staff only.
"""

import json
import re
from typing import Any

from sqlalchemy import Table, select

from goldenrod.catalogue.webhooks.http_sender import Outcome
from goldenrod.rules import access, resources
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Id, Key, in_list, param

MOST_STORED = 50
"""The most attempts that are stored of one webhook."""

_A, _D = schema.attempts, schema.deliveries

_TABLES = {
    "image_versions": schema.versions,
    "images": schema.images,
    "provider_machines": schema.machines,
    "providers": schema.providers,
}
"""The tables of what a payload names, by the part of its address."""

_ADDRESS = re.compile(r"/api/v2/([a-z_]+)/[^/]+$")


def _delivery() -> Any:
    return select(_D.c.id).where(_D.c.id == param("delivery", Key)).with_for_update(read=True)


def _oldest_stored() -> Any:
    newest = select(_A.c.id).where(_A.c.webhook_id == param("hook", Key)).order_by(_A.c.id.desc())
    return newest.limit(1).offset(param("most", Key))


def _older() -> Any:
    return _A.delete().where(
        _A.c.webhook_id == param("hook", Key), _A.c.id <= _oldest_stored().scalar_subquery()
    )


def record(tx: Tx, due: Row, outcome: Outcome, payload: bytes) -> None:
    """Record an attempt, and delete the oldest beyond `MOST_STORED`. If the delivery was deleted
    meanwhile, nothing is recorded."""
    if tx.value(_delivery, delivery=due["id"]) is None:
        return
    answer = outcome.answer
    shown = answer and {"headers": dict(answer.headers), "body": answer.body, "cut": answer.cut}
    tx.insert(
        _A,
        webhook_id=due["webhook_id"],
        delivery_id=due["id"],
        at=tx.now,
        milliseconds=outcome.milliseconds,
        status=outcome.status,
        error=outcome.error,
        payload=payload.decode(),
        answer=json.dumps(shown, ensure_ascii=False) if shown else None,
    )
    tx.change(_older, hook=due["webhook_id"], most=MOST_STORED)


def _of_delivery() -> Any:
    return select(*_A.c).where(_A.c.delivery_id == param("delivery", Key)).order_by(_A.c.id.desc())


def list_attempts(tx: Tx, actor: Actor, hook: Row, delivery_id: int) -> list[dict[str, Any]]:
    """The attempts of a delivery that the actor may read, the newest first."""
    if hook["as_staff"] and not actor.has_staff_rights:
        return []
    rows = tx.rows(_of_delivery, delivery=delivery_id)
    payloads = [json.loads(row["payload"]) if row["payload"] else None for row in rows]
    hidden = _hidden(tx, actor, payloads)
    return [
        {
            **{name: row[name] for name in ("at", "milliseconds", "status", "error")},
            "payload": _written(_without(payload, hidden)) if hidden else row["payload"],
            "answer": row["answer"] and json.loads(row["answer"]),
        }
        for row, payload in zip(rows, payloads, strict=True)
    ]


def _written(payload: Any) -> str:
    return "" if payload is None else json.dumps(payload, ensure_ascii=False, separators=(",", ":"))


def _readable(table: Table, reader: ReaderKind) -> Any:
    thing = table.alias()
    kind = Id() if table is schema.versions else Key
    return select(thing.c.id).where(
        in_list(thing.c.id, "ids", kind), access.readable(thing, reader)
    )


def _kind(value: dict[str, Any]) -> str:
    """Which of `_TABLES` an object in a payload is of, by its address; empty for none."""
    found = _ADDRESS.search(str(value.get("url", "")))
    return found[1] if found and found[1] in _TABLES else ""


def _hidden(tx: Tx, actor: Actor, payloads: list[Any]) -> set[tuple[str, Any]]:
    """What payloads name that the actor may not read now: kinds and ids."""
    named: set[tuple[str, Any]] = set()
    waiting = list(payloads)
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if kind := _kind(value):
                named.add((kind, value["id"]))
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    given = resources.params(tx, actor)
    for kind in {kind for kind, _ in named}:
        ids = sorted(key for of, key in named if of == kind)
        rows = tx.rows(_readable, _TABLES[kind], actor.reader, ids=ids, **given)
        named -= {(kind, row["id"]) for row in rows}
    return named


def _without(value: Any, hidden: set[tuple[str, Any]]) -> Any:
    """A payload with the ids alone of what is hidden."""
    if isinstance(value, dict):
        if (kind := _kind(value)) and (kind, value["id"]) in hidden:
            return {"id": value["id"]}
        return {name: _without(one, hidden) for name, one in value.items()}
    return [_without(one, hidden) for one in value] if isinstance(value, list) else value
