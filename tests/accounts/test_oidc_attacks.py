"""Attacks on signing in with an OpenID Connect provider: each signs nobody in, and makes nobody a user.

The provider and the browser are those of `test_oidc.py`.
"""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from goldenrod.base.clock import to_datetime
from goldenrod.base.config import Settings
from goldenrod.base.errors import Unavailable
from goldenrod.store.db import Database
from goldenrod.web import oidc_client
from goldenrod.web.pages.kit import cookies
from tests.accounts.test_oidc import (
    PROMISE,
    back,
    begun,
    browser,
    provider,
    refused,
    running,
    settings,
    usernames,
    walk,
)
from tests.conftest import NOON, Clock
from tests.support.pages.visitor import Visitor
from tests.support.processes.oidc_provider import CLIENT, Provider

__all__ = ["browser", "provider", "running", "settings"]


def with_query(address: str, **changed: str | None) -> str:
    parts = urlsplit(address)
    query = {name: value[0] for name, value in parse_qs(parts.query).items()} | changed
    kept = {name: value for name, value in query.items() if value is not None}
    return f"{parts.path}?{urlencode(kept)}"


@pytest.mark.parametrize("state", ["other", "", None, "ä"])
def test_another_state_is_refused_before_anything_is_asked(
    browser: Visitor, provider: Provider, state: str | None
) -> None:
    address = provider.lead(begun(browser))
    provider.tell()
    page = back(browser, with_query(address, state=state))
    assert "not started in this browser" in refused(browser, page)
    assert provider.asked == []


def test_another_browsers_answer_is_refused(
    db: Database, browser: Visitor, provider: Provider, settings: Settings
) -> None:
    """Somebody's address of coming back, sent to somebody else, must not sign them in."""
    attacker = Visitor(db, settings)
    address = provider.lead(begun(attacker))
    assert "not started in this browser" in refused(browser, back(browser, address))
    begun(browser)
    assert "not started in this browser" in refused(browser, back(browser, address))


def test_a_promise_of_another_browser_is_none(
    db: Database, browser: Visitor, provider: Provider, settings: Settings
) -> None:
    attacker = Visitor(db, settings)
    address = provider.lead(begun(attacker))
    begun(browser)
    browser.cookies[PROMISE] = attacker.cookies[PROMISE]
    assert "not started in this browser" in refused(browser, back(browser, address))


@pytest.mark.parametrize("value", ["", ".", "e30.", "e30.00", "x" * 2000])
def test_a_promise_that_is_made_up_is_none(
    browser: Visitor, provider: Provider, value: str
) -> None:
    address = provider.lead(begun(browser))
    browser.cookies[PROMISE] = value
    refused(browser, back(browser, address))


def test_a_notice_is_no_promise(browser: Visitor, provider: Provider) -> None:
    address = provider.lead(begun(browser))
    state = parse_qs(urlsplit(address).query)["state"][0]
    secret = browser.cookies["__Host-goldenrod_visit"]
    promised = cookies.unseal(secret, browser.cookies[PROMISE], "oidc")
    assert promised is not None
    assert promised["state"] == state
    sealed = cookies.seal(secret, promised)
    assert sealed is not None
    browser.cookies[PROMISE] = sealed
    refused(browser, back(browser, address))


def test_a_code_counts_once(browser: Visitor, provider: Provider) -> None:
    address = provider.lead(begun(browser))
    kept = dict(browser.cookies)
    assert back(browser, address).status == 303
    browser.submit(browser.get("/account"), "/sign-out")
    # Without the promise, and with it.
    assert "already complete" in refused(browser, back(browser, address))
    browser.cookies = kept
    assert "invalid_grant" in refused(browser, back(browser, address))


def test_a_code_without_its_verifier_is_nothing(
    db: Database, browser: Visitor, provider: Provider, settings: Settings
) -> None:
    """A code that was stolen on its way, put into the thief's own sign-in."""
    stolen = parse_qs(urlsplit(provider.lead(begun(browser))).query)["code"][0]
    thief = Visitor(db, settings)
    address = provider.lead(begun(thief))
    page = back(thief, with_query(address, code=stolen))
    assert "invalid_grant" in refused(thief, page)


def test_ten_minutes_later_is_too_late(browser: Visitor, provider: Provider, clock: Clock) -> None:
    address = provider.lead(begun(browser))
    clock.move(minutes=10)
    assert "more than 10 minutes" in refused(browser, back(browser, address))


@pytest.mark.parametrize(
    ("claims", "named"),
    [
        ({"nonce": "other"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "another-client"}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": ["another-client", CLIENT]}, "azp"),
        ({"aud": [CLIENT, "another-client"], "azp": "another-client"}, "azp"),
        ({"aud": None}, "aud"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"exp": int(to_datetime(NOON).timestamp()) - 61}, "exp"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"iat": int(to_datetime(NOON).timestamp()) + 3600}, ""),
        ({"nbf": int(to_datetime(NOON).timestamp()) + 3600}, ""),
        ({"sub": None}, "sub"),
        ({"sub": ""}, ""),
        ({"sub": 17}, ""),
        ({"sub": "x" * 256}, ""),
    ],
)
@pytest.mark.long_on_postgresql
def test_a_token_that_does_not_hold(
    db: Database, browser: Visitor, provider: Provider, claims: dict[str, Any], named: str
) -> None:
    before = usernames(db)
    provider.tell(claims=claims)
    words = refused(browser, walk(browser, provider))
    assert named in words
    assert usernames(db) == before


@pytest.mark.parametrize("way", ["none", "secret", "stranger"])
def test_a_token_that_no_key_of_the_provider_signed(
    db: Database, browser: Visitor, provider: Provider, way: str
) -> None:
    before = usernames(db)
    provider.tell(sign=way)
    assert "ID token is not valid" in refused(browser, walk(browser, provider))
    assert usernames(db) == before


def test_new_keys_of_the_provider_are_found(
    browser: Visitor, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc_client, "REFETCH_S", 0.0)
    assert walk(browser, provider).status == 303
    browser.submit(browser.get("/account"), "/sign-out")
    provider.tell(sign="rotated")
    assert walk(browser, provider).status == 303
    assert provider.asked == ["/authorize", "/token", "/jwks"]


def test_unknown_keys_are_not_asked_for_all_the_time(browser: Visitor, provider: Provider) -> None:
    assert walk(browser, provider).status == 303
    browser.submit(browser.get("/account"), "/sign-out")
    provider.tell(sign="rotated")
    refused(browser, walk(browser, provider))
    assert provider.asked == ["/authorize", "/token"]


def test_who_is_not_let_in_is_told_so(browser: Visitor, provider: Provider) -> None:
    provider.tell(deny="access_denied")
    assert "access_denied" in refused(browser, walk(browser, provider))
    provider.tell(deny="<script>")
    page = walk(browser, provider)
    assert "no reason given" in refused(browser, page)
    assert "<script>" not in page.text


def test_another_provider_answers(browser: Visitor, provider: Provider) -> None:
    address = provider.lead(begun(browser))
    page = back(browser, with_query(address, iss="https://evil.example"))
    assert "Another provider answered" in refused(browser, page)


@pytest.mark.parametrize(
    "there", ["//evil.example", "https://evil.example/", "/\\evil.example", "/\t/evil.example", ""]
)
def test_it_never_leads_to_another_site(browser: Visitor, provider: Provider, there: str) -> None:
    assert walk(browser, provider, there).headers["location"] == "/"


def test_it_leads_to_a_path_with_its_query(browser: Visitor, provider: Provider) -> None:
    assert walk(browser, provider, "/search?q=a+b").headers["location"] == "/search?q=a+b"
    browser.submit(browser.get("/account"), "/sign-out")
    far = "/search?q=" + "a" * 3000
    assert walk(browser, provider, far).headers["location"] == "/"


def test_a_compressed_answer_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hundred kilobytes may unpack to a hundred megabytes, before any length is compared."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Bomb())

    class Bomb(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            raise AssertionError("it was read")

    client = httpx.Client
    monkeypatch.setattr(
        httpx, "Client", lambda **more: client(transport=httpx.MockTransport(answer), **more)
    )
    there = oidc_client.OpenIdProvider("https://sso.example", "goldenrod", "", ())
    with pytest.raises(Unavailable):
        there.discover()
    assert [request.headers["accept-encoding"] for request in asked] == ["identity"]
