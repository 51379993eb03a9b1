"""Test events, and what was sent and answered: the newest attempts, shown to who may see them."""

import json
import sqlite3
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from goldenrod.base import config, wire
from goldenrod.base.errors import Unavailable
from goldenrod.catalogue.webhooks import attempts, payloads
from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.store import schema
from goldenrod.store.db import Database, Row, Tx
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import API
from tests.support.pages.visitor import Visitor
from tests.support.webhooks.events import OPEN, edit, edit_image, hooked, publish
from tests.support.webhooks.receiver import Receiver

HOSTILE = "<script>alert(1)</script>\u202eevil\0" + "é" * 2000


@pytest.fixture
def api(db: Database, world: World) -> ApiClient:
    return ApiClient(db, OPEN, world)


@pytest.fixture
def talkative(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """A receiver that answers with a body and headers."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers["Content-Length"]))
        body = HOSTILE.encode()
        request.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
        request.send_header("Content-Type", "text/html\u00e9" + "x" * 500)
        request.send_header("Set-Cookie", "session=abc")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    monkeypatch.setattr(receiver, "answer", answer)
    return receiver


def test_a_test_event_is_really_delivered_to_this_webhook_alone(
    api: ApiClient, db: Database, receiver: Receiver, deliverer: Deliverer, world: World
) -> None:
    hook = hooked(api, receiver.url, events=["version.ended"])
    hooked(api, receiver.url)
    of_all = hooked(api, receiver.url, "dora", None)
    made = api.post(f"{hook['url']}/test", "alice", None)
    assert made.status_code == 201 and made.json["state"] == "waiting"
    assert api.get(made.headers["location"], "alice").json == made.json
    assert code(api.post(f"{hook['url']}/test", "alice", None)) == "409 webhook_test_waiting"
    assert code(api.post(f"{hook['url']}/test", "bob", None)) == "404 not_found"
    assert api.post(f"{of_all['url']}/test", "dora", None).status_code == 201
    assert deliverer.deliver_due() and deliverer.counts == {"delivered": 2}
    assert receiver.types() == ["webhook.test"] * 2
    # They are delivered in any order.
    got = sorted(receiver.got, key=lambda it: b'"image":null' in it.body)
    payloads = [one.payload(of["secret"]) for one, of in zip(got, (hook, of_all), strict=True)]
    assert payloads[0]["data"]["image"]["slug"] == "open-image"
    assert payloads[0]["data"]["webhook"]["id"] == hook["id"]
    assert payloads[1]["data"]["image"] is None
    shown = api.get(made.json["url"], "alice").json
    assert (shown["event"]["type"], shown["state"]) == ("webhook.test", "delivered")
    [attempt] = shown["stored_attempts"]
    assert json.loads(attempt["payload"]) == payloads[0]
    assert (attempt["status"], attempt["error"]) == (204, None)
    assert api.get(f"{hook['url']}/deliveries?name=webhook.test", "alice").json["count"] == 1
    api.patch(hook["url"], "alice", {"active": False})
    assert code(api.post(f"{hook['url']}/test", "alice", None)) == "409 webhook_inactive"


def test_an_answer_is_stored_as_a_short_text_without_secrets(
    api: ApiClient,
    db: Database,
    talkative: Receiver,
    deliverer: Deliverer,
    clock: Clock,
    world: World,
) -> None:
    hook = hooked(api, talkative.url)
    talkative.statuses = [500, 200]
    made = api.post(f"{hook['url']}/test", "alice", None).json
    for _ in range(2):
        deliverer.deliver_due()
        clock.move(minutes=2)
    newest, first = api.get(made["url"], "alice").json["stored_attempts"]
    assert (first["status"], first["error"]) == (500, "The receiver answered 500.")
    assert newest["status"] == 200 and newest["at"] > first["at"] and newest["milliseconds"] >= 0
    answer = newest["answer"]
    assert answer["cut"] and len(answer["body"].encode()) <= 2 * 1024 + 6
    assert answer["body"].startswith("<script>alert(1)</script>\u202eevil\ufffd")
    assert set(answer["headers"]) <= {"content-type", "content-length", "server"}
    assert max(map(len, answer["headers"].values())) <= 200
    assert hook["secret"] not in api.get(made["url"], "alice").text
    visitor = Visitor(db, config.load({}))
    visitor.sign_in("alice")
    page = visitor.get(f"/webhooks/{hook['id']}/deliveries/{made['id']}")
    assert (
        page.status == 200 and "<script>alert" not in page.text and hook["secret"] not in page.text
    )
    assert '<pre class="block" dir="auto"' in page.text and "&lt;script&gt;alert(1)" in page.text
    assert "Status 500" in page.words and "The first 2 KiB" in page.words


def test_the_newest_attempts_of_each_webhook_are_stored(
    api: ApiClient,
    db: Database,
    receiver: Receiver,
    deliverer: Deliverer,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempts, "MOST_STORED", 3)
    hooks = [hooked(api, receiver.url) for _ in range(2)]
    deliveries = []
    for number in range(4):
        publish(db, world, f"2.{number}")
        deliverer.deliver_due()
    for hook in hooks:
        deliveries = api.all(f"{hook['url']}/deliveries", "alice")
        stored = [len(api.get(it["url"], "alice").json["stored_attempts"]) for it in deliveries]
        assert sum(stored) == 3 and stored[-1] == 1, stored
    assert api.delete(hooks[0]["url"], "alice").status_code == 204
    with db.read() as tx:
        assert {row["webhook_id"] for row in tx.rows(schema.attempts.select)} == {hooks[1]["id"]}


def test_a_payload_that_was_sent_shows_only_what_its_reader_may_read_now(
    api: ApiClient, db: Database, receiver: Receiver, deliverer: Deliverer, world: World
) -> None:
    hook = hooked(api, receiver.url, "bob", "kept")
    other = world.versions["open"]
    edit(db, world, world.versions["kept"], deprecation=wire.NewDeprecation(replacement=other))
    deliverer.deliver_due()
    [one] = [
        it for it in api.all(f"{hook['url']}/deliveries", "bob") if "depr" in it["event"]["type"]
    ]

    def replacement(who: str) -> Any:
        [attempt] = api.get(one["url"], who).json["stored_attempts"]
        return json.loads(attempt["payload"])["data"]["deprecation"]["replacement"]

    assert replacement("bob")["name"] == "open-1.0"
    edit_image(db, world, "open", is_public=False)
    assert replacement("bob") == {"id": other} and replacement("dora")["name"] == "open-1.0"
    # What the delivery is about is hidden: then so is all that was sent.
    api.patch(f"{API}/images/kept-image", "alice", {"maintainers": []})
    shown = api.get(one["url"], "bob").json
    assert (shown["event"], shown["state"], shown["stored_attempts"]) == (None, "dropped", [])
    # Payloads that were built with staff's rights are for staff.
    with db.write() as tx:
        tx.update(schema.webhooks, {"id": hook["id"]}, as_staff=True)
    api.patch(f"{API}/images/kept-image", "alice", {"maintainers": ["lab"]})
    assert api.get(one["url"], "bob").json["stored_attempts"] == []
    assert len(api.get(one["url"], "dora").json["stored_attempts"]) == 1


def test_an_outage_while_a_payload_is_built_is_no_attempt(
    api: ApiClient,
    db: Database,
    receiver: Receiver,
    deliverer: Deliverer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook = hooked(api, receiver.url)
    api.post(f"{hook['url']}/test", "alice", None)
    build = payloads.build

    def lost(tx: Tx, due: Row) -> bytes | None:
        monkeypatch.setattr(payloads, "build", build)
        if tx.dialect == "postgresql":
            tx.sql("SELECT pg_terminate_backend(pg_backend_pid())")
        away = sqlite3.OperationalError("disk I/O error")
        away.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise away

    monkeypatch.setattr(payloads, "build", lost)
    with pytest.raises(Unavailable):
        deliverer.deliver_due()
    assert not [record for record in caplog.records if "could not be built" in record.message]
    assert receiver.got == []
    assert deliverer.deliver_due()
    assert len(receiver.got) == 1
    [delivery] = api.all(f"{hook['url']}/deliveries", "alice")
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)


def test_an_attempt_whose_delivery_was_deleted_meanwhile_is_not_recorded(
    api: ApiClient, db: Database, receiver: Receiver, deliverer: Deliverer, world: World
) -> None:
    hook = hooked(api, receiver.url)
    api.post(f"{hook['url']}/test", "alice", None)
    sent = deliverer._sent

    def removed(due: Any, body: bytes) -> Any:
        outcome = sent(due, body)
        assert api.delete(hook["url"], "alice").status_code == 204
        return outcome

    deliverer._sent = removed  # type: ignore[method-assign]
    assert deliverer.deliver_due()
    with db.read() as tx:
        assert tx.rows(schema.attempts.select) == []


def test_the_button_sends_a_test_event(
    visitor: Visitor, api: ApiClient, db: Database, receiver: Receiver, deliverer: Deliverer
) -> None:
    hook = hooked(api, receiver.url)
    address = f"/webhooks/{hook['id']}"
    visitor.sign_in("alice")
    page = visitor.submit(visitor.get(address), f"{address}/test")
    assert "A test event will be sent." in page.words and "waiting" in page.words
    refused = visitor.submit(visitor.get(address), f"{address}/test")
    assert refused.status == 409 and "still waiting" in refused.words
    deliverer.deliver_due()
    page = visitor.get(address)
    [link] = [link for link in page.links if "/deliveries/" in link]
    page = visitor.get(link)
    assert "delivered" in page.words and "Status 204" in page.words
    assert "It had no body." in page.words
