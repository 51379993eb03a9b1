"""Staff's pages of identities, the accounts that users have on providers."""

import json
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.accounts import identities
from goldenrod.catalogue.versions import machines, providers
from goldenrod.rules import resources
from goldenrod.web.pages import confirm
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Undo, Visit
from goldenrod.web.pages.staff.staff_home import change, look, require_fields

LABELS = {"user": "Username", "provider": "Provider", "key": "Account ID"}

Identity = dict[str, Any]


def show_identities(visit: Visit) -> Page:
    """GET /staff/identities: all identities, and a form to create one."""
    return _identities(visit, Form.of(user=visit.asked("user"), provider=visit.asked("provider")))


def _identities(visit: Visit, form: Form, problem: Problem | None = None) -> Page:
    with look(visit) as (tx, actor):
        found = listed(
            visit,
            tx,
            actor,
            identities.IDENTITIES.page,
            identities.IDENTITIES.listing,
            *("prefix", "user", "provider"),
        )
        choices = providers.PROVIDERS.read_list(tx, actor, ordering="name", page_size=1000)
    return visit.page(
        "staff/identities.html",
        list=found,
        form=form,
        providers=choices,
        problem=problem,
        labels=LABELS,
    )


def create_identity(visit: Visit) -> Page:
    """POST /staff/identities."""
    asked = {name: visit.form.get(name).strip() for name in LABELS}
    try:
        with change(visit) as (tx, actor):
            faults = Faults()
            require_fields(faults, visit.form, *LABELS)
            body = decode.convert_with(faults, asked, wire.NewIdentity)
            created = faults.then(identities.create_identity, tx, actor, body)
            identity = identities.IDENTITIES.read(tx, actor, created.key)
    except REFUSALS as problem:
        return _identities(visit, visit.form, refused(problem))
    return visit.redirect(urls.staff("identities"), done=f"{_description(identity)} was added.")


def _description(identity: Identity) -> str:
    who, where = identity["user"]["username"], identity["provider"]["name"]
    return f"{identity['key']}, {who}'s account on {where},"


def show_identity(visit: Visit, key: str) -> Page:
    """GET /staff/identities/{key}: the form to edit one."""
    with look(visit) as (tx, actor):
        text = identities.IDENTITIES.get(tx, actor, key)
    identity = json.loads(text)
    return _identity(visit, identity, Form.of(key=identity["key"], etag=resources.etag(text)))


def _identity(visit: Visit, it: Identity, form: Form, problem: Problem | None = None) -> Page:
    return visit.page("staff/identity.html", it=it, form=form, problem=problem, labels=LABELS)


def edit_identity(visit: Visit, key: str) -> Page:
    """POST /staff/identities/{key}."""
    try:
        with change(visit) as (tx, actor):
            row = identities.IDENTITIES.row_for_change(tx, actor, key)
            visit.expect(identities.IDENTITIES.get(tx, actor, key))
            patch = wire.IdentityPatch(key=decode.name("key", visit.form.get("key"), row["key"]))
            identities.edit_identity(tx, actor, row, patch)
    except REFUSALS as problem:
        return _identity_again(visit, key, refused(problem))
    return visit.redirect(urls.staff("identities"), done="Saved.")


def _identity_again(visit: Visit, key: str, problem: Problem) -> Page:
    with look(visit) as (tx, actor):
        identity = identities.IDENTITIES.read(tx, actor, key)
    return _identity(visit, identity, visit.form, problem)


def confirm_remove(visit: Visit, key: str) -> Page:
    """GET /staff/identities/{key}/remove: the impact, for confirmation."""
    with look(visit) as (tx, actor):
        it = identities.IDENTITIES.read(tx, actor, key)
        provider = providers.PROVIDERS.read(tx, actor, str(it["provider"]["id"]))
        count = machines.MACHINES.count(tx, actor, provider=provider["id"])
        asked = {"user": it["user"]["username"], "provider": provider["id"]}
        others = identities.IDENTITIES.count(tx, actor, **asked) - 1
    user, place = it["user"]["username"], provider["name"]
    sees = "still sees it, because it is public" if provider["public"] else "no longer sees it"
    lines = [
        f"{user} has {others} other account{'s' * (others != 1)} there",
        *([] if others else [f"{user} {sees}, and can no longer add machines there"]),
        f"{count:,} machine{'s' * (count != 1)} on {place} remain{'s' * (count == 1)}",
    ]
    address = urls.staff("identities", it["id"])
    about = confirm.Confirmation(
        section="staff",
        crumbs=[(urls.staff("identities"), "Provider accounts"), (address, it["key"])],
        title=f"Remove this account of {user}",
        lede=f"{user} loses the account {it['key']} on {place}. An account that a version refers to "
        "cannot be removed.",
        impact=lines,
        action=urls.staff("identities", it["id"], "remove"),
        button=f"Remove this account of {user}",
        cancel=address,
    )
    return confirm.ask(visit, about)


def remove_identity(visit: Visit, key: str) -> Page:
    """POST /staff/identities/{key}/remove."""
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
        urls.staff("identities"), done=f"{_description(identity)} was removed.", undo=undo
    )
