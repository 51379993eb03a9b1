"""The lineage around an image or a version: what matters of it, as far as the reader sees."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from goldenrod.base.clock import later
from goldenrod.base.errors import NotFound
from goldenrod.catalogue import around, kin
from goldenrod.catalogue.around import Around
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.store import bulk, schema
from goldenrod.store.db import Database
from tests.client import Door
from tests.conftest import Clock
from tests.lifesteps import API, assign, channel, release, revoke
from tests.steps import made, publish
from tests.world import World

Who = str | None
READERS: tuple[Who, ...] = (None, "charlie", "bob", "alice", "dora")


class Asked:
    """Asks around an image (by its slug's first word) or a version, as one of the cast."""

    def __init__(self, db: Database, world: World, door: Door) -> None:
        self.db, self.world, self.door = db, world, door

    def __call__(self, key: str, who: Who = None) -> Around:
        with self.db.read() as tx:
            actor = self.world.actor(tx, who) if who else ANONYMOUS
            if len(key) == 36:
                found = around.lineage_of_version(tx, actor, key)
            else:
                found = around.lineage_of_image(tx, actor, f"{key}-image")
        self.check(found, who)
        return found

    def check(self, found: Around, who: Who) -> None:
        """What is shown is what the version's own door says, and holds together."""
        ids = [node.id for node in found.nodes]
        assert len(set(ids)) == len(ids) <= around.MOST_NODES
        assert {node.image for node in found.nodes} <= {lane.id for lane in found.lanes}
        assert len({lane.id for lane in found.lanes}) == len(found.lanes)
        levels = [lane.level for lane in found.lanes]
        assert levels == sorted(levels)
        assert {lane.id for lane in found.lanes if lane.level == 0} <= {found.image}
        assert list(found.nodes) == sorted(found.nodes, key=lambda it: (it.start_date, it.id))
        edges = set(found.edges)
        assert len(edges) == len(found.edges)
        for node in found.nodes[:20]:
            version = self.door.get(f"/image_versions/{node.id}", who).json
            assert (node.name, node.state) == (version["name"], version["state"])
            assert (node.start_date, node.end_date) == (version["start_date"], version["end_date"])
            assert (node.image, node.stale) == (version["image"]["id"], version["stale"])
            parent = version["parent"] or {}
            seen = parent.get("image", {}).get("id")
            assert node.parent_image == seen
            assert ((parent.get("id"), node.id) in edges) == (
                seen is not None and parent["id"] in ids
            )
            in_force = version["revoked"] and version["revoked"]["at"] <= self.now()
            assert node.revoked == bool(in_force)
        for gap in found.gaps:
            assert gap.count > 0
            assert {gap.older, gap.newer} - {None} <= set(ids)

    def now(self) -> str:
        assert self.db.now
        return str(self.db.now())


@pytest.fixture
def ask(db: Database, world: World, door: Door) -> Asked:
    return Asked(db, world, door)


def names(found: Around, image: int | None = None) -> list[str]:
    return [node.name for node in found.nodes if image in (None, node.image)]


def edges(found: Around) -> set[tuple[str, str]]:
    called = {node.id: node.name for node in found.nodes}
    return {(called[parent], called[child]) for parent, child in found.edges}


def gaps(found: Around) -> list[tuple[int, str | None, str]]:
    called: dict[str | None, str] = {node.id: node.name for node in found.nodes}
    return [(gap.count, called.get(gap.older), called[gap.newer]) for gap in found.gaps]


def channels(found: Around) -> dict[str, tuple[str, ...]]:
    return {node.name: node.channels for node in found.nodes if node.channels}


def lanes(found: Around) -> list[tuple[str, int]]:
    return [(lane.slug, lane.level) for lane in found.lanes]


def chain(
    door: Door, clock: Clock, upto: int, since: int = 1, parent: Any = None, **more: Any
) -> list[Any]:
    """Versions v1, v2, … of open, a day apart, each built on the one before."""
    built: list[Any] = []
    for number in range(since, upto + 1):
        clock.move(days=1)
        above = built[-1]["id"] if built else parent
        built.append(publish(door, f"v{number}", parent=above, **more))
    return built


# ── what matters ───────────────────────────────────────────────────────────────────────────


def test_the_newest_ten_and_how_many_are_left_out(ask: Asked, door: Door, clock: Clock) -> None:
    chain(door, clock, 30)
    for who in READERS:
        found = ask("open", who)
        # open-1.0 is what `latest` offers: the only one with a machine.
        assert names(found) == ["open-1.0", *(f"v{number}" for number in range(21, 31))]
        assert channels(found) == {"open-1.0": ("latest",)}
        assert edges(found) == {(f"v{number - 1}", f"v{number}") for number in range(22, 31)}
        assert gaps(found) == [(20, "open-1.0", "v21")]
        assert lanes(found) == [("open-image", 0)]
        assert (found.version, found.truncated) == (None, False)


def test_channels_troubled_and_forks_are_kept(ask: Asked, door: Door, clock: Clock) -> None:
    built = chain(door, clock, 30)
    assign(door, built[3])
    assign(door, built[3], "old")
    revoke(door, built[5])
    note = {"deprecation": {"reason": "slow"}}
    assert door.patch(built[7]["url"], "alice", note).status_code == 200
    # To come, so not troubled yet.
    note = {"deprecation": {"reason": "soon", "at": later(clock(), days=3)}}
    assert door.patch(built[9]["url"], "alice", note).status_code == 200
    # Ended: nothing to warn of any more.
    revoke(door, built[10])
    assert door.delete(built[10]["url"], "alice").status_code == 204
    clock.move(days=1)
    fork = publish(door, "fork", parent=built[11]["id"])
    found = ask("open")
    kept = ["open-1.0", "v4", "v6", "v8", "v12"]
    assert names(found) == [*kept, *(f"v{number}" for number in range(22, 31)), "fork"]
    assert channels(found) == {"open-1.0": ("latest",), "v4": ("old", "stable")}
    assert ("v12", "fork") in edges(found)
    # v11 is counted for its keepers only.
    expected = [(3, "open-1.0", "v4"), (1, "v4", "v6"), (1, "v6", "v8")]
    assert gaps(found) == [*expected, (2, "v8", "v12"), (9, "v12", "v22")]
    assert gaps(ask("open", "alice")) == [*expected, (3, "v8", "v12"), (9, "v12", "v22")]
    assert next(node for node in found.nodes if node.name == "v6").revoked
    assert fork["name"] == found.nodes[-1].name
    clock.move(days=3)
    assert "v10" in names(ask("open"))


def test_many_troubled_are_bounded(ask: Asked, door: Door, clock: Clock) -> None:
    built = chain(door, clock, 30)
    for version in built[:18]:
        revoke(door, version)
    found = ask("open")
    shown = [f"v{number}" for number in (*range(7, 19), *range(21, 31))]
    assert names(found) == ["open-1.0", *shown]
    assert len([node for node in found.nodes if node.revoked]) == kin.TROUBLED


@pytest.fixture
def built(door: Door, world: World, clock: Clock) -> dict[str, Any]:
    """open's v1 … v20, and in other images what they were built on and what was built on them:

    base (public)   base-1 ← v5, base-2 ← v6
    closed          v5 ← closed-2.0 ← closed-2.1 (private to alice)
    shared          v6 ← shared-2.0 (shared with lab) ← last-1 of the public image last
    """
    for name in ("base", "last"):
        made(door, f"{API}/images", "alice", name=f"{name} image", is_public=True)
    root = publish(door, "root", image="closed")
    one = publish(door, "base-1", image="base", parent=root["id"])
    two = publish(door, "base-2", image="base", parent=one["id"])
    found = {"base-1": one, "base-2": two}
    for version in chain(door, clock, 4):
        found[version["name"]] = version
    for number, above in ((5, one), (6, two)):
        clock.move(days=1)
        found[f"v{number}"] = publish(door, f"v{number}", parent=above["id"])
    for version in chain(door, clock, 20, 7, found["v6"]["id"]):
        found[version["name"]] = version
    for name, image, parent, groups in (
        ("closed-2.0", "closed", "v5", []),
        ("closed-2.1", "closed", "closed-2.0", []),
        ("shared-2.0", "shared", "v6", ["lab"]),
        ("last-1", "last", "shared-2.0", []),
    ):
        clock.move(hours=1)
        above = found[parent]["id"]
        found[name] = publish(door, name, image=image, parent=above, membership=groups)
    return found


NEWEST = [f"v{number}" for number in range(11, 21)]


def test_kin_in_other_images_as_far_as_the_reader_sees(
    ask: Asked, door: Door, world: World, built: dict[str, Any]
) -> None:
    for who in (None, "charlie"):
        found = ask("open", who)
        # last-1 was built on what they may not read: nothing leads there.
        assert names(found) == ["open-1.0", "base-1", "base-2", "v5", "v6", *NEWEST]
        assert lanes(found) == [("base-image", -1), ("open-image", 0)]
        assert {("base-1", "v5"), ("base-2", "v6"), ("base-1", "base-2")} <= edges(found)
        assert gaps(found) == [(4, "open-1.0", "v5"), (4, "v6", "v11")]
        assert not found.truncated
        told = repr(found)
        for hidden in ("closed", "shared", "last", built["closed-2.0"]["id"]):
            assert hidden not in told
    found = ask("open", "bob")
    assert lanes(found) == [
        ("base-image", -1),
        ("open-image", 0),
        ("shared-image", 1),
        ("last-image", 2),
    ]
    assert {("v6", "shared-2.0"), ("shared-2.0", "last-1")} <= edges(found)
    assert "closed" not in repr(found)
    found = ask("open", "alice")
    # closed is above as well, two steps; it has one place, the nearest.
    assert lanes(found) == [
        ("base-image", -1),
        ("open-image", 0),
        ("closed-image", 1),
        ("shared-image", 1),
        ("last-image", 2),
    ]
    assert {("root", "base-1"), ("v5", "closed-2.0"), ("closed-2.0", "closed-2.1")} <= edges(found)


def test_hidden_versions_are_not_counted(
    ask: Asked, door: Door, clock: Clock, world: World
) -> None:
    for number in range(1, 24):
        clock.move(hours=1)
        shared = ["lab"] if number % 2 else []
        publish(door, f"s{number}", image="shared", membership=shared)
    with pytest.raises(NotFound):
        ask("shared", "charlie")
    assert gaps(ask("shared", "bob")) == [(2, "shared-1.0", "s5")]
    assert gaps(ask("shared", "alice")) == [(13, "shared-1.0", "s14")]


def test_restricted_channels_show_to_whom_they_name(ask: Asked, door: Door, world: World) -> None:
    assign(door, world.versions["open"], "inner")
    secret = {"restricted": True, "groups": ["lab"]}
    assert door.patch(channel("inner"), "alice", secret).status_code == 200
    for who in READERS:
        seen = ("inner", "latest") if who in ("bob", "alice", "dora") else ("latest",)
        assert channels(ask("open", who)) == {"open-1.0": seen}


def test_a_channel_at_a_hidden_version_leads_nowhere(
    ask: Asked, door: Door, clock: Clock, world: World
) -> None:
    assert channels(ask("shared", "bob")) == {"shared-1.0": ("latest",)}
    own = publish(door, "own", image="shared")
    assign(door, own, image="shared")
    assert channels(ask("shared", "bob")) == {"shared-1.0": ("latest",)}
    assert channels(ask("shared", "alice"))["own"] == ("stable",)


def test_channels_of_other_images(ask: Asked, door: Door, built: dict[str, Any]) -> None:
    assign(door, built["base-1"], image="base")
    assert channels(ask("open"))["base-1"] == ("stable",)
    placed = {"provider": "east", "identifier": "base-2", "version": built["base-2"]["id"]}
    made(door, f"{API}/provider_machines", "alice", architecture="x86_64", **placed)
    assert channels(ask("open"))["base-2"] == ("latest",)
    revoke(door, built["base-1"])
    assert "base-1" not in channels(ask("open"))


def test_stale_is_what_the_rule_says(ask: Asked, door: Door, built: dict[str, Any]) -> None:
    def stale(who: Who) -> set[str]:
        return {node.name for node in ask("open", who).nodes if node.stale}

    # All below `v20` have newer ones of open beside their parents.
    assert {"v5", "v20"} <= stale(None)
    assert "v6" not in stale(None)
    before = stale(None)
    release(door, "base-3", image="base")
    assert stale(None) == before | {"v6"}
    # What only its keepers see makes nothing stale for others.
    assert door.delete(f"{API}/images/last-image", "alice").status_code == 204
    assert "last-1" in names(ask("open", "alice"))
    assert "last-1" not in names(ask("open", "bob"))


def test_who_may_not_see_the_image(ask: Asked, world: World) -> None:
    for image in ("closed", "kept", "ended", "scheduled", "nowhere"):
        with pytest.raises(NotFound):
            ask(image, "charlie")
    for name in ("closed", "shared"):
        with pytest.raises(NotFound):
            ask(world.versions[name])


def test_an_image_without_versions_that_one_may_read(ask: Asked, door: Door) -> None:
    made(door, f"{API}/images", "alice", name="void image", is_public=True)
    found = ask("void")
    assert (found.nodes, found.edges, found.gaps, found.lanes) == ((), (), (), ())


# ── around a version ───────────────────────────────────────────────────────────────────────


def test_around_a_version(ask: Asked, door: Door, built: dict[str, Any]) -> None:
    found = ask(built["v6"]["id"])
    assert found.version == built["v6"]["id"]
    # Beside it, the newest, where channels point, and its own line: twelve below, base above.
    below = [f"v{number}" for number in range(7, 19)]
    expected = ["open-1.0", "base-1", "base-2", "v3", "v4", "v5", "v6", *below, "v19", "v20"]
    assert names(found) == expected
    assert gaps(found) == [(2, "open-1.0", "v3")]
    assert lanes(found) == [("base-image", -1), ("open-image", 0)]
    found = ask(built["v5"]["id"], "alice")
    assert {"root", "base-1", "v5", "closed-2.0", "closed-2.1"} <= set(names(found))
    # What others were built on is not this one's.
    assert not {"base-2", "shared-2.0", "last-1"} & set(names(found))
    found = ask(built["shared-2.0"]["id"], "bob")
    assert lanes(found) == [
        ("base-image", -2),
        ("open-image", -1),
        ("shared-image", 0),
        ("last-image", 1),
    ]
    assert names(found, found.image) == ["shared-1.0", "shared-2.0"]


def test_around_a_version_whose_kin_are_hidden(
    ask: Asked, door: Door, built: dict[str, Any]
) -> None:
    found = ask(built["last-1"]["id"], "charlie")
    assert (names(found), found.edges) == (["last-1"], ())
    assert (found.nodes[0].stale, found.nodes[0].parent_image) == (False, None)


# ── bounds ─────────────────────────────────────────────────────────────────────────────────

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
    for call, key in ((around.lineage_of_image, image), (around.lineage_of_version, version)):
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


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_thousand(db: Database, ask: Asked, world: World, shape: str) -> None:
    version = world.versions["open"]
    with db.read() as tx:
        readers = [ANONYMOUS, *(world.actor(tx, who) for who in ("charlie", "alice", "dora"))]
    few = [counted(db, who, "open-image", version)[0] for who in readers]
    assert few == [[9, 9]] * 4
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
        versions = ask.door.get(f"/image_versions?image_id={found.image}").json["count"]
        if key == "open":
            assert total == versions


def test_three_hundred_are_shown_at_most(ask: Asked, world: World, db: Database) -> None:
    grow(db, world, *SHAPES["pairs"])
    found = ask("open", "alice")
    assert found.truncated
    assert 240 < len(found.nodes) <= around.MOST_NODES
    shown = {node.id for node in found.nodes}
    # Every one in another image is there because of one that is shown.
    joined = {it for edge in found.edges for it in edge}
    assert {node.id for node in found.nodes if node.image != found.image} <= joined <= shown


def test_images_are_bounded(ask: Asked, door: Door, world: World) -> None:
    for number in range(around.MOST_IMAGES + 2):
        made(door, f"{API}/images", "alice", name=f"i{number} image", is_public=True)
        publish(door, f"child-{number}", image=f"i{number}", parent=world.versions["open"])
    found = ask("open")
    assert (len(found.lanes), found.truncated) == (around.MOST_IMAGES, True)
