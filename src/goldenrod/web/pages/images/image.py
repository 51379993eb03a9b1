"""The page of an image: machine picker, channels, versions, provider grid and lineage."""

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import parse_qs, urlencode

from goldenrod.base.errors import NotFound
from goldenrod.catalogue.images import image_page
from goldenrod.catalogue.sync import drift
from goldenrod.catalogue.versions import instead, version_page
from goldenrod.catalogue.versions.lineage import graph
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.images import provider_grid
from goldenrod.web.pages.kit import canonical_url, urls
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.launch import machine_picker
from goldenrod.web.pages.lineage import page
from goldenrod.web.pages.sync import drift as sync_drift

NEWEST, PER_PAGE = 12, 50
BETWEEN = ("start_date__gte", "start_date__lt", "after", "before", "newer_than")
"""Filters of the list of versions. They leave out no version between two others that counts as a newer
one, so counting newer versions stays right."""


def show_image(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}."""
    with visit.read() as (tx, actor):
        image = image_page.get_head(tx, actor, slug)
        if slug != image["slug"]:
            return canonical_url.lead(visit, urls.image(image))
        channels = image_page.list_channels(tx, actor, image["id"])
        better = _instead(tx, actor, channels)
        offering = any(it["target"] or it["stopped"] for it in channels)
        all_revoked = not offering and instead.is_all_revoked(tx, actor, image["id"])
        count, releases, following, _ = _releases(tx, actor, image, {}, NEWEST)
        cells = image_page.list_cells(tx, actor, [it["id"] for it in releases])
        box = machine_picker.of_image(tx, actor, visit, image, channels, cells)
        marks = drift.find_marks(tx, actor, image_id=image["id"]) if image["may_change"] else []
        found = graph.lineage_of_image(tx, actor, str(image["id"]))
    drifted = sync_drift.of_versions(marks)
    return visit.page(
        "images/image.html",
        image=image,
        channels=channels,
        instead=better,
        all_revoked=all_revoked,
        flags=flags(channels),
        releases=releases,
        count=count,
        older=count - len(releases),
        following=_before(image, releases) if following else None,
        box=box,
        grid=provider_grid.grid(releases, cells, channels, drifted.at),
        drifted=drifted,
        lineage=page.shown(found, f"Lineage of {image['name']}"),
        public_url=visit.settings.public_url,
    )


def _instead(tx: Tx, actor: Actor, channels: list[Row]) -> dict[str, instead.Instead]:
    """What to use instead of the deprecated and the revoked versions at which channels point."""
    deprecated = [it["target"] for it in channels if it["offer"] and it["offer"]["deprecation"]]
    stopped = [it["stopped"]["version"] for it in channels if it["stopped"]]
    return instead.find_instead(tx, actor, [it["id"] for it in (*deprecated, *stopped)])


def list_versions(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/versions: all versions, or those between two instants or versions."""
    asked = {name: visit.asked(name) for name in (*BETWEEN, "cursor")}
    with visit.read() as (tx, actor):
        image = image_page.get_head(tx, actor, slug)
        if slug != image["slug"]:
            return canonical_url.lead(visit, urls.image(image, "versions"))
        channels = image_page.list_channels(tx, actor, image["id"])
        count, releases, following, previous = _releases(tx, actor, image, asked, PER_PAGE)
        others = _names(tx, actor, asked)
    return visit.page(
        "images/versions.html",
        image=image,
        flags=flags(channels),
        releases=releases,
        count=count,
        between=any(asked[name] for name in BETWEEN),
        others=others,
        asked=asked,
        following=_page(image, asked, following),
        previous=_page(image, asked, previous),
    )


def _names(tx: Tx, actor: Actor, asked: Mapping[str, str]) -> dict[str, str]:
    """The names of the versions with which those of the list are compared, where they are visible."""
    found = {}
    for name in BETWEEN[2:]:
        if asked[name]:
            with suppress(NotFound):
                found[name] = str(version_page.get_by_id(tx, actor, asked[name])["name"])
    return found


def flags(channels: list[Row]) -> dict[str, list[str]]:
    """The names of channels by the id of the version that they offer."""
    found: dict[str, list[str]] = {}
    for channel in channels:
        if channel["target"]:
            found.setdefault(channel["target"]["id"], []).append(channel["name"])
    return found


def _releases(
    tx: Tx, actor: Actor, image: Row, asked: Mapping[str, str], size: int
) -> tuple[int, list[Row], str | None, str | None]:
    given = {name: value for name, value in asked.items() if value}
    given |= {"image_id": image["id"], "ordering": "-start_date", "page_size": str(size)}
    query = paging.parse(image_page.RELEASES, {name: [str(it)] for name, it in given.items()})
    return image_page.list_releases(tx, actor, query)


def _before(image: Row, releases: list[Row]) -> str:
    """The address of the versions older than these."""
    return f"{urls.image(image, 'versions')}?{urlencode({'before': releases[-1]['id']})}"


def _page(image: Row, asked: Mapping[str, str], query: str | None) -> str | None:
    """The address of the next or previous page, from the query of the list's own link."""
    cursor = parse_qs(query or "").get("cursor")
    if not cursor:
        return None
    dates = {name: asked[name] for name in BETWEEN if asked.get(name)}
    return f"{urls.image(image, 'versions')}?{urlencode(dates | {'cursor': cursor[0]})}"
