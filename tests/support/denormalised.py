"""The stored values that versions repeat of their images."""

from typing import Any

from sqlalchemy import select

from goldenrod.store import schema
from goldenrod.store.db import Tx

REPEATED = (
    *("n", "public", "owner_id", "created_by_id"),
    *("opens_at", "closes_at", "ends_at", "not_current_from"),
)


def derived(tx: Tx) -> list[Any]:
    """All repeated values. They are equal before and after they are computed again."""
    return [
        [tuple(row.values()) for row in tx.rows(_rows, table, names)]
        for table, names in (
            ("versions", REPEATED),
            ("images", ("id", "one_line", "newest_release")),
            ("shares", tuple(schema.shares.c.keys())),
        )
    ]


def _rows(table: str, names: tuple[str, ...]) -> Any:
    columns = [schema.metadata.tables[table].c[name] for name in names]
    return select(*columns).order_by(*columns)
