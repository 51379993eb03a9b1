"""Pages of syncs: staff see all, editors what is about their images, and nobody else anything."""

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
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
