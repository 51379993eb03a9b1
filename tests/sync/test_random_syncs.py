"""Random clouds, catalogues and faults: what is planned happens, and nothing that exists is ended.

Between syncs, the cloud and people change things at random, looks fail, and time passes. After each
sync, everything that the cloud lists is in the catalogue, and what people changed is as they left it.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from goldenrod.base.clock import Instant
from goldenrod.catalogue.sync import reports
from goldenrod.rules.access import CONSOLE
from goldenrod.sources.sync.run_sync import Result
from goldenrod.store import paging
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.sync.fake_cloud import FakeCloud, declared, done, synced

REGIONS = ("north", "south", "farm")
IMAGES = ("red", "blue")
ROUNDS = 12

LIVE = (
    "SELECT p.slug, m.identifier, m.id, v.n, i.name, v.name FROM machines m "
    "JOIN providers p ON p.id = m.provider_id JOIN versions v ON v.n = m.version_n "
    "JOIN images i ON i.id = v.image_id WHERE m.end_date IS NULL"
)


class Story:
    """A cloud and a catalogue that change at random."""

    def __init__(self, seed: int, db: Database, api: ApiClient, clock: Clock) -> None:
        self.r = Random(seed)
        self.db, self.api, self.clock = db, api, clock
        self.cloud = FakeCloud(clock, {region: {} for region in REGIONS})
        self.fingerprint = 1
        self.count = 0
        self.kept: dict[str, dict[str, Any]] = {}
        """What people changed: fields by the address of a version."""
        self.ended_by_people: set[int] = set()
        self.former: dict[int, tuple[str, str]] = {}
        """Image and version under which the cloud knows a version that was renamed."""

    # ── what changes ────────────────────────────────────────────────────────────────────────

    def change_cloud(self) -> None:
        r = self.r
        region = r.choice(REGIONS)
        machines = self.cloud.regions[region]
        one = r.choice(sorted(machines)) if machines else None
        image, version = r.choice(IMAGES), str(r.randint(1, 6))
        match r.randint(0, 9):
            case 0 | 1 | 2:
                self.count += 1
                seen = r.choice([None, "public", "public", "private"])
                self.cloud.put(region, f"id-{self.count}", image, version, visibility=seen)
            case 3 if one:
                del machines[one]
            case 4 if one:
                self.cloud.hidden ^= {one}
            case 5 if one:
                was = machines[one].get("status")
                machines[one]["status"] = "active" if was == "deactivated" else "deactivated"
            case 6 if one:
                machines[one] |= {"image": image, "version": version}
            case 7 if one:
                machines[one] |= {"size_gb": r.randint(1, 9), "checksum": f"sha:{r.random()}"}
            case 8 if one:
                at = Instant(f"2027-0{r.randint(1, 3)}-01T00:00:00.000000Z")
                machines[one]["deprecated_at"] = r.choice([at, at, None])
            case 9:
                self.cloud.silent = r.random() < 0.3
                self.fingerprint += r.random() < 0.2

    def change_catalogue(self) -> None:
        r = self.r
        versions = [
            version
            for image in IMAGES
            for version in self.api.all(f"/image_versions?search={image}", "dora")
        ]
        if not versions:
            return
        version = r.choice(versions)
        kept = self.kept.setdefault(version["url"], {})
        match r.randint(0, 4):
            case 0:
                self.count += 1
                n = self._n(version["id"])
                self.former.setdefault(n, (version["image"]["name"], version["name"]))
                kept["name"] = f"renamed-{self.count}"
            case 1:
                kept["change_log"] = f"words {r.random()}"
            case 2:
                at = Instant("2028-01-01T00:00:00.000000Z")
                # To remove what is not there changes nothing.
                there = version["deprecation"] is not None
                kept["deprecation"] = None if there else {"at": at, "reason": "ours"}
            case 3:
                kept["end_date"] = r.choice([None, self.clock.now])
            case 4:
                listed = self.api.all(
                    f"/api/v2/provider_machines?version_id={version['id']}", "dora"
                )
                for machine in listed[:1]:
                    if machine["end_date"] is None:
                        self.api.delete(machine["url"], "dora")
                        self.ended_by_people.add(machine["id"])
                    elif machine["id"] in self.ended_by_people:
                        answer = self.api.patch(machine["url"], "dora", {"end_date": None})
                        if answer.status_code == 200:
                            self.ended_by_people.discard(machine["id"])
                return
        wanted = {
            name: kept[name]
            for name in ("name", "change_log", "deprecation", "end_date")
            if name in kept
        }
        answer = self.api.patch(version["url"], "dora", wanted)
        if answer.status_code != 200:
            self.kept.pop(version["url"])

    def _n(self, version_id: str) -> int:
        return next(
            row[0] for row in self.rows("SELECT n, id FROM versions") if row[1] == version_id
        )

    # ── what must hold ──────────────────────────────────────────────────────────────────────

    def rows(self, text: str) -> list[Any]:
        with self.db.read() as tx:
            return [tuple(row) for row in tx.sql(text).fetchall()]

    def sync(self, **options: Any) -> Result:
        return synced(
            self.db, self.cloud, fingerprint=str(self.fingerprint), concurrency=1, **options
        )

    def round(self) -> None:
        for _ in range(self.r.randint(1, 8)):
            self.change_cloud()
        for _ in range(self.r.randint(0, 3)):
            self.change_catalogue()
        self.cloud.failing = {self.r.choice(REGIONS)} if self.r.random() < 0.3 else set()
        self.clock.move(hours=self.r.choice([1, 10, 30]))
        end_anyway = self.r.random() < 0.5
        plan = self.sync(dry_run=True, end_anyway=end_anyway)
        result = self.sync(end_anyway=end_anyway)
        assert done(result) == done(plan), "the plan is what happens"
        assert result.counts == plan.counts
        self.nothing_that_exists_was_ended(result)
        self.what_is_listed_is_here()
        self.what_people_changed_stays()
        again = done(self.sync())
        assert not again.keys() - {"ended"}, "a second sync changes nothing"

    def nothing_that_exists_was_ended(self, result: Result) -> None:
        with self.db.read() as tx:
            query = paging.parse(reports.ENTRIES, {"kind": ["ended"], "page_size": ["1000"]})
            page = reports.list_entries(tx, CONSOLE, result.run or 0, query)
        for text in page.results:
            entry = json.loads(text)
            region, identifier = entry["subject"].split()
            there = self.cloud.regions[region].get(identifier)
            if there and there.get("status") != "deactivated":
                assert "belongs to" in entry["reason"], (entry, there)

    def what_is_listed_is_here(self) -> None:
        # An id can be live in two images: a person restored the machine that had it before.
        live: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for region, identifier, _, n, image, version in self.rows(LIVE):
            known_as = self.former.get(n, (image, version))
            live.setdefault((region, identifier), []).append(known_as)
        ended = {
            (row[0], row[1])
            for row in self.rows(
                "SELECT p.slug, m.identifier, m.id FROM machines m "
                "JOIN providers p ON p.id = m.provider_id"
            )
            if row[2] in self.ended_by_people
        }
        held = {name for (name,) in self.rows("SELECT name FROM images WHERE is_public")}
        for region, machines in self.cloud.regions.items():
            if region in self.cloud.failing:
                continue
            for identifier, one in machines.items():
                if identifier in self.cloud.hidden:
                    continue
                here = live.get((region, identifier))
                if one.get("status") == "deactivated":
                    continue
                if here is None:
                    assert (region, identifier) in ended or (
                        one["image"] in held and one["visibility"] != "public"
                    ), (region, identifier, one)
                else:
                    assert (one["image"], one["version"]) in here

    def what_people_changed_stays(self) -> None:
        for url, fields in self.kept.items():
            shown = self.api.get(url, "dora").json
            for name, value in fields.items():
                if name == "deprecation" and value is not None:
                    assert shown[name]["at"] == value["at"]
                else:
                    assert shown[name] == value, (name, value)
        live = {row[2] for row in self.rows(LIVE)}
        assert not live & self.ended_by_people


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(n, marks=pytest.mark.long) for n in range(3, 40))]
)
@pytest.mark.long_on_postgresql
def test_whatever_happens_a_sync_does_what_it_planned_and_ends_nothing_that_exists(
    seed: int,
    world: World,
    db: Database,
    api: ApiClient,
    clock: Clock,
) -> None:
    story = Story(seed, db, api, clock)
    for _ in range(ROUNDS):
        story.round()


def test_two_syncs_at_once_do_each_thing_once(
    db: Database, api: ApiClient, clock: Clock, world: World
) -> None:
    cloud = FakeCloud(clock)
    for number in range(1, 21):
        for region in REGIONS[:2]:
            cloud.put(region, f"id-{number}", f"image {number % 4}", str(1 + number % 6))
    names = ("one", "two", "one")
    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(lambda name: synced(db, cloud, declared(name=name)), names))
    assert {result.state for result in results} <= {"done", "locked"}
    assert sum(result.counts["created"] for result in results) == 40
    with db.read() as tx:
        live = [row for row in tx.sql(LIVE).fetchall() if row[0] in REGIONS]
    assert len(live) == 40
    assert done(synced(db, cloud)) == {}
