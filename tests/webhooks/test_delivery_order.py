"""Fair order: neither slow receivers nor busy creators delay others, and queues are limited."""

import json
import threading
from typing import Any

import pytest

from goldenrod.catalogue.webhooks import outbox, webhooks, worker
from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.rules.changes import mutations
from goldenrod.store import schema
from goldenrod.store.db import Database, Tx
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.processes.server import within
from tests.support.webhooks.events import OPEN, hooked, log_of, publish
from tests.support.webhooks.receiver import Receiver


def insert(tx: Tx, world: World, who: str, image: str | None, target: str, **more: Any) -> int:
    return tx.insert(
        schema.webhooks,
        uuid=mutations.new_uuid(),
        image_id=image and world.images[image],
        target=target,
        active=True,
        events=json.dumps(["version.published"]),
        secret="whsec_AAAA",
        created_by_id=world.users[who],
        as_staff=False,
        start_date=tx.now,
        **more,
    )


def create_deliveries(db: Database) -> list[int]:
    """The number of deliveries that each batch created."""
    created, more = [], True
    while more:
        with db.write_unversioned() as tx:
            before = tx.sql("SELECT count(*) FROM deliveries").fetchone()[0]
            more = outbox.create_deliveries(tx)
            created.append(tx.sql("SELECT count(*) FROM deliveries").fetchone()[0] - before)
    return created


def test_a_slow_receiver_does_not_delay_other_creators(db: Database, world: World) -> None:
    with Receiver().running() as slow, Receiver().running() as prompt:
        slow.held.clear()
        with db.write() as tx:
            for _ in range(4):
                insert(tx, world, "alice", "open", slow.url)
            insert(tx, world, "bob", "kept", prompt.url)
        publish(db, world, "2.0")
        deliverer, stop = Deliverer(db, private=True), threading.Event()
        thread = threading.Thread(target=deliverer.run, args=(stop,))
        thread.start()
        try:
            for _ in range(worker.SLOTS_PER_CREATOR):
                assert slow.arrived.acquire(timeout=30)
            publish(db, world, "2.0", image="kept")
            assert prompt.arrived.acquire(timeout=30)
            # The slow receiver still occupies all slots of its creator, but no more.
            assert len(slow.got) == worker.SLOTS_PER_CREATOR
        finally:
            stop.set()
            slow.held.set()
            thread.join()


def test_slow_receivers_share_one_slot_and_creators_take_turns(
    db: Database, world: World, clock: Clock
) -> None:
    with db.write() as tx:
        late = clock.now
        slow = [
            insert(
                tx,
                world,
                "alice",
                "open",
                f"http://s/{n}",
                slow_until="2027-01-01T00:00:00.000000Z",
            )
            for n in range(3)
        ]
        same_target = insert(tx, world, "dora", None, "http://s/0")
        busy = [insert(tx, world, "alice", "open", "http://a/", served_at=late) for _ in range(5)]
        other = insert(tx, world, "charlie", "open", "http://b/")
    publish(db, world, "2.0")
    create_deliveries(db)
    deliverer = Deliverer(db, private=True)
    chosen = [hook["id"] for hook in deliverer._next_webhooks([])]
    assert len(set(chosen) & {*slow, same_target}) == 1
    # charlie was never served and alice just now, so charlie is first.
    assert chosen[1:] == [other, *busy[: worker.SLOTS_PER_CREATOR]]


def test_deliveries_are_created_in_batches_and_only_once(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 7)
    with db.write() as tx:
        hooks = [insert(tx, world, "alice", "open", "http://a/") for _ in range(10)]
    for number in range(3):
        publish(db, world, f"2.{number}")
    created = create_deliveries(db)
    assert (sum(created), max(created)) == (30, 7)
    with db.read() as tx:
        each = tx.sql("SELECT count(*) FROM deliveries GROUP BY webhook_id").fetchall()
    assert [row[0] for row in each] == [3] * len(hooks)


def test_when_too_many_deliveries_wait_the_oldest_are_dropped(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST_WAITING", 3)
    api = ApiClient(db, OPEN, world)
    hook = hooked(api, "http://127.0.0.1:1024/")
    for number in range(5):
        publish(db, world, f"2.{number}")
    create_deliveries(db)
    log = log_of(api, hook)
    assert [one["state"] for one in log] == ["dropped"] * 2 + ["waiting"] * 3
    assert log[0]["last_error"] == outbox.OVERFLOW_ERROR


def test_the_number_of_webhooks_is_limited_by_image_and_by_creator(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ApiClient(db, OPEN, world)
    monkeypatch.setattr(webhooks, "MOST_PER_IMAGE", 2)
    monkeypatch.setattr(webhooks, "MOST_PER_CREATOR", 3)

    def post(who: str, image: str | None) -> Any:
        body = {"target": "http://127.0.0.1:1024/", "image": image and world.images[image]}
        return api.post("/api/v2/webhooks", who, body)

    first = post("bob", "kept")
    assert post("alice", "kept").status_code == 201
    refused = post("dora", "kept")
    assert code(refused) == "409 webhook_limit_reached"
    assert refused.json["detail"] == (
        "This image already has 2 webhooks, which is the limit. Remove one first."
    )
    assert api.delete(first.json["url"], "bob").status_code == 204
    assert post("dora", "kept").status_code == 201
    assert [post("alice", image).status_code for image in ("open", "closed")] == [201, 201]
    refused = post("alice", "shared")
    assert code(refused) == "409 webhook_limit_reached"
    assert refused.json["detail"] == (
        "You already have 3 webhooks, which is the limit. Remove one first."
    )
    assert [post("dora", None).status_code for _ in range(2)] == [201, 201]
    assert code(post("dora", None)) == "409 webhook_limit_reached"


def test_a_slow_answer_marks_a_receiver_as_slow_until_a_prompt_one(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ApiClient(db, OPEN, world)

    def marked() -> bool:
        with db.read() as tx:
            return tx.sql("SELECT slow_until FROM webhooks").fetchone()[0] is not None

    with Receiver().running() as receiver:
        hooked(api, receiver.url)
        monkeypatch.setattr(worker, "SLOW_S", -1.0)
        publish(db, world, "2.0")
        assert Deliverer(db, private=True).deliver_due()
        assert marked()
        monkeypatch.setattr(worker, "SLOW_S", 60.0)
        publish(db, world, "2.1")
        assert Deliverer(db, private=True).deliver_due()
        assert not marked()
        assert within(5, lambda: len(receiver.got) == 2)
