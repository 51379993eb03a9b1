"""The search tables: the tokens of each image and version, on both databases.

SQLite stores them in full-text tables, PostgreSQL as `tsvector` with a GIN index. Tokens contain only
letters, digits and `-._`, so a quoted token is plain text in either query language.
"""

from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Text, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

from goldenrod.store.db import Tx
from goldenrod.store.sql import param

_KEYS = {"image_words": "image_id", "version_words": "n"}


def put(tx: Tx, table: str, key: int, tokens: list[str]) -> None:
    """Replace the tokens of one row of `image_words` or `version_words`."""
    if tx.dialect == "sqlite":
        tx.sql(
            f"INSERT OR REPLACE INTO {table} (rowid, tokens) VALUES (:key, :tokens)",
            {"key": key, "tokens": " ".join(tokens)},
            writes=table,
        )
    else:
        column = _KEYS[table]
        tx.sql(
            f"INSERT INTO {table} ({column}, tokens) "  # nosec B608 # names of the schema
            "VALUES (%(key)s, array_to_tsvector(%(tokens)s::text[])) "
            f"ON CONFLICT ({column}) DO UPDATE SET tokens = excluded.tokens",
            {"key": key, "tokens": tokens},
            writes=table,
        )


class has_word(FunctionElement[Any]):
    """The row with this key has one of the tokens in the parameter `exact`, or a token that begins
    with one of those in `prefix` (both arrays of text)."""

    type: TypeEngine[Any] = NullType()
    inherit_cache = False

    def __init__(self, table: str, key: ColumnElement[int], exact: str, prefix: str) -> None:
        assert table in _KEYS
        self.table = table
        super().__init__(key, param(exact, ARRAY(Text)), param(prefix, ARRAY(Text)))


class checked_for_word(has_word):
    """The same, checked row by row: the database finds the rows by something else."""


class rows_with_word(has_word):
    """How many rows have such a token, counted up to `most`. `key` is not used."""

    type = BigInteger()

    def __init__(self, table: str, exact: str, prefix: str, most: int) -> None:
        self.most = most
        super().__init__(table, literal_column("0"), exact, prefix)


def _rows_sqlite(element: has_word, exact: str, prefix: str) -> str:
    return (
        f"SELECT rowid FROM {element.table} WHERE {element.table} MATCH ("  # nosec B608 # compiled, with parameters
        "SELECT group_concat(word, ' OR ') FROM ("
        f"SELECT '\"' || value || '\"' AS word FROM json_each({exact}) UNION ALL "
        f"SELECT '\"' || value || '\"*' FROM json_each({prefix})))"
    )


def _rows_postgresql(element: has_word, exact: str, prefix: str) -> str:
    return (
        f"SELECT {_KEYS[element.table]} FROM {element.table} WHERE tokens @@ ("  # nosec B608 # compiled, with parameters
        "SELECT string_agg(word, ' | ') FROM ("
        f"SELECT '''' || value || '''' AS word FROM unnest({exact}) AS value UNION ALL "
        f"SELECT '''' || value || ''':*' FROM unnest({prefix}) AS value) AS words)::tsquery"
    )


@compiles(has_word, "sqlite")
def _sqlite(element: has_word, compiler: SQLCompiler, **kw: Any) -> str:
    key, exact, prefix = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{key} IN ({_rows_sqlite(element, exact, prefix)})"


@compiles(has_word, "postgresql")
def _postgresql(element: has_word, compiler: SQLCompiler, **kw: Any) -> str:
    key, exact, prefix = (compiler.process(clause, **kw) for clause in element.clauses)
    # An array, which PostgreSQL computes first: for a join it would sort all versions.
    return f"{key} = ANY(ARRAY({_rows_postgresql(element, exact, prefix)}))"


@compiles(checked_for_word, "sqlite")
def _checked_sqlite(element: has_word, compiler: SQLCompiler, **kw: Any) -> str:
    # With the sign, it uses no index of the key.
    return f"+{_sqlite(element, compiler, **kw)}"


@compiles(checked_for_word, "postgresql")
def _checked_postgresql(element: has_word, compiler: SQLCompiler, **kw: Any) -> str:
    key, exact, prefix = (compiler.process(clause, **kw) for clause in element.clauses)
    column = f"{element.table}.{_KEYS[element.table]}"
    return f"EXISTS ({_rows_postgresql(element, exact, prefix)} AND {column} = {key})"


@compiles(rows_with_word, "sqlite")
@compiles(rows_with_word, "postgresql")
def _counted(element: rows_with_word, compiler: SQLCompiler, **kw: Any) -> str:
    _, exact, prefix = (compiler.process(clause, **kw) for clause in element.clauses)
    found = _rows_sqlite if compiler.dialect.name == "sqlite" else _rows_postgresql
    rows = found(element, exact, prefix)
    return f"(SELECT count(*) FROM ({rows} LIMIT {element.most}) AS found)"  # nosec B608 # compiled, with parameters


class holds_word(FunctionElement[Any]):
    """A text of tokens, separated by spaces, has one of `exact`, or a token that begins with one of
    `prefix`. For tables small enough to be read completely."""

    type = NullType()
    inherit_cache = False

    def __init__(self, text: ColumnElement[str], exact: str, prefix: str) -> None:
        super().__init__(text, param(exact, ARRAY(Text)), param(prefix, ARRAY(Text)))


@compiles(holds_word, "sqlite")
def _holds_sqlite(element: holds_word, compiler: SQLCompiler, **kw: Any) -> str:
    text, exact, prefix = (compiler.process(clause, **kw) for clause in element.clauses)
    return (
        f"(EXISTS (SELECT 1 FROM json_each({exact}) WHERE instr({text}, ' ' || value || ' ') > 0)"  # nosec B608 # compiled, with parameters
        f" OR EXISTS (SELECT 1 FROM json_each({prefix}) WHERE instr({text}, ' ' || value) > 0))"
    )


@compiles(holds_word, "postgresql")
def _holds_postgresql(element: holds_word, compiler: SQLCompiler, **kw: Any) -> str:
    text, exact, prefix = (compiler.process(clause, **kw) for clause in element.clauses)
    return (
        f"(EXISTS (SELECT 1 FROM unnest({exact}) AS v WHERE strpos({text}, ' ' || v || ' ') > 0)"  # nosec B608 # compiled, with parameters
        f" OR EXISTS (SELECT 1 FROM unnest({prefix}) AS v WHERE strpos({text}, ' ' || v) > 0))"
    )
