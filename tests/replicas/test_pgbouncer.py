"""Behind a real pgbouncer in transaction mode, with fewer connections to the server than clients: the
tests of the contract, and changes at once."""

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from goldenrod.store.db import Database
from goldenrod.store.migrate import HEAD, migrate, stored_revision
from tests.conftest import Clock
from tests.support.cast import World, build_world
from tests.support.catalogues import Catalogues
from tests.support.client import ApiClient
from tests.support.processes.pgbouncer import pgbouncer
from tests.support.processes.postgres import Cluster
from tests.web.test_contract import (  # collected here again, with the fixtures below
    example,
    test_a_single_version_is_the_contracts,
    test_both_addresses_answer_the_same,
    test_patch_with_the_contracts_body,
    test_the_collection_is_the_contracts,
    test_with_credentials_the_permitted_ones_too,
    test_without_credentials_the_public_ones,
)

pytestmark = pytest.mark.long
__all__ = [
    "example",
    "test_a_single_version_is_the_contracts",
    "test_both_addresses_answer_the_same",
    "test_patch_with_the_contracts_body",
    "test_the_collection_is_the_contracts",
    "test_with_credentials_the_permitted_ones_too",
    "test_without_credentials_the_public_ones",
]

SERVER_CONNECTIONS, THREADS, ROUNDS = 2, 6, 5
IMAGES = "/api/v2/images"


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
def through(
    cluster: Cluster, catalogues: Catalogues, clock: Clock
) -> Iterator[tuple[Database, World]]:
    """A catalogue with the cast, opened through pgbouncer."""
    url, world = catalogues.postgresql_database(build_world)
    with pgbouncer(cluster, urlsplit(url).path[1:], SERVER_CONNECTIONS) as pooled:
        db = Database(pooled, prepare=False, now=clock)
        yield db, world
        db.close()


@pytest.fixture
def db(through: tuple[Database, World]) -> Database:
    return through[0]


@pytest.fixture
def world(through: tuple[Database, World]) -> World:
    return through[1]


def test_changes_at_once_through_few_connections(api: ApiClient, db: Database) -> None:
    """Statements of many clients share two connections to the server, transaction by transaction."""
    wrong: list[Any] = []

    def work(part: int) -> None:
        for number in range(ROUNDS):
            body = {"name": f"by-{part}-{number}"}
            key = {"Idempotency-Key": body["name"]}
            made = [api.post(IMAGES, "charlie", body, headers=key) for _ in range(2)]
            seen = {"Goldenrod-Min-Revision": made[0].headers["goldenrod-revision"]}
            found = api.get(f"{IMAGES}/{made[0].json.get('id')}", "charlie", headers=seen)
            start = found.json.get("start_date")
            if (
                [it.status_code for it in made] != [201, 201]
                or made[0].json["id"] != made[1].json["id"]
                or found.json["name"] != body["name"]
                or not str(start).endswith("Z")
            ):
                wrong.append([it.text for it in (*made, found)])

    threads = [threading.Thread(target=work, args=(part,)) for part in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert wrong == []
    count = api.get(f"{IMAGES}?owner=charlie", "charlie").json["count"]
    assert count == THREADS * ROUNDS
    # The time zone is the client's, whichever connection to the server it gets.
    with db.read() as tx:
        assert tx.sql("SHOW timezone").fetchone()[0] == "UTC"


def test_tables_are_created_through_it_and_settings_that_it_refuses_are_said(
    cluster: Cluster,
) -> None:
    cluster.create("pooled")
    with pgbouncer(cluster, "pooled") as url:
        db = Database(url, prepare=False)
        assert migrate(db) and stored_revision(db) == HEAD
        with db.write(), db.write_unversioned(wait=False):
            pass
        assert db.current_revision().revision == 1
        db.close()
        prepared = Database(url)
        with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
            prepared._driver.connect()
        prepared.close()
    cluster.drop("pooled")
