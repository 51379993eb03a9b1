"""Random sequences of changes, made alike to the catalogue and to the model (`model.py`).

A play begins with the cast's things (`support/cast.py`). Each step moves the clock or makes one
change as one of those who may make it; the model predicts whether it is refused, and with which
code. It calls the functions of the resource modules, as the handlers do.
"""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

from msgspec import UNSET

from goldenrod.base import wire
from goldenrod.base.clock import Instant, later
from goldenrod.base.errors import Problem
from goldenrod.catalogue.channels import assign as promoting
from goldenrod.catalogue.channels import channels
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import machines, providers, revocations, versions
from goldenrod.catalogue.versions import publish as publishing
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.store.db import Tx
from tests.support.cast import World
from tests.support.lifecycle import model, undoing
from tests.support.lifecycle.records import Channel, Machine, Revocation, Version
from tests.support.lifecycle.start import LAB, PROVIDERS, READERS, machines_of, opening

CHANNELS = ("stable", "stable", "candidate")
GROUPS = (frozenset[str](), LAB, LAB, frozenset({"charlie"}), LAB | {"charlie"})
STAGE = {"open": 8, "kept": 3, "shared": 2, "closed": 1}
"""The images that steps choose, and how often; they do not choose `ended` and `scheduled`."""
OPENING = 12
"""The number of changes before the first comparison."""


class Play:
    """The catalogue and the model side by side. `story` lists what was done, to explain a failure."""

    def __init__(self, tx: Tx, cast: World, r: Random) -> None:
        self.tx, self.cast, self.r = tx, cast, r
        self.story: list[str] = []
        self.actors: dict[str | None, Actor] = {
            name: cast.actor(tx, name) if name else ANONYMOUS for name in READERS
        }
        self.image_ids = {number: name for name, number in cast.images.items()}
        self.numbers = 0
        self.w = opening(tx, cast)

    def open(self) -> None:
        """Publish some versions, each built on the previous one, and assign some."""
        for _ in range(OPENING):
            self.r.choice([Play.publish, Play.publish, Play.assign])(self)

    def step(self) -> None:
        """Move the clock, or make one change."""
        change = self.r.choices(list(CHANGES), list(CHANGES.values()))[0]
        change(self)

    def do(
        self, who: str, what: str, act: Callable[[Actor], Any], refused: str | None = None
    ) -> Any:
        """Make a change in the catalogue. `refused` is the code that the model predicts."""
        self.story.append(f"{self.w.now} {who}: {what}" + (f" -> {refused}" if refused else ""))
        outcome, result = None, None
        try:
            result = act(self.actors[who])
        except Problem as problem:
            outcome = problem.code
        assert outcome == refused
        return result

    # ── choosing ───────────────────────────────────────────────────────────────────────────

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def editor(self, image: str, *more: str) -> str:
        """A user who may change versions of an image (and of `more`)."""
        who = ["alice", "alice", "dora"]
        if {image, *more} == {"kept"}:
            who += ["bob", "bob"]
        return self.r.choice(who)

    def image(self) -> str:
        return self.r.choices(list(STAGE), list(STAGE.values()))[0]

    def version(self, image: str) -> str | None:
        """A random version of an image, more often a newer one."""
        there = [it.id for it in self.w.versions.values() if it.image == image]
        if not there:
            return None
        return self.r.choice(there[-4:] if self.r.random() < 0.6 else there)

    def a_version(self, rather: Iterable[str] = ()) -> Version:
        """A random version of any image; half the time one of `rather`."""
        wanted = set(rather)
        if wanted and self.r.random() < 0.5:
            # In the order of creation, because ids differ from run to run.
            return self.r.choice([it for it in self.w.versions.values() if it.id in wanted])
        key = None
        while key is None:
            key = self.version(self.image())
        return self.w.versions[key]

    def readable(self, who: str) -> str:
        """A random version that `who` may read, more often a newer one."""
        there = [key for key in self.w.versions if self.reads(who, key)]
        return self.r.choice(there[-3:] if self.r.random() < 0.6 else there)

    def reads(self, who: str, key: str) -> bool:
        return model.reads_version(self.w, READERS[who], key)

    def instant(self, *days: float) -> Instant:
        """The instant a random one of these numbers of days from now."""
        return later(Instant(self.w.now), days=self.r.choice(days))

    # ── changes ────────────────────────────────────────────────────────────────────────────

    def move_clock(self) -> None:
        self.w.now = self.instant(0.0001, 0.02, 0.5, 1, 1, 2, 3)
        self.tx.now = Instant(self.w.now)
        self.story.append(f"{self.w.now} it is")

    def publish(self) -> None:
        r, image = self.r, self.image()
        who = self.editor(image)
        parent = self.readable(who) if r.random() < 0.8 else None
        allowed = r.random() < 0.6
        start = r.choice([self.w.now, self.w.now, self.instant(-3, -1, 1), self.a_version().start])
        end = r.choice([None, None, None, max(start, self.instant(1, 2, 4))])
        membership = sorted(r.choice([frozenset[str](), LAB]))
        excluded = r.random() < 0.1
        name = f"{image}-v{self.number()}"
        places = [(p, a) for p in PROVIDERS for a in ("x86_64", "arm64") if r.random() < 0.5]
        if who == "bob":
            places = [place for place in places if place[0] == "west"]
        body = wire.NewVersion(
            name=name,
            image=self.cast.images[image],
            parent=parent,
            membership=list(membership),
            start_date=start,
            end_date=end,
            exclude_from_latest=excluded,
            allow_revoked_parent=allowed,
            machines=[
                wire.NestedMachine(provider=p, identifier=f"{name}-{p}-{a}", architecture=a)
                for p, a in places
            ],
        )
        below = parent is not None and bool(model.in_force(self.w, parent))
        refused = "parent_revoked" if below and not allowed else None
        new = Version("new", image, who, parent, frozenset(membership), start, end, excluded)
        if r.random() < 0.3 and model.would_be_offered(self.w, new):
            body.channels = r.sample(sorted({*CHANNELS}), r.choice((1, 2)))
        what = f"publish {name} below {parent} {start} {end} to {body.channels}"
        made = self.do(who, what, lambda a: publishing.create_version(self.tx, a, body), refused)
        if made:
            self.w.versions[made.key] = replace(new, id=made.key)
            self.learn_machines(made.key)
            for place in [(image, one) for one in body.channels]:
                channel = self.w.channels.setdefault(place, Channel(*place))
                channel.hidden, channel.assignments = False, [*channel.assignments, made.key]

    def learn_machines(self, key: str) -> None:
        """Add the machines of a version that the catalogue created to the model, with their ids."""
        for it in machines_of(self.tx, key):
            self.w.machines.setdefault(it.id, it)

    def edit(self, version: Version, who: str, patch: wire.VersionPatch, *said: Any) -> bool:
        """PATCH a version. Returns whether it was accepted. `said` is the change and its expected
        code."""
        what, refused = said
        self.do(
            who,
            f"{what} {version.id}",
            lambda a: publishing.edit_version(self.tx, a, self.row(a, version.id), patch),
            refused,
        )
        return refused is None

    def row(self, actor: Actor, key: str) -> Any:
        return versions.VERSIONS.row_for_change(self.tx, actor, key)

    def date(self) -> None:
        """End a version now or later, undo that, or set another start."""
        r, it = self.r, self.a_version()
        who = self.editor(it.image)
        choice = r.choice(["end", "end", "unend", "unend", "ends", "starts"])
        if choice == "end":
            self.do(
                who,
                f"end {it.id}",
                lambda a: publishing.end_version(self.tx, a, self.row(a, it.id)),
            )
            if it.end is None or it.end > self.w.now:
                it.end = self.w.now
            return
        start, end = it.start, it.end
        if choice == "starts":
            start = self.instant(-2, -1, 0, 1)
            patch = wire.VersionPatch(start_date=start)
        else:
            end = self.instant(0.5, 1, 3) if choice == "ends" else None
            patch = wire.VersionPatch(end_date=end)
        changes = (start, end) != (it.start, it.end)
        refused = "field_invalid" if changes and end is not None and end < start else None
        if self.edit(it, who, patch, f"{choice} {start} {end}", refused):
            it.start, it.end = start, end

    def set_image(self) -> None:
        """End an image or undo that, or change whether it is public."""
        image = self.w.images[self.image()]
        who = self.r.choice(["alice", "dora"])
        after = deepcopy(image)
        patch = wire.ImagePatch()
        if image.end is not None or self.r.random() < 0.3:
            after.end = None if image.end else self.instant(0.001, 1)
            patch.end_date = after.end
        else:
            after.public = not image.public
            patch.is_public = after.public

        def act(actor: Actor) -> None:
            row = images.IMAGES.row_for_change(self.tx, actor, str(self.cast.images[image.name]))
            images.edit_image(self.tx, actor, row, patch)

        self.do(who, f"{image.name}: public {after.public} end {after.end}", act)
        self.w.images[image.name] = after

    def set_provider(self) -> None:
        """End a provider, make it inactive, or undo that."""
        closed = [it for it in self.w.providers.values() if it.end or not it.active]
        it = self.r.choice(closed or list(self.w.providers.values()))
        after = deepcopy(it)
        patch = wire.ProviderPatch()
        if it.end or (it.active and self.r.random() < 0.5):
            after.end = patch.end_date = None if it.end else self.instant(0.001, 0.5)
        else:
            after.active = patch.active = not it.active

        def act(actor: Actor) -> None:
            row = providers.PROVIDERS.row_for_change(self.tx, actor, it.name)
            providers.edit_provider(self.tx, actor, row, patch)

        self.do("dora", f"{it.name}: active {after.active} end {after.end}", act)
        self.w.providers[it.name] = after

    def deprecate(self) -> None:
        r = self.r
        replaced = {v.deprecation[2]: v.id for v in self.w.versions.values() if v.deprecation}
        it = self.a_version(key for key in replaced if key)
        who = self.editor(it.image)
        at, reason, replacement = it.deprecation or (None, None, None)
        given: wire.NewDeprecation | None = wire.NewDeprecation()
        refused = None
        if r.random() < 0.2:
            given, after = None, None
        else:
            assert given is not None
            if r.random() < 0.5:
                given.at = at = self.instant(-1, 0, 0.5, 1)
            if r.random() < 0.5:
                given.reason = reason = r.choice([None, f"old {self.number()}"])
            if r.random() < 0.6:
                circle = replaced.get(it.id)
                given.replacement = r.choice([None, self.readable(who), self.readable(who)])
                if circle and self.reads(who, circle):
                    given.replacement = circle
            wanted = replacement if given.replacement is UNSET else given.replacement
            newly = wanted is not None and wanted != replacement
            if newly and model.replaced_in_a_circle(self.w, it.id, wanted):
                refused = "replacement_cycle"
            after = (at or self.w.now, reason, wanted)
        patch = wire.VersionPatch(deprecation=given)
        if self.edit(it, who, patch, f"deprecate {after}", refused):
            it.deprecation = after

    def give_parent(self) -> None:
        r = self.r
        it = self.a_version(key for key in self.w.versions if model.inherits(self.w, key))
        who = self.editor(it.image)
        parent = r.choice([None, self.readable(who), self.readable(who), self.readable(who)])
        allowed = r.random() < 0.6
        patch = wire.VersionPatch(parent=parent, allow_revoked_parent=allowed)
        refused = None
        if parent is not None and parent != it.parent:
            if model.descends(self.w, parent, it.id):
                refused = "parent_cycle"
            elif model.in_force(self.w, parent) and not allowed:
                refused = "parent_revoked"
        if self.edit(it, who, patch, f"parent {parent}", refused):
            it.parent = parent

    def move(self) -> None:
        it, image = self.a_version(), self.image()
        if image == it.image:
            return
        there = {self.place_of(m) for m in self.machines_in(image)}
        refused = None
        if model.ever_assigned(self.w, it.id):
            refused = "version_in_channel"
        elif there & {self.place_of(m) for m in self.machines_in(it.image) if m.version == it.id}:
            refused = "machine_taken"
        patch = wire.VersionPatch(image=self.cast.images[image])
        if self.edit(it, self.editor(it.image, image), patch, f"move to {image}", refused):
            it.image = image

    def exclude(self) -> None:
        it = self.a_version()
        patch = wire.VersionPatch(exclude_from_latest=not it.excluded)
        if self.edit(it, self.editor(it.image), patch, "exclude", None):
            it.excluded = not it.excluded

    def revoke(self) -> None:
        r = self.r
        it = self.a_version(v.parent for v in self.w.versions.values() if v.parent)
        who = self.editor(it.image)
        given = r.choice([None, None, None, self.instant(-0.002, 0.02, 1, 2)])
        at = max(given or self.w.now, self.w.now)
        reason, below, rolls = f"bad {self.number()}", r.random() < 0.7, r.random() < 0.7
        body = wire.Revocation(reason=reason, at=given, descendants=below, roll_back_channels=rolls)
        own = model.own_revocation(self.w, it.id)
        taken = own is not None and own.at <= self.w.now
        before = deepcopy(self.w)
        effect = self.do(
            who,
            f"revoke {it.id} at {at} descendants {below} rolls back {rolls}",
            lambda a: revocations.revoke(self.tx, a, self.row(a, it.id), body),
            "version_already_revoked" if taken else None,
        )
        if effect:
            if own:
                own.restored = True
            self.w.revocations.append(Revocation(it.id, at, reason, who, below, rolls))
            self.check_effect(who, effect, before, at)

    def restore(self) -> None:
        standing = [it.version for it in self.w.revocations if not it.restored]
        likely = standing and self.r.random() < 0.8
        it = self.w.versions[self.r.choice(standing)] if likely else self.a_version()
        who = self.editor(it.image)
        own = model.own_revocation(self.w, it.id)
        before = deepcopy(self.w)
        effect = self.do(
            who,
            f"restore {it.id}",
            lambda a: revocations.restore(self.tx, a, self.row(a, it.id), wire.Restoring()),
            None if own else "version_not_revoked",
        )
        if own:
            own.restored = True
            self.check_effect(who, effect, before, max(own.at, self.w.now))

    def check_effect(
        self, who: str, effect: revocations.Effect, before: model.World, at: str
    ) -> None:
        """The answer lists what changes at that instant, as far as the reader may read it already."""
        versions, moved = model.effect(before, self.w, READERS[who], at)
        channels = sorted([self.cast.images[image], *rest] for image, *rest in moved)
        assert (effect.at, effect.versions) == (at, versions)
        assert effect.channels == channels
        assert (effect.versions_count, effect.channels_count) == (len(versions), len(moved))

    def assign(self) -> None:
        r, image, name = self.r, self.image(), self.r.choice(CHANNELS)
        who = self.editor(image)
        key = self.version(image) if r.random() < 0.9 else self.readable(who)
        if r.random() < 0.15:
            key = None
        channel = self.w.channels.get((image, name))
        refused = None
        if key and self.w.versions[key].image != image:
            refused = "version_of_other_image"
        elif key and model.state(self.w, key) not in ("current", "deprecated"):
            refused = "version_not_offered"

        def act(actor: Actor) -> bool:
            its, row = promoting.channel_for_assigning(
                self.tx, actor, str(self.cast.images[image]), name
            )
            return promoting.assign(
                self.tx, actor, its, row, name, wire.NewAssignment(version=key, reason="so")
            )

        new = self.do(who, f"{image}/{name} is {key}", act, refused)
        if refused is None:
            assert new == (channel is None or channel.hidden)
            channel = self.w.channels.setdefault((image, name), Channel(image, name))
            channel.hidden = False
            if (channel.assignments or [None])[-1] != key:
                channel.assignments.append(key)

    def channel_row(self, actor: Actor, channel: Channel) -> Any:
        image = str(self.cast.images[channel.image])
        return channels.channel_for_change(self.tx, actor, image, channel.name)

    def configure(self) -> None:
        """Delete a channel, or change who may read it."""
        if not self.w.channels:
            return
        channel = self.w.channels[self.r.choice(sorted(self.w.channels))]
        who = self.editor(channel.image)
        if self.r.random() < 0.3:
            self.do(
                who,
                f"delete {channel.image}/{channel.name}",
                lambda a: promoting.hide_channel(self.tx, a, self.channel_row(a, channel)),
                "channel_not_found" if channel.hidden else None,
            )
            if not channel.hidden:
                channel.assignments.append(None)
                channel.hidden = True
            return
        restricted, groups = self.r.random() < 0.6, self.r.choice(GROUPS)
        patch = wire.ChannelPatch(restricted=restricted, groups=sorted(groups))
        self.do(
            who,
            f"restrict {channel.image}/{channel.name} {restricted} {sorted(groups)}",
            lambda a: promoting.edit_channel(self.tx, a, self.channel_row(a, channel), patch),
            "channel_not_found" if channel.hidden else None,
        )
        if not channel.hidden:
            channel.restricted, channel.groups = restricted, groups

    def place(self) -> None:
        """Add a machine. Another image may have a machine with the same id."""
        it = self.a_version()
        who = self.editor(it.image)
        provider = "west" if who == "bob" else self.r.choice(PROVIDERS)
        identifier = f"machine-{self.number()}"
        taken = {m.identifier for m in self.w.machines.values() if self.image_of(m) == it.image}
        known = sorted({m.identifier for m in self.w.machines.values()} - taken)
        if known and self.r.random() < 0.3:
            identifier = self.r.choice(known)
        body = wire.NewMachine(
            version=it.id,
            provider=provider,
            identifier=identifier,
            architecture=self.r.choice(["x86_64", "arm64"]),
            start_date=self.r.choice([None, None, self.instant(-2, 0.5, 1)]),
        )
        what = f"place {identifier} of {it.id} on {provider}"
        self.do(who, what, lambda a: machines.create_machine(self.tx, a, body))
        self.learn_machines(it.id)

    def image_of(self, machine: Machine) -> str:
        return self.w.versions[machine.version].image

    def place_of(self, machine: Machine) -> tuple[str, str]:
        return machine.provider, machine.identifier

    def machines_in(self, image: str) -> list[Machine]:
        """The machines of an image without an end."""
        every = self.w.machines.values()
        return [m for m in every if m.end is None and self.image_of(m) == image]

    def lose_machine(self) -> None:
        """End a machine now or later, or undo that."""
        machine = self.r.choice(list(self.w.machines.values()))
        end = self.r.choice([self.w.now, self.w.now, self.instant(0.5, 1), None])
        if end is not None and end < machine.start:
            return
        if end is None and machine.end is not None:
            others = self.machines_in(self.image_of(machine))
            if self.place_of(machine) in map(self.place_of, others):
                return
        patch = wire.MachinePatch(end_date=end)

        def act(actor: Actor) -> None:
            row = machines.MACHINES.row_for_change(self.tx, actor, str(machine.id))
            machines.edit_machine(self.tx, actor, row, patch)

        self.do("dora", f"machine {machine.id} ends {end}", act)
        machine.end = end


CHANGES: dict[Callable[[Play], None], int] = {
    Play.move_clock: 16,
    Play.publish: 12,
    Play.date: 8,
    Play.set_image: 4,
    Play.set_provider: 3,
    Play.deprecate: 12,
    Play.give_parent: 10,
    Play.move: 2,
    Play.exclude: 2,
    Play.revoke: 12,
    Play.restore: 7,
    Play.assign: 22,
    Play.configure: 4,
    undoing.undo: 6,
    Play.place: 4,
    Play.lose_machine: 4,
}
"""The possible changes, and their relative frequency."""
