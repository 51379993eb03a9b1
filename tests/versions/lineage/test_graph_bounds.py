"""The lineage graph stays small and fast whatever the size of the catalogue."""

import time
from collections.abc import Callable

import pytest

from goldenrod.base.clock import later
from goldenrod.catalogue.versions.lineage import graph
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.store import bulk, schema
from goldenrod.store.db import Database
from tests.support.actions import made, publish
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import API
from tests.support.lineage.reading import Asked, names


@pytest.fixture
def ask(db: Database, world: World, api: ApiClient) -> Asked:
    return Asked(db, world, api)


MANY = 10_000


def grow(
    db: Database,
    world: World,
    parent_of: Callable[[int], int | None],
    image_of: Callable[[int], str],
) -> None:
    """Versions 1, 2, … an hour apart, of these images, on those versions (0: open-1.0), as rows."""
    with db.write() as tx:
        cursor = tx.sql("SELECT * FROM versions WHERE name = 'open-1.0'")
        first = dict(zip([it[0] for it in cursor.description], cursor.fetchone(), strict=True))
        for flag in ("allow_imaging", "public", "exclude_from_latest"):
            first[flag] = bool(first[flag])
        batch = [
            first
            | {
                "n": first["n"] + 100 + number,
                "id": f"10000000-0000-7000-8000-{number:012x}",
                "name": f"v{number}",
                "name_key": f"v{number}",
                "image_id": world.images[image_of(number)],
                "start_date": later(first["start_date"], minutes=number),
                "parent_n": first["n"] + (100 + above if above else 0)
                if (above := parent_of(number)) is not None
                else None,
            }
            for number in range(1, MANY + 1)
        ]
        for start in range(0, MANY, bulk.BATCH):
            bulk.load(tx, schema.versions, batch[start : start + bulk.BATCH])
        if tx.dialect == "postgresql":
            tx.sql("ANALYZE versions")


def counted(db: Database, who: Actor, image: str, version: str) -> tuple[list[int], list[float]]:
    """How many statements each of the two takes, and how many seconds."""
    statements, spent = [], []
    for call, key in ((graph.lineage_of_image, image), (graph.lineage_of_version, version)):
        for _ in range(2):  # the first time, statements are composed
            db.trace = []
            with db.read() as tx:
                begun = time.perf_counter()
                call(tx, who, key)
            took = time.perf_counter() - begun
        statements.append(len(db.trace or []))
        spent.append(took)
        db.trace = None
    return statements, spent


SHAPES: dict[str, tuple[Callable[[int], int | None], Callable[[int], str]]] = {
    "a chain": (lambda number: number - 1, lambda number: "open"),
    "all on one": (lambda number: 0, lambda number: "open"),
    "alone": (lambda number: None, lambda number: "open"),
    "all on one, elsewhere": (lambda number: 0, lambda number: "kept"),
    "each on the one before, in turns": (
        lambda number: number - 1,
        lambda number: ("open", "kept", "shared", "closed")[number % 4],
    ),
    "pairs": (
        lambda number: number - 1 if number % 2 else max(number - 2, 0),
        lambda number: "kept" if number % 2 else "open",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
def test_ten_thousand_versions(db: Database, ask: Asked, world: World, shape: str) -> None:
    version = world.versions["open"]
    with db.read() as tx:
        readers = [ANONYMOUS, *(world.actor(tx, who) for who in ("charlie", "alice", "dora"))]
    few = [counted(db, who, "open-image", version)[0] for who in readers]
    assert few == [[8, 8]] * 4
    grow(db, world, *SHAPES[shape])
    for who, before in zip(readers, few, strict=True):
        statements, spent = counted(db, who, "open-image", version)
        assert statements == before
        times = ", ".join(f"{seconds * 1000:.0f} ms" for seconds in spent)
        print(f"\n{shape}, {db.dialect}, {who.username or 'anonymous'}: {times}")
    for key in ("open", version, f"10000000-0000-7000-8000-{MANY // 2:012x}"):
        found = ask(key)
        assert found.nodes
        total = sum(gap.count for gap in found.gaps) + len(names(found, found.image))
        versions = ask.api.get(f"/image_versions?image_id={found.image}").json["count"]
        if key == "open":
            assert total == versions


@pytest.mark.long_on_postgresql
def test_at_most_three_hundred_versions_are_shown(ask: Asked, world: World, db: Database) -> None:
    grow(db, world, *SHAPES["pairs"])
    found = ask("open", "alice")
    assert found.truncated
    assert 240 < len(found.nodes) <= graph.MOST_NODES
    shown = {node.id for node in found.nodes}
    # Every one in another image is there because of one that is shown.
    joined = {it for edge in found.edges for it in edge}
    assert {node.id for node in found.nodes if node.image != found.image} <= joined <= shown


@pytest.mark.long_on_postgresql
def test_the_number_of_images_is_bounded(ask: Asked, api: ApiClient, world: World) -> None:
    for number in range(graph.MOST_IMAGES + 2):
        made(api, f"{API}/images", "alice", name=f"i{number} image", is_public=True)
        publish(api, f"child-{number}", image=f"i{number}", parent=world.versions["open"])
    found = ask("open")
    assert (len(found.lanes), found.truncated) == (graph.MOST_IMAGES, True)
