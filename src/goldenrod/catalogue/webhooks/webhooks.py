"""Webhooks: URLs that are notified of changes to an image, or to all images.

Only its creator and staff see a webhook. Each payload shows what the creator may read at the moment of
sending. The secret that payloads are signed with is shown once. A webhook is notified of events from
its creation on, or since it was last switched on. `payloads.py` builds what is sent, `outbox.py`
decides when, `worker.py` sends in the background, and `http_sender.py` makes the request.
"""

import json
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)

from goldenrod.base.config import Settings
from goldenrod.base.errors import (
    BadRequest,
    Conflict,
    FieldError,
    NotFound,
    field_problem,
)
from goldenrod.base.faults import Faults
from goldenrod.base.wire import EventType, NewWebhook, WebhookPatch
from goldenrod.catalogue.webhooks import attempts, http_sender, outbox, payloads
from goldenrod.rules import filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, mutations, references
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing, Page, Query
from goldenrod.store.sql import NULL_JSON, Key, as_json, json_object, json_text, param

MOST_PER_IMAGE = 20
"""The most webhooks of one image, and the most for all images."""
MOST_PER_CREATOR = 50
"""The most webhooks of one user."""
STATES = ("waiting", "delivered", "failed", "dropped")


def shape(hook: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A webhook as JSON, without its secret."""
    return json_object(
        {
            "id": hook.c.id,
            "uuid": hook.c.uuid,
            "url": summaries.url("webhooks", hook.c.id),
            "image": summaries.image(hook.c.image_id, reader),
            "target": hook.c.target,
            "events": as_json(hook.c.events),
            "active": hook.c.active,
            "created_by": summaries.user(hook.c.created_by_id),
            "start_date": hook.c.start_date,
        }
    )


def _of_image(hook: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    image = schema.images.alias()
    return hook.c.image_id == select(image.c.id).where(is_it(image)).scalar_subquery()


WEBHOOKS = Resource(
    schema.webhooks,
    shape,
    Listing(
        schema.webhooks,
        {
            "name": filters.text("name", "target", "a target, in full"),
            "image": filters.refers("image", schema.images, _of_image),
            "active": filters.boolean(lambda hook, reader: hook.c.active),
            "created_by": filters.username("created_by", lambda hook: hook.c.created_by_id),
        },
        ("start_date", "name"),
        {"name": "target"},
    ),
)


def webhook_for_editing(tx: Tx, actor: Actor, key: str) -> Row:
    """The row of a webhook that the actor may edit. One with staff's rights needs an actor who has
    them. Raises NotFound, Forbidden."""
    row = WEBHOOKS.row_for_change(tx, actor, key)
    if row["as_staff"]:
        actor.require_staff()
    return row


def target_refusal(target: str | UnsetType, settings: Settings) -> BadRequest | None:
    """Why a target is refused, if it is. Looks up its name: do not call this in a transaction."""
    if isinstance(target, UnsetType):
        return None
    try:
        http_sender.require_reachable(
            target,
            private=settings.webhooks_private,
            ports=settings.webhooks_ports,
            own=settings.webhooks_receiver,
        )
    except ValueError as wrong:
        return field_problem("target", str(wrong))
    except http_sender.TargetRefused:
        reason = (
            "This host does not resolve, or is on a private network that this server does not allow"
        )
        return BadRequest(
            f"target: {reason}",
            code="webhook_target_refused",
            errors=(FieldError("target", reason),),
        )
    return None


def _types(given: list[EventType] | UnsetType) -> list[str]:
    """The types of events that a body names, each once, in their order; all where it names none."""
    if isinstance(given, UnsetType):
        return list(events.TYPES)
    return [name for name in events.TYPES if name in given]


def _as_text(types: list[str]) -> str:
    # Without spaces, because PostgreSQL returns JSON as it was written.
    return json.dumps(types, separators=(",", ":"))


def create_webhook(
    tx: Tx, actor: Actor, body: NewWebhook, refusal: BadRequest | None
) -> tuple[int, str]:
    """Create a webhook: its id and its secret. `refusal` is what `target_refusal` returned.

    Raises BadRequest, Forbidden (the actor does not edit the image; for all images: is not staff),
    Conflict (`webhook_limit_reached`).
    """
    actor.require_write()
    faults = Faults()
    image_id = faults.of(_image_id, tx, actor, body.image)
    if refusal:
        faults.add(refusal)
    faults.report()
    _require_room(tx, actor, image_id)
    values = {"image_id": image_id, "target": body.target, "active": body.active}
    types = _types(body.events)
    secret = http_sender.new_secret()
    hook_id = tx.insert(
        schema.webhooks,
        uuid=mutations.new_uuid(),
        events=_as_text(types),
        secret=secret,
        created_by_id=actor.user_id,
        as_staff=actor.has_staff_rights,
        start_date=tx.now,
        **values,
    )
    made = audit.created({**values, "events": types})
    audit.record(tx, actor, "webhook:create", schema.webhooks, hook_id, made)
    return hook_id, secret


def _image_id(tx: Tx, actor: Actor, ref: references.Given | None) -> int | None:
    """The image whose events a new webhook is notified of; None for all images."""
    if ref is None:
        actor.require_staff()
        return None
    refusal = "Only editors of an image may create webhooks for it."
    image = references.read_for_change(tx, actor, schema.images, ref, "image", refusal)
    return int(image["id"])


def _count(column: str, of_all: bool) -> Any:
    value = schema.webhooks.c[column]
    those = value.is_(None) if of_all else value == param("it", Key)
    return select(func.count()).select_from(schema.webhooks).where(those)


def _require_room(tx: Tx, actor: Actor, image_id: int | None) -> None:
    """Raise Conflict where the image or the actor has the most webhooks that are allowed."""
    if tx.value(_count, "image_id", image_id is None, it=image_id) >= MOST_PER_IMAGE:
        said = f"There are already {MOST_PER_IMAGE} webhooks for all images, which is the limit."
        if image_id is not None:
            said = f"This image already has {MOST_PER_IMAGE} webhooks, which is the limit."
    elif tx.value(_count, "created_by_id", False, it=actor.user_id) >= MOST_PER_CREATOR:
        said = f"You already have {MOST_PER_CREATOR} webhooks, which is the limit."
    else:
        return
    raise Conflict(f"{said} Remove one first.", code="webhook_limit_reached")


def edit_webhook(
    tx: Tx, actor: Actor, row: Row, patch: WebhookPatch, refusal: BadRequest | None
) -> None:
    """Change what the patch gives. `row` comes from `webhook_for_editing`.

    Raises BadRequest.
    """
    after: Row = {}
    if patch.target is not UNSET and patch.target != row["target"]:
        if refusal:
            raise refusal
        after["target"] = patch.target
    if patch.events is not UNSET:
        after["events"] = _as_text(_types(patch.events))
    if patch.active is not UNSET:
        after["active"] = patch.active
    changed = audit.changed(row, after)
    if not changed:
        return
    if "active" in changed and after["active"]:
        after["start_date"] = tx.now
    tx.update(schema.webhooks, {"id": row["id"]}, **after)
    if "active" in changed and not after["active"]:
        # After locking the webhook's row, so that deliveries that are being created fail too.
        outbox.fail_waiting(tx, row["id"])
    if "events" in changed:
        changed["events"] = {side: json.loads(text) for side, text in changed["events"].items()}
    audit.record(tx, actor, "webhook:edit", schema.webhooks, row["id"], changed)


def remove_webhook(tx: Tx, actor: Actor, row: Row) -> None:
    """Delete a webhook and the log of its deliveries."""
    tx.delete(schema.webhooks, id=row["id"])
    removed = {"target": {"before": row["target"], "after": None}}
    audit.record(tx, actor, "webhook:remove", schema.webhooks, row["id"], removed)


# ── deliveries ─────────────────────────────────────────────────────────────────────────────


def _hidden(delivery: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    """The reader may not read what the delivery is about."""
    return ~payloads.readable(delivery.c.event_sequence, reader)


def delivery_shape(delivery: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A delivery as JSON. Its uuid is the `webhook-id` header that its receiver gets.

    A delivery about something that the reader may not read shows only as dropped, whatever its state.
    """
    full = _full_delivery(delivery)
    return case((_hidden(delivery, reader), _hidden_delivery(delivery)), else_=full)


def _address(delivery: FromClause) -> ColumnElement[str]:
    hook = summaries.url("webhooks", delivery.c.webhook_id)
    return hook.concat("/deliveries/").concat(cast(delivery.c.id, String))


def _hidden_delivery(delivery: FromClause) -> ColumnElement[Any]:
    nothing = dict.fromkeys(("next_at", "last_at", "last_status", "last_error"), NULL_JSON)
    return json_object(
        {
            "id": delivery.c.id,
            "uuid": delivery.c.uuid,
            "url": _address(delivery),
            "event": NULL_JSON,
            "state": literal("dropped", String),
            "attempts": literal(0, Integer),
            **nothing,
        }
    )


def _full_delivery(delivery: FromClause) -> ColumnElement[Any]:
    event = schema.events.alias()
    summary = json_object({"uuid": event.c.uuid, "type": event.c.type, "at": event.c.at})
    return json_object(
        {
            "id": delivery.c.id,
            "uuid": delivery.c.uuid,
            "url": _address(delivery),
            "event": select(summary)
            .where(event.c.sequence == delivery.c.event_sequence)
            .scalar_subquery(),
            "state": delivery.c.state,
            "attempts": delivery.c.attempts,
            "next_at": delivery.c.next_at,
            "last_at": delivery.c.last_at,
            "last_status": delivery.c.last_status,
            "last_error": delivery.c.last_error,
        }
    )


def _of_type(delivery: FromClause, reader: ReaderKind, given: Any) -> ColumnElement[bool]:
    event = schema.events.alias()
    kind = select(event.c.type).where(event.c.sequence == delivery.c.event_sequence)
    return and_(kind.scalar_subquery() == given, ~_hidden(delivery, reader))


def _in_state(delivery: FromClause, reader: ReaderKind, given: Any) -> ColumnElement[bool]:
    """The state as the delivery's JSON shows it to this reader."""
    hidden = _hidden(delivery, reader)
    return or_(and_(delivery.c.state == given, ~hidden), and_(given == "dropped", hidden))


DELIVERIES = Listing(
    schema.deliveries,
    {
        "name": filters.word("name", (*events.TYPES, events.TEST), _of_type),
        "state": filters.word("state", STATES, _in_state),
    },
    ("id",),
    default="id",
)


def _of_webhook(delivery: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    of_webhook: ColumnElement[bool] = delivery.c.webhook_id == param("webhook", Key)
    return of_webhook


def list_deliveries(tx: Tx, actor: Actor, key: str, query: Query) -> Page:
    """A page of a webhook's deliveries, waiting ones included. Raises NotFound."""
    hook = resources.get_row(tx, actor, schema.webhooks, key)
    return resources.page(tx, actor, delivery_shape, query, _of_webhook, webhook=hook["id"])


def _delivery(reader: ReaderKind, form: str) -> Any:
    delivery = schema.deliveries.alias()
    shown = json_text(delivery_shape(delivery, reader)).label("json")
    return select(delivery.c.id, shown).where(
        _of_webhook(delivery, reader), resources.named(delivery, schema.deliveries, form)
    )


def _find(tx: Tx, actor: Actor, hook: Row, key: str) -> Row:
    form = resources.key_form(schema.deliveries, key)
    given = {**resources.params(tx, actor), "webhook": hook["id"]}
    found = form and tx.first(
        _delivery, actor.reader, form, key=resources.key_value(form, key), **given
    )
    if not found:
        raise NotFound()
    return found


def get_delivery(tx: Tx, actor: Actor, key: str, delivery: str) -> dict[str, Any]:
    """One delivery of a webhook, with its attempts, the newest first. Raises NotFound."""
    hook = resources.get_row(tx, actor, schema.webhooks, key)
    found = _find(tx, actor, hook, delivery)
    shown: dict[str, Any] = json.loads(found["json"])
    hidden = shown["event"] is None
    return shown | {
        "stored_attempts": [] if hidden else attempts.list_attempts(tx, actor, hook, found["id"])
    }


def _waiting_test() -> Any:
    delivery, event = schema.deliveries, schema.events
    return (
        select(delivery.c.id)
        .select_from(delivery.join(event, event.c.sequence == delivery.c.event_sequence))
        .where(
            delivery.c.webhook_id == param("hook", Key),
            delivery.c.state == "waiting",
            event.c.type == events.TEST,
        )
        .limit(1)
    )


def send_test(tx: Tx, actor: Actor, key: str) -> int:
    """Have a test event sent to a webhook, and to no other; the id of its delivery.

    Raises NotFound, Forbidden, Conflict (`webhook_inactive`; `webhook_test_waiting`: one at a time, so
    that tests do not crowd out other deliveries).
    """
    hook = WEBHOOKS.row_for_change(tx, actor, key)
    _require_active(hook)
    if tx.value(_waiting_test, hook=hook["id"]) is not None:
        raise Conflict(
            "A test event is still waiting to be sent to this webhook.", code="webhook_test_waiting"
        )
    sequence = tx.insert(
        schema.events,
        uuid=mutations.new_uuid(),
        at=tx.now,
        type=events.TEST,
        image_id=hook["image_id"],
        version_n=None,
        about="{}",
        dedup_key=None,
        queued=True,
    )
    return tx.insert(
        schema.deliveries,
        uuid=mutations.new_uuid(),
        webhook_id=hook["id"],
        event_sequence=sequence,
        state="waiting",
        attempts=0,
        next_at=tx.now,
    )


def _require_active(hook: Row) -> None:
    if not hook["active"]:
        raise Conflict(
            "The webhook is switched off, so nothing is sent to it. Set active to true first.",
            code="webhook_inactive",
        )


def redeliver(tx: Tx, actor: Actor, key: str, delivery: str) -> None:
    """Have a delivery sent again, whatever its state: with a new payload, under the same id.

    Raises NotFound, Forbidden, Conflict (`webhook_inactive`; `delivery_unreadable` where the
    webhook's creator, or the actor, may no longer read what the delivery is about).
    """
    hook = WEBHOOKS.row_for_change(tx, actor, key)
    found = _find(tx, actor, hook, delivery)
    delivery_id = found["id"]
    _require_active(hook)
    hidden = json.loads(found["json"])["event"] is None
    if hidden or payloads.build(tx, outbox.delivery(tx, delivery_id)) is None:
        raise Conflict(
            "This delivery cannot be sent again: the webhook's creator, or you, may no longer read "
            "what it is about.",
            code="delivery_unreadable",
        )
    again = {"state": "waiting", "attempts": 0, "next_at": tx.now}
    tx.update(schema.deliveries, {"id": delivery_id}, **again)
