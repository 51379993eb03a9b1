"""Short forms for migrations: tables with ids, links between two tables, partial indexes.

Names of columns are written in one text with spaces between them. Migrations that were released use
these functions, so what they create must not change.
"""

from typing import Any

from alembic import op
from sqlalchemy import Column, ForeignKey, Index, String, text

from goldenrod.store.sql import Id, Key, Moment, Sortable, as_numbers


def resource(name: str, *columns: Any) -> None:
    """Create a table with a public integer id, which is never reused, and a uuid."""
    op.create_table(
        name,
        Column("id", Key, primary_key=True, autoincrement=True),
        Column("uuid", Id, nullable=False, unique=True),
        *columns,
        sqlite_autoincrement=True,
    )


def link(name: str, left: str, right: str, indexed: str) -> None:
    """Create a table of pairs: `left` and `right` are columns with their targets (`tag_id tags.id`)."""
    columns = [
        Column(column, Key, ForeignKey(target), primary_key=True)
        for column, target in (left.split(), right.split())
    ]
    op.create_table(name, *columns, index(f"ix_{name}_{right.split()[0]}", indexed))


def slugs(name: str, column: str, target: str) -> None:
    """Create the table of all slugs that things of one kind ever had."""
    op.create_table(
        name,
        Column("slug", String(64), primary_key=True),
        Column(column, Key, ForeignKey(target), nullable=False, index=True),
    )


def former_names(name: str, within: str, of: str) -> None:
    """Create the table of names that things had before, unique within another thing."""
    (scope, scope_target), (column, target) = within.split(), of.split()
    op.create_table(
        name,
        Column(scope, Key, ForeignKey(scope_target), primary_key=True),
        Column("name_key", Sortable, primary_key=True),
        Column("name", String(256), nullable=False),
        Column(column, Key, ForeignKey(target), nullable=False),
        index(f"ix_{name}_name_key", f"name_key {column}"),
    )


def not_null(kind: Any, names: str) -> list[Column[Any]]:
    """Columns of one type that are never null."""
    return [Column(name, kind, nullable=False) for name in names.split()]


def nullable(kind: Any, names: str) -> list[Column[Any]]:
    """Columns of one type that may be null."""
    return [Column(name, kind) for name in names.split()]


def references(target: str, names: str, **options: Any) -> list[Column[Any]]:
    """Columns that refer to another table and are never null."""
    return [
        Column(name, Key, ForeignKey(target), nullable=False, **options) for name in names.split()
    ]


def dates(**start_options: Any) -> list[Column[Any]]:
    """The columns `start_date` and `end_date`."""
    return [
        Column("start_date", Moment, nullable=False, **start_options),
        Column("end_date", Moment),
    ]


def index(name: str, columns: str) -> Index:
    """An index of these columns."""
    return Index(name, *columns.split())


def index_where(name: str, condition: str, columns: str, unique: bool = False) -> Index:
    """An index of the rows that meet a condition."""
    return Index(
        name,
        *columns.split(),
        unique=unique,
        sqlite_where=text(as_numbers(condition)),
        postgresql_where=text(condition),
    )
