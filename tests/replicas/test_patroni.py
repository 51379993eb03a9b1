"""Three nodes under Patroni as in `deploy/patroni/`: what callers see while nodes fail.

Two servers answer: one knows all hosts of the database, the other reaches it through HAProxy. Callers
write through one and read through the other, and remember the newest revision that they saw. Nothing
that was acknowledged may be lost, no read may lack what its own caller saw, and nothing that was
repeated with its key may be there twice. Refusals (503) are allowed, and counted.

`python -m tests.replicas.test_patroni` prints the figures.
"""

import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from goldenrod.client import Client, ClientError
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.cast import World, build_world
from tests.support.processes.patroni import Node, Patroni, patroni
from tests.support.processes.server import linux_only, running

pytestmark = [pytest.mark.long, pytest.mark.alone, linux_only]

WHO = ("alice", "bob", "charlie")
MOST_WAIT_S = 90
"""How long it may take until changes are acknowledged again: the lease, and reconnecting."""


class Caller(threading.Thread):
    """Creates images one after the other, each repeated with its key until it is acknowledged. Reads
    each, and how many there are, through the other server."""

    def __init__(
        self, who: str, begins: str, urls: tuple[str, str], token: str, stop: threading.Event
    ) -> None:
        """`begins`: what the names of its images begin with."""
        super().__init__(daemon=True)
        self.who, self.begins, self.stop = who, begins, stop
        self.servers = [Client(url, token, timeout_s=15) for url in urls]
        self.revision: str | None = None
        self.acknowledged: dict[str, int] = {}
        self.times: list[float] = []
        self.reads = 0
        self.refused: Counter[str] = Counter()
        self.stale: list[str] = []

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            name = f"{self.begins}-{number}"
            writer, reader = self.servers[number % 2], self.servers[(number + 1) % 2]
            made = self.create(writer, name)
            if made is None:
                break
            self.acknowledged[name] = made["id"]
            self.times.append(time.monotonic())
            for _ in range(2):
                self.read(reader, made["id"], name)
            time.sleep(0.02)

    def create(self, server: Client, name: str) -> Any:
        """Repeat it until it is acknowledged; None where it is time to stop."""
        while not self.stop.is_set():
            with suppress(ClientError):
                return self.once(
                    server, lambda: server.post("/images", {"name": name}, idempotency_key=name)
                )
            time.sleep(0.2)
        return None

    def once(self, server: Client, ask: Callable[[], Any]) -> Any:
        server.revision = self.revision
        try:
            return ask()
        except ClientError as error:
            self.refused[f"{error.status} {error.code}"] += 1
            raise
        finally:
            self.revision = server.revision

    def read(self, server: Client, key: int, name: str) -> None:
        listed = {"owner": self.who, "page_size": 1}
        try:
            found = self.once(server, lambda: server.get(f"/images/{key}"))
            count = self.once(server, lambda: server.get("/images", **listed))["count"]
        except ClientError as error:
            if error.status == 404:
                self.stale.append(f"{name} was acknowledged and is not found")
            return
        self.reads += 2
        if found["name"] != name or count < len(self.acknowledged):
            self.stale.append(f"{len(self.acknowledged)} acknowledged, {count} counted")


class Figures(NamedTuple):
    """What one fault did."""

    fault: str
    again_s: float
    """From the fault until changes were acknowledged again to everybody."""
    acknowledged: int
    reads: int
    stale: int
    refused: dict[str, int]


class Trial:
    """Callers on two servers on a cluster, while faults happen."""

    def __init__(self, cluster: Patroni, urls: tuple[str, str], world: World) -> None:
        self.cluster, self.urls, self.world = cluster, urls, world
        self.figures: list[Figures] = []
        self.acknowledged: dict[str, int] = {}

    def during(
        self, fault: str, happens: Callable[[], object], heals: Callable[[], object]
    ) -> None:
        """Have callers call; let something happen; wait until all were acknowledged a change again;
        heal it, and wait for three whole nodes."""
        stop = threading.Event()
        callers = [
            Caller(who, f"{who}-{len(self.figures)}", self.urls, self.world.secrets[who], stop)
            for who in WHO
        ]
        for caller in callers:
            caller.start()
        try:
            time.sleep(3)
            began = time.monotonic()
            happens()
            happened = time.monotonic()

            def back() -> bool:
                return all(len([t for t in it.times if t > happened + 1]) >= 4 for it in callers)

            ends = time.monotonic() + MOST_WAIT_S
            while not back():
                seen = [(len(it.times), dict(it.refused)) for it in callers]
                assert time.monotonic() < ends, f"{fault}: no change is acknowledged: {seen}"
                time.sleep(0.05)
            again = max(_longest_gap(it.times, began) for it in callers)
            heals()
            self.cluster.wait_until_whole()
            time.sleep(2)
        finally:
            stop.set()
            for caller in callers:
                caller.join(60)
        refused: Counter[str] = Counter()
        for caller in callers:
            refused += caller.refused
            self.acknowledged |= caller.acknowledged
        self.figures.append(
            Figures(
                fault,
                again,
                sum(len(it.acknowledged) for it in callers),
                sum(it.reads for it in callers),
                sum(len(it.stale) for it in callers),
                dict(refused),
            )
        )
        print(self.figures[-1], flush=True)
        assert [line for it in callers for line in it.stale] == []


def _longest_gap(times: list[float], since: float) -> float:
    """The longest time without an acknowledged change, from this moment on."""
    later = [it for it in times if it >= since]
    before = max([it for it in times if it < since], default=since)
    return max(b - a for a, b in zip([before, *later], later, strict=False))


def there(cluster: Patroni) -> Counter[str]:
    """How often each image is in the primary, by name."""
    primary = cluster.primary()
    assert primary is not None
    counted = "SELECT name, count(*) AS n FROM images GROUP BY 1"
    text = f"SELECT json_object_agg(name, n) FROM ({counted}) counted"
    return Counter(primary.sql(text, "goldenrod"))


@contextmanager
def trial(directory: Path) -> Iterator[Trial]:
    with patroni() as cluster:
        primary = cluster.primary()
        assert primary is not None
        primary.sql("CREATE DATABASE goldenrod")
        db = Database(cluster.url())
        migrate(db)
        world = build_world(db)
        db.close()
        standbys = cluster.url() + "?load_balance_hosts=random"
        with (
            running(cluster.url(), directory / "all.log", GOLDENROD_REPLICA_URL=standbys) as first,
            running(
                cluster.through_haproxy(),
                directory / "haproxy.log",
                GOLDENROD_REPLICA_URL=cluster.through_haproxy(standbys=True),
            ) as second,
        ):
            yield Trial(cluster, (first.url, second.url), world)


def faults(on: Trial) -> None:
    """All faults, one after the other."""
    cluster = on.cluster
    nodes: dict[str, Node] = {}

    def primary() -> Node:
        found = cluster.primary()
        assert found is not None
        nodes["was"] = found
        return found

    def standby() -> Node:
        nodes["standby"] = next(it for it in cluster.nodes if it is not cluster.primary())
        return nodes["standby"]

    def switch() -> None:
        leader = primary()
        asked = {"leader": leader.name}
        httpx.post(f"{leader.rest}/switchover", json=asked, timeout=30).raise_for_status()

    def freeze_patroni() -> None:
        """Two primaries then accept connections, until Patroni goes on."""
        primary().freeze_patroni()
        cluster.wait_for(lambda: cluster.primary() not in (None, nodes["was"]), "other primary")
        time.sleep(5)

    on.during("switchover under load", switch, lambda: None)
    on.during(
        "replication to one standby paused",
        lambda: standby().sql("SELECT pg_wal_replay_pause()"),
        lambda: nodes["standby"].sql("SELECT pg_wal_replay_resume()"),
    )
    on.during("primary killed", lambda: primary().kill(), lambda: nodes["was"].start_patroni())
    on.during("primary's link cut", lambda: primary().freeze(), lambda: nodes["was"].thaw())
    on.during(
        "Patroni frozen, its PostgreSQL alive",
        freeze_patroni,
        lambda: nodes["was"].thaw(),
    )


def check(on: Trial) -> None:
    """Everything that was acknowledged is there, once."""
    found = there(on.cluster)
    lost = [name for name in on.acknowledged if not found[name]]
    twice = [name for name, times in found.items() if times > 1 and name in on.acknowledged]
    print(
        f"acknowledged {len(on.acknowledged)}, lost {len(lost)}, doubled {len(twice)}", flush=True
    )
    assert lost == [] and twice == []


def test_nothing_acknowledged_is_lost_and_nobody_reads_less_than_they_saw(tmp_path: Path) -> None:
    with trial(tmp_path) as on:
        faults(on)
        check(on)


def main() -> int:
    with tempfile.TemporaryDirectory() as directory, trial(Path(directory)) as on:
        faults(on)
        check(on)
    return 0


if __name__ == "__main__":
    sys.exit(main())
