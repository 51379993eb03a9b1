"""What to use instead of a version that is revoked, deprecated or ended: nothing revoked or ended is
ever recommended, wherever a replacement is named."""

import re
from typing import Any

import pytest

from tests.support.actions import publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import API, assign, look_up, named, release, revoke
from tests.support.pages.visitor import Visitor

IMAGE = "/images/open-image"


@pytest.fixture
def replaced(api: ApiClient, world: World) -> dict[str, Any]:
    """The versions 2, deprecated and replaced by 3, which is revoked; and 4, which latest offers."""
    made = {name: release(api, name) for name in ("2", "3", "4")}
    assign(api, made["2"])
    advice = {"reason": "Its kernel is old.", "replacement": made["3"]["id"]}
    api.patch(made["2"]["url"], "alice", {"deprecation": advice})
    revoke(api, made["3"])
    return made


def shown(page: str, begin: str, end: str) -> str:
    """The words between two marks of a page's source."""
    part = page[page.index(begin) :]
    return " ".join(re.sub("<[^>]*>", " ", part[: part.index(end)]).split())


def test_a_replacement_that_was_revoked_is_named_as_revoked_and_never_recommended(
    api: ApiClient, replaced: dict[str, Any], visitor: Visitor
) -> None:
    used, link = "latest offers 4", f"{IMAGE}/versions/4"
    page = visitor.get(f"{IMAGE}/versions/2")
    banner = shown(page.text, '<div class="banner', "</div>")
    assert "Replacement: 3 revoked" in banner and used in banner
    assert "Use 4" in page.words and "Use 3" not in page.words and link in page.links
    home = visitor.get("/").text
    assert "Its replacement 3 is revoked. latest offers 4" in shown(home, "gone-h", "</section>")
    channel = shown(visitor.get(IMAGE).text, 'id="channels"', "</section>")
    assert "Its replacement 3 is revoked. latest offers 4" in channel and "use 3" not in channel
    known = visitor.get("/search?q=2-east").words
    assert "Its replacement open-image 3 is revoked." in known and "Use open-image" not in known
    [result] = look_up(api, "2-east")
    [match] = result["matches"]
    assert (named(match["replacement"]), match["replacement"]["state"]) == ("3", "revoked")
    assert {it["channel"]: it["version"]["name"] for it in match["offered"]}["latest"] == "4"
    feed = visitor.get(f"{IMAGE}/feed.atom").text
    assert "is revoked. latest offers &lt;a href=&#34;" in feed.replace("\n", " ")
    for address in (replaced["2"]["url"], "/resolve/open-image/stable/east"):
        assert "successor-version" not in api.get(address).headers.get("link", "")


def test_a_revoked_version_says_what_to_use_instead_with_a_link(
    api: ApiClient, replaced: dict[str, Any], visitor: Visitor
) -> None:
    page = visitor.get(f"{IMAGE}/versions/3")
    assert "latest offers 4" in shown(page.text, '<div class="banner', "</div>")
    assert "Use 4" in page.words and f"{IMAGE}/versions/4" in page.links
    assert "3 latest offers 4" in shown(visitor.get("/").text, "gone-h", "</section>").replace(
        " leaks a key ·", ""
    )
    known = visitor.get(f"/search?q={replaced['3']['id']}")
    assert "latest offers open-image 4" in known.words and f"{IMAGE}/versions/4" in known.links
    entry = shown(
        visitor.get(f"{IMAGE}/feed.atom").text, f"urn:uuid:{replaced['3']['id']}", "</entry>"
    )
    assert "Revoked." in entry and f"{IMAGE}/versions/4" in entry
    # A channel that stops at it answers with the same advice.
    assign(api, replaced["4"], "held")
    release(api, "5")
    revoke(api, replaced["4"], roll_back_channels=False)
    refused = api.get("/resolve/open-image/held/east")
    assert code(refused) == "409 version_revoked"
    assert named(refused.json["instead"]) == "5"
    assert f"Use open-image/5 instead ({refused.json['instead']['url']})." in refused.json["detail"]
    for address in (IMAGE, f"{IMAGE}?channel=held", f"{IMAGE}/channels/held"):
        assert "latest offers 5" in visitor.get(address).words, address


def test_what_is_named_instead_is_readable_to_its_reader(
    api: ApiClient, world: World, visitor: Visitor
) -> None:
    """The replacement, and what latest offers editors, are hidden from others."""
    version = release(api, "2")
    advice = {"replacement": world.versions["closed"]}
    api.patch(version["url"], "alice", {"deprecation": advice})
    publish(api, "3", machines=[{"provider": "west", "identifier": "3-west"}])
    revoke(api, version)
    page = visitor.get(f"{IMAGE}/versions/2")
    assert "latest offers open-1.0" in page.words and "closed" not in page.text
    visitor.sign_in("alice")
    page = visitor.get(f"{IMAGE}/versions/2")
    assert "Use closed-1.0" in page.words


def test_when_everything_is_revoked_the_sentence_says_so(
    api: ApiClient, world: World, visitor: Visitor
) -> None:
    key = world.versions["open"]
    assign(api, key)
    assert "revoked" not in api.get("/resolve/open-image/latest/west").json["detail"]
    revoke(api, key)
    release(api, "later", start_date="2099-01-01T00:00:00Z")
    for channel in ("stable", "latest"):
        refused = api.get(f"/resolve/open-image/{channel}/east")
        assert code(refused) == "404 machine_not_found"
        assert "All versions of this image are revoked" in refused.json["detail"]
        page = visitor.get(f"{IMAGE}/channels/{channel}").words
        assert "Offers nothing: all versions of the image are revoked." in page
        page = visitor.get(f"{IMAGE}?channel={channel}").words
        assert f"{channel} offers nothing: all versions of the image are revoked." in page
        assert "offers nothing: all versions are revoked" in page
    assert (
        "All versions of the image are revoked." in visitor.get(f"{IMAGE}/versions/open-1.0").words
    )
    assert "All versions of the image are revoked." in visitor.get(f"{IMAGE}/feed.atom").text
    assert api.get(f"{API}/images/open-image/channels/latest").json["target"] is None


def test_the_newest_is_said_of_the_newest_current_version_only(
    api: ApiClient, world: World, visitor: Visitor
) -> None:
    newest = release(api, "2")
    assert "newest version" in visitor.get(f"{IMAGE}/versions/2").words
    assign(api, newest)
    assert "the newest" in shown(visitor.get(IMAGE).text, 'id="channels"', "</section>")
    api.patch(newest["url"], "alice", {"deprecation": {"reason": "old"}})
    later = release(api, "3", start_date="2099-01-01T00:00:00Z", parent=newest["id"])
    kept_back = release(api, "4", exclude_from_latest=True)
    for who in (None, "alice"):
        if who:
            visitor.sign_in(who)
        for name in ("2", "4", *(["3"] if who else [])):
            assert "newest version" not in visitor.get(f"{IMAGE}/versions/{name}").words, name
        channels = shown(visitor.get(IMAGE).text, 'id="channels"', "</section>")
        assert re.search("stable deprecated 2 1 (provider|of 2 providers), assigned", channels)
        assert re.search("latest current open-1.0 . (of 2 )?providers?, the newest", channels)
    revoke(api, kept_back)
    assert "newest version" not in visitor.get(f"{IMAGE}/versions/4").words
    assert "the newest" not in visitor.get(f"/search?q={later['id']}").words


def test_the_versions_of_an_image_are_counted_from_the_first_ones_own_date(
    api: ApiClient, world: World, visitor: Visitor
) -> None:
    """Not from the day on which the image was created or imported."""
    assert "1 version since 2026-05-26" in visitor.get(IMAGE).words
    release(api, "0", start_date="2019-03-04T00:00:00Z")
    assert "2 versions since 2019-03-04" in visitor.get(IMAGE).words
