"""Webhooks: who is told, and where, what happens to an image, or to all of them.

A hook belongs to its maker, and only they and staff see it: each payload is built as its maker may
read it then. Its secret, which payloads are signed with, is shown once. It is told what happens
from when it was made, or last switched on. What is sent is in `payloads.py`, when in `outbox.py`,
by whom in `delivering.py`, how in `sending.py`.
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

from goldenrod.base.errors import (
    BadRequest,
    Conflict,
    FieldError,
    Forbidden,
    NotFound,
    field_problem,
)
from goldenrod.base.wire import EventType, NewWebhook, WebhookPatch
from goldenrod.catalogue.webhooks import http_sender, outbox, payloads
from goldenrod.rules import filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, mutations, references
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing, Page, Query
from goldenrod.store.sql import NULL_JSON, Key, as_json, json_object, json_text, param

MOST_PER_IMAGE = 20
"""So many webhooks an image has at most, and so many are for all images."""
MOST_PER_MAKER = 50
"""So many webhooks one user has at most."""
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
            "name": filters.text("name", "target", "a target, whole"),
            "image": filters.refers("image", schema.images, _of_image),
            "active": filters.boolean(lambda hook, reader: hook.c.active),
            "created_by": filters.username("created_by", lambda hook: hook.c.created_by_id),
        },
        ("start_date", "name"),
        {"name": "target"},
    ),
)


def webhook_for_editing(tx: Tx, actor: Actor, key: str) -> Row:
    """The row of a webhook that the actor may turn elsewhere: one that speaks with staff's rights
    needs them. Raises NotFound, Forbidden."""
    row = WEBHOOKS.row_for_change(tx, actor, key)
    if row["as_staff"]:
        actor.require_staff()
    return row


def refusal_of(
    target: str | UnsetType, *, private: bool, ports: frozenset[int]
) -> BadRequest | None:
    """The refusal that a target gets, if any. It asks the name servers: not in a transaction."""
    if isinstance(target, UnsetType):
        return None
    try:
        http_sender.require_reachable(target, private=private, ports=ports)
    except ValueError as wrong:
        return field_problem("target", str(wrong))
    except http_sender.TargetRefused:
        said = "leads to no address that webhooks may be sent to"
        return BadRequest(
            f"target: {said}",
            code="webhook_target_refused",
            errors=(FieldError("target", said),),
        )
    return None


def _kinds(given: list[EventType] | UnsetType) -> list[str]:
    """The kinds of events a body asks for, each once, in their order; all where none is said."""
    if isinstance(given, UnsetType):
        return list(events.TYPES)
    return [kind for kind in events.TYPES if kind in given]


def _listed(kinds: list[str]) -> str:
    # Without spaces: PostgreSQL answers JSON as it was written.
    return json.dumps(kinds, separators=(",", ":"))


def create_webhook(
    tx: Tx, actor: Actor, body: NewWebhook, refusal: BadRequest | None
) -> tuple[int, str]:
    """Make a webhook: its id, and its secret. `refusal` is what `refusal_of` its target gave.

    Raises BadRequest, Forbidden (not the actor's image; all images: staff only), Conflict
    (`webhook_limit_reached`).
    """
    actor.require_write()
    image_id = None
    if body.image is None:
        actor.require_staff()
    else:
        image = references.read(tx, actor, schema.images, body.image, "image")
        if not image["may_change"]:
            raise Forbidden("Webhooks of an image are its keepers' to make.")
        image_id = image["id"]
    if refusal:
        raise refusal
    _require_room(tx, actor, image_id)
    values = {"image_id": image_id, "target": body.target, "active": body.active}
    kinds = _kinds(body.events)
    secret = http_sender.new_secret()
    hook_id = tx.insert(
        schema.webhooks,
        uuid=mutations.new_uuid(),
        events=_listed(kinds),
        secret=secret,
        created_by_id=actor.user_id,
        as_staff=actor.rules_all,
        start_date=tx.now,
        **values,
    )
    made = audit.made({**values, "events": kinds})
    audit.record(tx, actor, "webhook:create", schema.webhooks, hook_id, made)
    return hook_id, secret


def _count(column: str, of_all: bool) -> Any:
    value = schema.webhooks.c[column]
    those = value.is_(None) if of_all else value == param("it", Key)
    return select(func.count()).select_from(schema.webhooks).where(those)


def _require_room(tx: Tx, actor: Actor, image_id: int | None) -> None:
    """Raise Conflict where the image, or the maker, has as many webhooks as they may have."""
    if tx.value(_count, "image_id", image_id is None, it=image_id) >= MOST_PER_IMAGE:
        said = f"There are {MOST_PER_IMAGE} webhooks for all images, the most there may be."
        if image_id is not None:
            said = f"This image has {MOST_PER_IMAGE} webhooks, the most that an image may have."
    elif tx.value(_count, "created_by_id", False, it=actor.user_id) >= MOST_PER_MAKER:
        said = f"You have {MOST_PER_MAKER} webhooks, the most that a user may have."
    else:
        return
    raise Conflict(f"{said} Remove one first.", code="webhook_limit_reached")


def edit_webhook(
    tx: Tx, actor: Actor, row: Row, patch: WebhookPatch, refusal: BadRequest | None
) -> None:
    """Change what the patch gives. `row` comes from `take_for_editing`.

    Raises BadRequest.
    """
    after: Row = {}
    if patch.target is not UNSET and patch.target != row["target"]:
        if refusal:
            raise refusal
        after["target"] = patch.target
    if patch.events is not UNSET:
        after["events"] = _listed(_kinds(patch.events))
    if patch.active is not UNSET:
        after["active"] = patch.active
    changed = audit.between(row, after)
    if not changed:
        return
    if "active" in changed and after["active"]:
        after["start_date"] = tx.now
    tx.update(schema.webhooks, {"id": row["id"]}, **after)
    if "active" in changed and not after["active"]:
        # After the webhook's own row: deliveries that are being made meanwhile are given up too.
        outbox.give_up(tx, row["id"])
    if "events" in changed:
        changed["events"] = {side: json.loads(text) for side, text in changed["events"].items()}
    audit.record(tx, actor, "webhook:edit", schema.webhooks, row["id"], changed)


def remove_webhook(tx: Tx, actor: Actor, row: Row) -> None:
    """Remove a webhook for good, and with it the log of its deliveries."""
    tx.delete(schema.webhooks, id=row["id"])
    removed = {"target": {"before": row["target"], "after": None}}
    audit.record(tx, actor, "webhook:remove", schema.webhooks, row["id"], removed)


# ── its deliveries ─────────────────────────────────────────────────────────────────────────


def _hidden(delivery: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    """The reader may not read what the delivery is about."""
    return ~payloads.readable(delivery.c.event_sequence, reader)


def delivery_shape(delivery: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A delivery as JSON. Its uuid is the `webhook-id` that its receiver gets.

    Of one about something that the reader may not read, all that shows is that it was dropped,
    whatever became of it.
    """
    shown = _whole_delivery(delivery)
    return case((_hidden(delivery, reader), _only_dropped(delivery)), else_=shown)


def _address(delivery: FromClause) -> ColumnElement[str]:
    hook = summaries.url("webhooks", delivery.c.webhook_id)
    return hook.concat("/deliveries/").concat(cast(delivery.c.id, String))


def _only_dropped(delivery: FromClause) -> ColumnElement[Any]:
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


def _whole_delivery(delivery: FromClause) -> ColumnElement[Any]:
    event = schema.events.alias()
    told = json_object({"uuid": event.c.uuid, "type": event.c.type, "at": event.c.at})
    return json_object(
        {
            "id": delivery.c.id,
            "uuid": delivery.c.uuid,
            "url": _address(delivery),
            "event": select(told)
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
    """As the delivery's JSON says it to this reader."""
    hidden = _hidden(delivery, reader)
    return or_(and_(delivery.c.state == given, ~hidden), and_(given == "dropped", hidden))


DELIVERIES = Listing(
    schema.deliveries,
    {
        "name": filters.word("name", events.TYPES, _of_type),
        "state": filters.word("state", STATES, _in_state),
    },
    ("id",),
    default="id",
)


def _of_hook(delivery: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    mine: ColumnElement[bool] = delivery.c.webhook_id == param("webhook", Key)
    return mine


def list_deliveries(tx: Tx, actor: Actor, key: str, query: Query) -> Page:
    """A page of what was and will be sent to a webhook. Raises NotFound."""
    hook = resources.get_row(tx, actor, schema.webhooks, key)
    return resources.page(tx, actor, delivery_shape, query, _of_hook, webhook=hook["id"])


def _delivery(reader: ReaderKind, form: str) -> Any:
    delivery = schema.deliveries.alias()
    shown = json_text(delivery_shape(delivery, reader)).label("json")
    return select(delivery.c.id, shown).where(
        _of_hook(delivery, reader), resources.named(delivery, schema.deliveries, form)
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


def get_delivery(tx: Tx, actor: Actor, key: str, delivery: str) -> str:
    """One delivery of a webhook as JSON. Raises NotFound."""
    hook = resources.get_row(tx, actor, schema.webhooks, key)
    return str(_find(tx, actor, hook, delivery)["json"])


def redeliver(tx: Tx, actor: Actor, key: str, delivery: str) -> None:
    """Have a delivery sent again, whatever became of it: anew, under the same id.

    Raises NotFound, Forbidden, Conflict (`webhook_inactive`).
    """
    hook = WEBHOOKS.row_for_change(tx, actor, key)
    delivery_id = _find(tx, actor, hook, delivery)["id"]
    if not hook["active"]:
        raise Conflict(
            "The webhook is switched off: nothing is sent to it. Set active to true first.",
            code="webhook_inactive",
        )
    again = {"state": "waiting", "attempts": 0, "next_at": tx.now}
    tx.update(schema.deliveries, {"id": delivery_id}, **again)
