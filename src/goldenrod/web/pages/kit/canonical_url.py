"""The canonical address of a page. Requests with an old slug, an id or another spelling are
redirected to it."""

from goldenrod.store.db import Row
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.visit import Page, Visit


def version(row: Row) -> Row:
    """The row of a version in the form that `urls` needs."""
    image = {"id": row["image_id"], "slug": row["slug"], "name": row["image_name"]}
    return {**row, "image": image}


def is_it(version: Row, slug: str, key: str) -> bool:
    """Whether the request used the version's canonical address."""
    return slug == version["image"]["slug"] and key == urls.version_key(version)


def lead(visit: Visit, to: str) -> Page:
    """Redirect to an address, with the same query."""
    query = visit.req.query_string
    return visit.redirect(f"{to}?{query}" if query else to)
