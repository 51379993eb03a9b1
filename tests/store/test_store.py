"""The store: snapshots, changes that are whole or nothing, and a database that is away or busy."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from goldenrod.base import config
from goldenrod.base.clock import Instant
from goldenrod.base.errors import NotFound, Unavailable
from goldenrod.catalogue.images import images
from goldenrod.rules.access import CONSOLE
from goldenrod.rules.changes import mutations
from goldenrod.store import paging, schema
from goldenrod.store.connections import drivers as store
from goldenrod.store.connections.drivers import sqlite_path
from goldenrod.store.db import Database, Tx
from goldenrod.store.migrate import migrate
from tests.support.cast import World, build_world
from tests.support.client import ApiClient, code
from tests.support.processes.postgres import Cluster

DAY_ONE = Instant("2026-01-01T00:00:00.000000Z")


def add_user(tx: Tx, name: str) -> int:
    return tx.insert(
        schema.users,
        uuid=mutations.new_uuid(),
        username=name,
        name_key=name,
        is_staff=False,
        active=True,
        password_hash=None,
        start_date=DAY_ONE,
    )


def _count(name: str) -> Any:
    return select(func.count()).select_from(schema.metadata.tables[name])


def users(db: Database) -> int:
    with db.read() as tx:
        return int(tx.value(_count, "users"))


def revision(db: Database) -> int:
    with db.read() as tx:
        return tx.revision


# ── snapshots ──────────────────────────────────────────────────────────────────────────────


def test_a_read_is_one_snapshot(db: Database) -> None:
    other = Database(db.url)
    with db.read() as tx:
        before, number = tx.value(_count, "users"), tx.revision
        with other.write() as writing:
            add_user(writing, "eve")
            assert writing.revision == number + 1
        assert tx.value(_count, "users") == before
    with db.read() as tx:
        assert (tx.value(_count, "users"), tx.revision) == (before + 1, number + 1)
    other.close()


def test_a_lists_count_and_rows_are_of_one_snapshot(db: Database, world: World) -> None:
    """An image is made between the two statements; the page knows nothing of it."""
    other = Database(db.url)

    class Meanwhile(list[str]):
        made = 0

        def append(self, text: str) -> None:
            if "LIMIT" in text:
                with other.write() as tx:
                    alice = world.actor(tx, "alice")
                    images.create_image(tx, alice, images.NewImage(name=f"new {self.made}"))
                Meanwhile.made += 1

    def page() -> tuple[int, int]:
        with db.read() as tx:
            found = images.IMAGES.page(tx, CONSOLE, paging.parse(images.IMAGES.listing, {}))
            return found.count, len(found.results)

    assert page() == (6, 6)
    db.trace = Meanwhile()
    try:
        assert [page(), page()] == [(6, 6), (7, 7)]
    finally:
        db.trace = None
        other.close()
    assert Meanwhile.made == 2
    assert page() == (8, 8)


# ── whole or nothing ───────────────────────────────────────────────────────────────────────


class Stop(Exception):
    pass


def test_a_change_that_fails_leaves_nothing(db: Database) -> None:
    before, number = users(db), revision(db)
    with pytest.raises(Stop), db.write() as tx:
        add_user(tx, "eve")
        raise Stop
    assert (users(db), revision(db)) == (before, number)


def test_a_statement_that_fails_leaves_nothing(db: Database) -> None:
    before = users(db)
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)), db.write() as tx:
        add_user(tx, "eve")
        add_user(tx, "eve")
    assert users(db) == before


def test_a_refused_post_leaves_nothing(api: ApiClient, db: Database, world: World) -> None:
    """The second machine is refused when the version and the first are written already."""

    def rows() -> dict[str, int]:
        with db.read() as tx:
            names = [name for name in schema.metadata.tables if not name.endswith("_words")]
            return {name: tx.value(_count, name) for name in names} | {"revision": tx.revision}

    # The first use of the token is noted once, apart from this.
    api.get("/image_versions", "alice")
    before = rows()
    machine = {"provider": "east", "identifier": "twice"}
    body = {"name": "2", "image": world.images["open"], "machines": [machine, machine]}
    answer = api.post("/image_versions", "alice", body, headers={"Idempotency-Key": "k"})
    assert code(answer) == "409 machine_taken"
    assert rows() == before


# ── connections ────────────────────────────────────────────────────────────────────────────


def test_errors_leak_no_connections(
    new_database: Callable[[str], Database], backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "POOL_TIMEOUT_S", 0.5)
    small = Database(new_database(backend).url, pool=2)
    try:
        for failing in (Stop, NotFound, KeyboardInterrupt, GeneratorExit):
            for opened in (small.read, small.write, small.write_unversioned) * 2:
                with pytest.raises(failing), opened() as tx:
                    assert tx.value(_count, "users") == 0
                    raise failing
        for opened in (small.read, small.write):
            with pytest.raises((sqlite3.Error, psycopg.Error)), opened() as tx:
                tx.sql("SELECT no_such_column FROM users")
        # Both connections are free; a third is not to be had.
        with small.read(), small.read():
            began = time.monotonic()
            with pytest.raises(Unavailable), small.read():
                pass
            assert time.monotonic() - began < 5
        assert users(small) == 0
    finally:
        small.close()


def test_connections_that_were_cut_are_replaced(
    new_database: Callable[[str], Database], cluster: Cluster
) -> None:
    db = new_database("postgresql")
    assert users(db) == 0
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [db.url.partition("@/")[2].partition("?")[0]],
        )
    assert users(db) == 0


def test_connections_to_postgresql_have_memory_for_searches(cluster: Cluster) -> None:
    """Without it, a word that 250,000 versions have is looked for longer than a read may take."""
    db = Database(cluster.create("memory"))
    with db.connection() as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("32MB",)
    db.close()
    cluster.drop("memory")


# ── busy or away ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def impatient(sqlite_db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiClient]:
    """The app on SQLite, which waits for another writer 50 milliseconds only."""
    world = build_world(sqlite_db)
    monkeypatch.setattr(store, "BUSY_TIMEOUT_MS", 50)
    opened = Database(sqlite_db.url)
    yield ApiClient(opened, config.load({}), world)
    opened.close()


def test_a_busy_sqlite_refuses_changes_and_answers_reads(
    impatient: ApiClient, sqlite_db: Database
) -> None:
    other = sqlite3.connect(sqlite_path(sqlite_db.url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused = impatient.post("/api/v2/images", "alice", {"name": "n"})
    assert code(refused) == "503 database_unavailable"
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["cache-control"] == "no-store"
    # A token's first use, to be noted some other time, too.
    assert impatient.get("/api/v2/images", "alice").json["count"] == 6
    assert impatient.get("/image_versions").status_code == 200
    other.execute("ROLLBACK")
    other.close()
    assert impatient.post("/api/v2/images", "alice", {"name": "n"}).status_code == 201


HOLDING = """
import sqlite3, sys, time
changing = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
print("changing", flush=True)
while True:
    changing.execute("BEGIN IMMEDIATE")
    changing.execute("UPDATE catalogue SET one = one")
    time.sleep(0.003)
    changing.execute("COMMIT")
    time.sleep(0.0001)  # it composes its next change
"""


def test_a_process_that_makes_change_after_change_lets_others_make_theirs(
    sqlite_db: Database,
) -> None:
    """Nobody is refused after 5 seconds."""
    took: list[float] = []
    path = sqlite_path(sqlite_db.url)
    with subprocess.Popen([sys.executable, "-c", HOLDING, path], stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() == b"changing\n"
        try:
            for _ in range(30):
                time.sleep(0.01)  # so that the other has the lock again
                began = time.monotonic()
                with sqlite_db.write():
                    took.append(time.monotonic() - began)
        finally:
            other.kill()
    assert len(took) == 30 and max(took) > 0.001, "nobody held the lock"
    assert sum(took) < 3, "looking every tenth of a second would take longer"


OUTAGE_S = 4
BACK_S = 2.5


class Halting(Cluster):
    """A PostgreSQL that is stopped and started again with what it has."""

    def halt(self) -> None:
        assert self._server
        self._server.send_signal(signal.SIGINT)
        self._server.wait(30)

    def resume(self) -> None:
        assert self._server
        self._server = self._run(list(self._server.args))  # type: ignore[call-overload]
        self._wait_until_ready()


def test_a_database_that_was_away_comes_back_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "POOL_TIMEOUT_S", 1.0)
    with Halting() as cluster:
        cluster.create("catalogue")
        db = Database(cluster.url("catalogue"))
        try:
            migrate(db)
            world = build_world(db)
            api = ApiClient(db, config.load({}), world)
            assert api.get("/image_versions").json["count"] == 1
            cluster.halt()
            away = [
                api.get("/image_versions"),
                api.get("/image_versions", "alice"),
                api.get("/nowhere"),
                api.post("/api/v2/images", "alice", {"name": "n"}),
                api.post("/api/v2/tokens", None, {"username": "alice", "password": "x"}),
            ]
            for answer in away:
                assert code(answer) == "503 database_unavailable"
                assert int(answer.headers["retry-after"]) >= 1
                assert "postgres" not in answer.text.lower()
                assert "goldenrod-pg" not in answer.text
            # A pool that waits ever longer between its tries would come back late each time; a busy
            # machine is late once.
            for _ in range(3):
                # Long enough for such a pool.
                until = time.monotonic() + OUTAGE_S
                while time.monotonic() < until:
                    assert api.get("/image_versions").status_code == 503
                cluster.resume()
                back = time.monotonic()
                while api.get("/image_versions").status_code != 200:
                    assert time.monotonic() - back < 60
                soon = time.monotonic() - back < BACK_S
                if soon:
                    break
                cluster.halt()
            assert soon, "it does not come back soon"
            assert api.post("/api/v2/images", "alice", {"name": "n"}).status_code == 201
        finally:
            db.close()


# ── the same text from both ────────────────────────────────────────────────────────────────

INSTANTS = (
    "0001-01-01T00:00:00.000000Z",
    "0999-12-31T23:59:59.999999Z",
    "1582-10-10T12:00:00.500000Z",
    "2015-10-11T10:50:50.123456Z",
    "2024-02-29T00:00:00.100000Z",
    "2026-03-29T01:30:00.000001Z",
    "9999-12-31T23:59:59.999999Z",
)


def _dates() -> Any:
    image = schema.images
    return select(image.c.uuid, image.c.start_date, image.c.end_date).order_by(image.c.id)


def test_instants_and_ids_are_the_same_text(api: ApiClient, db: Database) -> None:
    for instant in INSTANTS:
        body = {"name": "n", "start_date": instant, "end_date": instant, "slug": f"n{instant[:4]}"}
        made = api.post("/api/v2/images", "alice", body)
        assert made.status_code == 201, made.text
        assert (made.json["start_date"], made.json["end_date"]) == (instant, instant)
        found = api.get(f"/api/v2/images/{made.json['uuid']}", "alice").json
        assert found == made.json
        assert found["uuid"] == found["uuid"].lower()
        with db.read() as tx:
            row = tx.rows(_dates)[-1]
        assert row == {"uuid": found["uuid"], "start_date": instant, "end_date": instant}
    listed = api.all("/api/v2/images?name=n&ordering=end_date&page_size=2", "alice")
    assert [image["end_date"] for image in listed] == list(INSTANTS)


def test_now_is_an_instant_on_the_databases_clock(
    new_database: Callable[[str], Database], backend: str
) -> None:
    db = new_database(backend)
    readings = []
    for opened in (db.read, db.write, db.write_unversioned):
        with opened() as tx:
            readings.append(tx.now)
    assert readings == sorted(readings)
    assert {len(now) for now in readings} == {27}
    assert all(now[10] == "T" and now[19] == "." and now[-1] == "Z" for now in readings)
