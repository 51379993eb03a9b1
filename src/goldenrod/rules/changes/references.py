"""References in a body: an id, a uuid, a name where the field takes one, or an object.

The actor must be able to read what a new reference names. A hidden resource gets the same answer as one
that does not exist (400 `reference_unknown`). References are compared by id, and one that does not
change is not checked again.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET
from sqlalchemy import Table, or_, select

from goldenrod.base.errors import forbidden_field, unknown_reference
from goldenrod.base.faults import Faults
from goldenrod.base.text import is_uuid, sought_key
from goldenrod.base.wire import Reference
from goldenrod.rules import access, resources
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import LARGEST_KEY
from goldenrod.store.sql import Sortable, in_list, param

Given = int | str | Reference


def plain(ref: Given) -> int | str:
    """The id, uuid or name that a reference carries; an empty text for an object without any, or
    with a uuid that is none."""
    if not isinstance(ref, Reference):
        return ref
    if ref.id is UNSET and isinstance(ref.uuid, str) and not is_uuid(ref.uuid):
        return ""
    parts = (ref.id, ref.uuid, ref.name, ref.username)
    return next((part for part in parts if part is not UNSET), "")


def read(tx: Tx, actor: Actor, table: Table, ref: Given, field: str) -> Row:
    """The row that `ref` names, with `may_change`. Raises BadRequest (`reference_unknown`) where the
    actor may not read it."""
    value = plain(ref)
    row = resources.find_row(tx, actor, table, str(value)) if _whole(value) else None
    if row is None:
        raise unknown_reference(field, _shown(value))
    return row


def read_for_change(
    tx: Tx, actor: Actor, table: Table, ref: Given, field: str, refusal: str
) -> Row:
    """The same for what the actor must be an editor of. Raises Forbidden with the sentence `refusal`
    where they may only read it."""
    row = read(tx, actor, table, ref, field)
    if not row["may_change"]:
        raise forbidden_field(field, refusal)
    return row


def _whole(value: int | str) -> bool:
    return isinstance(value, str) or 0 < value <= LARGEST_KEY


def _shown(value: int | str) -> int | str:
    return value[:80] if isinstance(value, str) else value


def _named(table: Table, column: str) -> Any:
    return select(table.c.id).where(table.c[column] == param("named", Sortable))


def _keyed(table: Table, column: str, reader: ReaderKind) -> Any:
    """The id of a group or user by its id or uuid, if the actor may read it or it is in `known`."""
    thing = table.alias()
    found = thing.c[column] == param("keyed", thing.c[column].type)
    nameable = or_(access.readable(thing, reader), in_list(thing.c.id, "known"))
    return select(thing.c.id).where(found, nameable)


def _by_key(
    tx: Tx, actor: Actor, table: Table, value: int | str, known: Iterable[int]
) -> int | None:
    if not _whole(value):
        return None
    column, key = ("uuid", value.lower()) if isinstance(value, str) else ("id", value)
    given = resources.params(tx, actor)
    found = tx.value(_keyed, table, column, actor.reader, keyed=key, known=list(known), **given)
    return found and int(found)


def group_id(tx: Tx, actor: Actor, ref: Given, field: str, known: Iterable[int] = ()) -> int:
    """The id of a group, by exact name (which names exist is no secret), or by id or uuid if the
    actor may read it or it is in `known`. Raises BadRequest."""
    value = plain(ref)
    if isinstance(value, str) and not is_uuid(value):
        found = tx.value(_named, schema.groups, "name_key", named=sought_key(value))
    else:
        found = _by_key(tx, actor, schema.groups, value, known)
    if not found:
        raise unknown_reference(field, _shown(value))
    return int(found)


def user_id(tx: Tx, actor: Actor, ref: Given, field: str, known: Iterable[int] = ()) -> int:
    """The id of a user, by exact username, or by id or uuid if the actor may read the user or it is
    in `known`; otherwise ids would reveal usernames. Raises BadRequest."""
    value = plain(ref)
    if isinstance(value, str) and not is_uuid(value):
        found = tx.value(_personal, named=sought_key(value))
    else:
        found = _by_key(tx, actor, schema.users, value, known) or _shown_user(tx, ref)
    if not found:
        raise unknown_reference(field, _shown(value))
    return int(found)


def _shown_user(tx: Tx, ref: Given) -> int | None:
    """The user of an object from an answer: by its username, if its id and uuid are the same user's."""
    if not isinstance(ref, Reference) or not isinstance(ref.username, str):
        return None
    row = tx.first(_personal_with_uuid, named=sought_key(ref.username))
    if row is None or ref.id not in (UNSET, row["id"]):
        return None
    if isinstance(ref.uuid, str) and ref.uuid.lower() != row["uuid"]:
        return None
    return int(row["id"])


def _personal_with_uuid() -> Any:
    user, group = schema.users, schema.groups
    return (
        select(user.c.id, user.c.uuid)
        .select_from(user.join(group, group.c.personal_of == user.c.id))
        .where(group.c.name_key == param("named", Sortable))
    )


def _personal() -> Any:
    group = schema.groups
    return select(group.c.personal_of).where(group.c.name_key == param("named", Sortable))


def all_of(refs: Iterable[Given], read_one: Any) -> list[int]:
    """The ids of a list of references, each once, in order of id."""
    faults = Faults()
    found = {faults.of(read_one, ref, index) for index, ref in enumerate(refs)}
    faults.report()
    return sorted(found)
