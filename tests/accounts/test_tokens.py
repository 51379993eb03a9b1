"""Tokens: a secret shown once, and scopes that only narrow, at every endpoint."""

import hashlib
import re
import string
import zlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from goldenrod.base.clock import Instant
from goldenrod.catalogue.accounts import tokens
from goldenrod.rules.access import CONSOLE
from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.conftest import NOON, Clock
from tests.support.cast import World
from tests.support.client import ApiClient, Result, code

TOKENS = "/api/v2/tokens"


@pytest.fixture
def token(db: Database, world: World) -> Any:
    """Makes a token for one of the cast: `token("alice", "read")` is its secret."""

    def make(who: str, scope: str, expires: Instant | None = None) -> str:
        with db.write() as tx:
            body = tokens.NewToken(name="made", scope=scope, expires=expires)  # type: ignore[arg-type]
            return tokens.insert_token(tx, CONSOLE, world.users[who], body)[1]

    return make


def kept() -> Any:
    return select(*schema.tokens.c)


def revision(db: Database) -> int:
    with db.read() as tx:
        return tx.revision


def own(api: ApiClient, secret: str) -> dict[str, Any]:
    """What GET tells of the token itself: the newest of its user's."""
    return dict(api.all(f"{TOKENS}?ordering=-created", secret)[0])


# ── who sees and makes them ────────────────────────────────────────────────────────────────


def test_a_stranger_sees_no_others_tokens(api: ApiClient, token: Any) -> None:
    admin = token("charlie", "admin")
    alices = api.all(f"{TOKENS}?user=alice", "dora")[0]["url"]
    assert code(api.get(alices, admin)) == "404 not_found"
    assert code(api.delete(alices, admin)) == "404 not_found"
    assert api.get(f"{TOKENS}?user=alice", admin).json["count"] == 0
    assert {found["user"]["username"] for found in api.all(TOKENS, admin)} == {"charlie"}


def test_the_secret_is_shown_once_and_only_its_hash_is_kept(
    api: ApiClient, db: Database, token: Any
) -> None:
    made = api.post(TOKENS, token("alice", "admin"), {"name": " ci ", "scope": "read"})
    assert made.status_code == 201
    assert list(made.json) == [
        *("id", "uuid", "url", "name", "scope", "created", "expires", "last_used", "token")
    ]
    assert (made.json["name"], made.json["scope"], made.json["created"]) == ("ci", "read", NOON)
    assert (made.json["expires"], made.json["last_used"]) == (None, None)
    assert made.headers["location"] == made.json["url"]
    assert made.headers["cache-control"] == "no-store"
    secret = made.json["token"]
    assert api.get("/image_versions", secret).status_code == 200
    assert secret not in api.get(made.json["url"], "alice").text
    assert secret not in api.get(TOKENS, "alice").text
    with db.read() as tx:
        [row] = [row for row in tx.rows(kept) if row["id"] == made.json["id"]]
        told = tx.sql("SELECT changes FROM audit").fetchall()
    assert row["sha256"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(row) + str(told)


# ── scopes ─────────────────────────────────────────────────────────────────────────────────


def changes(api: ApiClient, world: World, who: str) -> list[tuple[str, Result]]:
    """One refused or allowed change at every kind of endpoint, to things that alice may change."""
    version, image = world.versions["kept"], world.images["kept"]
    asked = (
        ("PATCH", f"/image_versions/{version}", {"change_log": "x"}),
        ("PATCH", f"/api/v2/images/{image}", {"description": "x"}),
        ("PATCH", f"/api/v2/licenses/{world.licenses['apache']}", {"title": "x"}),
        ("PATCH", f"/api/v2/groups/{world.groups['lab']}", {"users": ["alice"]}),
        ("POST", "/image_versions", {"name": "n", "image": image}),
        ("POST", "/api/v2/images", {"name": "n"}),
        ("POST", "/api/v2/boot_scripts", {"title": "t", "type": "Raw Text", "text": "t"}),
        ("POST", "/api/v2/image_version_memberships", {"image_version": version, "group": "bob"}),
        ("DELETE", f"/image_versions/{version}", None),
    )
    return [
        (f"{method} {address}", api.ask(method, address, who, body))
        for method, address, body in asked
    ]


def test_a_read_token_of_an_owner_reads_all_and_changes_nothing(
    api: ApiClient, world: World, token: Any, db: Database
) -> None:
    reader = token("alice", "read")
    before = revision(db)
    for asked, answer in changes(api, world, reader):
        assert code(answer) == "403 scope_insufficient", asked
    assert code(api.post(TOKENS, reader, {"name": "x"})) == "403 scope_insufficient"
    assert revision(db) == before
    # What its user reads it reads: history too.
    version = f"/image_versions/{world.versions['closed']}"
    assert api.get(version, reader).content == api.get(version, "alice").content
    assert api.get(f"{version}/history", reader).json["count"] == 1
    for asked, answer in changes(api, world, "alice"):
        assert answer.status_code < 300, asked


def test_what_is_not_there_is_404_for_a_read_token_too(api: ApiClient, token: Any) -> None:
    reader = token("charlie", "read")
    absent = "/image_versions/0190f0e0-0000-7000-8000-000000000000"
    assert code(api.patch(absent, reader, {"name": "x"})) == "404 not_found"
    assert code(api.delete(absent, reader)) == "404 not_found"


def test_a_staff_users_token_without_admin_is_an_ordinary_users(
    api: ApiClient, world: World, token: Any
) -> None:
    for scope in ("read", "write"):
        narrow = token("dora", scope)
        for address in (
            "/image_versions",
            *(f"/api/v2/{name}" for name in ("images", "providers", "boot_scripts", "tags")),
            *(f"/api/v2/{name}" for name in ("provider_machines", "image_version_memberships")),
        ):
            assert api.get(address, narrow).json == api.get(address, "charlie").json, address
        for address in ("users", "groups"):
            [only] = api.all(f"/api/v2/{address}", narrow)
            assert only.get("username", only.get("name")) == "dora"
        hidden = f"/image_versions/{world.versions['closed']}"
        assert code(api.get(hidden, narrow)) == "404 not_found"
        assert code(api.get(f"{hidden}/history", narrow)) == "404 not_found"
    narrow = token("dora", "write")
    assert code(api.patch(hidden, narrow, {"name": "x"})) == "404 not_found"
    assert code(api.post("/api/v2/users", narrow, {"username": "x"})) == "403 staff_required"
    open_image = f"/api/v2/images/{world.images['open']}"
    assert code(api.patch(open_image, narrow, {"name": "x"})) == "403 change_forbidden"
    assert api.post("/api/v2/images", narrow, {"name": "mine"}).status_code == 201


def test_admin_makes_no_staff(api: ApiClient, world: World, token: Any) -> None:
    admin = token("charlie", "admin")
    assert code(api.post("/api/v2/users", admin, {"username": "x"})) == "403 staff_required"
    assert code(api.get(f"/image_versions/{world.versions['closed']}", admin)) == "404 not_found"


def test_tokens_need_a_token_of_the_scope_admin(api: ApiClient, token: Any) -> None:
    own_url = api.all(TOKENS, "charlie")[0]["url"]
    for scope in ("read", "write"):
        narrow = token("charlie", scope)
        assert code(api.post(TOKENS, narrow, {"name": "x"})) == "403 scope_insufficient"
        assert code(api.delete(own_url, narrow)) == "403 scope_insufficient"
    assert api.delete(own_url, token("charlie", "admin")).status_code == 204


def test_a_token_makes_none_that_reaches_further(api: ApiClient, token: Any, clock: Clock) -> None:
    soon = Instant("2026-06-15T13:00:00.000000Z")
    admin = token("alice", "admin", soon)
    for expires in (None, "2026-06-15T13:00:00.000001Z", "2026-06-15T14:00:00Z"):
        answer = api.post(TOKENS, admin, {"scope": "read", "expires": expires})
        assert code(answer) == "403 scope_insufficient", expires
    for expires in ("2026-06-15T13:00:00Z", "2026-06-15T14:30:00+02:00"):
        assert api.post(TOKENS, admin, {"scope": "admin", "expires": expires}).status_code == 201
    endless = token("alice", "admin")
    assert api.post(TOKENS, endless, {"scope": "admin"}).json["expires"] is None
    for past in (NOON, "2026-06-15T11:00:00Z", "0001-01-01T00:00:00Z"):
        answer = api.post(TOKENS, endless, {"expires": past})
        assert code(answer) == "400 field_invalid", past
    for wrong in ({"expires": "2026-06-15T13:00:00"}, {"scope": "root"}, {"user": "bob"}):
        assert code(api.post(TOKENS, endless, wrong)) == "400 field_invalid", wrong


# ── ends ───────────────────────────────────────────────────────────────────────────────────


def test_a_token_expires_at_its_instant(api: ApiClient, token: Any, clock: Clock) -> None:
    secret = token("alice", "write", Instant("2026-06-15T13:00:00.000000Z"))
    clock.now = Instant("2026-06-15T12:59:59.999999Z")
    assert api.get("/image_versions", secret).status_code == 200
    clock.now = Instant("2026-06-15T13:00:00.000000Z")
    assert code(api.get("/image_versions", secret)) == "401 token_invalid"
    assert code(api.post("/api/v2/images", secret, {"name": "x"})) == "401 token_invalid"


def test_revoking_stops_it_at_once_and_for_good(api: ApiClient, token: Any, clock: Clock) -> None:
    admin, secret = token("alice", "admin"), token("alice", "write")
    url = api.all(f"{TOKENS}?name=made", admin)[-1]["url"]
    assert api.get("/image_versions", secret).status_code == 200
    assert api.delete(url, admin).status_code == 204
    assert code(api.get("/image_versions", secret)) == "401 token_invalid"
    assert code(api.delete(url, secret)) == "401 token_invalid"
    clock.move(minutes=1)
    assert api.delete(url, admin).status_code == 204
    assert api.get(url, admin).json["revoked_at"] == NOON
    assert code(api.patch(url, admin, {"revoked_at": None})) == "405 method_not_allowed"


def test_staff_revoke_anybodys(api: ApiClient, token: Any) -> None:
    secret = token("alice", "write")
    url = api.all(f"{TOKENS}?user=alice&name=made", "dora")[0]["url"]
    assert api.delete(url, "dora").status_code == 204
    assert code(api.get("/image_versions", secret)) == "401 token_invalid"


def test_a_token_revokes_itself(api: ApiClient, token: Any) -> None:
    secret = token("alice", "admin")
    url = api.all(f"{TOKENS}?name=made", secret)[0]["url"]
    assert api.delete(url, secret).status_code == 204
    assert code(api.get(url, secret)) == "401 token_invalid"


# ── last use ───────────────────────────────────────────────────────────────────────────────


def test_last_use_is_kept_to_the_hour_outside_the_revision(
    api: ApiClient, db: Database, token: Any, clock: Clock
) -> None:
    secret = token("alice", "read")
    before = revision(db)
    db.trace = written = []

    def writes() -> int:
        found = sum("UPDATE tokens" in text for text in written)
        written.clear()
        return found

    clock.move(minutes=10)
    assert own(api, secret)["last_used"] is None
    assert writes() == 1
    for minutes in (20, 29):
        clock.move(minutes=minutes)
        assert own(api, secret)["last_used"] == "2026-06-15T12:00:00.000000Z"
        assert api.get("/image_versions", secret).status_code == 200
        assert writes() == 0
    clock.move(minutes=1)
    api.get("/image_versions", secret)
    assert writes() == 1
    assert own(api, secret)["last_used"] == "2026-06-15T13:00:00.000000Z"
    assert revision(db) == before


def test_a_use_that_is_refused_is_a_use(api: ApiClient, token: Any) -> None:
    secret = token("charlie", "write")
    assert code(api.get("/api/v2/users/1", secret)) == "404 not_found"
    assert own(api, secret)["last_used"] == "2026-06-15T12:00:00.000000Z"


# ── the Authorization header ───────────────────────────────────────────────────────────────

ADDRESSES = ("/image_versions", "/api/v2/licenses/1", "/api/v2/tokens", "/nowhere", "/api/v2/x/y")


@pytest.mark.parametrize("scheme", ["Token", "token", "TOKEN", "Bearer", "bearer", "BEARER"])
def test_both_schemes_in_any_case(api: ApiClient, world: World, scheme: str) -> None:
    sent = {"Authorization": f"{scheme} {world.secrets['alice']}"}
    assert api.get("/api/v2/users", headers=sent).json["results"][0]["username"] == "alice"


def test_a_header_that_is_not_one_valid_token_is_401_everywhere(
    api: ApiClient, world: World
) -> None:
    good = world.secrets["alice"]
    for header in (
        "",
        " ",
        "Token",
        "Token ",
        good,
        "Token wrong",
        f"Token {good}x",
        f"Token {good[:-1]}",
        f"Token {good.upper()}",
        f"Token {good} trailing",
        f"Token {good},",
        f"Token {good}, Token {good}",
        f"Token {good},Bearer {good}",
        f"Token {good} {good}",
        f'Token "{good}"',
        f"Token token={good}",
        f"Token\t{good}",
        f"Token{good}",
        f"Basic {good}",
        "Basic YWxpY2U6YWxpY2Utc2VjcmV0",
        f"Digest {good}",
        f"Tok\u00ebn {good}",
        "Token " + "a" * 5000,
    ):
        for address in ADDRESSES:
            answer = api.get(address, headers={"Authorization": header})
            assert code(answer) == "401 token_invalid", (header[:40], address)
            assert "WWW-Authenticate" in answer.headers
            assert good not in answer.text
        refused = api.post(
            TOKENS,
            None,
            {"username": "alice", "password": "alice-secret"},
            headers={"Authorization": header},
        )
        assert code(refused) == "401 token_invalid", header[:40]


def test_two_headers_are_never_one_token(api: ApiClient, world: World) -> None:
    pair = [("Authorization", f"Token {world.secrets['alice']}")] * 2
    answer = api.client.simulate_get("/image_versions", headers=pair)
    assert code(answer) == "401 token_invalid"


def test_without_a_header_unknown_addresses_are_404(api: ApiClient) -> None:
    for address in ("/nowhere", "/api/v2/x/y"):
        assert code(api.get(address)) == "404 not_found"


def test_no_idempotency_key_where_a_secret_is_answered(api: ApiClient, token: Any) -> None:
    sent = {"Idempotency-Key": "once"}
    answers = [
        api.post(TOKENS, token("alice", "admin"), {"name": "x"}, headers=sent),
        api.post(TOKENS, None, {"username": "alice", "password": "alice-secret"}, headers=sent),
    ]
    assert {code(answer) for answer in answers} == {"409 idempotency_not_offered"}
    assert api.get(f"{TOKENS}?name=x", "alice").json["count"] == 0
    # Last of all refusals, as every conflict is.
    narrow = api.post(TOKENS, token("alice", "write"), {"name": "x"}, headers=sent)
    assert code(narrow) == "403 scope_insufficient"
    past = {"expires": "2020-01-01T00:00:00Z"}
    wrong = api.post(TOKENS, token("alice", "admin"), past, headers=sent)
    assert code(wrong) == "400 field_invalid"


# ── what a secret looks like ───────────────────────────────────────────────────────────────


def documented_pattern() -> re.Pattern[str]:
    page = (Path(__file__).parents[2] / "docs" / "access.md").read_text("utf-8")
    [pattern] = re.findall(r"^```regex\n(.+)\n```$", page, re.MULTILINE)
    return re.compile(pattern)


def test_secrets_match_the_documented_pattern_and_have_their_checksum(token: Any) -> None:
    pattern = documented_pattern()
    made = [tokens.new_secret() for _ in range(500)] + [token("alice", "read")]
    for secret in made:
        assert pattern.findall(f'export TOKEN="{secret}";') == [secret]
        assert tokens.may_be_token(secret)
        left = zlib.crc32(secret[3:39].encode())
        digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
        assert left == sum(digits.index(c) * 62**n for n, c in enumerate(reversed(secret[39:])))


def test_a_mistyped_secret_costs_no_statement(api: ApiClient, db: Database, token: Any) -> None:
    secret = token("alice", "read")
    place = "x" if secret[10] != "x" else "y"
    for wrong in (f"{secret[:10]}{place}{secret[11:]}", secret[:-1], f"{secret}xx", "x"):
        db.trace = []
        assert code(api.get("/api/v2/images", wrong)) == "401 token_invalid"
        assert db.trace == []
    # One that fits its checksum is looked for.
    db.trace = []
    assert code(api.get("/api/v2/images", tokens.new_secret())) == "401 token_invalid"
    assert len(db.trace) == 1


def test_tokens_without_a_checksum_keep_working(api: ApiClient, db: Database, world: World) -> None:
    before = "gr_" + "aB3-_" * 8 + "xyz"
    with db.write() as tx:
        [row] = tx.rows(kept)[:1]
        digest = hashlib.sha256(before.encode()).hexdigest()
        tx.update(schema.tokens, {"id": row["id"]}, sha256=digest)
    assert api.get("/api/v2/images", before).status_code == 200
