"""Deletion: a thing can be deleted only if nothing refers to it, not even something that has ended."""

from sqlalchemy import Table, exists, select

from goldenrod.base.errors import Conflict
from goldenrod.store.db import Tx
from goldenrod.store.sql import Key, param


def _is_referred_to(table: Table, column: str) -> object:
    return select(exists().where(table.c[column] == param("id", Key)))


def require_unused(tx: Tx, thing_id: int, resource: str, *uses: tuple[Table, str]) -> None:
    """Raise Conflict (`<resource>_in_use`) if a row of one of the tables refers to the thing."""
    for table, column in uses:
        if tx.value(_is_referred_to, table, column, id=thing_id):
            raise Conflict(
                f"This {resource.replace('_', ' ')} cannot be deleted: something still refers to it, "
                "perhaps something that has ended.",
                code=f"{resource}_in_use",
            )
