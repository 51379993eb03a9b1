"""What every answer tells browsers: on every route of the API and of the pages, whatever it answers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from falcon import testing

from goldenrod.base import config
from goldenrod.store.db import Database
from goldenrod.web import security_headers
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API, build_app
from goldenrod.web.docs.reference import ASSETS
from goldenrod.web.docs.reference import POLICY as REFERENCE_POLICY
from goldenrod.web.pages.kit import assets
from goldenrod.web.pages.kit.visit import POLICY as PAGES_POLICY
from goldenrod.web.pages.routes import PAGES
from tests.support.cast import World, build_world
from tests.support.client import Result
from tests.support.pages.visitor import ACCEPT

SAME_ON_ALL = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # What names the software is left empty: the server would fill in its own name.
    "server": "",
}
METHODS = ("HEAD", "OPTIONS", "POST", "DELETE", "TRACE")
POLICIES = {security_headers.POLICY, PAGES_POLICY, REFERENCE_POLICY}


# Headers do not depend on the database: SQLite alone keeps the walk short.
@pytest.fixture
def world(sqlite_db: Database) -> World:
    return build_world(sqlite_db)


@pytest.fixture
def client(sqlite_db: Database, world: World) -> testing.TestClient:
    return testing.TestClient(build_app(sqlite_db, config.load({"GOLDENROD_RATE_LIMIT": "0"})))


def wrong_with(answer: Result) -> list[str]:
    """What of the shared headers is missing, or otherwise than it should be."""
    given = answer.headers
    wrong = [name for name, text in SAME_ON_ALL.items() if given.get(name) != text]
    if given.get("content-security-policy") not in POLICIES:
        wrong.append("content-security-policy")
    if "camera=()" not in given.get("permissions-policy", ""):
        wrong.append("permissions-policy")
    if "vary" not in given:
        wrong.append("vary")
    return wrong


def addresses(world: World) -> Iterator[str]:
    """Every address there is, each once for a thing that is there and once for one that is not."""
    there = {"slug": "open-image", "name": "open-1.0", "key": "1", "image": "open-image"}
    paths = [route.path for route in PAGES]
    paths += [path for route in ROUTES for path in route.paths(API)]
    for path in dict.fromkeys(paths):
        yield re.sub(r"\{(\w+)\}", lambda found: there.get(found[1], "1"), path)
        if "{" in path:
            yield re.sub(r"\{\w+\}", "nowhere", path)
    yield f"/images/open-image/versions/{world.versions['open']}"
    yield from (assets.address(name) for name in assets.assets())
    yield from (f"/docs/assets/{name}" for name in ASSETS)
    yield from ("/openapi.json", "/static/x/none.css", "/nowhere")


def test_every_answer_carries_the_shared_headers(client: testing.TestClient, world: World) -> None:
    wrong: dict[tuple[str, str, int], list[str]] = {}
    seen: set[int] = set()

    def look(method: str, path: str, **more: Any) -> Result:
        answer = client.simulate_request(method, path, **more)
        seen.add(answer.status_code)
        if missing := wrong_with(answer):
            wrong[method, path, answer.status_code] = missing
        return answer

    alice = {"Authorization": f"Token {world.secrets['alice']}"}
    for path in addresses(world):
        if "/nowhere" in path:
            look("GET", path)
            continue
        for method in METHODS:
            look(method, path)
        found = look("GET", path, headers=alice | {"Accept": ACCEPT})
        if etag := found.headers.get("etag"):
            look("GET", path, headers=alice | {"Accept": ACCEPT, "If-None-Match": etag})
        look("GET", f"{path}/")
        look("GET", path, headers={"Authorization": "Token wrong"})
    images = f"{API}/images"
    look("GET", images, params={"nonsense": "1"})
    look("POST", images, headers=alice, body=b"x")
    look("POST", images, headers=alice | {"Content-Type": "application/json"}, body=b"{" * 2**21)
    look("POST", images, headers=alice, json={"name": "made"})
    assert not wrong
    assert seen >= {200, 201, 303, 304, 308, 400, 401, 403, 404, 405, 413, 415}


def test_a_fault_carries_them_too(
    client: testing.TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("goldenrod.web.request.identify", fails)
    monkeypatch.setattr("goldenrod.web.pages.kit.visit.identify", fails)
    for accept in ("application/json", ACCEPT):
        for path in (f"{API}/images", "/", "/nowhere"):
            answer = client.simulate_get(path, headers={"Accept": accept})
            assert answer.status_code == 500
            assert not wrong_with(answer), (path, accept)


def test_what_is_no_page_loads_nothing_and_pages_keep_their_own_policy(
    client: testing.TestClient,
) -> None:
    policies = {
        path: client.simulate_get(path).headers["content-security-policy"]
        for path in ("/", "/docs", "/openapi.json", f"{API}/images", assets.address("site.js"))
    }
    assert [*policies.values()] == [
        PAGES_POLICY,
        REFERENCE_POLICY,
        security_headers.POLICY,
        security_headers.POLICY,
        security_headers.POLICY,
    ]
    assert "default-src 'none'" in security_headers.POLICY
    assert all("frame-ancestors 'none'" in policy for policy in policies.values())


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        ("https://images.example.org", "max-age=31536000"),
        ("http://images.example.org", None),
        ("", None),
    ],
)
def test_browsers_stay_with_https_where_that_is_the_public_address(
    sqlite_db: Database, public_url: str, expected: str | None
) -> None:
    settings = config.load({"GOLDENROD_PUBLIC_URL": public_url} if public_url else {})
    client = testing.TestClient(build_app(sqlite_db, settings))
    for path in ("/", f"{API}/images", "/images/", "/nowhere", assets.address("style.css")):
        given = client.simulate_get(path).headers.get("strict-transport-security")
        assert given == expected, path


def test_no_header_is_sent_twice(client: testing.TestClient) -> None:
    for path in ("/", "/docs", f"{API}/images", "/nowhere", assets.address("style.css"), "/docs/"):
        sent: list[str] = []
        environ = testing.create_environ(path)
        client.app(environ, lambda status, given, sent=sent: sent.extend(name for name, _ in given))
        names = [name.lower() for name in sent if name.lower() != "set-cookie"]
        assert len(names) == len({*names}), (path, names)
