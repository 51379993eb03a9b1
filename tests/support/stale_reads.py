"""The long run: `python -m tests.support.stale_reads READS` reads while another process writes and
time passes.

The writer publishes numbered change logs and names, and versions that start in a moment; between them
it changes an image that nobody reads. It announces each change after its commit has returned. The
reader notes what was announced and the time, sends a request, and compares: an answer must include
everything that was announced before the request, and every start before it. One of the versions that
are read shows the name of another image's. The run exits with 1 if an answer was stale.
"""

import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, NamedTuple

from goldenrod.base import clock, config, wire
from goldenrod.catalogue.versions import publish, versions
from goldenrod.rules.access import Actor
from goldenrod.store.db import Database, Tx
from goldenrod.store.migrate import migrate
from tests.support.actions import made
from tests.support.cast import World, build_world
from tests.support.client import ApiClient
from tests.support.processes.postgres import Cluster

READERS = 4
PAUSES_S = (0.0, 0.001, 0.02)
"""Pauses between writes, in turns: none, about as long as a read, long enough for many reads."""
SOON_MS = 30


class Told(NamedTuple):
    """What the writer has announced: the numbers of its last change and of its last name, and the
    latest start of a version, in microseconds since 1970."""

    number: "Synchronized[int]"
    name: "Synchronized[int]"
    start: "Synchronized[int]"


def write(url: str, world: World, told: Told, stop: Any) -> None:
    """Change what the reader reads, until `stop` is set."""
    db = Database(url, pool=1)
    number = 0
    while not stop.wait(PAUSES_S[number // 50 % len(PAUSES_S)]):
        number += 1
        starts = None
        with db.write() as tx:
            _edit(tx, world, "ended", wire.VersionPatch(change_log=str(number)))
        with db.write() as tx:
            patch = wire.VersionPatch(change_log=str(number))
            if number % 7 == 0:
                patch = wire.VersionPatch(change_log=str(number), name=f"n{number}")
            alice = _edit(tx, world, "open", patch)
            if number % 10 == 0:
                starts = clock.later(tx.now, milliseconds=SOON_MS)
                body = wire.NewVersion(
                    name=f"starts {starts}", image=world.images["open"], start_date=starts
                )
                publish.create_version(tx, alice, body)
        told.number.value = number
        if number % 7 == 0:
            told.name.value = number
        if starts:
            told.start.value = clock.to_micros(starts)
    db.close()


def _edit(tx: Tx, world: World, image: str, patch: wire.VersionPatch) -> Actor:
    alice = world.actor(tx, "alice")
    row = versions.VERSIONS.row_for_change(tx, alice, world.versions[image])
    publish.edit_version(tx, alice, row, patch)
    return alice


@contextmanager
def writing(url: str, world: World) -> Iterator[Told]:
    """Another process that writes until the block ends."""
    context = multiprocessing.get_context("spawn")
    told = Told(*(context.Value("q", 0) for _ in Told._fields))
    stop = context.Event()
    process = context.Process(target=write, args=(url, world, told, stop), daemon=True)
    process.start()
    try:
        while not told.start.value:
            assert process.is_alive()
            time.sleep(0.01)
        yield told
    finally:
        stop.set()
        process.join(30)
        assert process.exitcode == 0


class Reader(threading.Thread):
    """Reads one version, one that is built on it, and the starts of the newest versions, all together
    this number of times. `stale` lists the wrong answers."""

    def __init__(self, api: ApiClient, world: World, derived: str, told: Told, reads: int) -> None:
        super().__init__()
        self.api, self.told, self.reads = api, told, reads
        self.one = f"/image_versions/{world.versions['open']}"
        self.derived = f"/image_versions/{derived}"
        self.newest = "/image_versions?ordering=-start_date&page_size=20&image_id=open-image"
        self.seen: set[int] = set()
        self.stale: list[str] = []

    def run(self) -> None:
        looks = (self.read_one, self.read_derived, self.read_newest)
        for read in range(self.reads):
            looks[read % 3]((None, "charlie")[read // 3 % 2])

    def read_one(self, who: str | None) -> None:
        told = self.told.number.value
        number = int(self.api.get(self.one, who).json["change_log"])
        self.seen.add(number)
        if number < told:
            self.stale.append(f"change {told} was told, {number} answered")

    def read_derived(self, who: str | None) -> None:
        told = self.told.name.value
        name = self.api.get(self.derived, who).json["parent"]["name"]
        if (int(name[1:]) if name[1:].isdigit() else 0) < told:
            self.stale.append(f"name {told} was told, {name} answered")

    def read_newest(self, who: str | None) -> None:
        due, then = self.told.start.value, clock.micros()
        shown = {
            clock.to_micros(version["start_date"])
            for version in self.api.get(self.newest, who).json["results"]
        }
        if due <= then and due not in shown and due > min(shown):
            self.stale.append(f"what started {then - due} us before is not shown")
        if max(shown) > clock.micros():
            self.stale.append("what has not started yet is shown")


def check(db: Database, reads: int) -> tuple[int, list[str]]:
    """Read this number of times. Returns how many changes were read, and what was stale."""
    world = build_world(db)
    api = ApiClient(db, config.load({}), world)
    image = {"name": "derived", "slug": "derived", "description": "", "is_public": True}
    made(api, "/api/v2/images", "alice", **image)
    version = {"name": "1.0", "image": "derived", "parent": world.versions["open"]}
    derived = made(api, "/image_versions", "alice", **version)["id"]
    with writing(db.url, world) as told:
        readers = [Reader(api, world, derived, told, reads // READERS) for _ in range(READERS)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    seen = set[int]().union(*(reader.seen for reader in readers))
    return len(seen), [line for reader in readers for line in reader.stale]


def main(reads: int = 100_000) -> int:
    """Check both databases."""
    wrong = 0
    with tempfile.TemporaryDirectory() as directory, Cluster() as cluster:
        urls = {
            "SQLite": f"sqlite:///{Path(directory) / 'stale.db'}",
            "PostgreSQL": cluster.create("stale"),
        }
        for name, url in urls.items():
            db = Database(url)
            migrate(db)
            changes, stale = check(db, reads)
            db.close()
            print(f"{name}: {reads:,} reads, {changes:,} changes seen, {len(stale)} stale answers")
            for line in stale[:20]:
                print(f"  {line}")
            wrong += len(stale)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument.replace(",", "")) for argument in sys.argv[1:2])))
