"""Signing in with an OpenID Connect provider: a real one, on this machine, that is asked and obeyed as
far as it may be.

What is held besides: nobody becomes a user who is here already by having their name; what does not
fit this browser, this client or the provider's keys signs nobody in; and nothing else is asked.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from goldenrod.base import config, wire
from goldenrod.base.clock import to_datetime
from goldenrod.base.config import Settings
from goldenrod.base.errors import SettingError
from goldenrod.catalogue.accounts import oidc_accounts, users
from goldenrod.cli import check
from goldenrod.rules.access import CONSOLE
from goldenrod.store import paging
from goldenrod.store.db import Database
from goldenrod.web import oidc_client
from tests.conftest import NOON
from tests.support.cast import World
from tests.support.pages.visitor import PageResponse, Visitor
from tests.support.processes import oidc_provider
from tests.support.processes.oidc_provider import BEGINNING, CLIENT, SECRET, Provider

BEGIN = "/sign-in/oidc"
BACK = "/sign-in/oidc/callback"
SESSION = "__Host-goldenrod_session"
PROMISE = "__Host-goldenrod_oidc"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with oidc_provider.running() as made:
        yield made


@pytest.fixture
def provider(running: Provider) -> Provider:
    """The provider as it begins, and nothing remembered of it."""
    oidc_client._provider.cache_clear()
    running.tell(**BEGINNING | {"now": int(to_datetime(NOON).timestamp())})
    return running


@pytest.fixture
def settings(provider: Provider) -> Settings:
    return config.load(
        {
            "GOLDENROD_PUBLIC_URL": "https://images.example.org",
            "GOLDENROD_OIDC_ISSUER": provider.issuer,
            "GOLDENROD_OIDC_CLIENT_ID": CLIENT,
            "GOLDENROD_OIDC_CLIENT_SECRET": SECRET,
            "GOLDENROD_OIDC_NAME": "Cloud SSO",
        }
    )


@pytest.fixture
def browser(db: Database, world: World, settings: Settings) -> Visitor:
    return Visitor(db, settings)


def begun(browser: Visitor, then: str = "/account") -> str:
    """Where the provider is asked for this browser."""
    page = browser.get(f"{BEGIN}?{urlencode({'next': then})}", follow=False)
    assert page.status == 303
    return page.headers["location"]


def back(browser: Visitor, address: str) -> PageResponse:
    """The browser comes back from the provider."""
    return browser.get(address.removeprefix("https://images.example.org"), follow=False)


def walk(browser: Visitor, provider: Provider, then: str = "/account") -> PageResponse:
    """The whole way; where it ends is not followed."""
    return back(browser, provider.lead(begun(browser, then)))


def refused(browser: Visitor, page: PageResponse, status: int = 400) -> str:
    """The page signed nobody in, and offers to begin anew; its words."""
    assert page.status == status, page.words
    assert "Could not sign you in" in page.words
    assert any(link.startswith(BEGIN) for link in page.links)
    assert SESSION not in browser.cookies
    assert PROMISE not in browser.cookies
    assert page.headers["cache-control"] == "no-store"
    return page.words


def usernames(db: Database) -> list[str]:
    with db.read() as tx:
        listed = users.USERS.page(tx, CONSOLE, paging.parse(users.USERS.listing, {}))
    return [json.loads(one)["username"] for one in listed.results]


# ── the whole way ──────────────────────────────────────────────────────────────────────────


def test_the_sign_in_page_offers_it_only_where_it_is_set(
    browser: Visitor, visitor: Visitor
) -> None:
    page = browser.get("/sign-in?next=%2Faccount")
    assert "Continue with Cloud SSO" in page.words
    assert f"{BEGIN}?next=%2Faccount" in page.links
    assert "Continue with" not in visitor.get("/sign-in").words
    assert visitor.get(BEGIN).status == 404
    assert visitor.get(BACK).status == 404


def test_a_first_sign_in_makes_a_user_and_the_next_finds_it(
    db: Database, browser: Visitor, provider: Provider
) -> None:
    done = walk(browser, provider)
    assert (done.status, done.headers["location"]) == (303, "/account")
    cookie = done.cookies[SESSION]
    assert (cookie.http_only, cookie.secure, cookie.same_site) == (True, True, "Lax")
    assert PROMISE not in browser.cookies
    account = browser.get("/account")
    assert "grace" in account.words
    assert "Single sign-on" in account.words
    assert "grace personal" in account.words
    assert f"You can sign in with these accounts. 1001 at {provider.issuer}" in account.words
    assert "<span>Staff</span>" not in account.text

    before = usernames(db)
    browser.submit(account, "/sign-out")
    # The provider's id of them counts, not what it calls them today.
    provider.tell(person={"sub": "1001", "preferred_username": "grace hopper"})
    assert walk(browser, provider).status == 303
    assert "grace" in browser.get("/account").words
    assert usernames(db) == before
    # A user without a password does not sign in with one.
    browser.submit(browser.get("/account"), "/sign-out")
    page = browser.submit(browser.get("/sign-in"), "/sign-in", username="grace", password="")
    assert page.status == 400


def test_what_is_asked_for(browser: Visitor, provider: Provider) -> None:
    one, other = begun(browser), begun(browser)
    asked = {name: value[0] for name, value in parse_qs(urlsplit(one).query).items()}
    assert asked["response_type"] == "code"
    assert asked["scope"] == "openid profile"
    assert asked["redirect_uri"] == f"https://images.example.org{BACK}"
    assert asked["code_challenge_method"] == "S256"
    again = {name: value[0] for name, value in parse_qs(urlsplit(other).query).items()}
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name]) >= 43
        assert asked[name] != again[name]
    assert SECRET not in one


def test_nothing_else_is_asked_and_little_of_it_twice(browser: Visitor, provider: Provider) -> None:
    assert walk(browser, provider).status == 303
    browser.submit(browser.get("/account"), "/sign-out")
    assert walk(browser, provider).status == 303
    document = "/.well-known/openid-configuration"
    assert provider.asked == [
        *(document, "/authorize", "/token", "/jwks"),
        *("/authorize", "/token"),
    ]


def test_who_is_signed_in_already_is_led_on(browser: Visitor, provider: Provider) -> None:
    browser.sign_in("alice")
    page = browser.get(f"{BEGIN}?next=%2Faccount", follow=False)
    assert (page.status, page.headers["location"]) == (303, "/account")
    assert provider.asked == []


def test_a_client_without_a_secret_says_its_name_alone(
    db: Database, world: World, provider: Provider, settings: Settings
) -> None:
    public = Visitor(db, replace(settings, oidc_client_secret=""))
    assert "invalid_client" in refused(public, walk(public, provider))


# ── whom it is ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("named", ["alice", "ALICE", "ａｌｉｃｅ", "dora", "lab"])
def test_nobody_becomes_who_is_here_by_their_name(
    db: Database, browser: Visitor, provider: Provider, named: str
) -> None:
    provider.tell(person={"sub": "7", "preferred_username": named, "email": "alice@example.org"})
    assert walk(browser, provider).status == 303
    account = browser.get("/account")
    assert f"{named}-2 personal" in account.words
    assert "<span>Staff</span>" not in account.text
    assert "alice@east" not in account.words
    assert "closed image" not in browser.get("/").words
    assert f"{named}-2" in usernames(db)


def test_two_of_the_same_name_are_two(db: Database, browser: Visitor, provider: Provider) -> None:
    for subject, name in (("1", "grace"), ("2", "grace-2"), ("3", "grace-3")):
        provider.tell(person={"sub": subject, "preferred_username": "grace"})
        assert walk(browser, provider).status == 303
        page = browser.get("/account")
        assert f"{name} personal" in page.words
        browser.submit(page, "/sign-out")


@pytest.mark.parametrize(
    ("person", "name"),
    [
        ({"sub": "9"}, "user"),
        ({"sub": "9", "preferred_username": "  "}, "user"),
        ({"sub": "9", "preferred_username": 17, "name": "Grace\u202e Hopper\n"}, "Grace Hopper"),
        ({"sub": "9", "preferred_username": "x" * 300}, "x" * 240),
        ({"sub": "9", "preferred_username": "<b>bold</b>"}, "<b>bold</b>"),
    ],
)
def test_whatever_it_calls_them_becomes_a_name(
    db: Database, browser: Visitor, provider: Provider, person: dict[str, Any], name: str
) -> None:
    provider.tell(person=person)
    assert walk(browser, provider).status == 303
    assert name in usernames(db)
    page = browser.get("/account")
    assert page.status == 200
    assert "<b>bold" not in page.text


def test_staff_link_an_account_to_who_is_here(
    db: Database, browser: Visitor, provider: Provider, world: World
) -> None:
    with db.write() as tx:
        bob = users.USERS.row_for_change(tx, CONSOLE, str(world.users["bob"]))
        oidc_accounts.link(tx, CONSOLE, bob, provider.issuer, "1001")
    assert walk(browser, provider).status == 303
    assert "lab 2 members" in browser.get("/account").words
    assert "grace" not in usernames(db)


def test_the_same_subject_of_another_issuer_is_somebody_else(
    db: Database, browser: Visitor, provider: Provider, world: World
) -> None:
    with db.write() as tx:
        bob = users.USERS.row_for_change(tx, CONSOLE, str(world.users["bob"]))
        oidc_accounts.link(tx, CONSOLE, bob, "https://other.example", "1001")
    assert walk(browser, provider).status == 303
    assert "lab" not in browser.get("/account").words


def test_who_is_disabled_does_not_enter(
    db: Database, browser: Visitor, provider: Provider, world: World
) -> None:
    with db.write() as tx:
        bob = users.USERS.row_for_change(tx, CONSOLE, str(world.users["bob"]))
        oidc_accounts.link(tx, CONSOLE, bob, provider.issuer, "1001")
        users.edit_user(tx, CONSOLE, bob, wire.UserPatch(active=False))
    assert "disabled" in refused(browser, walk(browser, provider), 403)
    assert "grace" not in usernames(db)


def test_where_nobody_is_made_the_page_says_what_to_tell_staff(
    db: Database, world: World, provider: Provider, settings: Settings
) -> None:
    browser = Visitor(db, replace(settings, oidc_create=False))
    before = usernames(db)
    words = refused(browser, walk(browser, provider), 403)
    assert "Its subject is 1001" in words
    assert usernames(db) == before


# ── a provider that cannot be used ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"issuer": "https://evil.example"}, "another issuer"),
        ({"token_endpoint": "https://evil.example/token"}, "GOLDENROD_OIDC_HOSTS"),
        ({"jwks_uri": "http://127.0.0.1:1/jwks"}, "GOLDENROD_OIDC_HOSTS"),
        ({"jwks_uri": "file:///etc/passwd"}, "not a usable URL"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not a usable URL"),
        ({"token_endpoint": None}, "not a usable URL"),
    ],
)
def test_a_document_that_leads_elsewhere(
    browser: Visitor, provider: Provider, document: dict[str, Any], why: str
) -> None:
    provider.tell(document=document)
    page = browser.get(BEGIN, follow=False)
    assert why in refused(browser, page, 503)
    assert page.headers["retry-after"] == "5"
    # For a moment nobody waits for it.
    browser.get(BEGIN)
    assert provider.asked == ["/.well-known/openid-configuration"]


def test_further_hosts_are_asked_where_they_are_named(
    provider: Provider, settings: Settings
) -> None:
    provider.tell(document={"jwks_uri": "http://keys.example/jwks"})
    named = replace(settings, oidc_hosts=("keys.example",))
    made = oidc_client.provider_of(named)
    assert made is not None
    assert made.discover()["jwks_uri"] == "http://keys.example/jwks"


def test_a_provider_that_is_away(db: Database, world: World, settings: Settings) -> None:
    browser = Visitor(db, replace(settings, oidc_issuer="http://127.0.0.1:1"))
    assert "no connection" in refused(browser, browser.get(f"{BEGIN}?next=/account"), 503)
    # Signing in with a password goes on.
    browser.sign_in("alice")


# ── settings ───────────────────────────────────────────────────────────────────────────────

WHOLE = {
    "GOLDENROD_OIDC_ISSUER": "https://sso.example.org/realms/cloud",
    "GOLDENROD_OIDC_CLIENT_ID": "goldenrod",
    "GOLDENROD_PUBLIC_URL": "https://images.example.org",
}


@pytest.mark.parametrize("missing", ["GOLDENROD_OIDC_CLIENT_ID", "GOLDENROD_PUBLIC_URL"])
def test_what_it_needs_is_checked_at_the_start(missing: str) -> None:
    assert config.load(WHOLE).oidc_issuer
    with pytest.raises(SettingError, match=missing):
        config.load({**WHOLE, missing: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ISSUER", "http://sso.example.org"),
        ("ISSUER", "sso.example.org"),
        ("ISSUER", "https://sso.example.org/?x=1"),
        ("SCOPES", "profile"),
        ("CREATE", "perhaps"),
    ],
)
def test_settings_that_make_no_sense_stop_the_start(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"GOLDENROD_OIDC_{name}"):
        config.load({**WHOLE, f"GOLDENROD_OIDC_{name}": value})


def test_check_says_what_is_wrong_with_it(provider: Provider, settings: Settings) -> None:
    assert check._no_oidc(settings) is None
    oidc_client._provider.cache_clear()
    provider.tell(document={"issuer": f"{provider.issuer}/"})
    found = check._no_oidc(settings)
    assert found is not None
    assert found.id == "goldenrod.W004"
    assert "another issuer" in found.what
