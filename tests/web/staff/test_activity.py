"""Activity: who did what, for staff, with filters; the newest first, from an index."""

from typing import Any

import pytest

from goldenrod.catalogue.accounts import activity
from goldenrod.rules import resources
from goldenrod.rules.access import CONSOLE, ReaderKind
from goldenrod.store import paging
from goldenrod.store.db import Database, Tx
from goldenrod.store.statements import statement
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient

ACTIVITY = "/api/v2/activity"


def done(api: ApiClient, query: str = "") -> list[tuple[str, str | None]]:
    """The actions and who did them, of all pages of two."""
    sep = "&" if query else "?"
    found = api.all(f"{ACTIVITY}{query}{sep}page_size=2", "dora")
    return [(it["action"], it["by"] and it["by"]["username"]) for it in found]


@pytest.fixture
def busy(api: ApiClient, world: World, clock: Clock) -> Any:
    """Alice renames an image and assigns a channel, charlie is refused, and somebody fails to sign in."""
    clock.move(minutes=1)
    start = clock.now
    assert api.patch("/api/v2/images/open-image", "alice", {"name": "Wide open"}).status_code == 200
    clock.move(minutes=1)
    assert api.patch("/api/v2/images/open-image", "charlie", {"name": "x"}).status_code == 403
    clock.move(minutes=1)
    body = {"username": "alice", "password": "wrong-one"}
    api.client.simulate_post("/api/v2/tokens", json=body, remote_addr="192.0.2.1")
    return start


def test_one_list_has_changes_sign_ins_and_refusals(api: ApiClient, busy: Any) -> None:
    assert done(api, f"?at__gte={busy}") == [
        ("sign_in:failure", "alice"),
        ("access:refused", "charlie"),
        ("image:edit", "alice"),
    ]
    every = done(api)
    assert len(every) == api.get(ACTIVITY, "dora").json["count"] > 20
    assert len(every) - 2 == len(done(api, "?result=changes"))
    assert done(api, "?result=refusals") == [("access:refused", "charlie")]
    assert done(api, "?result=sign_ins&user=alice") == [("sign_in:failure", "alice")]
    assert done(api, "?address=192.0.2.1") == [("sign_in:failure", "alice")]
    assert done(api, "?action=image:edit") == [("image:edit", "alice")]
    assert {it[0] for it in done(api, "?resource=image")} == {"image:create", "image:edit"}
    assert done(api, f"?image=open-image&user=alice&at__gte={busy}") == [("image:edit", "alice")]
    assert {it[0].split(":")[0] for it in done(api, "?image=open-image")} <= {
        "image",
        "version",
        "machine",
        "channel",
    }
    assert done(api, "?result=refusals&resource=image") == done(api, "?user=nobody") == []
    refused = api.get(f"{ACTIVITY}?result=everything", "dora")
    assert refused.status_code == 400


def test_an_entry_says_what_was_changed_by_name(api: ApiClient, busy: Any) -> None:
    [entry] = api.all(f"{ACTIVITY}?action=image:edit", "dora")
    assert entry["subject"]["name"] == "Wide open"
    assert entry["subject"]["image"]["slug"] == "open-image"
    assert entry["changes"]["name"]["after"] == "Wide open"
    assert entry["detail"] is entry["address"] is None
    [refusal] = api.all(f"{ACTIVITY}?result=refusals", "dora")
    assert refusal["detail"]["method"] == "PATCH" and refusal["changes"] is None


MANY = 200_000


def _fill(db: Database, tx: Tx) -> None:
    """Audit entries over many days, and as many security events as a quarter of them."""
    whole = f"WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < {MANY})"
    day = "'2026-01-%02dT00:00:00.%06dZ'" % (1, 0)
    at = f"datetime({day}, '+' || i || ' seconds')" if db.dialect == "sqlite" else "now()"
    at = (
        "strftime('%Y-%m-%dT%H:%M:%S', 1767225600 + i, 'unixepoch') || '.000000Z'"
        if db.dialect == "sqlite"
        else "to_timestamp(1767225600 + i)"
    )
    tx.sql(
        f"INSERT INTO audit (at, user_id, via, action, subject, subject_id, changes) {whole} "
        f"SELECT {at}, 1 + i % 3, 'user', CASE WHEN i % 100 = 0 THEN 'image:edit' ELSE "
        "'version:edit' END, 'versions', 1, '{}' FROM i"
    )
    tx.sql(
        "INSERT INTO security_events (at, last_at, kind, via, address, detail, count) "
        f"{whole} SELECT {at}, {at}, CASE WHEN i % 2 = 0 THEN 'access:refused' ELSE "
        f"'sign_in:success' END, 'user', '192.0.2.1', '{{}}', 1 FROM i WHERE i < {MANY} / 4"
    )
    tx.sql("ANALYZE")


def plan(tx: Tx, query: paging.Query) -> str:
    """How the database finds the rows of a page."""
    shape = query.forms, ReaderKind.STAFF, query.order, None, False
    ready = statement(tx.dialect, activity._rows, *shape)
    params = {**resources.params(tx, CONSOLE), **query.params, "size": 51, "offset": 0}
    explain = "EXPLAIN QUERY PLAN" if tx.dialect.name == "sqlite" else "EXPLAIN"
    given = ready.given(params)
    return "\n".join(str(tuple(row)[-1]) for row in tx.sql(f"{explain} {ready.text}", given))


def test_many_entries_are_read_from_an_index(db: Database, world: World) -> None:
    """At 200,000 changes: no plan reads a table whole, or sorts one."""
    asked = [{}, {"user": "alice"}, {"action": "version:edit"}, {"resource": "version"}]
    asked += [{"result": "sign_ins"}, {"at__lt": "2026-03-01T00:00:00Z"}, {"result": "refusals"}]
    with db.write() as tx:
        _fill(db, tx)
        for given in asked:
            query = paging.parse(activity.LIST, {name: [it] for name, it in given.items()})
            found = plan(tx, query)
            print(given, found)
        assert 0
