"""`/readyz`: whether the database, the migrations and the revision work, in bounded time."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from goldenrod.store import migrate
from goldenrod.store.db import Database
from goldenrod.web.monitoring import readiness
from tests.web.monitoring.conftest import Monitored

ALL_FINE = {"database": "ok", "migrations": "ok", "revision": "ok"}


def test_it_says_that_everything_works_while_the_pool_is_exhausted(
    new_database: Callable[[str], Database], backend: str, monitored: Callable[..., Monitored]
) -> None:
    db = new_database(backend)
    one = monitored(of=db)
    with ExitStack() as taken:
        for _ in range(8):
            taken.enter_context(db.connection())
        assert db.pool_use().in_use == 8
        began = time.monotonic()
        answer = one.client.simulate_get("/readyz")
        assert time.monotonic() - began < readiness.WAIT_S
    assert answer.status_code == 200
    assert answer.json == {"ready": True, "failed": [], "parts": ALL_FINE}
    assert answer.headers["cache-control"] == "no-store"
    head = one.client.simulate_head("/readyz")
    assert (head.status_code, head.text) == (200, "")
    assert one.client.simulate_post("/readyz").status_code == 405


def test_it_names_the_part_that_fails_and_nothing_else(
    db: Database, monitored: Callable[..., Monitored], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = monitored()
    one.monitoring.readiness._bounded._fresh_s = 0.0

    def failing() -> tuple[int, list[str], dict[str, str]]:
        answer = one.client.simulate_get("/readyz")
        assert (answer.headers.get("retry-after") == "1") is (answer.status_code == 503)
        return answer.status_code, answer.json["failed"], answer.json["parts"]

    monkeypatch.setattr(migrate, "HEAD", "9999")
    assert failing() == (503, ["migrations"], ALL_FINE | {"migrations": "older"})
    # While servers are upgraded one by one, those of the release before go on.
    monkeypatch.setattr(migrate, "HEAD", "0000")
    assert failing() == (200, [], ALL_FINE | {"migrations": "newer"})
    monkeypatch.undo()

    def broken() -> None:
        raise RuntimeError("connection to server at db.example.org failed for user goldenrod")

    with monkeypatch.context() as patched:
        patched.setattr(db, "current_revision", broken)
        assert failing() == (503, ["revision"], ALL_FINE | {"revision": "unavailable"})
    with monkeypatch.context() as patched:
        patched.setattr(one.monitoring.readiness, "_own", broken)
        assert failing() == (
            503,
            ["database", "migrations"],
            {"database": "unavailable", "migrations": "unknown", "revision": "ok"},
        )
    assert failing() == (200, [], ALL_FINE)


def test_a_database_that_never_answers_takes_bounded_time_and_one_thread(
    db: Database, monitored: Callable[..., Monitored], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = monitored()
    one.monitoring.readiness._bounded._wait_s = 0.2
    never = threading.Event()
    asked = []

    def silent() -> Database:
        asked.append(1)
        never.wait(30)
        return db

    monkeypatch.setattr(one.monitoring.readiness, "_own", silent)
    began = time.monotonic()
    answers = [one.client.simulate_get("/readyz") for _ in range(3)]
    assert time.monotonic() - began < 5
    never.set()
    assert len(asked) == 1, "each probe started another thread"
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json["parts"] == {
        "database": "timed out",
        "migrations": "unknown",
        "revision": "unknown",
    }
