"""Activity: who did what, for staff, with filters; the newest first, from an index."""

import csv
import io
import itertools
import re
from typing import Any

import pytest

from goldenrod.catalogue.accounts import activity
from goldenrod.rules import resources
from goldenrod.rules.access import CONSOLE, ReaderKind
from goldenrod.store import paging
from goldenrod.store.db import Database, Tx
from goldenrod.web.pages.staff import activity_text
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor
from tests.support.plans import plan_of

ACTIVITY = "/api/v2/activity"


def done(api: ApiClient, query: str = "") -> list[tuple[str, str | None]]:
    """The actions and who did them, of all pages of two."""
    sep = "&" if query else "?"
    found = api.all(f"{ACTIVITY}{query}{sep}page_size=2", "dora")
    return [(it["action"], it["by"] and it["by"]["username"]) for it in found]


@pytest.fixture
def busy(api: ApiClient, world: World, clock: Clock) -> Any:
    """Alice renames an image, charlie is refused, and somebody fails to sign in."""
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


def test_the_page_says_it_in_sentences_with_links(dora: Visitor, api: ApiClient, busy: Any) -> None:
    page = dora.get("/staff/activity")
    assert page.status == 200
    for sentence in (
        "alice failed to sign in with a password",
        "charlie was refused PATCH /api/v2/images/{key} (change_forbidden)",
        "alice changed the image Wide open",
        "Name: open image → Wide open",
        "alice published the version open-image open-1.0",
    ):
        assert sentence in page.words, sentence
    assert {"/images/open-image", "/staff/users/1"} <= set(page.links)
    every = {it.action for it in page.forms}
    assert "/staff/activity" in every
    only = dora.get("/staff/activity?result=refusals&user=charlie").words
    assert "charlie was refused" in only and "Wide open" not in only
    day = str(busy)[:10]
    assert "alice failed" in dora.get(f"/staff/activity?since={day}&until={day}").words
    assert "No activity matches" in dora.get("/staff/activity?until=2001-01-01").words
    assert "must be a day" in dora.get("/staff/activity?since=soon").words
    assert "takes an id or uuid or slug" in dora.get("/staff/activity?image=A%20B").words


def test_every_action_has_words(dora: Visitor) -> None:
    page = dora.get("/staff/activity").text
    for action in activity.ACTIONS:
        assert f'<option value="{action}">' in page
        assert activity_text.verb(action)


def test_filters_stay_on_the_next_page(dora: Visitor, api: ApiClient, db: Database) -> None:
    with db.write() as tx:
        _fill(tx, 120)
    page = dora.get("/staff/activity?result=changes&since=2026-01-01&until=2026-01-01")
    [more] = [it for it in page.links if "cursor=" in it]
    assert "result=changes" in more and "since=2026-01-01" in more
    assert "Back" in dora.get(more).words


def test_the_file_has_what_the_filters_leave_and_runs_no_formula(
    dora: Visitor, api: ApiClient, busy: Any
) -> None:
    named = api.patch("/api/v2/images/open-image", "alice", {"name": "=1+1"})
    assert named.status_code == 200
    file = dora.get("/staff/activity.csv?action=image:edit")
    assert file.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [row["who"] for row in rows] == ["alice", "alice"]
    assert rows[1]["what"] == "alice changed the image =1+1"
    assert rows[1]["changes"] == "Name: open image → Wide open"
    assert not any(
        str(cell).startswith(("=", "+", "-", "@")) for row in rows for cell in row.values()
    )


def _fill(tx: Tx, many: int) -> None:
    """Audit entries over many days, and as many security events as a quarter of them."""
    whole = f"WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < {many})"
    at = (
        "strftime('%Y-%m-%dT%H:%M:%S', 1767225600 + i, 'unixepoch') || '.000000Z'"
        if tx.dialect == "sqlite"
        else "to_timestamp(1767225600 + i)"
    )
    tx.sql(
        f"INSERT INTO audit (at, user_id, via, action, subject, subject_id, changes) {whole} "
        f"SELECT {at}, 1 + (i & 1), 'user', CASE WHEN (i & 127) = 0 THEN 'image:edit' ELSE "
        "'version:edit' END, 'versions', 1, '{}' FROM i"
    )
    tx.sql(
        "INSERT INTO security_events (at, last_at, kind, via, address, detail, count) "
        f"{whole} SELECT {at}, {at}, CASE WHEN (i & 1) = 0 THEN 'access:refused' ELSE "
        f"'sign_in:success' END, 'user', '192.0.2.1', '{{}}', 1 FROM i WHERE i < {many} / 4"
    )
    tx.sql("ANALYZE")


def plan(tx: Tx, query: paging.Query) -> str:
    """How the database finds the rows of a page."""
    shape = query.forms, ReaderKind.STAFF, query.order, None, False
    params = {**resources.params(tx, CONSOLE), **query.params, "size": 51}
    return plan_of(tx, activity._rows, *shape, **params)


ASKED = [
    {},
    {"user": "alice"},
    {"action": "version:edit"},
    {"resource": "version"},
    {"result": "sign_ins"},
    {"result": "refusals"},
    {"at__lt": "2026-03-01T00:00:00Z"},
]
WHOLE = re.compile(r"Seq Scan on (audit|security_events)|SCAN (audit|security_events)_\d+$", re.M)


@pytest.mark.parametrize("many", [2_000, pytest.param(200_000, marks=pytest.mark.long)])
def test_many_entries_are_read_from_an_index(db: Database, world: World, many: int) -> None:
    """No plan reads a table whole. The rows come in the list's order, so that none are sorted but
    events of one instant."""
    with db.write() as tx:
        _fill(tx, many)
        if many < 200_000 and tx.dialect == "postgresql":
            # PostgreSQL reads small tables whole. Where an index serves, it takes that now.
            tx.sql("SET LOCAL enable_seqscan = off")
        for given in ASKED:
            query = paging.parse(activity.LIST, {name: [it] for name, it in given.items()})
            found = plan(tx, query)
            assert not WHOLE.search(found), (given, found)
            assert re.search(r"ix_audit_(at|user_id|action)|ix_security_events_", found), found
            for line, after in itertools.pairwise(found.splitlines()):
                assert not ("audit_1" in line and after.startswith("USE TEMP B-TREE FOR ORDER"))
