"""Activity: who changed what, who signed in, and who was refused, newest first, for staff.

It is one list of two tables: the audit (changes) and the security events. An entry's id is the sequence
of its row; that of an event is larger by `EVENTS`. Events of tokens are left out, because the audit has
the same.

The list is composed of branches, each with an index in the list's order: both tables whole, or one
branch for each action that the filters leave. So a page costs the same, however long the list is.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    MetaData,
    String,
    Table,
    and_,
    case,
    false,
    func,
    literal,
    select,
    true,
    union_all,
)

from goldenrod.catalogue.versions import history
from goldenrod.rules import filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit
from goldenrod.store import paging, schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing, Page, Query
from goldenrod.store.sql import (
    NULL_JSON,
    Key,
    Moment,
    among,
    as_json,
    json_object,
    json_text,
)

EVENTS = 10**15
RESULTS: dict[str, tuple[str, ...]] = {
    "changes": audit.ACTIONS,
    "sign_ins": ("sign_in:success", "sign_in:failure", "sign_in:limited", "session:end"),
    "refusals": ("access:refused",),
    "exports": ("export:run", "backup:run"),
}
"""The kinds of entries, with their actions."""
ACTIONS = tuple(action for actions in RESULTS.values() for action in actions)
RESOURCES = tuple(dict.fromkeys(action.partition(":")[0] for action in audit.ACTIONS))

_ENTRIES = Table(
    "activity",
    MetaData(),
    Column("id", Key, primary_key=True),
    Column("at", Moment),
    Column("user_id", Key),
    Column("address", String),
)
"""What the branches select. There is no such table."""


def _of_image(entry: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    image = schema.images.alias()
    wanted = select(image.c.id).where(is_it(image)).scalar_subquery()

    def ids(table: Table, key: str = "id") -> Any:
        return select(table.c[key]).where(table.c.image_id == wanted)

    versions = schema.versions.alias()
    machines = (
        select(schema.machines.c.id)
        .join(versions, versions.c.n == schema.machines.c.version_n)
        .where(versions.c.image_id == wanted)
    )
    subjects = {
        schema.images: select(image.c.id).where(is_it(image)),
        schema.versions: ids(schema.versions, "n"),
        schema.machines: machines,
        schema.channels: ids(schema.channels),
        schema.webhooks: ids(schema.webhooks),
    }
    row = schema.audit
    found = [
        select(row.c.sequence).where(row.c.subject == table.name, row.c.subject_id.in_(keys))
        for table, keys in subjects.items()
    ]
    return among(entry.c.id, union_all(*found))


def _by_branch(names: tuple[str, ...]) -> paging.Filter:
    """A filter that `_actions` reads: it chooses the branches."""
    return filters.what_is(names, lambda entry, name: true())


LIST = Listing(
    _ENTRIES,
    {
        "result": _by_branch(tuple(RESULTS)),
        "resource": _by_branch(RESOURCES),
        "action": replace(
            _by_branch(ACTIONS), takes="an action such as version:edit or sign_in:failure"
        ),
        "user": filters.username("user", lambda entry: entry.c.user_id),
        "image": filters.refers("image", schema.images, _of_image),
        "address": filters.text("address", "address", "a client's address"),
        "at__gte": filters.since("at__gte", "at"),
        "at__lt": filters.since("at__lt", "at", before=True),
    },
    ("at",),
    default="-at",
)

Forms = tuple[tuple[str, str], ...]


def _actions(asked: dict[str, str]) -> tuple[str, ...] | None:
    """The actions that the filters leave; None for all."""
    if "image" in asked and "result" not in asked and "address" not in asked:
        asked = {**asked, "result": "changes"}
    if asked.keys().isdisjoint({"result", "resource", "action"}):
        return None
    return tuple(
        action
        for action in RESULTS.get(asked.get("result", ""), ACTIONS)
        if action == asked.get("action", action)
        and action.partition(":")[0] == asked.get("resource", action.partition(":")[0])
    )


class _Branch(NamedTuple):
    rows: FromClause
    shows: ColumnElement[bool]


def _branches(forms: Forms, reader: ReaderKind) -> list[_Branch]:
    asked = dict(forms)
    actions = _actions(asked)
    if actions is None:
        sources = [_changes(None), _events(None)]
    else:
        whole = actions == audit.ACTIONS
        changes = [it for it in actions if it in audit.ACTIONS]
        events = [it for it in actions if it not in audit.ACTIONS]
        sources = [_changes(None)] if whole else [_changes(action) for action in changes]
        sources += [_events(action) for action in events]
    conditions = [(LIST.filters[name], form) for name, form in forms]
    return [
        _Branch(rows, and_(true(), *(it.where(rows, reader, form) for it, form in conditions)))
        for rows in sources
    ] or [_Branch(_changes(None), false())]


def _changes(action: str | None) -> FromClause:
    row = schema.audit.alias()
    found = select(
        row.c.sequence.label("id"),
        row.c.at,
        row.c.user_id,
        literal(None, String).label("address"),
    )
    return (found.where(row.c.action == action) if action else found).subquery()


def _events(action: str | None) -> FromClause:
    row = schema.security_events.alias()
    found = select((row.c.sequence + EVENTS).label("id"), row.c.at, row.c.user_id, row.c.address)
    if action:
        return found.where(row.c.kind == action).subquery()
    return found.where(row.c.kind.not_in(("token:create", "token:revoke"))).subquery()


def _counted(forms: Forms, reader: ReaderKind) -> Any:
    counts = [
        select(func.count()).select_from(rows).where(shows).scalar_subquery()
        for rows, shows in _branches(forms, reader)
    ]
    total: Any = counts[0]
    for one in counts[1:]:
        total = total + one
    return select(total)


def _rows(forms: Forms, reader: ReaderKind, order: str, op: str | None, numbered: bool) -> Any:
    chosen = paging.merged(LIST, _branches(forms, reader), order, op, numbered).subquery("picked")
    change, event = schema.audit.alias("change"), schema.security_events.alias("event")
    return (
        select(
            json_text(_shape(chosen, change, event, reader)).label("json"),
            chosen.c.value,
            chosen.c.id,
        )
        .select_from(
            chosen.outerjoin(change, change.c.sequence == chosen.c.key).outerjoin(
                event, event.c.sequence == chosen.c.key - EVENTS
            )
        )
        .order_by(*paging.directed(order, op, chosen.c.value, chosen.c.id))
    )


def _shape(
    chosen: FromClause, change: FromClause, event: FromClause, reader: ReaderKind
) -> ColumnElement[Any]:
    return json_object(
        {
            "id": chosen.c.id,
            "at": chosen.c.value,
            "last_at": func.coalesce(event.c.last_at, chosen.c.value, type_=Moment()),
            "action": func.coalesce(change.c.action, event.c.kind, type_=String()),
            "by": summaries.user(func.coalesce(change.c.user_id, event.c.user_id, type_=Key)),
            "via": func.coalesce(change.c.via, event.c.via, type_=String()),
            "source": change.c.source,
            "address": event.c.address,
            "subject": as_json(_subject(change, reader)),
            "changes": as_json(change.c.changes),
            "detail": as_json(event.c.detail),
            "count": func.coalesce(event.c.count, 1),
        }
    )


class _Subject(NamedTuple):
    """How the subject of a change is shown: its resource's address, and the column of its name."""

    table: Table
    resource: str
    name: str
    image_id: str | None = None
    version_n: str | None = None


_SUBJECTS = (
    _Subject(schema.images, "images", "name", image_id="id"),
    _Subject(schema.versions, "image_versions", "name", image_id="image_id"),
    _Subject(schema.machines, "provider_machines", "identifier", version_n="version_n"),
    _Subject(schema.providers, "providers", "name"),
    _Subject(schema.licenses, "licenses", "title"),
    _Subject(schema.boot_scripts, "boot_scripts", "title"),
    _Subject(schema.groups, "groups", "name"),
    _Subject(schema.users, "users", "username"),
    _Subject(schema.identities, "identities", "key"),
    _Subject(schema.tags, "tags", "name"),
    _Subject(schema.tokens, "tokens", "name"),
    _Subject(schema.channels, "channels", "name", image_id="image_id"),
    _Subject(schema.webhooks, "webhooks", "target", image_id="image_id"),
)


def _subject(change: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    shown = [(change.c.subject == it.table.name, _named(it, change, reader)) for it in _SUBJECTS]
    return case(*shown, else_=NULL_JSON)


def _named(it: _Subject, change: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """The subject by name. What was removed has its id only."""
    thing = it.table.alias()
    key = thing.c[next(iter(it.table.primary_key)).name]
    image: ColumnElement[Any] = NULL_JSON
    version: ColumnElement[Any] = NULL_JSON
    user: ColumnElement[Any] = NULL_JSON
    if it.image_id:
        image = summaries.image(thing.c[it.image_id], reader)
    if it.version_n:
        version = summaries.version_of(thing.c[it.version_n], reader)
    if "user_id" in thing.c and it.table is not schema.versions:
        user = summaries.user(thing.c.user_id)
    shape = json_object(
        {
            "id": thing.c.id,
            "url": summaries.url(it.resource, thing.c.id),
            "name": thing.c[it.name],
            "image": image,
            "version": version,
            "user": user,
        }
    )
    found = select(shape).where(key == change.c.subject_id)
    return found.correlate_except(thing).scalar_subquery()


def list_activity(tx: Tx, actor: Actor, query: Query) -> Page:
    """A page of the activity. Raises Unauthorized, Forbidden (staff only)."""
    page, entries = read_activity(tx, actor, query)
    return replace(page, results=[msgspec.json.encode(entry).decode() for entry in entries])


def read_activity(tx: Tx, actor: Actor, query: Query) -> tuple[Page, list[Row]]:
    """The same with its entries decoded. Raises Unauthorized, Forbidden (staff only)."""
    actor.require_staff()
    given = {**resources.params(tx, actor), **query.params}

    def count() -> int:
        return int(tx.value(_counted, query.forms, actor.reader, **given))

    def rows(which: dict[str, Any]) -> list[Row]:
        op = query.cursor.op if query.cursor else None
        asked = query.forms, actor.reader, query.order, op, query.page > 1
        return tx.rows(_rows, *asked, **given, **which)

    page = resources.page_of_rows(query, count, rows)
    entries = [msgspec.json.decode(text) for text in page.results]
    _name_changes(tx, actor, entries)
    return page, entries


def _name_changes(tx: Tx, actor: Actor, entries: list[Row]) -> None:
    """Show the things that changes name by id."""
    changed = [entry for entry in entries if entry["changes"] is not None]
    for entry in changed:
        if entry["action"] in ("channel:assign", "channel:hide"):
            # The entry is {name of the channel: {…}}, with numbers of versions.
            [change] = entry["changes"].values()
            entry["changes"] = {history.ASSIGNED: change}
    history.name_things(tx, actor, changed)
