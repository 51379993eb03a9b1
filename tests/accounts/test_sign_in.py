"""Signing in with a password: one answer for all that does not fit, and limits on failing."""

from typing import Any

import pytest

from goldenrod.base import config
from goldenrod.catalogue.accounts import password_sign_in
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient, Result, code
from tests.support.listened_argon2 import Argon2

TOKENS = "/api/v2/tokens"
BY_ACCOUNT, BY_ADDRESS = password_sign_in.MOST_BY_ACCOUNT, password_sign_in.MOST_BY_ADDRESS


def ask(
    api: ApiClient, username: str, password: str, address: str = "192.0.2.1", **more: Any
) -> Result:
    """Sign in from an address."""
    return api.client.simulate_post(
        TOKENS, json={"username": username, "password": password}, remote_addr=address, **more
    )


@pytest.fixture
def cheap(argon2: Argon2) -> None:
    """For tests of limits, which fail often."""
    argon2.remembers = True


def test_a_password_makes_a_token_of_the_scope_asked_for(api: ApiClient) -> None:
    body = {"username": " Alice ", "password": "alice-secret", "name": "laptop"}
    made = api.post(TOKENS, None, body)
    assert made.status_code == 201
    assert (made.json["name"], made.json["scope"]) == ("laptop", "write")
    assert [u["username"] for u in api.all("/api/v2/users", made.json["token"])] == ["alice"]
    admin = api.post(TOKENS, None, {**body, "scope": "admin", "expires": "2026-07-01T00:00:00Z"})
    assert admin.json["expires"] == "2026-07-01T00:00:00.000000Z"
    assert (
        api.post(
            TOKENS, admin.json["token"], {"scope": "read", "expires": "2026-06-20T00:00:00Z"}
        ).status_code
        == 201
    )


def test_all_that_does_not_fit_gets_one_answer(api: ApiClient, argon2: Argon2) -> None:
    api.post("/api/v2/users", "dora", {"username": "eve"})
    api.post("/api/v2/users", "dora", {"username": "gone", "password": "gone-secret"})
    [gone] = api.all("/api/v2/users?username=gone", "dora")
    api.delete(gone["url"], "dora")
    answers = [
        ask(api, "alice", "wrong"),
        ask(api, "nobody", "wrong"),
        ask(api, "eve", "wrong"),  # signs in with tokens only
        ask(api, "eve", "an account that does not exist"),
        ask(api, "nobody", "an account that does not exist"),
        ask(api, "gone", "gone-secret"),
        ask(api, "lab", "wrong"),  # a group
        ask(api, "alice", ""),
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (401, answers[0].content)
    }
    assert code(answers[0]) == "401 sign_in_failed"
    # Each costs one verification, against a hash of the same costs.
    verified = argon2.verified
    assert len(verified) == len(answers)
    assert {kept.rsplit("$", 2)[0] for kept in verified} == {verified[0].rsplit("$", 2)[0]}


def test_bodies_are_checked(api: ApiClient) -> None:
    for body in (
        {"username": "alice"},
        {"password": "alice-secret"},
        {"username": "alice", "password": 7},
        {"username": "alice", "password": "x", "scope": "all"},
        {"username": "alice", "password": "x", "user": "alice"},
    ):
        assert code(api.post(TOKENS, None, body)) == "400 field_invalid", body
    both = {"username": "alice", "password": "alice-secret"}
    assert code(api.post(TOKENS, "dora", both)) == "400 field_invalid"


def test_an_account_is_limited_by_account_and_address(
    api: ApiClient, clock: Clock, cheap: None
) -> None:
    for _ in range(BY_ACCOUNT):
        assert code(ask(api, "alice", "wrong")) == "401 sign_in_failed"
    clock.move(minutes=5)
    # However the name is written; the right password is not even looked at.
    for name in ("alice", "ALICE", " alice "):
        limited = ask(api, name, "alice-secret")
        assert code(limited) == "429 too_many_requests"
        assert limited.headers["retry-after"] == str(10 * 60)
    # Somebody else's failures lock nobody out elsewhere, nor others here.
    assert ask(api, "alice", "alice-secret", "192.0.2.2").status_code == 201
    assert ask(api, "bob", "bob-secret").status_code == 201
    # Being refused counts for nothing: the window ends when it said.
    clock.move(minutes=9, seconds=59)
    assert ask(api, "alice", "alice-secret").headers["retry-after"] == "1"
    clock.move(seconds=1)
    assert ask(api, "alice", "alice-secret").status_code == 201


def test_unknown_accounts_are_limited_alike(api: ApiClient, cheap: None) -> None:
    answers = [ask(api, "nobody", "wrong") for _ in range(BY_ACCOUNT + 1)]
    assert [answer.status_code for answer in answers] == [401] * BY_ACCOUNT + [429]


def test_success_forgets_the_accounts_failures(api: ApiClient, cheap: None) -> None:
    for _ in range(3):
        for _ in range(BY_ACCOUNT - 1):
            assert ask(api, "alice", "wrong").status_code == 401
        assert ask(api, "alice", "alice-secret").status_code == 201


def test_an_address_is_limited_whatever_the_account(
    api: ApiClient, clock: Clock, cheap: None
) -> None:
    # Signing in rightly does not count, however often.
    for _ in range(3):
        assert ask(api, "bob", "bob-secret").status_code == 201
    for number in range(BY_ADDRESS):
        assert ask(api, f"guess-{number}", "wrong").status_code == 401, number
    limited = ask(api, "bob", "bob-secret")
    assert code(limited) == "429 too_many_requests"
    assert limited.headers["retry-after"] == str(15 * 60)
    assert ask(api, "bob", "bob-secret", "192.0.2.2").status_code == 201
    clock.move(minutes=15)
    assert ask(api, "bob", "bob-secret").status_code == 201


def test_limits_do_not_touch_the_revision(api: ApiClient, db: Database, cheap: None) -> None:
    with db.read() as tx:
        before = tx.revision
    for _ in range(BY_ACCOUNT + 1):
        ask(api, "alice", "wrong")
    with db.read() as tx:
        assert tx.revision == before


def test_a_token_that_is_refused_is_no_failure_to_sign_in(api: ApiClient, cheap: None) -> None:
    """The password fits, so somebody who asks for what cannot be is not locked out for it."""
    past = {"username": "alice", "password": "alice-secret", "expires": "2020-01-01T00:00:00Z"}
    for _ in range(BY_ACCOUNT + 2):
        assert code(api.post(TOKENS, None, past)) == "400 field_invalid"
    assert ask(api, "alice", "alice-secret", "127.0.0.1").status_code == 201


@pytest.mark.parametrize("patch", [{"active": False}, {"password": "another secret"}])
def test_who_is_shut_out_while_signing_in_gets_no_token(
    api: ApiClient, world: World, argon2: Argon2, patch: dict[str, Any]
) -> None:
    alice = f"/api/v2/users/{world.users['alice']}"
    argon2.meanwhile = lambda: api.patch(alice, "dora", patch)
    assert code(ask(api, "alice", "alice-secret")) == "401 sign_in_failed"
    assert len(argon2.verified) == 1


# ── where a request comes from ─────────────────────────────────────────────────────────────


def behind(db: Database, world: World, proxies: str) -> ApiClient:
    return ApiClient(db, config.load({"GOLDENROD_TRUSTED_PROXIES": proxies}), world)


def locked_out(api: ApiClient, address: str, forwarded: str | None) -> bool:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return ask(api, "alice", "alice-secret", address, headers=headers).status_code == 429


def fail(api: ApiClient, address: str, *forwarded: str) -> None:
    for place in range(BY_ACCOUNT):
        headers = {"X-Forwarded-For": forwarded[place % len(forwarded)]} if forwarded else {}
        assert ask(api, "alice", "wrong", address, headers=headers).status_code == 401


def test_x_forwarded_for_is_not_believed_from_just_anybody(api: ApiClient, cheap: None) -> None:
    # A new address each time does not help,
    fail(api, "192.0.2.1", *(f"198.51.100.{n}" for n in range(BY_ACCOUNT)))
    assert locked_out(api, "192.0.2.1", "198.51.100.9")
    # and nobody is locked out in another's name.
    assert not locked_out(api, "198.51.100.1", None)


def test_behind_a_trusted_proxy_the_rightmost_untrusted_address_counts(
    db: Database, world: World, cheap: None
) -> None:
    api = behind(db, world, "10.0.0.0/8, 2001:db8::/32")
    # What stands further left the client wrote itself, and may write as it likes.
    spoofed = [f"203.0.113.{n}, 192.0.2.1" for n in range(BY_ACCOUNT)]
    fail(api, "10.0.0.1", *spoofed)
    assert locked_out(api, "10.0.0.1", "192.0.2.1")
    assert locked_out(api, "10.0.0.1", "10.9.9.9, 192.0.2.1")
    assert locked_out(api, "10.0.0.2", "192.0.2.1, 10.0.0.1")
    assert locked_out(api, "2001:db8::1", " 192.0.2.1 ,10.0.0.1")
    # Through the proxy or not, it is the same address.
    assert locked_out(api, "192.0.2.1", None)
    assert not locked_out(api, "10.0.0.1", "192.0.2.1, 192.0.2.7")
    assert not locked_out(api, "192.0.2.7", "192.0.2.1")
    assert not locked_out(api, "10.0.0.1", None)


def test_a_proxy_on_a_socket_of_both_families_is_the_same_proxy(
    db: Database, world: World, cheap: None
) -> None:
    api = behind(db, world, "10.0.0.0/8")
    fail(api, "::ffff:10.0.0.1", "192.0.2.1")
    assert locked_out(api, "10.0.0.1", "192.0.2.1")


def test_a_forwarded_address_that_is_none_is_refused(
    db: Database, world: World, cheap: None
) -> None:
    api = behind(db, world, "10.0.0.1")
    for header in ("unknown", "192.0.2.1, unknown", "a" * 5000, "\u00e9"):
        answer = ask(api, "bob", "bob-secret", "10.0.0.1", headers={"X-Forwarded-For": header})
        assert code(answer) == "400 request_invalid", header[:20]
    for header in ("", ",", " , ", "192.0.2.1,", "unknown, 192.0.2.1"):
        answer = ask(api, "bob", "bob-secret", "10.0.0.1", headers={"X-Forwarded-For": header})
        assert answer.status_code == 201, header
