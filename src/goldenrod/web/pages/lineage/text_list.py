"""The lineage picture as a list, for those who do not see pictures: the same facts, in words."""

from collections import defaultdict
from dataclasses import dataclass

from goldenrod.base.clock import Instant
from goldenrod.catalogue.versions.lineage.graph import Around, Node
from goldenrod.web.pages.lineage import urls as address


@dataclass(frozen=True, slots=True)
class Named:
    """A version by name, with the name of its image where that is another."""

    name: str
    href: str
    image: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A version: what the picture says of it."""

    name: str
    href: str
    state: str
    revoked: bool
    stale: bool
    start_date: Instant
    channels: tuple[str, ...]
    asked: bool
    """It is the one that was asked about."""
    built_on: Named | None
    built_from_it: tuple[Named, ...]
    left_out: int
    """How many are left out before it, and where they are."""
    left_out_href: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """A lane: an image, and its versions from the newest."""

    name: str
    href: str
    own: bool
    level: int
    """How many steps above (negative) or below the image in the middle."""
    versions: tuple[Entry, ...]


def lineage_list(shown: Around) -> tuple[Part, ...]:
    """Images from above to below, the versions of each, what each was built on and what from it."""
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
    """What is shown, by what it is asked for."""

    def __init__(self, shown: Around) -> None:
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
            built_from_it=tuple(self.named(child, node) for child in self.children[node.id]),
            left_out=gap.count if gap else 0,
            left_out_href=address.of_left_out(lane, gap, self.nodes) if gap else None,
        )
