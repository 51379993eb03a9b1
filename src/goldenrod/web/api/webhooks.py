"""The handlers that create and edit webhooks, test them, and send deliveries again.

The host of a target is looked up before the transaction, so that a slow name server blocks no other
writer. The answer to POST has the secret, so it accepts no Idempotency-Key. Tests and
redelivery change nothing that readers of the catalogue see, so they do not change its revision.
"""

import json
from typing import Any

from msgspec import Struct

from goldenrod.base.errors import BadRequest, Problem
from goldenrod.base.faults import Faults
from goldenrod.base.wire import NewWebhook, WebhookPatch
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.web.api.handlers import one, without_idempotency
from goldenrod.web.request import Request, Response, written


def _target_problem(
    request: Request, shape: type[Struct], changing: str | None = None
) -> BadRequest | None:
    """The error for the body's target; None if the target is allowed or unchanged. An invalid body
    is reported later, after the checks that come first."""
    faults = Faults()
    try:
        body: Any = (
            request.body(shape, faults)
            if changing is None
            else request.patch(shape, json.loads(changing), faults)
        )
    except Problem:
        return None
    if changing is not None and body.target == json.loads(changing)["target"]:
        return None
    return webhooks.target_refusal(body.target, request.settings)


def create_webhook(request: Request) -> Response:
    """POST: 201 with the webhook and its secret."""
    with request.read() as (_, actor):
        actor.require_write()
    request.read_body()
    refusal = _target_problem(request, NewWebhook)
    with request.change() as (tx, actor):
        request.expect_list(tx, actor, webhooks.WEBHOOKS)
        faults = Faults()
        body = request.body(NewWebhook, faults)
        request.no_arguments()
        without_idempotency(request)
        hook_id, secret = faults.then(webhooks.create_webhook, tx, actor, body, refusal)
        shown = webhooks.WEBHOOKS.read(tx, actor, str(hook_id))
    return Response(201, written({**shown, "secret": secret}), {"Location": shown["url"]})


def edit_webhook(request: Request, key: str) -> Response:
    """PATCH with a merge patch, all of it or nothing."""
    with request.read() as (tx, actor):
        webhooks.webhook_for_editing(tx, actor, key)
        before = webhooks.WEBHOOKS.get(tx, actor, key)
    request.read_body()
    refusal = _target_problem(request, WebhookPatch, before)
    with request.change() as (tx, actor):
        row = webhooks.webhook_for_editing(tx, actor, key)
        current = webhooks.WEBHOOKS.get(tx, actor, key)
        request.expect(current)
        faults = Faults()
        patch = request.patch(WebhookPatch, json.loads(current), faults)
        request.no_arguments()
        faults.then(webhooks.edit_webhook, tx, actor, row, patch, refusal)
        return one(webhooks.WEBHOOKS.get(tx, actor, str(row["id"])))


def get_delivery(request: Request, key: str, delivery: str) -> Response:
    """GET one delivery."""
    with request.read() as (tx, actor):
        found = webhooks.get_delivery(tx, actor, key, delivery)
        request.no_arguments()
    return one(written(found))


def send_test(request: Request, key: str) -> Response:
    """POST: send a test event. Answers its delivery, which is waiting. It takes no body."""
    with request.write_unversioned() as (tx, actor):
        webhooks.WEBHOOKS.row_for_change(tx, actor, key)
        request.no_arguments()
        without_idempotency(request)
        delivery = webhooks.send_test(tx, actor, key)
        shown = webhooks.get_delivery(tx, actor, key, str(delivery))
    return one(written(shown), status=201, headers={"Location": shown["url"]})


def redeliver(request: Request, key: str, delivery: str) -> Response:
    """POST: send a delivery again. Answers the delivery, which is now waiting. It takes no body."""
    with request.write_unversioned() as (tx, actor):
        webhooks.WEBHOOKS.row_for_change(tx, actor, key)
        webhooks.get_delivery(tx, actor, key, delivery)
        request.no_arguments()
        without_idempotency(request)
        webhooks.redeliver(tx, actor, key, delivery)
        return one(written(webhooks.get_delivery(tx, actor, key, delivery)))
