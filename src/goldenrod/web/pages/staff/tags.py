"""Tags, described, renamed and removed by staff; images make them by naming them."""

import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem
from goldenrod.catalogue.images import images, tags
from goldenrod.rules import resources
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.staff.staff_home import change, look

LABELS = {"name": "Name", "description": "Description"}


def show_tags(visit: Visit) -> Page:
    """GET /staff/tags."""
    with look(visit) as (tx, actor):
        found = listed(visit, tx, actor, tags.TAGS.page, tags.TAGS.listing, "search")
    return visit.page("staff/tags.html", list=found)


def show_tag(visit: Visit, key: str) -> Page:
    """GET /staff/tags/{key}: to be described, renamed or removed."""
    return _show(visit, key)


def _show(visit: Visit, key: str, form: Form | None = None, problem: Problem | None = None) -> Page:
    with look(visit) as (tx, actor):
        text = tags.TAGS.get(tx, actor, key)
        tag: dict[str, Any] = json.loads(text)
        carried = images.IMAGES.count(tx, actor, tag=tag["name"])
    kept = Form.of(name=tag["name"], description=tag["description"], etag=resources.etag(text))
    return visit.page(
        "staff/tag.html",
        it=tag,
        carried=carried,
        form=form or kept,
        problem=problem,
        labels=LABELS,
    )


def edit_tag(visit: Visit, key: str) -> Page:
    """POST /staff/tags/{key}."""
    try:
        with change(visit) as (tx, actor):
            row = tags.TAGS.row_for_change(tx, actor, key)
            visit.expect(tags.TAGS.get(tx, actor, key))
            name = decode.name("name", visit.form.get("name"))
            patch = wire.TagPatch(name=name, description=visit.form.get("description"))
            tags.edit_tag(tx, actor, row, patch)
    except REFUSALS as problem:
        return _show(visit, key, visit.form, refused(problem))
    return visit.redirect(urls.staff("tags"), done=f"{name} is saved.")


def remove_tag(visit: Visit, key: str) -> Page:
    """POST /staff/tags/{key}/remove: one that no image carries."""
    try:
        with change(visit) as (tx, actor):
            row = tags.TAGS.row_for_change(tx, actor, key)
            tags.remove_tag(tx, actor, row)
    except REFUSALS as problem:
        return _show(visit, key, problem=refused(problem))
    return visit.redirect(urls.staff("tags"), done=f"The tag {row['name']} is removed.")
