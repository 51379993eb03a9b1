"""Forgeries: every form of every page, sent by a browser that is signed in, but not from a page of
this site; and sent with a token, whatever its scope. Nothing changes.

The forms are those of `PAGES`, so a new one is tried too. Each is sent to a thing that is there, as
dora, who is staff and may change everything: only what the forgery lacks can have refused it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest

from goldenrod.base import config, wire
from goldenrod.catalogue.accounts import sessions, tokens
from goldenrod.rules.access import CONSOLE
from goldenrod.store import schema
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API
from goldenrod.web.pages.kit import cookies, csrf
from goldenrod.web.pages.routes import PAGES
from tests.conftest import POSTGRESQL_IS_LONG
from tests.support.access_catalogue import Stage, set_stage
from tests.support.access_requests.every_route import EVERY_ASKED
from tests.support.access_requests.secrets import filled
from tests.support.access_requests.who_sees import ACTORS, who
from tests.support.pages.addresses import page_address
from tests.support.pages.visitor import PageResponse, Visitor
from tests.web.test_route_statuses import address as address_of

FORMS = tuple(route.path for route in PAGES if route.method == "POST")
SCOPES = ("read", "write", "admin")

FILLED = {"username": "dora", "password": "dora-secret", "name": "new", "text": "new", "on": "on"}
"""What the forged forms say, besides a token."""


@dataclass
class Forgery:
    """How a form is sent: the token it carries (`right` is the browser's own), and the rest."""

    token: str | None = "right"
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"
    in_query: bool = False


FORGERIES = {
    "no token": Forgery(token=None),
    "an empty token": Forgery(token=""),
    "a wrong token": Forgery(token="0" * 64),
    "the token of another session": Forgery(token="other"),
    "the token of a cookie that was planted": Forgery(token="planted"),
    "the token in the query": Forgery(in_query=True),
    "another origin": Forgery(headers={"Origin": "https://evil.example"}),
    "an origin without a name": Forgery(headers={"Origin": "null"}),
    "an origin that begins like ours": Forgery(
        headers={"Origin": "http://falconframework.org.evil.example"}
    ),
    "from another site": Forgery(headers={"Sec-Fetch-Site": "cross-site"}),
    "from another host of the site": Forgery(headers={"Sec-Fetch-Site": "same-site"}),
    "as text": Forgery(headers={"Content-Type": "text/plain"}),
    "as JSON": Forgery(headers={"Content-Type": "application/json"}),
    "in parts": Forgery(headers={"Content-Type": "multipart/form-data; boundary=x"}),
    "by GET": Forgery(method="GET", in_query=True),
    "by HEAD": Forgery(method="HEAD", in_query=True),
    "by PUT": Forgery(method="PUT"),
    "by DELETE": Forgery(method="DELETE"),
}


@pytest.fixture(scope="module", params=POSTGRESQL_IS_LONG)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request) as made:
        yield made


@pytest.fixture(scope="module")
def dora(stage: Stage) -> Visitor:
    visitor = Visitor(stage.db, config.load({}))
    visitor.sign_in("dora")
    return visitor


def state(stage: Stage) -> dict[str, list[str]]:
    """Every row of the catalogue, except those that record a refusal."""
    but = {"security_events": " WHERE kind <> 'access:refused'"}
    with stage.db.read() as tx:
        return {
            table.name: sorted(
                repr(tuple(row))
                for row in tx.sql(f"SELECT * FROM {table.name}{but.get(table.name, '')}").fetchall()
            )
            for table in schema.metadata.sorted_tables
            # They say when a token was used, and how often signing in failed.
            if table.name not in ("tokens", "sign_in_failures")
        }


def own_session(stage: Stage) -> str:
    with stage.db.read() as tx:
        return str(sessions.list_sessions(tx, stage.world.actor(tx, "dora"))[0]["uuid"])


def send(visitor: Visitor, where: str, forgery: Forgery, other: str) -> PageResponse:
    secret = visitor.cookies[cookies.SESSION]
    token = {
        "right": csrf.form_token(secret),
        "other": csrf.form_token(other),
        "planted": csrf.form_token("planted"),
    }.get(forgery.token or "", forgery.token)
    body = urlencode(FILLED | ({} if token is None else {"token": token}))
    kept = dict(visitor.cookies)
    visitor.cookies[cookies.VISIT] = "planted"
    try:
        if forgery.in_query:
            where = f"{where}?{body}"
            body = urlencode(FILLED)
        return visitor.ask(
            forgery.method,
            where,
            body=body if forgery.method in ("POST", "PUT") else None,
            headers={"Accept": "application/json"} | forgery.headers,
            follow=False,
        )
    finally:
        visitor.cookies = kept


def test_every_forged_form_is_refused_and_changes_nothing(stage: Stage, dora: Visitor) -> None:
    with stage.db.write_unversioned() as tx:
        other = sessions.create_session(tx, stage.world.users["alice"], 1)
    session = own_session(stage)
    before = state(stage)
    tried = 0
    for path in FORMS:
        where = page_address(stage, path, session)
        for words, forgery in FORGERIES.items():
            page = send(dora, where, forgery, other)
            tried += 1
            expected = {403, 415} if "Content-Type" in forgery.headers else {403}
            if forgery.method in ("PUT", "DELETE"):
                expected = {405}
            if forgery.method in ("GET", "HEAD"):
                # A page of the same address may be looked at; changing nothing is what counts.
                expected = {200, 303, 405}
            assert page.status in expected, (path, words, page.status, page.text)
        assert state(stage) == before, path
    assert tried == len(FORMS) * len(FORGERIES) >= 714


@pytest.mark.parametrize("scope", SCOPES)
def test_a_token_sends_no_form_whatever_its_scope(stage: Stage, scope: str) -> None:
    with stage.db.write() as tx:
        body = wire.NewToken(name=f"{scope} token", scope=scope)  # type: ignore[arg-type]
        _, secret = tokens.insert_token(tx, CONSOLE, stage.world.users["dora"], body)
    with stage.db.write_unversioned() as tx:
        own = sessions.create_session(tx, stage.world.users["dora"], 1)
    session = own_session(stage)
    before = state(stage)
    browser = Visitor(stage.db, config.load({}))
    for path in FORMS:
        for held in ({}, {cookies.VISIT: "planted"}, {cookies.SESSION: own}):
            browser.cookies = dict(held)
            given = next(iter(held.values()), "planted")
            page = browser.ask(
                "POST",
                page_address(stage, path, session),
                body=urlencode(FILLED | {"token": csrf.form_token(given)}),
                headers={"Authorization": f"Token {secret}"},
                follow=False,
            )
            # Signing out has nothing to end where nobody is signed in: the browser is led home.
            assert page.status == (303 if path == "/sign-out" else 403), (path, page.words)
    assert state(stage) == before


def test_what_the_api_refuses_changes_nothing(stage: Stage) -> None:
    """Every request of `support/access_requests` that changes something, sent by each actor to whom
    it is refused, and by its owner and staff with a token of the scope read."""
    secrets = {}
    with stage.db.write() as tx:
        for name in ("alice", "dora"):
            body = wire.NewToken(name=f"{name} reads", scope="read")
            _, secrets[name] = tokens.insert_token(tx, CONSOLE, stage.world.users[name], body)
    before = state(stage)
    asked = 0
    for route in ROUTES:
        if route.method == "GET" or route.asks:
            continue
        named = f"{route.method} {route.path}"
        for ask in EVERY_ASKED[named]:
            path = API + address_of(stage, named, ask.path)
            for secret in secrets.values():
                answer = stage.api.ask(route.method, path, secret, filled(stage, ask.body))
                # 404: without staff's rights dora does not see everything.
                assert answer.status_code in (403, 404), (named, path, answer.text)
                asked += 1
            for actor, status in zip(ACTORS, ask.statuses.split(), strict=True):
                if int(status) in (401, 403, 404):
                    answer = stage.api.ask(route.method, path, who(actor), filled(stage, ask.body))
                    assert answer.status_code == int(status), (named, path, actor, answer.text)
                    asked += 1
    assert state(stage) == before
    assert asked > 500


# The last: it changes what the tests above look at.
def test_what_a_forgery_lacks_is_what_refused_it(stage: Stage, dora: Visitor) -> None:
    """The same forms, with the token of the session and as a browser sends them, get further."""
    for path in FORMS:
        with stage.db.write_unversioned() as tx:
            own = sessions.create_session(tx, stage.world.users["dora"], 1)
        dora.cookies = {cookies.SESSION: own}
        page = send(dora, page_address(stage, path, own_session(stage)), Forgery(), "")
        assert "did not come from a page of this site" not in page.text, path
        assert page.status not in (401, 405, 415), (path, page.status, page.text)
