"""The page that publishes a version together with its machines."""

import uuid
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.versions import publish, version_names, versions
from goldenrod.rules.access import Actor
from goldenrod.rules.changes.mutations import Created
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit import address_targets, fields, urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, wrong_fields
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.versions import version_fields

Thing = dict[str, Any]

FIRST_ROWS = 2
DEFAULTS = {"allow_imaging": ["on"]}
"""What the form of a new version shows at first, and the API's defaults."""
INHERITED = ("licenses", "scripts", "membership")


def show_new(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/versions/new; `parent` chooses the parent, by default the newest version in
    the state current. Whoever may publish to the image may build on all its versions."""
    visit.require_user()
    form = Form(DEFAULTS).but(
        key=str(uuid.uuid4()), rows=FIRST_ROWS, parent=visit.asked("parent"), inherit=True
    )
    return _page(visit, slug, form, first=True)


def _page(
    visit: Visit, slug: str, form: Form, problem: Problem | None = None, *, first: bool = False
) -> Page:
    with visit.read() as (tx, actor):
        _, image = address_targets.image_for_change(tx, actor, slug)
        choices = version_fields.choices(tx, actor, image, None, form)
        places = version_fields.provider_choices(tx, actor)
        likely = version_names.likely_next([one["name"] for one in choices["parents"]], tx.now)
    form = version_fields.without_words(form)
    current = [one for one in choices["parents"] if one["state"] == "current"]
    if first and not form.get("parent") and current:
        form = form.but(parent=address_targets.written(current[0], image))
    if form.get("do") == "row":
        form = form.but(rows=version_fields.rows_of(form) + 1, do=None)
    return visit.page(
        "versions/version_new.html",
        image=image,
        form=form,
        problem=problem,
        labels=version_fields.labels(version_fields.NEW),
        choices=choices,
        places=places,
        rows=version_fields.rows_of(form),
        below_revoked=_below_revoked(form, problem),
        unfolded=_unfolded(form, problem),
        likely=likely,
    )


def _unfolded(form: Form, problem: Problem | None) -> bool:
    """Whether a field that is folded away has an error, a value other than at first, or a search."""
    wrong = wrong_fields(problem)

    def is_needed(name: str) -> bool:
        typed = form.has(name) and not fields.same(form.all(name), DEFAULTS.get(name, []))
        return typed or name in wrong

    searched = form.get("do").startswith("find:")
    return searched or any(is_needed(field.name) for field in version_fields.MORE)


def _below_revoked(form: Form, problem: Problem | None) -> bool:
    """Whether to offer the checkbox that allows a revoked parent."""
    refused = problem is not None and problem.code == "parent_revoked"
    return refused or form.on("allow_revoked_parent")


def create(visit: Visit, slug: str) -> Page:
    """POST /images/{slug}/versions/new."""
    visit.require_sent()
    if visit.form.get("do"):
        return _page(visit, slug, visit.form)
    try:
        with visit.change() as (tx, actor):
            _, image = address_targets.image_for_change(tx, actor, slug)
            made = fields.once(visit, tx, actor, lambda: _create(visit, tx, actor, image))
            version = versions.VERSIONS.read(tx, actor, made.key)
            left = publish.not_inherited(tx, actor, made)
            coming = fields.scheduled(version, tx.now)
    except REFUSALS as problem:
        return _page(visit, slug, visit.form, fields.placed(problem))
    return visit.redirect(
        urls.version(version),
        done=f"{version['name']} is "
        f"{'scheduled' if version['state'] == 'scheduled' else 'published'}.",
        more=f"{coming} {_left(left.get('not_inherited'), version)}".strip(),
    )


def _create(visit: Visit, tx: Tx, actor: Actor, image: Thing) -> Created:
    faults = Faults()
    given = fields.given(faults, version_fields.NEW, visit.form, DEFAULTS)
    given = version_fields.resolved(faults, tx, actor, image, given)
    if not visit.form.on("inherit"):
        given = {name: [] for name in INHERITED} | given
    given |= {"image": image["id"], "machines": version_fields.machines(faults, visit.form)}
    given["allow_revoked_parent"] = visit.form.on("allow_revoked_parent")
    given.setdefault("name", "")
    return decode.convert_then(
        faults, given, wire.NewVersion, lambda body: publish.create_version(tx, actor, body)
    )


def _left(left: Thing | None, version: Thing) -> str:
    """What a version did not inherit from its parent, in words."""
    if not left or not (left["scripts"] or left["membership"]):
        return ""
    parts = []
    if count := len(left["scripts"]):
        parts.append(f"{count} boot script{'s' * (count > 1)} that you cannot attach")
    if left["membership"]:
        names = ", ".join(group["name"] for group in left["membership"])
        parts.append(f"sharing with {names}")
    return f"Not inherited from {version['parent']['name']}: {'; '.join(parts)}."
