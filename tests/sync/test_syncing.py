"""A sync brings the catalogue up to date with what clouds list, and keeps what people changed."""

import json
from typing import Any

import pytest

from goldenrod.base.clock import Instant
from goldenrod.catalogue.sync import leases, reports
from goldenrod.rules.access import CONSOLE
from goldenrod.sources.found import Origin, Skipped
from goldenrod.store import paging
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.sync.fake_cloud import FakeCloud, declared, done, planned, synced


@pytest.fixture
def cloud(clock: Clock, world: World) -> FakeCloud:
    """Two regions with two releases of one image."""
    made = FakeCloud(clock)
    for region in ("north", "south"):
        for version in ("1", "2"):
            made.put(region, f"ami-{region}-{version}", "base", version, size_gb=8)
    return made


def machines(api: ApiClient, image: str = "base", who: str = "alice") -> dict[str, list[str]]:
    """The identifiers of the current machines of each version."""
    return {
        version["name"]: sorted(machine["identifier"] for machine in version["machines"])
        for version in api.all(f"/image_versions?image_id={image}", who)
    }


def use_region(api: ApiClient, *regions: str) -> None:
    """Make providers public, so that everybody sees machines there."""
    for region in regions:
        assert api.patch(f"/api/v2/providers/{region}", "dora", {"public": True}).status_code == 200


def miss(db: Database, cloud: FakeCloud, clock: Clock, looks: int = 3, **options: Any) -> Any:
    """Look several times within more than a day; the last result."""
    result = None
    for _ in range(looks):
        clock.move(hours=13)
        result = synced(db, cloud, **options)
    return result


def entries(db: Database, api: ApiClient, run: int | None) -> list[Any]:
    """The report of a run."""
    with db.read() as tx:
        page = reports.list_entries(tx, CONSOLE, run or 0, paging.parse(reports.ENTRIES, {}))
    return [json.loads(text) for text in page.results]


def test_the_first_sync_creates_what_it_planned_and_the_second_changes_nothing(
    db: Database, api: ApiClient, cloud: FakeCloud
) -> None:
    plan = planned(db, cloud)
    assert api.get("/image_versions?image_id=base", "alice").json["count"] == 0
    first = synced(db, cloud)
    assert done(first) == {"images": 1, "versions": 2, "created": 4}
    assert {name: count for name, count in plan.counts().items() if count} == done(first)
    use_region(api, "north", "south")
    assert machines(api) == {
        "1": ["ami-north-1", "ami-south-1"],
        "2": ["ami-north-2", "ami-south-2"],
    }
    [_, newer] = api.all("/image_versions?image_id=base", "alice")
    assert newer["parent"]["name"] == "1"
    again = synced(db, cloud)
    assert (again.state, done(again), again.counts["unchanged"]) == ("done", {}, 4)


def test_what_is_not_public_on_its_cloud_is_private_here(
    db: Database, api: ApiClient, cloud: FakeCloud
) -> None:
    for identifier in ("p-1", "p-2"):
        cloud.put("north", identifier, "open", identifier[-1], visibility="public")
    synced(db, cloud)
    shown = {i["name"]: i["is_public"] for i in api.get("/api/v2/images", "alice").json["results"]}
    assert (shown["base"], shown["open"]) == (False, True)
    assert not api.get("/api/v2/providers/north", "dora").json["public"]
    # A private build of the public image stays out, until it is public there or declared so.
    cloud.put("north", "p-3", "open", "3", visibility="private")
    result = synced(db, cloud)
    assert done(result) == {}
    assert "open" not in str(api.get("/image_versions?name=3", "alice").json["results"])
    cloud.regions["north"]["p-3"]["visibility"] = "public"
    assert done(synced(db, cloud)) == {"versions": 1, "created": 1}
    cloud.put("north", "p-4", "open", "4", visibility="private")
    assert done(synced(db, cloud, declared(public=True))) == {"versions": 1, "created": 1}


def test_what_people_changed_stays_and_facts_follow(
    db: Database, api: ApiClient, cloud: FakeCloud
) -> None:
    synced(db, cloud)
    use_region(api, "north", "south")
    [one, two] = api.all("/image_versions?image_id=base", "alice")
    api.patch(one["url"], "alice", {"name": "first", "change_log": "ours", "membership": ["lab"]})
    api.patch("/api/v2/images/base", "alice", {"name": "Renamed", "slug": "renamed"})
    ended = two["machines"][0]
    assert api.delete(ended["url"], "dora").status_code == 204
    for region in cloud.regions.values():
        for machine in region.values():
            machine |= {"size_gb": 9, "change_log": "theirs"}
    result = synced(db, cloud)
    assert done(result) == {"updated": 3}
    [one, two] = api.all("/image_versions?image_id=renamed", "alice")
    assert (one["name"], one["change_log"]) == ("first", "ours")
    assert [group["name"] for group in one["membership"]] == ["lab"]
    assert {machine["size_gb"] for machine in one["machines"]} == {9}
    assert ended["identifier"] not in [machine["identifier"] for machine in two["machines"]]


def test_a_machine_ends_after_three_looks_and_a_day_when_its_cloud_says_that_it_is_gone(
    db: Database, api: ApiClient, cloud: FakeCloud, clock: Clock
) -> None:
    synced(db, cloud)
    use_region(api, "north", "south")
    cloud.remove("north", "ami-north-1")
    for _ in range(3):
        clock.move(minutes=1)
        assert done(synced(db, cloud)) == {}, "three looks in three minutes end nothing"
    assert not cloud.asked
    cloud.failing = {"north"}
    clock.move(hours=25)
    assert (synced(db, cloud).state, machines(api)["1"]) == (
        "partly",
        ["ami-north-1", "ami-south-1"],
    )
    cloud.failing, cloud.silent = set(), True
    assert done(synced(db, cloud)) == {}, "the cloud did not answer"
    cloud.silent = False
    ending = synced(db, cloud)
    assert done(ending) == {"ended": 1}
    assert machines(api)["1"] == ["ami-south-1"]
    [told] = [entry for entry in entries(db, api, ending.run) if entry["kind"] == "ended"]
    assert told["subject"] == "north ami-north-1"
    assert "not shared with us" in told["reason"]
    cloud.put("north", "ami-north-1", "base", "1")
    assert done(synced(db, cloud)) == {"restored": 1}


def test_a_machine_that_is_hidden_or_listed_elsewhere_does_not_end(
    db: Database, api: ApiClient, cloud: FakeCloud, clock: Clock
) -> None:
    synced(db, cloud)
    cloud.hidden = {"ami-north-1"}
    result = miss(db, cloud, clock)
    assert done(result) == {}
    assert cloud.asked == [("north", "north", "ami-north-1")]
    assert any("still there by its id" in entry.reason for entry in result.plan.entries)


def test_a_region_that_the_cloud_does_not_name_any_more_could_not_be_read(
    db: Database, cloud: FakeCloud, clock: Clock
) -> None:
    synced(db, cloud)
    south = cloud.regions.pop("south")
    result = miss(db, cloud, clock, looks=4)
    assert (result.state, done(result), result.counts["failed"]) == ("partly", {}, 1)
    [entry] = [one for one in result.plan.entries if one.kind == "failed"]
    assert entry.subject == "south" and entry.reason.startswith(
        "the source does not name this part"
    )
    assert set(failing(db)) == {"south"}
    # A source that cannot say which regions there are fails once, and each region is unread.
    cloud.nameless = "no answer"
    result = miss(db, cloud, clock, looks=2)
    assert (result.state, done(result), result.counts["failed"]) == ("failed", {}, 1)
    assert set(failing(db)) == {"*", "north", "south"}
    cloud.nameless = None
    cloud.regions["south"] = south
    again = synced(db, cloud)
    assert (again.state, done(again), failing(db)) == ("done", {}, {})
    # Who declares other regions means it.
    del cloud.regions["south"]
    assert (synced(db, cloud).state, set(failing(db))) == ("partly", {"south"})
    assert (synced(db, cloud, fingerprint="two").state, failing(db)) == ("done", {})


def failing(db: Database) -> dict[str, str]:
    """The scopes that cannot be read, with the reasons."""
    with db.read() as tx:
        rows = tx.sql(
            "SELECT scope, failed_reason FROM sync_scopes WHERE failing_since IS NOT NULL"
        ).fetchall()
    return {row[0]: row[1] for row in rows}


def test_another_declaration_starts_counting_anew(
    db: Database, api: ApiClient, cloud: FakeCloud, clock: Clock
) -> None:
    synced(db, cloud)
    cloud.remove("north", "ami-north-1")
    assert done(miss(db, cloud, clock, looks=2)) == {}
    clock.move(hours=13)
    assert done(synced(db, cloud, fingerprint="two")) == {}
    assert done(miss(db, cloud, clock, looks=1, fingerprint="two")) == {}
    assert done(miss(db, cloud, clock, looks=1, fingerprint="two")) == {"ended": 1}


def test_the_brake_holds_when_too_much_would_end_at_once(
    db: Database, api: ApiClient, cloud: FakeCloud, clock: Clock
) -> None:
    for number in range(3, 23):
        cloud.put("north", f"ami-{number}", "many", str(number))
    synced(db, cloud)
    gone = [f"ami-{number}" for number in range(3, 14)]
    cloud.remove("north", *gone)
    result = miss(db, cloud, clock)
    assert (result.state, done(result)) == ("braked", {})
    assert len(cloud.asked) == 11
    cloud.put("south", "ami-new", "base", "3")
    assert done(synced(db, cloud)) == {"versions": 1, "created": 1}, "the rest goes on"
    assert synced(db, cloud, dry_run=True, end_anyway=True).plan.counts()["ended"] == 11
    result = synced(db, cloud, end_anyway=True)
    assert (result.state, done(result)) == ("done", {"ended": 11})


def test_a_deactivated_machine_ends_at_once_and_is_restored_when_it_is_active_again(
    db: Database, api: ApiClient, cloud: FakeCloud
) -> None:
    synced(db, cloud)
    cloud.regions["south"]["ami-south-2"]["status"] = "deactivated"
    cloud.put("south", "ami-never", "base", "3", status="deactivated")
    assert done(synced(db, cloud)) == {"ended": 1}
    assert done(synced(db, cloud)) == {}
    cloud.regions["south"]["ami-south-2"]["status"] = "active"
    assert done(synced(db, cloud)) == {"restored": 1}
    cloud.regions["south"]["ami-south-2"]["status"] = "deactivated"
    synced(db, cloud)
    use_region(api, "north", "south")
    # A person restores it and ends it: that stays.
    row = api.all("/api/v2/provider_machines?identifier=ami-south-2", "dora")[0]
    api.patch(row["url"], "dora", {"end_date": None})
    api.delete(row["url"], "dora")
    cloud.regions["south"]["ami-south-2"]["status"] = "active"
    assert done(synced(db, cloud)) == {}


def test_an_identifier_that_comes_back_under_another_version_or_image_is_another_build(
    db: Database, api: ApiClient, cloud: FakeCloud
) -> None:
    cloud.put("farm", "900", "base", "1")
    synced(db, cloud)
    use_region(api, "farm")
    cloud.put("farm", "900", "base", "2")
    assert done(synced(db, cloud)) == {"created": 1, "ended": 1}
    assert ("900" in machines(api)["1"], "900" in machines(api)["2"]) == (False, True)
    cloud.put("farm", "900", "other", "1")
    assert done(synced(db, cloud)) == {"images": 1, "versions": 1, "created": 1, "ended": 1}
    assert "900" not in machines(api)["2"]
    assert machines(api, "other") == {"1": ["900"]}
    cloud.put("farm", "900", "base", "1")
    assert done(synced(db, cloud)) == {"restored": 1, "ended": 1}
    assert done(synced(db, cloud)) == {}


def test_a_version_is_deprecated_when_all_of_its_machines_are_unless_a_person_decided(
    db: Database, api: ApiClient, cloud: FakeCloud
) -> None:
    early, late = (Instant(f"2027-0{n}-01T00:00:00.000000Z") for n in (1, 2))
    synced(db, cloud)

    def deprecations() -> list[Any]:
        found = api.all("/image_versions?image_id=base", "alice")
        return [version["deprecation"] and version["deprecation"]["at"] for version in found]

    cloud.regions["north"]["ami-north-1"] |= {"deprecated_at": late, "replacement": "ami-north-2"}
    assert (done(synced(db, cloud)), deprecations()) == ({}, [None, None])
    cloud.regions["south"]["ami-south-1"]["deprecated_at"] = early
    assert done(synced(db, cloud)) == {"deprecations": 1}
    assert deprecations() == [late, None]
    [one, _] = api.all("/image_versions?image_id=base", "alice")
    assert one["deprecation"]["replacement"]["name"] == "2"
    del cloud.regions["north"]["ami-north-1"]["deprecated_at"]
    assert done(synced(db, cloud)) == {"deprecations": 1}
    assert deprecations() == [None, None]
    api.patch(one["url"], "alice", {"deprecation": {"at": early, "reason": "ours"}})
    cloud.regions["north"]["ami-north-1"]["deprecated_at"] = late
    assert (done(synced(db, cloud)), deprecations()) == ({}, [early, None])


def test_a_build_has_the_version_that_it_was_made_from_as_its_parent(
    db: Database, api: ApiClient, cloud: FakeCloud
) -> None:
    origin = Origin(provider="north", identifier="ami-north-1", kind="build")
    cloud.put("north", "ami-app", "app", "1", origin=origin)
    cloud.put("north", "ami-app-2", "app", "2", parent="1")
    synced(db, cloud)
    [one, two] = api.all("/image_versions?image_id=app", "alice")
    assert (one["parent"]["image"]["slug"], one["parent"]["name"]) == ("base", "1")
    assert two["parent"]["name"] == "1"


def test_accounts_and_groups_come_from_the_declaration_only(
    db: Database, api: ApiClient, world: World, cloud: FakeCloud
) -> None:
    api.post("/api/v2/providers", "dora", {"name": "north"})
    identity = api.post(
        "/api/v2/identities", "dora", {"user": "alice", "provider": "north", "key": "cloud-team"}
    )
    assert identity.status_code == 201
    for number, owner in (("5", "123"), ("6", "456")):
        cloud.put("north", f"ami-{number}", "owned", number, owner=owner)
    declaration = declared(identities={"123": "cloud-team"}, projects={"123": "lab"})
    synced(db, cloud, declaration)
    [one, two] = api.all("/image_versions?image_id=owned", "alice")
    assert one["identity"]["id"] == identity.json["id"]
    assert [group["name"] for group in one["membership"]] == ["lab"]
    assert (two["identity"], two["membership"]) == (None, [])


def test_rows_that_cannot_be_read_or_contradict_each_other_are_skipped_with_reasons(
    db: Database, api: ApiClient, cloud: FakeCloud
) -> None:
    cloud.odd = (Skipped("oddly-named", "no rule matches its name"),)
    cloud.put("north", "twin-1", "base", "2", source_name="another name")
    cloud.put("north", "x\x00y", "base", "2", architecture="arm64")
    cloud.put("north", "ami-bad", "bad", "7", source_name="b", parent="x" * 300)
    result = synced(db, cloud)
    told = entries(db, api, result.run)
    reasons = [entry["reason"] for entry in told if entry["kind"] == "skipped"]
    assert "no rule matches its name" in reasons
    assert any("gives the same version" in reason for reason in reasons)
    assert any("control" in reason for reason in reasons)
    assert machines(api, "bad").keys() == {"7"}


def test_one_run_at_a_time_has_the_source(
    db: Database, api: ApiClient, cloud: FakeCloud, clock: Clock
) -> None:
    synced(db, cloud)
    with db.write() as tx:
        assert leases.acquire(tx, "fake", "fake", "somebody else", 60)
    assert synced(db, cloud).state == "locked"
    clock.move(seconds=61)
    assert synced(db, cloud).state == "done", "the lease has expired"
