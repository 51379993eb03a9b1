"""Users: who has an account here. Staff make and disable them; nobody is ever erased.

Each user has a personal group of their own name with exactly that user in it, so sharing with one
person is sharing with a group, and users and groups share one space of names.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, select

from goldenrod.base import decode
from goldenrod.base.errors import Conflict
from goldenrod.base.text import name_key, sought_key
from goldenrod.base.wire import NewUser, UserPatch
from goldenrod.catalogue.accounts import password_hashing, password_rules
from goldenrod.rules import filters, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, mutations
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing
from goldenrod.store.sql import Sortable, json_object, param


def shape(user: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A user as JSON: only staff and the user come this far."""
    return json_object(
        {
            "id": user.c.id,
            "uuid": user.c.uuid,
            "url": summaries.url("users", user.c.id),
            "username": user.c.username,
            "is_staff": user.c.is_staff,
            "active": user.c.active,
            "start_date": user.c.start_date,
        }
    )


USERS = Resource(
    schema.users,
    shape,
    Listing(
        schema.users,
        {
            "username": filters.username("username", lambda user: user.c.id),
            "active": filters.boolean(lambda user, reader: user.c.active),
            "is_staff": filters.boolean(lambda user, reader: user.c.is_staff),
        },
        ("start_date", "username"),
        {"username": "name_key"},
    ),
)


def _named() -> Any:
    group = schema.groups
    return select(group.c.id, group.c.personal_of).where(
        group.c.name_key == param("named", Sortable)
    )


def find_user(tx: Tx, username: str) -> int | None:
    """The id of the user of this exact name; None for no such user."""
    row = tx.first(_named, named=sought_key(username))
    return row["personal_of"] if row else None


def is_taken(tx: Tx, name: str) -> bool:
    """Whether a user or group has this name."""
    return tx.first(_named, named=name_key(name)) is not None


def require_free_name(tx: Tx, name: str, group_id: int = 0) -> None:
    """Raise Conflict where a user or another group has this name."""
    row = tx.first(_named, named=name_key(name))
    if row and row["id"] != group_id:
        raise Conflict(f"A user or group is named {name!r} already.", code="name_taken")


def create_user(tx: Tx, actor: Actor, body: NewUser) -> Created:
    """Make a user and their personal group. Raises BadRequest, Forbidden, Conflict."""
    actor.require_staff()
    username = decode.name("username", body.username)
    if body.password is not None:
        password_rules.require_good(username, body.password)
    require_free_name(tx, username)
    values = {"username": username, "is_staff": body.is_staff, "active": body.active}
    user_id = tx.insert(
        schema.users,
        uuid=mutations.new_uuid(),
        name_key=name_key(username),
        password_hash=None if body.password is None else password_hashing.hashed(body.password),
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
    audit.record(tx, actor, "user:create", schema.users, user_id, audit.made(values))
    return Created(str(user_id))


def edit_user(tx: Tx, actor: Actor, row: Row, patch: UserPatch) -> None:
    """Change what the patch gives. A new password is told in the audit, without it; it signs the
    user's browsers out."""
    given = mutations.given(patch)
    after: Row = {field: given[field] for field in ("is_staff", "active") if field in given}
    if given.get("password") is not None:
        password_rules.require_good(row["username"], given["password"])
    changed = audit.between(row, after)
    if "password" in given:
        password = given["password"]
        after["password_hash"] = None if password is None else password_hashing.hashed(password)
        changed["password"] = {
            "before": None,
            "after": "removed" if password is None else "changed",
        }
    if changed:
        tx.update(schema.users, {"id": row["id"]}, **after)
        if "password" in changed or after.get("active") is False:
            tx.delete(schema.sessions, user_id=row["id"])
        audit.record(tx, actor, "user:edit", schema.users, row["id"], changed)


def disable_user(tx: Tx, actor: Actor, row: Row) -> None:
    """Disable a user: signing in and tokens stop at once; what they made stays."""
    edit_user(tx, actor, row, UserPatch(active=False))
