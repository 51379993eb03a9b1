"""A seeded slice of the fuzzing: the same requests every time, few enough for every run.

`python -m tests.support.fuzzing MINUTES` is the long run, on both databases, with ever new seeds.
"""

import pytest

from goldenrod.store.db import Database
from tests.support.fuzzing.schemathesis_runs import Outcome, furnished, fuzz

pytestmark = pytest.mark.long

SEED = 20260615


def found_nothing(outcome: Outcome, least: int) -> None:
    """No failure, and that many requests at least were sent and taken in part."""
    assert not outcome.failures, "\n\n".join(f"{k}\n{v}" for k, v in outcome.failures.items())
    assert outcome.cases >= least
    assert outcome.statuses[200] > 0, outcome.statuses
    assert not [status for status in outcome.statuses if status >= 500]


def test_what_the_anonymous_may_read(sqlite_db: Database) -> None:
    world = furnished(sqlite_db)
    found = fuzz(sqlite_db, world, None, seed=SEED, examples=1, phases=("coverage",), method="GET")
    found_nothing(found, 500)


def test_what_the_anonymous_may_ask_changes_nothing(sqlite_db: Database) -> None:
    world = furnished(sqlite_db)
    with sqlite_db.read() as tx:
        before = tx.revision
    found = fuzz(
        sqlite_db,
        world,
        None,
        seed=SEED,
        examples=5,
        phases=("coverage", "fuzzing"),
        method="POST",
        path_regex="/lookup$",
    )
    found_nothing(found, 50)
    with sqlite_db.read() as tx:
        assert tx.revision == before


@pytest.mark.parametrize("part", ["^/image_versions", "^/api/v2/(?!image_versions)"])
def test_systematic_cases_of_a_user(sqlite_db: Database, part: str) -> None:
    world = furnished(sqlite_db)
    found = fuzz(
        sqlite_db,
        world,
        "alice",
        seed=SEED,
        examples=1,
        phases=("examples", "coverage"),
        path_regex=part,
    )
    found_nothing(found, 500)


def test_random_cases_of_staff(sqlite_db: Database) -> None:
    world = furnished(sqlite_db)
    found = fuzz(
        sqlite_db,
        world,
        "dora",
        seed=SEED,
        examples=2,
        phases=("fuzzing",),
        method="POST",
    )
    found_nothing(found, 25)
    assert found.statuses[201] > 0, "nothing was created"


def test_a_smaller_slice_on_postgresql(postgresql_db: Database) -> None:
    world = furnished(postgresql_db)
    found = fuzz(
        postgresql_db,
        world,
        "alice",
        seed=SEED,
        examples=1,
        phases=("coverage",),
        path_regex="^/image_versions$",
    )
    found_nothing(found, 300)


@pytest.fixture
def postgresql_db(new_database) -> Database:
    """An empty catalogue on PostgreSQL, on the machine's clock."""
    made: Database = new_database("postgresql")
    return made
