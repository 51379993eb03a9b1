"""Webhooks: who is told what happens to an image, or to all (staff), and what became of telling them.

The secret that payloads are signed with is shown once, on the answer to making a webhook. A target's
name is looked up outside any transaction, once it is known that the visitor may ask for it.
"""

import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import BadRequest, Forbidden, Problem, field_problem
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

LABELS = {"target": "Address", "events": "Told of"}
KINDS = {
    "version.published": "a version is published",
    "version.edited": "a version is edited",
    "version.deprecated": "a version is deprecated",
    "version.revoked": "a version is revoked",
    "version.restored": "a version is restored",
    "version.ended": "a version ends",
    "channel.assigned": "a channel offers another version",
    "machine.added": "a machine is added",
    "machine.gone": "a machine is gone",
}

Hook = dict[str, Any]


def show_of_image(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/webhooks: the image's webhooks that the visitor may see; its keepers'."""
    visit.require_user()
    return _list(visit, slug, _new())


def show_of_all(visit: Visit) -> Page:
    """GET /staff/webhooks: every webhook; new ones there are told of all images."""
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
        kinds=KINDS,
    )


def _image(tx: Tx, actor: Actor, slug: str | None) -> Any:
    """The image that the page is about; None where it is about all. Raises NotFound, Forbidden."""
    if slug is None:
        require_staff(actor)
        return None
    images.IMAGES.row_for_change(tx, actor, slug)
    return images.IMAGES.read(tx, actor, slug)


def create_of_image(visit: Visit, slug: str) -> Page:
    """POST /images/{slug}/webhooks: the page that shows the secret, this once."""
    return _create(visit, slug)


def create_of_all(visit: Visit) -> Page:
    """POST /staff/webhooks."""
    return _create(visit, None)


def _create(visit: Visit, slug: str | None) -> Page:
    visit.require_user()
    visit.check_form()
    with visit.read() as (tx, actor):
        image = _image(tx, actor, slug)
    try:
        asked = {**_asked(visit), "image": image and image["id"]}
        body = decode.convert(asked, wire.NewWebhook)
        refusal = _refusal_of(visit, body.target)
        with visit.change() as (tx, actor):
            _image(tx, actor, slug)
            hook_id, secret = webhooks.create_webhook(tx, actor, body, refusal)
            hook = webhooks.WEBHOOKS.read(tx, actor, str(hook_id))
    except REFUSALS as problem:
        return _list(visit, slug, visit.form, refused(problem))
    return visit.page("webhooks/webhook_created.html", 201, hook=hook, secret=secret)


def _refusal_of(visit: Visit, target: Any) -> BadRequest | None:
    settings = visit.settings
    return webhooks.refusal_of(
        target, private=settings.webhooks_private, ports=settings.webhooks_ports
    )


def _asked(visit: Visit) -> dict[str, Any]:
    target, kinds = visit.form.get("target").strip(), visit.form.all("events")
    if not target:
        raise field_problem("target", "is required")
    if not kinds:
        raise field_problem("events", "choose at least one")
    return {"target": target, "events": kinds}


def show_webhook(visit: Visit, key: str) -> Page:
    """GET /webhooks/{key}: what it is, and its deliveries, newest first."""
    visit.require_user()
    return _show(visit, key)


def _show(visit: Visit, key: str, form: Form | None = None, problem: Problem | None = None) -> Page:
    with visit.read() as (tx, actor):
        text = webhooks.WEBHOOKS.get(tx, actor, key)
        may_edit = _may_edit(tx, actor, key)
        found = listed(
            visit, tx, actor, _deliveries_of(key), webhooks.DELIVERIES, "state", ordering="-id"
        )
        asked = paging.parse(webhooks.DELIVERIES, {"state": ["waiting"], "page_size": ["1"]})
        waiting = webhooks.list_deliveries(tx, actor, key, asked).count
    hook = json.loads(text)
    kept = Form.of(target=hook["target"], events=hook["events"], etag=resources.etag(text))
    return visit.page(
        "webhooks/webhook.html",
        hook=hook,
        may_edit=may_edit,
        list=found,
        waiting=waiting,
        states=[("", "any"), *((state, state) for state in webhooks.STATES)],
        form=form or kept,
        problem=problem,
        labels=LABELS,
        kinds=KINDS,
    )


def _deliveries_of(key: str) -> Any:
    return lambda tx, actor, query: webhooks.list_deliveries(tx, actor, key, query)


def _may_edit(tx: Tx, actor: Actor, key: str) -> bool:
    try:
        webhooks.webhook_for_editing(tx, actor, key)
    except Forbidden:
        return False
    return True


def edit_webhook(visit: Visit, key: str) -> Page:
    """POST /webhooks/{key}: another address, other events."""
    visit.require_user()
    visit.check_form()
    with visit.read() as (tx, actor):
        webhooks.webhook_for_editing(tx, actor, key)
        before = webhooks.WEBHOOKS.read(tx, actor, key)
    try:
        patch = decode.convert(_asked(visit), wire.WebhookPatch)
        moved = patch.target != before["target"]
        refusal = _refusal_of(visit, patch.target) if moved else None
        with visit.change() as (tx, actor):
            row = webhooks.webhook_for_editing(tx, actor, key)
            visit.expect(webhooks.WEBHOOKS.get(tx, actor, key))
            webhooks.edit_webhook(tx, actor, row, patch, refusal)
    except REFUSALS as problem:
        return _show(visit, key, visit.form, refused(problem))
    return visit.redirect(urls.webhook(before), done="Saved.")


def switch_webhook(visit: Visit, key: str) -> Page:
    """POST /webhooks/{key}/active: on, or off."""
    on = visit.form.on("active")
    with visit.change() as (tx, actor):
        row = webhooks.webhook_for_editing(tx, actor, key)
        webhooks.edit_webhook(tx, actor, row, wire.WebhookPatch(active=on), None)
        hook = webhooks.WEBHOOKS.read(tx, actor, key)
    return visit.redirect(
        urls.webhook(hook),
        done="Switched on: it is told what happens from now on." if on else "Switched off.",
        undo=Undo(urls.webhook(hook, "active"), {} if on else {"active": "on"}),
    )


def show_remove(visit: Visit, key: str) -> Page:
    """GET /webhooks/{key}/remove: what is gone with it."""
    visit.require_user()
    with visit.read() as (tx, actor):
        webhooks.WEBHOOKS.row_for_change(tx, actor, key)
        hook = webhooks.WEBHOOKS.read(tx, actor, key)
        asked = paging.parse(webhooks.DELIVERIES, {"page_size": ["1"]})
        count = webhooks.list_deliveries(tx, actor, key, asked).count
    return visit.page("webhooks/webhook_remove.html", hook=hook, count=count)


def remove_webhook(visit: Visit, key: str) -> Page:
    """POST /webhooks/{key}/remove."""
    with visit.change() as (tx, actor):
        row = webhooks.WEBHOOKS.row_for_change(tx, actor, key)
        hook: Hook = webhooks.WEBHOOKS.read(tx, actor, key)
        webhooks.remove_webhook(tx, actor, row)
    return visit.redirect(_list_of(hook), done=f"The webhook to {hook['target']} is removed.")


def _list_of(hook: Hook) -> str:
    """The page that lists a webhook, as far as its image may still be seen."""
    if hook["image"] is None:
        return urls.staff("webhooks")
    seen = "slug" in hook["image"]
    return urls.image(hook["image"], "webhooks") if seen else urls.ACCOUNT


def redeliver(visit: Visit, key: str, delivery: str) -> Page:
    """POST /webhooks/{key}/deliveries/{delivery}/redeliver."""
    try:
        with visit.write_unversioned() as (tx, actor):
            webhooks.redeliver(tx, actor, key, delivery)
            told = json.loads(webhooks.get_delivery(tx, actor, key, delivery))["event"]
            hook = webhooks.WEBHOOKS.read(tx, actor, key)
    except REFUSALS as problem:
        return _show(visit, key, problem=refused(problem))
    what = told["type"] if told else "What you may not see"
    return visit.redirect(urls.webhook(hook), done=f"{what} is sent again.")
