"""The stored values that versions repeat of their images, and the stored counts of versions."""

from typing import Any

from sqlalchemy import func, select

from goldenrod.rules.visibility import placement_counts, stored_counts
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


def stored(tx: Tx) -> dict[int | str, int]:
    """The stored count of each scope and each placement that has any."""
    return {row["of"]: row["n"] for table in _COUNTS for row in tx.rows(_stored, table)}


_COUNTS = {"scope_counts": "scope", "placement_counts": "placement"}


def _stored(table: str) -> Any:
    counts = schema.metadata.tables[table].c
    return select(counts[_COUNTS[table]].label("of"), counts.n).where(counts.n != 0)


def counted(tx: Tx) -> dict[int | str, int]:
    """The same, counted again for the instant of the stored counts."""
    again: dict[int | str, int] = {
        row["scope"]: row["n"] for row in tx.rows(stored_counts._contribution, None)
    }
    again |= placement_counts.counter(tx.rows(placement_counts.contribution, None))
    again[stored_counts.ALL] = tx.value(_all)
    return {of: n for of, n in again.items() if n}


def _all() -> Any:
    return select(func.count()).select_from(schema.versions)


def _rows(table: str, names: tuple[str, ...]) -> Any:
    columns = [schema.metadata.tables[table].c[name] for name in names]
    return select(*columns).order_by(*columns)
