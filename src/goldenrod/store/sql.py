"""Additions to SQLAlchemy Core, so that one statement can be composed for SQLite and PostgreSQL.

There are two column types (`Moment`, `Id`), functions that build JSON in the database (`json_object`,
`json_list`), and arrays as parameters (`in_list`). All differences between the two databases inside
a statement are here; those of connections and transactions are in `db.py`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    Select,
    String,
    Table,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

Key = BigInteger().with_variant(Integer(), "sqlite")
"""Integer keys: 64 bits on both databases. SQLite's INTEGER is the row id itself."""

Sortable = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that sorts by its bytes on both databases, for the keys by which names are compared."""


class Moment(TypeDecorator[str]):
    """An instant: 27 characters of text in SQLite, timestamptz in PostgreSQL."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return TIMESTAMP(timezone=True) if dialect.name == "postgresql" else String(27)


class Id(TypeDecorator[str]):
    """A UUID: 36 lower-case characters in SQLite, uuid in PostgreSQL; a str in Python."""

    impl = String(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return UUID(as_uuid=False) if dialect.name == "postgresql" else String(36)


_FLAG = re.compile(r"\b(NOT )?(public|ended_hint|as_editor|allow_imaging|exclude_from_latest)\b")


def as_numbers(condition: str) -> str:
    """A condition on boolean columns as SQL for SQLite, which has no booleans."""
    return _FLAG.sub(lambda flag: f"{flag[2]} = {0 if flag[1] else 1}", condition)


def param(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]] | None = None) -> Any:
    """A named parameter, given when the statement runs."""
    return bindparam(name, type_=kind, required=True)


class unindexed(FunctionElement[Any]):
    """The column, without using its index. SQLite would use an index of instants even for a range that
    contains nearly all rows."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any]) -> None:
        self.type = column.type
        super().__init__(column)


@compiles(unindexed, "sqlite")
def _unindexed_sqlite(element: unindexed, compiler: SQLCompiler, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"


@compiles(unindexed, "postgresql")
def _unindexed_postgresql(element: unindexed, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


class earliest(FunctionElement[Any]):
    """The least of several values, none of them null."""

    inherit_cache = False
    names = "min", "least"

    def __init__(self, *values: ColumnElement[Any]) -> None:
        self.type = values[0].type
        super().__init__(*values)


class latest(earliest):
    """The greatest of several values, none of them null."""

    inherit_cache = False
    names = "max", "greatest"


@compiles(earliest, "sqlite")
def _earliest_sqlite(element: earliest, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{element.names[0]}({compiler.process(element.clauses, **kw)})"


@compiles(earliest, "postgresql")
def _earliest_postgresql(element: earliest, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{element.names[1]}({compiler.process(element.clauses, **kw)})"


class json_object(FunctionElement[Any]):
    """A JSON object with these members, in this order. Nested JSON stays JSON, and null stays null."""

    type = JSON()
    inherit_cache = False

    def __init__(self, members: Mapping[str, ColumnElement[Any]]) -> None:
        self.members = tuple(members)
        super().__init__(*members.values())


@compiles(json_object, "sqlite")
def _object_sqlite(element: json_object, compiler: SQLCompiler, **kw: Any) -> str:
    written = []
    for name, value in zip(element.members, element.clauses, strict=True):
        text = compiler.process(value, **kw)
        if isinstance(value.type, Boolean):
            text = f"json(CASE {text} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)"
        written.append(f"'{name}', {text}")
    return f"json_object({', '.join(written)})"


@compiles(json_object, "postgresql")
def _object_postgresql(element: json_object, compiler: SQLCompiler, **kw: Any) -> str:
    # Concatenated text: converting a row to JSON needs a subplan for each object, and starting the
    # subplans takes longer than their work.
    parts: list[str] = []
    for name, value in zip(element.members, element.clauses, strict=True):
        parts.append(f"""'{"," if parts else "{"}"{name}":'""")
        parts.append(_value_postgresql(value, compiler.process(value, **kw)))
    # A function takes at most a hundred arguments.
    runs = [parts[i : i + 98] for i in range(0, len(parts), 98)]
    runs[-1].append("'}'")
    return " || ".join(f"concat({', '.join(run)})" for run in runs)


def _value_postgresql(value: ColumnElement[Any], text: str) -> str:
    """A value as JSON text; null for NULL."""
    kind = value.type
    if isinstance(kind, Moment):
        form = """'\\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\\"'"""
        written = f"to_char(({text}) AT TIME ZONE 'UTC', {form})"
    elif isinstance(kind, JSON):
        written = text
    elif isinstance(kind, Boolean | Integer):
        written = f"({text})::text"
    elif isinstance(kind, NullType):
        # A function whose type only the database knows.
        written = f"to_json({text})::text"
    else:
        written = f"to_json(({text})::text)::text"
    return f"coalesce({written}, 'null')"


class _json_array(FunctionElement[Any]):
    """All `item` values of a query as one JSON array, in the query's order; `[]` if there are none."""

    type = JSON()
    inherit_cache = False


@compiles(_json_array, "sqlite")
def _array_sqlite(element: _json_array, compiler: SQLCompiler, **kw: Any) -> str:
    # json(): sorting a subquery loses the mark that a text is JSON.
    return f"json_group_array(json({compiler.process(element.clauses, **kw)}))"


@compiles(_json_array, "postgresql")
def _array_postgresql(element: _json_array, compiler: SQLCompiler, **kw: Any) -> str:
    item = compiler.process(element.clauses, **kw)
    return f"('[' || coalesce(string_agg(({item})::text, ','), '') || ']')"


class _json_map(FunctionElement[Any]):
    """All pairs of texts of a query as one JSON object, in the query's order."""

    type = JSON()
    inherit_cache = False


@compiles(_json_map, "sqlite")
def _map_sqlite(element: _json_map, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_group_object({compiler.process(element.clauses, **kw)})"


@compiles(_json_map, "postgresql")
def _map_postgresql(element: _json_map, compiler: SQLCompiler, **kw: Any) -> str:
    key, value = (
        f"to_json(({compiler.process(clause, **kw)})::text)::text" for clause in element.clauses
    )
    return f"('{{' || coalesce(string_agg({key} || ':' || {value}, ','), '') || '}}')"


class json_pairs(FunctionElement[Any]):
    """The values of two columns, of all rows of a group, as text: a JSON array of arrays of two, in no
    certain order."""

    type = String()
    inherit_cache = False


@compiles(json_pairs, "sqlite")
def _pairs_sqlite(element: json_pairs, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **kw)}))"


@compiles(json_pairs, "postgresql")
def _pairs_postgresql(element: json_pairs, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_agg(json_build_array({compiler.process(element.clauses, **kw)}))::text"


class as_json(FunctionElement[Any]):
    """JSON that stays JSON inside an object. Otherwise SQLite treats the JSON of a sorted row as text,
    and both databases treat the JSON of a text column as text."""

    type = JSON()
    inherit_cache = False


@compiles(as_json, "sqlite")
def _json_sqlite(element: as_json, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json({compiler.process(element.clauses, **kw)})"


@compiles(as_json, "postgresql")
def _json_postgresql(element: as_json, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


class json_integer(FunctionElement[Any]):
    """The whole number under this name in a text column that contains a JSON object; NULL if there is
    none."""

    type = BigInteger()
    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.name = name
        super().__init__(column)


@compiles(json_integer, "sqlite")
def _integer_sqlite(element: json_integer, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_extract({compiler.process(element.clauses, **kw)}, '$.{element.name}')"


@compiles(json_integer, "postgresql")
def _integer_postgresql(element: json_integer, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(({compiler.process(element.clauses, **kw)})::json ->> '{element.name}')::bigint"


class revision_read(FunctionElement[Any]):
    """The revision that the statement reads, as `str` of a `Seen`, for `Tx.read_at`. NULL on SQLite,
    where asking for the revision costs less than a subquery."""

    type = String()
    inherit_cache = False


@compiles(revision_read, "sqlite")
def _revision_sqlite(element: revision_read, compiler: SQLCompiler, **kw: Any) -> str:
    return "NULL"


@compiles(revision_read, "postgresql")
def _revision_postgresql(element: revision_read, compiler: SQLCompiler, **kw: Any) -> str:
    return "(SELECT revision || '-' || mark FROM catalogue)"


class json_text(FunctionElement[Any]):
    """JSON as text, for answers that send its bytes as they are."""

    type = String()
    inherit_cache = False


@compiles(json_text)
def _text(element: json_text, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


def json_list(query: Select[Any], *of: FromClause) -> ColumnElement[Any]:
    """The JSON array of a query's first column, in the query's order; `[]` if it has no rows.

    `of`: the tables of the enclosing statement that the query refers to.
    """
    rows = query.correlate(*of).subquery()
    return select(_json_array(next(iter(rows.c)))).select_from(rows).scalar_subquery()


def json_map(query: Select[Any], *of: FromClause) -> ColumnElement[Any]:
    """The JSON object of a query's first column (names) and second (texts), in the query's order."""
    rows = query.correlate(*of).subquery()
    return select(_json_map(*rows.c)).select_from(rows).scalar_subquery()


class in_list(FunctionElement[Any]):
    """`column` is one of the values of an array parameter, which is given as a Python list."""

    # Not Boolean: that would send `… IN (…) = 1` to SQLite, which cannot use an index.
    type = NullType()
    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], name: str, kind: Any = Key) -> None:
        super().__init__(column, param(name, ARRAY(kind)))


@compiles(in_list, "sqlite")
def _in_sqlite(element: in_list, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # nosec B608 # compiled, with parameters


@compiles(in_list, "postgresql")
def _in_postgresql(element: in_list, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = ANY({values})"


class among(FunctionElement[Any]):
    """`column` is one of the values of an independent query. The database searches by these values,
    instead of checking rows one by one in the order of the result."""

    type = NullType()
    inherit_cache = False

    def __init__(
        self, column: ColumnElement[Any], values: Select[Any] | CompoundSelect[Any]
    ) -> None:
        super().__init__(column, values.scalar_subquery())


@compiles(among, "sqlite")
def _among_sqlite(element: among, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} IN {values}"


@compiles(among, "postgresql")
def _among_postgresql(element: among, compiler: SQLCompiler, **kw: Any) -> str:
    # An array is computed before the rest of the plan. For a join, PostgreSQL would estimate too many
    # matching rows.
    column, values = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = ANY(ARRAY{values})"


def has_row(query: Select[Any] | CompoundSelect[Any]) -> ColumnElement[bool]:
    """A query about a row of the statement around it finds something. Not an EXISTS: PostgreSQL would
    make it a join and read all rows that may match."""
    found: ColumnElement[bool] = query.limit(literal_column("1")).scalar_subquery().is_not(None)
    return found


NULL_JSON: ColumnElement[Any] = literal_column("NULL", JSON())


def computed_once(name: str, rows: Any) -> CTE:
    """A part of a statement that the database computes once, before the rest."""
    part: CTE = rows.cte(name).prefix_with("MATERIALIZED")
    return part


def given_rows(dialect: str, name: str, *kinds: TypeEngine[Any]) -> Select[Any]:
    """The rows of a parameter that is a JSON array of arrays, with values of these types."""
    places = range(len(kinds))
    if dialect == "postgresql":
        listed = func.json_array_elements(cast(param(name), postgresql.JSON)).table_valued("value")
        values: list[Any] = [listed.c.value.op("->>")(place) for place in places]
    else:
        listed = func.json_each(param(name)).table_valued("value")
        values = [func.json_extract(listed.c.value, f"$[{place}]") for place in places]
    return select(*map(cast, values, kinds)).select_from(listed)


def insert_or_update(
    dialect: str, table: Table, rows: Select[Any], changes: Callable[[Any], Mapping[str, Any]]
) -> Any:
    """INSERT the rows of a query, which has the columns of `table`. Where there is a row with the same
    primary key, these columns are changed instead: `changes(new)`, from the columns of the new row."""
    insert: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    # SQLite reads ON CONFLICT as part of a join where the query has no WHERE.
    new = insert(table).from_select(table.c.keys(), rows.where(true()))
    keys = list(table.primary_key.columns)
    return new.on_conflict_do_update(index_elements=keys, set_=changes(new.excluded))
