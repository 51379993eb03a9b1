"""Tokens on pages: made, shown once, revoked with what that stops."""

import json
import re
from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.accounts import tokens
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import PageResponse, Visitor

TOKENS = "/account/tokens"
SECRET = re.compile(r"gr_[0-9A-Za-z]{42}")


def make(visitor: Visitor, **filled: str) -> PageResponse:
    given = {"name": "build server", **filled}
    return visitor.submit(visitor.get(TOKENS), TOKENS, **given)


def listed(api: ApiClient, who: str) -> list[dict[str, Any]]:
    return api.all(f"/api/v2/tokens?user={who}", "dora")


def test_a_stranger_sees_their_own_alone(visitor: Visitor, world: World, db: Database) -> None:
    with db.write() as tx:
        body = wire.NewToken(name="alices own")
        token_id, _ = tokens.insert_token(tx, CONSOLE, world.users["alice"], body)
    visitor.sign_in("charlie")
    page = visitor.get(TOKENS)
    assert "test valid write never never" in page.words
    assert "1 token" not in page.words  # a list of one page says no more
    assert "alice" not in page.text
    revoke = f"{TOKENS}/{token_id}/revoke"
    assert visitor.get(revoke).status == 404
    form = page.form(TOKENS)
    body_text = f"token={form.fields['token'][0]}"
    assert visitor.ask("POST", revoke, body=body_text).status == 404


def test_the_secret_is_shown_once(visitor: Visitor, api: ApiClient) -> None:
    visitor.sign_in("bob")
    page = make(visitor, scope="read", days="30")
    assert (page.status, page.headers["cache-control"]) == (201, "no-store")
    [secret] = SECRET.findall(page.text)
    assert page.text.count(secret) == 1
    assert not any(secret in value for value in page.headers.values())
    assert not page.cookies
    assert not any(secret in value for value in visitor.cookies.values())
    for address in (TOKENS, "/account", "/"):
        assert not SECRET.search(visitor.get(address).text)
    # It is what it says.
    made = listed(api, "bob")[-1]
    assert (made["name"], made["scope"]) == ("build server", "read")
    assert made["expires"] == "2026-07-15T12:00:00.000000Z"
    asked = visitor.client.simulate_get(
        "/api/v2/users", headers={"Authorization": f"Token {secret}"}
    )
    assert asked.json["results"][0]["username"] == "bob"


def test_a_token_may_never_expire(visitor: Visitor, api: ApiClient) -> None:
    visitor.sign_in("bob")
    assert "never expires" in make(visitor, days="").words
    assert listed(api, "bob")[-1]["expires"] is None
    assert listed(api, "bob")[-1]["scope"] == "write"


@pytest.mark.parametrize(
    ("filled", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 257}, "name"),
        ({"scope": "all"}, "scope"),
        ({"days": "-1"}, "days"),
        ({"days": "90000000"}, "days"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(
    visitor: Visitor, api: ApiClient, filled: dict[str, str], field: str
) -> None:
    visitor.sign_in("bob")
    page = make(visitor, **filled)
    assert page.status == 400
    assert f'id="f-{field}-e"' in page.text
    assert not SECRET.search(page.text)
    if "name" not in filled:
        assert page.form(TOKENS).fields["name"] == ["build server"]
    assert len(listed(api, "bob")) == 1


def test_revoking_says_what_it_stops_and_stops_it(
    visitor: Visitor, api: ApiClient, world: World, clock: Clock
) -> None:
    visitor.sign_in("bob")
    [before] = listed(api, "bob")
    revoke = f"{TOKENS}/{before['id']}/revoke"
    assert revoke in visitor.get(TOKENS).links
    assert "Never used" in visitor.get(revoke).words
    api.get("/api/v2/images", "bob")
    clock.move(hours=3)
    page = visitor.get(revoke)
    assert "Last used 2026-06-15 12:00 UTC 3 hours ago" in page.words
    done = visitor.submit(page, revoke)
    assert "Token test revoked." in done.words
    assert "test revoked write" in done.words
    assert revoke not in done.links
    assert api.get("/api/v2/images", "bob").status_code == 401
    # The page of what is revoked already leads to the list.
    assert visitor.get(revoke, follow=False).headers["location"] == TOKENS


def test_what_has_expired_is_told(visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in("bob")
    make(visitor, days="7")
    clock.move(days=7)
    assert "build server expired write never 2026-06-22 just now" in visitor.get(TOKENS).words


def test_staff_revoke_anybodys(visitor: Visitor, api: ApiClient, world: World) -> None:
    visitor.sign_in("dora")
    [before] = listed(api, "bob")
    revoke = f"{TOKENS}/{before['id']}/revoke"
    page = visitor.get(revoke)
    assert "owned by bob" in page.words
    done = visitor.submit(page, revoke)
    assert (done.address, done.status) == (f"/staff/users/{world.users['bob']}", 200)
    assert listed(api, "bob")[0]["revoked_at"]
    # On one's own list are one's own.
    assert "bob" not in visitor.get(TOKENS).words


def test_another_sites_form_makes_nothing(visitor: Visitor, api: ApiClient) -> None:
    visitor.sign_in("bob")
    page = visitor.get(TOKENS)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert visitor.submit(page, TOKENS, name="x", headers=headers).status == 403
    assert visitor.submit(page, TOKENS, name="x", token="00").status == 403
    assert len(listed(api, "bob")) == 1


def test_many_are_paged(visitor: Visitor, db: Database, world: World) -> None:
    with db.write() as tx:
        for number in range(60):
            body = wire.NewToken(name=f"robot {number}")
            tokens.insert_token(tx, CONSOLE, world.users["bob"], body)
    visitor.sign_in("bob")
    page = visitor.get(TOKENS)
    assert "61 tokens" in page.words
    [more] = [link for link in page.links if "cursor=" in link]
    following = visitor.get(more)
    names = {f"robot {n}" for n in range(60) if f"robot {n}<" in following.text}
    assert len(names) == 10
    assert not any(f"{name}<" in page.text for name in names)
    assert any("cursor=" in link for link in following.links)
    assert "user=" not in more


def test_the_page_asks_little(visitor: Visitor, db: Database) -> None:
    visitor.sign_in("bob")
    visitor.get(TOKENS)
    db.trace = []
    assert visitor.get(TOKENS).status == 200
    statements = [text for text in db.trace if text.lstrip().upper().startswith("SELECT")]
    db.trace = None
    assert len(statements) <= 7, json.dumps(statements, indent=1)
