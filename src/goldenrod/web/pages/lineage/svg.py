"""The lineage picture: draws a graph of `catalogue/versions/lineage/graph.py` as SVG.

Lanes are images, time runs to the right, and each version is a link with a title. Its shape shows its
state: a filled circle is current, a triangle deprecated, a cross revoked, a quarter scheduled, a
hollow circle ended; a dashed circle around it marks an outdated version. The looks are
defined by classes (`static/styles/picture.css`); there is no inline style or script. All names are
escaped.
`text_list.py` has the same facts as a list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from goldenrod.base.bidi import isolated_by_controls
from goldenrod.catalogue.versions.lineage.graph import Lane, LineageGraph, Node
from goldenrod.web.pages.lineage import urls as address
from goldenrod.web.pages.lineage.edges import Lines, lines
from goldenrod.web.pages.lineage.labels import ASCENT, Flag, Label, Labels, LeftOut, labels
from goldenrod.web.pages.lineage.layout import WIDTH, Layout, Spot, lay_out
from goldenrod.web.pages.lineage.short_names import width as text_width

STATES = ("current", "scheduled", "deprecated", "revoked", "ended")


@dataclass(frozen=True, slots=True)
class LaneName:
    """The name of a lane, for the list to the left of the picture."""

    name: str
    href: str
    own: bool
    prefix: str
    """The common prefix that the labels of its versions leave out: `2023.0.`."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The parts of the picture, for a template."""

    svg: str
    lanes: tuple[LaneName, ...]
    states: tuple[str, ...]
    """The states of its versions, in the order of the legend."""
    marks: frozenset[str]
    """Its other marks, for the legend: see `_marks`."""
    begins: bool
    """Whether the version whose lineage this is is near the left end."""
    width: int
    height: int


def _shown(text: str) -> str:
    """A text as the picture has it: escaped, and isolated from the text beside it."""
    return escape(isolated_by_controls(text))


def lineage_picture(
    shown: LineageGraph, *, width: int = WIDTH, label: str = "Lineage", name: str = "lineage"
) -> Picture:
    """Draw a graph at least this wide. `name` is the prefix of its element ids, unique on a page."""
    layout = lay_out(shown, width)
    found = lines(shown, layout)
    written = labels(shown, layout, found)
    wide, high = max(layout.width, written.right + 4), layout.height
    lanes = {lane.id: lane for lane in shown.lanes}
    parts = [
        f'<svg width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" role="group" '
        f'aria-label="{_shown(label)}" aria-describedby="{escape(name)}-about">'
        f'<desc id="{escape(name)}-about">Time runs from left to right, one lane for each image. '
        "Lines connect a version to the versions built on it.</desc>",
        *_ticks(layout, written),
        *_lines(found),
        *(_left_out(it, lanes[shown.image], shown) for it in written.left_out),
    ]
    for key, spot in layout.spots.items():
        asked = key == shown.version
        flags = written.flags.get(key, ())
        parts.append(_version(spot, lanes[spot.node.image], asked, flags, written.names.get(key)))
    parts.append("</svg>")
    names = tuple(
        LaneName(row.lane.name, address.of_image(row.lane), row.own, row.prefix)
        for row in layout.rows
    )
    spots = layout.spots.values()
    asked_at = next((spot.x for spot in spots if spot.node.id == shown.version), wide)
    return Picture(
        "".join(parts),
        names,
        tuple(state for state in STATES if any(spot.node.state == state for spot in spots)),
        _marks(shown, layout, found),
        asked_at < wide / 2,
        wide,
        high,
    )


def _marks(shown: LineageGraph, layout: Layout, found: Lines) -> frozenset[str]:
    """Which marks other than states a picture has."""
    spots = layout.spots.values()
    has = {
        "asked": shown.version in layout.spots,
        "outdated": any(spot.outdated for spot in spots),
        "also revoked": any(spot.node.revoked and spot.node.state != "revoked" for spot in spots),
        "channel": any(spot.node.channels for spot in spots),
        "line": any(not line.dotted for line in found.lines),
        "guide": bool(found.guides or found.own_guides),
        "scheduled line": any(line.dotted for line in found.lines),
        "left out": bool(found.dashes),
    }
    return frozenset(name for name, there in has.items() if there)


def title(node: Node, lane: Lane) -> str:
    """A version in words: `base 2023.0.1, current, outdated, 2026-03-14, stable`."""
    revoked = ["revoked"] if node.revoked and node.state != "revoked" else []
    stale = ["outdated"] if node.stale else []
    words = [node.state, *revoked, *stale, node.start_date[:10], *node.channels]
    return f"{lane.name} {node.name}, {', '.join(words)}"


# ── time and lines ─────────────────────────────────────────────────────────────────────────


def _ticks(layout: Layout, written: Labels) -> list[str]:
    return [
        f'<path class="tick" d="{_broken(tick.x, layout.height, written)}"/>'
        f'<text x="{tick.x + 4}" y="14">{tick.text}</text>'
        for tick in layout.ticks
    ]


def _broken(x: int, bottom: int, written: Labels) -> str:
    """A vertical line from the months to the bottom, interrupted where a text is."""
    texts = [
        (label.y - ASCENT - 2, label.y + 4)
        for label in written.names.values()
        if label.left - 4 <= x <= label.right + 4
    ]
    texts += [
        (it.y - 10 - ASCENT - 2, it.y - 6)
        for it in written.left_out
        if it.at is not None and it.at - 4 <= x <= it.at + text_width(it.text) + 4
    ]
    path, y = "", 20
    for top, end in sorted(texts):
        path += f"M{x} {y}V{top}" if top > y else ""
        y = max(y, end)
    return f"{path}M{x} {y}V{bottom}"


def _lines(found: Lines) -> list[str]:
    """The lines as one path for each kind: guides first, then other lines, with the strong lines on
    top."""
    kinds: dict[str, list[str]] = {
        "lane": list(found.guides),
        "lane mid": list(found.own_guides),
        "e": [],
        "e dash": [],
        "own dash": list(found.dashes),
        "own": [],
    }
    for line in found.lines:
        kinds[("own" if line.own else "e") + (" dash" if line.dotted else "")].append(line.path)
    return [f'<path class="{kind}" d="{"".join(d)}"/>' for kind, d in kinds.items() if d]


def _left_out(it: LeftOut, lane: Lane, shown: LineageGraph) -> str:
    nodes = {node.id: node for node in shown.nodes}
    newer = nodes[it.gap.newer].name
    between = (
        f"between {nodes[it.gap.older].name} and {newer}" if it.gap.older else f"before {newer}"
    )
    text = f'<text class="older" x="{it.at}" y="{it.y - 10}">{it.text}</text>'
    wide = max(it.right - it.left, 1)
    return (
        f'<a class="gap" href="{escape(address.of_left_out(lane, it.gap))}">'
        f"<title>{_shown(f'{it.gap.count:,} more {between}')}</title>"
        f'<path class="hit" d="M{it.left} {it.y - 8}h{wide}v16h-{wide}z"/>'
        f"{text if it.at is not None else ''}</a>"
    )


# ── versions ───────────────────────────────────────────────────────────────────────────────


def _version(
    spot: Spot, lane: Lane, asked: bool, flags: tuple[Flag, ...], label: Label | None
) -> str:
    """A version as a link, drawn around its centre."""
    node = spot.node
    parts = [
        f'<a class="s-{node.state}{" own" if spot.own else ""}" '
        f'href="{escape(address.of_version(lane, node))}" '
        f'transform="translate({spot.x} {spot.y})"><title>{_shown(title(node, lane))}</title>',
        '<circle class="hit" r="11"/>',
    ]
    if flags:
        parts.append(f'<path class="pole" d="M0 0V{min(it.y for it in flags) - spot.y}"/>')
    parts += [_flag(flag, spot) for flag in flags]
    if asked:
        parts.append(f'<circle class="sel" r="{spot.radius + 4:g}"/>')
    if spot.outdated:
        parts.append(f'<circle class="stale" r="{spot.radius + 3:g}"/>')
    parts.append(_shape(node, spot.radius))
    if label:
        key = " k" if node.channels or asked else ""
        parts.append(
            f'<text class="name{key}" x="{label.x - spot.x}" y="{label.y - spot.y}">'
            f"{_shown(label.text)}</text>"
        )
    return "".join(parts) + "</a>"


def _flag(flag: Flag, spot: Spot) -> str:
    x, y, wide = flag.x - spot.x, flag.y - spot.y, flag.width
    if not flag.text:
        return f'<path class="cloth" d="M1 {y}l{wide} 6l-{wide} 6z"/>'
    return (
        f'<path class="cloth" d="M{x + 1} {y}h{wide}v16h-{wide}z"/>'
        f'<text class="cname" x="{x + 5}" y="{y + 12}">{_shown(flag.text)}</text>'
    )


def _shape(node: Node, radius: float) -> str:
    """The shape of a version's state, with a small cross if it is also revoked."""
    shape = _SHAPES[node.state](radius)
    return shape + (_cross(radius - 3) if node.revoked and node.state != "revoked" else "")


def _dot(radius: float) -> str:
    return f'<circle class="n" r="{radius:g}"/>'


def _downward(radius: float) -> str:
    wide = radius + 1.5
    return f'<path class="n" d="M-{wide:g}-{radius - 1:g}h{2 * wide:g}L0 {radius + 2:g}z"/>'


def _quarter(radius: float) -> str:
    q = f"{radius - 1.5:g}"
    return f'{_dot(radius - 0.5)}<path class="q" d="M0 0V-{q}A{q} {q} 0 0 1 {q} 0z"/>'


def _crossed_out(radius: float) -> str:
    return f'<circle class="bg" r="{radius + 1:g}"/>{_cross(radius - 2)}'


def _cross(size: float) -> str:
    wide = f"{2 * size:g}"
    return f'<path class="x" d="M-{size:g}-{size:g}l{wide} {wide}m0-{wide}l-{wide} {wide}"/>'


_SHAPES: dict[str, Callable[[float], str]] = {
    "current": _dot,
    "deprecated": _downward,
    "scheduled": _quarter,
    "revoked": _crossed_out,
    "ended": _dot,
}
