"""How many statements each kind of request to the API takes, as one user with a token.

A cache would hide them, so there is none; where the cache knows who asks, it is one fewer. The pages
have such budgets beside the tests of each page.
"""

from collections.abc import Callable

import pytest

from goldenrod.base import config
from goldenrod.store.db import Database
from tests.support.actions import publish
from tests.support.cast import World
from tests.support.client import ApiClient, Result

VERSIONS = "/api/v2/image_versions"


@pytest.fixture
def api(db: Database, world: World) -> ApiClient:
    client = ApiClient(db, config.load({"GOLDENROD_CACHE_MB": "0"}), world)
    client.get("/api/v2/tokens", "alice")  # this hour's use of the token is noted
    return client


@pytest.fixture
def statements(db: Database) -> Callable[[Callable[[], Result], int], int]:
    def count(send: Callable[[], Result], status: int) -> int:
        db.trace = []
        answer = send()
        ran, db.trace = db.trace, None
        assert answer.status_code == status, answer.text
        return len(ran)

    return count


Statements = Callable[[Callable[[], Result], int], int]


def test_reading(api: ApiClient, world: World, statements: Statements) -> None:
    version = f"{VERSIONS}/{world.versions['open']}"
    resolve = "/api/v2/resolve/open-image/latest/east"
    assert statements(lambda: api.get(version, "alice"), 200) <= 2
    assert statements(lambda: api.get(version), 200) <= 1
    assert statements(lambda: api.get(VERSIONS, "alice"), 200) <= 2
    assert statements(lambda: api.get(f"{VERSIONS}?image_id={world.images['open']}"), 200) <= 1
    assert statements(lambda: api.get(resolve, "alice"), 200) <= 3
    # The token, its use in this hour, the page, its count, and the names that changes refer to.
    assert statements(lambda: api.get("/api/v2/activity?page_size=5", "dora"), 200) <= 5
    assert statements(lambda: api.get("/api/v2/drift", "alice"), 200) <= 2
    assert statements(lambda: api.get(f"{version}/drift", "alice"), 200) <= 3
    pinned = "/resolve/open-image@open-1.0/east"
    state = "/api/v2/images/open-image/channels/latest/tfstate"
    modules = "/api/v2/terraform/images/open-image/version/versions"
    for address in (pinned, state, modules):
        assert statements(lambda address=address: api.get(address, "alice"), 200) <= 3
    assert statements(lambda: api.get(f"{version}/user-data", "alice"), 200) <= 2


def test_reading_what_few_versions_have(
    api: ApiClient, world: World, statements: Statements
) -> None:
    """A version that is deprecated, revoked or not in one line with its parent takes a second
    statement. PostgreSQL would set up these parts in one statement for all versions, which would take
    half as long again for each."""
    origin = world.versions["open"]
    child = f"{VERSIONS}/{publish(api, '2.0', parent=origin)['id']}"
    assert statements(lambda: api.get(child), 200) <= 1
    assert statements(lambda: api.get(child, "alice"), 200) <= 2
    api.patch(child, "alice", {"deprecation": {"reason": "It is old."}})
    assert statements(lambda: api.get(child), 200) <= 2
    assert statements(lambda: api.get(child, "alice"), 200) <= 3


def test_changing(api: ApiClient, world: World, statements: Statements) -> None:
    version = f"{VERSIONS}/{world.versions['open']}"
    patch = {"change_log": "A new text."}
    assert statements(lambda: api.patch(version, "alice", patch), 200) <= 11
    body = {
        "image": world.images["open"],
        "name": "2.0",
        "change_log": "The next one.",
        "parent": world.versions["open"],
    }
    assert statements(lambda: api.post(VERSIONS, "alice", body), 201) <= 30
    assigned = body | {"name": "2.1", "channels": ["candidate"]}
    assert statements(lambda: api.post(VERSIONS, "alice", assigned), 201) <= 36
    assert statements(lambda: api.delete(version, "alice"), 204) <= 16
    follow = f"/api/v2/images/{world.images['open']}/follow"
    assert statements(lambda: api.get(follow, "alice"), 200) <= 2
    assert statements(lambda: api.ask("PUT", follow, "alice"), 200) <= 10
    assert statements(lambda: api.delete(follow, "alice"), 204) <= 6
