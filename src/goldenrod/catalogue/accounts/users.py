"""Users. Staff create and disable them; a user is never deleted.

Each user has a personal group of the same name, of which they are the only member. So sharing with
one person is sharing with a group, and the names of users and groups are unique among both.
"""

from typing import Any

from msgspec import UnsetType
from sqlalchemy import ColumnElement, FromClause, or_, select

from goldenrod.base import decode
from goldenrod.base.errors import Conflict
from goldenrod.base.faults import Faults
from goldenrod.base.text import name_key, sought_key
from goldenrod.base.wire import NewUser, UserPatch
from goldenrod.catalogue.accounts import password_hashing, password_rules, sessions
from goldenrod.rules import filters, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, mutations
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing
from goldenrod.store.sql import Key, Sortable, json_object, param


def is_staff(user: FromClause) -> ColumnElement[bool]:
    """The user has staff's rights: given by hand, or by the claims of the last sign-in."""
    return or_(user.c.is_staff, user.c.staff_by_claims)


def shape(user: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A user as JSON, for staff and for the user."""
    return json_object(
        {
            "id": user.c.id,
            "uuid": user.c.uuid,
            "url": summaries.url("users", user.c.id),
            "username": user.c.username,
            "is_staff": is_staff(user),
            "active": user.c.active,
            "start_date": user.c.start_date,
            "staff_from_claims": user.c.staff_by_claims,
        }
    )


USERS = Resource(
    schema.users,
    shape,
    Listing(
        schema.users,
        {
            "username": filters.username("username", lambda user: user.c.id),
            "prefix": filters.prefix("prefix", lambda user, begins: begins(user.c.name_key)),
            "active": filters.boolean(lambda user, reader: user.c.active),
            "is_staff": filters.boolean(lambda user, reader: is_staff(user)),
        },
        ("start_date", "username"),
        {"username": "name_key"},
    ),
)


def _by_name() -> Any:
    group = schema.groups
    return select(group.c.id, group.c.personal_of).where(
        group.c.name_key == param("named", Sortable)
    )


def find_user(tx: Tx, username: str) -> int | None:
    """The id of the user with this exact username; None for no such user."""
    row = tx.first(_by_name, named=sought_key(username))
    return row["personal_of"] if row else None


def is_taken(tx: Tx, name: str) -> bool:
    """Whether a user or group has this name."""
    return tx.first(_by_name, named=name_key(name)) is not None


def require_free_name(tx: Tx, name: str, group_id: int = 0) -> None:
    """Raise Conflict where a user or another group has this name."""
    row = tx.first(_by_name, named=name_key(name))
    if row and row["id"] != group_id:
        raise Conflict(f"The name {name!r} is already taken by a user or group.", code="name_taken")


def _has_password() -> Any:
    user = schema.users
    return select(user.c.password_hash.is_not(None)).where(user.c.id == param("user_id", Key))


def has_password(tx: Tx, user_id: int) -> bool:
    """Whether a user can sign in with a password."""
    return bool(tx.value(_has_password, user_id=user_id))


def hash_password(username: str, password: str | None | UnsetType) -> str | None:
    """The hash of a new password; None for none. Raises BadRequest (a bad password), Unavailable.

    Hashing takes long, and a transaction makes other writers wait. So call this before it, and pass
    the hash to `create_user` or `edit_user`. They hash the password themselves only without it.
    """
    if not isinstance(password, str):
        return None
    password_rules.require_good(username, password)
    return password_hashing.hashed(password)


def create_user(
    tx: Tx, actor: Actor, body: NewUser, *, password_hash: str | None = None
) -> Created:
    """Create a user and their personal group. Raises BadRequest, Forbidden, Conflict."""
    actor.require_staff()
    faults = Faults()
    username = faults.of(decode.name, "username", body.username)
    password_hash = password_hash or faults.of(
        hash_password, username or body.username, body.password
    )
    faults.report()
    require_free_name(tx, username)
    values = {"username": username, "is_staff": body.is_staff, "active": body.active}
    user_id = tx.insert(
        schema.users,
        uuid=mutations.new_uuid(),
        name_key=name_key(username),
        password_hash=password_hash,
        start_date=tx.now,
        **values,
    )
    group_id = tx.insert(
        schema.groups,
        uuid=mutations.new_uuid(),
        name=username,
        name_key=name_key(username),
        personal_of=user_id,
        start_date=tx.now,
    )
    tx.insert(schema.group_users, group_id=group_id, user_id=user_id, leader=False)
    audit.record(tx, actor, "user:create", schema.users, user_id, audit.created(values))
    return Created(str(user_id))


def edit_user(
    tx: Tx, actor: Actor, row: Row, patch: UserPatch, *, password_hash: str | None = None
) -> None:
    """Change the fields of the patch. Disabling a user and changing or removing their password end
    all their sessions. The audit records that a password changed, never the password.

    Who is staff by claims stays so if `is_staff` is true; false takes staff's rights away whatever gave
    them. The next sign-in that has the claim gives them again.
    """
    given = mutations.given(patch)
    after: Row = {field: given[field] for field in ("is_staff", "active") if field in given}
    password_hash = password_hash or hash_password(row["username"], patch.password)
    before = row | {"is_staff": row["is_staff"] or row["staff_by_claims"]}
    changed = audit.changed(before, after)
    if "is_staff" not in changed:
        after.pop("is_staff", None)
    elif row["staff_by_claims"]:
        after["staff_by_claims"] = False
    if "password" in given:
        after["password_hash"] = password_hash
        changed |= _password_changed("removed" if password_hash is None else "changed")
    if changed:
        tx.update(schema.users, {"id": row["id"]}, **after)
        if "password" in changed or after.get("active") is False:
            tx.delete(schema.sessions, user_id=row["id"])
        audit.record(tx, actor, "user:edit", schema.users, row["id"], changed)


def change_own_password(tx: Tx, actor: Actor, password_hash: str, session: str) -> None:
    """Change the actor's own password. Their other sessions end; `session`, by its uuid, stays."""
    actor.require_write()
    tx.update(schema.users, {"id": actor.user_id}, password_hash=password_hash)
    sessions.end_all_sessions(tx, actor, but=session)
    audit.record(tx, actor, "user:edit", schema.users, actor.user_id, _password_changed("changed"))


def _password_changed(how: str) -> dict[str, Any]:
    return {"password": {"before": None, "after": how}}


def disable_user(tx: Tx, actor: Actor, row: Row) -> None:
    """Disable a user: they cannot sign in, and their tokens stop at once. What they created remains."""
    edit_user(tx, actor, row, UserPatch(active=False))
