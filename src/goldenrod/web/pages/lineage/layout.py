"""Positions of the versions in the lineage picture: columns of time, a lane for each image.

Time runs to the right in columns, one for each day with a release. Their distance grows with the
square root of the days between them, so that bursts stay apart and months still look long. Lanes run
from ancestors at the top to descendants at the bottom. Each level begins a step further right, so
that a child of the same day is to the right of its parent. All lengths are whole pixels. `edges.py`
routes the lines between versions; `labels.py` places the labels.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from goldenrod.catalogue.versions.lineage.graph import Lane, LineageGraph, Node
from goldenrod.web.pages.lineage.short_names import CELL, cells, left_out, prefix, shorten

WIDTH = 918
"""The minimum width of a picture."""
TOP = 28
"""The height above the first lane, for the months."""
HEIGHTS = {True: 112, False: 72}
"""The height of the central lane (True) and of other lanes. The lowest 18 pixels are for the lane's
name, which narrow windows show there."""
BASES = {True: 56, False: 30}
"""The distance of a lane's line from the top of the lane."""
RADII = {True: 6.5, False: 4.5}
LEFT, RIGHT = 36, 100
STEP = 16
"""How much further to the right each level begins."""
NEAREST = 22
"""The minimum distance between versions in a lane."""
NEARER = 11
"""The minimum distance between columns without a common lane."""
FARTHEST = 60.0
"""The maximum distance if the picture grows."""
CLEAR_OF_TICK = 9
"""How far from a version the beginning of a month is."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Spot:
    """A version with its position."""

    node: Node
    x: int
    y: int
    own: bool
    """Whether it belongs to the central image."""
    text: str
    """Its name as shortened for the label."""
    outdated: bool
    """Whether it is marked as outdated: it is stale, built on another image, and recommended."""

    @property
    def radius(self) -> float:
        return RADII[self.own]


@dataclass(frozen=True, slots=True)
class Row:
    """A lane with its position and the prefix that its labels leave out."""

    lane: Lane
    y: int
    own: bool
    prefix: str


@dataclass(frozen=True, slots=True)
class Tick:
    """The beginning of a month."""

    x: int
    text: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The positions of everything in the picture."""

    width: int
    height: int
    rows: tuple[Row, ...]
    spots: dict[str, Spot]
    """By the id of the version: lane by lane, each from left to right."""
    ticks: tuple[Tick, ...]


def lay_out(shown: LineageGraph, width: int = WIDTH) -> Layout:
    """Position everything that is shown, in this width or, if necessary, in more."""
    rows = _rows(shown)
    columns, wide = _columns(shown, rows, width)
    last = rows[-1] if rows else None
    return Layout(
        width=wide,
        height=(last.y - BASES[last.own] + HEIGHTS[last.own] if last else TOP) + 4,
        rows=rows,
        spots=_spots(shown, rows, columns),
        ticks=_ticks(columns),
    )


def _rows(shown: LineageGraph) -> tuple[Row, ...]:
    names: dict[int, list[str]] = defaultdict(list)
    for node in shown.nodes:
        names[node.image].append(node.name)
    rows, y = [], TOP
    for lane in shown.lanes:
        own = lane.id == shown.image
        rows.append(Row(lane, y + BASES[own], own, prefix(names[lane.id])))
        y += HEIGHTS[own]
    return tuple(rows)


def _shifts(rows: tuple[Row, ...]) -> dict[int, int]:
    """How much further right than its column each image's versions are."""
    lowest = min((row.lane.level for row in rows), default=0)
    return {row.lane.id: STEP * (row.lane.level - lowest) for row in rows}


# ── time ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Column:
    """A day, or a part of a day on which a lane has several versions."""

    day: date
    x: int
    nodes: list[Node]


def _columns(shown: LineageGraph, rows: tuple[Row, ...], width: int) -> tuple[list[_Column], int]:
    """The columns, and the whole width."""
    days: dict[date, list[Node]] = defaultdict(list)
    for node in shown.nodes:
        days[date.fromisoformat(node.start_date[:10])].append(node)
    levels = {row.lane.id: row.lane.level for row in rows}
    parents = {child: parent for parent, child in shown.edges}
    parts = [
        (day, part)
        for day, nodes in sorted(days.items())
        for part in _parts(nodes, levels, parents)
    ]
    gaps = [_gap(*pair) for pair in pairwise(parts)]
    least = [_least(before[1], after[1]) for before, after in pairwise(parts)]
    left, right = _margins(shown, rows)
    x = float(left)
    columns = []
    for (day, part), gap in zip(
        parts, [0.0, *_fitted(gaps, least, width - left - right)], strict=False
    ):
        x += gap
        columns.append(_Column(day, round(x), part))
    return columns, max(width, round(x) + right)


def _parts(nodes: list[Node], levels: dict[int, int], parents: dict[str, str]) -> list[list[Node]]:
    """Split one day's versions into columns by time. A column has at most one version of a lane, and
    a child is to the right of its parent unless its lane begins further right anyway."""
    parts: list[list[Node]] = []
    at: dict[str, int] = {}
    images: dict[str, int] = {}
    free: dict[int, int] = defaultdict(int)
    for node in nodes:
        part = free[node.image]
        parent = parents.get(node.id)
        if parent in at and images[parent] != node.image:
            beside = levels[node.image] > levels[images[parent]]
            part = max(part, at[parent] + (not beside))
        at[node.id], images[node.id] = part, node.image
        free[node.image] = part + 1
        while len(parts) <= part:
            parts.append([])
        parts[part].append(node)
    return parts


_Part = tuple[date, list[Node]]


def _gap(before: _Part, after: _Part) -> float:
    return 6 + 10 * math.sqrt((after[0] - before[0]).days)


def _least(before: list[Node], after: list[Node]) -> float:
    shared = {node.image for node in before} & {node.image for node in after}
    return NEAREST if shared else NEARER


def _fitted(gaps: list[float], least: list[float], width: float) -> list[float]:
    """The gaps scaled to a width, each at least its minimum. Wider gaps shrink to make room; if that is
    not enough, the picture grows."""
    if not gaps:
        return []
    scale = width / sum(gaps)
    found = [max(low, gap * scale) for gap, low in zip(gaps, least, strict=True)]
    over, slack = sum(found) - width, sum(found) - sum(least)
    if over <= 0:
        return found
    if over > slack:
        return [max(low, min(0.7 * gap, FARTHEST)) for gap, low in zip(gaps, least, strict=True)]
    return [low + (gap - low) * (1 - over / slack) for gap, low in zip(found, least, strict=True)]


def _margins(shown: LineageGraph, rows: tuple[Row, ...]) -> tuple[int, int]:
    """The left margin, for older versions that are left out, and the right one, for labels."""
    older = next((gap for gap in shown.gaps if gap.older is None), None)
    left = max(LEFT, 13 + round(CELL * cells(left_out(older.count)))) if older else LEFT
    last = {node.image: node.name for node in shown.nodes}
    right, shifts = RIGHT, _shifts(rows)
    for row in rows:
        wide = CELL * cells(shorten(last.get(row.lane.id, "")[len(row.prefix) :]))
        right = max(right, round(shifts[row.lane.id] + wide / 2 + 4))
    return left, right


def _ticks(columns: list[_Column]) -> tuple[Tick, ...]:
    """The beginnings of the months that have a release, where their names have room. Time between two
    columns is linear. The first month of a year has the year too."""
    ticks: list[Tick] = []
    seen: set[tuple[int, int]] = set()
    year, free = 0, -math.inf
    for before, column in zip([None, *columns], columns, strict=False):
        month = (column.day.year, column.day.month)
        x = _beginning_of_month(before, column)
        if month in seen:
            continue
        seen.add(month)
        if x < free:
            continue
        name = MONTHS[column.day.month - 1]
        text = name if month[0] == year else f"{name} {month[0]}"
        ticks.append(Tick(x, text))
        year, free = month[0], x + 12 + CELL * len(text)
    return tuple(ticks)


def _beginning_of_month(before: _Column | None, column: _Column) -> int:
    """The x of the first day of a column's month: clear of the versions of both columns."""
    latest = column.x - CLEAR_OF_TICK
    first = column.day.replace(day=1)
    if before is None or before.day >= first:
        return latest
    # A release on the last day of a month was before its end.
    days = (column.day - before.day) / timedelta(days=1)
    x = before.x + (column.x - before.x) * ((first - before.day) / timedelta(days=1)) / days
    return round(max(min(x, latest), min(before.x + CLEAR_OF_TICK, latest)))


# ── versions ───────────────────────────────────────────────────────────────────────────────


def _spots(shown: LineageGraph, rows: tuple[Row, ...], columns: list[_Column]) -> dict[str, Spot]:
    of_lane: dict[int, list[tuple[int, Node]]] = defaultdict(list)
    for column in columns:
        for node in column.nodes:
            of_lane[node.image].append((column.x, node))
    shifts = _shifts(rows)
    spots: dict[str, Spot] = {}
    for row in rows:
        there = of_lane[row.lane.id]
        taken = _recommended([node for _, node in there], shown.version)
        for x, node in there:
            spots[node.id] = Spot(
                node,
                x + shifts[row.lane.id],
                row.y,
                row.own,
                shorten(node.name[len(row.prefix) :]),
                node.stale and node.parent_image != node.image and node.id in taken,
            )
    return spots


def _recommended(nodes: list[Node], asked: str | None) -> set[str]:
    """The recommended versions of a lane: channel targets, the newest current one, and the one whose
    lineage this is."""
    current = [node.id for node in nodes if node.state == "current"]
    return {*current[-1:], *(node.id for node in nodes if node.channels or node.id == asked)}
