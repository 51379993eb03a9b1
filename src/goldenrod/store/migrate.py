"""Migrations: bring a catalogue's tables to what this version of Goldenrod needs.

They are applied at start under a lock, all in one transaction. A failed migration changes nothing, and
two processes that start at once both succeed. A start with nothing to do only reads the stored
revision, and whether a server of an earlier release left columns for this one to fill in.

The first two digits of a revision are those of a minor version: 00 is 0.1, the next one is 01. Within a
minor version, migrations only add (tests/store/test_additive_migrations.py). So a release works on the
tables of later releases of its minor version, and servers can be replaced one by one, and put back.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from goldenrod.base.architectures import normal_architecture
from goldenrod.base.errors import SettingError
from goldenrod.base.text import identifier_key
from goldenrod.store import schema
from goldenrod.store.connections import postgresql
from goldenrod.store.connections.drivers import sqlite_path
from goldenrod.store.connections.sqlite_locks import BUSY_TIMEOUT_MS, use_wal
from goldenrod.store.db import Database

HEAD = "0016"
"""The newest revision in `migrations/versions`; a test compares the two."""

_LOCK = 0x676F6C64
"""PostgreSQL's advisory lock that migrations take: any number, always this one."""


def is_current(db: Database) -> bool:
    """Whether the tables have all that this version needs: its own migrations, or also those of a later
    release of the same minor version."""
    stored = stored_revision(db)
    return stored is not None and stored[:2] == HEAD[:2] and stored >= HEAD


def stored_revision(db: Database) -> str | None:
    """The revision that the catalogue's tables are at; None for an empty database."""
    with db.connection() as connection:
        if db.dialect == "sqlite":
            exists = "SELECT name FROM sqlite_master WHERE name = 'alembic_version'"
        else:
            exists = "SELECT to_regclass('alembic_version')"
        row = connection.execute(exists).fetchone()
        if row is None or row[0] is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])


def migrate(db: Database) -> bool:
    """Apply the missing migrations; return whether there were any. Raises SettingError for a catalogue
    of a newer release."""
    if is_current(db):
        _fill_in(db)
        return False
    from alembic.command import upgrade
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = _engine(db.url)
    try:
        with _locked(engine) as connection:
            config.attributes["connection"] = connection
            upgrade(config, "head")
    except CommandError as wrong:
        raise SettingError(
            f"this catalogue was written by a newer Goldenrod, or is not a catalogue: {wrong}"
        ) from None
    finally:
        engine.dispose()
    return True


def _fill_in(db: Database) -> None:
    """Fill in the columns of migration 0008 where a server that did not know them added a machine."""
    with db.connection() as connection:
        found = connection.execute(
            "SELECT id, identifier, architecture FROM machines WHERE identifier_key = ''"
        ).fetchall()
    if not found:
        return
    with db.write() as tx:
        for number, identifier, architecture in found:
            tx.update(
                schema.machines,
                {"id": number},
                identifier_key=identifier_key(identifier),
                architecture=normal_architecture(architecture),
                architecture_given=architecture,
            )


def _engine(url: str) -> sa.Engine:
    if url.startswith("sqlite:"):
        path = sqlite_path(url)

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(path, isolation_level=None)
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS * 6}")
            use_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")
            return connection

        engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)
        sa.event.listen(engine, "begin", _begin_immediate)
        return engine
    # The driver's own reading of the URL: SQLAlchemy's knows one host only.
    return sa.create_engine(
        "postgresql+psycopg://", creator=lambda: postgresql.connect(url), poolclass=sa.NullPool
    )


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _locked(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        yield connection
