"""`/healthz`: whether the process answers, whatever the database does."""

import pytest
from falcon import testing

from goldenrod.base import config
from goldenrod.store.db import Database
from goldenrod.web.app import build_app


def test_a_process_says_that_it_answers(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = testing.TestClient(build_app(sqlite_db, config.load({})))
    monkeypatch.setattr(sqlite_db, "_transaction", None)  # whoever asks the database fails
    answer = client.simulate_get("/healthz?for=load-balancer")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = client.simulate_head("/healthz")
    assert (head.status_code, head.text) == (200, "")
    assert client.simulate_post("/healthz").status_code == 405
