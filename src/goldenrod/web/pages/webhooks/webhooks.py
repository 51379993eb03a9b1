"""Pages of webhooks: of an image, of all images (staff), and of one webhook with its deliveries.

The secret that payloads are signed with is shown once, on the page that answers the creation. The name
of a target is looked up outside any transaction, and only for a visitor who may create the webhook.
"""

import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import BadRequest, Forbidden, Problem, field_problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.images import images
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.rules.changes import events
from goldenrod.store import paging
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Undo, Visit
from goldenrod.web.pages.staff.staff_home import require_staff

LABELS = {"target": "URL", "events": "Events"}
EVENT_LABELS = {
    "version.published": "version published",
    "version.edited": "version edited",
    "version.deprecated": "version deprecated",
    "version.revoked": "version revoked",
    "version.restored": "version restored",
    "version.ended": "version ended",
    "channel.assigned": "channel assigned",
    "machine.added": "machine added",
    "machine.gone": "machine ended",
    "machine.missing": "machine missing on its cloud",
    "machine.drifted": "machine differs from its cloud",
    "sync.failed": "cloud could not be read (staff)",
}

Hook = dict[str, Any]


def show_of_image(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/webhooks, for editors: the image's webhooks that the visitor may read."""
    visit.require_user()
    return _list(visit, slug, _new())


def show_of_all(visit: Visit) -> Page:
    """GET /staff/webhooks: every webhook. One that is created here is notified of all images."""
    return _list(visit, None, _new())


def _new() -> Form:
    return Form.of(events=list(events.TYPES))


def _list(visit: Visit, slug: str | None, form: Form, problem: Problem | None = None) -> Page:
    with visit.read() as (tx, actor):
        image = _image(tx, actor, slug)
        of = {} if image is None else {"image": str(image["id"])}
        found = listed(
            visit,
            tx,
            actor,
            webhooks.WEBHOOKS.page,
            webhooks.WEBHOOKS.listing,
            ordering="-start_date",
            **of,
        )
    if image and slug != image["slug"]:
        return visit.redirect(urls.image(image, "webhooks"))
    return visit.page(
        "webhooks/webhooks.html",
        image=image,
        action=urls.image(image, "webhooks") if image else urls.staff("webhooks"),
        list=found,
        form=form,
        problem=problem,
        labels=LABELS,
        event_labels=EVENT_LABELS,
    )


def _image(tx: Tx, actor: Actor, slug: str | None) -> Any:
    """The image of the page; None for the page of all images. Raises NotFound, Forbidden."""
    if slug is None:
        require_staff(actor)
        return None
    images.IMAGES.row_for_change(tx, actor, slug)
    return images.IMAGES.read(tx, actor, slug)


def create_of_image(visit: Visit, slug: str) -> Page:
    """POST /images/{slug}/webhooks: creates one, and shows its secret once."""
    return _create(visit, slug)


def create_of_all(visit: Visit) -> Page:
    """POST /staff/webhooks: creates one for all images, and shows its secret once."""
    return _create(visit, None)


def _create(visit: Visit, slug: str | None) -> Page:
    visit.require_user()
    visit.check_form()
    with visit.read() as (tx, actor):
        image = _image(tx, actor, slug)
    try:
        faults = Faults()
        fields = {**_fields(faults, visit), "image": image and image["id"]}
        body = decode.convert_with(faults, fields, wire.NewWebhook)
        refusal = _refusal(visit, body.target)
        with visit.change() as (tx, actor):
            _image(tx, actor, slug)
            hook_id, secret = faults.then(webhooks.create_webhook, tx, actor, body, refusal)
            hook = webhooks.WEBHOOKS.read(tx, actor, str(hook_id))
    except REFUSALS as problem:
        return _list(visit, slug, visit.form, refused(problem))
    return visit.page("webhooks/webhook_created.html", 201, hook=hook, secret=secret)


def _refusal(visit: Visit, target: Any) -> BadRequest | None:
    return webhooks.target_refusal(target, visit.settings)


def _fields(faults: Faults, visit: Visit) -> dict[str, Any]:
    target, types = visit.form.get("target").strip(), visit.form.all("events")
    if not target:
        faults.add(field_problem("target", "is required"))
    if not types:
        faults.add(field_problem("events", "choose at least one"))
    return {"target": target, "events": types}


def show_webhook(visit: Visit, key: str) -> Page:
    """GET /webhooks/{key}: a webhook and its deliveries, newest first."""
    visit.require_user()
    return _show(visit, key)


def show_refused(visit: Visit, key: str, problem: Problem) -> Page:
    """The page of a webhook, with why nothing is sent to it."""
    return _show(visit, key, problem=problem)


def _show(visit: Visit, key: str, form: Form | None = None, problem: Problem | None = None) -> Page:
    with visit.read() as (tx, actor):
        text = webhooks.WEBHOOKS.get(tx, actor, key)
        may_edit = _may_edit(tx, actor, key)
        found = listed(
            visit, tx, actor, _deliveries_of(key), webhooks.DELIVERIES, "state", ordering="-id"
        )
        waiting = _count(tx, actor, key, state=["waiting"])
    hook = json.loads(text)
    stored = Form.of(target=hook["target"], events=hook["events"], etag=resources.etag(text))
    return visit.page(
        "webhooks/webhook.html",
        hook=hook,
        may_edit=may_edit,
        list=found,
        waiting=waiting,
        states=[("", "any"), *((state, state) for state in webhooks.STATES)],
        form=form or stored,
        problem=problem,
        labels=LABELS,
        event_labels=EVENT_LABELS,
    )


def _count(tx: Tx, actor: Actor, key: str, **filters: list[str]) -> int | None:
    """The number of a webhook's deliveries."""
    query = paging.parse(webhooks.DELIVERIES, {**filters, "page_size": ["1"]})
    return webhooks.list_deliveries(tx, actor, key, query).count


def _deliveries_of(key: str) -> Any:
    return lambda tx, actor, query: webhooks.list_deliveries(tx, actor, key, query)


def _may_edit(tx: Tx, actor: Actor, key: str) -> bool:
    try:
        webhooks.webhook_for_editing(tx, actor, key)
    except Forbidden:
        return False
    return True


def edit_webhook(visit: Visit, key: str) -> Page:
    """POST /webhooks/{key}: changes its URL and events."""
    visit.require_user()
    visit.check_form()
    with visit.read() as (tx, actor):
        webhooks.webhook_for_editing(tx, actor, key)
        before = webhooks.WEBHOOKS.read(tx, actor, key)
    try:
        faults = Faults()
        patch = decode.convert_with(faults, _fields(faults, visit), wire.WebhookPatch)
        is_new = patch.target != before["target"]
        refusal = _refusal(visit, patch.target) if is_new else None
        with visit.change() as (tx, actor):
            row = webhooks.webhook_for_editing(tx, actor, key)
            visit.expect(webhooks.WEBHOOKS.get(tx, actor, key))
            faults.then(webhooks.edit_webhook, tx, actor, row, patch, refusal)
    except REFUSALS as problem:
        return _show(visit, key, visit.form, refused(problem))
    return visit.redirect(urls.webhook(before), done="Saved.")


def switch_webhook(visit: Visit, key: str) -> Page:
    """POST /webhooks/{key}/active: switches it on or off."""
    on = visit.form.on("active")
    with visit.change() as (tx, actor):
        row = webhooks.webhook_for_editing(tx, actor, key)
        webhooks.edit_webhook(tx, actor, row, wire.WebhookPatch(active=on), None)
        hook = webhooks.WEBHOOKS.read(tx, actor, key)
    return visit.redirect(
        urls.webhook(hook),
        done="Switched on. It is notified of events from now on." if on else "Switched off.",
        undo=Undo(urls.webhook(hook, "active"), {} if on else {"active": "on"}),
    )


def show_remove(visit: Visit, key: str) -> Page:
    """GET /webhooks/{key}/remove: asks for confirmation and shows what is deleted."""
    visit.require_user()
    with visit.read() as (tx, actor):
        webhooks.WEBHOOKS.row_for_change(tx, actor, key)
        hook = webhooks.WEBHOOKS.read(tx, actor, key)
        count = _count(tx, actor, key)
    return visit.page("webhooks/webhook_remove.html", hook=hook, count=count)


def remove_webhook(visit: Visit, key: str) -> Page:
    """POST /webhooks/{key}/remove: deletes it."""
    with visit.change() as (tx, actor):
        row = webhooks.WEBHOOKS.row_for_change(tx, actor, key)
        hook: Hook = webhooks.WEBHOOKS.read(tx, actor, key)
        webhooks.remove_webhook(tx, actor, row)
    return visit.redirect(_list_of(hook), done=f"Webhook {hook['target']} removed.")


def _list_of(hook: Hook) -> str:
    """The page that lists a webhook; the account page where its image is no longer readable."""
    if hook["image"] is None:
        return urls.staff("webhooks")
    readable = "slug" in hook["image"]
    return urls.image(hook["image"], "webhooks") if readable else urls.ACCOUNT


def redeliver(visit: Visit, key: str, delivery: str) -> Page:
    """POST /webhooks/{key}/deliveries/{delivery}/redeliver: sends a delivery again."""
    try:
        with visit.write_unversioned() as (tx, actor):
            webhooks.redeliver(tx, actor, key, delivery)
            event = webhooks.get_delivery(tx, actor, key, delivery)["event"]
            hook = webhooks.WEBHOOKS.read(tx, actor, key)
    except REFUSALS as problem:
        return show_refused(visit, key, refused(problem))
    return visit.redirect(urls.webhook(hook), done=f"{event['type']} will be sent again.")
