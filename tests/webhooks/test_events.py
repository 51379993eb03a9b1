"""Events that webhooks receive: each type, once, when it happens."""

import pytest

from goldenrod.base import wire
from goldenrod.base.clock import later
from goldenrod.catalogue.channels import assign
from goldenrod.catalogue.versions import machines
from goldenrod.catalogue.versions import publish as publishing
from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.rules import resources
from goldenrod.sources.found import Found, FoundMachine
from goldenrod.sources.sync.import_releases import import_found
from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.webhooks.events import (
    OPEN,
    edit,
    edit_image,
    hooked,
    log_of,
    publish,
    restore,
    revoke,
)
from tests.support.webhooks.receiver import Receiver


@pytest.fixture
def api(db: Database, world: World) -> ApiClient:
    return ApiClient(db, OPEN, world)


def test_a_payload_is_signed_as_the_specification_says(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    hook = hooked(api, f"{receiver.url}?team=lab")
    key = publish(db, world, "2.0")
    with db.read() as tx:
        revision = tx.revision
    assert deliverer.deliver_due()
    [got] = receiver.got
    payload = got.payload(hook["secret"])
    assert list(payload) == ["type", "timestamp", "data"]
    assert (payload["type"], payload["timestamp"]) == ("version.published", clock.now)
    assert payload["data"]["version"]["id"] == key
    assert payload["data"]["version"]["state"] == "current"
    assert payload["data"]["image"]["slug"] == "open-image"
    assert got.path == "/hook?team=lab"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    [delivery] = log_of(api, hook)
    assert got.id == delivery["uuid"]
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)
    assert (delivery["last_status"], delivery["last_error"], delivery["next_at"]) == (
        204,
        None,
        None,
    )
    with db.read() as tx:
        assert tx.revision == revision
    assert deliverer.deliver_due()
    assert len(receiver.got) == 1


def test_every_type_of_event_is_delivered(
    api: ApiClient, db: Database, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    hooked(api, receiver.url)
    key = publish(
        db,
        world,
        "2.0",
        machines=[wire.NestedMachine(provider="east", identifier="two-east")],
    )
    edit(db, world, key, min_cpu=2, change_log="more")
    edit(db, world, key, deprecation=wire.NewDeprecation(reason="old"))
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        for version in (key, None):
            image, channel = assign.channel_for_assigning(tx, alice, "open-image", "stable")
            body = wire.NewAssignment(version=version)
            assign.assign(tx, alice, image, channel, "stable", body)
    revoke(db, world, key)
    restore(db, world, key)
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        place = tx.sql("SELECT id FROM machines WHERE identifier = 'two-east'").fetchone()
        row = machines.MACHINES.row_for_change(tx, alice, str(place[0]))
        machines.end_machine(tx, alice, row)
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        publishing.end_version(
            tx, alice, resources.get_row_for_change(tx, alice, schema.versions, key)
        )
    assert deliverer.deliver_due()
    assert receiver.types() == [
        "version.published",
        "machine.added",
        "version.edited",
        "version.edited",
        "version.deprecated",
        "channel.assigned",
        "channel.assigned",
        "version.revoked",
        "version.restored",
        "machine.gone",
        "version.edited",
        "version.ended",
    ]
    data = receiver.data()
    assert data[1]["machine"]["identifier"] == "two-east"
    assert data[2]["fields"] == ["change_log", "min_cpu"]
    assert data[4]["deprecation"]["reason"] == "old"
    assert (data[5]["channel"], data[5]["before"], data[5]["after"]["id"]) == ("stable", None, key)
    assert (data[6]["before"]["id"], data[6]["after"]) == (key, None)
    # Payloads are built when they are sent: by then it was restored, and had ended.
    assert data[7]["revoked"] is None
    assert {one["version"]["state"] for one in data if "version" in one} == {"ended"}


def test_a_revocation_notifies_of_every_version_built_on_it(
    api: ApiClient, db: Database, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    base = publish(db, world, "base")
    child = publish(db, world, "child", image="closed", parent=base)
    hooked(api, receiver.url, image="closed")
    revoke(db, world, base, descendants=True)
    assert deliverer.deliver_due()
    restore(db, world, base)
    assert deliverer.deliver_due()
    assert receiver.types() == ["version.revoked", "version.restored"]
    first, second = receiver.data()
    assert (first["version"]["id"], first["version"]["state"]) == (child, "revoked")
    assert first["revoked"]["inherited_from"]["id"] == base
    assert (second["version"]["id"], second["revoked"]) == (child, None)


def test_attaching_a_group_is_an_edit_of_the_version(
    api: ApiClient, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    hooked(api, receiver.url, image="closed")
    body = {"image_version": world.versions["closed"], "group": "lab"}
    created = api.post("/api/v2/image_version_memberships", "alice", body)
    assert created.status_code == 201
    assert api.delete(created.json["url"], "alice").status_code == 204
    assert deliverer.deliver_due()
    assert receiver.types() == ["version.edited"] * 2
    assert [data["fields"] for data in receiver.data()] == [["membership"]] * 2


def test_an_import_notifies_of_new_versions_and_machines(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    hooked(api, receiver.url, "dora", None)
    found = [
        Found("imported", name, later(clock.now, days=-9 + int(name)), "", "", (), (machine,), name)
        for name in ("1", "2")
        for machine in [
            FoundMachine(
                provider="east",
                provider_type="openstack",
                identifier=f"new-{name}",
                architecture="x86_64",
            )
        ]
    ]
    import_found(db, found, owner="alice")
    assert deliverer.deliver_due()
    assert receiver.types() == ["version.published"] * 2 + ["machine.added"] * 2


def test_an_imported_catalogue_does_not_send_old_events_again(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    hooked(api, receiver.url)
    publish(db, world, "long ago")
    for _ in range(3):
        clock.move(days=15)
        publish(db, world, f"at {clock.now}")
        assert deliverer.deliver_due()
    before = len(receiver.got)
    assert before == 4
    with db.write_unversioned() as tx:  # an import leaves this table empty
        tx.sql("DELETE FROM deliverer")
    clock.move(hours=1)
    publish(db, world, "new")
    assert Deliverer(db, private=True).deliver_due()
    assert [data["version"]["name"] for data in receiver.data()[before:]] == ["new"]


def test_a_dry_run_sends_nothing(
    api: ApiClient, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    hooked(api, receiver.url)
    address = f"/image_versions/{world.versions['open']}/revoke"
    assert api.post(address, "alice", {"reason": "bad", "dry_run": True}).status_code == 200
    assert deliverer.deliver_due()
    assert receiver.got == []


# ── events caused by dates ─────────────────────────────────────────────────────────────────


def test_events_caused_by_dates_are_sent_once_when_they_are_due(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    hooked(api, receiver.url)
    start = clock.now
    hour = [later(start, hours=hours) for hours in range(6)]
    key = publish(db, world, "planned", start_date=hour[1], end_date=hour[4])
    edit(db, world, key, deprecation=wire.NewDeprecation(at=hour[2]))
    revoke(db, world, key, at=hour[3])
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        body = wire.NewMachine(
            provider="east",
            identifier="planned-east",
            version=key,
            start_date=hour[1],
            end_date=hour[5],
        )
        machines.create_machine(tx, alice, body)
    assert deliverer.deliver_due()
    assert receiver.types() == ["version.edited"]
    expected = [
        ["version.published", "machine.added"],
        ["version.deprecated"],
        ["version.revoked"],
        ["version.ended"],
        ["machine.gone"],
    ]
    for instant, types in zip(hour[1:], expected, strict=True):
        receiver.got.clear()
        clock.now = later(instant, microseconds=-1)
        assert deliverer.deliver_due()
        assert receiver.got == []
        clock.now = later(instant, seconds=7)
        assert deliverer.deliver_due()
        assert deliverer.deliver_due()
        assert sorted(receiver.types()) == sorted(types)
    clock.move(days=1)
    receiver.got.clear()
    assert deliverer.deliver_due()
    assert receiver.got == []


def test_missed_events_are_sent_in_order_with_their_own_timestamps(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    hook = hooked(api, receiver.url)
    first, last = later(clock.now, hours=1), later(clock.now, hours=3)
    key = publish(db, world, "short", start_date=first, end_date=last)
    withdrawn = publish(db, world, "never", start_date=first)
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        publishing.end_version(
            tx, alice, resources.get_row_for_change(tx, alice, schema.versions, withdrawn)
        )
    assert deliverer.deliver_due()
    receiver.got.clear()
    clock.move(days=2)
    assert deliverer.deliver_due()
    sent = [got.payload(hook["secret"]) for got in receiver.got]
    assert [(one["type"], one["timestamp"], one["data"]["version"]["id"]) for one in sent] == [
        ("version.published", first, key),
        ("version.ended", last, key),
    ]


def test_dates_of_the_image_cause_events_but_none_before_the_webhook(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    # The world is thirty days old. None of its events are sent when the deliverer first runs.
    publish(db, world, "2.0", image="scheduled", start_date=later(clock.now, days=-3))
    clock.move(hours=1)
    hooked(api, receiver.url, image="scheduled")
    assert deliverer.deliver_due()
    assert receiver.got == []
    clock.move(days=1)  # the image opens, and with it its two versions
    assert deliverer.deliver_due()
    assert receiver.types() == ["version.published"] * 2
    receiver.got.clear()
    edit_image(db, world, "scheduled", end_date=later(clock.now, hours=1))
    assert deliverer.deliver_due()
    assert receiver.got == []
    clock.move(hours=2)
    assert deliverer.deliver_due()
    assert receiver.types() == ["version.ended"] * 2
    receiver.got.clear()
    edit_image(db, world, "scheduled", end_date=None)
    assert deliverer.deliver_due()
    assert receiver.types() == ["version.published"] * 2


def test_a_change_and_the_deliverer_do_not_both_record_an_event(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    hooked(api, receiver.url, events=["version.published", "version.ended"])
    clock.move(hours=1)
    publish(db, world, "now")
    backdated = publish(db, world, "backdated", start_date=later(clock.now, minutes=-30))
    clock.move(hours=1)
    edit(db, world, backdated, end_date=later(clock.now, minutes=-5))
    assert deliverer.deliver_due()
    assert receiver.types() == ["version.published", "version.published", "version.ended"]
    clock.move(hours=3)
    assert deliverer.deliver_due()
    assert len(receiver.got) == 3


def test_a_dated_event_is_sent_though_its_date_is_changed_before_the_deliverer_runs(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    hooked(api, receiver.url, events=["version.published", "version.revoked", "version.restored"])
    at = later(clock.now, hours=1)
    key = publish(db, world, "planned", start_date=at)
    revoke(db, world, world.versions["open"], at=at)
    clock.move(hours=2)
    edit(db, world, key, start_date=later(clock.now, hours=1))
    restore(db, world, world.versions["open"])
    assert deliverer.deliver_due()
    assert receiver.types() == ["version.published", "version.revoked", "version.restored"]
    clock.move(hours=2)
    assert deliverer.deliver_due()
    assert receiver.types()[3:] == ["version.published"]
