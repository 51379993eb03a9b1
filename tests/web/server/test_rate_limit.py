"""How many requests each client may send, and how many are answered at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from falcon import testing

from goldenrod.base import config
from goldenrod.store.db import Database
from goldenrod.web.app import API, build_app
from goldenrod.web.limits import gate, rate_limit
from goldenrod.web.limits.gate import Gate
from goldenrod.web.limits.rate_limit import RateLimit
from tests.support.cast import build_world

PROXY = {"GOLDENROD_TRUSTED_PROXIES": "127.0.0.0/8"}
LIST = f"{API}/images?page_size=1"


@pytest.fixture
def client(sqlite_db: Database, stopped: list[float]) -> testing.TestClient:
    """A client of a server that allows 4 requests in a window."""
    return testing.TestClient(
        build_app(sqlite_db, config.load(PROXY | {"GOLDENROD_RATE_LIMIT": "1"}))
    )


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the windows, which stands still."""
    now = [1000.0]

    class Clock:
        def monotonic(self) -> float:
            return now[0]

    monkeypatch.setattr(rate_limit, "time", Clock())
    return now


def test_a_client_that_sends_too_much_is_told_when_to_come_back(
    client: testing.TestClient, stopped: list[float]
) -> None:
    for _ in range(4):
        assert client.simulate_get(LIST).status_code == 200
    refused = client.simulate_get(LIST, headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "4"
    assert refused.headers["RateLimit"] == '"client";r=0;t=4'
    assert refused.headers["RateLimit-Policy"] == '"client";q=4;w=4'
    assert refused.headers["Cache-Control"] == "no-store"
    assert "Permissions-Policy" in refused.headers
    for method in ("POST", "HEAD"):
        assert client.simulate_request(method, "/nowhere").status_code == 429
    page = client.simulate_get("/", headers={"Accept": "text/html"})
    assert page.status_code == 429 and page.headers["Retry-After"] == "4"
    assert "<h1>Too many requests</h1>" in page.text and page.text.startswith("<!doctype html>")
    # Supervisors and other clients are answered.
    assert client.simulate_get("/healthz").status_code == 200
    other = {"X-Forwarded-For": "192.0.2.7"}
    assert client.simulate_get(LIST, headers=other).status_code == 200
    stopped[0] += 4
    assert client.simulate_get(LIST).status_code == 200


def test_spellings_and_invented_tokens_give_no_further_allowance_but_valid_tokens_do(
    sqlite_db: Database, stopped: list[float]
) -> None:
    client = testing.TestClient(
        build_app(sqlite_db, config.load(PROXY | {"GOLDENROD_RATE_LIMIT": "1"}))
    )

    def status(address: str, token: str = "") -> int:
        headers = {"X-Forwarded-For": address}
        if token:
            headers["Authorization"] = f"Token {token}"
        return client.simulate_get(LIST, headers=headers).status_code

    spellings = ("2001:db8::1", "[2001:db8::2]:443", "2001:0DB8:0:0:1::", "2001:db8::3")
    assert [status(address) for address in spellings] == [200] * 4
    assert status("2001:db8::4") == 429 and status("2001:db8:0:1::1") == 200

    assert [status("192.0.2.1", f"invented{n}") for n in range(5)] == [401] * 4 + [429]
    alice = build_world(sqlite_db).secrets["alice"]
    # The first request of a token counts for the address, the others for the token, from anywhere.
    assert status("192.0.2.2", alice) == 200
    assert [status(f"192.0.2.{n}", alice) for n in range(1, 6)] == [200] * 4 + [429]
    assert [status("192.0.2.2") for _ in range(4)] == [200] * 3 + [429]
    # A proxy that does not say whose request it is.
    assert [status("unknown") for _ in range(5)] == [200] * 4 + [429]


def test_any_number_of_clients_takes_limited_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_CLIENTS", "MOST_TOKENS"):
        monkeypatch.setattr(rate_limit, name, 50)
    limit = RateLimit(config.load({"GOLDENROD_RATE_LIMIT": "100"}))
    for n in range(1000):
        request = {"REMOTE_ADDR": f"10.0.{n >> 8}.{n & 255}", "HTTP_AUTHORIZATION": f"Token {n}"}
        assert limit.spend(request) is None
        limit.learn(request | {rate_limit.TOKEN_VALID: True}, "200 OK")
        for held in (limit._left, limit._tokens, limit._limiter.storage._counts):  # type: ignore[attr-defined]
            assert len(held) <= 51
    assert limit._address.cache_info().maxsize == 50


def test_the_default_lets_a_client_send_thousands_of_requests_a_minute(
    stopped: list[float],
) -> None:
    limit = RateLimit(config.load({}))
    for _ in range(5000):
        assert limit.spend({"REMOTE_ADDR": "192.0.2.1"}) is None
        stopped[0] += 60 / 5000
    spent = sum(limit.spend({"REMOTE_ADDR": "192.0.2.2"}) is None for _ in range(1000))
    assert spent == 400


# ── requests at once ───────────────────────────────────────────────────────────────────────


@contextmanager
def busy(gate: Gate, *, changes: int, reads: int) -> Iterator[None]:
    turns = [gate.turn(change=True) for _ in range(changes)]
    turns += [gate.turn(change=False) for _ in range(reads)]
    for turn in turns:
        turn.begin()
    yield
    for turn in turns:
        turn.end()


def test_more_requests_than_the_server_can_answer_are_refused_at_once_or_soon(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WAIT_S", "CHANGE_WAIT_S"):
        monkeypatch.setattr(gate, name, 0.05)
    made: list[Gate] = []
    monkeypatch.setattr("goldenrod.web.app.Gate", lambda n: made.append(Gate(n)) or made[0])
    settings = config.load({"GOLDENROD_RATE_LIMIT": "0"})
    client = testing.TestClient(build_app(sqlite_db, settings, 4))
    alice = {"Authorization": f"Token {build_world(sqlite_db).secrets['alice']}"}
    cached = client.simulate_get(LIST)
    assert cached.status_code == 200

    with busy(made[0], changes=0, reads=2):
        refused = client.simulate_get(f"{API}/tags")
        assert (refused.status_code, refused.json["code"]) == (503, "server_busy")
        assert refused.headers["Retry-After"] == "1"
        page = client.simulate_get("/", headers={"Accept": "text/html"})
        assert page.status_code == 503 and page.headers["Retry-After"] == "1"
        assert "<h1>The catalogue is busy</h1>" in page.text
        assert client.simulate_get(LIST).status_code == 200, "from the cache"
        assert client.simulate_get("/healthz").status_code == 200

    # Changes have turns of their own: while they wait for each other, others still read.
    body = {"name": "one more"}
    with busy(made[0], changes=2, reads=0):
        assert client.simulate_post(f"{API}/images", json=body, headers=alice).status_code == 503
        assert client.simulate_get(f"{API}/tags").status_code == 200
    assert client.simulate_post(f"{API}/images", json=body, headers=alice).status_code == 201
    with busy(made[0], changes=2, reads=2):
        pass  # every turn was given back


def test_a_turn_is_waited_for_and_given_up_while_a_body_arrives() -> None:
    gate = Gate(1)
    first, second = gate.turn(change=True), gate.turn(change=True)
    first.begin()
    waiting = threading.Thread(target=second.begin)
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    with first.paused():
        waiting.join(5)
        assert not waiting.is_alive()
        threading.Timer(0.05, second.end).start()
    first.end()
    with busy(gate, changes=1, reads=0):
        pass
