"""Comparing two versions: what differs, then the change logs on the path between them."""

from typing import Any
from urllib.parse import unquote

from goldenrod.base.errors import BadRequest, NotFound
from goldenrod.catalogue.images import image_page
from goldenrod.catalogue.versions import diff, version_page, versions
from goldenrod.rules.access import Actor
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.kit import canonical_url, render, urls
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.versions.text_diff import Comparison, compared_texts

CHOICES = 100
"""How many of the newest versions can be chosen."""
MOST_LOGS = 50
"""How many of the newest change logs on the path are shown."""
LABELS = {
    "image": "Image",
    "state": "State",
    "start_date": "Released",
    "end_date": "Ends",
    "parent": "Built on",
    "user": "Published by",
    "identity": "Account",
    "allow_imaging": "Building on it",
    "min_cpu": "Minimum CPUs",
    "min_mem": "Minimum memory",
    "doc_object_id": "DOI",
    "deprecation": "Deprecation",
    "revoked": "Revocation",
    "exclude_from_latest": "Excluded from latest",
    "labels": "Labels",
}
LISTS = {
    "licenses": "Licenses",
    "scripts": "Boot scripts",
    "membership": "Shared with",
    "providers": "Providers",
}


def choose(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/compare: redirects to the two chosen versions, else to the newest two.

    `pick`: the versions that were ticked in the list. The older one is compared with the newer one.
    """
    picked = list(dict.fromkeys(visit.asked_all("pick")))
    with visit.read() as (tx, actor):
        image = image_page.get_head(tx, actor, slug)
        if visit.asked("picking") or picked:
            if len(picked) != 2:
                return _not_two(visit, image, len(picked))
            ticked = sorted((_find(tx, actor, slug, key) for key in picked), key=_released)
            return visit.redirect(urls.compare(*ticked))
        keys = [visit.asked(name).strip() for name in ("a", "b")]
        offered = _choices(tx, actor, image)
        if not all(keys):
            newest = [it["id"] for it in offered[:2]][::-1]
            keys = [given or other for given, other in zip(keys, newest, strict=False)]
        if len(keys) < 2:
            return visit.page("versions/compare_none.html", image=image, ticked=False)
        two = [_find(tx, actor, slug, key) for key in keys]
    return visit.redirect(urls.compare(*two))


def _released(version: Row) -> tuple[str, str]:
    return str(version["version"]["start_date"]), str(version["id"])


def _not_two(visit: Visit, image: Row, count: int) -> Page:
    ticked = f"You ticked {count or 'none'}." if count != 1 else "You ticked one."
    problem = BadRequest(
        f"Tick exactly two versions to compare. {ticked}", code="parameter_invalid"
    )
    return visit.page("versions/compare_none.html", problem=problem, image=image, ticked=True)


def show_compare(visit: Visit, slug: str, two: str) -> Page:
    """GET /images/{slug}/compare/{A...B}."""
    one, dots, other = two.partition("...")
    if not dots:
        raise NotFound()
    with visit.read() as (tx, actor):
        a, b = (_find(tx, actor, slug, key) for key in (one, other))
        if visit.req.path != _path(a, b):
            return canonical_url.lead(visit, urls.compare(a, b))
        image = image_page.get_head(tx, actor, str(a["image"]["id"]))
        found = diff.compare(tx, actor, a, b)
        offered = _choices(tx, actor, image)
    fields = {name: found["fields"][name] for name in LABELS if name in found["fields"]}
    logs = sorted(found["change_logs"], key=_start_date, reverse=True)
    return visit.page(
        "versions/compare.html",
        image=image,
        a=found["from"],
        b=found["to"],
        elsewhere=a["image"]["id"] != b["image"]["id"],
        apart=_time_between(found["from"], found["to"]),
        choices=_with_chosen(offered, found["from"], found["to"]),
        fields=fields,
        labels=LABELS,
        lists={LISTS[it]: found[it] for it in LISTS if any(found[it].values())},
        rows=_rows(found["machines"]),
        same=[LABELS[name] for name in LABELS if name not in found["fields"]],
        logs=logs[:MOST_LOGS],
        logs_count=len(logs),
        texts=None if logs else _texts(found["fields"].get("change_log")),
        path=found["path"],
    )


def _texts(both: Row | None) -> Comparison | None:
    return compared_texts(both["from"], both["to"]) if both else None


def _start_date(it: Row) -> str:
    return str(it["version"]["start_date"])


def _time_between(a: Row, b: Row) -> str:
    """How long after A version B was released, in words."""
    words = render.relative(a["start_date"], b["start_date"])
    if words.startswith("in "):
        return f"{words.removeprefix('in ')} after A"
    if words.endswith(" ago"):
        return f"{words.removesuffix(' ago')} before A"
    return "at the same time as A"


def _rows(machines: Row) -> list[Row]:
    """The machines that differ, grouped by provider and architecture."""
    found: dict[tuple[str, str], Row] = {}
    for side, those in (("a", machines["removed"]), ("b", machines["added"])):
        for it in those:
            place = it["provider"].get("name", "hidden from you")
            empty: Row = {"place": place, "architecture": it["architecture"], "a": [], "b": []}
            row = found.setdefault((place, it["architecture"]), empty)
            row[side].append(it["identifier"])
    return [found[key] for key in sorted(found)]


def _find(tx: Tx, actor: Actor, slug: str, key: str) -> Row:
    return canonical_url.version(version_page.find_version(tx, actor, slug, key))


def _path(a: Row, b: Row) -> str:
    """The canonical path of the page, decoded as the server reads it."""
    return unquote(urls.compare(a, b))


def _choices(tx: Tx, actor: Actor, image: Row) -> list[dict[str, Any]]:
    """The newest versions of the image."""
    newest = {"ordering": "-start_date", "page_size": CHOICES}
    query = versions.VERSIONS.where(image_id=image["id"], **newest)
    return image_page.list_names(tx, actor, query)


def _with_chosen(offered: list[Row], *chosen: Row) -> list[Row]:
    known = {it["id"] for it in offered}
    return offered + [it for it in chosen if it["id"] not in known]
