"""Home: the images that offer the newest release first, new versions, and recent withdrawals."""

from goldenrod.base.errors import NotFound
from goldenrod.catalogue.images import follows, image_search
from goldenrod.catalogue.versions import instead, providers
from goldenrod.web.pages.images import search
from goldenrod.web.pages.images.news import note_visit
from goldenrod.web.pages.kit import urls
from goldenrod.web.pages.kit.visit import Page, Visit


def home(visit: Visit) -> Page:
    """GET /: all images, or those that the filters leave."""
    asked = search.asked_filters(visit)
    with visit.read() as (tx, actor):
        found = search.find(tx, actor, visit, asked, search.PER_PAGE)
        versions_count, newest = image_search.newest_versions(tx, actor)
        choices = image_search.choices(tx, actor)
        withdrawn = image_search.recently_withdrawn(tx, actor)
        better = instead.find_instead(tx, actor, [it["version"]["id"] for it in withdrawn])
        news = None if visit.anonymous or any(asked.values()) else follows.news(tx, actor)
    note_visit(visit, news)
    return visit.page(
        "images/home.html",
        **search.shown(visit, asked, found),
        choices=choices,
        newest=newest,
        versions_count=versions_count,
        withdrawn=[it | {"instead": better[it["version"]["id"]]} for it in withdrawn],
        news=news,
        known=[],
        refusal=None,
    )


def redirect_to_tag(visit: Visit, name: str) -> Page:
    """GET /tags/{name}: the images with this tag."""
    return visit.redirect(urls.home(tag=name))


def redirect_to_provider(visit: Visit, slug: str) -> Page:
    """GET /providers/{slug}: the images with a machine on this provider."""
    if not providers.PROVIDERS.takes(slug):
        raise NotFound()
    return visit.redirect(urls.home(provider=slug))
