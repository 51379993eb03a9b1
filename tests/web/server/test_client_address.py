"""Where a request comes from: one address, one count, however the address is spelled."""

import pytest
from falcon import testing

from goldenrod.base import config
from goldenrod.base.errors import BadRequest
from goldenrod.base.network import limit_key, parse_address
from goldenrod.catalogue.accounts import password_hashing, password_sign_in
from goldenrod.store.db import Database
from goldenrod.web.client_address import client_address
from tests.accounts.test_sign_in import ask
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.listened_argon2 import Argon2

PROXY = "10.0.0.1"
SETTINGS = config.load({"GOLDENROD_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8"})

SAME_IPV4 = (
    "192.0.2.1",
    "192.0.2.1:1",
    "192.0.2.1:65535",
    "::ffff:192.0.2.1",
    "::FFFF:192.0.2.1",
    "::ffff:c000:201",
    "0:0:0:0:0:ffff:192.0.2.1",
    "[::ffff:192.0.2.1]",
    "[::ffff:192.0.2.1]:5678",
)
SAME_IPV6 = (
    "2001:db8::1",
    "2001:DB8::1",
    "2001:0db8::0001",
    "2001:db8:0:0:0:0:0:1",
    "2001:db8::0.0.0.1",
    "2001:db8::1%eth0",
    "[2001:db8::1]",
    "[2001:db8::1]:443",
    "[2001:DB8:0::1%2]:1",
)
SAME_NETWORK = ("2001:db8::", "2001:db8::2", "2001:db8::ffff:ffff:ffff:ffff", "[2001:db8::3]:80")
NO_ADDRESS = (
    "unknown",
    "_hidden",
    "for=192.0.2.1",
    "192.0.2.1:port",
    "192.0.2.1:123456",
    "192.0.2.1:",
    "192.0.2.01",
    "192.0.2",
    "3221225985",
    "[192.0.2.1]",
    "[192.0.2.1]:80",
    "[2001:db8::1",
    "2001:db8::1]",
    "[[2001:db8::1]]",
    "192.0.2.1 192.0.2.2",
    "\u0661.2.3.4",
    "\u00e9",
    "a" * 5000,
    "9" * 5000,
    "%" * 5000,
)


def address(forwarded: str | None, peer: str = PROXY) -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = testing.create_req(headers=headers, remote_addr=peer)
    return client_address(request, SETTINGS)


@pytest.mark.parametrize(
    ("spellings", "canonical"), [(SAME_IPV4, "192.0.2.1"), (SAME_IPV6, "2001:db8::1")]
)
def test_every_spelling_of_an_address_is_that_address(
    spellings: tuple[str, ...], canonical: str
) -> None:
    for spelling in spellings:
        assert address(spelling) == canonical, spelling
        assert address(f"198.51.100.7, {spelling}, fd00::1, [fd00::2]:80") == canonical, spelling
        assert address("198.51.100.7", peer=spelling) == canonical, spelling


def test_hosts_of_one_64_are_shown_apart_and_limited_together() -> None:
    shown = {address(spelling) for spelling in (*SAME_NETWORK, *SAME_IPV6)}
    assert len(shown) == 5
    assert {limit_key(one) for one in shown} == {"2001:db8::/64"}
    assert limit_key("2001:db8:0:1::1") == "2001:db8:0:1::/64"
    assert limit_key("192.0.2.1") == "192.0.2.1"
    assert limit_key("no address") == "no address"


def test_what_is_no_address_is_refused_where_it_would_count() -> None:
    for text in NO_ADDRESS:
        assert parse_address(text) is None, text[:40]
        # A header's bytes arrive as latin-1.
        if not text.isascii():
            continue
        with pytest.raises(BadRequest, match="is not an IP address"):
            address(text)
        with pytest.raises(BadRequest, match="is not an IP address"):
            address(f"192.0.2.1, {text}, 10.0.0.2")
        # Further left it is what the client wrote: nobody asks.
        assert address(f"{text}, 192.0.2.1") == "192.0.2.1"
        # And what somebody sends who is no proxy is not read at all.
        assert address(text, peer="192.0.2.1") == "192.0.2.1"


def test_empty_entries_of_the_header_are_no_entries() -> None:
    for header in (None, "", ",", " , ", ",,,"):
        assert address(header) == PROXY
    for header in ("192.0.2.1,", ",192.0.2.1", "192.0.2.1, ,", "192.0.2.9,,192.0.2.1 ,"):
        assert address(header) == "192.0.2.1"


def test_no_spelling_evades_the_limit_on_signing_in(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    argon2 = Argon2()
    argon2.remembers = True
    monkeypatch.setattr(password_hashing, "HASHER", argon2)
    api = ApiClient(db, SETTINGS, world)

    def sign_in_from(forwarded: str, password: str) -> int:
        headers = {"X-Forwarded-For": forwarded}
        return ask(api, "alice", password, PROXY, headers=headers).status_code

    for spellings in (SAME_IPV4, (*SAME_IPV6, *SAME_NETWORK)):
        for place in range(password_sign_in.MOST_BY_ACCOUNT):
            assert sign_in_from(spellings[place], "wrong") == 401
        for spelling in spellings:
            assert sign_in_from(spelling, "alice-secret") == 429, spelling
    assert sign_in_from("192.0.2.2", "alice-secret") == 201
    assert sign_in_from("2001:db8:0:1::1", "alice-secret") == 201


def test_signing_in_through_a_proxy_that_hides_who_asks_is_refused_in_words(
    db: Database, world: World
) -> None:
    api = ApiClient(db, SETTINGS, world)
    answer = ask(api, "alice", "alice-secret", PROXY, headers={"X-Forwarded-For": "unknown"})
    assert code(answer) == "400 request_invalid"
    assert "X-Forwarded-For has 'unknown', which is not an IP address" in answer.json["detail"]
