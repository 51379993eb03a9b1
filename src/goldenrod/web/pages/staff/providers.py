"""Providers, the places where machines live, and identities, the accounts that users have on them:
kept by staff.
"""

import json
import re
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem, field_problem
from goldenrod.catalogue.accounts import identities
from goldenrod.catalogue.versions import machines, providers
from goldenrod.rules import resources
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Undo, Visit
from goldenrod.web.pages.staff.staff_home import change, look

PROVIDER_LABELS = {
    "name": "Name",
    "slug": "Slug",
    "type": "Type",
    "virtualization": "Virtualization",
    "description": "Description",
    "public": "Public",
    "active": "Active",
    "start_date": "From",
    "end_date": "Until",
}
IDENTITY_LABELS = {"user": "Username", "provider": "Provider", "key": "Account there"}

Thing = dict[str, Any]

_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?)? ?(UTC|Z|z|[+-]\d\d:\d\d)?",
    re.ASCII,
)

# ── providers ──────────────────────────────────────────────────────────────────────────────


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
    return _provider_form(visit, None, Form.of(active=True))


def _provider_form(
    visit: Visit, provider: Thing | None, form: Form, problem: Problem | None = None
) -> Page:
    return visit.page(
        "staff/provider.html",
        provider=provider,
        form=form,
        problem=problem,
        labels=PROVIDER_LABELS,
    )


def _provider_asked(visit: Visit, current: Thing | None = None) -> Thing:
    """What the form says, as a body would. A date that stands there as it was shown stays as it is:
    shown are its minutes alone."""
    form = visit.form
    asked: Thing = {
        name: form.get(name) for name in ("name", "type", "virtualization", "description")
    }
    asked |= {name: form.on(name) for name in ("public", "active")}
    if form.get("slug").strip():
        asked["slug"] = form.get("slug").strip()
    dates = {name: _instant(form.get(name)) for name in ("start_date", "end_date")}
    for name, date in dates.items():
        stays = current is not None and form.get(name) == _shown_instant(current[name])
        if not stays and (date or name == "end_date"):
            asked[name] = date
    return asked


def _instant(text: str) -> str | None:
    """What a field of a date says: UTC where it names no zone, midnight where it names no time; None
    where it is empty. What it cannot read it leaves as it is, to be refused."""
    written = text.strip()
    read = _DATE.fullmatch(written)
    if read is None:
        return written or None
    day, minutes, seconds, zone = read.groups()
    zone = "Z" if zone in (None, "UTC") else zone
    return f"{day}T{minutes or '00:00'}{seconds or ':00'}{zone}"


def _shown_instant(instant: str | None) -> str:
    """An instant as a field shows it: to the minute."""
    return f"{instant[:10]} {instant[11:16]}" if instant else ""


def create_provider(visit: Visit) -> Page:
    """POST /staff/providers/new."""
    try:
        with change(visit) as (tx, actor):
            body = decode.convert(_named(_provider_asked(visit)), wire.NewProvider)
            made = providers.create_provider(tx, actor, body)
            provider = providers.PROVIDERS.read(tx, actor, made.key)
    except REFUSALS as problem:
        return _provider_form(visit, None, visit.form, refused(problem))
    return visit.redirect(_providers(provider), done=f"{provider['name']} is there now.")


def _named(asked: Thing, name: str = "name") -> Thing:
    if not asked[name].strip():
        raise field_problem(name, "is required")
    return asked


def _providers(provider: Thing, *rest: str) -> str:
    return urls.staff("providers", provider["id"], *rest)


def show_provider(visit: Visit, key: str) -> Page:
    """GET /staff/providers/{key}: all fields, to be changed."""
    with look(visit) as (tx, actor):
        text = providers.PROVIDERS.get(tx, actor, key)
    provider = json.loads(text)
    fields = {name: provider[name] for name in PROVIDER_LABELS}
    fields |= {name: _shown_instant(provider[name]) for name in ("start_date", "end_date")}
    return _provider_form(visit, provider, Form.of(**fields, etag=resources.etag(text)))


def edit_provider(visit: Visit, key: str) -> Page:
    """POST /staff/providers/{key}."""
    try:
        with change(visit) as (tx, actor):
            row = providers.PROVIDERS.row_for_change(tx, actor, key)
            current = providers.PROVIDERS.get(tx, actor, key)
            visit.expect(current)
            asked = _named(_provider_asked(visit, json.loads(current)))
            patch = decode.convert(asked, wire.ProviderPatch)
            providers.edit_provider(tx, actor, row, patch)
            provider = providers.PROVIDERS.read(tx, actor, str(row["id"]))
    except REFUSALS as problem:
        return _provider_again(visit, key, refused(problem))
    return visit.redirect(_providers(provider), done="Saved.")


def _provider_again(visit: Visit, key: str, problem: Problem) -> Page:
    with look(visit) as (tx, actor):
        provider = providers.PROVIDERS.read(tx, actor, key)
    return _provider_form(visit, provider, visit.form, problem)


def show_end(visit: Visit, key: str) -> Page:
    """GET /staff/providers/{key}/end: how many machines stand there."""
    with look(visit) as (tx, actor):
        provider = providers.PROVIDERS.read(tx, actor, key)
        there = machines.MACHINES.count(tx, actor, provider=provider["id"])
        accounts = identities.IDENTITIES.count(tx, actor, provider=provider["id"])
    return visit.page(
        "staff/provider_end.html", provider=provider, machines=there, accounts=accounts
    )


def end_provider(visit: Visit, key: str) -> Page:
    """POST /staff/providers/{key}/end."""
    with change(visit) as (tx, actor):
        row = providers.PROVIDERS.row_for_change(tx, actor, key)
        before = row["end_date"] or ""
        providers.end_provider(tx, actor, row)
        provider = providers.PROVIDERS.read(tx, actor, str(row["id"]))
    return visit.redirect(
        _providers(provider),
        done=f"{provider['name']} has ended.",
        undo=Undo(_providers(provider, "restore"), {"end_date": before}),
    )


def restore_provider(visit: Visit, key: str) -> Page:
    """POST /staff/providers/{key}/restore: it no longer ends, or ends when it did before."""
    with change(visit) as (tx, actor):
        row = providers.PROVIDERS.row_for_change(tx, actor, key)
        end = _instant(visit.form.get("end_date"))
        providers.edit_provider(tx, actor, row, wire.ProviderPatch(end_date=end))
        provider = providers.PROVIDERS.read(tx, actor, str(row["id"]))
    return visit.redirect(_providers(provider), done=f"{provider['name']} is there again.")


# ── identities ─────────────────────────────────────────────────────────────────────────────


def show_identities(visit: Visit) -> Page:
    """GET /staff/identities: all, and a form for a new one."""
    return _identities(visit, Form.of(user=visit.asked("user"), provider=visit.asked("provider")))


def _identities(visit: Visit, form: Form, problem: Problem | None = None) -> Page:
    with look(visit) as (tx, actor):
        found = listed(
            visit,
            tx,
            actor,
            identities.IDENTITIES.page,
            identities.IDENTITIES.listing,
            *("user", "provider", "name"),
        )
        choices = providers.PROVIDERS.read_list(tx, actor, ordering="name", page_size=1000)
    return visit.page(
        "staff/identities.html",
        list=found,
        form=form,
        providers=choices,
        problem=problem,
        labels=IDENTITY_LABELS,
    )


def create_identity(visit: Visit) -> Page:
    """POST /staff/identities."""
    asked = {name: visit.form.get(name).strip() for name in IDENTITY_LABELS}
    try:
        with change(visit) as (tx, actor):
            for name in asked:
                _named(asked, name)
            body = decode.convert(asked, wire.NewIdentity)
            made = identities.create_identity(tx, actor, body)
            identity = identities.IDENTITIES.read(tx, actor, made.key)
    except REFUSALS as problem:
        return _identities(visit, visit.form, refused(problem))
    return visit.redirect(urls.staff("identities"), done=f"{_told(identity)} is there now.")


def _told(identity: Thing) -> str:
    who, where = identity["user"]["username"], identity["provider"]["name"]
    return f"{identity['key']}, {who}'s account on {where},"


def show_identity(visit: Visit, key: str) -> Page:
    """GET /staff/identities/{key}: to be changed."""
    with look(visit) as (tx, actor):
        text = identities.IDENTITIES.get(tx, actor, key)
    identity = json.loads(text)
    return _identity(visit, identity, Form.of(key=identity["key"], etag=resources.etag(text)))


def _identity(visit: Visit, it: Thing, form: Form, problem: Problem | None = None) -> Page:
    return visit.page(
        "staff/identity.html", it=it, form=form, problem=problem, labels=IDENTITY_LABELS
    )


def edit_identity(visit: Visit, key: str) -> Page:
    """POST /staff/identities/{key}: another account there."""
    try:
        with change(visit) as (tx, actor):
            row = identities.IDENTITIES.row_for_change(tx, actor, key)
            visit.expect(identities.IDENTITIES.get(tx, actor, key))
            patch = wire.IdentityPatch(key=decode.name("key", visit.form.get("key")))
            identities.edit_identity(tx, actor, row, patch)
    except REFUSALS as problem:
        return _identity_again(visit, key, refused(problem))
    return visit.redirect(urls.staff("identities"), done="Saved.")


def _identity_again(visit: Visit, key: str, problem: Problem) -> Page:
    with look(visit) as (tx, actor):
        identity = identities.IDENTITIES.read(tx, actor, key)
    return _identity(visit, identity, visit.form, problem)


def remove_identity(visit: Visit, key: str) -> Page:
    """POST /staff/identities/{key}/remove: its page says what stops."""
    try:
        with change(visit) as (tx, actor):
            row = identities.IDENTITIES.row_for_change(tx, actor, key)
            identity = identities.IDENTITIES.read(tx, actor, key)
            identities.remove_identity(tx, actor, row)
    except REFUSALS as problem:
        return _identity_again(visit, key, refused(problem))
    back = {
        "user": identity["user"]["username"],
        "provider": str(identity["provider"]["id"]),
        "key": identity["key"],
    }
    undo = Undo(urls.staff("identities"), back)
    return visit.redirect(
        urls.staff("identities"), done=f"{_told(identity)} is removed.", undo=undo
    )
