"""Naming things in a body: an id, a uuid, a name where the field takes one, or an object.

Whatever is newly named must be readable by whoever names it; what is hidden is refused with the very
answer that what does not exist gets (400 `reference_unknown`). References compare by id alone, and
one that stays as it is is not checked again.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET
from sqlalchemy import Table, or_, select

from goldenrod.base.errors import unknown_reference
from goldenrod.base.text import sought_key
from goldenrod.base.wire import Reference
from goldenrod.rules import access, resources
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import LARGEST_KEY, is_uuid
from goldenrod.store.sql import Sortable, in_list, param

Given = int | str | Reference


def plain(ref: Given) -> int | str:
    """The id, uuid or name that a reference carries; an empty text for an object without any."""
    if not isinstance(ref, Reference):
        return ref
    parts = (ref.id, ref.uuid, ref.name, ref.username)
    return next((part for part in parts if part is not UNSET), "")


def read(tx: Tx, actor: Actor, table: Table, ref: Given, field: str) -> Row:
    """The row of the thing that `ref` names, which the actor must be able to read; with
    `may_change`. Raises BadRequest (`reference_unknown`)."""
    value = plain(ref)
    row = resources.find_row(tx, actor, table, str(value)) if _whole(value) else None
    if row is None:
        raise unknown_reference(field, _shown(value))
    return row


def _whole(value: int | str) -> bool:
    return isinstance(value, str) or 0 < value <= LARGEST_KEY


def _shown(value: int | str) -> int | str:
    return value[:80] if isinstance(value, str) else value


def _named(table: Table, column: str) -> Any:
    return select(table.c.id).where(table.c[column] == param("named", Sortable))


def _keyed(table: Table, column: str, reader: ReaderKind) -> Any:
    """The id of a group or user by its id or uuid, which the actor may read or knows already."""
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
    """A group by exact name (that a name exists is no secret) or by the id or uuid of one that the
    actor may read, or that is in `known` already. Raises BadRequest."""
    value = plain(ref)
    if isinstance(value, str) and not is_uuid(value):
        found = tx.value(_named, schema.groups, "name_key", named=sought_key(value))
    else:
        found = _by_key(tx, actor, schema.groups, value, known)
    if not found:
        raise unknown_reference(field, _shown(value))
    return int(found)


def user_id(tx: Tx, actor: Actor, ref: Given, field: str, known: Iterable[int] = ()) -> int:
    """A user by exact username, or by the id or uuid of one whom the actor may read, or who is in
    `known` already: otherwise an id would tell whose it is. Raises BadRequest."""
    value = plain(ref)
    if isinstance(value, str) and not is_uuid(value):
        found = tx.value(_personal, named=sought_key(value))
    else:
        found = _by_key(tx, actor, schema.users, value, known) or _shown_user(tx, ref)
    if not found:
        raise unknown_reference(field, _shown(value))
    return int(found)


def _shown_user(tx: Tx, ref: Given) -> int | None:
    """The user of an object as a GET gave it: its username, where every id in it is theirs."""
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
    return sorted({read_one(ref, place) for place, ref in enumerate(refs)})
