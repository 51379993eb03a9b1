"""Pages that edit, end and restore versions."""

import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Conflict, FieldError, Forbidden, NotFound, Problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import history, impact, publish, revocations, versions
from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.channels import offer_changes
from goldenrod.web.pages.kit import address_targets, edit_conflict, fields, urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form
from goldenrod.web.pages.kit.visit import Page, Undo, Visit
from goldenrod.web.pages.versions import version_fields

Thing = dict[str, Any]


def show_edit(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/edit."""
    return _edit_page(visit, slug, name, None)


def _edit_page(
    visit: Visit, slug: str, name: str, form: Form | None, problem: Problem | None = None
) -> Page:
    visit.require_user()
    with visit.read() as (tx, actor):
        _, version = address_targets.version_for_change(tx, actor, slug, name)
        image = version["image"]
        choices = version_fields.choices(tx, actor, image, version, form)
        saved_by = _saved_by(tx, actor, version) if problem else ""
    words = version_fields.value_labels(choices)
    now = fields.shown(version_fields.EDITED, version)
    etag = resources.etag(json.dumps(now))
    if form is None:
        form = Form(now).but(etag=etag, seen=fields.marks(now))
    form = version_fields.without_words(form)
    meeting = edit_conflict.meet(version_fields.EDITED, form, now, etag, problem, words)
    refused = problem is not None and problem.code == "parent_revoked"
    return visit.page(
        "versions/version_edit.html",
        image=image,
        version=version,
        form=meeting.form,
        problem=problem,
        labels=version_fields.labels(version_fields.EDITED),
        choices=choices,
        meeting=meeting,
        saved_by=saved_by,
        below_revoked=refused or form.on("allow_revoked_parent"),
    )


def _saved_by(tx: Tx, actor: Actor, version: Thing) -> str:
    """Who changed a version last."""
    newest = paging.parse(history.LIST, {"ordering": ["-sequence"], "page_size": ["1"]})
    page = history.list_history(tx, actor, version["id"], newest)
    last = [json.loads(one)["by"] for one in page.results]
    return str(last[0]["username"]) if last and last[0] else ""


def edit(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/versions/{name}/edit."""
    visit.require_sent()
    if visit.form.get("do"):
        return _edit_page(visit, slug, name, visit.form)
    try:
        with visit.change() as (tx, actor):
            row, version = address_targets.version_for_change(tx, actor, slug, name)
            given = _edit(visit, tx, actor, row, version)
            after = _read_if_visible(tx, actor, version["id"])
            now = tx.now
    except REFUSALS as problem:
        if isinstance(problem, Forbidden) and not problem.errors:
            # If the version itself may be changed, the refusal is about a field.
            problem.errors = _forbidden(problem)
        return _edit_page(visit, slug, name, visit.form, fields.placed(problem))
    if after is None:
        return visit.redirect(
            urls.HOME, done=f"Saved. {version['name']} is no longer visible to you."
        )
    return visit.redirect(
        urls.version(after),
        done="Saved." if given else "Nothing to save.",
        more=fields.scheduled(after, now, given),
    )


def _forbidden(problem: Forbidden) -> tuple[FieldError, ...]:
    field = "scripts" if problem.code == "script_not_yours" else "image"
    return (FieldError(field, problem.detail),)


def _edit(visit: Visit, tx: Tx, actor: Actor, row: Row, version: Thing) -> dict[str, Any]:
    now = fields.shown(version_fields.EDITED, version)
    visit.expect(json.dumps(now))
    faults = Faults()
    given = fields.given(faults, version_fields.EDITED, visit.form, now)
    given = version_fields.resolved(faults, tx, actor, version["image"], given)
    if "labels" in given:
        given["labels"] = dict.fromkeys(version["labels"]) | given["labels"]
    if visit.form.on("allow_revoked_parent"):
        given["allow_revoked_parent"] = True
    patch = decode.convert_with(faults, given, wire.VersionPatch)
    faults.then(publish.edit_version, tx, actor, row, patch)
    return given


def _read_if_visible(tx: Tx, actor: Actor, key: str) -> Thing | None:
    try:
        version: Thing = versions.VERSIONS.read(tx, actor, key)
    except NotFound:
        return None
    return version


# ── ending ─────────────────────────────────────────────────────────────────────────────────


def show_end(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/end: the impact of ending."""
    moves: list[offer_changes.Move] | None = None
    with visit.preview() as (tx, actor, can_try):
        row, version = address_targets.version_for_change(tx, actor, slug, name)
        image = _image(tx, actor, version)
        machine_counts = impact.machines_of_versions(tx, actor, [version["id"]])
        children = _children(tx, actor, version)
        if can_try:
            before = offer_changes.offers(tx, actor, image)
            publish.end_version(tx, actor, row)
            moves = offer_changes.differing(before, offer_changes.offers(tx, actor, image))
    return visit.page(
        "versions/version_end.html",
        image=image,
        version=version,
        machines=machine_counts,
        children=children,
        moves=moves,
    )


def _image(tx: Tx, actor: Actor, version: Thing) -> Thing:
    image: Thing = images.IMAGES.read(tx, actor, str(version["image"]["id"]))
    return image


def _children(tx: Tx, actor: Actor, version: Thing) -> int:
    """The number of children of the version that the visitor may read."""
    return len(lineage.get_lineage(tx, actor, version["id"], "descendants", 1)["edges"])


def end(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/versions/{name}/end."""
    with visit.change() as (tx, actor):
        row, version = address_targets.version_for_change(tx, actor, slug, name)
        publish.end_version(tx, actor, row)
    undo_fields = {"what": "end", "end_date": version["end_date"] or ""}
    return visit.redirect(
        urls.version(version),
        done=f"{version['name']} has ended.",
        more="Only editors and staff can see it.",
        undo=Undo(urls.version(version, "restore"), undo_fields),
    )


# ── restoring an ended or revoked version ────────────────────────────────────────


def show_restore(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/restore: the impact of restoring."""
    return _restore_page(visit, slug, name)


def _restore_page(visit: Visit, slug: str, name: str, problem: Problem | None = None) -> Page:
    effect: Thing | None = None
    refusal: Conflict | None = None
    moves: list[offer_changes.Move] = []
    with visit.preview() as (tx, actor, can_try_end):
        row, version = address_targets.version_for_change(tx, actor, slug, name)
        image = _image(tx, actor, version)
        if can_try_end and version["end_date"] and version["end_date"] <= tx.now:
            before = offer_changes.offers(tx, actor, image)
            publish.edit_version(tx, actor, row, wire.VersionPatch(end_date=None))
            moves = offer_changes.differing(before, offer_changes.offers(tx, actor, image))
    with visit.preview() as (tx, actor, can_try):
        row = versions.VERSIONS.row_for_change(tx, actor, version["id"])
        try:
            if can_try:
                restored = revocations.restore(tx, actor, row, wire.Restoring(dry_run=True))
                effect = revocations.describe(tx, actor, restored, dry_run=True) | {"stops": False}
        except Conflict as none:
            refusal = none
    return visit.page(
        "versions/version_restore.html",
        image=image,
        version=version,
        moves=moves if can_try_end else None,
        effect=effect,
        busy=not can_try,
        origin=refusal.extra.get("inherited_from") if refusal else None,
        problem=problem,
    )


def restore(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/versions/{name}/restore: `what` is `end` or `revocation`."""
    try:
        with visit.change() as (tx, actor):
            row, version = address_targets.version_for_change(tx, actor, slug, name)
            ended = visit.form.get("what") == "end"
            if ended:
                patch = wire.VersionPatch(end_date=visit.form.get("end_date") or None)
                publish.edit_version(tx, actor, row, patch)
            else:
                revocations.restore(tx, actor, row, wire.Restoring())
            after = versions.VERSIONS.read(tx, actor, version["id"])
    except Conflict as problem:
        return _restore_page(visit, slug, name, problem)
    done = f"{version['name']} is restored."
    more = "" if after["state"] == "current" else f"It is {after['state']} now."
    return visit.redirect(urls.version(after), done=done, more=more)
