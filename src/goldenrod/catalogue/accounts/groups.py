"""Groups of users. Versions are shared with groups, and groups maintain images.

Staff create groups. The leaders of a group are members who add and remove members. A personal group
has exactly one member, its user: it cannot be joined, renamed or removed.

Claims of sign-ins with OpenID Connect also add and remove members (`oidc_claims.py`). Each membership
says where it comes from: people, claims, or both. Leaders do not remove members who come from claims.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, exists, func, select, true

from goldenrod.base import decode
from goldenrod.base.errors import Conflict, field_problem, forbidden_field
from goldenrod.base.faults import Faults
from goldenrod.base.text import filter_key, name_key
from goldenrod.base.wire import GroupPatch, NewGroup
from goldenrod.catalogue.accounts.users import require_free_name
from goldenrod.rules import access, filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, mutations, references
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.changes.removal import require_unused
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Filter, Listing, Wanted
from goldenrod.store.sql import Key, Sortable, json_list, json_object, param


def shape(group: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A group as JSON, with its members, who see each other."""
    return json_object(
        {
            "id": group.c.id,
            "uuid": group.c.uuid,
            "url": summaries.url("groups", group.c.id),
            "name": group.c.name,
            "users": _members(group, lambda member: true()),
            "leaders": _members(group, lambda member: member.c.leader),
            "personal": group.c.personal_of.is_not(None),
            "start_date": group.c.start_date,
            "users_from_claims": _members(group, lambda member: member.c.by_claims),
        }
    )


def _members(
    group: FromClause, which: Callable[[FromClause], ColumnElement[bool]]
) -> ColumnElement[Any]:
    member = schema.group_users.alias()
    query = select(summaries.user(member.c.user_id)).where(
        member.c.group_id == group.c.id, which(member)
    )
    return json_list(query.order_by(member.c.user_id), group)


def _has_member(group: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    member, personal = schema.group_users.alias(), schema.groups.alias()
    user = select(personal.c.personal_of).where(personal.c.name_key == param("f_user", Sortable))
    return exists().where(
        member.c.group_id == group.c.id, member.c.user_id == user.scalar_subquery()
    )


GROUPS = Resource(
    schema.groups,
    shape,
    Listing(
        schema.groups,
        {
            "name": filters.by_key("name"),
            "prefix": filters.prefix("prefix", lambda group, begins: begins(group.c.name_key)),
            "user": Filter(
                "the username of a member",
                lambda given: Wanted("", {"f_user": filter_key(given)}),
                _has_member,
            ),
            "personal": filters.boolean(lambda group, reader: group.c.personal_of.is_not(None)),
        },
        ("start_date", "name"),
        {"name": "name_key"},
    ),
)


def _shared(reader: ReaderKind) -> Any:
    pairing = schema.version_memberships.alias()
    of_group = pairing.c.group_id == param("group", Key)
    return (
        select(func.count()).select_from(pairing).where(of_group, access.readable(pairing, reader))
    )


def _maintained(reader: ReaderKind) -> Any:
    image, link = schema.images.alias(), schema.image_maintainers
    ids = select(link.c.image_id).where(link.c.group_id == param("group", Key))
    conditions = (image.c.id.in_(ids), access.readable(image, reader))
    return select(func.count()).select_from(image).where(*conditions)


def _restricting(reader: ReaderKind) -> Any:
    channel, link = schema.channels.alias(), schema.channel_groups
    ids = select(link.c.channel_id).where(link.c.group_id == param("group", Key))
    conditions = (channel.c.id.in_(ids), access.readable(channel, reader))
    return select(func.count()).select_from(channel).where(*conditions)


def access_given(tx: Tx, actor: Actor, row: Row) -> dict[str, int]:
    """What members of a group have access to by it: how many `versions` are shared with it, how many
    `images` it maintains, how many `channels` are restricted to it. Counts what the actor may read."""
    params = {**resources.params(tx, actor), "group": row["id"]}
    counts = {"versions": _shared, "images": _maintained, "channels": _restricting}
    return {name: int(tx.value(count, actor.reader, **params)) for name, count in counts.items()}


def _user_ids(tx: Tx, actor: Actor, refs: Any, field: str, known: Iterable[int] = ()) -> list[int]:
    return references.all_of(
        refs,
        lambda ref, position: references.user_id(tx, actor, ref, f"{field}[{position}]", known),
    )


def create_group(tx: Tx, actor: Actor, body: NewGroup) -> Created:
    """Create a group. Raises BadRequest, Forbidden, Conflict (`name_taken`)."""
    actor.require_staff()
    faults = Faults()
    name = faults.of(decode.name, "name", body.name)
    leaders = faults.of(_user_ids, tx, actor, body.leaders, "leaders")
    members = faults.of(_user_ids, tx, actor, body.users, "users")
    faults.report()
    users = {*members, *leaders}
    require_free_name(tx, name)
    group_id = tx.insert(
        schema.groups,
        uuid=mutations.new_uuid(),
        name=name,
        name_key=name_key(name),
        personal_of=None,
        start_date=tx.now,
    )
    set_members(tx, group_id, {}, {user: Member(leader=user in leaders) for user in users})
    created = audit.created({"name": name, "users": sorted(users), "leaders": leaders})
    audit.record(tx, actor, "group:create", schema.groups, group_id, created)
    return Created(str(group_id))


class Member(NamedTuple):
    """How a user is a member: as a leader or not, and where the membership comes from."""

    leader: bool = False
    by_hand: bool = True
    by_claims: bool = False


def _members_of() -> Any:
    member = schema.group_users
    columns = (member.c[name] for name in ("user_id", *Member._fields))
    return select(*columns).where(member.c.group_id == param("group", Key))


def members_of(tx: Tx, group_id: int) -> dict[int, Member]:
    """The members of a group, by the ids of users."""
    rows = tx.rows(_members_of, group=group_id)
    return {row.pop("user_id"): Member(**row) for row in map(dict, rows)}


def set_members(
    tx: Tx, group_id: int, before: Mapping[int, Member], after: Mapping[int, Member]
) -> None:
    """Change the members of a group."""
    for removed in before.keys() - after.keys():
        tx.delete(schema.group_users, group_id=group_id, user_id=removed)
    for user, member in sorted(after.items()):
        if user not in before:
            tx.insert(schema.group_users, group_id=group_id, user_id=user, **member._asdict())
        elif before[user] != member:
            key = {"group_id": group_id, "user_id": user}
            tx.update(schema.group_users, key, **member._asdict())


def edit_group(tx: Tx, actor: Actor, row: Row, patch: GroupPatch) -> None:
    """Change the fields of the patch. Leaders may change the members; staff may change everything.

    Raises BadRequest, Forbidden, Conflict (`name_taken`, `group_personal`).
    """
    given = mutations.given(patch)
    current = members_of(tx, row["id"])
    before: Row = {
        "name": row["name"],
        "users": sorted(current),
        "leaders": sorted(user for user, member in current.items() if member.leader),
    }
    after = dict(before)
    faults = Faults()
    if "name" in given:
        after["name"] = faults.of(decode.name, "name", given["name"], row["name"])
    if "leaders" in given:
        after["leaders"] = faults.of(_user_ids, tx, actor, given["leaders"], "leaders", current)
    if "users" in given:
        after["users"] = faults.of(_user_ids, tx, actor, given["users"], "users", current)
    changed = audit.changed(before, after)
    if not actor.has_staff_rights:
        wrong = "Leaders may change the members only. Ask staff to change the rest."
        for field in sorted({"name", "leaders"} & changed.keys()):
            faults.add(forbidden_field(field, wrong, code="staff_required"))
        claimed = {user for user, member in current.items() if member.by_claims}
        if after["users"] is not None and claimed - set(after["users"]):
            wrong = "Only staff may remove members who come from single sign-on."
            faults.add(forbidden_field("users", wrong, code="staff_required"))
    if after["leaders"] is not None and after["users"] is not None:
        if "users" not in given:
            after["users"] = sorted({*after["users"], *after["leaders"]})
        elif set(after["leaders"]) - set(after["users"]):
            faults.add(field_problem("users", "must include the leaders: leaders are members"))
    faults.report()
    changed = audit.changed(before, after)
    if not changed:
        return
    _require_not_personal(row)
    require_free_name(tx, after["name"], row["id"])
    tx.update(
        schema.groups, {"id": row["id"]}, name=after["name"], name_key=name_key(after["name"])
    )
    members = {}
    for user in after["users"]:
        member = current.get(user, Member())
        leads = user in after["leaders"]
        # People chose a leader, so the claim's end does not end the membership.
        members[user] = member._replace(leader=leads, by_hand=member.by_hand or leads)
    set_members(tx, row["id"], current, members)
    audit.record(tx, actor, "group:edit", schema.groups, row["id"], changed)


def _require_not_personal(row: Row) -> None:
    if row["personal_of"] is not None:
        raise Conflict(
            "This is a personal group: it cannot be joined, renamed or removed.",
            code="group_personal",
        )


def remove_group(tx: Tx, actor: Actor, row: Row) -> None:
    """Remove a group that nothing refers to. Raises Forbidden, Conflict (`group_in_use`)."""
    actor.require_staff()
    _require_not_personal(row)
    require_unused(
        tx,
        row["id"],
        "group",
        (schema.version_memberships, "group_id"),
        (schema.image_maintainers, "group_id"),
        (schema.channel_groups, "group_id"),
    )
    tx.delete(schema.groups, id=row["id"])
    removed = {"name": {"before": row["name"], "after": None}}
    audit.record(tx, actor, "group:remove", schema.groups, row["id"], removed)
