"""The page of a version: state, machines, change log, lineage, access and history."""

import json
from dataclasses import dataclass

from goldenrod.catalogue.images import image_page
from goldenrod.catalogue.sync import drift
from goldenrod.catalogue.versions import history, instead, version_page
from goldenrod.rules import why
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.images import provider_grid
from goldenrod.web.pages.kit import canonical_url, urls
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.launch import machine_picker
from goldenrod.web.pages.sync import drift as sync_drift
from goldenrod.web.pages.versions import history_text

MOST_ENTRIES = 20
MANY = 12
"""From this many providers on, the page has a field to find one by name."""


@dataclass(frozen=True)
class ProviderMachines:
    """The machines of a version on one provider, by architecture."""

    slug: str
    """Empty if the visitor may not read the provider."""
    name: str
    machines: dict[str, list[Row]]


def show_version(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}."""
    with visit.read() as (tx, actor):
        row = canonical_url.version(version_page.find_version(tx, actor, slug, name))
        if not canonical_url.is_it(row, slug, name):
            return canonical_url.lead(visit, urls.version(row))
        image = image_page.get_head(tx, actor, str(row["image_id"]))
        machines = version_page.list_machines(tx, actor, row["id"])
        texts = version_page.get_texts(tx, actor, row["id"])
        built_count, built = version_page.list_children(tx, actor, row["n"])
        better = instead.find_instead(tx, actor, [row["id"]] if _is_warned(row["version"]) else [])
        ways = [] if row["may_change"] else why.explain(tx, actor, f"version:{row['id']}")
        marks = drift.find_marks(tx, actor, version_key=row["n"]) if row["may_change"] else []
        history_count, entries = _history(tx, actor, row)
    places = _by_provider(machines)
    wanted = visit.asked("on").strip()
    return visit.page(
        "versions/version.html",
        image=image,
        version=row["version"],
        may_change=row["may_change"],
        instead=better.get(row["id"], instead.NOTHING),
        box=machine_picker.of_version(visit, row["version"], machines, texts["scripts"]),
        machines=machines,
        places=[it for it in places if wanted.lower() in f"{it.slug} {it.name}".lower()],
        places_count=len(places),
        wanted=wanted,
        many=len(places) > MANY,
        architectures=sorted({row["architecture"] for row in machines}),
        sizes=sorted({row["size_gb"] for row in machines if row["size_gb"] is not None}),
        texts=texts,
        built=built,
        built_count=built_count,
        channels=[channel["name"] for channel in texts["channels"]],
        because=[_because(way.words) for way in ways if way.grants],
        history=entries,
        history_count=history_count,
        drifted=sync_drift.of_machines(marks),
        public_url=visit.settings.public_url,
    )


def _is_warned(version: Row) -> bool:
    """It is withdrawn, or its editors named a replacement."""
    named = version["deprecation"] and version["deprecation"]["replacement"]
    return bool(named) or version["state"] in ("revoked", "deprecated", "ended")


def _history(tx: Tx, actor: Actor, row: Row) -> tuple[int, list[history_text.Entry]]:
    """The number of entries in a version's history, and the newest; only for editors."""
    if not row["may_change"]:
        return 0, []
    newest = {"ordering": ["-sequence"], "page_size": [str(MOST_ENTRIES)]}
    page = history.list_entries(tx, actor, row["n"], paging.parse(history.LIST, newest))
    return page.count, history_text.entries([json.loads(text) for text in page.results])


def _by_provider(machines: list[Row]) -> list[ProviderMachines]:
    found: dict[int, ProviderMachines] = {}
    for row in machines:
        place = found.setdefault(
            row["provider_id"],
            ProviderMachines(
                row["provider"] or "", row["provider_name"] or provider_grid.HIDDEN, {}
            ),
        )
        place.machines.setdefault(row["architecture"], []).append(row)
    return list(found.values())


_TO_READERS = {
    "its image is public": "the image is public",
    "is in a group that it is shared with": "it is shared with one of your groups",
    "is staff": "you are staff",
}
"""What the beginning of a clause of the access rule says to those who are not editors."""


def _because(words: str) -> str:
    """A clause of the access rule as the end of a sentence: `because …`."""
    clause = words.partition(";")[0]
    return _TO_READERS.get(clause) or f"this account {clause}"
