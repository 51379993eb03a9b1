"""Staff's page of groups: all of them, and a form to create one."""

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem
from goldenrod.catalogue.accounts import groups
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.staff.staff_home import change, look

LABELS = {"name": "Name", "leaders": "Leaders", "users": "Members"}


def show_groups(visit: Visit) -> Page:
    """GET /staff/groups: all groups, and a form to create one."""
    return _list(visit, Form.of())


def _list(visit: Visit, form: Form, problem: Problem | None = None) -> Page:
    with look(visit) as (tx, actor):
        fixed = {"personal": "false", "ordering": "name"}
        found = listed(
            visit, tx, actor, groups.GROUPS.page, groups.GROUPS.listing, "prefix", **fixed
        )
    return visit.page("staff/groups.html", list=found, form=form, problem=problem, labels=LABELS)


def create_group(visit: Visit) -> Page:
    """POST /staff/groups."""
    try:
        with change(visit) as (tx, actor):
            body = wire.NewGroup(
                name=decode.name("name", visit.form.get("name")),
                users=[*visit.form.words("users")],
                leaders=[*visit.form.words("leaders")],
            )
            created = groups.create_group(tx, actor, body)
    except REFUSALS as problem:
        return _list(visit, visit.form, refused(problem))
    return visit.redirect(urls.group({"id": created.key}), done=f"Group {body.name} created.")
