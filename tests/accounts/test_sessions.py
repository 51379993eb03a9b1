"""Sessions: what a browser's cookie is worth, until when, and where it is worth nothing."""

import hashlib

import pytest

from goldenrod.base import config, wire
from goldenrod.base.clock import later
from goldenrod.base.errors import NotFound
from goldenrod.catalogue.accounts import actors, sessions, users
from goldenrod.catalogue.transfer.export_import import export_catalogue
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.pages.visitor import Visitor

DAYS = 30


def begin(db: Database, world: World, name: str) -> str:
    with db.write_unversioned() as tx:
        return sessions.create_session(tx, world.users[name], DAYS)


def speaks_for(db: Database, secret: str) -> str | None:
    with db.read() as tx:
        found = actors.of_session(tx, secret)
    return found[0].username if found else None


def revision(db: Database) -> int:
    with db.read() as tx:
        return tx.revision


def test_a_session_carries_its_users_full_rights(db: Database, world: World) -> None:
    secret = begin(db, world, "dora")
    with db.read() as tx:
        found = actors.of_session(tx, secret)
        assert found
        assert found[0] == actors.of_user(tx, world.users["dora"], "admin")
        assert found[0].has_staff_rights


def test_only_the_hash_of_the_secret_is_kept(db: Database, world: World) -> None:
    secret = begin(db, world, "alice")
    with db.read() as tx:
        rows = tx.sql("SELECT * FROM sessions").fetchall()
    assert len(rows) == 1
    assert secret not in repr(rows)
    assert hashlib.sha256(secret.encode()).hexdigest() in repr(rows)


def test_other_secrets_speak_for_nobody(db: Database, world: World) -> None:
    secret = begin(db, world, "alice")
    assert speaks_for(db, secret) == "alice"
    for other in ("", "x", secret[:-1], f"{secret} ", secret.swapcase(), world.secrets["alice"]):
        assert speaks_for(db, other) is None


def test_it_ends_when_it_expires(db: Database, world: World, clock: Clock) -> None:
    secret = begin(db, world, "alice")
    clock.move(days=DAYS, microseconds=-1)
    assert speaks_for(db, secret) == "alice"
    clock.move(microseconds=1)
    assert speaks_for(db, secret) is None
    # The next one to sign in clears it away.
    begin(db, world, "bob")
    with db.read() as tx:
        assert tx.sql("SELECT count(*) FROM sessions").fetchone()[0] == 1


@pytest.mark.parametrize("patch", [{"active": False}, {"password": "another secret"}])
def test_it_ends_with_the_account_or_its_password(
    db: Database, world: World, patch: dict[str, object]
) -> None:
    alices, bobs = begin(db, world, "alice"), begin(db, world, "bob")
    with db.write() as tx:
        row = users.USERS.row_for_change(tx, CONSOLE, str(world.users["alice"]))
        users.edit_user(tx, CONSOLE, row, wire.UserPatch(**patch))  # type: ignore[arg-type]
    assert speaks_for(db, alices) is None
    assert speaks_for(db, bobs) == "bob"
    with db.write() as tx:
        row = users.USERS.row_for_change(tx, CONSOLE, str(world.users["alice"]))
        users.edit_user(tx, CONSOLE, row, wire.UserPatch(active=True))
    assert speaks_for(db, alices) is None, "enabling an account brings no session back"


def test_other_changes_of_an_account_leave_it(db: Database, world: World) -> None:
    secret = begin(db, world, "alice")
    with db.write() as tx:
        row = users.USERS.row_for_change(tx, CONSOLE, str(world.users["alice"]))
        users.edit_user(tx, CONSOLE, row, wire.UserPatch(is_staff=True))
    assert speaks_for(db, secret) == "alice"


def test_ones_own_are_listed_and_ended(db: Database, world: World, clock: Clock) -> None:
    first = begin(db, world, "alice")
    clock.move(hours=1)
    second, bobs = begin(db, world, "alice"), begin(db, world, "bob")
    with db.write_unversioned() as tx:
        alice, bob = world.actor(tx, "alice"), world.actor(tx, "bob")
        listed = sessions.list_sessions(tx, alice)
        assert [row["created"] for row in listed] == [tx.now, later(tx.now, hours=-1)]
        older = listed[1]["uuid"]
        for key in (older, "x", "1"):
            with pytest.raises(NotFound):
                sessions.end_session(tx, bob, key)
        sessions.end_session(tx, alice, older.upper())
    assert [speaks_for(db, secret) for secret in (first, second, bobs)] == [None, "alice", "bob"]
    with db.write_unversioned() as tx:
        assert sessions.end_all_sessions(tx, alice) == 1
    assert [speaks_for(db, secret) for secret in (second, bobs)] == [None, "bob"]


def test_use_is_noted_to_the_hour_and_never_touches_the_revision(
    db: Database, world: World, visitor: Visitor, clock: Clock
) -> None:
    before = revision(db)
    visitor.sign_in("alice")

    def seen() -> str:
        with db.read() as tx:
            return str(sessions.list_sessions(tx, world.actor(tx, "alice"))[0]["last_seen"])

    assert seen() == "2026-06-15T12:00:00.000000Z"
    clock.move(minutes=59)
    visitor.get("/account")
    assert seen() == "2026-06-15T12:00:00.000000Z"
    clock.move(minutes=10)
    visitor.get("/account")
    assert seen() == "2026-06-15T13:00:00.000000Z"
    db.trace = []
    visitor.get("/account")
    assert not [text for text in db.trace if text.startswith(("UPDATE", "INSERT", "DELETE"))]
    db.trace = None
    visitor.submit(visitor.get("/account"), "/account/sign-out-everywhere")
    assert revision(db) == before


def test_a_session_counts_on_pages_only(
    db: Database, world: World, api: ApiClient, visitor: Visitor
) -> None:
    """API endpoints accept only tokens: a session cookie has no effect, nor its secret as a token."""
    visitor.sign_in("alice")
    secret = visitor.cookies["goldenrod_session"]
    cookie = {"Cookie": f"goldenrod_session={secret}"}
    closed = f"/image_versions/{world.versions['closed']}"
    assert code(api.get(closed, headers=cookie)) == "404 not_found"
    listed = api.get("/api/v2/images", headers=cookie)
    assert "closed" not in listed.text
    assert listed.headers["cache-control"] == "public, no-cache"
    assert api.get("/api/v2/tokens", headers=cookie).json["count"] == 0
    refused = api.post("/api/v2/images", None, {"name": "x"}, headers=cookie)
    assert code(refused) == "401 credentials_required"
    assert code(api.get(closed, secret)) == "401 token_invalid"
    # And the other way round: the cookie is no place for a token.
    visitor.cookies["goldenrod_session"] = world.secrets["alice"]
    assert visitor.get("/account").status == 401


def test_sessions_are_not_exported(db: Database, world: World, tmp_path: object) -> None:
    from io import BytesIO

    secret = begin(db, world, "alice")
    out = BytesIO()
    export_catalogue(db, out)
    assert hashlib.sha256(secret.encode()).hexdigest().encode() not in out.getvalue()
    assert b'"table":"sessions"' not in out.getvalue()


def test_how_long_one_lasts_is_a_setting(db: Database, world: World, clock: Clock) -> None:
    visitor = Visitor(db, config.load({"GOLDENROD_SESSION_DAYS": "2"}))
    visitor.sign_in("alice")
    clock.move(days=1, hours=23)
    assert visitor.get("/account").status == 200
    clock.move(hours=1)
    assert visitor.get("/account").status == 401
    assert "goldenrod_session" not in visitor.cookies


def test_the_account_page_says_which_browser_signed_in_from_where(
    visitor: Visitor, db: Database
) -> None:
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    given = {"username": "alice", "password": "alice-secret"}
    before = revision(db)
    visitor.submit(
        visitor.get("/sign-in"), "/sign-in", headers={"User-Agent": firefox}, follow=False, **given
    )
    assert revision(db) == before
    page = visitor.get("/account")
    assert "Firefox on Linux 127.0.0.1" in page.words
    # A session that was begun before this was kept still shows.
    with db.write_unversioned() as tx:
        tx.sql("UPDATE sessions SET browser = NULL, address = NULL")
    assert "Unknown Unknown" in visitor.get("/account").words
