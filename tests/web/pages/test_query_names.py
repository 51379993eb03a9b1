"""The query names that a page's route takes are those that the page reads and that its links, forms and
scripts send. Other names are dropped before a page is answered or cached."""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest

from goldenrod.base import config
from goldenrod.catalogue.accounts import sessions
from goldenrod.web.pages.routes import PAGES, Route
from tests.conftest import BACKENDS
from tests.support.access_catalogue import Stage, set_stage
from tests.support.hostile_texts import Asked
from tests.support.pages.addresses import page_address
from tests.support.pages.visitor import Visitor

GET = [route for route in PAGES if route.method == "GET"]
TAKES = {route.path: route.takes for route in GET}
FROM_OUTSIDE = {"/sign-in/oidc", "/sign-in/oidc/callback"}
"""Pages that answer only where an OpenID Connect provider is set: other tests ask them."""


@pytest.fixture(scope="module", params=BACKENDS[:1])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request) as made:
        yield made


def route_of(path: str) -> Route | None:
    """The page at this path: the one whose address has the fewest parts that vary."""
    found = [route for route in GET if re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), path)]
    return min(found, key=lambda route: route.path.count("{"), default=None)


def sent_names(text: str, here: str) -> Iterator[tuple[str, str]]:
    """The path and name of each query parameter that a page's links and forms can send."""
    for link in re.findall(r'(?:href|src|data-\w+)="([^"]*\?[^"]*)"', text):
        parts = urlsplit(unescape(link))
        if not parts.netloc:
            for name, _ in parse_qsl(parts.query, keep_blank_values=True):
                yield parts.path or here, name
    for attributes, inside in re.findall(r"<form\b([^>]*)>(.*?)</form>", text, re.DOTALL):
        if 'method="post"' in attributes.lower():
            continue
        action = re.search(r'action="([^"]*)"', attributes)
        path = urlsplit(unescape(action[1])).path if action else here
        for name in re.findall(r'<(?:input|select|textarea|button)\b[^>]*\bname="([^"]+)"', inside):
            yield path or here, name


@pytest.mark.long
def test_every_name_that_is_read_or_sent_is_taken(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = Visitor(stage.db, config.load({"GOLDENROD_CACHE_MB": "0"}))
    visitor.sign_in("dora")
    with stage.db.read() as tx:
        actor = stage.world.actor(tx, "dora")
        session = str(sessions.list_sessions(tx, actor)[0]["uuid"])
    asked = Asked(monkeypatch)
    nobody = Visitor(stage.db, config.load({"GOLDENROD_CACHE_MB": "0"}))
    read: dict[str, set[str]] = {route.path: set() for route in GET}
    sent: dict[str, set[str]] = {route.path: set() for route in GET}
    for route in GET:
        if route.path in FROM_OUTSIDE:
            continue
        address = page_address(stage, route.path, session)
        query = "&".join(f"{name}=" for name in route.takes)
        for browser, where in (
            (visitor, address),
            (visitor, f"{address}?{query}"),
            (nobody, address),
        ):
            asked.forget()
            page = browser.ask("GET", where, follow=False)
            assert page.status in (200, 303, 308, 400, 401, 404), (where, page.status)
            read[route.path] |= asked.query
            for path, name in sent_names(page.text, address):
                if (target := route_of(path)) is not None:
                    sent[target.path].add(name)
    unknown = {
        route.path: names
        for route in GET
        if (names := (read[route.path] | sent[route.path]) - set(route.takes))
    }
    assert not unknown
    # find.js sends the form of /search to another page.
    assert sent["/search"] <= set(TAKES["/search/suggest"])
    assert "cursor" in read["/account/tokens"]
    assert {"q", "page"} <= read["/search"]
    assert sum(map(bool, sent.values())) > 10
