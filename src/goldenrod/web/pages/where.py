"""Where an image runs: providers down, its newest releases across, filled where a machine is.

What someone who looks at it is to find is said in a sentence above it: where the releases are that a
channel offers, what the newest lacks, and who has had none for long.
"""

from dataclasses import dataclass

from goldenrod.store.db import Row
from goldenrod.web.pages.lineage_words import prefix
from goldenrod.web.pages.render import plural

MOST_ROWS = 40
LONG = 3
"""So many releases without a machine are told of."""
BAD = {"deprecated": "d", "revoked": "r"}


@dataclass(frozen=True)
class Cell:
    """Whether and how a release runs there."""

    count: int
    """On how many architectures."""
    look: str
    """The class of the cell: empty where all is there, else o (none), h (some), d, r."""


@dataclass(frozen=True)
class Place:
    """A provider: one row."""

    slug: str
    name: str
    cells: tuple[Cell, ...]
    lacks: bool
    """The newest release is not there, unlike in most places."""


@dataclass(frozen=True)
class Grid:
    """The table, and what it shows in words."""

    columns: list[Row]
    """Releases, newest first, each with `short`, what its name has beyond what all begin with."""
    places: list[Place]
    more: int
    """How many providers are left out, which lack the least."""
    finding: str
    some: bool
    """A release has a part of its architectures somewhere."""


def grid(releases: list[Row], cells: list[Row], channels: list[Row]) -> Grid | None:
    """The grid of these releases; None where none of them runs anywhere."""
    if not cells:
        return None
    counts: dict[str, dict[str, int]] = {}
    names: dict[str, str] = {}
    for row in cells:
        names[row["slug"]] = row["name"]
        counts.setdefault(row["slug"], {})[row["version"]] = row["architectures"]
    most = {it["id"]: max(there.get(it["id"], 0) for there in counts.values()) for it in releases}
    same = prefix([it["name"] for it in releases])
    columns = [{**it, "short": it["name"][len(same) :]} for it in releases]
    few = 2 * sum(releases[0]["id"] in there for there in counts.values()) > len(counts)
    places = [_place(slug, names[slug], releases, counts[slug], most, few) for slug in counts]
    places.sort(key=lambda it: (sum(cell.count > 0 for cell in it.cells), it.slug))
    return Grid(
        columns,
        places[:MOST_ROWS],
        max(len(places) - MOST_ROWS, 0),
        _finding(columns, places, channels, counts),
        any(cell.look == "h" for place in places for cell in place.cells),
    )


def _place(
    slug: str,
    name: str,
    releases: list[Row],
    there: dict[str, int],
    most: dict[str, int],
    few: bool,
) -> Place:
    cells = []
    for it in releases:
        count = there.get(it["id"], 0)
        bad = BAD.get(it["state"], "")
        cells.append(
            Cell(count, "o" if not count else bad or ("h" if count < most[it["id"]] else ""))
        )
    return Place(slug, name, tuple(cells), few and not cells[0].count)


# ── the sentence ───────────────────────────────────────────────────────────────────────────


def _finding(
    columns: list[Row], places: list[Place], channels: list[Row], counts: dict[str, dict[str, int]]
) -> str:
    parts = [
        _of_channel(places, channels, counts),
        _of_newest(columns, places),
        _long(columns, places),
    ]
    return " ".join(part for part in parts if part)


def _of_channel(places: list[Place], channels: list[Row], counts: dict[str, dict[str, int]]) -> str:
    """On how many providers the first channel's release is."""
    named = next((it for it in channels if it["target"] and it["name"] != "latest"), None)
    if named is None or not any(named["target"]["id"] in there for there in counts.values()):
        return ""
    have = sum(named["target"]["id"] in there for there in counts.values())
    every = plural(len(places), "provider")
    if have == len(places):
        return f"All {every} have {named['name']}." if have > 1 else ""
    return f"{have} of {every} have {named['name']}."


def _of_newest(columns: list[Row], places: list[Place]) -> str:
    """Where the newest release that is current is not."""
    at = next((at for at, it in enumerate(columns) if it["state"] == "current"), None)
    if at is None:
        return ""
    have = [it.name for it in places if it.cells[at].count]
    lack = [it.name for it in places if not it.cells[at].count]
    name = columns[at]["short"]
    if not have:
        return f"{name} is nowhere yet."
    if not lack:
        return f"All have the newest, {name}." if len(have) > 1 else ""
    if len(lack) > 2 and len(have) <= 2:
        return f"{name} is only in {' and '.join(have)} so far."
    if len(lack) <= 2:
        return f"{' and '.join(lack)} {'lacks' if len(lack) == 1 else 'lack'} {name}."
    return f"{plural(len(lack), 'provider')} lack {name}."


def _long(columns: list[Row], places: list[Place]) -> str:
    """Who has had no release for long."""
    behind: dict[int, list[str]] = {}
    for place in places:
        first = next(at for at, cell in enumerate(place.cells) if cell.count)
        if first >= LONG:
            behind.setdefault(first, []).append(place.name)
    told = []
    for first, names in sorted(behind.items(), reverse=True)[:2]:
        who = " and ".join(names) if len(names) <= 2 else plural(len(names), "provider")
        has = "has" if len(names) == 1 else "have"
        told.append(f"{who} {has} had none since {columns[first]['start_date'][:10]}.")
    return " ".join(told)
