"""The lineage picture as a list with the same facts in words, for people who cannot see it."""

from collections import defaultdict
from dataclasses import dataclass

from goldenrod.base.clock import Instant
from goldenrod.catalogue.versions.lineage.graph import LineageGraph, Node
from goldenrod.web.pages.lineage import urls as address


@dataclass(frozen=True, slots=True)
class Named:
    """The name of a version, and of its image if it differs from that of the entry."""

    name: str
    href: str
    image: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A version with the facts that the picture shows."""

    name: str
    href: str
    state: str
    revoked: bool
    stale: bool
    start_date: Instant
    channels: tuple[str, ...]
    asked: bool
    """Whether it is the version whose lineage this is."""
    built_on: Named | None
    has_parent: bool
    """Whether the reader may read its parent, shown or not."""
    built_from_it: tuple[Named, ...]
    left_out: int
    """The number of versions that are left out before it."""
    left_out_href: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """A lane: an image and its versions, the newest first."""

    name: str
    href: str
    own: bool
    level: int
    """How many steps it is above (negative) or below the central image."""
    versions: tuple[Entry, ...]


def lineage_list(shown: LineageGraph) -> tuple[Part, ...]:
    """The images from top to bottom, with their versions and each version's parent and children."""
    facts = _Facts(shown)
    of_lane: dict[int, list[Entry]] = defaultdict(list)
    for node in reversed(shown.nodes):
        of_lane[node.image].append(facts.entry(node))
    return tuple(
        Part(
            name=lane.name,
            href=address.of_image(lane),
            own=lane.id == shown.image,
            level=lane.level,
            versions=tuple(of_lane[lane.id]),
        )
        for lane in shown.lanes
    )


class _Facts:
    """A graph with its parts indexed."""

    def __init__(self, shown: LineageGraph) -> None:
        self.asked = shown.version
        self.lanes = {lane.id: lane for lane in shown.lanes}
        self.nodes = {node.id: node for node in shown.nodes}
        self.gaps = {gap.newer: gap for gap in shown.gaps}
        self.parents = {child: parent for parent, child in shown.edges}
        self.children: dict[str, list[str]] = defaultdict(list)
        for parent, child in shown.edges:
            self.children[parent].append(child)

    def named(self, key: str, beside: Node) -> Named:
        node = self.nodes[key]
        lane = self.lanes[node.image]
        image = None if node.image == beside.image else lane.name
        return Named(node.name, address.of_version(lane, node), image)

    def entry(self, node: Node) -> Entry:
        lane, gap = self.lanes[node.image], self.gaps.get(node.id)
        parent = self.parents.get(node.id)
        return Entry(
            name=node.name,
            href=address.of_version(lane, node),
            state=node.state,
            revoked=node.revoked,
            stale=node.stale,
            start_date=node.start_date,
            channels=node.channels,
            asked=node.id == self.asked,
            built_on=self.named(parent, node) if parent else None,
            has_parent=node.parent_image is not None,
            built_from_it=tuple(self.named(child, node) for child in self.children[node.id]),
            left_out=gap.count if gap else 0,
            left_out_href=address.of_left_out(lane, gap) if gap else None,
        )
