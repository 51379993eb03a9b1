"""How a database runs a statement."""

import json
from typing import Any

import psycopg

from goldenrod.store.db import Tx
from goldenrod.store.statements import Build, statement


def plan_of(tx: Tx, build: Build, *shape: Any, **params: Any) -> str:
    """The lines of EXPLAIN for a statement with these parameters."""
    ready = statement(tx.dialect, build, *shape)
    given = {n: params[n] if n in params else ready.defaults[n] for n in ready.names}
    if tx.dialect == "sqlite":
        given = {n: json.dumps(it) if isinstance(it, list) else it for n, it in given.items()}
        rows = tx.sql(f"EXPLAIN QUERY PLAN {ready.text}", given).fetchall()
    else:
        cursor = psycopg.RawCursor(tx._connection)
        numbered = [given[name] for name in ready.order]
        rows = cursor.execute(f"EXPLAIN {ready.text}".encode(), numbered).fetchall()
    return "\n".join(str(tuple(row)[-1]) for row in rows)
