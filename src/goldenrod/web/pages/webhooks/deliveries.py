"""The page of one delivery: what was sent and what was answered; and sending a test event.

What a receiver answered comes from a stranger. It is shown as text, isolated from the text around it.
"""

import json
from typing import Any

from goldenrod.catalogue.webhooks import webhooks
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import REFUSALS, refused
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.webhooks.webhooks import show_refused


def show_delivery(visit: Visit, key: str, delivery: str) -> Page:
    """GET /webhooks/{key}/deliveries/{delivery}: a delivery and its attempts, newest first."""
    visit.require_user()
    with visit.read() as (tx, actor):
        hook = webhooks.WEBHOOKS.read(tx, actor, key)
        found = webhooks.get_delivery(tx, actor, key, delivery)
    for attempt in found["stored_attempts"]:
        attempt["payload"] = _indented(attempt["payload"])
    return visit.page("webhooks/delivery.html", hook=hook, it=found)


def _indented(payload: str) -> str:
    found: Any = json.loads(payload) if payload else None
    return "" if found is None else json.dumps(found, ensure_ascii=False, indent=2)


def send_test(visit: Visit, key: str) -> Page:
    """POST /webhooks/{key}/test: sends a test event."""
    try:
        with visit.write_unversioned() as (tx, actor):
            delivery = webhooks.send_test(tx, actor, key)
            hook = webhooks.WEBHOOKS.read(tx, actor, key)
    except REFUSALS as problem:
        return show_refused(visit, key, refused(problem))
    there = urls.webhook(hook, "deliveries", str(delivery))
    return visit.redirect(there, done="A test event will be sent.")
