"""The machines of a version in a browser: placing one more, and taking one away."""

import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Conflict, FieldError, Forbidden, NotFound, Problem
from goldenrod.catalogue.versions import machines
from goldenrod.rules.access import Actor
from goldenrod.rules.changes.mutations import Created
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.kit import fields, references, urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form
from goldenrod.web.pages.kit.visit import Page, Undo, Visit
from goldenrod.web.pages.versions import version_fields

Thing = dict[str, Any]

LABELS = {
    "provider": "Provider",
    "identifier": "Image ID",
    "architecture": "Architecture",
    "size_gb": "Size in GB",
    "checksum": "Checksum",
    "start_date": "Starts",
    "end_date": "Ends",
}
PLACES = {"machine_taken": "identifier", "identity_required": "provider"}


def show_machines(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/machines."""
    return _page(visit, slug, name, Form.of())


def _page(visit: Visit, slug: str, name: str, form: Form, problem: Problem | None = None) -> Page:
    visit.require_user()
    with visit.read() as (tx, actor):
        _, version = references.version_for_change(tx, actor, slug, name)
        query = machines.MACHINES.where(version_id=version["id"], page_size=1000)
        page = machines.MACHINES.page(tx, actor, query)
        places = version_fields.places(tx, actor)
    return visit.page(
        "versions/version_machines.html",
        image=version["image"],
        version=version,
        machines=[json.loads(one) for one in page.results],
        count=page.count,
        places=places,
        mine={place["id"] for place in places},
        form=form,
        problem=problem,
        labels=LABELS,
    )


def place(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/versions/{name}/machines."""
    try:
        with visit.change() as (tx, actor):
            _, version = references.version_for_change(tx, actor, slug, name)
            made = _place(visit.form, tx, actor, version)
            machine = machines.MACHINES.read(tx, actor, made.key)
    except REFUSALS as problem:
        if isinstance(problem, Forbidden) and problem.code != "identity_required":
            raise
        return _page(visit, slug, name, visit.form, _beside(problem))
    return visit.redirect(
        urls.version(version, "machines"),
        done=f"{machine['identifier']} is {'added' if made.new else 'restored'}.",
        undo=Undo(urls.version(version, "machines", str(machine["id"]), "end"), {}),
    )


def _place(form: Form, tx: Tx, actor: Actor, version: Thing) -> Created:
    given: dict[str, Any] = {name: form.get(name).strip() for name in ("provider", "identifier")}
    given |= {name: form.get(name).strip() for name in ("architecture", "checksum")}
    given |= {name: fields.instant(form.get(name)) for name in ("start_date", "end_date")}
    given |= {"size_gb": fields.whole("size_gb", form.get("size_gb")), "version": version["id"]}
    return machines.create_machine(tx, actor, decode.convert(given, wire.NewMachine))


def _beside(problem: Problem) -> Problem:
    """A refusal, told beside its field of this form."""
    if problem.code in PLACES:
        problem.errors = (FieldError(PLACES[problem.code], problem.detail),)
    return problem


def end(visit: Visit, slug: str, name: str, machine: str) -> Page:
    """POST /images/{slug}/versions/{name}/machines/{machine}/end."""
    with visit.change() as (tx, actor):
        row, version, taken = _take(tx, actor, slug, name, machine)
        machines.end_machine(tx, actor, row)
    back = {"end_date": taken["end_date"] or ""}
    action = urls.version(version, "machines", str(taken["id"]), "restore")
    return visit.redirect(
        urls.version(version, "machines"),
        done=f"{taken['identifier']} has ended.",
        more="It is no longer offered.",
        undo=Undo(action, back),
    )


def restore(visit: Visit, slug: str, name: str, machine: str) -> Page:
    """POST /images/{slug}/versions/{name}/machines/{machine}/restore."""
    try:
        with visit.change() as (tx, actor):
            row, version, taken = _take(tx, actor, slug, name, machine)
            patch = wire.MachinePatch(end_date=visit.form.get("end_date") or None)
            machines.edit_machine(tx, actor, row, patch)
    except Conflict as problem:
        return _page(visit, slug, name, Form.of(), _beside(problem))
    return visit.redirect(
        urls.version(version, "machines"), done=f"{taken['identifier']} is restored."
    )


def _take(tx: Tx, actor: Actor, slug: str, name: str, key: str) -> tuple[Row, Thing, Thing]:
    """A machine of this version that the visitor may change: its row, the version, the machine."""
    _, version = references.version_for_change(tx, actor, slug, name)
    machine = machines.MACHINES.read(tx, actor, key)
    if machine["version"]["id"] != version["id"]:
        raise NotFound()
    return machines.MACHINES.row_for_change(tx, actor, key), version, machine
