"""The Atom feed of an image's versions: well-formed, whole, and nothing that its reader may not see."""

from xml.etree import ElementTree

import pytest

from goldenrod.base import config, wire
from goldenrod.catalogue.images import images
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import publish as publish_by_api
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.releases import HOSTILE, edit, publish, revoke
from tests.support.pages.visitor import PageResponse, Visitor

FEED = "/images/open-image/feed.atom"
ATOM = "{http://www.w3.org/2005/Atom}"


def read(page: PageResponse) -> ElementTree.Element:
    assert page.status == 200, page.text
    assert page.headers["content-type"] == "application/atom+xml; charset=utf-8"
    return ElementTree.fromstring(page.text.encode())


def texts(feed: ElementTree.Element, tag: str) -> list[str]:
    return [entry.findtext(f"{ATOM}{tag}") or "" for entry in feed.findall(f"{ATOM}entry")]


@pytest.mark.parametrize("who", [None, "charlie"])
def test_a_stranger_reads_of_public_versions_only(
    db: Database, world: World, visitor: Visitor, who: str | None
) -> None:
    with db.write() as tx:
        publish(tx, world, "2.0", 1, change_log="second", parent=world.versions["closed"])
        publish(tx, world, "3.0", -1, change_log="to come")
    if who:
        visitor.sign_in(who)
    page = visitor.get(FEED)
    assert texts(read(page), "title") == ["open image 2.0", "open image open-1.0"]
    for text in ("closed", "to come", "3.0"):
        assert text not in page.text
    for name in ("closed", "shared", "ended", "scheduled", "none"):
        assert visitor.get(f"/images/{name}-image/feed.atom").status == 404


def test_who_may_read_more_reads_more(world: World, visitor: Visitor) -> None:
    headers = {"Authorization": f"Token {world.secrets['bob']}"}
    page = visitor.get("/images/shared-image/feed.atom", headers=headers)
    assert texts(read(page), "title") == ["shared image shared-1.0"]
    assert page.headers["cache-control"] == "private, no-cache"
    wrong = {"Authorization": "Token nonsense"}
    assert visitor.get(FEED, headers=wrong).status == 401


def test_what_an_entry_says(db: Database, world: World, visitor: Visitor, clock: Clock) -> None:
    with db.write() as tx:
        key = publish(tx, world, "2.0", 1, change_log="# Kernel\n\n*6.1* & more")
    feed = read(visitor.get(FEED))
    assert feed.findtext(f"{ATOM}title") == "open image"
    assert feed.findtext(f"{ATOM}subtitle") == "what open is for"
    assert (feed.findtext(f"{ATOM}id") or "").startswith("urn:uuid:")
    assert feed.findtext(f"{ATOM}updated") == "2026-06-14T12:00:00.000000Z"
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "alice"
    entry = feed.find(f"{ATOM}entry")
    assert entry is not None
    assert entry.findtext(f"{ATOM}id") == f"urn:uuid:{key}"
    assert entry.findtext(f"{ATOM}published") == "2026-06-14T12:00:00.000000Z"
    content = entry.find(f"{ATOM}content")
    assert content is not None
    assert content.get("type") == "html"
    assert content.text == "<h3>Kernel</h3>\n<p><em>6.1</em> &amp; more</p>\n"
    clock.move(hours=3)
    with db.write() as tx:
        revoke(tx, world, key, "It <leaks>.")
        edit(tx, world, world.versions["open"], deprecation=wire.NewDeprecation(reason="old"))
    feed = read(visitor.get(FEED))
    assert texts(feed, "title") == ["open image 2.0: revoked", "open image open-1.0: deprecated"]
    assert texts(feed, "updated") == ["2026-06-15T15:00:00.000000Z"] * 2
    assert feed.findtext(f"{ATOM}updated") == "2026-06-15T15:00:00.000000Z"
    first, second = texts(feed, "content")
    assert first.startswith("<p><strong>Revoked.</strong> It &lt;leaks&gt;.</p>")
    assert second.startswith("<p><strong>Deprecated.</strong> old</p>")


def test_links_are_absolute_with_a_public_url(db: Database, visitor: Visitor) -> None:
    def links(page: PageResponse) -> list[str | None]:
        return [link.get("href") for link in read(page).iter(f"{ATOM}link")]

    paths = [FEED, "/images/open-image", "/images/open-image/versions/open-1.0"]
    page = visitor.get(FEED)
    assert links(page) == paths
    assert "http://" not in page.text.replace("http://www.w3.org/2005/Atom", "")
    assert "xml:base" not in page.text
    settings = config.load({"GOLDENROD_PUBLIC_URL": "https://images.example.org"})
    page = Visitor(db, settings).get(FEED, headers={"Host": "evil.example"})
    assert links(page) == [f"https://images.example.org{path}" for path in paths]
    assert "evil" not in page.text


def test_whatever_is_written_the_feed_is_well_formed(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = images.IMAGES.row_for_change(tx, alice, "open-image")
        patch = wire.ImagePatch(name=f"{HOSTILE}]]>", description=f"\x0b{HOSTILE}\x1b")
        images.edit_image(tx, alice, row, patch)
        log = f"{HOSTILE}\x01\x0c\ufffe ]]> [x](javascript:alert(1)) <![CDATA["
        key = publish(tx, world, "a/<b>&", 1, change_log=log)
        edit(tx, world, key, deprecation=wire.NewDeprecation(reason=f"{HOSTILE}\x02"))
    feed = read(visitor.get(FEED))
    assert feed.findtext(f"{ATOM}title") == f"{HOSTILE}]]>"
    first, _ = texts(feed, "content")
    assert "<script" not in first
    assert 'href="javascript' not in first
    hrefs = [link.get("href") for link in feed.iter(f"{ATOM}link")]
    assert f"/images/open-image/versions/{key}" in hrefs


def test_an_image_without_versions_has_an_empty_feed(
    db: Database, world: World, visitor: Visitor
) -> None:
    with db.write() as tx:
        body = wire.NewImage(name="empty", is_public=True)
        images.create_image(tx, world.actor(tx, "alice"), body)
    feed = read(visitor.get("/images/empty/feed.atom"))
    assert texts(feed, "title") == []
    assert feed.findtext(f"{ATOM}updated") == "2026-06-15T12:00:00.000000Z"


def test_pages_name_their_feed_and_readers_revalidate(visitor: Visitor) -> None:
    for page in ("", "/versions", "/versions/open-1.0"):
        text = visitor.get(f"/images/open-image{page}").text
        assert '<link rel="alternate" type="application/atom+xml"' in text
        assert f'href="{FEED}"' in text
    page = visitor.get(FEED)
    assert page.headers["cache-control"] == "public, no-cache"
    etag = {"If-None-Match": page.headers["etag"]}
    assert visitor.get(FEED, headers=etag).status == 304


@pytest.mark.long_on_postgresql
def test_updated_never_goes_back(db: Database, world: World, api: ApiClient, clock: Clock) -> None:
    image, one = "/api/v2/images/open-image", f"/image_versions/{world.versions['open']}"
    parent = publish_by_api(api, "0.9", start_date="2026-05-01T00:00:00Z")["url"]
    child = publish_by_api(api, "0.9.1", parent=parent.split("/")[-1])["url"]
    last: dict[str | None, dict[str, str]] = {}

    def look(moved: bool = True) -> None:
        """Every reader's feed and entries are at least as new as before, and not from the future."""
        for who in (None, "charlie", "alice", "dora"):
            page = api.get(FEED, who)
            feed = ElementTree.fromstring(page.text.encode())
            updated = dict(zip(texts(feed, "id"), texts(feed, "updated"), strict=True))
            updated["feed"] = feed.findtext(f"{ATOM}updated") or ""
            assert max(updated.values()) == updated["feed"] <= clock.now
            before = last.setdefault(who, {})
            assert all(before.get(key, "") <= at for key, at in updated.items()), who
            if moved and "feed" in before:
                assert before["feed"] < updated["feed"] == clock.now, who
            last[who] = updated
            etag = {"If-None-Match": page.headers["etag"]}
            assert api.get(FEED, who, headers=etag).status_code == 304

    def do(method: str, path: str, body: object = None, status: int = 200) -> None:
        clock.move(hours=1)
        answer = api.ask(method, path, "alice", body)
        assert answer.status_code == status, answer.text
        look()

    look(False)
    do("PATCH", one, {"deprecation": {"reason": "old"}})
    do("PATCH", one, {"deprecation": None})
    do("POST", f"{one}/revoke", {"reason": "bad"})
    do("POST", f"{one}/restore", {})
    do("POST", f"{parent}/revoke", {"reason": "bad", "descendants": True})
    do("POST", f"{parent}/restore", {})
    do("PATCH", one, {"start_date": "2026-01-01T00:00:00Z"})
    do("PATCH", one, {"change_log": "other", "name": "other"})
    do("PATCH", image, {"description": "other"})
    do("PATCH", child, {"end_date": "2026-06-15T23:00:00Z"})
    clock.move(days=1)
    look(False)
    do("DELETE", parent, status=204)
    do("PATCH", parent, {"end_date": None})
    do("PATCH", parent, {"end_date": "2026-06-15T14:00:00Z"})
    do("DELETE", one, status=204)
    # What others may not see changes nothing that they can read.
    kept = {who: api.get(FEED, who).text for who in (None, "charlie")}
    clock.move(hours=1)
    publish_by_api(api, "9.0", start_date="2026-09-01T00:00:00Z")
    api.patch(child, "alice", {"change_log": "hidden"})
    api.patch(one, "alice", {"membership": ["lab"]})
    assert kept == {who: api.get(FEED, who).text for who in kept}
