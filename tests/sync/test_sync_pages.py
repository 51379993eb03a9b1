"""Pages of syncs: staff see all, editors what is about their images, and nobody else anything; and the
source that every audit entry of a sync names."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from goldenrod.base import config
from goldenrod.catalogue.transfer.export_import import export_catalogue, import_catalogue
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor
from tests.sync.fake_cloud import FakeCloud, declared, synced


@pytest.fixture
def runs(db: Database, clock: Clock, world: World) -> list[int]:
    """A sync of alice's images and one of bob's, each with a region that failed."""
    made = []
    for owner in ("alice", "bob"):
        cloud = FakeCloud(clock)
        cloud.put("north", f"{owner}-1", f"image of {owner}", "1")
        cloud.put("south", f"{owner}-2", f"image of {owner}", "1")
        cloud.failing = {"south"}
        result = synced(db, cloud, declared(name=f"cloud-of-{owner}", owner=owner))
        made.append(result.run or 0)
    return made


def test_staff_see_every_sync_and_what_could_not_be_read(visitor: Visitor, runs: list[int]) -> None:
    visitor.sign_in("dora")
    assert "/syncs" in visitor.get("/staff").links
    page = visitor.get("/syncs")
    assert ("cloud-of-alice" in page.words, "cloud-of-bob" in page.words) == (True, True)
    assert "cloud-of-bob" not in visitor.get("/syncs?source=cloud-of-alice").words
    assert "No sync matches" in visitor.get("/syncs?state=done").words
    page = visitor.get(f"/syncs/{runs[0]}")
    assert "partly done" in page.words
    assert "AuthFailure in this region" in page.words
    assert "image of alice" in page.words
    assert "AuthFailure" not in visitor.get(f"/syncs/{runs[0]}?kind=created").words


def test_editors_see_what_is_about_their_images_only(visitor: Visitor, runs: list[int]) -> None:
    for path in ("/syncs", f"/syncs/{runs[0]}"):
        assert visitor.get(path).status == 401
    visitor.sign_in("alice")
    page = visitor.get("/syncs")
    assert ("cloud-of-alice" in page.words, "cloud-of-bob" in page.words) == (True, False)
    page = visitor.get(f"/syncs/{runs[0]}")
    assert "version: 1 machine" in page.words
    assert "AuthFailure" not in page.words
    assert visitor.get(f"/syncs/{runs[1]}").status == 404
    assert visitor.get("/syncs/0").status == 404
    assert visitor.get("/syncs/x").status == 404


def test_the_pages_of_changes_name_the_source_to_who_may_read_its_report(
    visitor: Visitor, runs: list[int], api: ApiClient
) -> None:
    [version] = api.all("/image_versions?image_id=image-of-alice", "alice")
    page = f"/images/image-of-alice/versions/{version['name']}"
    visitor.sign_in("alice")
    assert "by alice in a sync of cloud-of-alice" in visitor.get(page).words
    # Bob owns the image from now on. Alice still reads the history of the version that is hers.
    assert api.patch("/api/v2/images/image-of-alice", "dora", {"owner": "bob"}).status_code == 200
    shown = visitor.get(page).words
    assert ("by alice" in shown, "cloud-of" in shown) == (True, False)
    assert "cloud-of" not in visitor.get("/syncs").words
    visitor.sign_in("dora")
    told = "alice published the version image-of-alice 1 in a sync of cloud-of-alice"
    assert told in visitor.get("/staff/activity").words
    rows = csv.DictReader(io.StringIO(visitor.get("/staff/activity.csv?resource=version").text))
    assert {(row["who"], row["source"]) for row in rows} == {
        ("alice", "cloud-of-alice"),
        ("bob", "cloud-of-bob"),
        ("alice", ""),
    }


def test_every_audit_entry_of_a_sync_names_its_source(
    db: Database,
    api: ApiClient,
    world: World,
    clock: Clock,
    new_database: Callable[[str], Database],
) -> None:
    """Also after an export and an import; nothing else names one."""
    before = _activity(api)
    cloud, mine = FakeCloud(clock), declared(name="our.cloud", owner="import")
    for number in ("1", "2"):
        cloud.put("north", f"n-{number}", "base", number)
    assert synced(db, cloud, mine).state == "done"
    assert api.patch("/api/v2/providers/north", "dora", {"public": True}).status_code == 200
    cloud.remove("north", "n-1")
    cloud.regions["north"]["n-2"]["deprecated_at"] = clock.now
    for _ in range(3):
        clock.move(hours=13)
        synced(db, cloud, mine)
    assert api.patch("/api/v2/images/base", "dora", {"owner": "alice"}).status_code == 200
    entries = [entry for entry in _activity(api) if entry["id"] > before[0]["id"]]
    by_people = [entry["action"] for entry in entries if entry["source"] is None]
    assert by_people == ["image:edit", "provider:edit"]
    assert {entry["source"] for entry in before} == {None}
    assert {entry["action"] for entry in entries if entry["source"] == "our.cloud"} == {
        *("user:create", "provider:create", "image:create", "version:create", "version:edit"),
        *("machine:create", "machine:end"),
    }
    [_, newer] = api.all("/image_versions?image_id=base", "alice")
    assert api.patch(newer["url"], "alice", {"min_cpu": 2}).status_code == 200
    for who in ("alice", "dora"):
        history = api.all(f"{newer['url']}/history", who)
        assert [entry["source"] for entry in history] == ["our.cloud", "our.cloud", None]
    moved, written = new_database(db.dialect), io.BytesIO()
    moved.now = db.now
    export_catalogue(db, written)
    import_catalogue(moved, written.getvalue().splitlines(keepends=True))
    assert _activity(ApiClient(moved, config.load({}), world)) == _activity(api)


def _activity(api: ApiClient) -> list[dict[str, Any]]:
    return api.all("/api/v2/activity?result=changes&page_size=1000", "dora")
