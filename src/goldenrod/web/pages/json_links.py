"""The JSON behind a page, for a browser's session: the links "JSON" of pages lead here.

The API itself knows tokens only, so that no other site can use a session there.
"""

from goldenrod.base.errors import NotFound
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import history, licenses_scripts, versions
from goldenrod.rules import resources
from goldenrod.store import paging
from goldenrod.web.pages.kit.visit import HEADERS, Page, Visit

RESOURCES = {
    "images": images.IMAGES,
    "image_versions": versions.VERSIONS,
    "licenses": licenses_scripts.LICENSES,
    "boot_scripts": licenses_scripts.SCRIPTS,
}
JSON = "application/json"


def show_json(visit: Visit, resource: str, key: str) -> Page:
    """GET /json/{resource}/{key}: what the API answers for this thing."""
    if resource not in RESOURCES:
        raise NotFound()
    with visit.read() as (tx, actor):
        return _page(RESOURCES[resource].get(tx, actor, key))


def show_history(visit: Visit, key: str) -> Page:
    """GET /json/image_versions/{key}/history: the newest thousand changes of a version."""
    newest = {"ordering": ["-sequence"], "page_size": [str(paging.MOST_PER_PAGE)]}
    with visit.read() as (tx, actor):
        page = history.list_history(tx, actor, key, paging.parse(history.LIST, newest))
    return _page(f'{{"count": {page.count}, "results": [{", ".join(page.results)}]}}')


def _page(text: str) -> Page:
    return Page(200, text, HEADERS, etag=resources.etag(text), media_type=JSON)
