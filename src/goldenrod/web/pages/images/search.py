"""Search: images by words and filters, suggestions while typing, and look-up of a pasted id.

The filters are in the address. `home.py` shows the same list without words.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from goldenrod.base.errors import BadRequest, NotFound
from goldenrod.base.numbers import are_digits
from goldenrod.base.text import is_uuid
from goldenrod.catalogue.channels import lookup
from goldenrod.catalogue.images import image_search
from goldenrod.catalogue.images.image_search import Found
from goldenrod.catalogue.versions import instead, version_page, versions
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Tx
from goldenrod.store.paging import Page as Envelope
from goldenrod.web.pages.images import image_versions
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.forms import Form
from goldenrod.web.pages.kit.visit import Page, Visit

FILTERS = ("tag", "provider", "owner", "architecture")
VERSION_FILTERS = ("q", "state", "label", "ordering")
PER_PAGE, SUGGESTED, MATCHES = 20, 8, 25
COUNTED = 5_000
"""Up to how many matching versions the page counts: counting all of them takes long."""

Asked = dict[str, str]
Match = dict[str, Any]


def search(visit: Visit) -> Page:
    """GET /search: images that match the words, and what is known of a pasted id."""
    with visit.read() as (tx, actor):
        asked, known, found, refusal = _results(tx, actor, visit, PER_PAGE)
        choices = image_search.choices(tx, actor)
    return visit.page(
        "images/search.html",
        problem=refusal,
        **shown(visit, asked, found),
        choices=choices,
        known=known,
        refusal=refusal,
    )


def suggest(visit: Visit) -> Page:
    """GET /search/suggest: the first results of `search`, as a part of a page."""
    with visit.read() as (tx, actor):
        asked, known, found, refusal = _results(tx, actor, visit, SUGGESTED)
    results = shown(visit, asked, found)
    all_results = urls.search(q=asked["search"], **results["filters"])
    return visit.part(
        "images/_search_results.html",
        known=known,
        refusal=refusal,
        beside="",
        **results | {"here": all_results},
    )


def _results(
    tx: Tx, actor: Actor, visit: Visit, size: int
) -> tuple[Asked, list[Match], Found, BadRequest | None]:
    """What was asked, the matches of a pasted id, the images, and why the search was refused."""
    asked = asked_filters(visit) | {"search": visit.asked("q").strip()}
    known = _look_up(tx, actor, asked["search"])
    try:
        return asked, known, find(tx, actor, visit, asked, size), None
    except BadRequest as problem:
        # A known id need not be valid search words.
        return asked, known, Found(0, []), None if known else problem


def search_versions(visit: Visit) -> Page:
    """GET /search/versions: all versions that match the words and filters."""
    asked, cursor = image_versions.asked_filters(visit, VERSION_FILTERS), visit.asked("cursor")
    given = image_versions.arguments(asked) | {"page_size": [str(MATCHES)]}
    if cursor:
        given["cursor"] = [cursor]
    page, refusal = Envelope(0, [], None, None), None
    with visit.read() as (tx, actor):
        try:
            query = paging.parse(versions.VERSIONS.listing, given)
            query = replace(query, most_counted=COUNTED)
            page = versions.VERSIONS.page(tx, actor, query)
        except BadRequest as problem:
            if cursor:
                raise
            refusal = problem
    return visit.page(
        "images/search_versions.html",
        problem=refusal,
        q=asked["q"],
        asked=asked,
        form=Form.of(**asked),
        states=image_versions.STATES,
        orders=image_versions.ORDERS,
        narrowed=any(asked[name] for name in asked if name != "ordering"),
        channels=[],
        count=page.count,
        counted=COUNTED,
        versions=[msgspec.json.decode(one) for one in page.results],
        previous=_neighbour(asked, page.previous),
        following=_neighbour(asked, page.next),
    )


def asked_filters(visit: Visit) -> Asked:
    """The filters in the address, empty ones included."""
    return {name: visit.asked(name).strip() for name in FILTERS}


def _arguments(asked: Mapping[str, str], **more: str) -> dict[str, list[str]]:
    return {name: [value] for name, value in {**asked, **more}.items() if value}


def find(tx: Tx, actor: Actor, visit: Visit, asked: Asked, size: int) -> Found:
    """A page of images that match what was asked. Raises BadRequest, and NotFound past the end."""
    more = {"page_size": str(size), "page": visit.asked("page")}
    query = paging.parse(image_search.LIST, _arguments(asked, **more))
    return image_search.find_images(tx, actor, query, asked.get("search", ""))


def _look_up(tx: Tx, actor: Actor, text: str) -> list[Match]:
    """The matches of a text that may be `image/version`, or the id of a machine or of a version."""
    image, slash, name = text.partition("/")
    if slash:
        try:
            return [_match(tx, actor, version_page.find_version(tx, actor, image, name)["version"])]
        except NotFound:
            pass
    if not text or len(text) > lookup.MOST_CHARACTERS or len(text.split()) != 1:
        return []
    [answer] = lookup.look_up(tx, actor, [text])["results"]
    if answer["matches"] or not is_uuid(text):
        return list(answer["matches"])
    try:
        return [_match(tx, actor, versions.VERSIONS.read(tx, actor, text))]
    except NotFound:
        return []


def _match(tx: Tx, actor: Actor, version: dict[str, Any]) -> Match:
    """A version found by its own id or name, in the form of a match of look-up."""
    notice = version["revoked"] if version["state"] == "revoked" else version["deprecation"]
    return {
        "image": version["image"],
        "version": version,
        "machine": None,
        "state": version["state"],
        "reason": notice and notice["reason"],
        "replacement": version["deprecation"] and version["deprecation"]["replacement"],
        "behind": version["behind"],
        "offered": [],
        "instead": instead.find_instead(tx, actor, [version["id"]])[version["id"]],
    }


def _neighbour(asked: Mapping[str, Any], query: str | None) -> str | None:
    """The address of the next or previous page, from the query of the list's own link."""
    cursor = image_versions.cursor_of(query)
    return urls.search_versions(**asked, cursor=cursor) if cursor else None


def _architectures(found: Found) -> list[dict[str, str]]:
    """The architectures of the images found: the choices of the filter."""
    names = {
        one["name"] for it in found.images if it["offers"] for one in it["offers"]["architectures"]
    }
    return [{"name": name} for name in sorted(names)]


def shown(visit: Visit, asked: Asked, found: Found) -> dict[str, Any]:
    """What home, search and suggestions show alike: the filters, and the images found."""
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
