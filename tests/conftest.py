"""Fixtures: both databases, a clock that tests move, the app as a client, and the cast.

`db` runs a test once on SQLite and once on a real PostgreSQL, each time on an empty, migrated
catalogue. Times are moved with `clock`, on both.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from goldenrod.base import config
from goldenrod.base.clock import Instant, later
from goldenrod.catalogue import people, sign_in
from goldenrod.store import schema
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.cast import World, build_world
from tests.support.client import Door
from tests.support.postgres import Cluster
from tests.support.visitor import Visitor

# What makes passwords safe is that checking one is slow; tests make hundreds.
people.HASHER = sign_in.HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

BACKENDS = ("sqlite", "postgresql")
NOON = Instant("2026-06-15T12:00:00.000000Z")


class Clock:
    """The time, as a test wants it: stands still until it is moved."""

    def __init__(self, now: Instant = NOON) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now

    def move(self, **span: float) -> Instant:
        """Move time on by a timedelta(**span)."""
        self.now = later(self.now, **span)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this test process, started when the first test asks for it."""
    with Cluster() as running:
        yield running


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite catalogue to copy."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    made = Database(f"sqlite:///{path}")
    migrate(made)
    with made.connection() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    made.close()
    return path


@pytest.fixture(scope="session")
def postgresql(cluster: Cluster) -> Iterator[Database]:
    """One migrated PostgreSQL catalogue for the tests of this process; emptied before each."""
    cluster.create("shared")
    shared = Database(cluster.url("shared"))
    migrate(shared)
    yield shared
    shared.close()


def empty(db: Database) -> None:
    """Delete all rows and begin all ids anew: faster than TRUNCATE on tables this small."""
    with db.connection() as connection:
        connection.execute("BEGIN")
        connection.execute("UPDATE versions SET parent_n = NULL WHERE parent_n IS NOT NULL")
        for table in reversed(schema.metadata.sorted_tables):
            if table.name != "catalogue":
                connection.execute(f"DELETE FROM {table.name}")
                for column in table.primary_key:
                    if column.autoincrement is True:
                        sequence = f"{table.name}_{column.name}_seq"
                        connection.execute(f"ALTER SEQUENCE {sequence} RESTART")
        connection.execute("COMMIT")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def new_database(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> Iterator[Callable[[str], Database]]:
    """Makes fresh, migrated catalogues on "sqlite" or "postgresql", on the machine's clock."""
    opened: list[Database] = []
    numbers = count(1)

    def make(backend: str) -> Database:
        if backend == "sqlite":
            path = tmp_path / f"catalogue-{next(numbers)}.db"
            shutil.copy(request.getfixturevalue("template"), path)
            made = Database(f"sqlite:///{path}")
        else:
            cluster: Cluster = request.getfixturevalue("cluster")
            name = f"fresh_{os.getpid()}_{next(_DATABASES)}"
            cluster.create(name)
            made = Database(cluster.url(name))
            migrate(made)
        opened.append(made)
        return made

    yield make
    for made in opened:
        made.close()


_DATABASES = count(1)


@pytest.fixture
def sqlite_db(new_database: Callable[[str], Database], clock: Clock) -> Database:
    made = new_database("sqlite")
    made.now = clock
    return made


@pytest.fixture
def db(request: pytest.FixtureRequest, backend: str, clock: Clock) -> Iterator[Database]:
    """An empty catalogue on each database, whose time is `clock`."""
    if backend == "sqlite":
        yield request.getfixturevalue("sqlite_db")
        return
    shared: Database = request.getfixturevalue("postgresql")
    empty(shared)
    shared.now = clock
    yield shared
    shared.now = None
    shared.trace = None


@pytest.fixture
def world(db: Database) -> World:
    """The cast and their things (`support/cast.py`)."""
    return build_world(db)


@pytest.fixture
def door(db: Database, world: World) -> Door:
    """The app, asked as one of the cast: `door.get("/images", "alice")`."""
    return Door(db, config.load({}), world)


@pytest.fixture
def visitor(db: Database, world: World) -> Visitor:
    """A browser at the cast's catalogue: `visitor.sign_in("alice")`. No page is kept, so that what
    each does can be counted."""
    return Visitor(db, config.load({"GOLDENROD_CACHE_MB": "0"}))
