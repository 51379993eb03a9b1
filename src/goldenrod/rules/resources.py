"""Reading a guarded thing, one way for all of them: one, a page of them, or one to be changed.

Every statement here starts at `access.readable`. A noun gives its table, its shape (`shape(thing,
sight)`, the JSON it answers) and its `Listing`; the answer is the JSON text that the database built.
What the reader may not see is NotFound, exactly like what does not exist.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, func, or_, select

from goldenrod.base.errors import Forbidden, NotFound
from goldenrod.base.numbers import whole_number
from goldenrod.rules import access
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.summaries import Shape
from goldenrod.rules.visibility import branches, stored_counts
from goldenrod.store import paging, schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing, Page, Query, is_uuid, past_the_end
from goldenrod.store.sql import Id, Key, among, json_text, param

_INTEGER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)

SLUGS = {"images": schema.image_slugs, "providers": schema.provider_slugs}
"""Things that a slug leads to as well; an old slug does too."""


def key_form(table: Table, key: str) -> str | None:
    """How a path or filter names a thing of `table`: `id`, `uuid`, `slug`; None for no such form."""
    if is_uuid(key):
        return "uuid"
    if table is schema.versions:
        return None
    if _INTEGER.fullmatch(key):
        return "id"
    return "slug" if table.name in SLUGS and _SLUG.fullmatch(key) else None


def key_value(form: str, key: str) -> Any:
    """The parameter for a key of this form."""
    return whole_number(key) if form == "id" else key.lower()


def named(thing: FromClause, table: Table, form: str, name: str = "key") -> ColumnElement[bool]:
    """`thing` is the one that the parameter `name`, of this form, names."""
    column: ColumnElement[Any] = thing.c.id
    if form == "uuid":
        column = thing.c.id if table is schema.versions else thing.c.uuid
    if form != "slug":
        wanted: Any = param(name, Key if form == "id" else Id)
    else:
        slugs = SLUGS[table.name].alias()
        owner = next(c for c in slugs.c if c.name != "slug")
        wanted = select(owner).where(slugs.c.slug == param(name)).scalar_subquery()
    is_it: ColumnElement[bool] = column == wanted
    return is_it


def _one(table: Table, shape: Shape, reader: ReaderKind, form: str) -> Any:
    thing = table.alias("thing")
    return select(json_text(shape(thing, reader))).where(
        named(thing, table, form), access.readable(thing, reader)
    )


def get(tx: Tx, actor: Actor, table: Table, shape: Shape, key: str) -> str:
    """The JSON of one thing, by id, uuid or slug. Raises NotFound."""
    form = key_form(table, key)
    found = form and tx.value(
        _one,
        table,
        shape,
        actor.reader,
        form,
        key=key_value(form, key),
        **params(tx, actor),
    )
    if not found:
        raise NotFound()
    return str(found)


def params(tx: Tx, actor: Actor) -> dict[str, Any]:
    """The parameters of the rule and of addresses, for this reader at this instant."""
    return {**actor.params, "now": tx.now, "api": tx.api}


def _row(table: Table, reader: ReaderKind, form: str) -> Any:
    thing = table.alias("thing")
    may = access.changeable(thing, reader).label("may_change")
    return select(*thing.c, may).where(named(thing, table, form), access.readable(thing, reader))


def find(tx: Tx, actor: Actor, table: Table, key: str) -> Row | None:
    """The row of one thing that the actor may read, with `may_change`; None where there is none."""
    form = key_form(table, key)
    if form is None:
        return None
    return tx.first(_row, table, actor.reader, form, key=key_value(form, key), **params(tx, actor))


def get_row(tx: Tx, actor: Actor, table: Table, key: str) -> Row:
    """The row of a thing that the actor may read, with `may_change`. Raises NotFound."""
    row = find(tx, actor, table, key)
    if row is None:
        raise NotFound()
    return row


def take(tx: Tx, actor: Actor, table: Table, key: str) -> Row:
    """The row of one thing to be changed. Raises Unauthorized, NotFound, then Forbidden."""
    if actor.kind == "anonymous":
        actor.require_write()
    row = get_row(tx, actor, table, key)
    actor.require_write()
    if not row["may_change"]:
        raise Forbidden("You may read this, but not change it.")
    return row


Condition = Callable[[FromClause, ReaderKind], ColumnElement[bool]]
"""Which rows of a list's table the reader may see."""


def _conditions(
    listing: Listing,
    seen: Condition,
    thing: FromClause,
    reader: ReaderKind,
    forms: tuple[tuple[str, str], ...],
) -> list[ColumnElement[bool]]:
    asked = [listing.filters[name].where(thing, reader, form) for name, form in forms]
    return [seen(thing, reader), *asked]


def _counted(
    listing: Listing, seen: Condition, reader: ReaderKind, forms: tuple[tuple[str, str], ...]
) -> Any:
    thing = listing.table.alias("thing")
    conditions = _conditions(listing, seen, thing, reader, forms)
    return select(func.count()).select_from(thing).where(*conditions)


def _rows(
    listing: Listing,
    seen: Condition,
    shape: Shape,
    reader: ReaderKind,
    forms: tuple[tuple[str, str], ...],
    order: str,
    op: str | None,
    numbered: bool,
) -> Any:
    inner = listing.table.alias("thing")
    conditions = _conditions(listing, seen, inner, reader, forms)
    return _built(
        listing,
        paging.picked(listing, conditions, inner, order, op, numbered),
        shape,
        reader,
        order,
        op,
    )


def _branch_rows(
    listing: Listing,
    groups: int,
    shape: Shape,
    reader: ReaderKind,
    order: str,
    op: str | None,
    numbered: bool,
) -> Any:
    chosen = paging.merged(listing, branches.for_reader(reader, groups), order, op, numbered)
    return _built(listing, chosen, shape, reader, order, op)


def _built(
    listing: Listing, chosen: Any, shape: Shape, reader: ReaderKind, order: str, op: str | None
) -> Any:
    # The page is picked first, and only its rows are built: a sort would build them all.
    picked = chosen.subquery("picked")
    shown = listing.table.alias("shown")
    key = next(iter(listing.table.primary_key)).name
    return (
        select(json_text(shape(shown, reader)).label("json"), picked.c.value, picked.c.id)
        .select_from(picked.join(shown, shown.c[key] == picked.c.key))
        .order_by(*paging.directed(order, op, picked.c.value, picked.c.id))
    )


def page(
    tx: Tx,
    actor: Actor,
    shape: Shape,
    query: Query,
    seen: Condition = access.readable,
    **more: Any,
) -> Page:
    """One page of what the actor may read, with the exact count. Raises NotFound past the end.

    `seen` and its parameters stand in for the rule where a thing's own handler has asked it already.
    """
    given = {**params(tx, actor), **query.params, **more}

    def rows(which: dict[str, Any]) -> list[Row]:
        asked = query.forms, query.order, _op(query), query.page > 1
        return tx.rows(_rows, query.listing, seen, shape, actor.reader, *asked, **given, **which)

    return _page(query, lambda: _count(tx, actor, query, seen, given), rows)


def _count(tx: Tx, actor: Actor, query: Query, seen: Condition, given: dict[str, Any]) -> int:
    return int(tx.value(_counted, query.listing, seen, actor.reader, query.forms, **given))


def page_of_versions(tx: Tx, actor: Actor, shape: Shape, query: Query) -> Page:
    """One page of versions, of which there may be millions, as `page` answers it: without filters
    from the rule's branches and the stored counts."""
    if query.forms:
        return page(tx, actor, shape, query, _condition(tx, actor, query))
    groups = branches.params(actor.groups)
    given = {**params(tx, actor), **groups}

    def rows(which: dict[str, Any]) -> list[Row]:
        asked = query.order, _op(query), query.page > 1
        return tx.rows(
            _branch_rows, query.listing, len(groups), shape, actor.reader, *asked, **given, **which
        )

    return _page(query, lambda: stored_counts.count_readable(tx, actor), rows)


def _condition(tx: Tx, actor: Actor, query: Query) -> Condition:
    """The rule on versions in the form that suits this reader: of one who sees few, those few are
    asked instead of all that the filters hold for."""
    if actor.reader is ReaderKind.STAFF or query.narrow:
        return access.readable
    return _seen(stored_counts.kept(tx, stored_counts.scopes(actor)).n)


def count(tx: Tx, actor: Actor, query: Query) -> int:
    """How many things of a list the actor may read."""
    versions = query.listing.table is schema.versions
    if versions and not query.forms:
        return stored_counts.count_readable(tx, actor)
    seen = _condition(tx, actor, query) if versions else access.readable
    return _count(tx, actor, query, seen, {**params(tx, actor), **query.params})


@dataclass(frozen=True)
class Resource:
    """One kind of guarded thing: its table, its JSON (`shape`) and its list. `one` is the shape of a
    single thing where that shows more than a list does."""

    table: Table
    shape: Shape
    listing: Listing
    one: Shape | None = None

    def where(self, **asked: object) -> Query:
        """The query of a list with these parameters, as in an address: `where(tag="gpu")`."""
        return paging.parse(self.listing, {name: [str(value)] for name, value in asked.items()})

    def page(self, tx: Tx, actor: Actor, query: Query) -> Page:
        """One page of what the actor may read, with the exact count. Raises NotFound past the end."""
        if self.table is schema.versions:
            return page_of_versions(tx, actor, self.shape, query)
        return page(tx, actor, self.shape, query)

    def count(self, tx: Tx, actor: Actor, **asked: object) -> int:
        """How many things with these parameters the actor may read."""
        return count(tx, actor, self.where(**asked))

    def read_list(self, tx: Tx, actor: Actor, **asked: object) -> list[dict[str, Any]]:
        """The things of one page of the list with these parameters, decoded."""
        page = self.page(tx, actor, self.where(**asked))
        return [json.loads(text) for text in page.results]

    def get(self, tx: Tx, actor: Actor, key: str) -> str:
        """The JSON of one thing, by id, uuid or slug. Raises NotFound."""
        return get(tx, actor, self.table, self.one or self.shape, key)

    def read(self, tx: Tx, actor: Actor, key: str) -> dict[str, Any]:
        """What `get` answers, decoded. Raises NotFound."""
        found: dict[str, Any] = json.loads(self.get(tx, actor, key))
        return found

    def row(self, tx: Tx, actor: Actor, key: str) -> Row:
        """The row of a thing that the actor may read, with `may_change`. Raises NotFound."""
        return get_row(tx, actor, self.table, key)

    def row_for_change(self, tx: Tx, actor: Actor, key: str) -> Row:
        """The row of a thing that the actor may change. Raises Unauthorized, NotFound, then
        Forbidden."""
        return take(tx, actor, self.table, key)


FEW = 5_000
"""Up to so many versions, what a reader sees is looked through for what filters hold for."""
LITTLE = 100_000
"""Up to so many versions, what a reader's groups see is gathered before versions are looked at."""


def _seen(n: Mapping[int, int]) -> Condition:
    """The rule on versions, in the form that suits a reader of whom these are the counts."""
    besides = sum(n.values()) - n[stored_counts.PUBLIC]
    if n[stored_counts.PUBLIC] + besides <= FEW:
        return among_few
    return public_or_besides if besides <= LITTLE else access.readable


def among_few(version: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    """The reader, who sees few versions, may read this one."""
    return among(version.c.n, branches.shown(reader))


def public_or_besides(version: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    """The reader, whose groups see little that not everybody sees, may read this one."""
    everybody = branches.everybodys(version)
    if reader is ReaderKind.ANONYMOUS:
        return everybody
    return or_(everybody, version.c.n.in_(stored_counts.besides(False)))


def _op(query: Query) -> str | None:
    return query.cursor.op if query.cursor else None


def _offset(query: Query) -> dict[str, Any]:
    """The parameters that say which rows a page has."""
    offset = (query.page - 1) * query.size
    cursor = query.cursor
    return {
        "size": query.size + 1,
        "offset": offset,
        "reach": offset + query.size + 1,
        "after": cursor.value if cursor else None,
        "after_id": cursor.id if cursor else None,
    }


def _page(
    query: Query, count: Callable[[], int], rows: Callable[[dict[str, Any]], list[Row]]
) -> Page:
    """The page that a query asks for. Raises NotFound past the end.

    A first page that holds the whole list needs no statement to count it.
    """
    if query.page > 1 and (query.page - 1) * query.size >= count():
        raise past_the_end()
    found = rows(_offset(query))
    whole = query.page == 1 and query.cursor is None and len(found) <= query.size
    total = len(found) if whole else count()
    return paging.page(query, total, [(row["json"], row["value"], row["id"]) for row in found])


def etag(body: str) -> str:
    """The strong ETag of an answer: a hash of its bytes."""
    data = body.encode()
    made = hashlib.blake2b(data[:_PIECE], digest_size=16)
    for start in range(_PIECE, len(data), _PIECE):
        made.update(data[start : start + _PIECE])
    return f'"{made.hexdigest()}"'


_PIECE = 2047
"""From 2 KiB on hashlib lets go of the interpreter, which costs more than hashing them."""
