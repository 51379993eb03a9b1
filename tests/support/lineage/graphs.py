"""Lineage graphs of given sizes for the picture, as `catalogue/versions/lineage/graph.py` would
find them."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from goldenrod.base.clock import Instant
from goldenrod.catalogue.versions.lineage.graph import Gap, Lane, LineageGraph, Node

OWN = 1
SIZES = (2, 5, 13, 34, 60, 78, 150, 300)
TODAY = date(2026, 9, 29)


def lane(key: int, level: int = 0, name: str | None = None) -> Lane:
    return Lane(key, f"image-{key}", name or f"image {key}", level)


def node(key: str, day: date, image: int = OWN, **more: Any) -> Node:
    """A version named after its day, unless `more` says otherwise."""
    facts = {
        "name": f"2023.0.{day:%Y%m%d}",
        "state": "current",
        "end_date": None,
        "revoked": more.get("state") == "revoked",
        "stale": False,
        "parent_image": None,
        "channels": (),
    } | more
    start = Instant(f"{day}T09:20:00.000000Z")
    return Node(id=key, start_date=start, image=image, **facts)


def around(
    nodes: Iterable[Node],
    edges: Iterable[tuple[str, str]] = (),
    lanes: Iterable[Lane] = (),
    gaps: Iterable[Gap] = (),
    version: str | None = None,
) -> LineageGraph:
    return LineageGraph(
        image=OWN,
        version=version,
        lanes=tuple(sorted(lanes or [lane(OWN)], key=lambda it: it.level)),
        nodes=tuple(sorted(nodes, key=lambda it: (it.start_date, it.id))),
        edges=tuple(edges),
        gaps=tuple(gaps),
        truncated=False,
    )


CHANNELS = {1: ("latest",), 2: ("candidate",), 3: ("stable", "2026q3")}
STATES = {4: "revoked", 5: "deprecated", 9: "ended"}


def releases(count: int, every: int = 7) -> list[Node]:
    """This number of versions of the central image. The last one is scheduled, a revoked one has
    no children, and the newest ones have channels."""
    found = []
    for number in range(count):
        back = count - 1 - number
        day = TODAY - timedelta(days=every * (back - 1) + number % 3)
        state = "scheduled" if back == 0 and count > 5 else STATES.get(back, "current")
        found.append(
            node(
                f"own{number}", day, state=state, channels=CHANNELS.get(back, ()), parent_image=OWN
            )
        )
    return found


def chained(nodes: list[Node]) -> list[tuple[str, str]]:
    """Each version on the previous one that is not revoked."""
    edges, above = [], None
    for it in nodes:
        if above is not None:
            edges.append((above, it.id))
        if not it.revoked:
            above = it.id
    return edges


def of_size(count: int) -> LineageGraph:
    """A lineage with this number of versions. Every fifth version of the central image was built
    on an ancestor image's version. One version was built on each of its versions, and another one
    on every second of those."""
    own = releases(max(2, count * 10 // 27))
    nodes, parents = list(own), {child: parent for parent, child in chained(own)}
    lanes = [
        lane(OWN, 0, "the image"),
        lane(2, -1, "base"),
        lane(3, 1, "gpu"),
        lane(4, 2, "payments"),
    ]
    for number, it in enumerate(own):
        day = date.fromisoformat(it.start_date[:10])
        kin = [(node(f"gpu{number}", day, 3, state="revoked" if it.revoked else "current"), it.id)]
        if number % 2 == 0:
            more = {"name": f"7.{number}.0", "stale": number + 2 >= len(own), "parent_image": 3}
            kin.append((node(f"pay{number}", day + timedelta(days=9), 4, **more), f"gpu{number}"))
        for it_, parent in kin[: count - len(nodes)]:
            nodes.append(it_)
            parents[it_.id] = parent
        if number % 5 == 0 and len(nodes) < count:
            nodes.append(node(f"base{number}", day - timedelta(days=4), 2))
            parents[it.id] = f"base{number}"
    while len(nodes) < count:
        number = count - len(nodes)
        nodes.append(node(f"old{number}", TODAY - timedelta(days=7 * len(own) + number), 2))
    found = {it.image for it in nodes}
    gaps = [Gap(9948, None, own[0].id)] if count > 20 else []
    edges = [(parent, child) for child, parent in parents.items()]
    return around(nodes, edges, [it for it in lanes if it.id in found], gaps)
