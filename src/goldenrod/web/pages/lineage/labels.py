"""Labels of the lineage picture: version names, channel flags, and counts of left-out versions.

No label covers another; the most important ones are placed first. A label without room is left out
of the picture, but is still in the title of its link and in the list.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from goldenrod.catalogue.versions.lineage.graph import Gap, LineageGraph
from goldenrod.web.pages.lineage.edges import Lines
from goldenrod.web.pages.lineage.layout import Layout, Spot
from goldenrod.web.pages.lineage.short_names import left_out, shorten, width

FLAG_LEVELS = {True: 3, False: 1}
"""The number of levels of flags in the central lane (True) and in other lanes."""
FLAG_TOP, FLAG_STEP, FLAG_HEIGHT = 28, 18, 16
LONGEST_FLAG = 18
PENNANT = 8
"""The width of a flag without a name."""
UNDER, SECOND = {True: 21, False: 18}, 12
"""How far below a version of the central lane (True) and of other lanes its name is, and how much
further down a name in the second row is."""
ASCENT = 9
"""The height of a name above its baseline."""
APART = 4
_FLAGGED = ("revoked", "deprecated", "scheduled")


@dataclass(frozen=True, slots=True)
class Label:
    """A version's name: its centre at x, its baseline at y."""

    text: str
    x: int
    y: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Flag:
    """A channel's flag, with its left edge at x and its upper edge at y. A flag without a text is a
    pennant."""

    text: str
    x: int
    y: int
    width: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Left-out versions of the central lane: where they are, and their label."""

    gap: Gap
    text: str
    left: int
    right: int
    y: int
    at: int | None
    """Where the text begins; None if there is no room for it."""


@dataclass(frozen=True, slots=True)
class Labels:
    """All labels: those of versions by the version's id, those between versions, and their rightmost
    edge."""

    names: dict[str, Label]
    flags: dict[str, tuple[Flag, ...]]
    left_out: tuple[LeftOut, ...]
    right: int


def labels(shown: LineageGraph, layout: Layout, lines: Lines) -> Labels:
    """Place all labels for which there is room."""
    lanes: dict[int, list[Spot]] = defaultdict(list)
    for spot in layout.spots.values():
        lanes[spot.node.image].append(spot)
    names: dict[str, Label] = {}
    flags: dict[str, tuple[Flag, ...]] = {}
    for lane in lanes.values():
        flags |= _flags(lane, layout.width)
        names |= _names(lane, shown.version, lines)
    ends = [spot.x + 12 for spot in layout.spots.values()]
    ends += [label.right for label in names.values()]
    ends += [flag.x + flag.width for row in flags.values() for flag in row]
    gaps = tuple(_left_out(gap, layout.spots, flags) for gap in shown.gaps)
    return Labels(names, flags, gaps, max(ends, default=0))


# ── flags ──────────────────────────────────────────────────────────────────────────────────


def _flags(lane: list[Spot], edge: int) -> dict[str, tuple[Flag, ...]]:
    """Place flags from right to left, those of one version on one pole. Flags rise above those that
    they would cover, so that no pole crosses a flag. If there is no free level, or the picture ends, a
    version gets fewer or shorter flags."""
    levels = FLAG_LEVELS[lane[0].own]
    found: dict[str, tuple[Flag, ...]] = {}
    poles: list[tuple[int, int]] = []
    for spot in reversed(lane):
        if not spot.node.channels:
            continue
        for texts in _wordings(spot.node.channels, levels):
            end = spot.x + max(map(_flag_width, texts)) + 4
            level = max((over + 1 for over, x in poles if end > x), default=0)
            top = level + len(texts) - 1
            if top < levels and end <= edge:
                break
        poles.append((top, spot.x))
        found[spot.node.id] = tuple(
            Flag(text, spot.x, spot.y - FLAG_TOP - FLAG_STEP * (top - row), _flag_width(text))
            for row, text in enumerate(texts)
        )
    return found


def _wordings(channels: tuple[str, ...], levels: int) -> Iterable[list[str]]:
    """Possible texts of a version's flags from top to bottom, the longest first. The last one always
    fits before the next version."""
    names = [shorten(name, LONGEST_FLAG) for name in channels]
    for most in range(min(levels, len(names)), 0, -1):
        rest = len(names) - most
        yield [*names[: most - 1], f"{names[most - 1]} +{rest}" if rest else names[most - 1]]
    if len(names) > 1:
        yield [f"+{len(names)}"]
    yield [""]


def _flag_width(text: str) -> int:
    return 9 + width(text) if text else PENNANT


# ── names ──────────────────────────────────────────────────────────────────────────────────


def _names(lane: list[Spot], asked: str | None, lines: Lines) -> dict[str, Label]:
    """Names below the versions, clear of lines from other lanes. In the central lane, those with
    channels may use a second row. One that matters is written over a line rather than not at all."""
    found: dict[str, Label] = {}
    taken: list[list[Label]] = [[], []]

    def matters(spot: Spot) -> bool:
        return bool(spot.node.channels) or spot.node.id == asked

    def rank(spot: Spot) -> tuple[bool, bool, int]:
        troubled = spot.node.revoked or spot.node.state in _FLAGGED
        return (not matters(spot), not troubled, -spot.x)

    for spot in sorted(lane, key=rank):
        wide = width(spot.text)
        x = max(spot.x, wide // 2 + 2)
        rows = (0, 1) if spot.own and matters(spot) else (0,)
        y = spot.y + UNDER[spot.own]
        each = [
            (row, Label(spot.text, x, y + SECOND * row, x - wide // 2, x + wide // 2))
            for row in rows
        ]
        free = [
            (row, label) for row, label in each if all(_are_apart(label, it) for it in taken[row])
        ]
        clear = [(row, label) for row, label in free if not _is_crossed(label, lines)]
        for row, label in (clear or (free if matters(spot) else []))[:1]:
            taken[row].append(label)
            found[spot.node.id] = label
    return found


def _is_crossed(label: Label, lines: Lines) -> bool:
    return lines.cross(label.left - 2, label.right + 2, label.y - ASCENT, label.y + 2)


def _are_apart(one: Label, other: Label) -> bool:
    return one.right + 2 * APART <= other.left or other.right + 2 * APART <= one.left


# ── left-out versions ───────────────────────────────────────────────────────────────────────


def _left_out(gap: Gap, spots: dict[str, Spot], flags: dict[str, tuple[Flag, ...]]) -> LeftOut:
    newer = spots[gap.newer]
    text = left_out(gap.count)
    left = begin = 2
    if gap.older:
        older = spots[gap.older]
        left, begin = older.x + 10, older.x + 12
        # A flag on the lowest level reaches into the gap.
        low = [it for it in flags.get(gap.older, ()) if it.y == older.y - FLAG_TOP]
        begin = max([begin, *(it.x + it.width + 6 for it in low)])
    right = newer.x - 10
    room = right - begin - width(text)
    at = None if room < 0 else begin + (room // 2 if gap.older else 0)
    return LeftOut(gap, text, left, max(left, right), newer.y, at)
