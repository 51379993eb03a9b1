"""Random changes of a catalogue by the cast, and a clock that moves."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from goldenrod.base import wire
from goldenrod.base.clock import Instant, later
from goldenrod.base.errors import Problem
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import attachments, machines, providers, versions
from goldenrod.catalogue.versions import publish as publishing
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.sources.found import Found, FoundMachine
from goldenrod.sources.sync.import_releases import import_found
from goldenrod.store import schema
from goldenrod.store.db import Database, Tx
from tests.conftest import Clock
from tests.support.cast import CAST, World
from tests.support.visibility.lists import keys


class RandomChanges:
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
        found = [row["id"] for row in tx.rows(keys, schema.machines)]
        row = machines.MACHINES.row_for_change(tx, actor, str(self.r.choice(found)))
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
