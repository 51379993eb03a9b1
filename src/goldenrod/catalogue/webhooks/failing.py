"""Failing webhooks: the active ones whose last attempt to deliver failed, for staff."""

from typing import Any

from sqlalchemy import FromClause, select

from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import json_text, param

MOST_SHOWN = 20


def _last(hook: FromClause) -> Any:
    """The newest delivery of a webhook that was attempted."""
    delivery = schema.deliveries.alias()
    return (
        select(delivery.c.id)
        .where(delivery.c.webhook_id == hook.c.id, delivery.c.last_at.is_not(None))
        .order_by(delivery.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def _failing(reader: ReaderKind) -> Any:
    hook, delivery = schema.webhooks.alias(), schema.deliveries.alias()
    return (
        select(
            hook.c.id,
            hook.c.target,
            json_text(summaries.image(hook.c.image_id, reader)).label("image"),
            json_text(summaries.user(hook.c.created_by_id)).label("created_by"),
            delivery.c.last_at,
            delivery.c.last_status,
            delivery.c.last_error,
            delivery.c.attempts,
        )
        .select_from(hook.join(delivery, delivery.c.id == _last(hook)))
        .where(
            access.readable(hook, reader),
            hook.c.active,
            delivery.c.state.in_(("failed", "waiting")),
        )
        .order_by(delivery.c.last_at.desc(), hook.c.id)
        .limit(param("most"))
    )


def list_failing(tx: Tx, actor: Actor) -> list[Row]:
    """The failing webhooks, the last to fail first. Raises Unauthorized, Forbidden (staff only)."""
    actor.require_staff()
    rows = tx.rows(_failing, actor.reader, most=MOST_SHOWN, **resources.params(tx, actor))
    return [resources.decoded(row, "image", "created_by") for row in rows]
