"""Reading resources: one, a page of them, their number, or the row of one to be changed.

Every statement here starts with `access.readable`. A `Resource` has a table, a shape (`shape(thing,
reader)`, its JSON as SQL) and a `Listing`; the database builds the JSON text of the answer. What the
reader may not read is NotFound, exactly like what does not exist.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Table, func, literal_column, or_, select

from goldenrod.base.errors import Forbidden, NotFound
from goldenrod.base.numbers import is_id, whole_number
from goldenrod.base.text import is_slug, is_uuid
from goldenrod.rules import access
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.summaries import Shape
from goldenrod.rules.visibility import branches, readable_counts, stored_counts
from goldenrod.store import paging, schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing, Page, Query, past_the_end
from goldenrod.store.sql import Id, Key, among, json_text, param

SLUGS = {"images": schema.image_slugs, "providers": schema.provider_slugs}
"""The resources that have slugs, with the tables of all slugs that they ever had."""


def key_form(table: Table, key: str) -> str | None:
    """The form of a key: `id`, `uuid` or `slug`; None where it has none of them, such as `0`.

    The latter is 404 in a path, 400 `parameter_invalid` in a query, 400 `reference_unknown` in a body.
    """
    if is_uuid(key):
        return "uuid"
    if table is schema.versions:
        return None
    if is_id(key):
        return "id"
    return "slug" if table.name in SLUGS and is_slug(key) else None


def key_value(form: str, key: str) -> Any:
    """The value of the parameter for a key of this form."""
    return whole_number(key) if form == "id" else key.lower()


def named(thing: FromClause, table: Table, form: str, name: str = "key") -> ColumnElement[bool]:
    """`thing` is the row whose key, of this form, is the parameter `name`."""
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
    its_key = thing.c[next(iter(table.primary_key)).name]
    return select(its_key.label("key"), json_text(shape(thing, reader)).label("json")).where(
        named(thing, table, form), access.readable(thing, reader)
    )


def get(tx: Tx, actor: Actor, table: Table, shape: Shape, key: str) -> str:
    """The JSON of one thing, by id, uuid or slug. Raises NotFound."""
    return get_with_key(tx, actor, table, shape, key)[1]


def get_with_key(tx: Tx, actor: Actor, table: Table, shape: Shape, key: str) -> tuple[int, str]:
    """The primary key and the JSON of one thing, as `get` finds it. Raises NotFound."""
    form = key_form(table, key)
    found = form and tx.first(
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
    return found["key"], found["json"]


def params(tx: Tx, actor: Actor) -> dict[str, Any]:
    """The parameters of the access rule and of URLs, for this reader at this instant."""
    return {**actor.params, "now": tx.now, "api": tx.api}


def _row(table: Table, reader: ReaderKind, form: str) -> Any:
    thing = table.alias("thing")
    may = access.changeable(thing, reader).label("may_change")
    return select(*thing.c, may).where(named(thing, table, form), access.readable(thing, reader))


def find_row(tx: Tx, actor: Actor, table: Table, key: str) -> Row | None:
    """The row of one thing that the actor may read, with `may_change`; None where there is none."""
    form = key_form(table, key)
    if form is None:
        return None
    return tx.first(_row, table, actor.reader, form, key=key_value(form, key), **params(tx, actor))


def get_row(tx: Tx, actor: Actor, table: Table, key: str) -> Row:
    """The row of a thing that the actor may read, with `may_change`. Raises NotFound."""
    row = find_row(tx, actor, table, key)
    if row is None:
        raise NotFound()
    return row


def get_row_for_change(tx: Tx, actor: Actor, table: Table, key: str) -> Row:
    """The row of a thing that the actor may change. Raises Unauthorized, NotFound, then Forbidden."""
    if actor.kind == "anonymous":
        actor.require_write()
    row = get_row(tx, actor, table, key)
    actor.require_write()
    if not row["may_change"]:
        raise Forbidden("You may read this, but not change it.")
    return row


Condition = Callable[[FromClause, ReaderKind], ColumnElement[bool]]
"""Which rows of a list's table the reader may read."""
_readable: Condition = access.readable
Number = Literal["few", "some", "many"]
"""How many rows match, if that is known."""


def _conditions(
    listing: Listing,
    seen: Condition,
    thing: FromClause,
    reader: ReaderKind,
    forms: tuple[tuple[str, str], ...],
    many: bool = False,
) -> list[ColumnElement[bool]]:
    filters = [(listing.filters[name], form) for name, form in forms]
    asked = [((many and it.checked) or it.where)(thing, reader, form) for it, form in filters]
    return [seen(thing, reader), *asked]


def _counted(
    listing: Listing,
    seen: Condition,
    reader: ReaderKind,
    forms: tuple[tuple[str, str], ...],
    most: int | None,
) -> Any:
    thing = listing.table.alias("thing")
    conditions = _conditions(listing, seen, thing, reader, forms)
    if most is None:
        return select(func.count()).select_from(thing).where(*conditions)
    found: Any = select(literal_column("1")).select_from(thing).where(*conditions).limit(most + 1)
    return select(func.count()).select_from(found.subquery())


def _rows(
    listing: Listing,
    seen: Condition,
    shape: Shape,
    reader: ReaderKind,
    forms: tuple[tuple[str, str], ...],
    order: str,
    op: str | None,
    numbered: bool,
    number: Number,
) -> Any:
    inner = listing.table.alias("thing")
    conditions = _conditions(listing, seen, inner, reader, forms, number == "many")
    pick = paging.picked_of_few if number == "few" else paging.picked
    return _built(
        listing,
        pick(listing, conditions, inner, order, op, numbered),
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
    # The page's rows are chosen first, so that JSON is built for these rows only.
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
    """One page of what the actor may read, with the exact count unless the query says how far to
    count. Raises NotFound past the end.

    `seen`, with its parameters, replaces the rule where the caller has already checked it.
    """
    return _page(tx, actor, shape, _Plan(query.planned(tx), seen), **more)


class _Plan(NamedTuple):
    """How a list is read: the planned query and the condition."""

    query: Query
    seen: Condition
    most: int = 0
    """How many versions the reader may read, of which all may match; 0 where that is not looked up."""
    stored: Callable[[], int | None] = lambda: None
    """Finds the number of rows without counting them, or None."""


def _page(tx: Tx, actor: Actor, shape: Shape, plan: _Plan, **more: Any) -> Page:
    query, most = plan.query, plan.most
    given = {**params(tx, actor), **query.params, **more}
    count = cache(lambda: _count(tx, actor, plan, given))

    def number() -> Number:
        if query.by_words and count() <= FEW:
            return "few"
        # A page by its number may be far behind in the order.
        if most > MANY and query.can_check and query.page == 1 and count() ** 2 > MANY * most:
            return "many"
        return "some"

    def rows(which: dict[str, Any]) -> list[Row]:
        of = query.listing, plan.seen, shape, actor.reader, query.forms
        how = query.order, _op(query), query.page > 1, number()
        return tx.rows(_rows, *of, *how, **given, **which)

    return page_of_rows(query, count, rows)


def _count(tx: Tx, actor: Actor, plan: _Plan, given: dict[str, Any]) -> int:
    if (stored := plan.stored()) is not None:
        return stored
    query = plan.query
    asked = query.listing, plan.seen, actor.reader, query.forms, query.most_counted
    return int(tx.value(_counted, *asked, **given))


def page_of_versions(tx: Tx, actor: Actor, shape: Shape, query: Query) -> Page:
    """One page of versions, as `page` answers it. A list without filters, which may have millions of
    rows, uses the rule's branches and the stored counts."""
    if query.forms:
        return _page(tx, actor, shape, _planned(tx, actor, query))
    groups = branches.params(actor.groups)
    given = {**params(tx, actor), **groups}

    def rows(which: dict[str, Any]) -> list[Row]:
        asked = query.order, _op(query), query.page > 1
        return tx.rows(
            _branch_rows, query.listing, len(groups), shape, actor.reader, *asked, **given, **which
        )

    return page_of_rows(query, lambda: readable_counts.count_readable(tx, actor), rows)


def _planned(tx: Tx, actor: Actor, query: Query) -> _Plan:
    """The plan with the rule on versions in the fastest form for this reader. For a reader of few
    versions the filters are checked on those few, not the rule on all that match the filters."""
    plan = _Plan(query.planned(tx), _readable)
    staff = actor.reader is ReaderKind.STAFF
    if query.narrow or (staff and not query.can_check):
        return plan
    n = stored_counts.read(tx, readable_counts.scopes(actor)).n
    if staff:
        return plan._replace(most=n[stored_counts.ALL])
    by_groups = sum(n.values()) - n[stored_counts.PUBLIC]
    plan = plan._replace(seen=_seen(n[stored_counts.PUBLIC], by_groups), most=sum(n.values()))
    if plan.most <= MANY or by_groups > LITTLE:
        return plan
    return plan._replace(stored=lambda: _stored_count(tx, actor, query))


def _stored_count(tx: Tx, actor: Actor, query: Query) -> int | None:
    """The number of versions on one provider or of one architecture, where the query has this filter
    only."""
    (name, form), *others = query.forms
    if others or name not in ("provider", "architecture") or "," in form:
        return None
    asked = readable_counts.MachineFilter(query.listing, name, form, _is_provider)
    given = {**params(tx, actor), **query.params}
    return readable_counts.count_by_machine(tx, actor, asked, **given)


def _is_provider(provider: FromClause, form: str) -> ColumnElement[bool]:
    return named(provider, schema.providers, form, "f_provider")


def count(tx: Tx, actor: Actor, query: Query) -> int:
    """How many things of a list the actor may read."""
    if query.listing.table is not schema.versions:
        plan = _Plan(query.planned(tx), _readable)
    elif query.forms:
        plan = _planned(tx, actor, query)
    else:
        return readable_counts.count_readable(tx, actor)
    return _count(tx, actor, plan, {**params(tx, actor), **plan.query.params})


@dataclass(frozen=True)
class Resource:
    """One kind of resource: its table, its JSON (`shape`) and its list. `one` is the shape of a
    single resource where that has more fields than in a list."""

    table: Table
    shape: Shape
    listing: Listing
    one: Shape | None = None

    def takes(self, key: str) -> bool:
        """The text has the form of a key of this resource."""
        return key_form(self.table, key) is not None

    def where(self, **asked: object) -> Query:
        """The query of a list with these parameters, as in an address: `where(tag="gpu")`."""
        given = {
            name: value if isinstance(value, list) else [str(value)]
            for name, value in asked.items()
        }
        return paging.parse(self.listing, given)

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
        return get_row_for_change(tx, actor, self.table, key)


FEW = 5_000
"""A reader of at most this many versions: filters are checked on exactly these. A search with at most
this many matches: all are found and then sorted."""
MANY = 100
"""About as many versions as a page has. Where one of n versions matches a filter, about MANY times n
are checked in the list's order until a page is full. Where these are fewer than those that match, that
takes less time than finding all that match first."""
LITTLE = 100_000
"""A reader whose groups may read at most this many versions: their keys are collected first."""


def _seen(public: int, by_groups: int) -> Condition:
    """The rule on versions in the fastest form for a reader of at most so many versions."""
    if public + by_groups <= FEW:
        return among_few
    return public_or_shared if by_groups <= LITTLE else access.readable


def among_few(version: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    """The reader, who may read few versions, may read this one."""
    return among(version.c.n, branches.readable_keys(reader))


def public_or_shared(version: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    """The reader, whose groups may read few versions that are not public, may read this one."""
    everybody = branches.public_now(version)
    if reader is ReaderKind.ANONYMOUS:
        return everybody
    return or_(everybody, version.c.n.in_(readable_counts.not_public(False)))


def _op(query: Query) -> str | None:
    return query.cursor.op if query.cursor else None


def _offset(query: Query) -> dict[str, Any]:
    """The parameters that choose the rows of a page."""
    offset = (query.page - 1) * query.size
    cursor = query.cursor
    return {
        "size": query.size + 1,
        "offset": offset,
        "row_limit": offset + query.size + 1,
        "after": cursor.value if cursor else None,
        "after_id": cursor.id if cursor else None,
    }


def page_of_rows(
    query: Query, count: Callable[[], int], rows: Callable[[dict[str, Any]], list[Row]]
) -> Page:
    """The page of a query. Raises NotFound past the end.

    A first page that has the whole list needs no count.
    """
    if query.page > 1 and (query.page - 1) * query.size >= count():
        raise past_the_end()
    found = rows(_offset(query))
    whole = query.page == 1 and query.cursor is None and len(found) <= query.size
    total = len(found) if whole else count()
    return paging.page(query, total, [(row["json"], row["value"], row["id"]) for row in found])


def decoded(row: Row, *columns: str) -> Row:
    """A row whose JSON texts in these columns are decoded; NULL is None."""
    return {**row, **{name: row[name] and json.loads(row[name]) for name in columns}}


def etag(body: str | bytes) -> str:
    """The strong ETag of an answer: a hash of its bytes."""
    data = body.encode() if isinstance(body, str) else body
    digest = hashlib.blake2b(data[:_PIECE], digest_size=16)
    for start in range(_PIECE, len(data), _PIECE):
        digest.update(data[start : start + _PIECE])
    return f'"{digest.hexdigest()}"'


_PIECE = 2047
"""hashlib releases the interpreter lock from 2 KiB on, which costs more than hashing that much."""
