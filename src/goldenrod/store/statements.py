"""Statements: composed with SQLAlchemy, compiled once for each shape, and sent to the driver as text.

A `build` is a module-level function that composes a statement from its `shape` arguments. The result
is compiled for the database the first time and then reused. `db.py` runs the statements.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql.dml import UpdateBase

from goldenrod.store.schema.helpers import metadata

Row = dict[str, Any]
Build = Callable[..., Any]
Arguments = Row | list[Any]
"""Values of parameters: by name, or by number on PostgreSQL."""


class _Constants:
    """A compiler that writes constants into the text of a statement. Our statements have about fifty
    constants and five parameters, and binding a constant costs more than parsing it."""

    def visit_bindparam(self, bindparam: Any, *args: Any, **kw: Any) -> str:
        # A bare NULL has no type, which a UNION needs on PostgreSQL.
        constant = not bindparam.required and bindparam.value is not None
        if constant and type(bindparam.type) in _WRITTEN:
            kw["literal_binds"] = True
        return super().visit_bindparam(bindparam, *args, **kw)  # type: ignore[misc,no-any-return]


_WRITTEN = (sa.String, sa.Text, sa.Integer, sa.BigInteger)


def _dialect(dialect: Any) -> Any:
    base = dialect.statement_compiler
    dialect.statement_compiler = type(base.__name__, (_Constants, base), {})
    return dialect


_DIALECTS: dict[str, Any] = {
    "sqlite": _dialect(SQLiteDialect_pysqlite(paramstyle="named")),
    "postgresql": _dialect(PGDialect_psycopg()),  # type: ignore[no-untyped-call]
}


def execute(connection: Any, text: str | bytes, given: Arguments) -> Any:
    """Run a text on a driver's connection: with numbered values, which PostgreSQL takes as they are, or
    with named ones."""
    if isinstance(given, dict):
        return connection.execute(text, given)
    from psycopg import RawCursor  # not before: SQLite does not need it

    return RawCursor(connection).execute(text, given)


class Statement:
    """A compiled statement: the name of the function that composed it, its text, the defaults of its
    parameters, the names of its columns, and the name of the table that it writes. `sent` is the text
    as the driver takes it: on PostgreSQL as bytes, so that its hash is computed once."""

    __slots__ = (
        *("booleans", "columns", "defaults", "name", "names", "numbered", "sent", "text", "writes"),
    )

    def __init__(self, dialect: str, element: Any, name: str = "") -> None:
        self.name = name
        written = element.table if isinstance(element, UpdateBase) else None
        self.writes = written.name if isinstance(written, sa.Table) else None
        compiled = element.compile(dialect=_DIALECTS[dialect])
        self.numbered = dialect == "postgresql"
        self.text: str = compiled.string
        self.names = tuple(compiled.params)
        if self.numbered:
            self.text, self.names = _numbered(self.text)
        self.sent = self.text.encode() if self.numbered else self.text
        _require_correlated(self.text)
        # A parameter that must be given has no default: leaving it out raises KeyError.
        self.defaults: Row = {
            name: value
            for name, value in compiled.params.items()
            if not compiled.binds[name].required
        }
        columns = list(getattr(element, "selected_columns", None) or _returned(element))
        self.columns: tuple[str, ...] = tuple(column.key for column in columns)
        # SQLite has no booleans: these come out as 0 and 1.
        self.booleans: tuple[int, ...] = (
            tuple(i for i, column in enumerate(columns) if isinstance(column.type, sa.Boolean))
            if dialect == "sqlite"
            else ()
        )

    def arguments(self, params: Row) -> Arguments:
        """The values of its parameters, with defaults for those that are not given. `params` may have
        more: a shape need not use all that its caller knows. Raises KeyError."""
        defaults = self.defaults
        given = [params[n] if n in params else defaults[n] for n in self.names]
        if self.numbered:
            return given
        lists_as_json = (json.dumps(it) if isinstance(it, list) else it for it in given)
        return dict(zip(self.names, lists_as_json, strict=True))

    def row(self, values: Sequence[Any]) -> Row:
        if self.booleans:
            values = list(values)
            for i in self.booleans:
                if values[i] is not None:
                    values[i] = bool(values[i])
        return dict(zip(self.columns, values, strict=True))


def _numbered(text: str) -> tuple[str, tuple[str, ...]]:
    """A text with `%(name)s` as PostgreSQL takes it, and the names of its parameters in their order.
    The driver would do this anew for each run of a long text."""
    order: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${order.setdefault(found[1], len(order) + 1)}" if found[1] else "%"

    return re.sub(r"%(?:%|\((\w+)\)s)", number, text), tuple(order)


def _require_correlated(text: str) -> None:
    """Raise AssertionError if a subquery selects from a table that an enclosing query has under the
    same alias. The subquery was meant to refer to the row of the enclosing query. SQLAlchemy
    correlates one level up by itself; a deeper subquery needs `correlate_except`."""
    levels: list[list[str]] = [[]]
    inner: list[set[str]] = [set()]
    for opened, closed, table, alias in _SCOPES.findall(text):
        if opened:
            levels.append([])
            inner.append(set())
        elif closed:
            own, below = set(levels.pop()), inner.pop()
            if own & below:
                raise AssertionError(f"not correlated: {', '.join(sorted(own & below))}")
            inner[-1] |= own | below
        elif table in metadata.tables:
            levels[-1].append(alias)
    if set(levels[0]) & inner[0]:
        raise AssertionError(f"not correlated: {', '.join(sorted(set(levels[0]) & inner[0]))}")


_SCOPES = re.compile(r"(\()|(\))|\b(\w+) AS (\w+)\b")


def _returned(element: Any) -> list[Any]:
    return list(getattr(element, "_returning", ()))


@lru_cache(maxsize=4096)
def statement(dialect: str, build: Build, *shape: Any) -> Statement:
    """The compiled statement of `build(*shape)`, cached."""
    return Statement(dialect, build(*shape), _name(build, shape))


def _name(build: Build, shape: tuple[Any, ...]) -> str:
    """`catalogue.search._found`; for the statements of this module, with the table: `insert images`."""
    if build in (insert, update, delete):
        return f"{build.__name__} {shape[0].name}"
    module = build.__module__.removeprefix("goldenrod.")
    return f"{module}.{getattr(build, '__qualname__', type(build).__name__)}"


def insert(table: sa.Table, columns: tuple[str, ...]) -> Any:
    """INSERT one row with these columns, and return its key."""
    key = next(iter(table.primary_key.columns))
    return table.insert().values({c: sa.bindparam(c) for c in columns}).returning(key)


def update(table: sa.Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> Any:
    """UPDATE these columns, given as `new_…`, in the rows with these keys."""
    changed = {c: sa.bindparam(f"new_{c}", type_=table.c[c].type) for c in columns}
    return table.update().where(*_equal(table, keys)).values(changed)


def delete(table: sa.Table, keys: tuple[str, ...]) -> Any:
    """DELETE the rows with these keys."""
    return table.delete().where(*_equal(table, keys))


def _equal(table: sa.Table, keys: tuple[str, ...]) -> list[sa.ColumnElement[bool]]:
    return [table.c[key] == sa.bindparam(key, type_=table.c[key].type) for key in keys]
