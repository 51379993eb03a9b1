"""The home page of staff, and what all pages of staff share.

Each page begins with `look` or `change`, which answer 404 to everybody else. Single
groups and webhooks have pages that staff share with other users (`account/groups.py`,
`webhooks/webhooks.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from goldenrod.base.errors import NotFound, field_problem
from goldenrod.base.faults import Faults
from goldenrod.catalogue.accounts import groups, identities, security_events, users
from goldenrod.catalogue.images import tags
from goldenrod.catalogue.versions import providers
from goldenrod.catalogue.webhooks import failing as failures
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.rules.access import Actor
from goldenrod.rules.resources import Resource
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Page, Visit

RESOURCES: dict[str, Resource] = {
    "users": users.USERS,
    "groups": groups.GROUPS,
    "providers": providers.PROVIDERS,
    "identities": identities.IDENTITIES,
    "tags": tags.TAGS,
    "webhooks": webhooks.WEBHOOKS,
}


def require_staff(actor: Actor) -> None:
    """Raise NotFound unless the actor is a member of staff."""
    if not actor.has_staff_rights or actor.kind != "user":
        raise NotFound()


@contextmanager
def look(visit: Visit) -> Iterator[tuple[Tx, Actor]]:
    """Read as staff. Raises NotFound for everybody else."""
    with visit.read() as (tx, actor):
        require_staff(actor)
        yield tx, actor


@contextmanager
def change(visit: Visit) -> Iterator[tuple[Tx, Actor]]:
    """Change something as staff. Raises NotFound for everybody else."""
    with visit.change() as (tx, actor):
        require_staff(actor)
        yield tx, actor


def require_fields(faults: Faults, form: Form, *names: str) -> None:
    """Collects which of these fields are empty."""
    for name in names:
        if not form.get(name).strip():
            faults.add(field_problem(name, "is required"))


def show_staff(visit: Visit) -> Page:
    """GET /staff: failing webhooks, failed sign-ins, and the resources with the number of each."""
    with look(visit) as (tx, actor):
        counts = {
            name: resource.count(tx, actor, **({"personal": "false"} if name == "groups" else {}))
            for name, resource in RESOURCES.items()
        }
        failing = failures.list_failing(tx, actor)
        failed = security_events.list_failed_sign_ins(tx, actor)
    return visit.page("staff/staff_home.html", counts=counts, failing=failing, failed=failed)
