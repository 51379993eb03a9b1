"""The lineage picture: everything is drawn once, in its place, without overlap, and escaped."""

import re
import time
from collections import Counter, defaultdict
from datetime import date, timedelta
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldenrod.base.bidi import isolated_by_controls
from goldenrod.catalogue.versions.lineage.graph import Gap, LineageGraph
from goldenrod.web import pages
from goldenrod.web.pages.lineage.edges import CLEAR, Lines, lines
from goldenrod.web.pages.lineage.labels import FLAG_HEIGHT, Labels, labels
from goldenrod.web.pages.lineage.layout import NEAREST, WIDTH, Layout, lay_out
from goldenrod.web.pages.lineage.svg import lineage_picture
from goldenrod.web.pages.lineage.text_list import lineage_list
from tests.support.lineage.graphs import (
    OWN,
    SIZES,
    TODAY,
    around,
    chained,
    lane,
    node,
    of_size,
    releases,
)

STYLE = Path(pages.__file__).parents[1] / "static" / "styles" / "picture.css"
Element = ElementTree.Element


def laid(shown: LineageGraph) -> tuple[Layout, Lines, Labels]:
    layout = lay_out(shown)
    found = lines(shown, layout)
    return layout, found, labels(shown, layout, found)


def drawn(shown: LineageGraph) -> Element:
    """The picture, which is well-formed XML besides."""
    return ElementTree.fromstring(lineage_picture(shown).svg)


def links(svg: Element) -> list[Element]:
    return [it for it in svg.iter("a") if it.get("class") != "gap"]


def link(svg: Element, name: str) -> Element:
    """The link whose title names this version."""
    [found] = [it for it in links(svg) if f" {name}, " in text_of(it, "title")]
    return found


def text_of(element: Element, tag: str) -> str:
    return "".join(element.findtext(tag) or "")


def kinds(element: Element) -> set[str]:
    return {f"{it.tag}.{it.get('class')}" for it in element}


def ends(path: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where a path of M, H, V and q begins and ends."""
    first = None
    x = y = 0.0
    for command, given_ in re.findall(r"([MHVq])([-\d. ]+)", path):
        numbers = [float(it) for it in re.findall(r"-?[\d.]+", given_)]
        if command == "M":
            x, y = numbers
        elif command == "H":
            [x] = numbers
        elif command == "V":
            [y] = numbers
        else:
            x, y = x + numbers[2], y + numbers[3]
        first = first or (x, y)
    assert first and re.fullmatch(r"(?:[MHVq][-\d. ]+)+", path), path
    return first, (x, y)


def check(shown: LineageGraph) -> None:
    """What holds of every picture."""
    layout, found, written = laid(shown)
    assert layout.spots.keys() == {it.id for it in shown.nodes}
    of_lane = defaultdict(list)
    for spot in layout.spots.values():
        of_lane[spot.node.image].append(spot)
        assert 0 < spot.x < layout.width and 0 < spot.y < layout.height
    for spots in of_lane.values():
        # By time, in one line, each with room for a pointer.
        assert [it.node for it in spots] == [
            it for it in shown.nodes if it.image == spots[0].node.image
        ]
        assert len({it.y for it in spots}) == 1
        assert all(after.x - before.x >= NEAREST - 1 for before, after in pairwise(spots))
    assert len({spots[0].y for spots in of_lane.values()}) == len(of_lane)
    # Lines: each edge once, from its parent to its child.
    assert Counter((it.parent, it.child) for it in found.lines) == Counter(shown.edges)
    for line in found.lines:
        both = {(layout.spots[key].x, layout.spots[key].y) for key in (line.parent, line.child)}
        assert set(ends(line.path)) == both
    for path in (*found.guides, *found.own_guides, *found.dashes):
        begin, end = ends(path)
        assert begin[1] == end[1] and begin[0] < end[0]
    check_written(layout, written)
    check_drawn(shown)


def check_written(layout: Layout, written: Labels) -> None:
    """Nothing that is written covers another, nor goes past an edge."""
    rows = defaultdict(list)
    for label in written.names.values():
        rows[label.y].append(label)
        assert label.left >= 0
    for row in rows.values():
        row.sort(key=lambda it: it.left)
        assert all(one.right < other.left for one, other in pairwise(row))
    flags = [(key, flag) for key, row in written.flags.items() for flag in row]
    for (key, one), (other_key, other) in combinations(flags, 2):
        beside = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert beside or abs(one.y - other.y) >= FLAG_HEIGHT
        # The pole of one does not go through the cloth of the other.
        for pole, cloth in ((layout.spots[key], other), (layout.spots[other_key], one)):
            if pole.y == layout.spots[key].y == layout.spots[other_key].y and key != other_key:
                high = min(it.y for it in written.flags[pole.node.id])
                through = cloth.x < pole.x < cloth.x + cloth.width
                assert not (through and high < cloth.y)
    for it in written.left_out:
        assert it.left < it.right
        assert it.at is None or it.at >= 0


def check_drawn(shown: LineageGraph) -> None:
    picture = lineage_picture(shown)
    svg = ElementTree.fromstring(picture.svg)
    assert svg.get("viewBox") == f"0 0 {picture.width} {picture.height}"
    assert [it.name for it in picture.lanes] == [it.name for it in shown.lanes]
    found = links(svg)
    assert len(found) == len(shown.nodes)
    for it in found:
        assert text_of(it, "title") and it.get("href", "").startswith("/images/")
    assert len(list(svg.iter("a"))) == len(shown.nodes) + len(shown.gaps)
    used = {name for it in svg.iter() for name in (it.get("class") or "").split()}
    styled = set(re.findall(r"\.([a-z-]+)", STYLE.read_text("utf-8")))
    assert used <= styled | {"s-current", "s-deprecated", "s-revoked", "gap"}


# ── sizes and shapes ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", SIZES)
def test_lineages_of_any_size(count: int) -> None:
    shown = of_size(count)
    check(shown)
    picture = lineage_picture(shown)
    assert picture.height == 28 + 112 + 72 * (len(shown.lanes) - 1) + 4
    # Above eighty it grows, and scrolls.
    assert (picture.width == WIDTH) == (count <= 80)
    assert len(picture.svg) < 1_000 + 350 * count


@pytest.mark.parametrize("count", SIZES)
def test_lines_keep_clear_of_versions(count: int) -> None:
    layout, found, _ = laid(of_size(count))
    for line in found.lines:
        for (x, y), (x2, y2) in pairwise(line.corners):
            for key, spot in layout.spots.items():
                if x == x2 and key not in (line.parent, line.child) and y != y2:
                    crossed = min(y, y2) < spot.y < max(y, y2)
                    assert not crossed or abs(spot.x - x) >= spot.radius + CLEAR


def test_three_hundred_versions_are_drawn_fast() -> None:
    shown = of_size(300)
    lineage_picture(shown)
    begun = time.perf_counter()
    for _ in range(5):
        lineage_picture(shown)
    spent = (time.perf_counter() - begun) / 5
    print(f"\na picture of 300 versions: {spent * 1000:.1f} ms")
    assert spent < 0.5


def test_an_empty_lineage() -> None:
    check(around([]))
    assert not lineage_list(around([], lanes=[lane(OWN)]))[0].versions


def test_releases_of_one_day_are_side_by_side() -> None:
    nodes = [node(f"a{number:02}", TODAY, name=f"ci-{number}") for number in range(30)]
    nodes += [node(f"b{number:02}", TODAY, 2) for number in range(30)]
    edges = [*pairwise(f"a{number:02}" for number in range(30))]
    edges += [(f"a{number:02}", f"b{number:02}") for number in range(0, 30, 3)]
    shown = around(nodes, edges, [lane(OWN), lane(2, 1)])
    check(shown)
    spots = lay_out(shown).spots
    # A child of the same day is beside, not below, its parent.
    assert all(spots[child].x > spots[parent].x for parent, child in edges)


def test_children_may_be_older_than_their_parents() -> None:
    nodes = [
        node("parent", TODAY),
        node("child", TODAY - timedelta(days=9)),
        node("elsewhere", TODAY - timedelta(days=5), 2),
    ]
    edges = [("parent", "child"), ("parent", "elsewhere")]
    check(around(nodes, edges, [lane(OWN), lane(2, 1)]))


def test_images_may_be_built_on_each_other() -> None:
    own = releases(8)
    others = [node(f"b{number}", TODAY - timedelta(days=7 * number), 2) for number in range(8)]
    edges = [("b7", "own2"), ("own2", "b4"), ("b4", "own5")]
    check(around([*own, *others], edges, [lane(OWN), lane(2, -1)]))


def test_many_children_of_one_version() -> None:
    nodes = [
        node(f"v{number}", TODAY + timedelta(days=3 * number), channels=(f"c{number}",))
        for number in range(40)
    ]
    shown = around(nodes, [("v0", f"v{number}") for number in range(1, 40)])
    check(shown)
    # Flags that find no room are pennants: they hang there, and the title names them.
    _, _, written = laid(shown)
    assert written.flags.keys() == {it.id for it in nodes}
    assert "c7" in text_of(link(drawn(shown), nodes[7].name), "title")


def test_many_channels_at_one_version() -> None:
    names = tuple(f"channel-{number}" for number in range(12))
    shown = around([node("a", TODAY, channels=names)])
    check(shown)
    _, _, written = laid(shown)
    # On one pole, from top to bottom.
    flags = written.flags["a"]
    assert [flag.text for flag in flags] == ["channel-0", "channel-1", "channel-2 +9"]
    assert len({flag.x for flag in flags}) == 1
    assert [after.y - flag.y for flag, after in pairwise(flags)] == [18, 18]
    poles = [it for it in drawn(shown).iter("path") if it.get("class") == "pole"]
    assert [it.get("d") for it in poles] == ["M0 0V-64"]
    assert lineage_picture(shown).width == WIDTH


@st.composite
def lineages(draw: st.DrawFn) -> LineageGraph:
    count = draw(st.integers(1, 25))
    images = draw(st.lists(st.integers(-3, 3).filter(bool), max_size=4))
    lanes = [lane(OWN), *(lane(number + 2, level) for number, level in enumerate(images))]
    nodes, edges = [], []
    for number in range(count):
        nodes.append(
            node(
                f"n{number:02}",
                TODAY + timedelta(days=draw(st.sampled_from((0, 0, 1, 2, 7, 30, 400)))),
                draw(st.sampled_from([it.id for it in lanes])),
                name=draw(st.text(min_size=1, max_size=30).filter(str.isprintable)),
                state=draw(
                    st.sampled_from(("current", "scheduled", "deprecated", "revoked", "ended"))
                ),
                stale=draw(st.booleans()),
                channels=tuple(
                    draw(st.lists(st.sampled_from(("stable", "2026q3-long-name")), max_size=3))
                ),
            )
        )
        if number and draw(st.booleans()):
            edges.append((f"n{draw(st.integers(0, number - 1)):02}", f"n{number:02}"))
    own = [it for it in around(nodes).nodes if it.image == OWN]
    gaps = [
        Gap(draw(st.integers(1, 10_000)), older and older.id, newer.id)
        for older, newer in pairwise([None, *own])
        if newer and draw(st.booleans())
    ]
    used = {it.image for it in nodes} | {OWN}
    return around(
        nodes,
        edges,
        [it for it in lanes if it.id in used],
        gaps,
        draw(st.sampled_from((None, "n00"))),
    )


def so_many(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@so_many(20)
@given(lineages())
def test_random_lineages(shown: LineageGraph) -> None:
    holds_together(shown)


@pytest.mark.long
@so_many(150)
@given(lineages())
def test_many_random_lineages(shown: LineageGraph) -> None:
    holds_together(shown)


def holds_together(shown: LineageGraph) -> None:
    empty = {it.id for it in shown.lanes} - {it.image for it in shown.nodes}
    if not empty:
        check(shown)


# ── what is said ───────────────────────────────────────────────────────────────────────────


def test_each_state_has_its_shape() -> None:
    nodes = [
        node("a", TODAY, name="1.0"),
        node("b", TODAY + timedelta(days=1), name="1.1", state="deprecated"),
        node("c", TODAY + timedelta(days=2), name="1.2", state="revoked"),
        node("d", TODAY + timedelta(days=3), name="1.3", state="scheduled"),
        node("e", TODAY + timedelta(days=4), name="1.4", state="ended"),
        node("f", TODAY + timedelta(days=5), name="1.5", state="ended", revoked=True),
    ]
    shown = around(nodes, chained(nodes))
    svg = drawn(shown)
    marks = {it.name: kinds(link(svg, it.name)) for it in nodes}
    assert "circle.n" in marks["1.0"] and "path.n" in marks["1.1"]
    assert {"path.x", "circle.bg"} <= marks["1.2"]
    assert {"path.q", "circle.n"} <= marks["1.3"]
    assert "circle.n" in marks["1.4"] and "path.x" not in marks["1.4"]
    assert {"circle.n", "path.x"} <= marks["1.5"]
    classes = [it.get("class") for it in links(svg)]
    states = ("current", "deprecated", "revoked", "scheduled", "ended", "ended")
    assert classes == [f"s-{state} own" for state in states]
    assert text_of(link(svg, "1.5"), "title") == "image 1 1.5, ended, revoked, 2026-10-04"
    # What is to come is dotted, what was built on a revoked one is not drawn as if it were.
    [dotted] = [line for line in laid(shown)[1].lines if line.dotted]
    assert (dotted.parent, dotted.child) == ("b", "d")


def test_a_revoked_build_is_a_dead_end() -> None:
    nodes = [
        node(key, TODAY + timedelta(days=at), state="revoked" if key == "bad" else "current")
        for at, key in enumerate(("before", "bad", "after"))
    ]
    _, found, _ = laid(around(nodes, [("before", "bad"), ("before", "after")]))
    straight, arc = found.lines
    assert re.fullmatch(r"M\d+ \d+H\d+", straight.path) and "q" in arc.path
    # From the revoked one only a pale guide goes on.
    assert len(found.own_guides) == 1


def test_outdated_versions_are_marked_if_one_would_use_them() -> None:
    stale = {"stale": True, "parent_image": 2}
    nodes = [
        node("a", TODAY, name="1.0", **stale),
        node("b", TODAY + timedelta(days=1), name="1.1", channels=("stable",), **stale),
        node("c", TODAY + timedelta(days=2), name="1.2", **stale),
        node("d", TODAY + timedelta(days=3), name="1.3", state="revoked", **stale),
    ]
    svg = drawn(around(nodes))
    marked = [it.name for it in nodes if "circle.stale" in kinds(link(svg, it.name))]
    assert marked == ["1.1", "1.2"]
    assert all(", outdated, " in text_of(link(svg, it.name), "title") for it in nodes)
    # On its own image's one before, which is always behind, it would say nothing.
    own = [node("a", TODAY, name="1.0", stale=True, parent_image=OWN)]
    assert "circle.stale" not in kinds(link(drawn(around(own)), "1.0"))


def test_left_out_versions_are_a_link() -> None:
    nodes = [node("a", TODAY - timedelta(days=300), name="1.0"), node("b", TODAY, name="<2.0>")]
    shown = around(nodes, gaps=[Gap(1, None, "a"), Gap(47, "a", "b")])
    check(shown)
    first, second = [it for it in drawn(shown).iter("a") if it.get("class") == "gap"]
    assert (text_of(first, "title"), text_of(first, "text")) == ("1 more before 1.0", "… 1 more")
    assert text_of(second, "title") == "47 more between 1.0 and <2.0>"
    assert text_of(second, "text") == "… 47 more"
    assert second.get("href") == "/images/image-1/versions?after=a&before=b"
    # Dotted, not drawn as lineage.
    _, found, _ = laid(shown)
    assert (len(found.dashes), found.own_guides, found.lines) == (2, (), ())


def test_the_root_is_highlighted() -> None:
    shown = around(releases(12), version="own3")
    svg = drawn(shown)
    ringed = [text_of(it, "title") for it in links(svg) if "circle.sel" in kinds(it)]
    assert ringed == [text_of(link(svg, shown.nodes[3].name), "title")]
    assert "own3" in laid(shown)[2].names


def test_addresses() -> None:
    key = "10000000-0000-7000-8000-000000000001"
    shown = around([node(key, TODAY, name="a/b"), node("x", TODAY, name="1 % é?#&")])
    hrefs = {it.get("href") for it in links(drawn(shown))}
    assert hrefs == {
        f"/images/image-1/versions/{key}",
        "/images/image-1/versions/1%20%25%20%C3%A9%3F%23%26",
    }


def test_months_and_years() -> None:
    days = [date(2024, 11, 20), date(2024, 12, 20), date(2025, 1, 20), date(2025, 3, 1)]
    texts = [tick.text for tick in lay_out(around([node(str(it), it) for it in days])).ticks]
    assert texts == ["Nov 2024", "Dec", "Jan 2025", "Mar"]


# ── what names may hold ────────────────────────────────────────────────────────────────────

HOSTILE = (
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title></svg><img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp; &#x41;",
    "]]><!--",
    "{{ 7 * 7 }}",
    "\u202egnorw",
)
TAGS = {"svg", "desc", "path", "text", "a", "title", "circle"}
ATTRIBUTES = {
    *("width", "height", "viewbox", "role", "aria-label", "aria-describedby", "id"),
    *("class", "href", "transform", "d", "x", "y", "r"),
}


class Parts(HTMLParser):
    """What a browser makes of a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.others = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_comment(self, data: str) -> None:
        self.others += 1


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_escaped(name: str) -> None:
    nodes = [
        node("a", TODAY, name=name, channels=(name,)),
        node("b", TODAY + timedelta(days=60), name=f"{name}2"),
        node("c", TODAY, 2, name=name),
    ]
    shown = around(nodes, [("c", "a")], [lane(OWN, 0, name), lane(2, -1, name)], [Gap(3, "a", "b")])
    picture = lineage_picture(shown, label=name, name=name)
    parts = Parts(picture.svg)
    assert parts.tags == TAGS and parts.attributes <= ATTRIBUTES and not parts.others
    svg = ElementTree.fromstring(picture.svg)
    own = isolated_by_controls(name)
    assert svg.get("aria-label") == own
    assert text_of(links(svg)[0], "title") == f"{own} {own}, current, 2026-09-29"
    for it in svg.iter("a"):
        assert it.get("href", "").startswith("/images/image-")
    # For the template to escape: as it is.
    assert picture.lanes[0].name == lineage_list(shown)[0].name == name


def test_nothing_is_inline() -> None:
    svg = lineage_picture(of_size(60)).svg
    assert not re.search(r"\b(style|on\w+)=|<(style|script)|xlink|data:|https?:", svg)


def test_its_classes_are_in_the_style_sheet() -> None:
    known = [
        "paper",
        "rule",
        "edge",
        "ink",
        "muted",
        "link",
        "accent",
        "wash",
        "revoked",
        "c",
        "mono",
        "fill",
    ]
    assert set(re.findall(r"var\(--([a-z-]+)\)", STYLE.read_text("utf-8"))) <= set(known)
    assert not re.search(r"#[0-9a-fA-F]{3}|rgb\(|oklch\(", STYLE.read_text("utf-8"))
