"""Following images: what is new on home since the last visit, for whom, and until when."""

from typing import Any

from goldenrod.base import wire
from goldenrod.catalogue.accounts import groups
from goldenrod.catalogue.images import follows
from goldenrod.catalogue.versions import publish
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.pages.visitor import Visitor


def change(db: Database, world: World, image: str, **body: Any) -> str:
    """Publish a version of an image, as alice."""
    with db.write() as tx:
        new = wire.NewVersion(image=world.images[image], **body)
        return publish.create_version(tx, world.actor(tx, "alice"), new).key


def news(db: Database, world: World, name: str) -> list[tuple[str, str, str]]:
    """What is new for a user: kind, image, and version or channel, newest first."""
    with db.read() as tx:
        found = follows.news(tx, world.actor(tx, name))
    assert found is not None
    assert found.total == len(found.entries)
    return [
        (it["kind"], it["image"]["slug"], it["channel"] or it["version"]["name"])
        for it in found.entries
    ]


def test_what_changed_in_followed_images_is_new_to_those_who_may_see_it(
    db: Database, api: ApiClient, world: World, clock: Clock
) -> None:
    for who in ("alice", "bob"):
        for image in ("open", "shared"):
            answer = api.ask("PUT", f"/api/v2/images/{world.images[image]}/follow", who)
            assert answer.json["since"] == clock.now
    clock.move(minutes=1)
    old = world.versions["open"]
    change(db, world, "open", name="2.0")
    change(db, world, "open", name="3.0", start_date="2030-01-01T00:00:00Z")
    change(db, world, "closed", name="2.0")
    change(db, world, "shared", name="2.0", membership=[])
    clock.move(minutes=1)
    api.patch(f"/api/v2/image_versions/{old}", "alice", {"deprecation": {"reason": "old"}})
    clock.move(minutes=1)
    stable = f"/api/v2/images/{world.images['open']}/channels/stable"
    assert api.ask("PUT", stable, "alice", {"version": old}).status_code in (200, 201)
    inner = f"/api/v2/images/{world.images['open']}/channels/inner"
    assert api.ask("PUT", inner, "alice", {"version": old}).status_code in (200, 201)
    assert api.patch(inner, "alice", {"restricted": True}).status_code == 200
    clock.move(minutes=1)
    api.post(f"/api/v2/image_versions/{old}/revoke", "alice", {"reason": "bad"})
    everybody = [
        ("revoked", "open-image", "open-1.0"),
        ("channel", "open-image", "stable"),
        ("deprecated", "open-image", "open-1.0"),
        ("released", "open-image", "2.0"),
    ]
    assert news(db, world, "bob") == everybody
    assert {*news(db, world, "alice")} == {
        *everybody,
        ("channel", "open-image", "inner"),
        ("released", "shared-image", "2.0"),
    }
    # A version that is restored is no longer revoked.
    api.post(f"/api/v2/image_versions/{old}/restore", "alice", {})
    assert news(db, world, "bob") == everybody[1:]


def test_an_image_that_one_may_no_longer_see_is_not_named(
    db: Database, api: ApiClient, world: World, clock: Clock, visitor: Visitor
) -> None:
    shared = f"/api/v2/images/{world.images['shared']}/follow"
    assert api.ask("PUT", shared, "bob").json["image"]["slug"] == "shared-image"
    assert code(api.ask("PUT", shared, "charlie")) == "404 not_found"
    assert code(api.ask("PUT", shared)) == "401 credentials_required"
    opened = f"/api/v2/images/{world.images['open']}/follow"
    assert code(api.ask("PUT", opened)) == "401 credentials_required"
    assert api.get(opened).json["since"] is None
    clock.move(minutes=1)
    change(db, world, "shared", name="2.0", membership=["lab"])
    visitor.sign_in("bob")
    assert "shared image 2.0 released" in visitor.get("/").words
    assert "shared image" in visitor.get("/account").words
    assert "Unfollow" in visitor.get("/images/shared-image").words
    with db.write() as tx:
        lab = groups.GROUPS.row_for_change(tx, CONSOLE, str(world.groups["lab"]))
        groups.edit_group(tx, CONSOLE, lab, wire.GroupPatch(users=["alice"], leaders=["alice"]))
    assert "shared" not in visitor.get("/").words
    assert "shared image" not in visitor.get("/account").words
    assert code(api.ask("DELETE", shared, "bob")) == "404 not_found"


def test_a_visit_begins_with_home_half_an_hour_after_the_last(
    db: Database, world: World, clock: Clock, visitor: Visitor
) -> None:
    assert "Follow by feed" in visitor.get("/images/open-image").words
    assert "Since your last visit" not in visitor.get("/").words
    visitor.sign_in("bob")
    assert "Since your last visit" not in visitor.get("/").words
    page = visitor.get("/images/open-image")
    page = visitor.submit(page, "/images/open-image/follow")
    assert "You follow open image." in page.words
    assert "Since your last visit" in visitor.get("/").words
    clock.move(minutes=10)
    for number in range(12):
        change(db, world, "open", name=f"2.{number}")
    for _ in range(2):
        page = visitor.get("/")
        assert "2.11 released" in page.words
        assert "And 6 more." in page.words
    # Shown at the next visit too, because it happened during this one; then not any more.
    clock.move(minutes=21)
    assert "2.11 released" in visitor.get("/").words
    clock.move(minutes=31)
    page = visitor.get("/")
    assert "released" not in page.words.split("Since your last visit")[1].split("Images")[0]

    change(db, world, "open", name="3.0")
    clock.move(minutes=1)
    page = visitor.get("/")
    assert "3.0 released" in page.words
    clock.move(minutes=1)
    change(db, world, "open", name="4.0")
    page = visitor.submit(page, "/account/seen")
    assert "Marked as seen." in page.words
    assert "4.0 released" in page.words
    assert "3.0 released" not in page.words
    wrong = visitor.submit(page, "/account/seen", until="yesterday")
    assert wrong.status == 400
    # The form cannot put it off to later.
    clock.move(minutes=1)
    page = visitor.submit(page, "/account/seen", until="2999-01-01T00:00:00Z")
    clock.move(minutes=1)
    change(db, world, "open", name="5.0")
    assert "5.0 released" in visitor.get("/").words

    page = visitor.submit(visitor.get("/account"), "/images/open-image/follow")
    assert "You no longer follow open image." in page.words
    assert "Since your last visit" not in visitor.get("/").words


def test_following_is_limited_and_personal(
    db: Database, api: ApiClient, world: World, monkeypatch: Any
) -> None:
    monkeypatch.setattr(follows, "MOST_FOLLOWED", 1)
    one, other = (f"/api/v2/images/{world.images[name]}/follow" for name in ("open", "shared"))
    assert api.ask("PUT", one, "bob").status_code == 200
    assert api.ask("PUT", one, "bob").status_code == 200
    assert code(api.ask("PUT", other, "bob")) == "409 follows_limit"
    assert api.get(one, "alice").json["since"] is None
    assert api.ask("DELETE", one, "bob").status_code == 204
    assert api.ask("DELETE", one, "bob").status_code == 204
    assert api.ask("PUT", other, "bob").status_code == 200
    assert "follow" not in api.get(f"/api/v2/images/{world.images['open']}", "bob").text
