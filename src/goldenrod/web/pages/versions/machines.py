"""Pages that list, add, edit, end and restore the machines of a version."""

import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Conflict, FieldError, Forbidden, NotFound, Problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.versions import impact, machines
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.rules.changes.mutations import Created
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages import confirm
from goldenrod.web.pages.kit import address_targets, edit_conflict, fields, urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form
from goldenrod.web.pages.kit.visit import Page, Undo, Visit
from goldenrod.web.pages.versions import version_fields

Thing = dict[str, Any]

EDITED = (
    fields.text("identifier", "Image ID"),
    fields.text("architecture", "Architecture"),
    fields.number("size_gb", "Size in GB"),
    fields.text("checksum", "Checksum"),
    fields.date("start_date", fields.LABELS["start_date"], required=True),
    fields.date("end_date", fields.LABELS["end_date"]),
)
"""A machine stays on its provider: on another it would be another machine."""
LABELS = {"provider": "Provider"} | {field.name: field.label for field in EDITED}
FIELD_OF_CODE = {"machine_taken": "identifier", "identity_required": "provider"}


def show_machines(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}/machines; `edit` names the machine to edit in place."""
    key = visit.asked("edit")
    return _edit_page(visit, slug, name, key, None) if key else _page(visit, slug, name, Form.of())


def _page(
    visit: Visit,
    slug: str,
    name: str,
    form: Form,
    problem: Problem | None = None,
    edited: Thing | None = None,
    meeting: edit_conflict.Meeting | None = None,
) -> Page:
    """The list, with the form that adds a machine or, in the row of the `edited` one, edits it."""
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
        edited=edited,
        meeting=meeting,
        saved_by="",
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


# ── editing in place ───────────────────────────────────────────────────────────────────────


def _edit_page(
    visit: Visit,
    slug: str,
    name: str,
    machine: str,
    form: Form | None,
    problem: Problem | None = None,
) -> Page:
    visit.require_user()
    with visit.read() as (tx, actor):
        _, _, found = _machine_for_change(tx, actor, slug, name, machine)
    now = fields.shown(EDITED, found)
    etag = resources.etag(json.dumps(now))
    if form is None:
        form = Form(now).but(etag=etag, seen=fields.marks(now))
    meeting = edit_conflict.meet(EDITED, form, now, etag, problem, {})
    return _page(visit, slug, name, meeting.form, problem, found, meeting)


def edit(visit: Visit, slug: str, name: str, machine: str) -> Page:
    """POST /images/{slug}/versions/{name}/machines/{machine}/edit."""
    visit.require_sent()
    if visit.form.get("do"):
        return _edit_page(visit, slug, name, machine, visit.form)
    try:
        with visit.change() as (tx, actor):
            row, version, before = _machine_for_change(tx, actor, slug, name, machine)
            given = _edit(visit, tx, actor, row, before)
            after = machines.MACHINES.read(tx, actor, str(before["id"]))
            coming = fields.scheduled(after, tx.now, given)
    except REFUSALS as problem:
        # Without the right to change the machine, there is no form to show again: this raises then.
        return _edit_page(visit, slug, name, machine, visit.form, _at_field(problem))
    back = {field.name: field.shown(before)[0] for field in EDITED if field.name in given}
    mark = {"etag": resources.etag(json.dumps(fields.shown(EDITED, after)))}
    return visit.redirect(
        urls.version(version, "machines"),
        done=f"{after['identifier']} is saved." if given else "Nothing to save.",
        more=coming,
        undo=Undo(_edit_address(version, after), back | mark) if given else None,
    )


def _edit_address(version: Thing, machine: Thing) -> str:
    return urls.version(version, "machines", str(machine["id"]), "edit")


def _edit(visit: Visit, tx: Tx, actor: Actor, row: Row, before: Thing) -> dict[str, Any]:
    now = fields.shown(EDITED, before)
    visit.expect(json.dumps(now))
    faults = Faults()
    given = fields.given(faults, EDITED, visit.form, now)
    patch = decode.convert_with(faults, given, wire.MachinePatch)
    faults.then(machines.edit_machine, tx, actor, row, patch)
    return given


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
