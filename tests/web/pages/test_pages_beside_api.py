"""A page names nothing that the API would not name to the same reader.

For each actor, everything that the API answers is collected: all lists, each of their items, and what
hangs on images, versions and webhooks. Then every page is walked, as far as links and the addresses of
`test_private_names.py` go. Each name in the page must be in the API's answers too.
"""

import json
import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from goldenrod.base import config
from goldenrod.web.api.routes import ROUTES
from tests.conftest import POSTGRESQL_IS_LONG
from tests.support.access_catalogue import NAMES, Stage, set_stage
from tests.support.access_requests.secrets import filled
from tests.support.access_requests.who_sees import ACTORS, who
from tests.support.pages.visitor import Visitor
from tests.web.pages.test_private_names import ASKED, sent

API = "/api/v2"
MOST_PAGES = 400
NAMED = ("name", "slug", "title", "identifier", "username", "key")
"""The fields that name a thing."""


@pytest.fixture(scope="module", params=POSTGRESQL_IS_LONG)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request) as made:
        yield made


def texts_in(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, dict):
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, str):
        yield value


def lists() -> list[str]:
    """The addresses of the lists of all resources."""
    return [
        route.path
        for route in ROUTES
        if route.method == "GET" and "{" not in route.path and route.path.count("/") == 1
    ]


def answers(stage: Stage, actor: str) -> str:
    """Everything that the API answers this actor, as text."""
    asking = who(actor)
    found: list[object] = []

    def get(address: str) -> None:
        answer = stage.api.get(f"{API}{address}", asking)
        if answer.status_code == 200:
            found.append(answer.json)

    for path in lists():
        answer = stage.api.get(f"{API}{path}", asking)
        if answer.status_code != 200 or "results" not in answer.json:
            continue
        for item in stage.api.all(f"{API}{path}", asking):
            found.append(item)
            key = item.get("uuid") or item.get("id")
            for route in ROUTES:
                if route.method == "GET" and re.fullmatch(rf"{path}/{{key}}(/\w+)?", route.path):
                    get(route.path.replace("{key}", str(key)))
            if path == "/images":
                for channel in stage.api.all(f"{API}/images/{key}/channels", asking):
                    found.append(channel)
                    get(f"/images/{key}/channels/{channel['name']}/history")
    return "\n".join(text for one in found for text in texts_in(one))


def names(stage: Stage) -> set[str]:
    """The names of everything in the catalogue."""
    found: set[str] = set()
    for resource in NAMES:
        for item in stage.api.all(f"{API}/{resource}", "dora"):
            found |= {str(item[field]) for field in NAMED if item.get(field)}
    for image in stage.api.all(f"{API}/images", "dora"):
        channels = stage.api.all(f"{API}/images/{image['slug']}/channels", "dora")
        found |= {channel["name"] for channel in channels}
    return found


def mentions(text: str, names: set[str]) -> set[str]:
    return {
        name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.I)
    }


@pytest.mark.parametrize(
    "actor", [pytest.param(one, marks=[pytest.mark.long] * (one != "bob")) for one in ACTORS]
)
def test_a_page_names_only_what_the_api_names(stage: Stage, actor: str) -> None:
    every = names(stage)
    allowed = mentions(answers(stage, actor), every)
    visitor = Visitor(stage.db, config.load({}))
    if actor not in ("nobody", "lesser"):
        visitor.sign_in(actor)
    waiting = []
    for address in (address for rows in ASKED.values() for address in rows):
        for name, key in stage.world.versions.items():
            address = address.replace(f"{{{name}}}", key)
        waiting.append(str(filled(stage, address)))
    seen: set[str] = set()
    wrong = {}
    while waiting:
        address = waiting.pop()
        if address in seen or address.startswith(("/api/", "/docs", "/help", "/openapi")):
            continue
        seen.add(address)
        page = visitor.get(address, headers=sent(stage, actor), follow=False)
        assert page.status < 500, address
        text = re.sub("<script.*?</script>", "", page.text, flags=re.S)
        told = mentions(visible(text), every) - allowed - mentions(unquote(unquote(address)), every)
        if told:
            wrong[address] = told
        if page.status == 200 and len(seen) < MOST_PAGES:
            waiting += [link for link in page.links if link.startswith("/")]
    assert not wrong, json.dumps({key: sorted(value) for key, value in wrong.items()}, indent=1)


def visible(text: str) -> str:
    """The texts and values of a page, without the names of its tags, attributes and classes."""
    values = " ".join(re.findall(r'\s(?:href|value|title|aria-label|alt|content)="([^"]*)"', text))
    return re.sub("<[^>]*>", " ", text.replace("<mark>", "").replace("</mark>", "")) + " " + values
