"""Request ids in and out and in the log, and slow requests with the names of their statements."""

import itertools
import logging

import pytest
from falcon import testing

from goldenrod.base import config
from goldenrod.store.current_request import CURRENT, MOST_STATEMENTS, CurrentRequest
from goldenrod.store.db import Database
from goldenrod.web.app import build_app
from goldenrod.web.monitoring import watch
from goldenrod.web.monitoring.watch import MOST_ID, statements
from goldenrod.web.server import log_formatter
from tests.support.cast import World


def client_over(db: Database, **settings: str) -> testing.TestClient:
    return testing.TestClient(build_app(db, config.load(settings)))


def test_each_answer_has_the_id_of_its_request(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_over(sqlite_db)
    asked = (
        *("/healthz", "/api/v2/images", "/api/v2/images", "/nowhere", "/images/", "/"),
        *("/api/v2/images/x", f"/{'x' * 5000}"),
    )
    given = [client.simulate_get(address).headers["x-request-id"] for address in asked]
    assert len(set(given)) == len(asked), "two requests have the same id"

    def answered(id_: str, address: str = "/api/v2/images", method: str = "GET") -> str:
        answer = client.simulate_request(method, address, headers={"X-Request-Id": id_})
        return answer.headers["x-request-id"]

    assert answered("a-b:c/d=e+f.0_9") == "a-b:c/d=e+f.0_9"
    assert answered("abc", method="HEAD") == answered("abc", method="DELETE") == "abc"
    assert answered('<b>"x\x1b[31m y;\x7fz</b>') == "bx31myz/b"
    assert answered("y" * 5_000) == "y" * MOST_ID
    assert len(answered(" ;")) > 10  # nothing is left of it: a new one

    def bug() -> None:
        raise RuntimeError("a bug")

    form = log_formatter("json")
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(form.format(record))  # type: ignore[method-assign]
    logging.getLogger("goldenrod").addHandler(handler)
    try:
        monkeypatch.setattr(sqlite_db, "optimistic_read", bug)
        assert answered("my-id-1", "/api/v2/tags") == "my-id-1"
        logging.getLogger("goldenrod").error("after the request")
    finally:
        logging.getLogger("goldenrod").removeHandler(handler)
    assert '"request_id": "my-id-1"' in lines[0]
    assert "request_id" not in lines[-1]
    assert CURRENT.get() is None


def test_a_slow_request_is_logged_with_the_names_of_its_statements_only(
    db: Database,
    world: World,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = client_over(db, GOLDENROD_SLOW_MS="1", GOLDENROD_CACHE_MB="0")
    # Each look at the clock is 10 ms later, so that every request is slow.
    monkeypatch.setattr(watch, "perf_counter", itertools.count(0.0, 0.01).__next__)
    secret = "xyzzy-private"
    headers = {"Authorization": f"Token {world.secrets['alice']}", "X-Request-Id": "slow-1"}
    with caplog.at_level(logging.DEBUG):
        client.simulate_get(f"/api/v2/images?search={secret}", headers=headers)
        client.simulate_get(f"/api/v2/images/{secret}", headers=headers)
    slow = [record for record in caplog.records if record.name == "goldenrod.slow"]
    assert [record.__dict__["route"] for record in slow] == [
        "/api/v2/images",
        "/api/v2/images/{key}",
    ]
    first, second = (record.__dict__ for record in slow)
    assert (first["method"], first["status"], second["status"]) == ("GET", "200", "404")
    assert "catalogue.accounts.actors." in first["statements"]
    assert "rules.resources._one" in second["statements"]
    assert "SELECT" not in first["statements"].upper().replace("_SELECT", "")
    for record in caplog.records:
        assert secret not in str(record.__dict__)
        assert world.secrets["alice"] not in str(record.__dict__)
    caplog.clear()
    quiet = client_over(db, GOLDENROD_SLOW_MS="0")
    with caplog.at_level(logging.DEBUG):
        quiet.simulate_get("/api/v2/images")
    assert not [record for record in caplog.records if record.name == "goldenrod.slow"]


def test_the_statements_of_a_request_are_recorded_up_to_a_number() -> None:
    request = CurrentRequest("x")
    for number in range(MOST_STATEMENTS + 7):
        request.add(f"build{number % 12}", 0.0, 0.001 * (number % 12))
    assert len(request.ran) == MOST_STATEMENTS
    said = statements(request)
    assert said.startswith("build11 x41 451 ms, build10 x41 410 ms, ")
    assert said.endswith(f", {42 * 2 + 7} others")
    assert statements(CurrentRequest("y")) == "none"
