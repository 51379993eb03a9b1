"""Security events: what is recorded, for whom, without secrets, and never without bounds."""

import json
import logging
from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.accounts import security_events, tokens, users
from goldenrod.catalogue.transfer.export_import import export_catalogue
from goldenrod.rules.access import CONSOLE
from goldenrod.rules.changes import security_log
from goldenrod.store.db import Database
from goldenrod.web.server import log_formatter
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient, Result, code
from tests.support.pages.visitor import Visitor

EVENTS = "/api/v2/security_events"
TOKENS = "/api/v2/tokens"


@pytest.fixture(autouse=True)
def forget_the_casts(db: Database, world: World) -> None:
    """The cast's own tokens were made at the console."""
    with db.write_unversioned() as tx:
        tx.sql("DELETE FROM security_events")


def sign_in(api: ApiClient, username: str, password: str, address: str = "192.0.2.1") -> Result:
    body = {"username": username, "password": password}
    return api.client.simulate_post(TOKENS, json=body, remote_addr=address)


def events(api: ApiClient, query: str = "") -> list[dict[str, Any]]:
    return api.all(f"{EVENTS}{query}", "dora")


def told(event: dict[str, Any]) -> tuple[str, str | None, str | None, int]:
    user = event["user"] and event["user"]["username"]
    return event["kind"], user, event["address"], event["count"]


def revision(db: Database) -> int:
    with db.read() as tx:
        return tx.revision


def test_signing_in_and_failing_to(api: ApiClient, db: Database) -> None:
    before = revision(db)
    assert sign_in(api, "alice", "wrong-one").status_code == 401
    assert sign_in(api, "ALICE", "wrong-one").status_code == 401
    assert sign_in(api, "hunter2-hunter2", "x").status_code == 401
    assert revision(db) == before
    assert sign_in(api, "alice", "alice-secret", "192.0.2.2").status_code == 201
    found = events(api)
    assert [told(event) for event in found] == [
        ("token:create", "alice", "192.0.2.2", 1),
        ("sign_in:success", "alice", "192.0.2.2", 1),
        ("sign_in:failure", None, "192.0.2.1", 1),
        ("sign_in:failure", "alice", "192.0.2.1", 2),
    ]
    assert found[2]["detail"]["reason"] == "unknown user"
    # A name that is nobody's may be a password.
    assert "hunter2" not in json.dumps(found)


def test_being_limited_is_counted(api: ApiClient) -> None:
    for _ in range(8):
        sign_in(api, "alice", "wrong-one")
    kinds = {event["kind"]: event["count"] for event in events(api)}
    assert kinds == {"sign_in:failure": 5, "sign_in:limited": 3}


def test_refusals_by_rights_over_the_api(api: ApiClient, db: Database, clock: Clock) -> None:
    before = revision(db)
    for _ in range(3):
        assert api.patch("/api/v2/images/open-image", "charlie", {"name": "x"}).status_code == 403
    assert api.post("/api/v2/users", "charlie", {"username": "x"}).status_code == 403
    clock.move(minutes=1)
    assert api.patch("/api/v2/images/open-image", "charlie", {"name": "x"}).status_code == 403
    found = events(api, "?kind=access:refused")
    assert [told(event)[1::2] for event in found] == [
        ("charlie", 1),
        ("charlie", 1),
        ("charlie", 3),
    ]
    assert found[2]["detail"] == {
        "method": "PATCH",
        "route": "/api/v2/images/{key}",
        "code": "change_forbidden",
    }
    assert revision(db) == before


def test_refusals_by_rights_on_pages(api: ApiClient, visitor: Visitor) -> None:
    assert visitor.ask("POST", "/sign-in", body="token=x&username=a&password=b").status == 403
    visitor.sign_in("charlie")
    page = visitor.get("/account")
    token = page.form("/sign-out").fields["token"][0]
    refused = visitor.ask("POST", "/images/open-image/end", body=f"token={token}")
    assert refused.status == 403
    found = events(api, "?kind=access:refused")
    assert [(told(event)[1], event["detail"]["code"]) for event in found] == [
        ("charlie", "change_forbidden"),
        (None, "form_refused"),
    ]


def test_tokens_and_sessions(api: ApiClient, visitor: Visitor, world: World) -> None:
    form = visitor.get("/sign-in")
    visitor.submit(form, "/sign-in", username="alice", password="alice-secret")
    made = visitor.submit(
        visitor.get("/account/tokens"), "/account/tokens", name="laptop", days="7", scope="read"
    )
    assert made.status == 201
    assert api.delete(f"{TOKENS}/{world.users['alice']}", "dora").status_code == 204
    visitor.submit(visitor.get("/account"), "/sign-out")
    found = events(api)
    assert [told(event)[:2] for event in found] == [
        ("session:end", "alice"),
        ("token:revoke", "dora"),
        ("token:create", "alice"),
        ("sign_in:success", "alice"),
    ]
    assert found[2]["detail"]["scope"] == "read"
    assert "gr_" not in json.dumps(found)


def test_the_console_is_named(
    db: Database, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security_log, "_operator", lambda: "root-of-this-machine")
    security_events.record_export(db, credentials=True)
    security_events.record_backup(db)
    found = events(api)
    assert [(event["kind"], event["via"], event["user"]) for event in found] == [
        ("backup:run", "console", None),
        ("export:run", "console", None),
    ]
    assert found[1]["detail"] == {"credentials": True, "operator": "root-of-this-machine"}


def test_the_operating_systems_user_is_known() -> None:
    assert security_log._operator()


# ── who reads them ─────────────────────────────────────────────────────────────────────────


def test_staff_alone_read_them_with_the_scope_admin(
    api: ApiClient, db: Database, world: World
) -> None:
    assert code(api.get(EVENTS)) == "401 credentials_required"
    assert code(api.get(EVENTS, "alice")) == "403 staff_required"
    with db.write() as tx:
        body = tokens.NewToken(name="w", scope="write")
        _, secret = tokens.insert_token(tx, CONSOLE, world.users["dora"], body)
    assert code(api.get(EVENTS, secret)) == "403 staff_required"
    assert api.get(EVENTS, "dora").status_code == 200


def test_the_list_is_narrowed_and_turned(api: ApiClient, clock: Clock) -> None:
    sign_in(api, "alice", "wrong-one")
    first = clock.now
    clock.move(minutes=5)
    sign_in(api, "bob", "wrong-one")
    for query, count in (
        ("?user=Alice", 1),
        ("?user=nobody", 0),
        ("?kind=sign_in:failure", 2),
        ("?kind=sign_in:success", 0),
        (f"?at__gte={clock.now}", 1),
        (f"?at__lt={clock.now}", 1),
        (f"?at__gte={first}", 2),
    ):
        assert api.get(f"{EVENTS}{query}", "dora").json["count"] == count, query
    assert len(events(api, "?page_size=1")) == 2
    assert code(api.get(f"{EVENTS}?kind=x", "dora")) == "400 parameter_invalid"


def test_staff_see_them_on_a_page(visitor: Visitor, api: ApiClient) -> None:
    sign_in(api, "alice", "wrong-one")
    visitor.sign_in("dora")
    assert "/staff/activity" in visitor.get("/staff").links
    page = visitor.get("/staff/activity?action=sign_in:failure")
    assert page.status == 200
    assert "alice" in page.words and "192.0.2.1" in page.words
    assert "dora" not in " ".join(page.words.split("Times")[1:])
    assert "No activity matches" in visitor.get("/staff/activity?user=bob").words
    visitor.submit(visitor.get("/account"), "/sign-out")
    visitor.sign_in("alice")
    assert visitor.get("/staff/activity").status == 404


# ── bounds ─────────────────────────────────────────────────────────────────────────────────


def flood(db: Database, number: int, **more: Any) -> None:
    with db.write_unversioned() as tx:
        for place in range(number):
            tx.address = more.get("address") or f"192.0.2.{place}"
            security_log.record(tx, "sign_in:failure", alike=(str(place),))


def rows(db: Database) -> list[tuple[int, str | None]]:
    with db.read() as tx:
        found = tx.sql("SELECT count, address FROM security_events ORDER BY sequence")
        return [tuple(row) for row in found.fetchall()]


def test_one_address_gets_so_many_rows_an_hour(db: Database, clock: Clock) -> None:
    flood(db, security_log.MOST_ALIKE + 40, address="192.0.2.1")
    kept = rows(db)
    assert len(kept) == security_log.MOST_ALIKE + 1
    assert kept[-1] == (40, "192.0.2.1")
    # Others are still told apart, and so is the next hour.
    flood(db, 1, address="192.0.2.2")
    clock.move(hours=1)
    flood(db, 1, address="192.0.2.1")
    assert [count for count, _ in rows(db)[-2:]] == [1, 1]


def test_one_kind_gets_so_many_rows_an_hour(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security_log, "MOST_OF_KIND", 20)
    flood(db, 70)
    assert len(rows(db)) == 21
    assert rows(db)[-1] == (50, None)


def test_old_ones_are_removed(db: Database, clock: Clock) -> None:
    flood(db, 3)
    clock.move(days=security_log.DAYS_STORED)
    flood(db, security_log._CLEARED_EVERY)
    assert len(rows(db)) <= security_log._CLEARED_EVERY
    with db.read() as tx:
        first = tx.sql("SELECT min(at) AS at FROM security_events").fetchone()[0]
    assert str(first)[:10] == clock.now[:10]


def test_an_export_has_none_of_them(db: Database, api: ApiClient, tmp_path: Any) -> None:
    sign_in(api, "alice", "wrong-one")
    with (tmp_path / "out").open("wb") as out:
        export_catalogue(db, out)
    assert b"security_events" not in (tmp_path / "out").read_bytes()
    assert b"192.0.2.1" not in (tmp_path / "out").read_bytes()


# ── the log ────────────────────────────────────────────────────────────────────────────────


def test_each_event_is_a_structured_line_without_secrets(
    api: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "goldenrod.security"):
        for _ in range(5):
            sign_in(api, "alice", "wrong-one")
        made = sign_in(api, "bob", "bob-secret")
    form = log_formatter("json")
    lines = [json.loads(form.format(record)) for record in caplog.records]
    assert [(line["event"], line["kind"], line["address"]) for line in lines] == [
        ("security event", "sign_in:failure", "192.0.2.1"),
        ("security event", "sign_in:success", "192.0.2.1"),
        ("security event", "token:create", "192.0.2.1"),
    ]
    for secret in ("wrong-one", "bob-secret", made.json["token"]):
        assert secret not in json.dumps(lines)


def test_what_is_rolled_back_is_not_logged(
    db: Database, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "goldenrod.security"):
        with pytest.raises(ZeroDivisionError), db.write() as tx:
            security_log.record(tx, "token:create", CONSOLE)
            raise ZeroDivisionError
        with db.write() as tx:
            security_log.record(tx, "token:create", CONSOLE)
            tx.dry_run = True
    assert caplog.records == []
    assert rows(db) == []


def test_a_disabled_account_is_named_all_the_same(
    db: Database, api: ApiClient, world: World
) -> None:
    with db.write() as tx:
        row = users.USERS.row_for_change(tx, CONSOLE, str(world.users["bob"]))
        users.edit_user(tx, CONSOLE, row, wire.UserPatch(active=False))
    sign_in(api, "bob", "bob-secret")
    assert told(events(api)[0])[:2] == ("sign_in:failure", "bob")
