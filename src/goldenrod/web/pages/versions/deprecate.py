"""Pages that deprecate a version or remove its deprecation."""

import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Forbidden, Problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import publish, versions
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx
from goldenrod.web.pages.channels import offer_changes
from goldenrod.web.pages.kit import address_targets, fields, urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form
from goldenrod.web.pages.kit.visit import Page, Undo, Visit

Thing = dict[str, Any]

LABELS = {"reason": "Reason", "replacement": "Use instead", "at": "Deprecated from"}


def show_deprecate(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/deprecate."""
    return _page(visit, slug, name, None)


def _page(
    visit: Visit, slug: str, name: str, form: Form | None, problem: Problem | None = None
) -> Page:
    moves: list[offer_changes.Move] | None = None
    with visit.preview() as (tx, actor, possible):
        row, version = address_targets.version_for_change(tx, actor, slug, name)
        image = images.IMAGES.read(tx, actor, str(version["image"]["id"]))
        before = offer_changes.offers(tx, actor, image)
        if version["deprecation"] is None:
            preview = wire.VersionPatch(deprecation=wire.NewDeprecation())
        else:
            preview = wire.VersionPatch(deprecation=None)
        if possible:
            publish.edit_version(tx, actor, row, preview)
            moves = offer_changes.differing(before, offer_changes.offers(tx, actor, image))
    warned = moves is not None and [
        channel
        for channel, offer in sorted(before.items())
        if offer and offer["id"] == version["id"] and channel not in {one.channel for one in moves}
    ]
    return visit.page(
        "versions/version_deprecate.html",
        image=image,
        version=version,
        form=form or Form.of(**_texts(version), etag=_etag(version)),
        problem=problem,
        labels=LABELS,
        moves=moves,
        warned=warned,
    )


def _texts(version: Thing) -> dict[str, str]:
    """The form fields of a deprecation."""
    before_texts = version["deprecation"] or {"at": None, "reason": None, "replacement": None}
    return {
        "reason": before_texts["reason"] or "",
        "replacement": address_targets.written(before_texts["replacement"], version["image"]),
        "at": fields.minute(before_texts["at"]),
    }


def _etag(version: Thing) -> str:
    return resources.etag(json.dumps(_texts(version)))


def deprecate(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/versions/{name}/deprecate; `do` "clear" removes the deprecation."""
    try:
        with visit.change() as (tx, actor):
            row, version = address_targets.version_for_change(tx, actor, slug, name)
            visit.expect(json.dumps(_texts(version)))
            clear = visit.form.get("do") == "clear"
            faults = Faults()
            given = None if clear else _changed_fields(faults, tx, actor, version, visit.form)
            patch = decode.convert_with(faults, {"deprecation": given}, wire.VersionPatch)
            faults.then(publish.edit_version, tx, actor, row, patch)
            after = versions.VERSIONS.read(tx, actor, version["id"])
            now = tx.now
    except REFUSALS as problem:
        if isinstance(problem, Forbidden):
            raise
        return _page(visit, slug, name, visit.form, fields.placed(problem))
    return visit.redirect(
        urls.version(after), done=_done(version, after, now), undo=_undo(version, after)
    )


def _changed_fields(
    faults: Faults, tx: Tx, actor: Actor, version: Thing, form: Form
) -> dict[str, Any]:
    """The fields of the deprecation that the form changes."""
    before_texts = _texts(version)
    given: dict[str, Any] = {}
    for name in ("at", "reason", "replacement"):
        text = form.get(name).strip()
        # Undo sends the whole instant; the form's field has only minutes.
        if text == before_texts[name].strip():
            continue
        if name == "at":
            given[name] = fields.instant(text)
        elif name == "reason":
            given[name] = text or None
        else:
            with faults.noted():
                given[name] = address_targets.meant(tx, actor, version["image"], name, text)
    return given


def _done(before: Thing, after: Thing, now: str) -> str:
    name = after["name"]
    if after["deprecation"] is None:
        return f"{name} is not deprecated any more."
    at = after["deprecation"]["at"]
    if at > now:
        return f"{name} will be deprecated {fields.spoken(at)}."
    if before["deprecation"] is not None:
        return f"The deprecation of {name} is saved."
    return f"{name} is deprecated."


def _undo(before: Thing, after: Thing) -> Undo | None:
    """The form that restores the previous deprecation."""
    if before["deprecation"] == after["deprecation"]:
        return None
    action = urls.version(after, "deprecate")
    if before["deprecation"] is None:
        return Undo(action, {"do": "clear", "etag": _etag(after)})
    before_texts = _texts(before) | {"at": before["deprecation"]["at"]}
    return Undo(action, {**before_texts, "etag": _etag(after)})
