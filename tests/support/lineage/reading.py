"""Requests the lineage around an image or a version, and checks the answer."""

from goldenrod.catalogue.versions.lineage import graph
from goldenrod.catalogue.versions.lineage.graph import LineageGraph
from goldenrod.rules.access import ANONYMOUS
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.client import ApiClient

Who = str | None
READERS: tuple[Who, ...] = (None, "charlie", "bob", "alice", "dora")


class Asked:
    """Asks around an image (by its slug's first word) or a version, as one of the cast."""

    def __init__(self, db: Database, world: World, api: ApiClient) -> None:
        self.db, self.world, self.api = db, world, api

    def __call__(self, key: str, who: Who = None) -> LineageGraph:
        with self.db.read() as tx:
            actor = self.world.actor(tx, who) if who else ANONYMOUS
            if len(key) == 36:
                found = graph.lineage_of_version(tx, actor, key)
            else:
                found = graph.lineage_of_image(tx, actor, f"{key}-image")
        self.check(found, who)
        return found

    def check(self, found: LineageGraph, who: Who) -> None:
        """What the lineage shows equals the answer for the version itself, and is consistent."""
        ids = [node.id for node in found.nodes]
        assert len(set(ids)) == len(ids) <= graph.MOST_NODES
        assert {node.image for node in found.nodes} <= {lane.id for lane in found.lanes}
        assert len({lane.id for lane in found.lanes}) == len(found.lanes)
        levels = [lane.level for lane in found.lanes]
        assert levels == sorted(levels)
        assert {lane.id for lane in found.lanes if lane.level == 0} <= {found.image}
        assert list(found.nodes) == sorted(found.nodes, key=lambda it: (it.start_date, it.id))
        edges = set(found.edges)
        assert len(edges) == len(found.edges)
        for node in found.nodes[:20]:
            version = self.api.get(f"/image_versions/{node.id}", who).json
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


def names(found: LineageGraph, image: int | None = None) -> list[str]:
    return [node.name for node in found.nodes if image in (None, node.image)]


def edges(found: LineageGraph) -> set[tuple[str, str]]:
    called = {node.id: node.name for node in found.nodes}
    return {(called[parent], called[child]) for parent, child in found.edges}


def gaps(found: LineageGraph) -> list[tuple[int, str | None, str]]:
    called: dict[str | None, str] = {node.id: node.name for node in found.nodes}
    return [(gap.count, called.get(gap.older), called[gap.newer]) for gap in found.gaps]


def channels(found: LineageGraph) -> dict[str, tuple[str, ...]]:
    return {node.name: node.channels for node in found.nodes if node.channels}


def lanes(found: LineageGraph) -> list[tuple[str, int]]:
    return [(lane.slug, lane.level) for lane in found.lanes]
