"""By brute force: which marks (`planted.py`) an answer may show to a reader, in whatever field.

The visibility model says who reads which thing. This module adds which other things a readable thing
names: an image its owner, a version the groups that it is shared with as far as they are shown, and
so on.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from goldenrod.store import schema
from tests.support.marks.planted import KINDS, mark
from tests.support.visibility import model
from tests.support.visibility.model import NOW, Reader, World

_KIND_OF_TABLE = {
    number: KINDS[table.name][0]
    for number, table in enumerate(schema.metadata.sorted_tables)
    if table.name in KINDS
}


@dataclass
class Permitted:
    """What a reader may be shown. `everything`: they are staff."""

    everything: bool = False
    things: set[str] = field(default_factory=set)
    """Marks without the letter of the field: every field of the thing may show."""
    ids: set[str] = field(default_factory=set)
    """The same for versions of which the id alone may show: a readable thing refers to them."""
    looked_up: set[str] = field(default_factory=set)
    """Whole marks that a look-up may show: of what was current once."""

    def allows(self, found: str, lookup: bool) -> bool:
        """Whether a mark may show; in the answer of a look-up, if it is one."""
        if self.everything or found[:-1] in self.things:
            return True
        return lookup and found in self.looked_up

    def allows_id(self, place: int, number: int, lookup: bool) -> bool:
        """Whether the public id of a thing may show, by its table's place and its number."""
        kind = _KIND_OF_TABLE.get(place)
        if kind is None or self.everything:
            return True
        thing = mark(kind, number, "")
        if thing in self.things or thing in self.ids:
            return True
        return lookup and thing in {one[:-1] for one in self.looked_up}


def permitted(world: World, reader: Reader) -> Permitted:
    """What the rule permits a reader to be shown."""
    if reader.staff:
        return Permitted(everything=True)
    found = Permitted()
    _Adding(world, reader, found).everything_readable()
    return found


class _Adding:
    def __init__(self, world: World, reader: Reader, found: Permitted) -> None:
        self.world, self.reader, self.found = world, reader, found

    def add(self, kind: str, number: int) -> None:
        self.found.things.add(mark(kind, number, ""))

    def add_group(self, number: int) -> None:
        """A group by its name, which is that of a user for a personal one."""
        owner = self.world.groups[number].personal_of
        self.add("gr", number)
        if owner is not None:
            self.found.things.add(mark("us", owner, ""))

    def everything_readable(self) -> None:
        world, reader = self.world, self.reader
        for number in world.images:
            if model.reads_image(world, reader, number, NOW):
                self.image(number)
        for number in world.versions:
            if model.reads_version(world, reader, number, NOW):
                self.version(number)
            if model.edits_version(world, reader, number):
                self.add("au", number)
        for machine in world.machines.values():
            if model.reads_machine(world, reader, machine.id, NOW):
                self.add("ma", machine.id)
                self.add("us", world.versions[machine.version].user)
            if model.edits_version(world, reader, machine.version):
                self.add("cm", machine.id)
            self.look_up(machine)
        for number in world.providers:
            if model.reads_provider(world, reader, number, NOW):
                self.add("pr", number)
        for number, script in world.scripts.items():
            if model.reads_script(world, reader, number, NOW):
                self.add("sc", number)
                self.add("us", script.creator)
        for number, license_ in world.licenses.items():
            self.add("li", number)
            self.add("us", license_.creator)
        for number, group in world.groups.items():
            if model.reads_group(world, reader, number):
                self.add_group(number)
                for user in group.users:
                    self.add("us", user)
        for number, channel in world.channels.items():
            if model.reads_channel(world, reader, number, NOW):
                self.channel(number, channel)
        self.own()

    def image(self, number: int) -> None:
        it = self.world.images[number]
        self.add("im", number)
        self.add("us", it.owner)
        self.add("us", it.created_by)
        for tag in it.tags:
            self.add("tg", tag)
        for group in model.maintainers_shown(self.world, self.reader, number, NOW):
            self.add_group(group)
        if model.edits_image(self.world, self.reader, number):
            self.add("se", number)
            self.add("so", 1)
            self.add("ns", number)

    def version(self, number: int) -> None:
        it = self.world.versions[number]
        self.add("ve", number)
        self.add("lb", number)
        self.add("us", it.user)
        self.image(it.image)
        for group in model.membership_shown(self.world, self.reader, number, NOW):
            self.add_group(group)
        for license_ in it.licenses:
            self.add("li", license_)
        for script in it.scripts:
            self.add("sc", script)
        if model.identity_shown(self.world, self.reader, number):
            self.add("id", it.identity or 0)
        origin = model.revoked_by(self.world, number)
        if origin is not None and model.reads_version(self.world, self.reader, origin, NOW):
            self.add("rv", origin)
            self.add("us", self.world.versions[origin].user)
        for other in (it.parent, it.replacement, origin):
            if other is not None:
                self.found.ids.add(mark("ve", other, ""))

    def channel(self, number: int, it: model.Channel) -> None:
        self.add("ch", number)
        self.add("as", number)
        for group in model.groups_shown(self.world, self.reader, number):
            self.add_group(group)
        if it.assigned is not None:
            self.found.ids.add(mark("ve", it.assigned, ""))

    def own(self) -> None:
        world, reader = self.world, self.reader
        if reader.user is not None:
            self.add("us", reader.user)
            self.add("se", 800 + reader.user)  # the browser of their session
        for number in world.identities:
            if model.reads_identity(world, reader, number):
                self.add("id", number)
        for number in world.tokens:
            if model.reads_token(world, reader, number):
                self.add("tk", number)
        for number in world.webhooks:
            if model.reads_webhook(world, reader, number):
                self.add("wh", number)

    def look_up(self, machine: model.Machine) -> None:
        """What a look-up tells of a machine: it asks at the last instant at which the machine, its
        version, image and provider were all current."""
        world = self.world
        version = world.versions[machine.version]
        image, provider = world.images[version.image], world.providers[machine.provider]
        all_four = (machine, version, image, provider)
        at = NOW
        ends = [it.end for it in all_four if it.end is not None and it.end <= NOW]
        if ends:
            at = _just_before(min(ends))
        if not all(model.current(it, at) for it in all_four):
            return
        if model.reads_machine(world, self.reader, machine.id, at):
            self.found.looked_up |= {
                mark("ma", machine.id, "i"),
                mark("ve", version.id),
                mark("im", image.id),
                mark("im", image.id, "s"),
                mark("us", image.owner),
            }


def _just_before(instant: str) -> str:
    """A microsecond before an instant of the model."""
    earlier = datetime.fromisoformat(instant) - timedelta(microseconds=1)
    return earlier.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
