"""What all tables are built with: naming of constraints, tables with ids, partial indexes."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Index, MetaData, Table, Text, literal_column, text
from sqlalchemy import column as sa_column
from sqlalchemy import table as sa_table
from sqlalchemy.dialects.postgresql import TSVECTOR

from goldenrod.base import clock
from goldenrod.store.sql import Id, Key, Moment, as_numbers

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

BEGINNING_OF_TIME = literal_column("'0001-01-01T00:00:00.000000Z'", Moment())
END_OF_TIME = literal_column(f"'{clock.END_OF_TIME}'", Moment())
"""The end of time as SQL. Partial indexes contain this text; a condition must repeat it exactly for
the database to use them."""


def resource(name: str, *columns: Any, **options: Any) -> Table:
    """A table with a public integer `id`, which is never reused, and a `uuid`."""
    return Table(
        name,
        metadata,
        Column("id", Key, primary_key=True, autoincrement=True),
        Column("uuid", Id, nullable=False, unique=True),
        *columns,
        sqlite_autoincrement=True,
        **options,
    )


def to(target: str, **options: Any) -> ForeignKey:
    """A foreign key to this column."""
    return ForeignKey(target, **options)


def start_and_end() -> tuple[Column[Any], Column[Any]]:
    """The columns `start_date` and `end_date`."""
    return Column("start_date", Moment, nullable=False), Column("end_date", Moment)


def search_words() -> Column[Any]:
    """The search tokens of a small table's rows, separated by spaces (`catalogue/search.py`)."""
    return Column("words", Text, nullable=False)


def index_where(name: str, condition: str, *columns: str, unique: bool = False) -> Index:
    """An index of the rows that meet a condition."""
    return Index(
        name,
        *columns,
        unique=unique,
        sqlite_where=text(as_numbers(condition)),
        postgresql_where=text(condition),
    )


def index_where_set(name: str, column: str) -> Index:
    """An index of the rows in which this column is not null."""
    return index_where(name, f"{column} IS NOT NULL", column)


def search_table(name: str, key: str, target: str) -> Table:
    """Search tokens in PostgreSQL. SQLite has a full-text table of the same name instead, whose row
    id is the key (`FULL_TEXT_TABLES`)."""
    return Table(
        name,
        metadata,
        Column(key, Key, to(target), primary_key=True, autoincrement=False),
        Column("tokens", TSVECTOR, nullable=False),
        Index(f"ix_{name}_tokens", "tokens", postgresql_using="gin"),
        info={"postgresql_only": True},
    )


FULL_TEXT_TABLES = (
    "CREATE VIRTUAL TABLE {name} USING fts5(tokens, detail=none, columnsize=0, prefix='2 3', "
    "tokenize=\"ascii tokenchars '-._'\")"
)
"""The statement that creates one of SQLite's search tables: `image_words` or `version_words`."""


def simplify_aliases() -> None:
    """Make aliases of all tables from the names and types of their columns alone.

    An alias of a Table has a full Column for each of its columns. A statement has up to a hundred
    aliases, and to make them took longer than all the rest of composing and compiling it.
    """
    for table in metadata.tables.values():
        names = sa_table(table.name, *(sa_column(it.name, it.type) for it in table.columns))
        setattr(table, "alias", names.alias)  # noqa: B010 # mypy allows no assignment to a method
