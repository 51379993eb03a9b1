"""Deletion: only of what nothing refers to, not even something that has ended."""

from sqlalchemy import Table, exists, select

from goldenrod.base.errors import Conflict
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, param


def _refers(table: Table, column: str) -> object:
    return select(exists().where(table.c[column] == param("id", Key)))


def require_unused(tx: Tx, thing_id: int, noun: str, *uses: tuple[Table, str]) -> None:
    """Raise Conflict (`<noun>_in_use`) where a row of one of the tables refers to the thing."""
    for table, column in uses:
        if tx.value(_refers, table, column, id=thing_id):
            raise Conflict(
                f"This {noun.replace('_', ' ')} cannot be deleted: something still refers to it, "
                "perhaps something that has ended.",
                code=f"{noun}_in_use",
            )
