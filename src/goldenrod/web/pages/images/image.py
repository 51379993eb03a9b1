"""The page of an image: machine picker, channels, versions, provider grid and lineage."""

from goldenrod.catalogue.images import image_page
from goldenrod.catalogue.sync import drift
from goldenrod.catalogue.versions import instead
from goldenrod.catalogue.versions.lineage import graph
from goldenrod.rules import summaries
from goldenrod.rules.access import Actor
from goldenrod.store import paging
from goldenrod.store.db import Row, Tx
from goldenrod.web.pages.images import provider_grid
from goldenrod.web.pages.images.release_months import release_months
from goldenrod.web.pages.kit import canonical_url, urls
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.launch import machine_picker
from goldenrod.web.pages.lineage import page
from goldenrod.web.pages.sync import drift as sync_drift

NEWEST = 12


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
        newest = {"image_id": image["id"], "ordering": "-start_date", "page_size": NEWEST}
        query = paging.parse(image_page.RELEASES, {name: [str(it)] for name, it in newest.items()})
        count, releases, following, _ = image_page.list_releases(tx, actor, query)
        cells = image_page.list_cells(tx, actor, [it["id"] for it in releases])
        box = machine_picker.of_image(tx, actor, visit, image, channels, cells)
        marks = drift.find_marks(tx, actor, image_id=image["id"]) if image["may_change"] else []
        found = graph.lineage_of_image(tx, actor, str(image["id"]))
        dates = image_page.list_release_dates(tx, actor, image["id"])
        if found.images:
            replacing = (it.replacement_image for it in better.values())
            tx.depends_on([*found.images, *summaries.images_in(channels), *replacing])
        now = tx.now
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
        months=release_months(dates, now, image_page.MOST_DATES),
        drifted=drifted,
        lineage=page.shown(found, f"Lineage of {image['name']}"),
        public_url=visit.settings.public_url,
    )


def _instead(tx: Tx, actor: Actor, channels: list[Row]) -> dict[str, instead.Instead]:
    """What to use instead of the deprecated and the revoked versions at which channels point."""
    deprecated = [it["target"] for it in channels if it["offer"] and it["offer"]["deprecation"]]
    stopped = [it["stopped"]["version"] for it in channels if it["stopped"]]
    return instead.find_instead(tx, actor, [it["id"] for it in (*deprecated, *stopped)])


def flags(channels: list[Row]) -> dict[str, list[str]]:
    """The names of channels by the id of the version that they offer."""
    found: dict[str, list[str]] = {}
    for channel in channels:
        if channel["target"]:
            found.setdefault(channel["target"]["id"], []).append(channel["name"])
    return found


def _before(image: Row, releases: list[Row]) -> str:
    """The address of the versions older than these."""
    return urls.versions(image, before=releases[-1]["id"])
