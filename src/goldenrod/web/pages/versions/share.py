"""The page that shares a version with groups and people."""

from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import BadRequest, Problem, field_problem
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import publish, versions
from goldenrod.rules.access import Actor
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit import address_targets, fields, urls
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Page, Undo, Visit

Thing = dict[str, Any]

LABELS = {"membership": "Group or person"}


def show_share(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/share."""
    return _page(visit, slug, name, Form.of())


def _page(visit: Visit, slug: str, name: str, form: Form, problem: Problem | None = None) -> Page:
    visit.require_user()
    with visit.read() as (tx, actor):
        _, version = address_targets.version_for_change(tx, actor, slug, name)
        image = images.IMAGES.read(tx, actor, str(version["image"]["id"]))
    return visit.page(
        "versions/version_share.html",
        image=image,
        version=version,
        form=form,
        problem=problem,
        labels=LABELS,
    )


def share(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/versions/{name}/share: `do` "add" (the field `membership`, an exact name)
    or "remove" (the field `group`, an id)."""
    try:
        with visit.change() as (tx, actor):
            row, version = address_targets.version_for_change(tx, actor, slug, name)
            shared_with = {group["id"]: group["name"] for group in version["membership"]}
            wanted = _wanted(visit.form, shared_with)
            patch = decode.convert({"membership": wanted}, wire.VersionPatch)
            publish.edit_version(tx, actor, row, patch)
            now = _groups(tx, actor, version)
    except BadRequest as problem:
        return _page(visit, slug, name, visit.form, fields.placed(problem))
    action = urls.version(version, "share")
    if added := now.keys() - shared_with.keys():
        group = added.pop()
        back = Undo(action, {"do": "remove", "group": str(group)})
        return visit.redirect(action, done=f"Shared with {now[group]}.", undo=back)
    if gone := shared_with.keys() - now.keys():
        group = gone.pop()
        back = Undo(action, {"do": "add", "membership": shared_with[group]})
        return visit.redirect(
            action, done=f"No longer shared with {shared_with[group]}.", undo=back
        )
    return visit.redirect(action, done="Nothing to change.")


def _wanted(form: Form, shared_with: dict[int, str]) -> list[int | str]:
    """The version's groups after adding or removing the one that the form names. Raises BadRequest."""
    if form.get("do") == "remove":
        return [group for group in shared_with if str(group) != form.get("group")]
    name = form.get("membership").strip()
    if not name:
        raise field_problem("membership", "is required")
    return [*shared_with, name]


def _groups(tx: Tx, actor: Actor, version: Thing) -> dict[int, str]:
    after = versions.VERSIONS.read(tx, actor, version["id"])
    return {group["id"]: group["name"] for group in after["membership"]}
