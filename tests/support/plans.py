"""How a database runs a statement."""

from typing import Any

from goldenrod.store.db import Tx
from goldenrod.store.statements import Build, execute, statement


def plan_of(tx: Tx, build: Build, *shape: Any, **params: Any) -> str:
    """The lines of EXPLAIN for a statement with these parameters."""
    ready = statement(tx.dialect, build, *shape)
    explain = "EXPLAIN QUERY PLAN" if tx.dialect == "sqlite" else "EXPLAIN"
    given = ready.arguments(params)
    rows = execute(tx._connection, f"{explain} {ready.text}", given).fetchall()
    return "\n".join(str(tuple(row)[-1]) for row in rows)
