"""The theme that a browser chose, and the list of keys."""

from goldenrod.base import config
from goldenrod.store.db import Database
from goldenrod.web.pages.kit import assets
from tests.support.cast import World
from tests.support.pages.visitor import Visitor

CHOOSE = "/theme?theme=dark&next=/images/open-image?channel=latest"


def test_a_theme_is_stored_in_the_browser_and_written_into_each_page(
    db: Database, world: World, visitor: Visitor
) -> None:
    before = visitor.get("/images/open-image")
    assert "data-theme" not in before.text
    assert 'name="color-scheme" content="light dark"' in before.text
    sent = visitor.get(CHOOSE, follow=False)
    assert (sent.status, sent.headers["location"]) == (303, "/images/open-image?channel=latest")
    assert sent.headers["cache-control"] == "private, no-cache"
    dark = visitor.get("/images/open-image")
    assert '<html lang="en" data-theme="dark">' in dark.text
    assert 'name="color-scheme" content="dark"' in dark.text
    assert 'value="dark" aria-pressed="true"' in dark.text
    # Neither this server's cache nor one in between gives one browser's page to another.
    assert "Cookie" in dark.headers["vary"]
    assert dark.headers["etag"] != before.headers["etag"]
    assert dark.headers["cache-control"] == "public, no-cache"
    assert visitor.get("/images/open-image", headers={"If-None-Match": before.headers["etag"]}).text
    other = Visitor(db, config.load({}))
    assert "data-theme" not in other.get("/images/open-image").text
    assert "data-theme" in visitor.get("/no-such-page").text
    visitor.get("/theme?theme=auto&next=/")
    assert visitor.get("/images/open-image").text == before.text


def test_no_other_site_chooses_the_theme_or_where_it_leads(world: World, visitor: Visitor) -> None:
    visitor.get(CHOOSE, headers={"Sec-Fetch-Site": "cross-site"})
    assert "data-theme" not in visitor.get("/").text
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        sent = visitor.get(f"/theme?theme=dark&next={elsewhere}", follow=False)
        assert sent.headers["location"] == "/"
    visitor.get("/theme?theme=%22%3E%3Cb%3E&next=/")
    assert "data-theme" not in visitor.get("/").text
    assert visitor.get("/theme?theme=%00&next=/", follow=False).status == 400


def test_the_keys_are_listed(world: World, visitor: Visitor) -> None:
    page = visitor.get("/keys")
    assert page.status == 200
    for words in ("Move to the search field", "Show this list", "Esc"):
        assert words in page.words
    assert 'href="/keys"' in visitor.get("/").text


def test_nothing_on_a_page_moves_by_itself() -> None:
    """So that reduced motion needs no rule of its own."""
    style = "".join(assets.assets()[name].content.decode() for name in assets.STYLES)
    for word in ("transition", "animation", "scroll-behavior"):
        assert word not in style
