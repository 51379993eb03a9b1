"""Lists: their filters and orders, pages and cursors, and the envelope of an answer.

A resource declares a `Listing`; a `Query` is one request for a page of it. A parameter that is
unknown, malformed or given twice is a 400 that names it and lists the known ones. Every order ends
with the id. So a cursor (the order's value and the id of the last row) costs the same on every page
and neither repeats nor skips a row that did not change.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from urllib.parse import urlencode

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    union,
)

from goldenrod.base.clock import END_OF_TIME, parse_instant
from goldenrod.base.errors import BadRequest, FieldError, NotFound
from goldenrod.base.numbers import LARGEST, number_up_to, whole_number
from goldenrod.base.text import is_uuid
from goldenrod.store.sql import Id, Moment, computed_once, param

PAGE_SIZE = 100
MOST_PER_PAGE = 1000
MOST_PAGE = 10**9 - 1
"""A page of a larger number is past the end of any list."""
LARGEST_KEY = LARGEST
MOST_CURSOR = 4096
"""Characters of a cursor, which contains a name of at most 256 characters, escaped, and an id."""


class Wanted(NamedTuple):
    """What a filter read from its text: the form of its predicate, and the parameters."""

    form: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Filter:
    """One query parameter: what it takes in words, how its text is read, and its predicate.

    `read` raises ValueError with what it takes; `where(thing, reader, form)` is the predicate, with
    the parameters that `read` named.
    """

    takes: str
    read: Callable[[str], Wanted]
    where: Callable[[FromClause, Any, str], ColumnElement[bool]]
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    read_all: Callable[[list[str]], Wanted] | None = None
    """Reads all texts of a parameter that may be given several times."""
    single: "Filter | None" = None
    """Where several values may be given with commas: the filter of one."""
    narrow: bool = False
    """An index finds the rows that match, and these are few compared with the whole list."""
    checked: Callable[[FromClause, Any, str], ColumnElement[bool]] | None = None
    """The same predicate as `where`, in a form that checks one row at a time. `where` finds all rows
    that match first, which takes long where these are many."""
    plan: Callable[[Any, str, Mapping[str, Any]], Wanted] | None = None
    """Of a filter by words: chooses form and parameters anew, `(tx, form, params)`, by how frequent the
    words are. The rows that match may be few or many."""


@dataclass(frozen=True, eq=False)
class Listing:
    """The list of one resource. `columns` says which column an order sorts by where it has another
    name; a null end_date sorts as the end of time."""

    table: Table
    filters: Mapping[str, Filter]
    orders: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    default: str = "start_date"
    id: str = "id"
    """The column that ends every order."""

    def column(self, order: str) -> str:
        """The column that an ordering, descending or not, sorts by."""
        key = order.removeprefix("-")
        return self.columns.get(key, key)

    def order(self, thing: FromClause, name: str) -> ColumnElement[Any]:
        column: ColumnElement[Any] = thing.c[self.column(name)]
        if column.name == "end_date":
            return func.coalesce(column, _end_of_time(), type_=Moment())
        return column

    def parameters(self) -> list[str]:
        return [*self.filters, "ordering", "page_size", "page", "cursor"]


def _end_of_time() -> ColumnElement[Any]:
    return literal(END_OF_TIME, Moment())


class Cursor(NamedTuple):
    """A position between two rows: the next rows are those whose (value, id) is `op` this one's."""

    order: str
    op: str
    value: Any
    id: Any

    def written(self) -> str:
        text = json.dumps(self, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@dataclass(frozen=True)
class Query:
    """One request for a page of a list, already checked."""

    listing: Listing
    given: tuple[tuple[str, str], ...]
    """The filters and ordering as they came, for the links."""
    forms: tuple[tuple[str, str], ...]
    params: Mapping[str, Any]
    order: str
    size: int
    page: int
    cursor: Cursor | None
    most_counted: int | None = None
    """The rows are counted up to one more than this number; None: all of them. At least
    `resources.FEW`, which decides how a search is run."""

    @property
    def narrow(self) -> bool:
        """One of the filters matches few rows compared with the whole list."""
        return any(self.listing.filters[name].narrow for name, _ in self.forms)

    @property
    def can_check(self) -> bool:
        """One of the filters has a form that checks one row at a time."""
        return any(self.listing.filters[name].checked for name, _ in self.forms)

    @property
    def by_words(self) -> bool:
        """One of the filters is by words."""
        return any(self.listing.filters[name].plan for name, _ in self.forms)

    def planned(self, tx: Any) -> "Query":
        """The same query, in the form that is fastest for its words."""
        forms, params = dict(self.forms), dict(self.params)
        for name, form in self.forms:
            if plan := self.listing.filters[name].plan:
                forms[name], chosen = plan(tx, form, params)
                params |= chosen
        return replace(self, forms=tuple(forms.items()), params=params)

    @property
    def backward(self) -> bool:
        return self.cursor is not None and self.cursor.op in ("lt", "le")


@dataclass(frozen=True)
class Page:
    """One page of a list: JSON texts of its rows, and the query strings of its neighbours."""

    count: int
    results: list[str]
    next: str | None
    previous: str | None

    def envelope(self, base: str) -> str:
        """The contract's envelope; `base` is the URL of the request without its query string."""
        following, before = (
            "null" if query is None else json.dumps(f"{base}?{query}")
            for query in (self.next, self.previous)
        )
        return (
            f'{{"count":{self.count},"next":{following},"previous":{before},'
            f'"results":[{",".join(self.results)}]}}'
        )


def parse(listing: Listing, arguments: Mapping[str, list[str]]) -> Query:
    """The query of these arguments. Raises BadRequest, naming what is wrong and what is known."""
    try:
        return _parse(listing, arguments)
    except BadRequest as wrong:
        known = ", ".join(listing.parameters())
        raise BadRequest(
            f"{wrong.detail} This list takes: {known}.", code=wrong.code, errors=wrong.errors
        ) from None


def _parse(listing: Listing, arguments: Mapping[str, list[str]]) -> Query:
    given: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    for name, values in arguments.items():
        if name not in listing.parameters():
            raise _wrong(name[:80], "is not a parameter of this list.", "unknown")
        if any("\x00" in value for value in values):
            raise _wrong(name, "holds a NUL character.")
        if name in listing.filters and listing.filters[name].read_all:
            several[name] = values
        elif len(values) != 1:
            raise _wrong(name, "may be given once.")
        else:
            given[name] = values[0]
    size = _number(given.pop("page_size", str(PAGE_SIZE)), "page_size", 1, MOST_PER_PAGE)
    if "page" in given and "cursor" in given:
        raise _wrong("cursor", "goes without page: take one of them.")
    page = _page_number(given.pop("page", "1"))
    position = given.pop("cursor", None)
    order = given.get("ordering", listing.default)
    if order.removeprefix("-") not in listing.orders:
        raise _wrong(
            "ordering",
            f"takes {', '.join(listing.orders)}; with - before it, descending.",
        )
    forms: list[tuple[str, str]] = []
    params: dict[str, Any] = {}
    for name in (*given, *several):
        if name == "ordering":
            continue
        asked = listing.filters[name]
        try:
            wanted = asked.read_all(several[name]) if asked.read_all else asked.read(given[name])
        except ValueError as wrong:
            raise _wrong(name, str(wrong)) from None
        forms.append((name, wanted.form))
        params |= wanted.params
    cursor = _cursor(listing, order, position) if position is not None else None
    return Query(
        listing,
        (*given.items(), *((name, text) for name, texts in several.items() for text in texts)),
        tuple(sorted(forms)),
        params,
        order,
        size,
        page,
        cursor,
    )


def _wrong(name: str, detail: str, problem: str = "invalid") -> BadRequest:
    detail = detail.rstrip(".") + "."
    return BadRequest(
        f"{name} {detail}",
        code=f"parameter_{problem}",
        errors=(FieldError(name, detail),),
    )


def _number(text: str, name: str, least: int, most: int) -> int:
    try:
        return whole_number(text, least, most)
    except ValueError as wrong:
        raise _wrong(name, str(wrong)) from None


def _page_number(text: str) -> int:
    try:
        number = number_up_to(text, MOST_PAGE + 1)
    except ValueError:
        raise _wrong("page", "takes a whole number from 1.") from None
    if not 0 < number <= MOST_PAGE:
        raise past_the_end()
    return number


def past_the_end() -> NotFound:
    return NotFound("This page is past the end of the list.", code="page_not_found")


def _cursor(listing: Listing, order: str, text: str) -> Cursor:
    wrong = _wrong(
        "cursor",
        "is not one that this list gave: follow next and previous as they are.",
    )
    if len(text) > MOST_CURSOR:
        raise wrong
    try:
        read = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        cursor = Cursor(*read)
        column = listing.table.c[listing.column(order)]
        if cursor.order != order or cursor.op not in _REVERSED:
            raise wrong
        if isinstance(column.type, Moment):
            cursor = cursor._replace(value=parse_instant(cursor.value))
        elif isinstance(column.type, Integer):
            _require_key(cursor.value)
        elif not isinstance(cursor.value, str) or "\x00" in cursor.value:
            raise wrong
        if not isinstance(listing.table.c[listing.id].type, Id):
            _require_key(cursor.id)
        elif not is_uuid(cursor.id):
            raise wrong
        json.dumps(cursor, ensure_ascii=False).encode()
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error):
        raise wrong from None
    return cursor


def _require_key(value: Any) -> None:
    if type(value) is not int or not 0 < value <= LARGEST_KEY:
        raise ValueError(value)


_REVERSED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}


def picked(
    listing: Listing,
    conditions: list[ColumnElement[bool]],
    thing: FromClause,
    order: str,
    op: str | None,
    numbered: bool,
) -> Select[Any]:
    """The statement that picks one page's rows: their key, order value and id, in reading order.

    Parameters: `size` (one more than the page); with a cursor `after` and `after_id`; where the
    page is one by number (`numbered`), `offset`.
    """
    return _cut(_first(listing, conditions, thing, order, op), numbered)


def picked_of_few(
    listing: Listing,
    conditions: list[ColumnElement[bool]],
    thing: FromClause,
    order: str,
    op: str | None,
    numbered: bool,
) -> Select[Any]:
    """The same where few rows match: these are found by an index and then sorted. Otherwise a planner
    may read the whole list in its order."""
    key = next(iter(listing.table.primary_key)).name
    names = dict.fromkeys((key, listing.id, listing.column(order)))
    found = select(*(thing.c[name] for name in names)).where(*conditions)
    return picked(listing, [], computed_once("found", found), order, op, numbered)


def merged(
    listing: Listing,
    branches: Sequence[tuple[FromClause, ColumnElement[bool]]],
    order: str,
    op: str | None,
    numbered: bool,
) -> Select[Any]:
    """The same from several sources, each with its condition, that may have rows in common.

    Each source gives its own first rows in the list's order, up to the end of the page
    (`row_limit`); the page's rows are among these. Where a source has an index in this order, that
    costs the same however many rows it has.
    """
    if len(branches) == 1:
        [(rows, shows)] = branches
        return picked(listing, [shows], rows, order, op, numbered)
    firsts = (_first(listing, [shows], rows, order, op) for rows, shows in branches)
    cut = (first.limit(param("row_limit")) if numbered else _cut(first, False) for first in firsts)
    every = union(*(select(first.subquery()) for first in cut)).subquery("branches")
    by = directed(order, op, every.c.value, every.c.id)
    return _cut(select(every).order_by(*by), numbered)


def _cut(ordered: Select[Any], numbered: bool) -> Select[Any]:
    """The rows of a page. (A subquery with a limit stays ordered.)

    The constant limit is for PostgreSQL. Without it, its planner expects a tenth of all rows, and
    chooses sorts instead of indexes and joins of whole tables.
    """
    most: Any = literal_column(str(MOST_PER_PAGE + 1))
    if not numbered:
        return select(ordered.limit(most).subquery()).limit(param("size"))
    return select(ordered.limit(param("size")).offset(param("offset")).subquery()).limit(most)


def _first(
    listing: Listing,
    conditions: list[ColumnElement[bool]],
    thing: FromClause,
    order: str,
    op: str | None,
) -> Select[Any]:
    """The key, order value and id of matching rows after the cursor, in reading order."""
    value = listing.order(thing, order.removeprefix("-"))
    if op is not None:
        mark = tuple_(param("after", value.type), param("after_id", thing.c[listing.id].type))
        beyond = _REVERSED[op] if order.startswith("-") else op
        conditions = [
            *conditions,
            getattr(tuple_(value, thing.c[listing.id]), f"__{beyond}__")(mark),
        ]
    key = next(iter(listing.table.primary_key)).name
    chosen = select(
        thing.c[key].label("key"), value.label("value"), thing.c[listing.id].label("id")
    )
    return chosen.where(*conditions).order_by(*directed(order, op, value, thing.c[listing.id]))


def directed(order: str, op: str | None, *columns: ColumnElement[Any]) -> list[Any]:
    """The columns in the direction in which a page is read: backward for a cursor before."""
    ascending = order.startswith("-") == (op in ("lt", "le"))
    return [column.asc() if ascending else column.desc() for column in columns]


def page(query: Query, count: int, rows: list[tuple[str, Any, Any]]) -> Page:
    """The page of these rows (JSON, order value, id), of which there is at most one too many."""
    more = len(rows) > query.size
    rows = rows[: query.size]
    if query.backward:
        rows = rows[::-1]
    if not rows:
        cursor = query.cursor
        if cursor is None:
            return Page(count, [], None, None)
        back = _link(query, _INCLUDING[cursor.op], cursor)
        return Page(
            count,
            [],
            back if query.backward else None,
            None if query.backward else back,
        )
    first, last = (Cursor(query.order, "", row[1], row[2]) for row in (rows[0], rows[-1]))
    following = more if not query.backward else True
    before = more if query.backward else query.cursor is not None or query.page > 1
    return Page(
        count,
        [row[0] for row in rows],
        _link(query, "gt", last) if following else None,
        _link(query, "lt", first) if before else None,
    )


_INCLUDING = {"gt": "le", "ge": "lt", "lt": "ge", "le": "gt"}
"""Going back from an empty page includes the row at the cursor itself, if it still exists."""


def _link(query: Query, op: str, position: Cursor) -> str:
    size = [("page_size", str(query.size))] if query.size != PAGE_SIZE else []
    cursor = position._replace(order=query.order, op=op).written()
    return urlencode([*query.given, *size, ("cursor", cursor)])
