"""Staff's pages of providers: create, edit, end and restore them."""

import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.accounts import identities
from goldenrod.catalogue.versions import impact, machines, providers
from goldenrod.rules import resources
from goldenrod.web.pages.kit import fields, urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Undo, Visit
from goldenrod.web.pages.staff.staff_home import change, look, require_fields

LABELS = {
    "name": "Name",
    "slug": "Slug",
    "type": "Type",
    "virtualization": "Virtualization",
    "description": "Description",
    "public": "Public",
    "active": "Active",
    "start_date": "Start",
    "end_date": fields.LABELS["end_date"],
}

Provider = dict[str, Any]


def show_providers(visit: Visit) -> Page:
    """GET /staff/providers."""
    with look(visit) as (tx, actor):
        asked, fixed = ("search", "active", "current"), {"ordering": "name"}
        found = listed(
            visit, tx, actor, providers.PROVIDERS.page, providers.PROVIDERS.listing, *asked, **fixed
        )
    return visit.page("staff/providers.html", list=found)


def show_new_provider(visit: Visit) -> Page:
    """GET /staff/providers/new."""
    with look(visit):
        pass
    return _form(visit, None, Form.of(active=True))


def _form(
    visit: Visit, provider: Provider | None, form: Form, problem: Problem | None = None
) -> Page:
    return visit.page(
        "staff/provider.html",
        provider=provider,
        form=form,
        problem=problem,
        labels=LABELS,
    )


def _body(form: Form, current: Provider | None = None) -> dict[str, Any]:
    """The form as a body of the API. The form shows dates to the minute, so a date that was not edited
    is left out: it keeps its seconds."""
    body: dict[str, Any] = {
        name: form.get(name) for name in ("name", "type", "virtualization", "description")
    }
    body |= {name: form.on(name) for name in ("public", "active")}
    if form.get("slug").strip():
        body["slug"] = form.get("slug").strip()
    dates = {name: fields.instant(form.get(name)) for name in ("start_date", "end_date")}
    for name, date in dates.items():
        unedited = current is not None and form.get(name) == fields.minute(current[name])
        if not unedited and (date or name == "end_date"):
            body[name] = date
    return body


def create_provider(visit: Visit) -> Page:
    """POST /staff/providers/new."""
    try:
        with change(visit) as (tx, actor):
            faults = Faults()
            require_fields(faults, visit.form, "name")
            body = decode.convert_with(faults, _body(visit.form), wire.NewProvider)
            created = faults.then(providers.create_provider, tx, actor, body)
            provider = providers.PROVIDERS.read(tx, actor, created.key)
            coming = fields.scheduled(provider, tx.now)
    except REFUSALS as problem:
        return _form(visit, None, visit.form, refused(problem))
    done = f"Provider {provider['name']} created."
    return visit.redirect(_address(provider), done=done, more=coming)


def _address(provider: Provider, *rest: str) -> str:
    return urls.staff("providers", provider["id"], *rest)


def show_provider(visit: Visit, key: str) -> Page:
    """GET /staff/providers/{key}: the form to edit one."""
    with look(visit) as (tx, actor):
        text = providers.PROVIDERS.get(tx, actor, key)
    provider = json.loads(text)
    shown = {name: provider[name] for name in LABELS}
    shown |= {name: fields.minute(provider[name]) for name in ("start_date", "end_date")}
    return _form(visit, provider, Form.of(**shown, etag=resources.etag(text)))


def edit_provider(visit: Visit, key: str) -> Page:
    """POST /staff/providers/{key}."""
    try:
        with change(visit) as (tx, actor):
            row = providers.PROVIDERS.row_for_change(tx, actor, key)
            current = providers.PROVIDERS.get(tx, actor, key)
            visit.expect(current)
            faults = Faults()
            require_fields(faults, visit.form, "name")
            body = _body(visit.form, json.loads(current))
            patch = decode.convert_with(faults, body, wire.ProviderPatch)
            faults.then(providers.edit_provider, tx, actor, row, patch)
            provider = providers.PROVIDERS.read(tx, actor, str(row["id"]))
            before = json.loads(current)
            changed = [name for name in fields.DATES if provider[name] != before[name]]
            coming = fields.scheduled(provider, tx.now, changed)
    except REFUSALS as problem:
        return _form_again(visit, key, refused(problem))
    return visit.redirect(_address(provider), done="Saved.", more=coming)


def _form_again(visit: Visit, key: str, problem: Problem) -> Page:
    with look(visit) as (tx, actor):
        provider = providers.PROVIDERS.read(tx, actor, key)
    return _form(visit, provider, visit.form, problem)


def show_end(visit: Visit, key: str) -> Page:
    """GET /staff/providers/{key}/end: the impact, for confirmation."""
    with look(visit) as (tx, actor):
        provider = providers.PROVIDERS.read(tx, actor, key)
        machine_count = machines.MACHINES.count(tx, actor, provider=provider["id"])
        accounts = identities.IDENTITIES.count(tx, actor, provider=provider["id"])
        channel_count = impact.channels_on_provider(tx, actor, provider["id"])
    return visit.page(
        "staff/provider_end.html",
        provider=provider,
        machines=machine_count,
        accounts=accounts,
        channels=channel_count,
    )


def end_provider(visit: Visit, key: str) -> Page:
    """POST /staff/providers/{key}/end."""
    with change(visit) as (tx, actor):
        row = providers.PROVIDERS.row_for_change(tx, actor, key)
        before = row["end_date"] or ""
        providers.end_provider(tx, actor, row)
        provider = providers.PROVIDERS.read(tx, actor, str(row["id"]))
    return visit.redirect(
        _address(provider),
        done=f"{provider['name']} has ended.",
        undo=Undo(_address(provider, "restore"), {"end_date": before}),
    )


def restore_provider(visit: Visit, key: str) -> Page:
    """POST /staff/providers/{key}/restore: remove the end date, or set the one that Undo sends."""
    with change(visit) as (tx, actor):
        row = providers.PROVIDERS.row_for_change(tx, actor, key)
        end = fields.instant(visit.form.get("end_date"))
        providers.edit_provider(tx, actor, row, wire.ProviderPatch(end_date=end))
        provider = providers.PROVIDERS.read(tx, actor, str(row["id"]))
    return visit.redirect(_address(provider), done=f"{provider['name']} is restored.")
