"""The clock is set back: what was recorded at instants that are now to come holds nothing up."""

import subprocess
import sys

from goldenrod.base.clock import later
from goldenrod.catalogue import leases
from goldenrod.catalogue.sync import leases as sync_leases
from goldenrod.catalogue.webhooks import outbox
from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.processes.server import environment, linux_only
from tests.support.webhooks.events import OPEN, hooked, publish
from tests.support.webhooks.receiver import Receiver


def test_events_and_retries_are_delivered_after_the_clock_was_set_back(
    db: Database, world: World, clock: Clock
) -> None:
    deliverer = Deliverer(db, private=True)
    with Receiver().running() as receiver:
        hooked(ApiClient(db, OPEN, world), receiver.url)
        publish(db, world, "2.0")
        receiver.statuses = [500]
        assert deliverer.deliver_due()
        with db.write_unversioned() as tx:
            assert outbox.acquire_lease(tx, "a holder that was killed", 60)
        clock.move(days=-3)
        publish(db, world, "2.1")
        publish(db, world, "2.2", start_date=later(clock(), minutes=10))
        deliverer = Deliverer(db, private=True)
        assert deliverer.deliver_due()
        clock.move(minutes=11)
        assert deliverer.deliver_due()
        told = [
            (one["version"]["name"], kind)
            for one, kind in zip(receiver.data(), receiver.types(), strict=True)
        ]
    assert sorted(set(told)) == [(name, "version.published") for name in ("2.0", "2.1", "2.2")]


def test_answers_and_limits_are_those_of_the_new_time(
    api: ApiClient, db: Database, world: World, clock: Clock
) -> None:
    start = later(clock(), hours=-1)
    publish(db, world, "2.0", start_date=start)
    assert api.get("/image_versions").json["count"] == 2
    wrong = {"username": "alice", "password": "wrong", "name": "t", "scope": "read"}
    for _ in range(6):
        limited = api.post("/api/v2/tokens", None, wrong)
    assert code(limited) == "429 too_many_requests"
    clock.move(hours=-2)
    answer = api.get("/image_versions")
    assert (answer.json["count"], len(answer.json["results"])) == (1, 1)
    assert code(api.post("/api/v2/tokens", None, wrong)) == "401 sign_in_failed"
    publish(db, world, "2.1")
    assert api.get("/image_versions").json["count"] == 2
    clock.move(hours=2)
    assert api.get("/image_versions").json["count"] == 3


# ── leases ─────────────────────────────────────────────────────────────────────────────────


def test_a_lease_from_before_the_clock_was_set_back_is_not_waited_for(
    db: Database, clock: Clock
) -> None:
    def acquired(me: str) -> tuple[bool, bool]:
        with db.write() as tx:
            source = sync_leases.acquire(tx, "source", "fake", me)
            return outbox.acquire_lease(tx, me, 60), source is not None

    assert acquired("one") == (True, True)
    assert acquired("another") == (False, False)
    clock.move(seconds=-30)
    assert acquired("another") == (False, False)
    clock.move(hours=-1)
    assert acquired("another") == (True, True)


@linux_only
def test_the_lease_of_a_process_that_has_ended_is_taken_over_at_once(db: Database) -> None:
    """A process that is killed cannot release it. Others of this machine see that it is gone."""
    script = (
        "from goldenrod.catalogue import leases; print(leases.new_holder(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment(db.url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        holder = process.stdout.readline().strip()
        with db.write() as tx:
            assert outbox.acquire_lease(tx, holder, 60)
            assert sync_leases.acquire(tx, "source", "fake", holder)
        me = leases.new_holder()
        with db.write() as tx:
            assert not outbox.acquire_lease(tx, me, 60)
            assert sync_leases.acquire(tx, "source", "fake", me) is None
        process.kill()
        process.wait()
        with db.write() as tx:
            assert outbox.acquire_lease(tx, me, 60)
            assert sync_leases.acquire(tx, "source", "fake", me)
    # A process of another machine, or one whose number was given again, is another.
    with db.read() as tx:
        far = later(tx.now, seconds=30)
        machine, _, rest = me.partition(".")
        assert leases.abandoned(me, far, tx.now) == ""
        assert leases.abandoned(f"{machine[::-1]}.{rest}", far, tx.now) == ""
        assert leases.abandoned(holder.replace(machine, "x"), far, tx.now) == ""
        again = me.split(".")
        again[2] += "1"
        assert leases.abandoned(".".join(again), far, tx.now) != ""
