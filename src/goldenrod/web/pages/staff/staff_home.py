"""What staff keep: where it begins. For everybody else these pages are not there.

The pages are by what they keep: `staff_users.py`, `staff_places.py` (providers and the accounts on
them), `staff_tags.py`; groups and webhooks are in `groups.py` and `webhooks.py`, where others keep
some of them too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import NotFound, Problem
from goldenrod.catalogue.accounts import groups, identities, users
from goldenrod.catalogue.images import tags
from goldenrod.catalogue.versions import providers
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Visit

_KEPT: tuple[tuple[str, Any, Any], ...] = (
    ("users", users.USERS.page, users.USERS.listing),
    ("groups", groups.GROUPS.page, groups.GROUPS.listing),
    ("providers", providers.PROVIDERS.page, providers.PROVIDERS.listing),
    ("identities", identities.IDENTITIES.page, identities.IDENTITIES.listing),
    ("tags", tags.TAGS.page, tags.TAGS.listing),
    ("webhooks", webhooks.WEBHOOKS.page, webhooks.WEBHOOKS.listing),
)
GROUP_LABELS = {"name": "Name", "leaders": "Leaders", "users": "Members"}


def require_staff(actor: Actor) -> None:
    """Raise NotFound for who is no staff, the anonymous too."""
    if not actor.has_staff_rights or actor.kind != "user":
        raise NotFound()


@contextmanager
def look(visit: Visit) -> Iterator[tuple[Tx, Actor]]:
    """A snapshot for staff. Raises NotFound."""
    with visit.read() as (tx, actor):
        require_staff(actor)
        yield tx, actor


@contextmanager
def change(visit: Visit) -> Iterator[tuple[Tx, Actor]]:
    """A change by staff. Raises NotFound."""
    with visit.change() as (tx, actor):
        require_staff(actor)
        yield tx, actor


def show_staff(visit: Visit) -> Page:
    """GET /staff: what there is, with how many of each."""
    with look(visit) as (tx, actor):
        counts = {}
        for name, lister, listing in _KEPT:
            asked = {"page_size": ["1"]} | ({"personal": ["false"]} if name == "groups" else {})
            counts[name] = lister(tx, actor, paging.parse(listing, asked)).count
    return visit.page("staff/staff_home.html", counts=counts)


def show_groups(visit: Visit) -> Page:
    """GET /staff/groups: all of them, and a form for a new one."""
    return _groups(visit, Form.of())


def _groups(visit: Visit, form: Form, problem: Problem | None = None) -> Page:
    with look(visit) as (tx, actor):
        fixed = {"personal": "false", "ordering": "name"}
        found = listed(visit, tx, actor, groups.GROUPS.page, groups.GROUPS.listing, "name", **fixed)
    return visit.page(
        "staff/groups.html", list=found, form=form, problem=problem, labels=GROUP_LABELS
    )


def create_group(visit: Visit) -> Page:
    """POST /staff/groups."""
    try:
        with change(visit) as (tx, actor):
            body = wire.NewGroup(
                name=decode.name("name", visit.form.get("name")),
                users=[*visit.form.words("users")],
                leaders=[*visit.form.words("leaders")],
            )
            made = groups.create_group(tx, actor, body)
    except REFUSALS as problem:
        return _groups(visit, visit.form, refused(problem))
    return visit.redirect(urls.group({"id": made.key}), done=f"{body.name} is made.")
