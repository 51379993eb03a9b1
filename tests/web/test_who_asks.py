"""Who asks is found once per request. What ends their rights before the write counts all the same."""

from collections.abc import Callable
from typing import Any

import pytest

from goldenrod.catalogue.accounts import sessions
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.pages.visitor import Visitor

VERSIONS = "/api/v2/image_versions"
TOKENS = "/api/v2/tokens"
FORM = "/images/open-image/edit"
Between = Callable[[Callable[[], object]], None]


@pytest.fixture
def between(db: Database, monkeypatch: pytest.MonkeyPatch) -> Between:
    """Has something happen in the next request, once: after its read of who asks, before its write."""

    def arrange(happen: Callable[[], object]) -> None:
        def begin(name: str) -> Callable[[], Any]:
            def write(**options: Any) -> Any:
                monkeypatch.delattr(db, "write")
                monkeypatch.delattr(db, "write_unversioned")
                happen()
                return getattr(db, name)(**options)

            return write

        for name in ("write", "write_unversioned"):
            monkeypatch.setattr(db, name, begin(name), raising=False)

    return arrange


def warm(api: ApiClient) -> str:
    """The address of alice's token, whose use in this hour is noted from now on."""
    return f"{TOKENS}/{api.get(TOKENS, 'alice').json['results'][0]['id']}"


def who_asks(db: Database, send: Callable[[], object]) -> int:
    """How many statements of a request find a user by a token or a session."""
    db.trace = []
    send()
    ran, db.trace = db.trace, None
    return sum(".sha256 = " in text for text in ran)


def test_a_change_finds_who_asks_once(db: Database, world: World, api: ApiClient) -> None:
    warm(api)
    version = f"{VERSIONS}/{world.versions['open']}"
    with db.write():
        pass  # whatever the cache knew of alice is of an earlier revision
    assert who_asks(db, lambda: api.patch(version, "alice", {"change_log": "New."})) == 1


def test_the_pages_of_a_session_find_who_asks_once(db: Database, visitor: Visitor) -> None:
    visitor.sign_in("alice")
    assert who_asks(db, lambda: visitor.get(FORM)) == 1


def test_a_token_that_is_revoked_before_the_write_is_refused(
    world: World, api: ApiClient, between: Between
) -> None:
    token = warm(api)
    between(lambda: api.delete(token, "dora"))
    version = f"{VERSIONS}/{world.versions['open']}"
    answer = api.patch(version, "alice", {"change_log": "Too late."})
    assert code(answer) == "401 token_invalid"
    assert "Too late." not in api.get(version).text


def test_the_same_goes_for_a_write_that_no_reader_sees(
    world: World, api: ApiClient, between: Between
) -> None:
    token = warm(api)
    delivery = f"/api/v2/webhooks/1/deliveries/{world.versions['open']}/redeliver"
    assert code(api.post(delivery, "alice", None)) == "404 not_found"
    between(lambda: api.delete(token, "dora"))
    assert code(api.post(delivery, "alice", None)) == "401 token_invalid"


def test_a_token_that_expires_before_the_write_is_refused(
    world: World, api: ApiClient, between: Between, clock: Clock
) -> None:
    expires = "2026-06-15T12:00:01.000000Z"
    made = api.post(TOKENS, "dora", {"name": "short", "scope": "write", "expires": expires})
    between(lambda: clock.move(seconds=1))
    version = f"{VERSIONS}/{world.versions['open']}"
    answer = api.patch(version, made.json["token"], {"change_log": "Too late."})
    assert code(answer) == "401 token_invalid"


def test_a_user_who_loses_the_right_before_the_write_is_refused(
    world: World, api: ApiClient, between: Between
) -> None:
    image = f"/api/v2/images/{world.images['open']}"
    group = f"/api/v2/groups/{world.groups['lab']}"
    assert api.patch(image, "alice", {"maintainers": ["lab"]}).status_code == 200
    patch = {"description": "By bob."}
    assert api.patch(image, "bob", patch).status_code == 200
    between(lambda: api.patch(group, "dora", {"users": ["alice"]}))
    assert code(api.patch(image, "bob", patch)) == "403 change_forbidden"


def test_a_browser_that_signs_out_before_the_write_is_refused(
    db: Database, world: World, visitor: Visitor, between: Between
) -> None:
    visitor.sign_in("alice")
    page = visitor.get(FORM)

    def sign_out() -> None:
        with db.write_unversioned() as tx:
            sessions.end_all_sessions(tx, world.actor(tx, "alice"))

    between(sign_out)
    assert visitor.submit(page, FORM, name="renamed too late").status == 401
    assert "renamed too late" not in visitor.get("/images/open-image").words
