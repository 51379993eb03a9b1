"""A version's history: who changed what and when, visible to the version's editors.

Entries store ids. When entries are read, the access rule decides which ids get a name, so the history
never names what its reader may not see.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, and_, case, exists, select

from goldenrod.base.errors import Forbidden, Unauthorized
from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.summaries import Shape
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Filter, Listing, Page, Query, Wanted
from goldenrod.store.sql import Id, Key, in_list, json_list, json_object, json_text, param


def shape(entry: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """An entry as JSON, with ids in its changes."""
    return json_object(
        {
            "sequence": entry.c.sequence,
            "at": entry.c.at,
            "by": summaries.user(entry.c.user_id),
            "source": _source(entry, reader),
            "action": entry.c.action,
            "changes": entry.c.changes,
        }
    )


def _source(entry: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """The source that a sync read, for those who may read its report: staff, and editors of the image.
    Who only created the version is told null."""
    if reader is ReaderKind.STAFF:
        return entry.c.source
    version, image = schema.versions.alias(), schema.images.alias()
    edits = exists().where(
        version.c.n == entry.c.subject_id,
        image.c.id == version.c.image_id,
        access.edits_image(image, reader),
    )
    return case((edits.correlate_except(version, image), entry.c.source))


LIST = Listing(
    schema.audit,
    {
        "name": Filter(
            "an action, such as version:edit",
            lambda given: Wanted("", {"f_name": given}),
            lambda entry, reader, form: entry.c.action == param("f_name"),
        )
    },
    ("sequence",),
    default="sequence",
    id="sequence",
)


def _of_version(entry: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    return and_(
        entry.c.subject == schema.versions.name, entry.c.subject_id == param("subject", Key)
    )


def list_history(tx: Tx, actor: Actor, key: str, query: Query) -> Page:
    """A page of a version's history. Raises NotFound, and Unauthorized or Forbidden if the actor may
    read the version but not change it."""
    version = resources.get_row(tx, actor, schema.versions, key)
    if not version["may_change"]:
        if actor.kind == "anonymous":
            raise Unauthorized("Only editors can read a version's history. Sign in as one of them.")
        raise Forbidden("Only editors can read a version's history.")
    return list_entries(tx, actor, version["n"], query)


def list_entries(tx: Tx, actor: Actor, version_key: int, query: Query) -> Page:
    """A page of the history of a version that the actor may change."""
    page = resources.page(tx, actor, shape, query, _of_version, subject=version_key)
    entries = [json.loads(text) for text in page.results]
    for entry in entries:
        entry["changes"] = json.loads(entry["changes"])
    name_things(tx, actor, entries)
    texts = [json.dumps(e, ensure_ascii=False, separators=(",", ":")) for e in entries]
    return Page(page.count, texts, page.next, page.previous)


class _References:
    """What the keys in one field of the changes refer to: a table, its key, and the shape to show."""

    def __init__(self, table: Table, summary: Shape, key: str = "id") -> None:
        self.table = table
        self.summary = summary
        self.key = key


ASSIGNED = "assigned"
"""The field of a channel's entries that has the numbers of versions."""

_FIELDS = {
    "parent": _References(schema.versions, summaries.version_shape),
    "replacement": _References(schema.versions, summaries.version_shape),
    "image": _References(schema.images, summaries.image_shape),
    "licenses": _References(schema.licenses, summaries.license_shape),
    "scripts": _References(schema.boot_scripts, summaries.script_shape),
    "membership": _References(schema.groups, summaries.group_shape),
    "identity": _References(schema.identities, summaries.identity_shape),
    "maintainers": _References(schema.groups, summaries.group_shape),
    "groups": _References(schema.groups, summaries.group_shape),
    "users": _References(schema.users, lambda user, reader: summaries.user(user.c.id)),
    "leaders": _References(schema.users, lambda user, reader: summaries.user(user.c.id)),
    "owner_id": _References(schema.users, lambda user, reader: summaries.user(user.c.id)),
    "providers": _References(schema.providers, summaries.provider_shape),
    ASSIGNED: _References(schema.versions, summaries.version_shape, "n"),
}


def _summaries(fields: tuple[str, ...], reader: ReaderKind) -> Any:
    """The things that these fields refer to, as one JSON object of lists."""

    def things(field: str) -> ColumnElement[Any]:
        it = _FIELDS[field]
        thing = it.table.alias()
        key = thing.c[it.key]
        kind = Id() if isinstance(key.type, Id) else Key
        named = json_object({"key": key, "it": it.summary(thing, reader)})
        return json_list(
            select(named).where(
                in_list(key, f"ids_of_{field}", kind), access.readable(thing, reader)
            )
        )

    return select(json_text(json_object({field: things(field) for field in fields})))


def name_things(tx: Tx, actor: Actor, entries: list[Row]) -> None:
    """Replace each id in the changes by a summary, or by `{"id"}` if the actor may not read it."""
    changes = {
        field: [entry["changes"][field] for entry in entries if field in entry["changes"]]
        for field in _FIELDS
    }
    ids = {
        field: sorted(
            {
                key
                for change in entries_of_field
                for side in change.values()
                for key in _listed(side)
            }
        )
        for field, entries_of_field in changes.items()
    }
    asked = {field: keys for field, keys in ids.items() if keys}
    if not asked:
        return
    given = {f"ids_of_{field}": keys for field, keys in asked.items()}
    text = tx.value(_summaries, tuple(asked), actor.reader, **given, **resources.params(tx, actor))
    for field, things in json.loads(text).items():
        found = {thing["key"]: thing["it"] for thing in things}

        def show(key: Any, found: Row = found) -> Any:
            return found.get(key, {"id": key})

        for change in changes[field]:
            change["before"] = _shown(change["before"], show)
            change["after"] = _shown(change["after"], show)


def _listed(side: Any) -> Iterable[Any]:
    return side if isinstance(side, list) else [] if side is None else [side]


def _shown(side: Any, show: Callable[[Any], Any]) -> Any:
    if isinstance(side, list):
        return [show(key) for key in side]
    return None if side is None else show(side)
