"""A real server with a real standby: paused, frozen, killed, while callers write and read."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goldenrod.client import Client, ClientError
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.cast import World, build_world
from tests.support.processes.postgres import Cluster
from tests.support.processes.server import linux_only, running, within
from tests.support.processes.standby import standby

pytestmark = [pytest.mark.long, linux_only]

CALLERS = 3


class Caller(threading.Thread):
    """Writes a number and reads it again, over and over, with a client that remembers what it saw."""

    def __init__(self, url: str, token: str, version: str, stop: threading.Event) -> None:
        super().__init__()
        self.server = Client(url, token)
        self.address = f"/image_versions/{version}"
        self.stop = stop
        self.writes = self.reads = 0
        self.stale: list[str] = []
        self.refused: list[str] = []

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self.writes += 1
                self.server.patch(self.address, {"min_cpu": self.writes % 4096})
                for _ in range(4):
                    found = self.server.get(self.address)["min_cpu"]
                    self.reads += 1
                    if found != self.writes % 4096:
                        self.stale.append(f"{self.writes} was written, {found} read")
            except ClientError as error:
                self.refused.append(f"{error.status} {error.code}")
        self.server.close()


@contextmanager
def calling(url: str, world: World) -> Iterator[list[Caller]]:
    stop = threading.Event()
    mine = ("open", "closed", "shared")[:CALLERS]
    callers = [Caller(url, world.secrets["alice"], world.versions[it], stop) for it in mine]
    for caller in callers:
        caller.start()
    try:
        yield callers
    finally:
        stop.set()
        for caller in callers:
            caller.join(60)


def answered(copy: Any) -> Callable[[], int]:
    """How many transactions the standby has run."""
    return lambda: int(copy.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = 'g'"))


def test_callers_read_what_they_wrote_whatever_happens_to_the_standby(tmp_path: Path) -> None:
    with Cluster(synchronous_commit="on") as cluster:
        db = Database(cluster.create("g"))
        migrate(db)
        world = build_world(db)
        db.close()
        with (
            standby(cluster) as copy,
            running(
                db.url,
                tmp_path / "log",
                GOLDENROD_REPLICA_URL=copy.url("g"),
                GOLDENROD_REPLICA_LAG_SECONDS="1",
                GOLDENROD_DELIVER="false",
            ) as server,
        ):
            used = "the replica is used for reads now"
            times = lambda: server.log().count(used)  # noqa: E731
            assert within(20, lambda: times() == 1)
            # Who has seen nothing is answered from it.
            before = answered(copy)()
            reader = Client(server.url)
            for page in range(1, 200):
                reader.revision = None
                reader.get("/image_versions", page_size=page)
            assert within(10, lambda: answered(copy)() > before + 150)
            reader.close()
            with calling(server.url, world) as callers:
                time.sleep(2)
                copy.sql("SELECT pg_wal_replay_pause()")
                time.sleep(4)
                copy.sql("SELECT pg_wal_replay_resume()")
                assert within(20, lambda: times() == 2)
                copy.freeze()
                time.sleep(5)
                copy.thaw()
                assert within(20, lambda: times() == 3)
                copy.kill()
                time.sleep(2)
                copy.start()
                assert within(20, lambda: times() == 4)
                time.sleep(1)
            for caller in callers:
                assert caller.stale == []
                assert caller.refused == []
            assert sum(caller.writes for caller in callers) > 10


def test_a_cancelled_wait_for_the_standby_is_an_unknown_outcome(tmp_path: Path) -> None:
    """PostgreSQL answers such a COMMIT with success and a warning."""
    with Cluster(synchronous_commit="remote_apply") as cluster:
        db = Database(cluster.create("g"))
        migrate(db)
        world = build_world(db)
        db.close()
        with standby(cluster) as copy, running(db.url, tmp_path / "log") as server:
            server_of_alice = Client(server.url, world.secrets["alice"])
            copy.sql("SELECT pg_wal_replay_pause()")
            with psycopg.connect(cluster.url("g"), autocommit=True) as operator:
                operator.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                operator.execute("SELECT pg_reload_conf()")
                waiting = (
                    "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
                    " AND backend_type = 'client backend'"
                )
                outcome: list[str] = []

                def post() -> None:
                    try:
                        server_of_alice.post("/images", {"name": "once"}, idempotency_key="once")
                    except ClientError as error:
                        outcome.append(f"{error.status} {error.code}")

                for end in ("pg_cancel_backend", "pg_terminate_backend"):
                    outcome.clear()
                    thread = threading.Thread(target=post)
                    thread.start()
                    assert within(20, lambda: operator.execute(waiting).fetchone() is not None)
                    operator.execute(f"SELECT {end}(pid) FROM ({waiting}) waiting")
                    thread.join(30)
                    assert outcome == ["503 outcome_unknown"]
                copy.sql("SELECT pg_wal_replay_resume()")
                post()
                found = list(server_of_alice.pages("/images", search="once"))
                assert [it["name"] for it in found] == ["once"]
                server_of_alice.close()
