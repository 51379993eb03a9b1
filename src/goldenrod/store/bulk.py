"""Reads and writes whole tables: the database's part of export and import.

Rows are read one by one in the order of their primary key, with text sorted by its bytes. They are
written in batches; if the database refuses a row, the error names it. A table's next id is read and
set as well, so that ids of deleted rows are not used again. `catalogue/transfer/export_import.py`
reads and writes the file.
"""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, ForeignKeyConstraint, String, Table, func, literal, select

from goldenrod.store.db import Row, Tx, statement
from goldenrod.store.sql import param

BATCH = 500
"""The number of rows that are fetched or inserted at once."""


class Refused(Exception):
    """The database refused this row."""

    def __init__(self, row: Row, reason: str) -> None:
        super().__init__(reason)
        self.row = row
        self.reason = reason


def rows(tx: Tx, table: Table) -> Iterator[Row]:
    """All rows of a table, in the order of its primary key."""
    if tx.dialect == "sqlite":
        yield from tx.stream(_ordered, table, False)
        return
    # With a cursor, because PostgreSQL sends all rows of a plain SELECT at once.
    ready = statement(tx.dialect, _ordered, table, True)
    cursor = f"all_{table.name}"
    tx.sql(f"DECLARE {cursor} NO SCROLL CURSOR FOR {ready.text}")
    while batch := tx.sql(f"FETCH {BATCH} FROM {cursor}").fetchall():
        yield from map(ready.row, batch)
    tx.sql(f"CLOSE {cursor}")


def _ordered(table: Table, collated: bool) -> Any:
    return select(*table.c).order_by(*(_by_bytes(key, collated) for key in table.primary_key))


def _by_bytes(key: ColumnElement[Any], collated: bool) -> ColumnElement[Any]:
    # By default PostgreSQL sorts text by the rules of the database's language.
    return key.collate("C") if collated and isinstance(key.type, String) else key


def count(tx: Tx, table: Table) -> int:
    """The number of a table's rows."""
    return int(tx.value(_counted, table))


def _counted(table: Table) -> Any:
    return select(func.count()).select_from(table)


def is_empty(tx: Tx, table: Table) -> bool:
    """Whether a table has no row."""
    return tx.value(_any, table) is None


def _any(table: Table) -> Any:
    return select(literal(1)).select_from(table).limit(1)


def load(tx: Tx, table: Table, batch: list[Row]) -> None:
    """Insert rows, each with every column. Raises Refused with the first row that is refused."""
    tx.sql("SAVEPOINT load")
    try:
        _insert(tx, table, batch)
    except Exception as error:
        reason = _refusal(error)
        if reason is None:
            raise
        tx.sql("ROLLBACK TO SAVEPOINT load")
        if len(batch) == 1:
            if _is_dangling(error):
                reason = _dangling(tx, table, batch[0]) or reason
            raise Refused(batch[0], reason) from error
        for row in batch:
            load(tx, table, [row])
    tx.sql("RELEASE SAVEPOINT load")


def _insert(tx: Tx, table: Table, batch: list[Row]) -> None:
    if tx.dialect == "sqlite":
        for row in batch:
            tx.insert(table, **row)
        return
    # One statement for the batch, because a round trip for each row takes ten times as long.
    columns = ", ".join(f'"{column.name}"' for column in table.c)
    tx.sql(
        f'INSERT INTO "{table.name}" ({columns}) SELECT {columns} '  # nosec B608 # names of the schema
        f'FROM json_populate_recordset(NULL::"{table.name}", %(rows)s::json)',
        {"rows": json.dumps(batch, ensure_ascii=False)},
    )


def insert_rows(tx: Tx, table: Table, new: list[Row]) -> list[int]:
    """Insert rows that all have the same columns. Returns their keys, which the table assigns."""
    if tx.dialect == "sqlite":
        return [tx.insert(table, **row) for row in new]
    key = next(iter(table.primary_key)).name
    keys: list[int] = []
    for start in range(0, len(new), BATCH):
        batch = new[start : start + BATCH]
        columns = ", ".join(f'"{name}"' for name in batch[0])
        found = tx.sql(
            f'INSERT INTO "{table.name}" ({columns}) SELECT {columns} '  # nosec B608 # schema's names
            f'FROM json_populate_recordset(NULL::"{table.name}", %(rows)s::json) '
            f'WITH ORDINALITY ORDER BY ordinality RETURNING "{key}"',
            {"rows": json.dumps(batch, ensure_ascii=False)},
            writes=table.name,
        )
        # Rows are inserted, and get their keys, in the order of the query.
        keys += sorted(row[0] for row in found.fetchall())
    return keys


def _refusal(error: Exception) -> str | None:
    """Why the database refused a row; None if the error is not about a row."""
    if isinstance(error, sqlite3.IntegrityError):
        return str(error)
    # Class 22: a value does not fit its type. Class 23: a constraint is violated.
    if (getattr(error, "sqlstate", None) or "")[:2] in ("22", "23"):
        details: Any = getattr(error, "diag", None)
        parts = (details.message_primary, details.message_detail)
        return " ".join(part for part in parts if part) or str(error)
    return None


def _is_dangling(error: Exception) -> bool:
    return (
        getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
        or getattr(error, "sqlstate", None) == "23503"
    )


def _dangling(tx: Tx, table: Table, row: Row) -> str | None:
    """A sentence about the first reference of a row without a target; None if all have one."""
    for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name)):
        values = [row[column] for column in key.column_keys]
        given = {f"at_{index}": value for index, value in enumerate(values)}
        if None not in values and tx.value(_referred, key, **given) is None:
            columns = ", ".join(key.column_keys)
            shown = ", ".join(map(str, values))
            return f"{columns} {shown}: there is no such row of {key.referred_table.name} before it"
    return None


def _referred(key: ForeignKeyConstraint) -> Any:
    targets = [element.column for element in key.elements]
    return select(literal(1)).where(
        *(target == param(f"at_{index}", target.type) for index, target in enumerate(targets))
    )


def next_id(tx: Tx, table: Table) -> int:
    """The id that the next new row of a table gets."""
    if tx.dialect == "sqlite":
        found = tx.sql("SELECT seq + 1 FROM sqlite_sequence WHERE name = :name", _named(table))
        row = found.fetchone()
        return 1 if row is None else int(row[0])
    sequence = _sequence(tx, table)
    return int(tx.sql(f"SELECT last_value + is_called::int FROM {sequence}").fetchone()[0])  # nosec B608 # the schema's


def set_next_id(tx: Tx, table: Table, wanted: int) -> None:
    """Make new ids of a table begin at `wanted`, or after its highest id if that is greater."""
    key = table.autoincrement_column
    assert key is not None
    wanted = max(wanted, 1 + (tx.value(_highest, table, key.name) or 0))
    if tx.dialect == "sqlite":
        tx.sql("DELETE FROM sqlite_sequence WHERE name = :name", _named(table))
        if wanted > 1:
            values = {**_named(table), "seq": wanted - 1}
            tx.sql("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)", values)
    else:
        # Not setval(), because a rollback does not undo it.
        tx.sql(f"ALTER SEQUENCE {_sequence(tx, table)} RESTART WITH {wanted:d}")


def _named(table: Table) -> Row:
    return {"name": table.name}


def _sequence(tx: Tx, table: Table) -> str:
    key = table.autoincrement_column
    assert key is not None
    names = {"table": f'"{table.name}"', "key": key.name}
    found = tx.sql("SELECT pg_get_serial_sequence(%(table)s, %(key)s)", names)
    return str(found.fetchone()[0])


def _highest(table: Table, key: str) -> Any:
    return select(func.max(table.c[key]))
