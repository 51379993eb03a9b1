"""Routes of the lines in the lineage picture: within a lane, and from lane to lane.

Within a lane, a line runs straight from a version to the next one if that was built on it, and as an
arc above other versions, so that a revoked version without children is a visible dead end. From lane
to lane, a line leaves its parent to the right, runs up or down a gutter, and then along the child's
lane, or just outside the lane if another version is in between. Corners are rounded.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from goldenrod.catalogue.versions.lineage.graph import LineageGraph
from goldenrod.web.pages.lineage.layout import Layout, Spot

CORNER = 6
OUTSIDE = 16
"""How far outside a lane a line passes its versions."""
ARCS = (12, 20)
"""The heights of arcs. Two arcs that cross get different heights."""
GUTTERS = (8, 11, 5, 14, 18)
"""How far to the right of a parent its line may turn, the best distance first."""
CLEAR = 3
"""How near to a version a line may come."""

Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """A line from a parent to its child."""

    parent: str
    child: str
    own: bool
    """Whether it is within the central image's lane. Such lines are drawn stronger."""
    dotted: bool
    """Whether the child is scheduled."""
    corners: tuple[Point, ...]
    """Its corners, if it runs from lane to lane; empty within a lane."""
    path: str


@dataclass(frozen=True, slots=True)
class Lines:
    """All lines. `guides` and `own_guides` (in the central lane) connect neighbours that are not
    parent and child; `dashes` are drawn where versions are left out."""

    guides: tuple[str, ...]
    own_guides: tuple[str, ...]
    dashes: tuple[str, ...]
    lines: tuple[Line, ...]

    def cross(self, left: int, right: int, top: int, bottom: int) -> bool:
        """Whether a line from lane to lane crosses this rectangle."""
        return any(
            min(a[0], b[0]) <= right
            and left <= max(a[0], b[0])
            and min(a[1], b[1]) <= bottom
            and top <= max(a[1], b[1])
            for line in self.lines
            for a, b in pairwise(line.corners)
        )


def lines(shown: LineageGraph, layout: Layout) -> Lines:
    """Route every edge and every lane."""
    spots = layout.spots
    lanes: dict[int, list[Spot]] = defaultdict(list)
    for spot in spots.values():
        lanes[spot.node.image].append(spot)
    edges = [(spots[parent], spots[child]) for parent, child in shown.edges]
    within = [edge for edge in edges if edge[0].node.image == edge[1].node.image]
    across = [edge for edge in edges if edge[0].node.image != edge[1].node.image]
    neighbours = [pair for lane in lanes.values() for pair in pairwise(lane)]
    straight = {_ids(pair) for pair in neighbours} & set(shown.edges)
    lane_versions = {
        image: _LaneVersions(lane[0].y, lane[0].radius, [spot.x for spot in lane])
        for image, lane in lanes.items()
    }
    arcs = _heights([edge for edge in within if _ids(edge) not in straight])
    gaps = {(gap.older, gap.newer) for gap in shown.gaps}
    guides = [pair for pair in neighbours if _ids(pair) not in straight | gaps]
    return Lines(
        guides=tuple(_level(*pair) for pair in guides if not pair[0].own),
        own_guides=tuple(_level(*pair) for pair in guides if pair[0].own),
        dashes=tuple(
            f"M{spots[gap.older].x if gap.older else 2} {spots[gap.newer].y}H{spots[gap.newer].x}"
            for gap in shown.gaps
            if (gap.older, gap.newer) not in straight
        ),
        lines=(
            *(_line(edge, _level(*edge)) for edge in within if _ids(edge) in straight),
            *(_line(edge, _arc(*edge, height)) for edge, height in arcs),
            *(_across(edge, lane_versions) for edge in across),
        ),
    )


_Edge = tuple[Spot, Spot]


def _ids(edge: _Edge) -> tuple[str, str]:
    return edge[0].node.id, edge[1].node.id


def _line(edge: _Edge, path: str, corners: tuple[Point, ...] = ()) -> Line:
    parent, child = edge
    dotted = child.node.state == "scheduled"
    return Line(*_ids(edge), parent.own and child.own, dotted, corners, path)


def _across(edge: _Edge, lanes: dict[int, "_LaneVersions"]) -> Line:
    corners = _corners_between(*edge, lanes)
    return _line(edge, rounded(corners), tuple(corners))


# ── in a lane ──────────────────────────────────────────────────────────────────────────────


def _level(older: Spot, newer: Spot) -> str:
    return f"M{older.x} {older.y}H{newer.x}"


def _heights(arcs: list[_Edge]) -> list[tuple[_Edge, int]]:
    """The height of each arc. Short arcs are low. Arcs that cross differ in height, unless they have
    the same parent."""
    found: list[tuple[_Edge, int]] = []
    taken: dict[tuple[int, int], list[tuple[int, int, str]]] = defaultdict(list)
    for parent, child in sorted(arcs, key=lambda arc: (abs(arc[1].x - arc[0].x), arc[0].x)):
        left, right = sorted((parent.x, child.x))
        for height in ARCS:
            others = taken[parent.node.image, height]
            if all(right <= a or left >= b or of == parent.node.id for a, b, of in others):
                break
        taken[parent.node.image, height].append((left, right, parent.node.id))
        found.append(((parent, child), height))
    return found


def _arc(parent: Spot, child: Spot, height: int) -> str:
    left, right = sorted((parent.x, child.x))
    bend = min(height, (right - left) // 2)
    y = parent.y
    return f"M{left} {y}q0-{height} {bend}-{height}H{right - bend}q{bend} 0 {bend} {height}"


# ── between lanes ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _LaneVersions:
    """The positions of a lane's versions from left to right."""

    y: int
    radius: float
    xs: list[int]

    def any_within(self, left: float, right: float) -> bool:
        """Whether a line between the two positions would touch a version."""
        reach = self.radius + CLEAR
        at = bisect_right(self.xs, left - reach)
        return at < len(self.xs) and self.xs[at] < right + reach

    def free(self, x: int) -> float:
        """The distance between a vertical line at x and the nearest version."""
        at = bisect_right(self.xs, x)
        near = self.xs[max(0, at - 1) : at + 1]
        return min((abs(it - x) for it in near), default=math.inf) - self.radius


def _corners_between(parent: Spot, child: Spot, lanes: dict[int, _LaneVersions]) -> list[Point]:
    """The corners of a line from lane to lane."""
    down = 1 if child.y > parent.y else -1
    gutter = _gutter(parent, child, lanes)
    begin = [(parent.x, parent.y), (gutter, parent.y)]
    # The section up to the left side of the child.
    near = child.x - 2 * (child.radius + CLEAR)
    if child.x > gutter and not lanes[child.node.image].any_within(gutter, near):
        return [*begin, (gutter, child.y), (child.x, child.y)]
    outside = child.y - down * OUTSIDE
    return [*begin, (gutter, outside), (child.x, outside), (child.x, child.y)]


def _gutter(parent: Spot, child: Spot, lanes: dict[int, _LaneVersions]) -> int:
    """The x at which the line turns: clear of the versions of the lanes that it crosses, or as far from
    them as possible."""
    low, high = sorted((parent.y, child.y))
    crossed = [lane for lane in lanes.values() if low < lane.y < high]
    best, most = parent.x + GUTTERS[0], -math.inf
    for right in GUTTERS:
        x = parent.x + right
        free = min((lane.free(x) for lane in crossed), default=math.inf)
        if free >= CLEAR:
            return x
        if free > most:
            best, most = x, free
    return best


def rounded(points: list[Point]) -> str:
    """A path of horizontal and vertical lines, with corners rounded as far as there is room."""
    corners = [points[0], *(after for before, after in pairwise(points) if before != after)]
    path = f"M{corners[0][0]} {corners[0][1]}"
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        size = min(CORNER, _length(before, corner) // 2, _length(corner, after) // 2)
        x, y = corner
        begin, end = _toward(corner, before, size), _toward(corner, after, size)
        path += _to(before, begin)
        path += f"q{x - begin[0]} {y - begin[1]} {end[0] - begin[0]} {end[1] - begin[1]}"
    return path + _to(corners[-2], corners[-1])


def _to(before: Point, point: Point) -> str:
    return f"H{point[0]}" if before[1] == point[1] else f"V{point[1]}"


def _length(one: Point, other: Point) -> int:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _toward(corner: Point, other: Point, size: int) -> Point:
    """The point at this distance from a corner towards another point."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    return (
        corner[0] + (size if dx > 0 else -size if dx < 0 else 0),
        corner[1] + (size if dy > 0 else -size if dy < 0 else 0),
    )
