"""Staff's pages of tags: describe, rename and remove them. Saving an image creates its new tags."""

import json
from typing import Any

from goldenrod.base import wire
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
    """GET /staff/tags/{key}: the form to edit one."""
    return _show(visit, key)


def _show(visit: Visit, key: str, form: Form | None = None, problem: Problem | None = None) -> Page:
    with look(visit) as (tx, actor):
        text = tags.TAGS.get(tx, actor, key)
        tag: dict[str, Any] = json.loads(text)
        image_count = images.IMAGES.count(tx, actor, tag=tag["name"])
    stored = Form.of(name=tag["name"], description=tag["description"], etag=resources.etag(text))
    return visit.page(
        "staff/tag.html",
        it=tag,
        image_count=image_count,
        form=form or stored,
        problem=problem,
        labels=LABELS,
    )


def edit_tag(visit: Visit, key: str) -> Page:
    """POST /staff/tags/{key}."""
    try:
        with change(visit) as (tx, actor):
            row = tags.TAGS.row_for_change(tx, actor, key)
            visit.expect(tags.TAGS.get(tx, actor, key))
            name = visit.form.get("name").strip()
            patch = wire.TagPatch(name=name, description=visit.form.get("description"))
            tags.edit_tag(tx, actor, row, patch)
    except REFUSALS as problem:
        return _show(visit, key, visit.form, refused(problem))
    return visit.redirect(urls.staff("tags"), done=f"Tag {name} saved.")


def remove_tag(visit: Visit, key: str) -> Page:
    """POST /staff/tags/{key}/remove: remove a tag that no image has."""
    try:
        with change(visit) as (tx, actor):
            row = tags.TAGS.row_for_change(tx, actor, key)
            tags.remove_tag(tx, actor, row)
    except REFUSALS as problem:
        return _show(visit, key, problem=refused(problem))
    return visit.redirect(urls.staff("tags"), done=f"Tag {row['name']} removed.")
