"""Importing what a source found: complete, repeatable, and one transaction per image."""

from collections.abc import Iterable
from typing import Any

import pytest

from goldenrod.base.clock import Instant
from goldenrod.base.errors import NotFound
from goldenrod.demo import ami_lines
from goldenrod.demo.catalogue import CAST, load
from goldenrod.sources import aws_ecs_file
from goldenrod.sources.found import Found, FoundMachine, Skipped
from goldenrod.sources.sync.import_releases import import_found
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.client import ApiClient


def release(version: str, day: int, *identifiers: str, image: str = "base", **more: Any) -> Found:
    machines = tuple(
        FoundMachine(
            provider="us-east-1",
            provider_type="aws",
            identifier=identifier,
            architecture=more.get("architecture", "x86_64"),
        )
        for identifier in identifiers
    )
    start = Instant(f"2026-03-{day:02d}T00:00:00.000000Z")
    return Found(
        image, version, start, f"release {version}", "A base image.", ("base",), machines, version
    )


def revision(db: Database) -> int:
    with db.read() as tx:
        return tx.revision


def import_all(db: Database, found: Iterable[Found | Skipped], **more: Any) -> Any:
    return import_found(db, found, **more)


def test_releases_become_versions_with_parents_dates_and_machines(
    db: Database, api: ApiClient, world: World
) -> None:
    import_all(db, [release("2", 2, "ami-2"), release("1", 1, "ami-1"), release("3", 3, "ami-3")])
    versions = api.all("/image_versions?image_id=base")
    assert [version["name"] for version in versions] == ["1", "2", "3"]
    assert [version["parent"] and version["parent"]["name"] for version in versions] == [
        None,
        "1",
        "2",
    ]
    assert versions[0]["start_date"] == "2026-03-01T00:00:00.000000Z"
    assert versions[0]["user"]["username"] == "import"
    [machine] = versions[2]["machines"]
    assert (machine["identifier"], machine["provider"]["slug"]) == ("ami-3", "us-east-1")
    provider = api.get("/api/v2/providers/us-east-1").json
    assert (provider["type"], provider["public"], provider["active"]) == ("aws", True, True)


def test_private_images_are_visible_to_their_owner_only(
    db: Database, api: ApiClient, world: World
) -> None:
    import_all(db, [release("1", 1, "ami-1")], owner="alice", private=True)
    assert api.get("/image_versions?image_id=base").json["count"] == 0
    assert api.get("/image_versions?image_id=base", "charlie").json["count"] == 0
    assert api.get("/image_versions?image_id=base", "alice").json["count"] == 1


def test_the_user_import_cannot_sign_in(db: Database, api: ApiClient, world: World) -> None:
    import_all(db, [release("1", 1, "ami-1")])
    for password in ("", "import", "None"):
        body = {"username": "import", "password": password}
        assert api.post("/api/v2/tokens", None, body).status_code == 401


def test_an_unknown_owner_is_refused(db: Database, world: World) -> None:
    with pytest.raises(NotFound):
        import_all(db, [release("1", 1, "ami-1")], owner="nobody-here")


def test_importing_again_changes_nothing(db: Database, api: ApiClient, world: World) -> None:
    found = [release("1", 1, "ami-1"), release("2", 2, "ami-2")]
    import_all(db, found)
    before = api.get("/image_versions?image_id=base", "dora").text
    report = import_all(db, found)
    assert api.get("/image_versions?image_id=base", "dora").text == before
    assert dict(report.counts) == {
        ("image", "unchanged"): 1,
        ("version", "unchanged"): 2,
        ("machine", "unchanged"): 2,
    }
    assert not report.skipped


def test_edits_by_people_are_not_overwritten(db: Database, api: ApiClient, world: World) -> None:
    found = [release("1", 1, "ami-1")]
    import_all(db, found, owner="alice")
    [version] = api.all("/image_versions?image_id=base", "alice")
    api.patch(version["url"], "alice", {"change_log": "better words"})
    api.patch("/api/v2/images/base", "alice", {"name": "Renamed", "slug": "renamed"})
    assert api.delete(version["machines"][0]["url"], "dora").status_code == 204
    report = import_all(db, found, owner="alice")
    [after] = api.all("/image_versions?image_id=renamed", "alice")
    assert after["change_log"] == "better words"
    assert after["machines"] == [], "a machine that somebody ended is not created again"
    assert report.of("version", "unchanged") == 1
    assert api.get("/api/v2/images?name=base", "alice").json["count"] == 0


def test_a_later_import_adds_machines_and_updates_facts(
    db: Database, api: ApiClient, world: World
) -> None:
    import_all(db, [release("1", 1, "ami-1")])
    report = import_all(db, [release("1", 1, "ami-1", "ami-9", architecture="arm64")])
    [version] = api.all("/image_versions?image_id=base")
    shown = {(machine["identifier"], machine["architecture"]) for machine in version["machines"]}
    assert shown == {("ami-1", "arm64"), ("ami-9", "arm64")}
    assert report.of("version", "changed") == 1
    assert (report.of("machine", "changed"), report.of("machine", "created")) == (1, 1)


def test_one_identifier_at_two_releases_is_reported(db: Database, world: World) -> None:
    report = import_all(db, [release("1", 1, "ami-1"), release("2", 2, "ami-1", "ami-2")])
    assert [skip.reason for skip in report.skipped] == [
        "ami-1 belongs to another release of this image already"
    ]
    assert report.of("machine", "created") == 2


def test_an_image_that_fails_is_left_out_and_the_others_are_imported(
    db: Database, api: ApiClient, world: World
) -> None:
    bad = "b" * 300
    lost = [release("1", 1, "ami-1", image=bad), release("2", 2, "ami-2", "ami-3", image=bad)]
    report = import_all(db, [*lost, release("1", 1, "ami-4")])
    assert api.get("/image_versions?image_id=base").json["count"] == 1
    [skip] = report.skipped
    assert (skip.where, skip.machines) == (bad, 3)
    assert report.of("image", "created") == 1


def test_a_release_that_cannot_be_named_so_is_skipped_and_the_rest_of_its_image_is_imported(
    db: Database, api: ApiClient, world: World
) -> None:
    bad = release("..", 2, "ami-2", "ami-3", image="good")
    report = import_all(db, [release("1", 1, "ami-1", image="good"), bad])
    assert api.get("/image_versions?image_id=good").json["count"] == 1
    [skip] = report.skipped
    assert skip.machines == 2
    assert ".." in skip.reason


def test_progress_is_reported_up_to_the_last_machine(db: Database, world: World) -> None:
    reported: list[tuple[int, int]] = []
    found = [release(str(day), day, f"ami-{day}") for day in range(1, 6)]
    import_all(db, found, progress=lambda done, total: reported.append((done, total)))
    assert reported == [(done, 5) for done in range(1, 6)]


@pytest.mark.long_on_postgresql
def test_every_packaged_ami_is_imported_or_reported(db: Database) -> None:
    rows = sum(1 for _ in ami_lines())
    report = import_found(db, aws_ecs_file.parse(ami_lines()))
    assert report.of("machine", "created") + report.machines_skipped == rows
    before = revision(db)
    again = import_found(db, aws_ecs_file.parse(ami_lines()))
    assert again.of("machine", "unchanged") == report.of("machine", "created")
    assert not any(outcome != "unchanged" for _, outcome in again.counts)
    assert revision(db) > before


def test_the_demonstration_is_complete(sqlite_db: Database) -> None:
    report = load(sqlite_db)
    assert not report.imported.skipped
    api = ApiClient(sqlite_db, _settings(), World())
    assert api.get("/image_versions", report.dora).json["count"] > 140
    shared = f"/image_versions/{report.workbench}"
    assert api.get(shared).status_code == 404
    assert api.get(shared, report.alice).json["state"] == "current"
    names = {user["username"] for user in api.all("/api/v2/users", report.dora)}
    assert names == set(CAST)
    addresses = [
        line.split()[-1]
        for line in report.lines("", "http://127.0.0.1:1/")
        if line.startswith("curl -s -H")
    ]
    assert len(addresses) == 3


def _settings() -> Any:
    from goldenrod.base import config

    return config.load({})
