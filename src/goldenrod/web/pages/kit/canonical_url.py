"""The one address of a page: what asks by an old slug, an id or another spelling is led on to it."""

from goldenrod.store.db import Row
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.visit import Page, Visit


def version(row: Row) -> Row:
    """A version that was found, as `addresses` takes one."""
    image = {"id": row["image_id"], "slug": row["slug"], "name": row["image_name"]}
    return {**row, "image": image}


def is_it(version: Row, slug: str, key: str) -> bool:
    """The version was asked for by its own address."""
    return slug == version["image"]["slug"] and key == urls.version_key(version)


def lead(visit: Visit, to: str) -> Page:
    """On to an address, with what was asked besides."""
    query = visit.req.query_string
    return visit.redirect(f"{to}?{query}" if query else to)
