"""A version: whether it is right, and still is; its ids, what changed, what it was built on."""

import json
from dataclasses import dataclass

from goldenrod.catalogue import history, overview, using, versions
from goldenrod.rules import why
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages import addresses, canonical, told, use_box, where
from goldenrod.web.pages.visit import Page, Visit

MOST_TOLD = 20
MANY = 12
"""Of more providers than these one looks for one's own by name."""


@dataclass(frozen=True)
class Place:
    """The machines of a version on one provider, by architecture."""

    slug: str
    """Empty for a provider that the visitor may not read."""
    name: str
    machines: dict[str, list[Row]]


def show_version(visit: Visit, slug: str, name: str) -> Page:
    """GET /images/{slug}/versions/{name}."""
    with visit.read() as (tx, actor):
        row = canonical.version(using.find_version(tx, actor, slug, name))
        if not canonical.is_it(row, slug, name):
            return canonical.lead(visit, addresses.version(row))
        image = overview.get_head(tx, actor, str(row["image_id"]))
        version = json.loads(versions.get_version(tx, actor, row["id"]))
        machines = using.list_machines(tx, actor, row["id"])
        texts = using.get_texts(tx, actor, row["id"])
        built_count, built = using.list_built(tx, actor, row["n"])
        channels = using.list_pointing(tx, actor, row["image_id"], row["n"])
        ways = why.explain(tx, actor, f"version:{row['id']}")
        told_count, entries = _history(tx, actor, row)
    places = _places(machines)
    wanted = visit.asked("on").strip()
    return visit.page(
        "version.html",
        image=image,
        version=version,
        may_change=row["may_change"],
        box=use_box.of_version(visit, version, machines, texts["scripts"]),
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
        channels=channels,
        because=[_because(way.words) for way in ways if way.grants],
        history=entries,
        history_count=told_count,
        public_url=visit.settings.public_url,
    )


def _history(tx: Tx, actor: Actor, row: Row) -> tuple[int, list[told.Entry]]:
    """The newest of what was done to a version, for whoever may change it."""
    if not row["may_change"]:
        return 0, []
    given = {"ordering": ["-sequence"], "page_size": [str(MOST_TOLD)]}
    page = history.list_history(tx, actor, row["id"], paging.parse(history.LIST, given))
    return page.count, told.entries([json.loads(text) for text in page.results])


def _places(machines: list[Row]) -> list[Place]:
    found: dict[int, Place] = {}
    for row in machines:
        place = found.setdefault(
            row["provider_id"],
            Place(row["provider"] or "", row["provider_name"] or where.HIDDEN, {}),
        )
        place.machines.setdefault(row["architecture"], []).append(row)
    return list(found.values())


def _because(words: str) -> str:
    """A clause of the rule as the end of a sentence: `because …`."""
    return words if words.startswith(("its ", "it ")) else f"this account {words}"
