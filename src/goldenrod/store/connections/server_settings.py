"""What a PostgreSQL server is set to, as far as the catalogue depends on it."""

from goldenrod.store.db import Database

_LOSING = ("fsync", "full_page_writes", "synchronous_commit")


def unsafe(db: Database) -> list[str]:
    """The settings with which the server may lose a change that it has confirmed. SQLite's are set by
    Goldenrod itself."""
    if db.dialect == "sqlite":
        return []
    with db.connection() as connection:
        rows = [(name, connection.execute(f"SHOW {name}").fetchone()[0]) for name in _LOSING]
    return [f"{name} = off" for name, value in rows if value == "off"]


def most_connections(db: Database) -> int | None:
    """How many connections ordinary users may open; None on SQLite."""
    if db.dialect == "sqlite":
        return None
    with db.connection() as connection:
        most = int(connection.execute("SHOW max_connections").fetchone()[0])
        kept = int(connection.execute("SHOW superuser_reserved_connections").fetchone()[0])
    return most - kept
