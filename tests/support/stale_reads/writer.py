"""The process that writes while others read, and what it announces.

It publishes numbered change logs, names, assignments and children, and versions that start in a moment;
between them it changes an image that nobody reads. It announces each change after its commit has
returned.
"""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from typing import Any, NamedTuple

from goldenrod.base import clock, wire
from goldenrod.catalogue.channels import assign
from goldenrod.catalogue.versions import publish, versions
from goldenrod.rules.access import Actor
from goldenrod.store.db import Database, Tx
from tests.support.cast import World

PAUSES_S = (0.0, 0.001, 0.02)
"""Pauses between writes, in turns: none, about as long as a read, long enough for many reads."""
SOON_MS = 30
CHANNEL = "next"
"""The channel that is assigned again and again."""


class Told(NamedTuple):
    """What the writer has announced: the numbers of its last change, of its last name, of its last
    assignment, of its newest child and of the last child that it ended; and the latest start of a
    version, in microseconds since 1970."""

    number: "Synchronized[int]"
    name: "Synchronized[int]"
    assignment: "Synchronized[int]"
    child: "Synchronized[int]"
    ended: "Synchronized[int]"
    start: "Synchronized[int]"

    def now(self) -> "Announced":
        """What has been announced by now."""
        return Announced(*(value.value for value in self))


class Announced(NamedTuple):
    """What the writer had announced at an instant, see `Told`."""

    number: int
    name: int
    assignment: int
    child: int
    ended: int
    start: int


class Family(NamedTuple):
    """A version whose image nobody changes, and the images in which its children are, in turns."""

    parent: str
    nurseries: list[int]


class Writer:
    """Changes the version `open`, the channel and the children of a family."""

    def __init__(self, db: Database, world: World, family: Family, told: Told) -> None:
        self.db, self.world, self.told = db, world, told
        self.family = family
        self.children: list[tuple[int, str]] = []
        """The numbers and ids of the children that have not been ended."""

    def change(self, number: int) -> None:
        """Make the changes with this number, and announce them."""
        with self.db.write() as tx:
            self._edit(tx, "ended", wire.VersionPatch(change_log=str(number)))
        names, starts = number % 7 == 0, None
        with self.db.write() as tx:
            patch = wire.VersionPatch(change_log=str(number))
            if names:
                patch = wire.VersionPatch(change_log=str(number), name=f"n{number}")
            alice = self._edit(tx, "open", patch)
            if number % 10 == 0:
                starts = clock.later(tx.now, milliseconds=SOON_MS)
                image = self.world.images["open"]
                body = wire.NewVersion(name=f"starts {starts}", image=image, start_date=starts)
                publish.create_version(tx, alice, body)
        self.told.number.value = number
        if names:
            self.told.name.value = number
        if starts:
            self.told.start.value = clock.to_micros(starts)
        if number % 5 == 0:
            self._assign(number)
        if number % 8 == 0:
            self._add_child(number)
        if number % 8 == 4 and len(self.children) > 1:
            self._end_child()

    def _edit(self, tx: Tx, image: str, patch: wire.VersionPatch) -> Actor:
        alice = self.world.actor(tx, "alice")
        row = versions.VERSIONS.row_for_change(tx, alice, self.world.versions[image])
        publish.edit_version(tx, alice, row, patch)
        return alice

    def _assign(self, number: int) -> None:
        version = self.world.versions["open"] if number % 2 else None
        body = wire.NewAssignment(version=version, reason=f"p{number}")
        with self.db.write() as tx:
            alice, image = self.world.actor(tx, "alice"), str(self.world.images["open"])
            found, channel = assign.channel_for_assigning(tx, alice, image, CHANNEL)
            assign.assign(tx, alice, found, channel, CHANNEL, body)
        self.told.assignment.value = number

    def _add_child(self, number: int) -> None:
        parent, nurseries = self.family
        image = nurseries[number // 8 % len(nurseries)]
        body = wire.NewVersion(name=f"k{number}", image=image, parent=parent)
        with self.db.write() as tx:
            made = publish.create_version(tx, self.world.actor(tx, "alice"), body)
        self.children.append((number, made.key))
        self.told.child.value = number

    def _end_child(self) -> None:
        number, key = self.children.pop(0)
        with self.db.write() as tx:
            alice = self.world.actor(tx, "alice")
            publish.end_version(tx, alice, versions.VERSIONS.row_for_change(tx, alice, key))
        self.told.ended.value = number


def write(
    url: str, world: World, family: Family, told: Told, stop: Any, readers_are_told: bool
) -> None:
    """Change what is read, until `stop` is set. A fault on purpose: that `readers` of a version change
    may be of no other image."""
    if not readers_are_told:
        Tx.readers_changed = lambda tx, version_key: None  # type: ignore[method-assign]
    db = Database(url, pool=1)
    writer = Writer(db, world, family, told)
    number = 0
    while not stop.wait(PAUSES_S[number // 50 % len(PAUSES_S)]):
        number += 1
        writer.change(number)
    db.close()


@contextmanager
def writing(
    url: str, world: World, family: Family, *, readers_are_told: bool = True
) -> Iterator[Told]:
    """Another process that writes until the block ends, see `write`."""
    context = multiprocessing.get_context("spawn")
    told = Told(*(context.Value("q", 0) for _ in Told._fields))
    stop = context.Event()
    given = (url, world, family, told, stop, readers_are_told)
    process = context.Process(target=write, args=given, daemon=True)
    process.start()
    try:
        while not (told.start.value and told.child.value):
            assert process.is_alive()
            time.sleep(0.01)
        yield told
    finally:
        stop.set()
        process.join(30)
        assert process.exitcode == 0
