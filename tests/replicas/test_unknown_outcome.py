"""A commit whose answer is lost is 503 `outcome_unknown`; repeated with its key, it never doubles."""

import time

import pytest

from goldenrod.base.errors import Unavailable
from goldenrod.store.connections import postgresql
from goldenrod.store.db import Database
from tests.support.client import ApiClient, code

END = b"SELECT pg_terminate_backend(pg_backend_pid())"
WARN = b"DO $$ BEGIN RAISE WARNING 'canceling wait for synchronous replication' ; END $$"
IMAGES = "/api/v2/images"
LOST = {
    "the connection is lost before the commit": (END + b"; COMMIT", 0),
    "the connection is lost after the commit": (b"COMMIT; " + END, 1),
    "the wait for standbys was cancelled": (WARN + b"; COMMIT", 1),
    "the commit takes too long": (b"SELECT pg_sleep(3); COMMIT", None),
}


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.mark.parametrize("how", LOST)
def test_a_repeated_request_with_its_key_never_doubles(
    api: ApiClient, db: Database, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    text, there = LOST[how]
    key = {"Idempotency-Key": "once"}
    with monkeypatch.context() as broken:
        broken.setattr(postgresql, "_COMMIT", text)
        broken.setattr(postgresql, "COMMIT_WAIT_S", 0.2 if there is None else 30)
        answer = api.post(IMAGES, "charlie", {"name": "once"}, headers=key)
    assert code(answer) == "503 outcome_unknown"
    assert answer.headers["retry-after"] == "2"
    mine = f"{IMAGES}?owner=charlie"
    if there is not None:
        assert api.get(mine, "charlie").json["count"] == there
    ends = time.monotonic() + 30
    while (again := api.post(IMAGES, "charlie", {"name": "once"}, headers=key)).status_code == 503:
        assert time.monotonic() < ends, again.text
    assert again.status_code == 201, again.text
    found = api.get(mine, "charlie").json
    assert [it["id"] for it in found["results"]] == [again.json["id"]]


def test_what_the_database_refuses_to_commit_is_not_unknown(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = db.current_revision()
    refused = b"DO $$ BEGIN RAISE unique_violation; END $$; COMMIT"
    with monkeypatch.context() as broken:
        broken.setattr(postgresql, "_COMMIT", refused)
        with pytest.raises(Exception, match="unique_violation"), db.write():
            pass
    assert db.current_revision().seen == before.seen
    # A statement failed, and somebody went on: PostgreSQL answers COMMIT with ROLLBACK.
    with pytest.raises(Exception, match="aborted"), db.write() as tx:  # noqa: SIM117
        with pytest.raises(Exception, match="nowhere"):
            tx.sql("SELECT * FROM nowhere")
    assert db.current_revision().seen == before.seen
    with db.write():
        pass


def test_no_timeout_cancels_a_commit(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = b"SET LOCAL statement_timeout = 0; SELECT pg_sleep(0.3); COMMIT"
    assert postgresql._COMMIT == b"SET LOCAL statement_timeout = 0; COMMIT"
    before = db.current_revision().revision
    monkeypatch.setattr(postgresql, "_COMMIT", slow)
    with db.write() as tx:
        tx.sql("SET LOCAL statement_timeout = 100")
    assert db.current_revision().revision == before + 1


def test_a_server_that_only_reads_is_unavailable_and_left(db: Database) -> None:
    """A primary that became a standby refuses changes: another server may be the primary now."""
    with pytest.raises(Unavailable), db.write() as tx:
        tx.sql("SET LOCAL transaction_read_only = on")
        tx.sql("UPDATE catalogue SET revision = revision")
    with db.write():
        pass
