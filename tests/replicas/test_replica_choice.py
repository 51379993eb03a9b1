"""When an answer comes from the replica, and when from the primary.

Here the replica is a copy of the database that never changes, so what comes from it is recognised by
what it lacks. `test_standby.py` has a real one.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from goldenrod.base import config
from goldenrod.store.connections import replica
from goldenrod.store.db import Database
from tests.support.cast import World, build_world
from tests.support.catalogues import Catalogues
from tests.support.client import ApiClient, code
from tests.support.pages.visitor import Visitor
from tests.support.processes.server import within

OUT, IN = "goldenrod-revision", "Goldenrod-Min-Revision"


@pytest.fixture
def pair(
    catalogues: Catalogues, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Database, World]]:
    """A catalogue with a replica that is taken for a standby which has replayed everything."""
    monkeypatch.setattr(replica, "_REPLAYED", replica._WRITTEN)
    url, world = catalogues.postgresql_database(build_world)
    copy, _ = catalogues.postgresql_database(build_world)
    db = Database(url, replica_url=f"{copy}&target_session_attrs=any")
    assert db.replica is not None and within(30, lambda: bool(db.replica and db.replica.usable))
    yield db, world
    db.close()


def test_the_replica_answers_only_who_has_seen_no_more_than_it_has(
    pair: tuple[Database, World],
) -> None:
    db, world = pair
    api = ApiClient(db, config.load({}), world)
    address = f"/image_versions/{world.versions['open']}"
    old = api.get(address)
    seen = api.patch(address, "alice", {"min_cpu": 7}).headers[OUT]
    for _ in range(2):  # from the database, from the cache
        for who in (None, "alice"):
            behind = api.get(address, who)
            assert (behind.json["min_cpu"], behind.headers[OUT]) == (None, old.headers[OUT])
            newest = api.get(address, who, headers={IN: seen})
            assert (newest.json["min_cpu"], newest.headers[OUT]) == (7, seen)
            assert api.get(address, who, headers={IN: old.headers[OUT]}).json["min_cpu"] is None
    ahead = f"{int(seen.partition('-')[0]) + 1}-{'0' * 16}"
    assert code(api.get(address, headers={IN: ahead})) == "503 revision_not_reached"
    # The same number as the replica's with another mark is of another database.
    other = f"{old.headers[OUT].partition('-')[0]}-{'0' * 16}"
    assert api.get(address, headers={IN: other}).json["min_cpu"] == 7
    # A question sent by POST may be answered from it as well.
    asked: dict[str, Any] = {"identifiers": ["ami-open"]}
    assert api.post("/lookup", None, asked).headers[OUT] == old.headers[OUT]
    # A change looks at the primary only.
    assert api.patch(address, "alice", {"min_cpu": 7}).json["min_cpu"] == 7


def test_what_the_replica_does_not_know_is_asked_of_the_primary(
    pair: tuple[Database, World],
) -> None:
    db, world = pair
    api = ApiClient(db, config.load({}), world)
    body = {"username": "alice", "password": "alice-secret", "name": "new", "scope": "admin"}
    made = api.post("/api/v2/tokens", None, body)
    assert made.headers[OUT] > api.get("/image_versions").headers[OUT]
    assert api.get("/image_versions", made.json["token"]).status_code == 200
    assert code(api.get("/image_versions", "never")) == "401 token_invalid"
    # Tokens show when they were used, which changes no revision.
    assert api.get("/api/v2/tokens", made.json["token"]).json["count"] == 2
    # A session exists on the primary only; who is not signed in reads the replica.
    visitor = Visitor(db, config.load({"GOLDENROD_CACHE_MB": "0"}))
    before = visitor.get("/images").headers[OUT]
    api.post("/api/v2/images", "alice", {"name": "fresh", "is_public": True})
    assert visitor.get("/images").headers[OUT] == before
    visitor.sign_in("alice")
    assert "fresh" in visitor.get("/images").words


def test_a_replica_that_lags_fails_or_is_gone_is_not_used_until_it_has_caught_up(
    pair: tuple[Database, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    db, world = pair
    api = ApiClient(db, config.load({"GOLDENROD_CACHE_MB": "0"}), world)
    copy = db.replica
    assert copy is not None and db.replica_lag_seconds() == 0
    copy._stop.set()  # looks only when told to
    copy._thread.join()
    address = f"/image_versions/{world.versions['open']}"
    api.patch(address, "alice", {"min_cpu": 7})

    def from_replica() -> bool:
        copy.look()
        return api.get(address).json["min_cpu"] is None

    def at(written: int | None, replayed: int | None, now: float) -> bool:
        monkeypatch.setattr(copy._written, "read", lambda: written)
        monkeypatch.setattr(copy._replayed, "read", lambda: replayed)
        monkeypatch.setattr(replica.time, "monotonic", lambda: now)
        return from_replica()

    assert from_replica()
    real = replica.time.monotonic()
    assert at(100, 100, real) and copy.lag_seconds() == 0
    assert at(200, 100, real + 4) and copy.lag_seconds() == 4
    assert not at(300, 199, real + 11) and copy.lag_seconds() == 11
    assert at(400, 250, real + 12) and copy.lag_seconds() == 8
    assert not at(400, None, real + 13) and copy.lag_seconds() is None  # down, or promoted
    assert at(400, 400, real + 14)
    # While the primary does not answer, there is nothing newer.
    assert at(None, 400, real + 60) and copy.lag_seconds() is None
    # One that just started, with a primary that is ahead, has to catch up first.
    copy._samples.clear()
    assert not at(500, 450, real + 61) and copy.lag_seconds() is None
    assert at(500, 500, real + 62)
    # It fails in the middle: the primary answers instead, and it is left alone until the next look.
    monkeypatch.undo()
    copy.db._driver._pool.close()  # type: ignore[attr-defined]
    assert api.get(address).json["min_cpu"] == 7
    assert not copy.usable
