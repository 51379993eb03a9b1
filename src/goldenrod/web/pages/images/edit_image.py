"""Forms that create, edit, end and restore images."""

import json
import uuid
from collections.abc import Iterable
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import NotFound, Problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.images import images, tags
from goldenrod.catalogue.versions import impact
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.rules.changes.mutations import Created
from goldenrod.store.db import Tx
from goldenrod.web.pages.channels import offer_changes
from goldenrod.web.pages.kit import address_targets, edit_conflict, fields, urls
from goldenrod.web.pages.kit.fields import Field
from goldenrod.web.pages.kit.forms import REFUSALS, Form
from goldenrod.web.pages.kit.visit import Page, Undo, Visit

Thing = dict[str, Any]

NAME = fields.text("name", "Name")
OWNER = Field(
    "owner", "Owner", lambda image: [image["owner"]["username"]], lambda name, texts: texts[0]
)
MAINTAINERS = fields.names("maintainers", "Maintainers")
COMMON = (
    NAME,
    fields.text("slug", fields.LABELS["slug"]),
    fields.text("description", "Description"),
    fields.box("is_public", "Public"),
    fields.names("tags", "Tags"),
    fields.date("start_date", fields.LABELS["start_date"]),
    fields.date("end_date", fields.LABELS["end_date"]),
)
NEW = (*COMMON, MAINTAINERS)
EDITED = (
    *COMMON[:5],
    fields.date("start_date", fields.LABELS["start_date"], required=True),
    COMMON[6],
)
OWNERSHIP = (OWNER, MAINTAINERS)
WORDS = {"is_public": edit_conflict.YES_OR_NO}


def show_new(visit: Visit) -> Page:
    """GET /images/new."""
    visit.require_user()
    form = Form.of(key=str(uuid.uuid4()))
    return _new_page(visit, form)


def _new_page(visit: Visit, form: Form, problem: Problem | None = None) -> Page:
    with visit.read() as (tx, actor):
        known = _tags(tx, actor)
    return visit.page(
        "images/image_form.html",
        image=None,
        form=form,
        problem=problem,
        labels=_labels(NEW),
        people=True,
        known=known,
        meeting=None,
    )


def _labels(shown: Iterable[Field]) -> dict[str, str]:
    return {field.name: field.label for field in shown}


def _tags(tx: Tx, actor: Actor) -> list[str]:
    """The names of the tags that the form suggests."""
    return [tag["name"] for tag in tags.TAGS.read_list(tx, actor, ordering="name")]


def create(visit: Visit) -> Page:
    """POST /images/new."""
    visit.require_sent()
    if visit.form.get("do") == "preview":
        return _new_page(visit, visit.form)
    try:
        with visit.change() as (tx, actor):
            actor.require_write()
            created = fields.once(visit, tx, actor, lambda: _create(visit.form, tx, actor))
            image = images.IMAGES.read(tx, actor, created.key)
            coming = fields.scheduled(image, tx.now)
    except REFUSALS as problem:
        return _new_page(visit, visit.form, fields.placed(problem))
    return visit.redirect(
        urls.image(image),
        done=f"{image['name']} was created.",
        more=f"{coming} Publish its first version.".strip(),
    )


def _create(form: Form, tx: Tx, actor: Actor) -> Created:
    faults = Faults()
    given = fields.given(faults, NEW, form, {})
    return decode.convert_then(
        faults, given, wire.NewImage, lambda body: images.create_image(tx, actor, body)
    )


# ── editing ────────────────────────────────────────────────────────────────────────────────


def _fields(actor: Actor, image: Thing) -> tuple[Field, ...]:
    """The fields that the visitor may change. Only the owner and staff change owner and maintainers."""
    is_owner = actor.has_staff_rights or image["owner"]["id"] == actor.user_id
    return (*EDITED, *OWNERSHIP) if is_owner else EDITED


def show_edit(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/edit."""
    return _edit_page(visit, slug, None)


def _edit_page(visit: Visit, slug: str, form: Form | None, problem: Problem | None = None) -> Page:
    visit.require_user()
    with visit.read() as (tx, actor):
        _, image = address_targets.image_for_change(tx, actor, slug)
        known = _tags(tx, actor)
    editable = _fields(actor, image)
    now = fields.shown(editable, image)
    if form is None:
        form = Form(now).but(etag=resources.etag(json.dumps(now)), seen=fields.marks(now))
    meeting = edit_conflict.meet(
        editable, form, now, resources.etag(json.dumps(now)), problem, WORDS
    )
    return visit.page(
        "images/image_form.html",
        image=image,
        form=meeting.form,
        problem=problem,
        labels=_labels(editable),
        people=len(editable) > len(EDITED),
        known=known,
        meeting=meeting,
    )


def edit(visit: Visit, slug: str) -> Page:
    """POST /images/{slug}/edit."""
    visit.require_sent()
    if visit.form.get("do"):
        return _edit_page(visit, slug, visit.form)
    try:
        with visit.change() as (tx, actor):
            row, image = address_targets.image_for_change(tx, actor, slug)
            editable = _fields(actor, image)
            now = fields.shown(editable, image)
            visit.expect(json.dumps(now))
            faults = Faults()
            given = fields.given(faults, editable, visit.form, now)
            patch = decode.convert_with(faults, given, wire.ImagePatch)
            faults.then(images.edit_image, tx, actor, row, patch)
            after = _readable_after(tx, actor, row["id"])
            at = tx.now
    except REFUSALS as problem:
        return _edit_page(visit, slug, visit.form, fields.placed(problem))
    if after is None:
        return visit.redirect(
            urls.HOME, done=f"Saved. You no longer have access to {image['name']}."
        )
    return visit.redirect(
        urls.image(after),
        done="Saved." if given else "No changes.",
        more=fields.scheduled(after, at, given),
    )


def _readable_after(tx: Tx, actor: Actor, image_id: int) -> Thing | None:
    try:
        image: Thing = images.IMAGES.read(tx, actor, str(image_id))
    except NotFound:
        return None
    return image


# ── ending and restoring ───────────────────────────────────────────────────────────────────


def show_end(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/end: a preview of the impact."""
    visit.require_user()
    with visit.read() as (tx, actor):
        row, image = address_targets.image_for_change(tx, actor, slug)
        machines = impact.machines_of_image(tx, actor, row["id"])
        groups = impact.groups_of_image(tx, actor, row["id"])
        versions_count = _count_current(tx, actor, image)
        # The channels of an ended image offer nothing.
        moves = offer_changes.differing(offer_changes.offers(tx, actor, image), {})
    return visit.page(
        "images/image_end.html",
        image=image,
        versions_count=versions_count,
        machines=machines,
        groups=groups,
        moves=moves,
        restoring=False,
    )


def _count_current(tx: Tx, actor: Actor, image: Thing) -> int:
    return offer_changes.count_versions(tx, actor, image, current="true")


def end(visit: Visit, slug: str) -> Page:
    """POST /images/{slug}/end."""
    with visit.change() as (tx, actor):
        row, image = address_targets.image_for_change(tx, actor, slug)
        images.end_image(tx, actor, row)
    undo = Undo(urls.image(image, "restore"), {"end_date": image["end_date"] or ""})
    return visit.redirect(
        urls.image(image),
        done=f"{image['name']} has ended.",
        more="Only editors and staff see it.",
        undo=undo,
    )


def show_restore(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/restore: a preview of what becomes available again."""
    moves: list[offer_changes.Move] | None = None
    versions_count: int | None = None
    with visit.preview() as (tx, actor, possible):
        row, image = address_targets.image_for_change(tx, actor, slug)
        if possible:
            before = offer_changes.offers(tx, actor, image)
            images.edit_image(tx, actor, row, wire.ImagePatch(end_date=None))
            moves = offer_changes.differing(before, offer_changes.offers(tx, actor, image))
            versions_count = _count_current(tx, actor, image)
        machines = impact.machines_of_image(tx, actor, row["id"])
        groups = impact.groups_of_image(tx, actor, row["id"])
    return visit.page(
        "images/image_end.html",
        image=image,
        versions_count=versions_count,
        machines=machines,
        groups=groups,
        moves=moves,
        restoring=True,
    )


def restore(visit: Visit, slug: str) -> Page:
    """POST /images/{slug}/restore: set the form's end_date, or none. An undo sends the former one."""
    with visit.change() as (tx, actor):
        row, image = address_targets.image_for_change(tx, actor, slug)
        patch = wire.ImagePatch(end_date=visit.form.get("end_date") or None)
        images.edit_image(tx, actor, row, patch)
    return visit.redirect(urls.image(image), done=f"{image['name']} was restored.")
