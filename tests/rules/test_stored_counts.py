"""Lists of versions by ways of seeing, and their counts, against the rule as one predicate.

Whatever changes, and wherever the clock stands, forward and back: each reader's list holds what
`access.readable` holds for, once and in order, and `count` says how many that is.
"""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from urllib.parse import parse_qs

import pytest
from sqlalchemy import func, select

from goldenrod.base import wire
from goldenrod.base.clock import Instant, later
from goldenrod.base.errors import Problem
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import attachments, versions
from goldenrod.catalogue.versions import publish as publishing
from goldenrod.rules import access, resources
from goldenrod.rules.access import ANONYMOUS, Actor, ReaderKind
from goldenrod.rules.visibility import branches, denormalised, stored_counts
from goldenrod.sources.found import Found, FoundMachine
from goldenrod.sources.sync.import_releases import import_found
from goldenrod.store import bulk, paging, schema
from goldenrod.store.db import Database, Tx
from tests.conftest import Clock
from tests.support.cast import CAST, World
from tests.support.denormalised import derived
from tests.support.visibility import random_worlds as drawn
from tests.support.visibility.loading import actor_of, keep_statements, loaded
from tests.support.visibility.model import INSTANTS, NOW

ORDERS = [sign + key for key in ("start_date", "end_date", "name") for sign in ("", "-")]


@pytest.fixture(params=["small", "big"], autouse=True)
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of readers who see little and of those who see much, on the same worlds."""
    if request.param == "big":
        monkeypatch.setattr(stored_counts, "COUNTED_ONE_BY_ONE", 0)
        monkeypatch.setattr(resources, "FEW", -1)
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
    assert stored_counts.count_readable(tx, actor) == len(rows)
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


def _stored() -> Any:
    return select(schema.scope_counts.c.scope, schema.scope_counts.c.n)


def stored(tx: Tx) -> dict[int, int]:
    return {row["scope"]: row["n"] for row in tx.rows(_stored) if row["n"]}


def _all() -> Any:
    return select(func.count()).select_from(schema.versions)


def check_stored(tx: Tx) -> None:
    """The kept counts are those of their instant."""
    anew = {
        row["scope"]: row["n"] for row in tx.rows(stored_counts._contribution, None) if row["n"]
    }
    assert stored(tx) == anew | {stored_counts.ALL: tx.value(_all)}


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
        stored = {row["scope"]: row["n"] for row in bulk.rows(tx, schema.scope_counts)}
        found = list(bulk.rows(tx, schema.versions))
        shared = bulk.count(tx, schema.shares)
    assert stored == {
        stored_counts.ALL: 9,
        stored_counts.PUBLIC: 2,
        world.groups["lab"]: 2,
        # Alice's own: all but her open version and the one of them that began and has no end.
        1: 7,
        3: 1,
    }
    assert shared > len(found) == 9
    assert sum(row["ended_hint"] for row in found) == 2


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

    def image(self) -> int:
        return self.r.choice(list(self.world.images.values()))

    def groups(self) -> list[str]:
        return self.r.sample(["lab", "bob", "charlie"], self.r.randint(0, 2))

    def publish(self, tx: Tx, actor: Actor) -> None:
        self.number += 1
        body = wire.NewVersion(
            name=f"v{self.number}", image=self.image(), membership=self.groups(), **self.dates()
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
            provider="east", provider_type="", identifier=f"m{self.number}", architecture=""
        )
        image, version = f"found {self.r.randint(1, 2)}", f"r{self.number}"
        found = Found(image, version, Instant(self.instant()), "", "", (), (machine,), version)
        owner, private = self.r.choice(CAST), self.r.random() < 0.3
        import_found(self.db, [found], owner=owner, private=private)

    def step(self) -> None:
        """One change, or one move of the clock. What is refused changes nothing."""
        if self.r.random() < 0.35:
            self.clock.move(seconds=self.r.choice([1, 6, 30, 500, 90000, -6, -500, -90000]))
        changes: list[Callable[[Tx, Actor], None]] = [
            self.publish, self.edit, self.edit, self.end, self.share, self.edit_image,
            self.edit_image,
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
    for number in range(50):
        play.step()
        with db.read() as tx:
            check_stored(tx)
            for actor in play.readers(tx):
                assert stored_counts.count_readable(tx, actor) == len(read(tx, actor)), (
                    number,
                    actor.username,
                )
                if number % 10 == 9:
                    check(tx, actor, r.sample(ORDERS, 2))
    with db.write() as tx:
        kept = derived(tx)
        stored_counts.catch_up(tx)
        check_stored(tx)
        denormalised.refresh_all(tx)
        assert derived(tx) == kept
    assert play.number > 5
