"""Labels of the lineage picture: version names, channel flags, and counts of left-out versions.

No label covers another; the most important ones are placed first. A label without room is left out
of the picture, but is still in the title of its link and in the list.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

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
UNDER, SECOND = 21, 12
"""How far below a version its name is, and how much further down a name in the second row is."""
BESIDE = 15
"""How far to the right of a version its name is, clear of outgoing lines."""
APART = 4
_FLAGGED = ("revoked", "deprecated", "scheduled")


@dataclass(frozen=True, slots=True)
class Label:
    """A version's name: its centre or left end at x, its baseline at y."""

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
        names |= _under(lane, shown.version) if lane[0].own else _beside(lane, lines)
    ends = [spot.x + 12 for spot in layout.spots.values()]
    ends += [label.right for label in names.values()]
    ends += [flag.x + flag.width for row in flags.values() for flag in row]
    gaps = tuple(_left_out(gap, layout.spots, flags) for gap in shown.gaps)
    return Labels(names, flags, gaps, max(ends, default=0))


# ── flags ──────────────────────────────────────────────────────────────────────────────────


def _flags(lane: list[Spot], edge: int) -> dict[str, tuple[Flag, ...]]:
    """Place flags from right to left. A flag rises above those that it would cover, so that no pole
    crosses a flag. If there is no free level, or the picture ends, the flag gets a shorter text."""
    levels = FLAG_LEVELS[lane[0].own]
    found: dict[str, tuple[Flag, ...]] = {}
    poles: list[tuple[int, int]] = []
    for spot in reversed(lane):
        if not spot.node.channels:
            continue
        for texts in _wordings(spot.node.channels):
            end = spot.x + sum(_flag_width(text) + 4 for text in texts)
            level = max((over + 1 for over, x in poles if end > x), default=0)
            if level < levels and end <= edge:
                break
        poles.append((level, spot.x))
        found[spot.node.id] = tuple(_row(texts, spot, level))
    return found


def _row(texts: list[str], spot: Spot, level: int) -> Iterable[Flag]:
    x = spot.x
    for text in texts:
        wide = _flag_width(text)
        yield Flag(text, x, spot.y - FLAG_TOP - FLAG_STEP * level, wide)
        x += wide + 4


def _wordings(channels: tuple[str, ...]) -> Iterable[list[str]]:
    """Possible texts of a version's flags, longest first. The last one always fits before the next
    version."""
    names = [shorten(name, LONGEST_FLAG) for name in channels]
    yield names if len(names) <= 2 else [*names[:2], f"+{len(names) - 2}"]
    if len(names) > 1:
        yield [names[0], f"+{len(names) - 1}"]
        yield [f"+{len(names)}"]
    yield [""]


def _flag_width(text: str) -> int:
    return 9 + width(text) if text else PENNANT


# ── names ──────────────────────────────────────────────────────────────────────────────────


def _under(lane: list[Spot], asked: str | None) -> dict[str, Label]:
    """Names below the versions; those with channels may use a second row."""
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
        for row in (0, 1) if matters(spot) else (0,):
            label = Label(spot.text, x, spot.y + UNDER + SECOND * row, x - wide // 2, x + wide // 2)
            if all(_are_apart(label, other) for other in taken[row]):
                taken[row].append(label)
                found[spot.node.id] = label
                break
    return found


def _are_apart(one: Label, other: Label) -> bool:
    return one.right + 2 * APART <= other.left or other.right + 2 * APART <= one.left


def _beside(lane: list[Spot], lines: Lines) -> dict[str, Label]:
    """Names to the right of the versions. The last version has one. Others have one if there is enough
    room and no vertical line crosses it."""
    found: dict[str, Label] = {}
    for spot, after in pairwise([*lane, None]):
        assert spot is not None
        x = spot.x + BESIDE
        label = Label(spot.text, x, spot.y + 4, x, x + width(spot.text))
        free = after is None or (
            label.right + BESIDE <= after.x
            and not lines.upright_at(label.left - APART, label.right + APART, spot.y)
        )
        if free:
            found[spot.node.id] = label
    return found


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
