"""Groups and staff's rights that the claims of a sign-in with OpenID Connect give.

One claim of the ID token has values; the settings say which value puts people into which group, and
which makes them staff. Each sign-in adds and removes what its claim gives, so the last sign-in counts.
What people gave by hand is stored apart (`group_users.by_hand`, `users.is_staff`) and is never changed
here, so that nobody loses by a claim what was given by hand.

A claim that is missing has no values: providers leave an empty claim out, and access that the provider
does not confirm must not stay. A claim that is neither a text nor a list of texts, or that has more
than `MOST_VALUES` values, has none either. The security event of the sign-in says so.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import select

from goldenrod.base.config import Settings
from goldenrod.base.text import sought_key
from goldenrod.catalogue.accounts import groups, users
from goldenrod.catalogue.accounts.groups import Member
from goldenrod.rules import access, resources
from goldenrod.rules.access import CONSOLE, Actor, ReaderKind
from goldenrod.rules.changes import audit
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Sortable, in_list, param

MOST_VALUES = 500


class Rights(NamedTuple):
    """What the claims of a sign-in give: names of groups, as keys, and staff's rights. `problem`: what
    is wrong with the claim, if anything."""

    groups: frozenset[str] = frozenset()
    staff: bool = False
    problem: str | None = None


NONE = Rights()


def rights_of(settings: Settings, claims: Mapping[str, Any]) -> Rights:
    """What the claims of an ID token give, by the mapping of the settings."""
    if not settings.oidc_groups_claim:
        return NONE
    found = _claim(claims, settings.oidc_groups_claim)
    values = [found] if isinstance(found, str) else found
    if values is None:
        return Rights(problem="missing")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return Rights(problem="malformed")
    if len(values) > MOST_VALUES:
        return Rights(problem="too many values")
    named = (group for value, group in settings.oidc_groups if value in values)
    staff = bool(settings.oidc_staff) and settings.oidc_staff in values
    return Rights(frozenset(sought_key(name) or "" for name in named), staff)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name; otherwise the one that a path such as `realm_access.roles` leads to."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        if not isinstance(found, Mapping) or step not in found:
            return None
        found = found[step]
    return found


def _named() -> Any:
    group = schema.groups.alias()
    wanted = in_list(group.c.name_key, "names", Sortable)
    # For staff: the settings name the groups.
    seen = access.readable(group, ReaderKind.STAFF)
    return select(group.c.id, group.c.name_key).where(wanted, group.c.personal_of.is_(None), seen)


def missing_groups(tx: Tx, settings: Settings) -> list[str]:
    """The groups of the mapping that do not exist, or are personal: nobody gets into them."""
    keys = {sought_key(name) or "": name for _, name in settings.oidc_groups}
    found = {row["name_key"] for row in tx.rows(_named, names=sorted(keys))}
    return sorted(name for key, name in keys.items() if key not in found)


def _claimed() -> Any:
    member = schema.group_users
    return select(member.c.group_id).where(
        member.c.user_id == param("user", Key), member.c.by_claims
    )


def _claimed_groups(reader: ReaderKind) -> Any:
    group = schema.groups.alias()
    return (
        select(group.c.id, group.c.name)
        .where(group.c.id.in_(_claimed()), access.readable(group, reader))
        .order_by(group.c.name_key)
    )


def claimed_groups(tx: Tx, actor: Actor, user_id: int) -> list[Row]:
    """The groups that claims put a user into and that the actor may read."""
    return tx.rows(_claimed_groups, actor.reader, user=user_id, **resources.params(tx, actor))


def _group_changes(tx: Tx, user_id: int, rights: Rights) -> list[int]:
    """The groups that the user has to enter or to leave, by id."""
    names = sorted(rights.groups)
    wanted = {row["id"] for row in tx.rows(_named, names=names)} if names else set()
    return sorted(wanted ^ {row["group_id"] for row in tx.rows(_claimed, user=user_id)})


def differ(tx: Tx, user_id: int, rights: Rights) -> bool:
    """Whether these rights change anything for the user."""
    user = users.USERS.row(tx, CONSOLE, str(user_id))
    return user["staff_by_claims"] != rights.staff or bool(_group_changes(tx, user_id, rights))


def apply(tx: Tx, user_id: int, rights: Rights) -> None:
    """Give a user what the claims of their sign-in give, and take away what earlier claims gave. Each
    change has an audit entry that says it came through the provider (`via` is `oidc`)."""
    user = users.USERS.row(tx, CONSOLE, str(user_id))
    actor = Actor(kind="oidc", user_id=user_id, username=user["username"])
    for group_id in _group_changes(tx, user_id, rights):
        before = groups.members_of(tx, group_id)
        member = before.get(user_id, Member(by_hand=False))
        member = member._replace(by_claims=not member.by_claims)
        after = {**before, user_id: member}
        if not (member.by_hand or member.by_claims):
            del after[user_id]
        groups.set_members(tx, group_id, before, after)
        changed = audit.changed(_audited(before), _audited(after))
        audit.record(tx, actor, "group:edit", schema.groups, group_id, changed)
    if user["staff_by_claims"] != rights.staff:
        tx.update(schema.users, {"id": user_id}, staff_by_claims=rights.staff)
        changed = audit.changed(
            {"is_staff": user["is_staff"] or user["staff_by_claims"]},
            {"is_staff": user["is_staff"] or rights.staff},
        )
        changed |= {"staff_from_claims": {"before": user["staff_by_claims"], "after": rights.staff}}
        audit.record(tx, actor, "user:edit", schema.users, user_id, changed)


def _audited(members: Mapping[int, Member]) -> dict[str, list[int]]:
    return {
        "users": sorted(members),
        "users_from_claims": sorted(user for user, it in members.items() if it.by_claims),
    }
