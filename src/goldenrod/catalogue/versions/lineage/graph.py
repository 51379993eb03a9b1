"""The lineage around an image or a version, thinned to what matters: what the picture of it shows.

Of the image itself: where its channels point, the newest, the revoked and deprecated, and branch
points, which are the versions with more than one child or with a parent or child in other images.
Of other images: those parents and children, with what is above and below them. How many readable
versions were left out between two that are shown is told; nothing else of what is hidden is.

The number of statements (`kin.py`) is the same whatever the size. What a version's whole lineage
is, is `lineage.py`'s to say.
"""

from collections import defaultdict
from dataclasses import dataclass

from goldenrod.base.clock import Instant
from goldenrod.catalogue.versions.lineage import queries
from goldenrod.catalogue.versions.lineage.queries import Middle
from goldenrod.rules import resources
from goldenrod.rules.access import Actor
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx

MOST_NODES = 300
MOST_IMAGES = 24
"""How many images are shown, the one in the middle included."""


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
    """A revocation is in force, also where the state is another."""
    stale: bool
    parent_image: int | None
    """The image of its parent, shown or not; None where there is none that the reader may read."""
    channels: tuple[str, ...]
    """The names of the channels whose target it is, as far as the reader sees them."""


@dataclass(frozen=True, slots=True)
class Lane:
    """An image that is shown, and how many steps above (negative) or below the middle it is."""

    id: int
    slug: str
    name: str
    level: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Readable versions of the image in the middle that are left out between two shown ones."""

    count: int
    older: str | None
    """The id of the one before them; None where none is shown."""
    newer: str


@dataclass(frozen=True, slots=True)
class Around:
    """What is shown: lanes from above to below, nodes by start_date."""

    image: int
    """The id of the image in the middle."""
    version: str | None
    """The id of the version that was asked about; None where it was the image."""
    lanes: tuple[Lane, ...]
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]
    """Ids of parent and child, both shown."""
    gaps: tuple[Gap, ...]
    truncated: bool
    """In other images there is more than is shown."""


def lineage_of_image(tx: Tx, actor: Actor, key: str) -> Around:
    """What matters of an image's versions, and around them. Raises NotFound."""
    image = resources.get_row(tx, actor, schema.images, key)
    given = {**resources.params(tx, actor), "image": image["id"]}
    picked = tx.rows(queries.matter, actor.reader, **given)
    return _around(tx, actor, given, "image", picked)


def lineage_of_version(tx: Tx, actor: Actor, key: str) -> Around:
    """A version's ancestors and descendants, nearest first, and of its image what is beside it and
    where the channels point. Raises NotFound."""
    root = resources.get_row(tx, actor, schema.versions, key)
    place = {"root": root["n"], "at": root["start_date"], "id": root["id"]}
    given = {**resources.params(tx, actor), "image": root["image_id"], **place}
    beside = tx.rows(queries.beside, actor.reader, **given)
    return _around(tx, actor, given, "version", [{"n": root["n"], "also": None}, *beside])


def _around(tx: Tx, actor: Actor, given: Row, of: Middle, picked: list[Row]) -> Around:
    reader = actor.reader
    pointed = tx.rows(queries.pointed, reader, **given)
    lines = {up: tx.rows(queries.kin, reader, up, of, **given) for up in (True, False)}
    choice = _Choice(given["image"])
    choice.take([given["root"]] if of == "version" else [])
    choice.take([row["n"] for row in pointed])
    choice.take([n for row in picked for n in (row["n"], row["also"]) if n is not None])
    choice.take_kin(lines)

    own = [n for n, image in choice.images.items() if image == given["image"]]
    others = [n for n in choice.images if n not in set(own)]
    places = tx.rows(queries.places, reader, ns=own, **given)
    heads = tx.rows(queries.heads, reader, ns=list(choice.images), **given)
    rows = tx.rows(queries.nodes, reader, ns=list(choice.images), **given)
    pointed += tx.rows(queries.pointed_elsewhere, reader, ns=others, **given)

    ids = {row["n"]: row["id"] for row in rows}
    return Around(
        image=given["image"],
        version=given.get("id"),
        lanes=_lanes(rows, choice.levels),
        nodes=_nodes(rows, heads, pointed),
        edges=tuple((ids[row["parent_n"]], row["id"]) for row in rows if row["parent_n"] in ids),
        gaps=_gaps({row["n"]: row["place"] for row in places}, ids),
        truncated=choice.truncated,
    )


class _Choice:
    """Which versions are shown: the first that are taken, as far as there is room."""

    def __init__(self, image: int) -> None:
        self.middle = image
        self.images: dict[int, int] = {}
        """Of each version that is shown, by its internal key, the image."""
        self.levels = {image: 0}
        self.truncated = False

    def take(self, own: list[int]) -> None:
        """Take versions of the image in the middle."""
        for n in own:
            if len(self.images) < MOST_NODES:
                self.images.setdefault(n, self.middle)

    def take_kin(self, lines: dict[bool, list[Row]]) -> None:
        """Take ancestors (True) and descendants, the nearest first, each with the version of the
        image in the middle that it is next to."""
        for up, rows in lines.items():
            next_to = sum(row["far"] == 1 for row in rows)
            if len(rows) > queries.MOST_KIN[up] or next_to > queries.NEXT_OF_KIN[up]:
                self.truncated = True
        both = [(up, row) for up, rows in lines.items() for row in rows[: queries.MOST_KIN[up]]]
        for up, row in sorted(both, key=lambda it: int(it[1]["far"])):
            self._take_one(row, -1 if up else 1)

    def _take_one(self, row: Row, step: int) -> None:
        n, near, image = row["n"], row["near"], row["image_id"]
        if row["far"] > 1 and near not in self.images:
            return
        new = [it for it in (n, near) if it not in self.images]
        room = len(self.images) + len(new) <= MOST_NODES
        if not room or (image not in self.levels and len(self.levels) == MOST_IMAGES):
            self.truncated = True
            return
        self.images.setdefault(near, self.middle)
        self.images.setdefault(n, image)
        if image not in self.levels:
            self.levels[image] = self.levels[self.images[near]] + step or step


def _lanes(rows: list[Row], levels: dict[int, int]) -> tuple[Lane, ...]:
    """The images, from above to below; on one level the earliest first."""
    found: dict[int, Lane] = {}
    for row in rows:
        key = row["image_id"]
        found.setdefault(key, Lane(key, row["slug"], row["image_name"], levels[key]))
    return tuple(sorted(found.values(), key=lambda lane: lane.level))


def _nodes(rows: list[Row], heads: list[Row], pointed: list[Row]) -> tuple[Node, ...]:
    newest = {row["image_id"]: (row["start_date"], row["id"]) for row in heads}
    channels: dict[int, list[str]] = defaultdict(list)
    for row in pointed:
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
            stale=row["parent_image"] in newest
            and newest[row["parent_image"]] > (row["parent_start"], row["parent_id"]),
            parent_image=row["parent_image"],
            channels=tuple(sorted(channels[row["n"]])),
        )
        for row in rows
    )


def _gaps(places: dict[int, int], ids: dict[int, str]) -> tuple[Gap, ...]:
    """What is left out, by the places of the versions that are shown, among all that are readable."""
    shown = sorted((place, ids[n]) for n, place in places.items())
    before: list[tuple[int, str | None]] = [(0, None), *shown]
    return tuple(
        Gap(newer[0] - older[0] - 1, older[1], newer[1])
        for older, newer in zip(before, shown, strict=False)
        if newer[0] - older[0] > 1
    )
