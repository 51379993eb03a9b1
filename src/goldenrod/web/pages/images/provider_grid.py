"""The grid of where an image runs: a row per provider, a column per recent version.

A summary above it says how many providers have the version that a channel offers, which providers
lack the newest version, and which have had no new version for long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from goldenrod.store.db import Row
from goldenrod.web.pages.kit.render import plural
from goldenrod.web.pages.lineage.short_names import prefix

MOST_ROWS = 40
LONG_WITHOUT = 3
"""A provider that lacks this many of the newest versions is mentioned in the summary."""
HIDDEN = "hidden provider"
"""The name shown for a provider that an editor of the version may not read."""
TROUBLE = {"deprecated": "d", "revoked": "r"}


@dataclass(frozen=True)
class Cell:
    """Whether a version has machines on a provider."""

    count: int
    """On how many architectures."""
    css_class: str
    """Empty: all architectures; o: no machine; h: some architectures; d: deprecated; r: revoked."""
    drift: str
    """How a machine there differs from its cloud, for editors; empty if none does."""


@dataclass(frozen=True)
class ProviderRow:
    """The row of a provider."""

    slug: str
    """Empty for a provider that the visitor may not read."""
    name: str
    cells: tuple[Cell, ...]
    lacks_newest: bool
    """The newest version is missing here, but most providers have it."""


@dataclass(frozen=True)
class Grid:
    """The grid, and its summary in words."""

    columns: list[Row]
    """Versions, newest first. `short` is the name without the prefix that all names share."""
    rows: list[ProviderRow]
    left_out: int
    """How many providers are not shown: those with the most versions."""
    summary: str
    count: int
    """How many providers there are, shown or not."""
    marks: frozenset[str]
    """The CSS classes of the cells that are shown, for the legend."""


def grid(
    releases: list[Row],
    cells: list[Row],
    channels: list[Row],
    drift: Mapping[tuple[str, int], str] = MappingProxyType({}),
) -> Grid | None:
    """The grid of these versions, or None if none of them has a machine. `drift`: how machines of a
    version on a provider differ from their cloud."""
    if not cells:
        return None
    counts: dict[int, dict[str, int]] = {}
    names: dict[int, tuple[str, str]] = {}
    for row in cells:
        names[row["provider_id"]] = row["provider"] or "", row["provider_name"] or HIDDEN
        counts.setdefault(row["provider_id"], {})[row["version"]] = row["architectures"]
    most_architectures = {
        it["id"]: max(there.get(it["id"], 0) for there in counts.values()) for it in releases
    }
    common_prefix = prefix([it["name"] for it in releases])
    columns = [{**it, "short": it["name"][len(common_prefix) :]} for it in releases]
    newest = _newest(releases)
    if newest is not None:
        having = sum(releases[newest]["id"] in there for there in counts.values())
        newest = newest if 2 * having > len(counts) else None
    rows = [
        _row(
            *names[key],
            [{**it, "drift": drift.get((it["id"], key), "")} for it in releases],
            counts[key],
            most_architectures,
            newest,
        )
        for key in counts
    ]
    rows.sort(key=lambda it: (sum(cell.count > 0 for cell in it.cells), not it.slug, it.slug))
    return Grid(
        columns,
        rows[:MOST_ROWS],
        max(len(rows) - MOST_ROWS, 0),
        _summary(columns, rows, channels, counts),
        len(rows),
        frozenset(
            mark
            for shown in rows[:MOST_ROWS]
            for cell in shown.cells
            for mark in (cell.css_class, "x" if cell.drift else cell.css_class)
        ),
    )


def _newest(releases: list[Row]) -> int | None:
    """The position of the newest version: the first current one that is not excluded from latest."""
    offered = (it["state"] == "current" and not it["exclude_from_latest"] for it in releases)
    return next((at for at, is_offered in enumerate(offered) if is_offered), None)


def _row(
    slug: str,
    name: str,
    releases: list[Row],
    there: dict[str, int],
    most_architectures: dict[str, int],
    newest: int | None,
) -> ProviderRow:
    """One provider. `newest`: the column of the newest version, if most providers have it."""
    cells = []
    for it in releases:
        count = there.get(it["id"], 0)
        trouble = TROUBLE.get(it["state"], "")
        cells.append(
            Cell(
                count,
                "o"
                if not count
                else trouble or ("h" if count < most_architectures[it["id"]] else ""),
                it["drift"],
            )
        )
    return ProviderRow(slug, name, tuple(cells), newest is not None and not cells[newest].count)


# ── the summary ────────────────────────────────────────────────────────────────────────────


def _summary(
    columns: list[Row],
    rows: list[ProviderRow],
    channels: list[Row],
    counts: dict[int, dict[str, int]],
) -> str:
    parts = [
        _of_channel(rows, channels, counts),
        _of_newest(columns, rows),
        _of_long_without(columns, rows),
    ]
    return " ".join(part for part in parts if part)


def _of_channel(
    rows: list[ProviderRow], channels: list[Row], counts: dict[int, dict[str, int]]
) -> str:
    """How many providers have the version that the first channel offers."""
    channel = next((it for it in channels if it["target"] and it["name"] != "latest"), None)
    if channel is None or not any(channel["target"]["id"] in there for there in counts.values()):
        return ""
    have = sum(channel["target"]["id"] in there for there in counts.values())
    every = plural(len(rows), "provider")
    if have == len(rows):
        return f"All {every} have {channel['name']}." if have > 1 else ""
    return f"{have} of {every} have {channel['name']}."


def _of_newest(columns: list[Row], rows: list[ProviderRow]) -> str:
    """Which providers lack the newest current version."""
    at = _newest(columns)
    if at is None:
        return ""
    have = [it for it in rows if it.cells[at].count]
    lack = [it for it in rows if not it.cells[at].count]
    name = columns[at]["short"]
    if not have:
        return f"{name} has no machines yet."
    if not lack:
        return f"All have the newest, {name}." if len(have) > 1 else ""
    if len(lack) > 2 and len(have) <= 2:
        return f"{name} is only in {_names(have)} so far."
    if len(lack) <= 2:
        return f"{_begin(_names(lack))} {'lacks' if len(lack) == 1 else 'lack'} {name}."
    return f"{plural(len(lack), 'provider')} lack {name}."


def _of_long_without(columns: list[Row], rows: list[ProviderRow]) -> str:
    """Which providers have had no new version for long."""
    behind: dict[int, list[ProviderRow]] = {}
    for provider_row in rows:
        first = next(at for at, cell in enumerate(provider_row.cells) if cell.count)
        if first >= LONG_WITHOUT:
            behind.setdefault(first, []).append(provider_row)
    sentences = []
    for first, those in sorted(behind.items(), reverse=True, key=lambda it: it[0])[:2]:
        who = _begin(_names(those)) if len(those) <= 2 else plural(len(those), "provider")
        has = "has" if len(those) == 1 else "have"
        sentences.append(f"{who} {has} had no version since {columns[first]['start_date'][:10]}.")
    return " ".join(sentences)


def _names(rows: list[ProviderRow]) -> str:
    """The names of providers for a sentence. Hidden providers are counted."""
    named = [it.name for it in rows if it.slug]
    hidden = len(rows) - len(named)
    if hidden:
        named.append(f"a {HIDDEN}" if hidden == 1 else plural(hidden, HIDDEN))
    return " and ".join(named)


def _begin(names: str) -> str:
    """Names at the start of a sentence. Names of providers stay as they are."""
    return f"A{names[1:]}" if names.startswith(f"a {HIDDEN}") else names
