"""A user's groups and sessions on staff's page of the user; who may end them."""

import re

import pytest

from goldenrod.base.errors import Forbidden
from goldenrod.catalogue.accounts import sessions, users
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor


def begin(db: Database, user: int, browser: str) -> str:
    """Sign a user in; return the session's secret."""
    with db.write_unversioned() as tx:
        return sessions.create_session(tx, user, 7, browser)


def test_staff_end_one_session_or_all_after_confirming(
    dora: Visitor, db: Database, world: World, api: ApiClient
) -> None:
    bob = world.users["bob"]
    secrets = [begin(db, bob, name) for name in ("Firefox", "Chromium", "Safari")]
    page = dora.get(f"/staff/users/{bob}")
    assert "lab" in page.words and "Firefox from" in page.words
    assert not any(secret in page.text for secret in secrets)
    first = re.findall(r"/staff/users/\d+/sessions/[0-9a-f-]+/end", page.text)[0]
    asked = dora.get(first)
    assert "has to sign in again in that browser" in asked.words
    done = dora.submit(asked, first)
    assert "bob is signed out in that browser" in done.words and "Safari" not in done.words
    every = f"/staff/users/{bob}/sessions/end"
    asked = dora.get(every)
    assert "2 browsers" in asked.words
    assert "bob is not signed in" in dora.submit(asked, every).words
    assert dora.get(first).status == 404
    page = dora.get("/staff/activity?action=session:end")
    assert "dora signed out of 2 browsers of bob" in page.words


def test_only_staff_end_the_sessions_of_others(db: Database, world: World) -> None:
    begin(db, world.users["bob"], "Firefox")
    with db.write_unversioned() as tx:
        alice, dora = world.actor(tx, "alice"), world.actor(tx, "dora")
        bob = users.USERS.row(tx, dora, str(world.users["bob"]))
        with pytest.raises(Forbidden):
            sessions.list_sessions(tx, alice, bob)
        with pytest.raises(Forbidden):
            sessions.end_all_sessions(tx, alice, bob)
        assert sessions.end_all_sessions(tx, dora, bob) == 1
