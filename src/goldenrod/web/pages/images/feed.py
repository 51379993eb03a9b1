"""An image's newest versions as an Atom feed (RFC 4287).

Links are absolute where `GOLDENROD_PUBLIC_URL` is set. Otherwise they are paths, which feed readers
resolve against the feed's own address. Deprecating or revoking a version updates its entry.
"""

import re
from typing import Any

from goldenrod.catalogue.images import feed_times, image_page
from goldenrod.catalogue.versions import instead, versions
from goldenrod.rules import resources, summaries
from goldenrod.store.db import Row
from goldenrod.web.pages.kit import canonical_url, render, urls
from goldenrod.web.pages.kit.visit import HEADERS, Page, Visit

NEWEST = 20
ATOM = "application/atom+xml; charset=utf-8"

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML 1.0 does not allow."""


def show_feed(visit: Visit, slug: str) -> Page:
    """GET /images/{slug}/feed.atom."""
    with visit.read() as (tx, actor):
        image = image_page.get_head(tx, actor, slug)
        if slug != image["slug"]:
            return canonical_url.lead(visit, urls.image(image, "feed.atom"))
        newest = {"ordering": "-start_date", "page_size": NEWEST}
        found = versions.VERSIONS.read_list(tx, actor, image_id=image["id"], **newest)
        withdrawn = [it["id"] for it in found if it["state"] in ("revoked", "deprecated")]
        better = instead.find_instead(tx, actor, withdrawn)
        now = tx.now
        ids = [version["id"] for version in found]
        times = feed_times.last_changes(tx, actor, image["id"], ids)
        replacing = (it.replacement_image for it in better.values())
        tx.depends_on([image["id"], *summaries.images_in(found), *replacing])
    entries = [it | {"updated": _updated(it, now, times.entries)} for it in found]
    updated = [times.feed or image["start_date"], *(it["updated"] for it in entries)]
    text = render.render(
        "images/feed.xml",
        {
            "image": _clean(image),
            "entries": _clean(entries),
            "updated": max(updated),
            "base": visit.settings.public_url,
            "instead": better,
            "now": now,
        },
    )
    return Page(200, text, HEADERS, etag=resources.etag(text), media_type=ATOM)


def _updated(version: Row, now: str, changed: dict[str, str]) -> str:
    """When the entry last changed, up to now: it never goes back."""
    notices = [str(version[name]["at"]) for name in ("deprecation", "revoked") if version[name]]
    dates = [str(version["start_date"]), *notices, changed.get(version["id"], "")]
    return max((at for at in dates if at and at <= now), default=now)


def _clean(value: Any) -> Any:
    """The same value with characters that XML does not allow replaced."""
    if isinstance(value, str):
        return _NOT_XML.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(it) for it in value]
    if isinstance(value, dict):
        return {name: _clean(it) for name, it in value.items()}
    return value
