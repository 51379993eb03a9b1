"""The deliverer with a real receiver: the creator's rights, retries, crashes, several processes."""

import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from goldenrod.base import clock as clocks
from goldenrod.base import config, wire
from goldenrod.base.clock import Instant, later
from goldenrod.catalogue.accounts import users
from goldenrod.catalogue.images import images
from goldenrod.catalogue.webhooks import outbox, worker
from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.rules.access import CONSOLE
from goldenrod.store import schema
from goldenrod.store.db import Database
from goldenrod.web import server
from tests.conftest import Clock
from tests.support.cast import World, build_world
from tests.support.client import ApiClient, code
from tests.support.processes.server import GOLDENROD, environment, linux_only, running, within
from tests.support.webhooks.events import OPEN, edit, edit_image, hooked, log_of, publish
from tests.support.webhooks.receiver import Receiver

DEFAULT_POOL = 8
"""The number of connections that a `Database` opens unless it is given another."""


@pytest.fixture
def api(db: Database, world: World) -> ApiClient:
    return ApiClient(db, OPEN, world)


# ── rights of the creator ──────────────────────────────────────────────────────────────────


def test_what_the_creator_may_no_longer_read_is_dropped(
    api: ApiClient, db: Database, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    hook = hooked(api, receiver.url, "bob", "kept")
    publish(db, world, "2.0", image="kept")
    edit_image(db, world, "kept", maintainers=[])
    assert deliverer.deliver_due()
    assert receiver.got == []
    [delivery] = log_of(api, hook)
    assert (delivery["state"], delivery["attempts"], delivery["next_at"]) == ("dropped", 0, None)
    assert delivery["last_error"] == "The webhook's creator may no longer read what this is about."


def test_a_creator_who_is_no_longer_an_editor_gets_no_names_of_changed_fields(
    api: ApiClient, db: Database, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    hooked(api, receiver.url, "bob", "kept")
    edit_image(db, world, "kept", maintainers=[], is_public=True)
    edit(db, world, world.versions["kept"], change_log="x", membership=[world.groups["lab"]])
    assert deliverer.deliver_due()
    [data] = receiver.data()
    assert data["fields"] is None


def test_a_disabled_creator_is_not_notified(
    api: ApiClient, db: Database, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    hook = hooked(api, receiver.url, "dora", None)
    publish(db, world, "2.0")
    with db.write() as tx:
        row = users.USERS.row_for_change(tx, CONSOLE, str(world.users["dora"]))
        users.disable_user(tx, CONSOLE, row)
    assert deliverer.deliver_due()
    assert receiver.got == []
    assert [one["state"] for one in api.all("/api/v2/webhooks", "alice")] == []
    with db.read() as tx:
        rows = tx.sql("SELECT state FROM deliveries").fetchall()
    assert [row[0] for row in rows] == ["dropped"], hook


def test_a_creator_who_is_no_longer_staff_gets_only_what_they_may_read(
    api: ApiClient, db: Database, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    hooked(api, receiver.url, "dora", None)
    publish(db, world, "seen")
    publish(db, world, "hidden", image="closed")
    with db.write() as tx:
        row = users.USERS.row_for_change(tx, CONSOLE, str(world.users["dora"]))
        users.edit_user(tx, CONSOLE, row, wire.UserPatch(is_staff=False))
    assert deliverer.deliver_due()
    assert [data["version"]["name"] for data in receiver.data()] == ["seen"]


def test_a_redelivery_is_built_again_under_the_same_id(
    api: ApiClient, db: Database, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    hook = hooked(api, receiver.url)
    key = publish(db, world, "first name")
    assert deliverer.deliver_due()
    edit(db, world, key, name="second name")
    [delivery] = log_of(api, hook)[:1]
    assert api.post(f"{delivery['url']}/redeliver", "alice", None).status_code == 200
    assert deliverer.deliver_due()
    again = [got for got in receiver.got if got.id == delivery["uuid"]]
    names = [got.payload(hook["secret"])["data"]["version"]["name"] for got in again]
    assert names == ["first name", "second name"]
    edit_image(db, world, "open", is_public=False)
    with db.write() as tx:
        row = images.IMAGES.row_for_change(tx, CONSOLE, str(world.images["open"]))
        images.edit_image(tx, CONSOLE, row, wire.ImagePatch(owner="charlie"))
        tx.sql("UPDATE versions SET user_id = owner_id")
    before = len(receiver.got)
    refused = api.post(f"{delivery['url']}/redeliver", "alice", None)
    assert code(refused) == "409 delivery_unreadable"
    assert deliverer.deliver_due()
    assert len(receiver.got) == before
    assert log_of(api, hook)[0]["state"] == "delivered"


# ── receivers that fail ────────────────────────────────────────────────────────────────────


def test_a_receiver_that_fails_twice_gets_each_event(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    hook = hooked(api, receiver.url)
    receiver.statuses = [500, 503]
    for name in ("2.0", "2.1", "2.2"):
        publish(db, world, name)
    assert deliverer.deliver_due()
    # After the failure, the other two wait.
    assert len(receiver.got) == 1
    [first, *others] = log_of(api, hook)
    assert (first["state"], first["attempts"], first["last_status"]) == ("waiting", 1, 500)
    assert first["last_error"] == "The receiver answered 500."
    assert first["next_at"] == later(clock.now, seconds=5)
    assert [one["attempts"] for one in others] == [0, 0]
    clock.move(seconds=5)
    assert deliverer.deliver_due()
    assert len(receiver.got) == 2
    for _ in range(3):
        clock.move(seconds=60)
        assert deliverer.deliver_due()
    assert {one["state"] for one in log_of(api, hook)} == {"delivered"}
    names = Counter(data["version"]["name"] for data in receiver.data())
    assert names.keys() == {"2.0", "2.1", "2.2"}
    assert names.total() == 5
    ids = {got.id: got.payload(hook["secret"])["data"]["version"]["name"] for got in receiver.got}
    assert sorted(ids.values()) == ["2.0", "2.1", "2.2"]  # a retry has its id again


def test_a_delivery_fails_after_the_last_attempt(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    hook = hooked(api, receiver.url)
    receiver.statuses = [500] * 20
    publish(db, world, "2.0")
    started = clock.now
    for _ in range(20):
        assert deliverer.deliver_due()
        [delivery] = log_of(api, hook)
        if delivery["state"] != "waiting":
            break
        clock.now = delivery["next_at"]
    assert (delivery["state"], delivery["attempts"]) == ("failed", len(outbox.RETRY_DELAYS_S) + 1)
    assert clock.now == later(started, seconds=sum(outbox.RETRY_DELAYS_S))
    assert len(receiver.got) == len(outbox.RETRY_DELAYS_S) + 1


def test_a_redirect_is_not_followed(
    api: ApiClient, db: Database, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    with Receiver().running() as elsewhere:
        receiver.statuses, receiver.location = [302, 307], elsewhere.url
        hook = hooked(api, receiver.url)
        publish(db, world, "2.0")
        assert deliverer.deliver_due()
        [delivery] = log_of(api, hook)
        assert delivery["last_error"] == "The receiver answered 302; redirects are not followed."
        assert (delivery["state"], elsewhere.got) == ("waiting", [])


def test_a_410_switches_the_webhook_off(
    api: ApiClient,
    db: Database,
    world: World,
    receiver: Receiver,
    deliverer: Deliverer,
    clock: Clock,
) -> None:
    hook = hooked(api, receiver.url)
    receiver.statuses = [410]
    publish(db, world, "2.0")
    publish(db, world, "2.1")
    with db.read() as tx:
        revision = tx.revision
    assert deliverer.deliver_due()
    assert len(receiver.got) == 1
    assert [one["state"] for one in log_of(api, hook)] == ["failed", "failed"]
    assert api.get(hook["url"], "alice").json["active"] is False
    with db.read() as tx:
        assert tx.revision > revision  # the API shows that it is inactive
    publish(db, world, "2.2")
    clock.move(days=1)
    assert deliverer.deliver_due()
    assert len(receiver.got) == 1


def test_a_failing_receiver_does_not_delay_another(
    api: ApiClient, db: Database, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    # Bound, it refuses connections until something listens, and no other process can take the port.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        silent = hooked(api, f"http://127.0.0.1:{closed.getsockname()[1]}/")
        hooked(api, receiver.url)
        for number in range(3):
            publish(db, world, f"2.{number}")
        assert deliverer.deliver_due()
    assert len(receiver.got) == 3
    [first, *_] = log_of(api, silent)
    assert first["last_error"].startswith("The connection failed: ")
    assert first["last_status"] is None


# ── crashes and several processes ──────────────────────────────────────────────────────────


def far(span_s: float) -> Callable[[], Instant]:
    """The machine's clock, moved forward."""
    return lambda: later(clocks.now(), seconds=span_s)


@pytest.fixture
def real(backend: str, new_database: Callable[[str], Database]) -> Database:
    """A catalogue on the machine's clock, which several processes can share."""
    return new_database(backend)


@pytest.mark.long
@pytest.mark.parametrize("elsewhere", [True, False], ids=["on another machine", "on this machine"])
def test_nothing_is_lost_when_a_deliverer_is_killed(
    real: Database, receiver: Receiver, elsewhere: bool
) -> None:
    world = build_world(real)
    api = ApiClient(real, OPEN, world)
    hook = hooked(api, receiver.url)
    for number in range(5):
        publish(real, world, f"2.{number}")
    receiver.held.clear()
    env = environment(real.url, GOLDENROD_WEBHOOKS_PRIVATE="true")
    process = subprocess.Popen([*GOLDENROD, "webhooks", "deliver"], env=env)
    assert receiver.arrived.acquire(timeout=60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    publish(real, world, "after")
    receiver.held.set()
    if elsewhere:
        # The killed process still has the lease: nobody delivers until it has expired.
        with real.write_unversioned() as tx:
            tx.update(schema.deliverer, {"one": 1}, locked_by="another.1.1.x")
        assert Deliverer(real, private=True).deliver_due() is False
        assert len(receiver.got) == 1
        real.now = far(61)
    # Of this machine, it is known that the process has ended.
    assert Deliverer(real, private=True).deliver_due()
    assert {one["state"] for one in log_of(api, hook)} == {"delivered"}
    names = Counter(data["version"]["name"] for data in receiver.data())
    assert names == {"2.0": 2, "2.1": 1, "2.2": 1, "2.3": 1, "2.4": 1, "after": 1}
    assert receiver.got[0].id == receiver.got[1].id
    for got in receiver.got:
        got.payload(hook["secret"])


@pytest.mark.long_on_postgresql
def test_two_deliverers_at_once_send_each_event_once(real: Database, receiver: Receiver) -> None:
    world = build_world(real)
    api = ApiClient(real, OPEN, world)
    hooks = [hooked(api, f"{receiver.url}/{number}") for number in range(3)]
    other = Database(real.url)
    stop = threading.Event()
    threads = [
        threading.Thread(target=Deliverer(db, private=True).run, args=(stop,))
        for db in (real, other)
    ]
    for thread in threads:
        thread.start()
    for number in range(8):
        publish(real, world, f"2.{number}")

    def all_delivered() -> bool:
        log = [one for hook in hooks for one in log_of(api, hook)]
        return len(log) == 24 and {one["state"] for one in log} == {"delivered"}

    assert within(60, all_delivered)
    stop.set()
    for thread in threads:
        thread.join()
    other.close()
    ids = [got.id for got in receiver.got]
    assert len(ids) == len(set(ids)) == 24


def test_while_one_deliverer_waits_for_a_receiver_another_sends_nothing(
    real: Database, receiver: Receiver
) -> None:
    world = build_world(real)
    api = ApiClient(real, OPEN, world)
    hook = hooked(api, receiver.url)
    publish(real, world, "2.0")
    receiver.held.clear()
    first = threading.Thread(target=Deliverer(real, private=True).deliver_due)
    first.start()
    assert receiver.arrived.acquire(timeout=30)
    other = Database(real.url)
    second = Deliverer(other, private=True)
    assert second.deliver_due() is False
    receiver.held.set()
    first.join()
    assert second.deliver_due() is True
    other.close()
    assert len(receiver.got) == 1
    assert [one["attempts"] for one in log_of(api, hook)] == [1]


def test_the_server_delivers_while_requests_hold_all_their_connections(
    real: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[Database, threading.Event]] = []

    class Watched(Deliverer):
        def run(self, stop: threading.Event) -> None:
            started.append((self._db, stop))
            super().run(stop)

    monkeypatch.setattr(server, "Deliverer", Watched)
    world = build_world(real)
    hooked(ApiClient(real, OPEN, world), receiver.url)
    publish(real, world, "2.0")
    settings = config.load(
        {"GOLDENROD_DATABASE_URL": real.url, "GOLDENROD_WEBHOOKS_PRIVATE": "true"}
    )
    with ExitStack() as held:
        for _ in range(DEFAULT_POOL):
            held.enter_context(real.read())
        server._deliver(settings)
        assert receiver.arrived.acquire(timeout=30)
    [(own, stop)] = started
    assert own is not real
    stop.set()
    for thread in threading.enumerate():
        if thread.name == "webhooks":
            thread.join()
    own.close()


def test_a_deliverer_needs_no_more_connections_than_it_says(
    db: Database, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ApiClient(db, OPEN, world)
    for who, image in (("alice", "open"), ("bob", "kept"), ("dora", None)) * 3:
        hooked(api, receiver.url, who, image)
    for image in ("open", "kept"):
        publish(db, world, "2.0", image=image)
    counting, used, most = threading.Lock(), 0, 0
    transaction = db._transaction

    @contextmanager
    def counted(*, write: bool, wait: bool = True) -> Iterator[Any]:
        nonlocal used, most
        with counting:
            used += 1
            most = max(most, used)
        try:
            with transaction(write=write, wait=wait) as connection:
                yield connection
        finally:
            with counting:
                used -= 1

    monkeypatch.setattr(db, "_transaction", counted)
    assert Deliverer(db, private=True).deliver_due()
    assert len(receiver.got) == 3 + 3 + 2 * 3
    assert 1 < most <= worker.CONNECTIONS


def test_others_wait_for_the_lease_until_it_expires(
    db: Database, world: World, receiver: Receiver, deliverer: Deliverer, clock: Clock
) -> None:
    hooked(ApiClient(db, OPEN, world), receiver.url)
    publish(db, world, "2.0")
    with db.write_unversioned() as tx:
        assert outbox.acquire_lease(tx, "another", 30)
    assert deliverer.deliver_due() is False
    assert receiver.got == []
    clock.move(seconds=31)
    assert deliverer.deliver_due()
    assert len(receiver.got) == 1
    with db.write_unversioned() as tx:
        assert outbox.acquire_lease(tx, "another", 30)  # released when nothing was left
        assert not outbox.acquire_lease(tx, "a third", 30)


@pytest.mark.long
@linux_only
def test_the_server_delivers_in_the_background_until_it_stops(
    new_database: Callable[[str], Database], receiver: Receiver, tmp_path: Any
) -> None:
    db = new_database("sqlite")
    world = build_world(db)
    api = ApiClient(db, OPEN, world)
    hook = hooked(api, receiver.url)
    log = tmp_path / "stderr"
    with running(db.url, log, "--workers", "2", GOLDENROD_WEBHOOKS_PRIVATE="true") as server:
        publish(db, world, "2.0")
        assert receiver.arrived.acquire(timeout=60)
        assert within(60, lambda: log_of(api, hook)[0]["state"] == "delivered")
        assert server.end() == 0
        assert server.log() == ""
    with running(db.url, log, GOLDENROD_DELIVER="false", GOLDENROD_WEBHOOKS_PRIVATE="true"):
        publish(db, world, "2.1")
        time.sleep(2)
    assert len(receiver.got) == 1


def test_with_nothing_to_do_nothing_is_written(
    api: ApiClient, db: Database, world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    hooked(api, receiver.url)
    publish(db, world, "2.0")
    assert deliverer.deliver_due()
    db.trace = []
    assert deliverer.deliver_round() is False
    assert db.trace
    assert not [text for text in db.trace if text.split()[0] in ("INSERT", "UPDATE", "DELETE")]


def test_deliveries_are_deleted_after_a_month(
    api: ApiClient, db: Database, world: World, receiver: Receiver, clock: Clock
) -> None:
    hook = hooked(api, receiver.url)
    publish(db, world, "2.0")
    assert Deliverer(db, private=True).deliver_due()
    clock.move(days=29)
    publish(db, world, "2.1")
    assert Deliverer(db, private=True).deliver_due()
    assert len(log_of(api, hook)) == 2
    clock.move(days=2)
    assert Deliverer(db, private=True).deliver_due()
    assert [one["event"]["at"] for one in log_of(api, hook)] == [later(clock.now, days=-2)]
    with db.read() as tx:
        assert tx.sql("SELECT count(*) FROM events").fetchone()[0] == 1
    assert len(receiver.got) == 2


# ── the command line ───────────────────────────────────────────────────────────────────────


@pytest.mark.long
def test_commands(real: Database, receiver: Receiver) -> None:
    world = build_world(real)
    api = ApiClient(real, OPEN, world)
    hook = hooked(api, receiver.url)
    publish(real, world, "2.0")

    def run(*words: str) -> str:
        env = environment(real.url, GOLDENROD_WEBHOOKS_PRIVATE="true")
        done = subprocess.run(
            [*GOLDENROD, "webhooks", *words], env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = run("list").splitlines()[1].split("\t")
    assert listed[:3] == [str(hook["id"]), "open-image", receiver.url]
    assert hook["secret"] not in run("list", "--json")
    assert run("deliver", "--once") == "1 delivered, 0 attempts failed, 0 dropped.\n"
    row = run("deliveries", str(hook["id"]), "--state", "delivered").splitlines()[1].split("\t")
    assert row[1:4] == ["version.published", "delivered", "1"]
    run("redeliver", str(hook["id"]), row[0])
    assert run("deliver", "--once") == "1 delivered, 0 attempts failed, 0 dropped.\n"
    assert receiver.got[0].id == receiver.got[1].id
