"""The thinned lineage graph of an image or a version, which the lineage picture shows.

From the image itself it has the channels' targets, the newest versions, the revoked and deprecated
ones, and branch points: versions with several children or with a parent or child in another image.
From other images it has those parents and children, with their ancestors and descendants. It counts
the readable versions that are left out between two shown ones; it reveals nothing about hidden ones.

The number of statements (`queries.py`) does not depend on the size. `lineage.py` returns the whole
lineage of a version.
"""

from collections import defaultdict
from dataclasses import dataclass

from goldenrod.base.clock import Instant
from goldenrod.catalogue.versions.lineage import queries
from goldenrod.catalogue.versions.lineage.queries import Subject
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx

MOST_NODES = 300
MOST_IMAGES = 24
"""How many images are shown, including the central one."""


@dataclass(frozen=True, slots=True)
class Node:
    """A version that is shown."""

    id: str
    name: str
    state: str
    start_date: Instant
    end_date: Instant | None
    image: int
    revoked: bool
    """Whether a revocation is in force, even if another state takes precedence."""
    stale: bool
    parent_image: int | None
    """The image of its parent, shown or not; None if the reader may read no parent."""
    channels: tuple[str, ...]
    """The names of the channels, visible to the reader, that point at it."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A shown image, and how many steps it is above (negative) or below the central one."""

    id: int
    slug: str
    name: str
    level: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Readable versions of the central image that are left out between two shown ones."""

    count: int
    older: str | None
    """The id of the shown version before them, or None."""
    newer: str


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """The graph: lanes from top to bottom, nodes by start_date."""

    image: int
    """The id of the central image."""
    version: str | None
    """The id of the version whose lineage this is; None if it is an image's."""
    lanes: tuple[Lane, ...]
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    """Ids of parent and child, both shown."""
    gaps: tuple[Gap, ...]
    truncated: bool
    """Whether versions of other images were left out."""
    images: frozenset[int] = frozenset()
    """The ids of the images that it depends on; empty where these may be all."""


def lineage_of_image(tx: Tx, actor: Actor, key: str) -> LineageGraph:
    """The thinned lineage of an image. Raises NotFound."""
    image = resources.get_row(tx, actor, schema.images, key)
    given = {**resources.params(tx, actor), "image": image["id"]}
    picked = tx.rows(queries.notable, actor.reader, **given)
    return _build(tx, actor, given, "image", picked)


def lineage_of_version(tx: Tx, actor: Actor, key: str) -> LineageGraph:
    """The thinned lineage of a version: its nearest ancestors and descendants, and from its image the
    neighbouring versions and the channels' targets. Raises NotFound."""
    root = resources.get_row(tx, actor, schema.versions, key)
    place = {"root": root["n"], "at": root["start_date"], "id": root["id"]}
    given = {**resources.params(tx, actor), "image": root["image_id"], **place}
    neighbours = tx.rows(queries.neighbours, actor.reader, **given)
    return _build(tx, actor, given, "version", [{"n": root["n"], "also": None}, *neighbours])


def _build(tx: Tx, actor: Actor, given: Row, of: Subject, picked: list[Row]) -> LineageGraph:
    reader = actor.reader
    channel_targets = tx.rows(queries.targets_of_channels, reader, **given)
    relatives_of = {up: tx.rows(queries.relatives, reader, up, of, **given) for up in (True, False)}
    choice = _Choice(given["image"])
    choice.take([given["root"]] if of == "version" else [])
    choice.take([row["n"] for row in channel_targets])
    choice.take([n for row in picked for n in (row["n"], row["also"]) if n is not None])
    choice.take_relatives(relatives_of)

    own = [n for n, image in choice.images.items() if image == given["image"]]
    others = [n for n in choice.images if n not in set(own)]
    left_out = tx.rows(queries.gaps, reader, ns=own, **given)
    rows = tx.rows(queries.nodes, reader, ns=list(choice.images), **given)
    channel_targets += tx.rows(queries.channel_targets_elsewhere, reader, ns=others, **given)

    ids = {row["n"]: row["id"] for row in rows}
    return LineageGraph(
        image=given["image"],
        version=given.get("id"),
        lanes=_lanes(rows, choice.levels),
        nodes=_nodes(rows, channel_targets),
        edges=tuple((ids[row["parent_n"]], row["id"]) for row in rows if row["parent_n"] in ids),
        gaps=tuple(Gap(row["count"], row["older"], row["newer"]) for row in left_out),
        truncated=choice.truncated,
        images=frozenset() if choice.truncated else _images(given["image"], relatives_of, rows),
    )


def _images(middle: int, relatives_of: dict[bool, list[Row]], rows: list[Row]) -> frozenset[int]:
    """The images of all versions that were read, and of the parents by which nodes are stale."""
    read = [row["image_id"] for relatives in relatives_of.values() for row in relatives]
    parents = [row["parent_image"] for row in rows if row["parent_image"] is not None]
    return frozenset([middle, *read, *parents])


class _Choice:
    """Chooses which versions are shown: the first ones taken, until the limits are reached."""

    def __init__(self, image: int) -> None:
        self.middle = image
        self.images: dict[int, int] = {}
        """The image of each shown version, by the version's internal key."""
        self.levels = {image: 0}
        self.truncated = False

    def take(self, own: list[int]) -> None:
        """Take versions of the central image."""
        for n in own:
            if len(self.images) < MOST_NODES:
                self.images.setdefault(n, self.middle)

    def take_relatives(self, relatives_of: dict[bool, list[Row]]) -> None:
        """Take ancestors (True) and descendants, nearest first, each with the version of the central
        image that it is next to."""
        for up, rows in relatives_of.items():
            direct = sum(row["distance"] == 1 for row in rows)
            if len(rows) > queries.MOST_RELATIVES[up] or direct > queries.MOST_DIRECT[up]:
                self.truncated = True
        both = [
            (up, row)
            for up, rows in relatives_of.items()
            for row in rows[: queries.MOST_RELATIVES[up]]
        ]
        for up, row in sorted(both, key=lambda it: int(it[1]["distance"])):
            self._take_one(row, -1 if up else 1)

    def _take_one(self, row: Row, step: int) -> None:
        n, via, image = row["n"], row["via"], row["image_id"]
        if row["distance"] > 1 and via not in self.images:
            return
        new = [it for it in (n, via) if it not in self.images]
        room = len(self.images) + len(new) <= MOST_NODES
        if not room or (image not in self.levels and len(self.levels) == MOST_IMAGES):
            self.truncated = True
            return
        self.images.setdefault(via, self.middle)
        self.images.setdefault(n, image)
        if image not in self.levels:
            self.levels[image] = self.levels[self.images[via]] + step or step


def _lanes(rows: list[Row], levels: dict[int, int]) -> tuple[Lane, ...]:
    """The images from top to bottom; on the same level, the earliest first."""
    found: dict[int, Lane] = {}
    for row in rows:
        key = row["image_id"]
        found.setdefault(key, Lane(key, row["slug"], row["image_name"], levels[key]))
    return tuple(sorted(found.values(), key=lambda lane: lane.level))


def _nodes(rows: list[Row], channel_targets: list[Row]) -> tuple[Node, ...]:
    channels: dict[int, list[str]] = defaultdict(list)
    for row in channel_targets:
        channels[row["n"]].append(row["name"])
    return tuple(
        Node(
            id=row["id"],
            name=row["name"],
            state=row["state"],
            start_date=row["start_date"],
            end_date=row["end_date"],
            image=row["image_id"],
            revoked=row["revoked"],
            stale=row["stale"],
            parent_image=row["parent_image"],
            channels=tuple(sorted(channels[row["n"]])),
        )
        for row in rows
    )
