"""Pages that list, add, end and restore the machines of a version."""

import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Conflict, FieldError, Forbidden, NotFound, Problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.versions import impact, machines
from goldenrod.rules.access import Actor
from goldenrod.rules.changes.mutations import Created
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages import confirm
from goldenrod.web.pages.kit import address_targets, fields, urls
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
FIELD_OF_CODE = {"machine_taken": "identifier", "identity_required": "provider"}


def show_machines(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/machines."""
    return _page(visit, slug, name, Form.of())


def _page(visit: Visit, slug: str, name: str, form: Form, problem: Problem | None = None) -> Page:
    visit.require_user()
    with visit.read() as (tx, actor):
        _, version = address_targets.version_for_change(tx, actor, slug, name)
        query = machines.MACHINES.where(version_id=version["id"], page_size=1000)
        page = machines.MACHINES.page(tx, actor, query)
        places = version_fields.provider_choices(tx, actor)
    return visit.page(
        "versions/version_machines.html",
        image=version["image"],
        version=version,
        machines=[json.loads(one) for one in page.results],
        count=page.count,
        places=places,
        mine=actor.providers,
        form=form,
        problem=problem,
        labels=LABELS,
    )


def add_machine(visit: Visit, slug: str, name: str) -> Page:
    """POST /images/{slug}/versions/{name}/machines."""
    try:
        with visit.change() as (tx, actor):
            _, version = address_targets.version_for_change(tx, actor, slug, name)
            created = _create_machine(visit.form, tx, actor, version)
            machine = machines.MACHINES.read(tx, actor, created.key)
            coming = fields.scheduled(machine, tx.now)
    except REFUSALS as problem:
        if isinstance(problem, Forbidden) and problem.code != "identity_required":
            raise
        return _page(visit, slug, name, visit.form, _at_field(problem))
    return visit.redirect(
        urls.version(version, "machines"),
        done=f"{machine['identifier']} is {'added' if created.new else 'restored'}.",
        more=coming,
        undo=Undo(urls.version(version, "machines", str(machine["id"]), "end"), {}),
    )


def _create_machine(form: Form, tx: Tx, actor: Actor, version: Thing) -> Created:
    given: dict[str, Any] = {name: form.get(name).strip() for name in ("provider", "identifier")}
    given |= {name: form.get(name).strip() for name in ("architecture", "checksum")}
    given |= {name: fields.instant(form.get(name)) for name in ("start_date", "end_date")}
    faults = Faults()
    given["size_gb"] = faults.of(fields.whole, "size_gb", form.get("size_gb"))
    given["version"] = version["id"]
    return decode.convert_then(
        faults, given, wire.NewMachine, lambda body: machines.create_machine(tx, actor, body)
    )


def _at_field(problem: Problem) -> Problem:
    """The problem with its message assigned to a field of this form."""
    if problem.code in FIELD_OF_CODE and not problem.errors:
        problem.errors = (FieldError(FIELD_OF_CODE[problem.code], problem.detail),)
    return problem


def confirm_end(visit: Visit, slug: str, name: str, machine: str) -> Page:
    """GET /images/{slug}/versions/{name}/machines/{machine}/end: the impact, for confirmation."""
    with visit.read() as (tx, actor):
        actor.require_write()
        _, version, found = _machine_for_change(tx, actor, slug, name, machine)
        losing = impact.channels_of_machine(tx, actor, found["id"])
    place = found["provider"].get("name", "a provider hidden from you")
    count, named = len(losing), f": {', '.join(losing)}" if losing else ""
    offer = "offers" if count == 1 else "offer"
    lines = [
        f"{count} channel{'s' * (count != 1)} of the image {offer} it there now{named}",
        "look-up tells those who run it that it has ended",
    ]
    address = urls.version(version, "machines")
    about = confirm.Confirmation(
        section="images",
        crumbs=[(urls.version(version), version["name"]), (address, "machines")],
        title=f"End {found['identifier']}",
        lede=f"{version['name']} is no longer offered on {place} as this machine. Nothing is deleted "
        "at the provider.",
        impact=lines,
        action=urls.version(version, "machines", str(found["id"]), "end"),
        button=f"End {found['identifier']}",
        cancel=address,
    )
    return confirm.ask(visit, about)


def end(visit: Visit, slug: str, name: str, machine: str) -> Page:
    """POST /images/{slug}/versions/{name}/machines/{machine}/end."""
    with visit.change() as (tx, actor):
        row, version, before = _machine_for_change(tx, actor, slug, name, machine)
        machines.end_machine(tx, actor, row)
    back = {"end_date": before["end_date"] or ""}
    action = urls.version(version, "machines", str(before["id"]), "restore")
    return visit.redirect(
        urls.version(version, "machines"),
        done=f"{before['identifier']} has ended.",
        more="It is no longer offered.",
        undo=Undo(action, back),
    )


def restore(visit: Visit, slug: str, name: str, machine: str) -> Page:
    """POST /images/{slug}/versions/{name}/machines/{machine}/restore."""
    try:
        with visit.change() as (tx, actor):
            row, version, before = _machine_for_change(tx, actor, slug, name, machine)
            patch = wire.MachinePatch(end_date=visit.form.get("end_date") or None)
            machines.edit_machine(tx, actor, row, patch)
    except Conflict as problem:
        return _page(visit, slug, name, Form.of(), _at_field(problem))
    return visit.redirect(
        urls.version(version, "machines"), done=f"{before['identifier']} is restored."
    )


def _machine_for_change(
    tx: Tx, actor: Actor, slug: str, name: str, key: str
) -> tuple[Row, Thing, Thing]:
    """The row of a machine that the visitor may change, its version, and the machine."""
    _, version = address_targets.version_for_change(tx, actor, slug, name)
    machine = machines.MACHINES.read(tx, actor, key)
    if machine["version"]["id"] != version["id"]:
        raise NotFound()
    return machines.MACHINES.row_for_change(tx, actor, key), version, machine
