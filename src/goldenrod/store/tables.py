"""What all tables are made with: the names of constraints, and the form of a thing with ids."""

from typing import Any

from sqlalchemy import Column, MetaData, Table, Text

from goldenrod.store.sql import Id, Key

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def thing(name: str, *columns: Any, **more: Any) -> Table:
    """A table of things with a public integer id, never used twice, and a uuid."""
    return Table(
        name,
        metadata,
        Column("id", Key, primary_key=True, autoincrement=True),
        Column("uuid", Id, nullable=False, unique=True),
        *columns,
        sqlite_autoincrement=True,
        **more,
    )


def words() -> Column[Any]:
    """The search tokens of a small table's rows, each between spaces (`catalogue/search.py`)."""
    return Column("words", Text, nullable=False)
