"""Staff's pages: users, providers, identities, tags; for everybody else they are not there."""

import json
from typing import Any

import pytest

from goldenrod.base import config, wire
from goldenrod.catalogue.accounts import oidc_accounts, tokens, users
from goldenrod.catalogue.images import images, tags
from goldenrod.rules.access import CONSOLE
from goldenrod.store import paging
from goldenrod.store.db import Database
from goldenrod.web.pages.routes import PAGES
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor, undone

ISSUER = "https://sso.example.org"


def user(db: Database, name: str) -> dict[str, Any]:
    with db.read() as tx:
        key = users.find_user(tx, name)
        found: dict[str, Any] = users.USERS.read(tx, CONSOLE, str(key))
    return found


# ── for whom they are there ────────────────────────────────────────────────────────────────

BELOW = [route for route in PAGES if route.path.startswith("/staff")]


@pytest.mark.parametrize("who", ["charlie", "alice"])
def test_who_is_no_staff_finds_nothing_and_changes_nothing(
    visitor: Visitor, db: Database, world: World, who: str
) -> None:
    visitor.sign_in(who)
    account = visitor.get("/account")
    assert "/staff" not in account.links
    token = account.form("/sign-out").fields["token"][0]
    with db.read() as tx:
        before = users.USERS.page(tx, CONSOLE, paging.parse(users.USERS.listing, {})).results
    fields = "on=on&is_staff=on&username=x&name=x&password=12345678&issuer=x&subject=x&key=x"
    for route in BELOW:
        path = route.path.replace("{key}", str(world.users[who])).replace("{uuid}", "x")
        body = None if route.method == "GET" else f"token={token}&{fields}&user=bob&provider=west"
        page = visitor.ask(route.method, path, body=body)
        assert page.status == 404, route
    with db.read() as tx:
        assert (
            users.USERS.page(tx, CONSOLE, paging.parse(users.USERS.listing, {})).results == before
        )


def test_staff_are_led_there(dora: Visitor) -> None:
    assert "/staff" in dora.get("/").links
    page = dora.get("/staff")
    assert (
        "Users who can sign in, and who is staff 4 "
        "Groups users that versions are shared with 1 "
        "Providers clouds and regions that have machines 2 "
        "Provider accounts users' accounts on providers 3 "
        "Tags keywords of images 6 "
        "Webhooks URLs notified of changes 0"
    ) in page.words
    for name in ("users", "groups", "providers", "identities", "tags", "webhooks"):
        assert f"/staff/{name}" in page.links


def test_a_token_without_staffs_rights_is_no_staff(
    visitor: Visitor, db: Database, world: World
) -> None:
    with db.write() as tx:
        body = wire.NewToken(name="write", scope="write")
        _, secret = tokens.insert_token(tx, CONSOLE, world.users["dora"], body)
    for told, status in ((secret, 404), (world.secrets["dora"], 200)):
        page = visitor.get("/staff", headers={"Authorization": f"Token {told}"})
        assert page.status == status


# ── users ──────────────────────────────────────────────────────────────────────────────────


def test_users_are_listed_and_narrowed(dora: Visitor, db: Database) -> None:
    page = dora.get("/staff/users")
    assert "alice active user 2026-06-15" in page.words
    assert "dora active staff" in page.words
    found = dora.get("/staff/users?prefix=Bo")
    assert "bob active" in found.words
    assert "charlie" not in found.words
    assert "No user matches." in dora.get("/staff/users?prefix=nobody").words
    assert "takes true or false" in dora.get("/staff/users?active=perhaps").words
    only = dora.get("/staff/users?is_staff=true")
    assert "dora" in only.words
    assert "alice" not in only.words


def test_users_are_paged(dora: Visitor, db: Database) -> None:
    with db.write() as tx:
        for number in range(60):
            users.create_user(tx, CONSOLE, wire.NewUser(username=f"user {number:02}"))
    page = dora.get("/staff/users?active=true")
    assert "64 users" in page.words
    [more] = [link for link in page.links if "cursor=" in link]
    assert "active=true" in more
    following = dora.get(more)
    assert "user 59" in following.words
    assert "alice" not in following.words
    [back] = [link for link in following.links if "cursor=" in link]
    assert dora.get(back).words == page.words


def test_a_user_is_made(dora: Visitor, db: Database, visitor: Visitor) -> None:
    page = dora.get("/staff/users/new")
    made = dora.submit(page, "/staff/users/new", username="erin", password="erins-password")
    assert "User erin created." in made.words
    assert user(db, "erin")["is_staff"] is False
    dora.submit(dora.get("/account"), "/sign-out")
    dora.sign_in("erin", "erins-password")


@pytest.mark.parametrize(
    ("filled", "status", "field"),
    [
        ({"username": ""}, 400, "username"),
        ({"username": "a\tb"}, 400, "username"),
        ({"username": "x", "password": "short"}, 400, "password"),
        ({"username": "Alice"}, 409, ""),
        ({"username": "lab"}, 409, ""),
    ],
)
def test_a_user_that_cannot_be_made(
    dora: Visitor, db: Database, filled: dict[str, str], status: int, field: str
) -> None:
    page = dora.submit(dora.get("/staff/users/new"), "/staff/users/new", **filled)
    assert page.status == status
    assert (f'id="f-{field}-e"' in page.text) == bool(field)
    # A password is never sent back.
    assert "short" not in page.text
    assert page.form("/staff/users/new").fields["username"] == [filled["username"]]


def test_a_user_is_disabled_with_what_that_stops(
    dora: Visitor, db: Database, world: World, api: ApiClient
) -> None:
    alice = f"/staff/users/{world.users['alice']}"
    other = Visitor(db, config.load({}))
    other.sign_in("alice")
    page = dora.get(f"{alice}/disable")
    assert "1 token stops at once" in page.words
    assert "6 images of theirs remain unchanged" in page.words
    done = dora.submit(page, f"{alice}/active")
    assert "User alice disabled." in done.words
    assert user(db, "alice")["active"] is False
    assert other.get("/account").status == 401
    assert api.get("/api/v2/images", "alice").status_code == 401
    back = undone(dora, done)
    assert "User alice enabled." in back.words
    assert api.get("/api/v2/images", "alice").status_code == 200
    assert other.get("/account").status == 401


def test_staffs_rights_are_given_and_taken(dora: Visitor, db: Database, world: World) -> None:
    bob = f"/staff/users/{world.users['bob']}"
    done = dora.submit(dora.get(f"{bob}/staff"), f"{bob}/staff")
    assert "bob is now staff." in done.words
    assert user(db, "bob")["is_staff"] is True
    assert "bob is no longer staff." in undone(dora, done).words
    assert user(db, "bob")["is_staff"] is False


def test_nobody_is_offered_to_take_their_own_rights(dora: Visitor, world: World) -> None:
    page = dora.get(f"/staff/users/{world.users['dora']}")
    assert "This is you" in page.words
    assert not any(form.action.endswith(("/staff", "/active")) for form in page.forms)
    assert not any(link.endswith("/disable") for link in page.links)


def test_a_password_is_set_and_signs_out(
    dora: Visitor, db: Database, world: World, api: ApiClient
) -> None:
    bob = f"/staff/users/{world.users['bob']}"
    other = Visitor(db, config.load({}))
    other.sign_in("bob")
    short = dora.submit(dora.get(bob), f"{bob}/password", password="short")
    assert (short.status, 'id="f-password-e"' in short.text) == (400, True)
    assert dora.submit(dora.get(bob), f"{bob}/password").status == 400
    done = dora.submit(dora.get(bob), f"{bob}/password", password="a new password")
    assert "Password changed. bob is signed out everywhere." in done.words
    assert "a new password" not in done.text.replace("has a new password", "")
    assert other.get("/account").status == 401
    other.sign_in("bob", "a new password")
    none = dora.submit(dora.get(bob), f"{bob}/password", none="on")
    assert "Password removed. bob is signed out everywhere." in none.words
    assert other.get("/account").status == 401


def test_an_account_is_linked_and_unlinked(
    dora: Visitor, db: Database, world: World, api: ApiClient
) -> None:
    bob = f"/staff/users/{world.users['bob']}"
    other = Visitor(db, config.load({}))
    page = dora.get(bob)
    assert "never by name or e-mail address" in page.words
    done = dora.submit(page, f"{bob}/accounts", issuer=ISSUER, subject=" 1001 ")
    assert "Account linked to bob." in done.words
    assert f"1001 at {ISSUER}" in done.words
    with db.write_unversioned() as tx:
        assert oidc_accounts.find_user(tx, ISSUER, "1001") == world.users["bob"]
        assert oidc_accounts.find_user(tx, f"{ISSUER}/", "1001") is None
    alice = f"/staff/users/{world.users['alice']}"
    taken = dora.submit(dora.get(alice), f"{alice}/accounts", issuer=ISSUER, subject="1001")
    assert taken.status == 409
    assert "already linked to another user" in taken.words
    assert taken.form(f"{alice}/accounts").fields["subject"] == ["1001"]

    other.sign_in("bob")
    [unlink] = [form.action for form in done.forms if form.action.endswith("/unlink")]
    gone = dora.submit(dora.get(bob), unlink)
    assert "Account unlinked. bob is signed out everywhere." in gone.words
    assert other.get("/account").status == 401
    with db.write_unversioned() as tx:
        assert oidc_accounts.find_user(tx, ISSUER, "1001") is None
    undone(dora, gone)
    with db.write_unversioned() as tx:
        assert oidc_accounts.find_user(tx, ISSUER, "1001") == world.users["bob"]
    # Another's is not taken off by naming it under somebody else.
    wrong = unlink.replace(f"/users/{world.users['bob']}/", f"/users/{world.users['alice']}/")
    token = dora.get(bob).form(f"{bob}/accounts").fields["token"][0]
    assert dora.ask("POST", wrong, body=f"token={token}").status == 404


@pytest.mark.parametrize(
    ("filled", "field"),
    [
        ({"issuer": "", "subject": "1"}, "issuer"),
        ({"issuer": ISSUER, "subject": " "}, "subject"),
        ({"issuer": ISSUER, "subject": "x" * 256}, "subject"),
    ],
)
def test_an_account_that_names_nobody(
    dora: Visitor, world: World, filled: dict[str, str], field: str
) -> None:
    bob = f"/staff/users/{world.users['bob']}"
    page = dora.submit(dora.get(bob), f"{bob}/accounts", **filled)
    assert (page.status, f'id="f-{field}-e"' in page.text) == (400, True)


def test_linking_stands_in_the_audit(dora: Visitor, db: Database, world: World) -> None:
    bob = f"/staff/users/{world.users['bob']}"
    dora.submit(dora.get(bob), f"{bob}/accounts", issuer=ISSUER, subject="1001")
    with db.connection() as connection:
        rows = connection.execute(
            "SELECT action, user_id, subject_id FROM audit ORDER BY sequence DESC LIMIT 1"
        ).fetchall()
    assert [tuple(row) for row in rows] == [("user:link", world.users["dora"], world.users["bob"])]


# ── tags ───────────────────────────────────────────────────────────────────────────────────


def test_a_tag_is_described_and_renamed(dora: Visitor, db: Database) -> None:
    page = dora.get("/staff/tags?search=open")
    [address] = [link for link in page.links if link.startswith("/staff/tags/")]
    tag = dora.get(address)
    assert "Used by 1 image, including ended ones" in tag.words
    done = dora.submit(tag, address, name="ecs", description="Runs *containers*.")
    assert "Tag ecs saved." in done.words
    assert "Runs *containers*." in done.words
    assert "ecs" in dora.get("/?tag=ecs").words
    late = dora.submit(tag, address, name="other")
    assert late.status == 412
    taken = dora.submit(dora.get(address), address, name="closed-tag")
    assert taken.status == 409
    assert taken.form(address).fields["name"] == ["closed-tag"]
    assert dora.submit(dora.get(address), address, name=" ").status == 400


def test_a_tag_is_removed_where_no_image_carries_it(
    dora: Visitor, db: Database, world: World
) -> None:
    page = dora.get("/staff/tags?search=open")
    [address] = [link for link in page.links if link.startswith("/staff/tags/")]
    tag = dora.get(address)
    assert not any(form.action == f"{address}/remove" for form in tag.forms)
    token = tag.form(address).fields["token"][0]
    assert dora.ask("POST", f"{address}/remove", body=f"token={token}").status == 409
    with db.write() as tx:
        row = images.IMAGES.row_for_change(tx, CONSOLE, "open-image")
        images.edit_image(tx, CONSOLE, row, wire.ImagePatch(tags=[]))
    done = dora.submit(dora.get(address), f"{address}/remove")
    assert "Tag open-tag removed." in done.words
    with db.read() as tx:
        left = tags.TAGS.page(tx, CONSOLE, paging.parse(tags.TAGS.listing, {})).results
    assert "open-tag" not in [json.loads(one)["name"] for one in left]


# ── an empty catalogue ─────────────────────────────────────────────────────────────────────


def test_empty_lists_say_how_to_begin(db: Database) -> None:
    with db.write() as tx:
        body = wire.NewUser(username="first", is_staff=True, password="first-secret")
        users.create_user(tx, CONSOLE, body)
    visitor = Visitor(db, config.load({}))
    visitor.sign_in("first")
    for name, said in (
        ("groups", "Create the first one below."),
        ("providers", "Create the first one"),
        ("identities", "First create a provider ."),
        ("tags", "Adding a tag to an image creates it."),
        ("webhooks", "No webhooks yet."),
    ):
        page = visitor.get(f"/staff/{name}")
        assert said in page.words, name
        assert "/staff/providers/new" in page.links or name not in ("providers", "identities")


# ── what a page costs ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("address", "statements"),
    [
        ("/staff", 9),
        ("/staff/users", 2),
        ("/staff/users/1", 9),
        ("/staff/users/1/disable", 4),
        ("/staff/groups", 2),
        ("/staff/providers", 2),
        ("/staff/identities", 3),
        ("/staff/tags", 2),
        ("/staff/webhooks", 2),
        ("/groups/5", 6),
        ("/account/tokens", 2),
    ],
)
def test_statements_are_as_many_whatever_is_shown(
    dora: Visitor, db: Database, address: str, statements: int
) -> None:
    dora.get(address)
    db.trace = []
    assert dora.get(address).status == 200
    asked = len(db.trace)
    db.trace = None
    assert asked == statements
