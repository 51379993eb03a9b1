"""Ids of other users' things: every route, by every method, answers as for what does not exist.

The status, the headers and the body are compared, after the id itself is taken out; so is the number of
statements. Forms are sent with the right CSRF token, bodies as the route takes them. Ids in bodies and
filters: `tests/rules/test_unreadable_ids.py`.
"""

import re
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from goldenrod.base import config
from goldenrod.catalogue.accounts import sessions
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.pages.kit import cookies, csrf
from goldenrod.web.pages.routes import PAGES
from tests.conftest import POSTGRESQL_IS_LONG
from tests.support.access_catalogue import Stage, set_stage
from tests.support.access_requests.every_route import EVERY_ASKED
from tests.support.access_requests.rehearsal import Rehearsal
from tests.support.access_requests.secrets import filled
from tests.support.client import lasting
from tests.support.marks.others import Others, Pair, add_more, kind_of
from tests.support.pages.visitor import Visitor


@pytest.fixture(scope="module", params=POSTGRESQL_IS_LONG)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request, Rehearsal) as made:
        with super(Rehearsal, made.db).write() as tx:
            add_more(tx, made)
        yield made


FIELDS = {
    "name": "new",
    "title": "new",
    "slug": "new-slug",
    "username": "bob",
    "users": "bob",
    "user": "bob",
    "group": "lab",
    "reason": "because",
    "version": "kept-1.0",
    "channel": "stable",
    "provider": "east",
    "identifier": "new-id",
    "key": "new",
    "text": "new",
    "type": "Raw Text",
    "target": "https://93.184.216.34/new",
    "events": "version.published",
    "active": "true",
    "action": "deprecate",
    "confirm": "yes",
    "follow": "true",
}
"""A form with whatever a page's form may have: each takes what it knows."""


class Browser(Visitor):
    """A browser whose session was there before: what it sends is undone, as all is here."""

    def sign_in_as(self, stage: Stage, name: str) -> None:
        with super(Rehearsal, stage.db).write_unversioned() as tx:
            secret = sessions.create_session(tx, stage.world.users[name], 30)
        self.secret = secret
        self.cookies[cookies.named(cookies.SESSION, self.settings)] = secret

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], str]:
        body = None
        if method == "POST":
            body = urlencode(FIELDS | {"token": csrf.form_token(self.secret)})
        page = self.ask(method, path, body=body, follow=False)
        headers = {name: it for name, it in page.headers.items() if name != "x-request-id"}
        return page.status, headers, page.text


def bodies() -> dict[str, list[Any]]:
    """The bodies with which each route is asked elsewhere, by `METHOD path`."""
    return {route: [ask.body for ask in asks] for route, asks in EVERY_ASKED.items()}


class Comparing:
    def __init__(self, stage: Stage, actor: str) -> None:
        self.stage, self.actor = stage, actor
        self.browser = Browser(stage.db, config.load({}))
        self.browser.sign_in_as(stage, actor)
        self.bodies = bodies()
        self.statuses: set[int] = set()

    def answer(self, pair: Pair, path: str) -> tuple[tuple[int, dict[str, str], str], list[str]]:
        self.stage.db.trace = ran = []
        if pair.page:
            answer = self.browser.answer(pair.method, path)
        else:
            body = filled(self.stage, self.bodies[f"{pair.method} {pair.route}"][0])
            given = self.stage.api.ask(pair.method, path, self.actor, body)
            answer = given.status_code, lasting(given), given.text
        self.stage.db.trace = None
        # Old security events are deleted now and then, whatever was asked.
        return answer, [it for it in ran if not it.startswith("DELETE FROM security_events")]

    def compare(self, pair: Pair) -> None:
        (hidden, ran), (absent, ran_for_none) = (
            self.answer(pair, path) for path in (pair.hidden, pair.absent)
        )
        one, other = (
            (status, _without(str(sorted(headers.items())), *its), _without(text, *_long(its)))
            for (status, headers, text), its in zip(
                (hidden, absent),
                ((pair.hidden, pair.removed[0]), (pair.absent, pair.removed[1])),
                strict=True,
            )
        )
        self.statuses.add(hidden[0])
        assert one == other, (self.actor, pair)
        assert len(ran) == len(ran_for_none), (self.actor, pair, ran, ran_for_none)


def _long(named: tuple[str, str]) -> list[str]:
    """What to take out of a body, where a number may be anything."""
    return [one for one in named if not one.isdigit()]


def _without(text: str, *named: str) -> str:
    """A text without the address and the id that were asked for, and what follows from the length."""
    text = re.sub(r"'etag', '[^']*'|'content-length', '[^']*'", "", text)
    for one in sorted(named, key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(one)}(?![\w-])", "ID", text)
    return text


def test_every_part_of_every_route_is_known() -> None:
    for route in (*ROUTES, *PAGES):
        for part in re.findall(r"\{(\w+)\}", route.path):
            assert kind_of(route.path, part), route.path


def test_an_id_of_another_is_answered_like_one_that_does_not_exist(stage: Stage) -> None:
    """One hidden thing in a tenth of the parts of routes. All of it takes long: below."""
    r = Random(1)
    for actor in ("bob", "charlie"):
        by_route: dict[tuple[str, str, bool, str], list[Pair]] = {}
        for pair in Others(stage, actor).pairs():
            of_route = pair.method, pair.route, pair.page, pair.removed[1]
            by_route.setdefault(of_route, []).append(pair)
        comparing = Comparing(stage, actor)
        for of_route in r.sample(sorted(by_route), len(by_route) // 10):
            comparing.compare(r.choice(by_route[of_route]))
        assert 404 in comparing.statuses


@pytest.mark.long
@pytest.mark.parametrize("actor", ["bob", "charlie"])
def test_it_is_so_for_every_id(stage: Stage, actor: str) -> None:
    comparing, pairs = Comparing(stage, actor), [*Others(stage, actor).pairs()]
    for pair in pairs:
        comparing.compare(pair)
    assert len(pairs) > 1_000


def test_a_difference_would_be_found(stage: Stage) -> None:
    others, comparing = Others(stage, "bob"), Comparing(stage, "bob")
    pairs = {(pair.method, pair.route, pair.page): pair for pair in others.pairs()}
    own = others.own("images")
    for route in (
        ("GET", "/images/{key}", False),
        ("PATCH", "/images/{key}", False),
        ("GET", "/images/{slug}/edit", True),
        ("POST", "/images/{slug}/edit", True),
    ):
        pair = pairs[route]
        seen = pair._replace(
            hidden=pair.hidden.replace(pair.removed[0], own), removed=(own, pair.removed[1])
        )
        with pytest.raises(AssertionError):
            comparing.compare(seen)
    answer, _ = comparing.answer(seen, seen.hidden)
    assert answer[0] in (303, 400), "the form's token is right"
