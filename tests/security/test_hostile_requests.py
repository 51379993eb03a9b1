"""What a stranger may put into any request: texts in each part of each path, and headers that claim
another host. All routes come from their tables."""

import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple
from urllib.parse import quote

import pytest

from goldenrod.base import config
from goldenrod.catalogue.accounts import sessions
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API
from goldenrod.web.pages.kit import cookies
from goldenrod.web.pages.routes import PAGES
from tests.conftest import BACKENDS
from tests.support.access_catalogue import Stage, set_stage
from tests.support.access_requests.rehearsal import Rehearsal
from tests.support.marks.others import Others, kind_of
from tests.support.pages.visitor import ACCEPT, Visitor

HOSTILE = (
    "\0",
    "a\0b",
    "\r\nSet-Cookie: a=b",
    "..",
    "../../etc/passwd",
    "//evil.example",
    "\\\\evil.example",
    "\u202e",
    "'\"><script>alert(1)</script>",
    "'; DROP TABLE users; --",
    "9" * 400,
    "-1",
    "\uff11",
    "%2e%2e%2f",
    "\ud800",
)


@pytest.fixture(scope="module", params=BACKENDS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request, Rehearsal) as made:
        yield made


class Part(NamedTuple):
    """A route, and one part of its path that is filled with something else."""

    method: str
    path: str
    page: bool
    part: str


def every_part(methods: tuple[str, ...]) -> list[Part]:
    return [
        Part(route.method, route.path, page, part)
        for page, routes in ((False, ROUTES), (True, PAGES))
        for route in routes
        if route.method in methods
        for part in re.findall(r"\{(\w+)\}", route.path)
    ]


def address(others: Others, it: Part, text: str) -> str:
    """The address of the route for what there is, with this text in one part."""
    given = {
        one: quote(others.own(kind_of(it.path, one), it.page), safe=".")
        for one in re.findall(r"\{(\w+)\}", it.path)
    }
    if it.part:
        given[it.part] = quote(text.encode("utf-8", "surrogatepass"), safe="")
    return ("" if it.page else API) + it.path.format(**given)


def ask_parts(stage: Stage, parts: list[Part], texts: tuple[str, ...]) -> int:
    """Ask each part with each text, as staff. No answer is an error of the server."""
    others, browser = Others(stage, "bob"), Visitor(stage.db, config.load({}))
    with super(Rehearsal, stage.db).write_unversioned() as tx:
        secret = sessions.create_session(tx, stage.world.users["dora"], 30)
    browser.cookies[cookies.SESSION] = secret
    asked = 0
    for it in parts:
        for text in texts:
            path = address(others, it, text)
            if it.page:
                page = browser.ask(it.method, path, follow=False)
                status, headers, body = page.status, page.headers, page.text
            else:
                answer = stage.api.ask(it.method, path, "dora", {})
                status, headers, body = answer.status_code, dict(answer.headers), answer.text
            assert status < 500, (it, text, body)
            assert "Traceback" not in body, (it, text)
            assert not any(re.search(r"[\r\n]", value) for value in headers.values()), (it, text)
            assert re.match(r"/(?![/\\])", headers.get("location", "/")), (it, text, headers)
            asked += 1
    return asked


@pytest.mark.parametrize("stage", ["postgresql"], indirect=True)
def test_nul_in_a_path_is_what_does_not_exist(stage: Stage) -> None:
    parts = [it for it in every_part(("GET",)) if not it.page]
    assert ask_parts(stage, parts, ("a\0b",)) > 40


@pytest.mark.long
def test_no_text_in_a_path_breaks_the_server(stage: Stage) -> None:
    assert ask_parts(stage, every_part(("GET", "POST", "PUT", "PATCH", "DELETE")), HOSTILE) > 3_000


FORGED = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Server": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "//evil.example",
    "X-Original-URL": "/evil.example",
    "X-Rewrite-Url": "/evil.example",
    "Forwarded": "for=1.2.3.4;host=evil.example;proto=https",
    "X-HTTP-Method-Override": "DELETE",
}


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_headers_that_claim_another_host_change_no_answer(stage: Stage) -> None:
    """Nor what is cached for the next reader."""
    others, client = Others(stage, "charlie"), stage.api.client
    asked = Random(2).sample([*_plain_reads()], 30)
    for it in asked:
        path, headers = address(others, it, ""), {"Accept": ACCEPT} if it.page else {}
        forged = client.simulate_get(path, headers=headers | FORGED)
        plain = client.simulate_get(path, headers=headers)
        for answer in (forged, plain):
            assert "evil.example" not in f"{answer.headers} {answer.text}", it
        assert forged.status_code == plain.status_code, it


def _plain_reads() -> Iterator[Part]:
    for page, routes in ((False, ROUTES), (True, PAGES)):
        for route in routes:
            if route.method == "GET":
                yield Part("GET", route.path, page, "")
