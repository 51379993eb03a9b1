"""Lists of versions by ways of seeing, and their counts, against the rule as one predicate.

Whatever changes, and wherever the clock stands, forward and back: each reader's list holds what
`access.readable` holds for, once and in order, and `count` says how many that is.
"""

from collections import Counter
from contextlib import AbstractContextManager
from random import Random
from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.base.clock import Instant, later
from goldenrod.base.errors import Unavailable
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import machines, versions
from goldenrod.catalogue.versions import publish as publishing
from goldenrod.rules import resources
from goldenrod.rules.access import ANONYMOUS
from goldenrod.rules.visibility import (
    branches,
    denormalised,
    placement_counts,
    readable_counts,
    stored_counts,
)
from goldenrod.sources.found import Found, FoundMachine
from goldenrod.sources.sync.import_releases import import_found
from goldenrod.store import bulk, schema
from goldenrod.store.db import Database, Tx
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.denormalised import derived, stored
from tests.support.visibility import random_worlds as drawn
from tests.support.visibility.lists import (
    check,
    check_machines,
    check_stored,
    keys,
    placed,
    read,
    stored_on,
)
from tests.support.visibility.loading import actor_of, keep_statements, loaded
from tests.support.visibility.model import INSTANTS, NOW
from tests.support.visibility.random_changes import RandomChanges

ORDERS = [sign + key for key in ("start_date", "end_date", "name") for sign in ("", "-")]


@pytest.fixture(params=["small", "big"], autouse=True)
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of readers who see little and of those who see much, on the same worlds."""
    if request.param == "big":
        monkeypatch.setattr(readable_counts, "COUNTED_ONE_BY_ONE", 0)
        monkeypatch.setattr(resources, "FEW", -1)
        monkeypatch.setattr(resources, "MANY", -1)
        monkeypatch.setattr(branches, "MOST_BRANCHES", 1)


def few_of(seeds: int) -> list[Any]:
    """Two seeds in each run, the others in the long one."""
    return [pytest.param(n, marks=[pytest.mark.long] * (n >= 2)) for n in range(seeds)]


# Worlds as they stand, at any reading of the clock


@pytest.mark.parametrize("seed", few_of(12))
def test_lists_hold_what_the_rule_says_at_any_instant(db: Database, seed: int) -> None:
    r = Random(seed)
    world = drawn.build_world(r, r.randint(2, 4), r.randint(1, 3), 1, r.randint(1, 3), 6)
    db.now = lambda: Instant(NOW)
    keep_statements(db)
    with loaded(db, world) as tx:
        for now in r.sample(INSTANTS, 3):
            tx.now = Instant(now)
            if r.random() < 0.3:
                stored_counts.catch_up(tx)
            check_stored(tx)
            for reader in drawn.readers(world):
                check(tx, actor_of(tx, world, reader), r.sample(ORDERS, 2))
                check_machines(tx, actor_of(tx, world, reader))


def test_changes_update_the_stored_counts(db: Database, world: World) -> None:
    """Three versions of a public image, one of them ended and one to come; a new owner."""
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        for number, more in enumerate(
            ({"end_date": later(tx.now, days=-1)}, {"start_date": later(tx.now, days=9)}, {})
        ):
            dates = {"start_date": later(tx.now, days=-2), **more}
            body = wire.NewVersion(name=f"v{number}", image=world.images["open"], **dates)
            publishing.create_version(tx, alice, body)
        moved = resources.get_row_for_change(tx, alice, schema.images, "closed-image")
        images.edit_image(tx, alice, moved, wire.ImagePatch(owner="charlie"))
    with db.read() as tx:
        counts = stored(tx)
        found = list(bulk.rows(tx, schema.versions))
        shared = bulk.count(tx, schema.shares)
    assert counts == {
        stored_counts.ALL: 9,
        stored_counts.PUBLIC: 2,
        world.groups["lab"]: 2,
        # The only version of the cast that everybody may read has a machine on each of the two.
        placed(*sorted(world.providers.values())): 1,
        # Alice's own: all but her open version and the one of them that began and has no end.
        1: 7,
        3: 1,
    }
    assert shared > len(found) == 9
    assert sum(row["ended_hint"] for row in found) == 2


def test_changes_of_machines_update_the_counts_of_providers(
    db: Database, world: World, clock: Clock
) -> None:
    """Machines of a version that everybody may read."""
    east = world.providers["east"]

    def check(number: int, at_last_change: int | None = None) -> None:
        with db.read() as tx:
            check_stored(tx)
            query = versions.VERSIONS.where(provider=east)
            assert resources._stored_count(tx, ANONYMOUS, query) == number
            before = stored_on(tx, east)
            assert before == (number if at_last_change is None else at_last_change)

    with db.write() as tx:
        alice, before = world.actor(tx, "alice"), later(tx.now, days=-3)
        body = wire.NewVersion(name="2.0", image=world.images["open"], start_date=before)
        key = publishing.create_version(tx, alice, body).key
    check(1)
    new = wire.NewMachine(version=key, provider=east, identifier="m1", start_date=before)
    with db.write() as tx:
        machine = machines.create_machine(tx, alice, new).key
    check(2)
    ended = wire.MachinePatch(start_date=later(before, days=-2), end_date=later(before, days=-1))
    with db.write() as tx:
        row = machines.MACHINES.row_for_change(tx, alice, machine)
        machines.edit_machine(tx, alice, row, ended)
    check(1)
    with db.write() as tx:
        assert not machines.create_machine(tx, alice, new).new, "it is restored"
    check(2)
    with db.write() as tx:
        row = machines.MACHINES.row_for_change(tx, alice, machine)
        ends = wire.MachinePatch(end_date=later(tx.now, seconds=5))
        machines.edit_machine(tx, alice, row, ends)
    check(2)
    clock.move(seconds=6)
    check(1, at_last_change=2)
    clock.move(seconds=-6)
    check(2)
    with db.write() as tx:
        image = images.IMAGES.row_for_change(tx, alice, "open-image")
        images.edit_image(tx, alice, image, wire.ImagePatch(is_public=False))
    check(0)
    found = FoundMachine(provider="west", provider_type="", identifier="w1", architecture="")
    later_ = FoundMachine(provider="east", provider_type="", identifier="e1", architecture="")
    for there in ((found,), (found, later_)):
        release = Found("found", "1", Instant(before), "", "", (), there, "1")
        import_found(db, [release], owner="alice", private=False)
    check(1)


def test_a_machine_of_another_architecture_counts_there(db: Database, world: World) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        new = wire.NewMachine(
            version=world.versions["open"],
            provider="east",
            identifier="m1",
            architecture="arm64",
            start_date=later(tx.now, days=-3),
        )
        machine = machines.create_machine(tx, alice, new).key
    for architecture in ("arm64", "riscv64"):
        with db.write() as tx:
            row = machines.MACHINES.row_for_change(tx, alice, machine)
            change = wire.MachinePatch(architecture=architecture)
            machines.edit_machine(tx, alice, row, change)
        with db.read() as tx:
            check_stored(tx)
            for asked in ("x86_64", "arm64", "riscv64"):
                found = resources._stored_count(
                    tx, ANONYMOUS, versions.VERSIONS.where(architecture=asked)
                )
                assert found == (asked in ("x86_64", architecture)), asked


def test_a_machine_that_a_sync_finds_of_another_architecture_counts_there(
    db: Database, world: World, clock: Clock
) -> None:
    for architecture in ("arm64", "riscv64"):
        machine = FoundMachine(
            provider="east", provider_type="", identifier="m1", architecture=architecture
        )
        start = later(clock.now, days=-1)
        release = Found("found", "1", start, "", "", (), (machine,), "1")
        import_found(db, [release], owner="alice", private=False)
        with db.read() as tx:
            check_stored(tx)
            query = versions.VERSIONS.where(architecture=architecture)
            assert resources._stored_count(tx, ANONYMOUS, query) == 1


def test_what_is_set_anew_is_what_changes_have_kept(db: Database, world: World) -> None:
    with db.write() as tx:
        kept = derived(tx), stored(tx)
        denormalised.refresh_all(tx)
        assert (derived(tx), stored(tx)) == kept


# Worlds that change


@pytest.mark.parametrize("seed", few_of(4))
@pytest.mark.long_on_postgresql
def test_counts_stay_exact_whatever_changes(
    db: Database, world: World, clock: Clock, seed: int
) -> None:
    r = Random(seed)
    play = RandomChanges(r, db, world, clock)
    placed = 0
    clock.move(seconds=400_000)  # so that setting it back leaves some machines current
    for number in range(50):
        play.step()
        with db.read() as tx:
            check_stored(tx)
            for actor in play.readers(tx):
                assert readable_counts.count_readable(tx, actor) == len(read(tx, actor)), (
                    number,
                    actor.username,
                )
                if number % 5 == 4:
                    placed += check_machines(tx, actor)
                if number % 10 == 9:
                    check(tx, actor, r.sample(ORDERS, 2))
    with db.write() as tx:
        kept = derived(tx)
        stored_counts.catch_up(tx)
        check_stored(tx)
        denormalised.refresh_all(tx)
        assert derived(tx) == kept
    assert play.number > 5
    assert placed > 20, "hardly any version had a machine"


def test_a_command_waits_for_another_that_changes_the_catalogue(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.connection() as connection:
        connection.execute("UPDATE catalogue SET revision = revision + 1")
        connection.execute("DELETE FROM placement_counts")
    write, tries = db.write, iter([Unavailable("busy"), Unavailable("busy")])

    def busy_twice() -> AbstractContextManager[Tx]:
        if error := next(tries, None):
            raise error
        return write()

    monkeypatch.setattr(db, "write", busy_twice)
    stored_counts.recount_machines_if_needed(db)
    with db.read() as tx:
        check_stored(tx)
        assert stored_on(tx, world.providers["east"]) == 1
        assert all((tx.first(stored_counts._kept) or {"": 0}).values())


def test_counts_of_providers_that_another_release_has_not_updated_are_not_used(
    db: Database, world: World
) -> None:
    """A server of the release before creates a machine, beside this one's."""
    east = world.providers["east"]
    with db.write() as tx:
        placement_counts.add(tx, Counter({placed(east): 40}))
    stored_counts.recount_machines_if_needed(db)
    with db.read() as tx:
        before = versions.VERSIONS.count(tx, ANONYMOUS, provider=east)
    with db.connection() as connection:
        connection.execute("UPDATE catalogue SET revision = revision + 1")
    with db.read() as tx:
        counted = versions.VERSIONS.count(tx, ANONYMOUS, provider=east)
    with db.write() as tx:
        placement_counts.add(tx, Counter({placed(east): 40}))
    with db.read() as tx:
        assert versions.VERSIONS.count(tx, ANONYMOUS, provider=east) == counted == 1
    stored_counts.recount_machines_if_needed(db)
    with db.read() as tx:
        assert versions.VERSIONS.count(tx, ANONYMOUS, provider=east) == 1
        row = tx.first(stored_counts._kept)
        assert row and all(row.values())
    assert before == (41 if resources.MANY < 0 else 1), (
        "the count of one who sees few is not stored"
    )


@pytest.mark.parametrize("limit", ["MOST_LENGTH", "MOST_PLACEMENTS"])
def test_where_placements_are_too_long_or_too_many_versions_are_counted(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    east = world.providers["east"]
    length = len(placed(*world.providers.values()))
    if limit == "MOST_LENGTH":
        monkeypatch.setattr(placement_counts, limit, length - 1)
        with db.write() as tx:
            placement_counts.recount(tx)
            assert stored(tx)[placement_counts.TOO_LONG] == 1
    else:
        monkeypatch.setattr(readable_counts, limit, 0)
    with db.read() as tx:
        check_stored(tx)
        query = versions.VERSIONS.where(provider=east)
        assert resources._stored_count(tx, ANONYMOUS, query) is None
        assert versions.VERSIONS.count(tx, ANONYMOUS, provider=east) == 1
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        for key in tx.rows(keys, schema.machines):
            row = machines.MACHINES.row_for_change(tx, alice, str(key["id"]))
            machines.end_machine(tx, alice, row)
    if limit == "MOST_LENGTH":
        with db.read() as tx:
            check_stored(tx)
            assert resources._stored_count(tx, ANONYMOUS, query) == 0, "there is none any more"
