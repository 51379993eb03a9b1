"""Fixtures: both databases, a clock that tests move, the app as a client, and the cast.

`db` runs a test once on SQLite and once on a real PostgreSQL. The catalogue is empty, or contains
the cast if the test uses `world`. `clock` moves the time on both databases.
"""

import gc
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from goldenrod.base import config
from goldenrod.base.clock import Instant, later
from goldenrod.catalogue.accounts import password_hashing
from goldenrod.store.db import Database
from tests.support.cast import World, build_world
from tests.support.catalogues import NOON, Catalogues, nothing
from tests.support.client import ApiClient
from tests.support.listened_argon2 import Argon2
from tests.support.pages.visitor import Visitor
from tests.support.processes.postgres import Cluster

# Checking a password is slow on purpose, but tests check hundreds.
password_hashing.HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

BACKENDS = ("sqlite", "postgresql")
POSTGRESQL_IS_LONG = ("sqlite", pytest.param("postgresql", marks=pytest.mark.long))
"""Both databases, but PostgreSQL only in `make test-long`: for a module's fixture whose tests look at
every page or every id, whose behaviour other tests check on both. Single tests are marked
`long_on_postgresql` instead."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests with a `visitor`, or marked `long_on_postgresql`, to `make test-long` on PostgreSQL.
    Pages call the functions that the API calls; `tests/web/pages/test_private_names.py` compares pages
    on both databases."""
    for item in items:
        chosen = getattr(item, "callspec", None)
        on_postgresql = chosen and "postgresql" in chosen.params.values()
        of_pages = "visitor" in getattr(item, "fixturenames", ())
        if on_postgresql and (of_pages or item.get_closest_marker("long_on_postgresql")):
            item.add_marker(pytest.mark.long)


def pytest_collection_finish() -> None:
    """Exclude the objects that exist now from garbage collection, as they live until the end. To check
    them repeatedly would cost a fifth of the processor time of all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 10, 1_000)


class Clock:
    """The time of a test: it stays the same until the test moves it."""

    def __init__(self, now: Instant = NOON) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now

    def move(self, **span: float) -> Instant:
        """Move the time forward by timedelta(**span)."""
        self.now = later(self.now, **span)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this test process, started by the first test that uses it."""
    with Cluster() as running:
        yield running


@pytest.fixture(scope="session")
def catalogues(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Catalogues]:
    """The filled catalogues of this process, which tests copy."""
    folder = tmp_path_factory.mktemp("catalogues")
    made = Catalogues(folder, lambda: request.getfixturevalue("cluster"))
    yield made
    made.close()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def new_database(tmp_path: Path, catalogues: Catalogues) -> Iterator[Callable[[str], Database]]:
    """Creates new, migrated catalogues on "sqlite" or "postgresql", with the machine's clock."""
    opened: list[Database] = []
    numbers = count(1)

    def make(backend: str) -> Database:
        if backend == "sqlite":
            path = tmp_path / f"catalogue-{next(numbers)}.db"
            url, _ = catalogues.sqlite_file(nothing, path)
        else:
            url, _ = catalogues.postgresql_database(nothing)
        made = Database(url)
        opened.append(made)
        return made

    yield make
    for made in opened:
        made.close()


@pytest.fixture
def sqlite_db(new_database: Callable[[str], Database], clock: Clock) -> Database:
    made = new_database("sqlite")
    made.now = clock
    return made


@pytest.fixture
def _catalogue(
    request: pytest.FixtureRequest, backend: str, clock: Clock, catalogues: Catalogues
) -> Iterator[tuple[Database, World | None]]:
    """A catalogue on each database: with the cast if the test uses `world`, otherwise empty."""
    fill = build_world if "world" in request.fixturenames else nothing
    if backend == "sqlite":
        path: Path = request.getfixturevalue("tmp_path") / "catalogue.db"
        url, world = catalogues.sqlite_file(fill, path)
        made = Database(url, now=clock)
        yield made, world
        made.close()
        return
    shared, world = catalogues.postgresql_shared(fill)
    shared.now = clock
    yield shared, world
    shared.now = None
    shared.trace = None


@pytest.fixture
def db(_catalogue: tuple[Database, World | None]) -> Database:
    """A catalogue on each database, with the time of `clock`; empty without `world`."""
    return _catalogue[0]


@pytest.fixture
def world(_catalogue: tuple[Database, World | None]) -> World:
    """The cast and their things (`support/cast.py`)."""
    db, made = _catalogue
    return made or build_world(db)


@pytest.fixture
def api(db: Database, world: World) -> ApiClient:
    """A client of the app that sends requests as one of the cast: `api.get("/images", "alice")`."""
    return ApiClient(db, config.load({}), world)


@pytest.fixture
def visitor(db: Database, world: World) -> Visitor:
    """A browser on the catalogue of the cast: `visitor.sign_in("alice")`. Pages are not cached, so that
    the statements of each request can be counted."""
    return Visitor(db, config.load({"GOLDENROD_CACHE_MB": "0"}))


@pytest.fixture
def dora(visitor: Visitor) -> Visitor:
    """A browser in which dora, a staff user, is signed in."""
    visitor.sign_in("dora")
    return visitor


@pytest.fixture
def argon2(monkeypatch: pytest.MonkeyPatch) -> Argon2:
    """The hashing of passwords for signing in, with every call recorded."""
    listened = Argon2()
    monkeypatch.setattr(password_hashing, "HASHER", listened)
    return listened
