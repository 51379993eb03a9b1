"""The doors of webhooks: made, edited, and what was sent to them sent again.

A target's name is looked up before the transaction, so that slow name servers hold nobody up. The
answer to POST holds the secret, so it takes no Idempotency-Key. Redelivery changes nothing that a
reader of the catalogue sees: it leaves its revision as it is.
"""

import json
from typing import Any

from msgspec import Struct

from goldenrod.base.bodies import NewWebhook, WebhookPatch
from goldenrod.base.errors import BadRequest, Problem
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.web.api.handlers import one, without_idempotency
from goldenrod.web.request import Answer, Call, written


def _refusal(call: Call, shape: type[Struct], changing: str | None = None) -> BadRequest | None:
    """What the body's target gets, unless it is the one that stands. What is wrong with the body
    is said later, in its turn."""
    try:
        body: Any = (
            call.body(shape) if changing is None else call.patch(shape, json.loads(changing))
        )
    except Problem:
        return None
    if changing is not None and body.target == json.loads(changing)["target"]:
        return None
    settings = call.settings
    return webhooks.refusal_of(
        body.target, private=settings.webhooks_private, ports=settings.webhooks_ports
    )


def create_webhook(call: Call) -> Answer:
    """POST: 201 with the webhook, its secret among it."""
    with call.read() as (_, actor):
        actor.require_write()
    call.read_body()
    refusal = _refusal(call, NewWebhook)
    with call.change() as (tx, actor):
        body = call.body(NewWebhook)
        call.no_arguments()
        without_idempotency(call)
        hook_id, secret = webhooks.create_webhook(tx, actor, body, refusal)
        shown = json.loads(webhooks.get_webhook(tx, actor, str(hook_id)))
    return Answer(201, written({**shown, "secret": secret}), {"Location": shown["url"]})


def edit_webhook(call: Call, key: str) -> Answer:
    """PATCH: a merge patch, all of it or nothing."""
    with call.read() as (tx, actor):
        webhooks.take_for_editing(tx, actor, key)
        before = webhooks.get_webhook(tx, actor, key)
    call.read_body()
    refusal = _refusal(call, WebhookPatch, before)
    with call.change() as (tx, actor):
        row = webhooks.take_for_editing(tx, actor, key)
        current = webhooks.get_webhook(tx, actor, key)
        call.expect(tx, current)
        patch = call.patch(WebhookPatch, json.loads(current))
        call.no_arguments()
        webhooks.edit_webhook(tx, actor, row, patch, refusal)
        return one(webhooks.get_webhook(tx, actor, str(row["id"])))


def get_delivery(call: Call, key: str, delivery: str) -> Answer:
    """GET one delivery."""
    with call.read() as (tx, actor):
        body = webhooks.get_delivery(tx, actor, key, delivery)
        call.no_arguments()
    return one(body)


def redeliver(call: Call, key: str, delivery: str) -> Answer:
    """POST: send it again; the delivery, waiting. It takes no body."""
    with call.note() as (tx, actor):
        webhooks.take_webhook(tx, actor, key)
        webhooks.get_delivery(tx, actor, key, delivery)
        call.no_arguments()
        without_idempotency(call)
        webhooks.redeliver(tx, actor, key, delivery)
        return one(webhooks.get_delivery(tx, actor, key, delivery))
