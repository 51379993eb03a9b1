"""Home, and search: which image do I need, and what is this that I found running?

Both begin with the search field, and with filters that live in the address. `/search/suggest` is the
part that changes while one types.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from goldenrod.base.errors import BadRequest, NotFound
from goldenrod.base.numbers import are_digits
from goldenrod.base.text import is_uuid
from goldenrod.catalogue.channels import lookup
from goldenrod.catalogue.images import image_search
from goldenrod.catalogue.versions import versions
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Tx
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Page, Visit

FILTERS = ("tag", "provider", "owner", "architecture")
PER_PAGE, SUGGESTED, NEWEST, MATCHES = 20, 8, 6, 50

Asked = dict[str, str]


def home(visit: Visit) -> Page:
    """GET /: the images, newest release first, and what became of releases lately."""
    asked = _filters(visit)
    with visit.read() as (tx, actor):
        found = _find(tx, actor, visit, asked, PER_PAGE)
        newest = _versions(tx, actor, NEWEST)
        choices = image_search.choices(tx, actor)
        withdrawn = image_search.withdrawn_lately(tx, actor)
    return visit.page(
        "images/home.html",
        **_shown(visit, asked, found),
        choices=choices,
        newest=[json.loads(one) for one in newest.results],
        versions_count=newest.count,
        withdrawn=withdrawn,
        known=[],
        refusal=None,
    )


def search(visit: Visit) -> Page:
    """GET /search: what fits the words, and what is known of an id that was pasted."""
    asked = _filters(visit) | {"search": visit.asked("q").strip()}
    with visit.read() as (tx, actor):
        choices = image_search.choices(tx, actor)
        known = _look_up(tx, actor, asked["search"])
        found, refusal = image_search.Found(0, []), None
        try:
            found = _find(tx, actor, visit, asked, PER_PAGE)
        except BadRequest as problem:
            # An id may well be no words.
            refusal = None if known else problem
    return visit.page(
        "images/search.html",
        problem=refusal,
        **_shown(visit, asked, found),
        choices=choices,
        known=known,
        refusal=refusal,
    )


def suggest(visit: Visit) -> Page:
    """GET /search/suggest: the first of what `search` finds, as a part of a page."""
    asked = _filters(visit) | {"search": visit.asked("q").strip()}
    with visit.read() as (tx, actor):
        known = _look_up(tx, actor, asked["search"])
        found, refusal = image_search.Found(0, []), None
        try:
            found = _find(tx, actor, visit, asked, SUGGESTED)
        except BadRequest as problem:
            refusal = None if known else problem
    shown = _shown(visit, asked, found)
    whole = urls.search(q=asked["search"], **shown["filters"])
    return visit.part(
        "images/_search_results.html",
        known=known,
        refusal=refusal,
        beside="",
        **shown | {"here": whole},
    )


def search_versions(visit: Visit) -> Page:
    """GET /search/versions: all versions that fit the words."""
    asked = {"search": visit.asked("q").strip(), "cursor": visit.asked("cursor")}
    with visit.read() as (tx, actor):
        page = _versions(tx, actor, MATCHES, asked)
    return visit.page(
        "images/search_versions.html",
        q=asked["search"],
        count=page.count,
        versions=[json.loads(one) for one in page.results],
        previous=_neighbour(asked["search"], page.previous),
        following=_neighbour(asked["search"], page.next),
    )


def lead_to_tag(visit: Visit, name: str) -> Page:
    """GET /tags/{name}: the images that carry it."""
    return visit.redirect(urls.home(tag=name))


def lead_to_provider(visit: Visit, slug: str) -> Page:
    """GET /providers/{slug}: the images that run there."""
    return visit.redirect(urls.home(provider=slug))


def _filters(visit: Visit) -> Asked:
    return {name: visit.asked(name).strip() for name in FILTERS}


def _arguments(asked: Mapping[str, str], **more: str) -> dict[str, list[str]]:
    return {name: [value] for name, value in {**asked, **more}.items() if value}


def _find(tx: Tx, actor: Actor, visit: Visit, asked: Asked, size: int) -> image_search.Found:
    more = {"page_size": str(size), "page": visit.asked("page")}
    query = paging.parse(image_search.FIND, _arguments(asked, **more))
    return image_search.find_images(tx, actor, query, asked.get("search", ""))


def _versions(
    tx: Tx, actor: Actor, size: int, asked: Mapping[str, str] | None = None
) -> paging.Page:
    known = {name: text for name, text in (asked or {}).items() if name != "owner"}
    given = {name: text for name, text in known.items() if text}
    query = versions.VERSIONS.where(**given, ordering="-start_date", page_size=size)
    return versions.VERSIONS.page(tx, actor, query)


def _look_up(tx: Tx, actor: Actor, text: str) -> list[dict[str, Any]]:
    """What is known of a text that may be the id of a machine or of a version."""
    if not text or len(text) > lookup.MOST_CHARACTERS or len(text.split()) != 1:
        return []
    [answer] = lookup.look_up(tx, actor, [text])["results"]
    if answer["matches"] or not is_uuid(text):
        return list(answer["matches"])
    try:
        return [_match(versions.VERSIONS.read(tx, actor, text))]
    except NotFound:
        return []


def _match(version: dict[str, Any]) -> dict[str, Any]:
    """A version that was named by its own id, as look-up tells of a machine's."""
    told = version["revoked"] if version["state"] == "revoked" else version["deprecation"]
    return {
        "image": version["image"],
        "version": version,
        "machine": None,
        "state": version["state"],
        "reason": told and told["reason"],
        "replacement": version["deprecation"] and version["deprecation"]["replacement"],
        "behind": version["behind"],
        "offered": [],
    }


def _neighbour(words: str, query: str | None) -> str | None:
    """The address of the page before or after, from what a list's own link asks."""
    cursor = parse_qs(query or "").get("cursor")
    return urls.search_versions(q=words, cursor=cursor[0]) if cursor else None


def _architectures(found: image_search.Found) -> list[dict[str, str]]:
    """The architectures of what was found: those one may want to narrow it to."""
    names = {
        one["name"] for it in found.images if it["offers"] for one in it["offers"]["architectures"]
    }
    return [{"name": name} for name in sorted(names)]


def _shown(visit: Visit, asked: Asked, found: image_search.Found) -> dict[str, Any]:
    """What all of these show: what was asked, and the images."""
    filters = {name: asked[name] for name in FILTERS}
    words, number = asked.get("search", ""), visit.asked("page")
    page = int(number) if are_digits(number) else 1
    here = {"q": words, **filters}
    more = found.count > page * PER_PAGE
    return {
        "q": words,
        "filters": filters,
        "filtered": any(filters.values()),
        "form": Form.of(**filters),
        "count": found.count,
        "images": found.images,
        "architectures": _architectures(found),
        "previous": urls.search(**here, page=page - 1) if page > 1 else None,
        "following": urls.search(**here, page=page + 1) if more else None,
    }
