"""Pages of groups. Leaders add and remove members; staff also choose leaders, rename and remove."""

from typing import Any

from goldenrod.base import decode, wire
from goldenrod.base.errors import Problem, field_problem
from goldenrod.base.numbers import are_digits
from goldenrod.catalogue.accounts import groups
from goldenrod.rules.access import Actor
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.fields import joined, split
from goldenrod.web.pages.kit.forms import REFUSALS, Form, refused
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Undo, Visit

LABELS = {"users": "Usernames", "name": "Name"}

Group = dict[str, Any]


def show_groups(visit: Visit) -> Page:
    """GET /groups: the visitor's groups; all groups for staff."""
    visit.require_user()
    with visit.read() as (tx, actor):
        fixed = {"personal": "false", "ordering": "name"}
        found = listed(
            visit, tx, actor, groups.GROUPS.page, groups.GROUPS.listing, "prefix", **fixed
        )
    return visit.page("account/groups.html", list=found)


def show_group(visit: Visit, key: str) -> Page:
    """GET /groups/{key}."""
    visit.require_user()
    return _show(visit, key, Form.of())


def _show(visit: Visit, key: str, form: Form, problem: Problem | None = None) -> Page:
    with visit.read() as (tx, actor):
        row = groups.GROUPS.row(tx, actor, key)
        group = groups.GROUPS.read(tx, actor, key)
        access = groups.access_given(tx, actor, row)
    if group["personal"]:
        return visit.redirect(urls.GROUPS)
    return visit.page(
        "account/group.html",
        group=group,
        leaders={leader["id"] for leader in group["leaders"]},
        claimed={user["id"] for user in group["users_from_claims"]},
        oidc_name=visit.settings.oidc_name,
        may_change=row["may_change"],
        access=access,
        form=form,
        problem=problem,
        labels=LABELS,
    )


def _for_change(tx: Tx, actor: Actor, key: str) -> tuple[Row, Group]:
    """A group that the visitor may change: its row and its JSON."""
    row = groups.GROUPS.row_for_change(tx, actor, key)
    return row, groups.GROUPS.read(tx, actor, key)


def _ids(people: list[Any]) -> list[int]:
    return [person["id"] for person in people]


def _names(people: list[Any], ids: set[int]) -> str:
    return ", ".join(person["username"] for person in people if person["id"] in ids)


def _given_ids(visit: Visit) -> list[int]:
    """The ids of users that a button sends."""
    return [int(word) for word in visit.form.words("ids") if are_digits(word)]


def add_members(visit: Visit, key: str) -> Page:
    """POST /groups/{key}/members: add users by exact username."""
    try:
        with visit.change() as (tx, actor):
            row, group = _for_change(tx, actor, key)
            given: list[Any] = [*split(visit.form.get("users"))]
            if not given:
                raise field_problem("users", "must have at least one username")
            patch = wire.GroupPatch(users=[*given, *_ids(group["users"])])
            if actor.has_staff_rights and visit.form.on("leader"):
                patch.leaders = [*given, *_ids(group["leaders"])]
            groups.edit_group(tx, actor, row, patch)
            after = groups.GROUPS.read(tx, actor, key)
    except REFUSALS as problem:
        return _show(visit, key, visit.form, refused(problem))
    new = {*_ids(after["users"])} - {*_ids(group["users"])}
    if not new:
        return visit.redirect(urls.group(group), done="All of them are already members.")
    return visit.redirect(
        urls.group(group),
        done=f"Added {_names(after['users'], new)} to {group['name']}.",
        undo=Undo(urls.group(group, "members", "remove"), {"ids": _joined_ids(new)}),
    )


def _joined_ids(ids: set[int]) -> str:
    return ",".join(map(str, sorted(ids)))


def remove_members(visit: Visit, key: str) -> Page:
    """POST /groups/{key}/members/remove: remove users by id."""
    try:
        with visit.change() as (tx, actor):
            row, group = _for_change(tx, actor, key)
            removed = {*_given_ids(visit)} & {*_ids(group["users"])}
            patch = wire.GroupPatch(users=[i for i in _ids(group["users"]) if i not in removed])
            led = removed & {*_ids(group["leaders"])}
            if led and actor.has_staff_rights:
                patch.leaders = [i for i in _ids(group["leaders"]) if i not in removed]
            groups.edit_group(tx, actor, row, patch)
    except REFUSALS as problem:
        return _show(visit, key, Form.of(), refused(problem))
    if not removed:
        return visit.redirect(urls.group(group))
    # By name: a leader may not read users, so may not name one who is no member by id.
    names = joined([user["username"] for user in group["users"] if user["id"] in removed])
    fields = {"users": names} | ({"leader": "on"} if led == removed else {})
    return visit.redirect(
        urls.group(group),
        done=f"Removed {_names(group['users'], removed)} from {group['name']}.",
        undo=Undo(urls.group(group, "members"), fields),
    )


def set_leader(visit: Visit, key: str) -> Page:
    """POST /groups/{key}/leaders: make members leaders, or no longer leaders (staff only)."""
    with visit.change() as (tx, actor):
        row, group = _for_change(tx, actor, key)
        given, leads = {*_given_ids(visit)}, visit.form.on("leads")
        before = {*_ids(group["leaders"])}
        leaders = before | given if leads else before - given
        groups.edit_group(tx, actor, row, wire.GroupPatch(leaders=[*sorted(leaders)]))
        after = groups.GROUPS.read(tx, actor, key)
    names = _names(after["users"], given)
    back = {"ids": _joined_ids(given)} | ({} if leads else {"leads": "on"})
    return visit.redirect(
        urls.group(group),
        done=f"{names} {'is now' if leads else 'is no longer'} a leader of {group['name']}.",
        undo=Undo(urls.group(group, "leaders"), back),
    )


def rename_group(visit: Visit, key: str) -> Page:
    """POST /groups/{key}/name (staff only)."""
    try:
        with visit.change() as (tx, actor):
            row, group = _for_change(tx, actor, key)
            name = decode.name("name", visit.form.get("name"), row["name"])
            groups.edit_group(tx, actor, row, wire.GroupPatch(name=name))
    except REFUSALS as problem:
        return _show(visit, key, visit.form, refused(problem))
    undo = Undo(urls.group(group, "name"), {"name": group["name"]})
    return visit.redirect(urls.group(group), done=f"Renamed to {name}.", undo=undo)


def show_remove(visit: Visit, key: str) -> Page:
    """GET /groups/{key}/remove: the impact, for confirmation (staff only)."""
    visit.require_user()
    return _show_remove(visit, key)


def _show_remove(visit: Visit, key: str, problem: Problem | None = None) -> Page:
    with visit.read() as (tx, actor):
        row, group = _for_change(tx, actor, key)
        actor.require_staff()
        access = groups.access_given(tx, actor, row)
    return visit.page("account/group_remove.html", group=group, access=access, problem=problem)


def remove_group(visit: Visit, key: str) -> Page:
    """POST /groups/{key}/remove."""
    try:
        with visit.change() as (tx, actor):
            row, group = _for_change(tx, actor, key)
            groups.remove_group(tx, actor, row)
    except REFUSALS as problem:
        return _show_remove(visit, key, refused(problem))
    return visit.redirect(urls.staff("groups"), done=f"Group {group['name']} removed.")
