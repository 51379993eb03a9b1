"""Fills an empty catalogue in bulk: millions of rows in minutes, then the denormalised data.

Secondary indexes are dropped first and created again afterwards. References are not checked and nothing
waits for the disk, so an interrupted catalogue is deleted and filled again.
"""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Boolean, Integer, Table

from bench.rows import Rows, Values
from goldenrod.rules.lifecycle import lines
from goldenrod.rules.visibility import denormalised
from goldenrod.store import bulk, schema
from goldenrod.store.db import Database
from goldenrod.store.sql import Id, Moment

BATCH = 20_000
Tell = Callable[[str], None]

_LOADING = ("foreign_keys = OFF", "synchronous = OFF", "journal_mode = MEMORY")
_SERVING = ("foreign_keys = ON", "synchronous = FULL", "journal_mode = WAL")


def fill(db: Database, tables: Iterator[Rows], tell: Tell) -> None:
    """Write all rows. `db` must have a pool of one connection."""
    load = _fill_sqlite if db.dialect == "sqlite" else _fill_postgresql
    load(db, tables, tell)


def settle(db: Database) -> None:
    """Compute the denormalised data of all versions, and find which images are one line."""
    with db.write() as tx:
        denormalised.refresh_all(tx)
        lines.find_all(tx)


def _given(table: Table, columns: list[str]) -> tuple[list[str], Values]:
    """All columns of a row, and the values of those that `rows.py` does not have. A column that must
    not be null gets an empty value until `settle` sets it."""
    known = {column.name for column in table.c}
    missing = [
        column
        for column in table.c
        if column.name not in columns and not column.nullable and not column.server_default
    ]
    assert set(columns) <= known, f"{table.name} has no {set(columns) - known}"
    return [*columns, *(column.name for column in missing)], tuple(map(_nothing, missing))


def _nothing(column: Any) -> Any:
    if isinstance(column.type, Moment):
        return "2000-01-01T00:00:00.000000Z"
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, Id):
        return "00000000-0000-7000-8000-000000000000"
    return 0 if isinstance(column.type, Integer) else ""


def _batches(values: Iterator[Values]) -> Iterator[list[Values]]:
    while batch := list(islice(values, BATCH)):
        yield batch


def _sequences(db: Database) -> None:
    """Let new ids begin after those that were written."""
    with db.write() as tx:
        for table in schema.metadata.sorted_tables:
            if table.autoincrement_column is not None and not table.info.get("postgresql_only"):
                bulk.set_next_id(tx, table, 1)


# ── SQLite ─────────────────────────────────────────────────────────────────────────────────


def _fill_sqlite(db: Database, tables: Iterator[Rows], tell: Tell) -> None:
    with db.connection() as connection:
        _pragmas(connection, *_LOADING, "cache_size = -1000000")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        connection.execute("BEGIN")
        for rows in tables:
            tell(rows.table)
            _insert_sqlite(connection, rows)
        connection.execute("COMMIT")
    tell("denormalised data")
    settle(db)
    _sequences(db)
    with db.connection() as connection:
        tell(f"{len(indexes)} indexes")
        for _, text in indexes:
            connection.execute(text)
        tell("analysis")
        connection.execute("ANALYZE")
        _pragmas(connection, *_SERVING)


def _pragmas(connection: sqlite3.Connection, *settings: str) -> None:
    for setting in settings:
        connection.execute(f"PRAGMA {setting}")


def _insert_sqlite(connection: sqlite3.Connection, rows: Rows) -> None:
    table = schema.metadata.tables[rows.table]
    columns, more = _given(table, rows.columns.split())
    values = rows.values
    if table.info.get("postgresql_only"):
        # In a full-text table, the row id is the key.
        columns[0] = "rowid"
        values = ((key, " ".join(tokens)) for key, tokens in values)
    text = (
        f"INSERT INTO {rows.table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    )
    connection.executemany(text, (one + more for one in values) if more else values)


# ── PostgreSQL ─────────────────────────────────────────────────────────────────────────────

_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND NOT EXISTS (
    SELECT FROM pg_constraint WHERE conindid = (quote_ident(indexname))::regclass)
"""


def _fill_postgresql(db: Database, tables: Iterator[Rows], tell: Tell) -> None:
    with db.connection() as connection:
        # References are not checked: their checks are triggers.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '1GB'")
        indexes = connection.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        # Rows in a table that the same transaction truncated need no write-ahead log.
        connection.execute("BEGIN")
        given = list(tables)
        connection.execute(f"TRUNCATE {', '.join(rows.table for rows in given)} CASCADE")
        for rows in given:
            tell(rows.table)
            _copy(connection, rows)
        connection.execute("COMMIT")
    tell("denormalised data")
    settle(db)
    _sequences(db)
    with db.connection() as connection:
        tell(f"{len(indexes)} indexes")
        for _, text in indexes:
            connection.execute(text)
        tell("analysis")
        connection.execute("VACUUM ANALYZE")
        connection.execute("SET session_replication_role = origin")
        connection.execute("CHECKPOINT")


def _copy(connection: Any, rows: Rows) -> None:
    """COPY text: tabs between values, `\\N` for null. No text here has a tab or backslash."""
    table = schema.metadata.tables[rows.table]
    columns, more = _given(table, rows.columns.split())
    values = rows.values
    if table.info.get("postgresql_only"):
        values = ((key, " ".join(f"'{token}'" for token in tokens)) for key, tokens in values)
    text = f"COPY {rows.table} ({', '.join(columns)}) FROM STDIN"
    end = "".join(f"\t{_written(value)}" for value in more) + "\n"
    with connection.cursor() as cursor, cursor.copy(text) as copy:
        for batch in _batches(values):
            copy.write("".join(["\t".join(map(_written, one)) + end for one in batch]))


def _written(value: Any) -> str:
    if value is None:
        return "\\N"
    return str(value).replace("\n", "\\n")
