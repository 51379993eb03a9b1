"""Lists of versions by ways of seeing, and their counts, against the rule as one predicate.

Whatever changes, and wherever the clock stands, forward and back: each reader's list holds what
`access.readable` holds for, once and in order, and `count` says how many that is.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from random import Random
from typing import Any
from urllib.parse import parse_qs

import pytest
from sqlalchemy import String, Table, and_, select

from goldenrod.base import wire
from goldenrod.base.clock import Instant, later
from goldenrod.base.errors import Problem, Unavailable
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import attachments, machines, providers, versions
from goldenrod.catalogue.versions import publish as publishing
from goldenrod.rules import access, resources
from goldenrod.rules.access import ANONYMOUS, Actor, ReaderKind
from goldenrod.rules.lifecycle import machine_access
from goldenrod.rules.visibility import (
    branches,
    denormalised,
    placement_counts,
    readable_counts,
    stored_counts,
)
from goldenrod.sources.found import Found, FoundMachine
from goldenrod.sources.sync.import_releases import import_found
from goldenrod.store import bulk, paging, schema
from goldenrod.store.db import Database, Tx
from goldenrod.store.sql import Key, param
from tests.conftest import Clock
from tests.support.cast import CAST, World
from tests.support.denormalised import counted, derived, stored
from tests.support.visibility import random_worlds as drawn
from tests.support.visibility.loading import actor_of, keep_statements, loaded
from tests.support.visibility.model import INSTANTS, NOW

ORDERS = [sign + key for key in ("start_date", "end_date", "name") for sign in ("", "-")]


@pytest.fixture(params=["small", "big"], autouse=True)
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of readers who see little and of those who see much, on the same worlds."""
    if request.param == "big":
        monkeypatch.setattr(readable_counts, "COUNTED_ONE_BY_ONE", 0)
        monkeypatch.setattr(resources, "FEW", -1)
        monkeypatch.setattr(resources, "MANY", -1)
        monkeypatch.setattr(branches, "MOST_BRANCHES", 1)


def _readable(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    columns = version.c.id, version.c.start_date, version.c.end_date, version.c.name_key
    return select(*columns, version.c.image_id).where(access.readable(version, reader))


def read(tx: Tx, actor: Actor) -> list[dict[str, Any]]:
    """The versions that the predicate holds for."""
    return tx.rows(_readable, actor.reader, **resources.params(tx, actor))


def in_order(rows: list[dict[str, Any]], ordering: str) -> list[str]:
    """The ids of versions as a list in this order has them."""
    column = {"name": "name_key"}.get(ordering.lstrip("-"), ordering.lstrip("-"))
    key = lambda row: (row[column] or "9999-12-31T23:59:59.999999Z", row["id"])  # noqa: E731
    return [row["id"] for row in sorted(rows, key=key, reverse=ordering[0] == "-")]


def listed(tx: Tx, actor: Actor, **arguments: str) -> tuple[list[str], set[int]]:
    """The ids of a whole list, page by page as `next` leads, and what its pages said it counts."""
    found: list[str] = []
    said: set[int] = set()
    query: str | None = ""
    given = {name: [text] for name, text in arguments.items()}
    while query is not None:
        page = versions.VERSIONS.page(tx, actor, paging.parse(versions.VERSIONS.listing, given))
        found += [json.loads(text)["id"] for text in page.results]
        said.add(page.count)
        query = page.next
        if query is not None:
            given = parse_qs(query)
    return found, said


def check(tx: Tx, actor: Actor, orders: list[str]) -> None:
    """The list and its count are what the predicate says."""
    rows = read(tx, actor)
    assert readable_counts.count_readable(tx, actor) == len(rows)
    for ordering in orders:
        found, said = listed(tx, actor, ordering=ordering, page_size="2")
        assert found == in_order(rows, ordering), ordering
        assert said == {len(rows)}
    by_number = versions.VERSIONS.page(
        tx, actor, paging.parse(versions.VERSIONS.listing, {"page_size": ["2"], "page": ["1"]})
    )
    assert [json.loads(it)["id"] for it in by_number.results] == in_order(rows, "start_date")[:2]
    found, said = listed(tx, actor, allow_imaging="true")
    assert sorted(found) == sorted(row["id"] for row in rows)
    assert said == {len(rows)}


def _values(column: str) -> Any:
    table, name = column.split(".")
    wanted = schema.metadata.tables[table].c[name]
    return select(wanted.label("value")).distinct().order_by(wanted)


def _placed(reader: ReaderKind, column: str) -> Any:
    """The versions that list a machine on a provider, or of an architecture, as the rule says."""
    version, machine, provider = (
        table.alias() for table in (schema.versions, schema.machines, schema.providers)
    )
    of = {
        "providers.id": and_(
            provider.c.id == param("value", Key), access.readable(provider, reader)
        ),
        "machines.architecture": machine.c.architecture == param("value", String),
    }
    return (
        select(version.c.id)
        .distinct()
        .where(
            access.readable(version, reader),
            machine.c.version_n == version.c.n,
            provider.c.id == machine.c.provider_id,
            of[column],
            machine_access.listed_in_version(machine, provider, reader, version),
        )
    )


BY_MACHINE = {"provider": "providers.id", "architecture": "machines.architecture"}


def check_machines(tx: Tx, actor: Actor) -> int:
    """The list of each provider and of each architecture, and its count, are what the rule says; how
    many versions they have."""
    every = 0
    given = resources.params(tx, actor)
    for name, column in BY_MACHINE.items():
        for row in tx.rows(_values, column):
            value = row["value"]
            if value == "":
                continue  # nothing is found by it
            rows = tx.rows(_placed, actor.reader, column, value=value, **given)
            wanted = {it["id"] for it in rows}
            query = versions.VERSIONS.where(**{name: value})
            assert versions.VERSIONS.count(tx, actor, **{name: value}) == len(wanted)
            if actor.reader is not ReaderKind.STAFF:
                assert resources._stored_count(tx, actor, query) == len(wanted), (name, value)
            found, said = listed(tx, actor, **{name: str(value)}, page_size="2")
            assert len(found) == len(wanted) and set(found) == wanted
            assert said == {len(wanted)}
            every += len(wanted)
    return every


def placed(*providers: int) -> str:
    """The placement of machines of the cast's architecture on these providers, as it is stored."""
    pairs = [[provider, "x86_64"] for provider in providers]
    return json.dumps(pairs, separators=(",", ":"))


def stored_on(tx: Tx, provider: int) -> int:
    """The stored number of versions on a provider."""
    return sum(n for of, n in stored(tx).items() if f"[{provider}," in str(of))


def check_stored(tx: Tx) -> None:
    """The stored counts are those of their instant."""
    assert stored(tx) == counted(tx)


def _keys(table: Table) -> Any:
    return select(table.c.id).order_by(table.c.id)


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


class Play:
    """Random changes by the cast, each in a transaction of its own, and a clock that moves."""

    def __init__(self, r: Random, db: Database, world: World, clock: Clock) -> None:
        self.r, self.db, self.world, self.clock = r, db, world, clock
        self.versions = list(world.versions.values())
        self.number = 0

    def instant(self) -> Instant:
        return later(self.clock.now, seconds=self.r.choice([-90000, -400, -5, 0, 5, 400, 90000]))

    def dates(self) -> dict[str, Any]:
        start = self.instant()
        end = self.r.choice([None, None, later(start, seconds=self.r.choice([0, 7, 86400]))])
        return {"start_date": start, "end_date": end}

    def architecture(self) -> str:
        return self.r.choice(["x86_64", "x86_64", "arm64", ""])

    def image(self) -> int:
        return self.r.choice(list(self.world.images.values()))

    def groups(self) -> list[str]:
        return self.r.sample(["lab", "bob", "charlie"], self.r.randint(0, 2))

    def publish(self, tx: Tx, actor: Actor) -> None:
        self.number += 1
        body = wire.NewVersion(
            name=f"v{self.number}",
            image=self.image(),
            membership=self.groups(),
            machines=[
                wire.NestedMachine(
                    provider=where,
                    identifier=f"i{self.number}",
                    architecture=self.architecture(),
                    **self.dates(),
                )
                for where in self.r.sample(["east", "west"], self.r.randint(0, 2))
            ],
            **self.dates(),
        )
        self.versions.append(publishing.create_version(tx, actor, body).key)

    def edit(self, tx: Tx, actor: Actor) -> None:
        row = versions.VERSIONS.row_for_change(tx, actor, self.r.choice(self.versions))
        change: dict[str, Any] = self.r.choice(
            [
                self.dates(),
                {"membership": self.groups()},
                {"image": self.image()},
                {"change_log": "x"},
                {"name": f"n{self.number}"},
            ]
        )
        publishing.edit_version(tx, actor, row, wire.VersionPatch(**change))

    def end(self, tx: Tx, actor: Actor) -> None:
        row = versions.VERSIONS.row_for_change(tx, actor, self.r.choice(self.versions))
        publishing.end_version(tx, actor, row)

    def add_machine(self, tx: Tx, actor: Actor) -> None:
        self.number += 1
        identifier = self.r.choice([f"i{self.number}", "open-east", "kept-west"])
        body = wire.NewMachine(
            version=self.r.choice(self.versions),
            provider=self.r.choice(["east", "west"]),
            identifier=identifier,
            take_identifier=self.r.random() < 0.5,
            architecture=self.architecture(),
            **self.dates(),
        )
        machines.create_machine(tx, actor, body)

    def change_machine(self, tx: Tx, actor: Actor) -> None:
        keys = [row["id"] for row in tx.rows(_keys, schema.machines)]
        row = machines.MACHINES.row_for_change(tx, actor, str(self.r.choice(keys)))
        if self.r.random() < 0.3:
            machines.end_machine(tx, actor, row)
        else:
            change = self.r.choice([self.dates(), {"architecture": self.architecture()}])
            machines.edit_machine(tx, actor, row, wire.MachinePatch(**change))

    def change_provider(self, tx: Tx, actor: Actor) -> None:
        key = str(self.r.choice(list(self.world.providers.values())))
        row = providers.PROVIDERS.row_for_change(tx, actor, key)
        change: dict[str, Any] = {
            "public": self.r.random() < 0.8,
            "active": self.r.random() < 0.9,
            "end_date": self.r.choice([None, None, self.instant()]),
        }
        providers.edit_provider(tx, actor, row, wire.ProviderPatch(**change))

    def share(self, tx: Tx, actor: Actor) -> None:
        key, group = self.r.choice(self.versions), self.r.choice(["lab", "bob", "charlie"])
        body = wire.NewVersionMembership(image_version=key, group=group)
        made = attachments.MEMBERSHIPS.attach(tx, actor, body)
        if self.r.random() < 0.4:
            row = attachments.MEMBERSHIPS.row_for_change(tx, actor, made.key)
            attachments.MEMBERSHIPS.detach(tx, actor, row)

    def edit_image(self, tx: Tx, actor: Actor) -> None:
        row = images.IMAGES.row_for_change(tx, actor, str(self.image()))
        change: dict[str, Any] = self.r.choice(
            [
                {"is_public": self.r.random() < 0.5},
                {"owner": self.r.choice(CAST)},
                {"maintainers": self.groups()},
                self.dates(),
                {"end_date": None},
            ]
        )
        images.edit_image(tx, actor, row, wire.ImagePatch(**change))

    def take_in(self) -> None:
        """An import, which opens its own transaction."""
        self.number += 1
        machine = FoundMachine(
            provider="east",
            provider_type="",
            identifier=f"m{self.number}",
            architecture=self.architecture(),
        )
        image, version = f"found {self.r.randint(1, 2)}", f"r{self.r.randint(1, 6)}"
        found = Found(image, version, Instant(self.instant()), "", "", (), (machine,), version)
        owner, private = self.r.choice(CAST), self.r.random() < 0.3
        import_found(self.db, [found], owner=owner, private=private)

    def step(self) -> None:
        """One change, or one move of the clock. What is refused changes nothing."""
        if self.r.random() < 0.35:
            self.clock.move(seconds=self.r.choice([1, 6, 30, 500, 90000, -6, -500, -90000]))
        changes: list[Callable[[Tx, Actor], None]] = [
            self.publish, self.edit, self.edit, self.end, self.share, self.edit_image,
            self.edit_image, self.add_machine, self.add_machine, self.change_machine,
            self.change_machine, self.change_provider,
        ]  # fmt: skip
        if self.r.random() < 1 / 8:
            self.take_in()
            return
        try:
            with self.db.write() as tx:
                self.r.choice(changes)(tx, self.world.actor(tx, self.r.choice(CAST)))
        except Problem:
            return

    def readers(self, tx: Tx) -> Iterator[Actor]:
        yield ANONYMOUS
        for name in CAST:
            yield self.world.actor(tx, name)


@pytest.mark.parametrize("seed", few_of(4))
@pytest.mark.long_on_postgresql
def test_counts_stay_exact_whatever_changes(
    db: Database, world: World, clock: Clock, seed: int
) -> None:
    r = Random(seed)
    play = Play(r, db, world, clock)
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
        for key in tx.rows(_keys, schema.machines):
            row = machines.MACHINES.row_for_change(tx, alice, str(key["id"]))
            machines.end_machine(tx, alice, row)
    if limit == "MOST_LENGTH":
        with db.read() as tx:
            check_stored(tx)
            assert resources._stored_count(tx, ANONYMOUS, query) == 0, "there is none any more"
