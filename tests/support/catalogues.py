"""Catalogues for tests to start with: filled once per process, and copied for each test.

On SQLite a test gets a copy of a file. On PostgreSQL, copying a database takes longer than
restoring its rows, so tests share one database; a function in it deletes all rows and inserts the
initial ones. A function fills a catalogue; what it returns (the ids of what it created) is copied
as well.
"""

import copy
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from goldenrod.base.clock import Instant
from goldenrod.store import schema
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.processes.postgres import Cluster

NOON = Instant("2026-06-15T12:00:00.000000Z")
"""When the catalogues were filled."""

Fill = Callable[[Database], Any]
"""Adds things to an empty catalogue, and returns their ids."""

_NUMBERS = count(1)


def nothing(db: Database) -> None:
    """Add nothing: an empty catalogue."""


@dataclass
class _Filled:
    source: Any
    made: Any


class Catalogues:
    """The filled catalogues of this process."""

    def __init__(self, folder: Path, cluster: Callable[[], Cluster]) -> None:
        self._folder = folder
        self._cluster = cluster
        self._files: dict[Fill, _Filled] = {}
        self._databases: dict[Fill, _Filled] = {}
        self._restorers: dict[Fill, _Filled] = {}
        self._shared: Database | None = None

    def close(self) -> None:
        if self._shared:
            self._shared.close()

    def sqlite_file(self, fill: Fill, path: Path) -> tuple[str, Any]:
        """A new SQLite catalogue in this file: its URL, and what `fill` returned."""
        if fill not in self._files:
            self._files[fill] = self._fill_file(fill)
        filled = self._files[fill]
        shutil.copyfile(filled.source, path)
        return f"sqlite:///{path}", copy.deepcopy(filled.made)

    def _fill_file(self, fill: Fill) -> _Filled:
        path = self._folder / f"{fill.__name__}.db"
        url = f"sqlite:///{path}"
        if fill is not nothing:
            self.sqlite_file(nothing, path)
        made = _filled(url, fill)
        db = Database(url)
        with db.connection() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        return _Filled(path, made)

    def postgresql_database(self, fill: Fill) -> tuple[str, Any]:
        """A new PostgreSQL database: its URL, and what `fill` returned."""
        cluster = self._cluster()
        if fill not in self._databases:
            template = f"template_{fill.__name__}"
            if fill is nothing:
                url = cluster.create(template)
            else:
                self.postgresql_database(nothing)
                url = cluster.create(template, f"template_{nothing.__name__}")
            self._databases[fill] = _Filled(template, _filled(url, fill))
        filled = self._databases[fill]
        name = f"catalogue_{os.getpid()}_{next(_NUMBERS)}"
        return cluster.create(name, filled.source), copy.deepcopy(filled.made)

    def postgresql_shared(self, fill: Fill) -> tuple[Database, Any]:
        """The PostgreSQL catalogue that tests share, as `fill` left it, and what `fill` returned."""
        if self._shared is None:
            self._shared = Database(self.postgresql_database(nothing)[0])
        if fill not in self._restorers:
            if fill is not nothing:
                self.postgresql_shared(nothing)
            self._shared.now = lambda: NOON
            made = fill(self._shared)
            self._shared.now = None
            self._restorers[fill] = _Filled(_remember(self._shared, fill.__name__), made)
        filled = self._restorers[fill]
        with self._shared.connection() as connection:
            connection.execute(filled.source)
        return self._shared, copy.deepcopy(filled.made)


def _filled(url: str, fill: Fill) -> Any:
    db = Database(url, now=lambda: NOON)
    migrate(db)
    made = fill(db)
    db.close()
    return made


def _remember(db: Database, name: str) -> str:
    """Copy all rows into other tables. Returns the statement that restores them.

    The catalogue's revision is not restored: it only grows, because caches remember older
    revisions.
    """
    own, others = schema.catalogue.name, []
    with db.connection() as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        for table in schema.metadata.sorted_tables:
            copied = f"CREATE TABLE {name}.{table.name} AS TABLE public.{table.name}"
            filled = connection.execute(copied).rowcount
            if table.name != own:
                others.append((table.name, filled > 0))
        back = [f"DELETE FROM public.{table};" for table, _ in others]
        back += [f"INSERT INTO public.{t} TABLE {name}.{t};" for t, filled in others if filled]
        sequences = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
        for sequence, last in connection.execute(sequences).fetchall():
            back.append(f"PERFORM setval('public.{sequence}', {last or 1}, {last is not None});")
        # Its columns, except the revision and the one that equals it, are restored like rows.
        revisions = ("revision", "counts_until")
        columns = ", ".join(c.name for c in schema.catalogue.columns if c.name not in revisions)
        back.append(
            f"UPDATE public.{own} SET revision = revision + 1, counts_until = revision + 1,"
            f" ({columns}) ="
            f" (SELECT {columns} FROM {name}.{own});"
        )
        # As a replica, PostgreSQL does not check foreign keys.
        connection.execute(
            f"CREATE FUNCTION {name}.restore() RETURNS void LANGUAGE plpgsql"
            " SET session_replication_role = replica"
            f" AS $$ BEGIN {' '.join(back)} END $$"
        )
    return f"SELECT {name}.restore()"
