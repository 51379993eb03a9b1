"""Plans what a sync does to one image: a pure function of what was found and what the catalogue has.

- What is new is created, and facts of the provider (architecture, size, checksum) follow the cloud.
- What a person changed stays: names, change logs, dates, sharing, deprecations, machines they ended.
- A machine that the cloud deactivated is ended, and restored when it is active again. Only machines
  that the source ended are restored.
- An identifier that comes back under another version is another build now: the old machine is ended.
- Nothing becomes visible to more people here than on its cloud, unless the declaration says so.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from goldenrod.base import decode
from goldenrod.base.architectures import normal_architecture
from goldenrod.base.clock import Instant
from goldenrod.base.errors import Problem
from goldenrod.base.text import MOST_IDENTIFIER, first_invisible, identifier_key, name_key
from goldenrod.catalogue.sync.actions import (
    CreateImage,
    CreateMachine,
    CreateVersion,
    Deprecate,
    EndMachine,
    ImagePlan,
    ImageState,
    KnownMachine,
    KnownVersion,
    Passed,
    Place,
    RestoreMachine,
    UpdateMachine,
    VersionRef,
)
from goldenrod.catalogue.versions import version_names
from goldenrod.sources.found import Found, FoundMachine

MOST_CHECKSUM = 256

DEACTIVATED = "deactivated on its cloud"
HELD = "deactivated on its cloud, but the brake holds: too much would end at once"
TAKEN = "its identifier belongs to version {} now"
TAKEN_ELSEWHERE = "its identifier belongs to another image now"
NOT_PUBLIC = (
    "it is not public on its cloud, but its image is public here: change the image to private, or "
    "declare the source public"
)


class Gone(Struct, frozen=True):
    """A machine of the catalogue that its cloud no longer has."""

    machine: KnownMachine
    reason: str
    scope: str


class Terms(Struct, frozen=True):
    """What is the same for all images of a run.

    `public`: whether new images are public; null: only if every machine is public on its cloud. `keys`
    are the slugs of providers here, by the source's names. `held` are scopes that the brake holds.
    """

    keys: Mapping[str, str]
    public: bool | None = None
    held: frozenset[str] = frozenset()

    def place(self, machine: FoundMachine) -> Place:
        """Where a machine is."""
        return self.keys[machine.provider], identifier_key(machine.identifier)


def plan_image(
    image: str,
    state: ImageState,
    releases: Sequence[Found],
    terms: Terms,
    gone: Iterable[Gone] = (),
) -> ImagePlan:
    """What is to be done to the image of this name."""
    planner = _Planner(image, state, terms)
    for one in gone:
        planner.end(one.machine, one.reason, one.scope)
    planner.open(releases)
    for release in sorted(releases, key=lambda one: (one.start_date, name_key(one.version))):
        planner.release(release)
    planner.deprecations()
    return planner.plan


class _Release(Struct):
    """A release while it is planned: the version here, or the name of the new one; its machines."""

    version: KnownVersion | None
    ref: VersionRef
    found: list[FoundMachine]


class _Planner:
    def __init__(self, image: str, state: ImageState, terms: Terms) -> None:
        self.plan = ImagePlan(image)
        self._state = state
        self._terms = terms
        self._live: dict[Place, KnownMachine] = {}
        for machine in state.all_machines():
            if machine.live:
                self._live[machine.place] = machine
        self._ended: set[int] = set()
        self._new: dict[str, tuple[Instant, str]] = {}
        """The keys of new versions: their start date, and their name."""
        self._origins: dict[Place, VersionRef] = {}
        self._claimed: dict[Place, str] = {}
        self._releases: list[_Release] = []
        self._fill_later: list[tuple[int, _Release]] = []
        self._held_back = False
        self._create_image: CreateImage | None = None

    # ── what ends ─────────────────────────────────────────────────────────────────────────

    def end(self, machine: KnownMachine, reason: str, scope: str | None = None) -> None:
        """End a machine, once."""
        if machine.live and machine.id not in self._ended:
            self._ended.add(machine.id)
            self._live.pop(machine.place, None)
            self.plan.actions.append(EndMachine(machine.id, machine.place, reason, scope))

    def _pass(
        self, kind: str, subject: str, reason: str, version: VersionRef | None = None
    ) -> None:
        n = version if isinstance(version, int) else None
        passed = Passed("kept" if kind == "kept" else "skipped", subject, reason, version=n)
        self.plan.passed.append(passed)

    # ── the image ─────────────────────────────────────────────────────────────────────────

    def open(self, releases: Sequence[Found]) -> None:
        """Decide which version each identifier belongs to, and whether the image is new."""
        for release in releases:
            known = self._state.versions.get(name_key(release.version))
            for machine in release.machines:
                place = self._terms.place(machine)
                live = self._live.get(place)
                if place not in self._claimed or (live and known and live.version == known.n):
                    self._claimed[place] = name_key(release.version)
        if self._state.id is not None:
            self._held_back = self._state.held_back and self._terms.public is None
            return
        offered = [m for release in releases for m in release.machines if m.status == "active"]
        public = self._terms.public
        if public is None:
            public = bool(offered) and all(machine.visibility == "public" for machine in offered)
        first = min(releases, key=lambda one: one.start_date, default=None)
        if first is None or not offered:
            return
        tags = tuple(dict.fromkeys(tag for release in releases for tag in release.tags))
        description = _text(first.image_description)
        self._create_image = CreateImage(self.plan.image, description, _names(tags), public)

    # ── one release ───────────────────────────────────────────────────────────────────────

    def release(self, found: Found) -> None:
        """Plan one release. Releases come in the order of their start dates."""
        key = name_key(found.version)
        version = self._state.versions.get(key)
        ref: VersionRef = version.n if version else found.version
        release = _Release(version, ref, [])
        before = len(self.plan.actions)
        if version is None and (reason := _unusable_name(found.version)):
            self._skip_all(found, reason)
            return
        new: list[tuple[FoundMachine, Place]] = []
        for machine in found.machines:
            place = self._terms.place(machine)
            if self._claimed[place] != key:
                reason = f"{machine.identifier} belongs to another release of this image already"
                self._pass("skipped", found.source_name, reason)
            elif reason := _unusable(machine):
                self._pass("skipped", found.source_name, reason)
            elif self._machine(release, machine, place):
                new.append((machine, place))
        if new and version is None:
            self._create_version(found, new, release)
        for machine, place in new:
            self._create_machine(found, release, machine, place)
        if version:
            if len(self.plan.actions) > before:
                self.plan.changed_versions += 1
            else:
                self.plan.unchanged_versions += 1
        if version or new:
            self._releases.append(release)
            for machine in found.machines:
                self._origins.setdefault(self._terms.place(machine), release.ref)

    def _skip_all(self, found: Found, reason: str) -> None:
        passed = Passed("skipped", found.source_name, reason, machines=len(found.machines))
        self.plan.passed.append(passed)

    def _machine(self, release: _Release, machine: FoundMachine, place: Place) -> bool:
        """Plan a machine that is listed; whether it is to be created."""
        n = release.version.n if release.version else None
        live = self._live.get(place)
        subject = f"{machine.provider} {machine.identifier}"
        if live and live.version != n:
            self.end(live, TAKEN.format(release.version.name if release.version else release.ref))
            live = None
        linked = self._state.linked.get(place)
        if linked and linked.live and linked.version != n:
            # Not which: the report of an image does not name others.
            self.end(linked, TAKEN_ELSEWHERE)
        if machine.status == "deactivated":
            if live and machine.scope in self._terms.held:
                self._pass("kept", subject, HELD, n)
            elif live:
                self.end(live, DEACTIVATED, machine.scope)
            elif not self._here(place, n):
                self._pass("skipped", subject, DEACTIVATED, n)
            else:
                self.plan.unchanged_machines += 1
            return False
        release.found.append(machine)
        if live:
            self._follow(live, machine)
            return False
        if ended := self._here(place, n):
            if ended[-1].ended_by_source and ended[-1].id not in self._ended:
                facts = _changed_facts(ended[-1], machine)
                self.plan.actions.append(RestoreMachine(ended[-1].id, place, facts))
            else:
                self.plan.unchanged_machines += 1
            return False
        if release.version and release.version.moved:
            self.plan.unchanged_machines += 1
            return False
        if self._held_back and machine.visibility != "public":
            self._pass("skipped", subject, NOT_PUBLIC, n)
            return False
        return True

    def _here(self, place: Place, n: int | None) -> list[KnownMachine]:
        """The machines of a version that there were at a place, the latest last."""
        return [one for one in self._state.machines.get(place, ()) if one.version == n]

    def _follow(self, known: KnownMachine, machine: FoundMachine) -> None:
        """Facts of a machine follow its cloud."""
        if facts := _changed_facts(known, machine):
            self.plan.actions.append(UpdateMachine(known.id, known.place, facts))
        else:
            self.plan.unchanged_machines += 1

    def _create_machine(
        self, found: Found, release: _Release, machine: FoundMachine, place: Place
    ) -> None:
        self.plan.actions.append(
            CreateMachine(
                version=release.ref,
                place=place,
                identifier=machine.identifier,
                provider=machine.provider,
                architecture=machine.architecture,
                size_gb=machine.size_gb,
                checksum=machine.checksum or "",
                start_date=found.start_date,
                source_name=found.source_name,
            )
        )

    # ── new versions ──────────────────────────────────────────────────────────────────────

    def _create_version(
        self, found: Found, new: list[tuple[FoundMachine, Place]], release: _Release
    ) -> None:
        if self._create_image:
            self.plan.actions.append(self._create_image)
            self._create_image = None
        memories = [machine.min_mem for machine, _ in new if machine.min_mem]
        self._fill_later.append((len(self.plan.actions), release))
        self.plan.actions.append(
            CreateVersion(
                name=found.version,
                start_date=found.start_date,
                change_log=_text(found.change_log),
                parent=self._parent(found),
                min_mem=max(memories, default=None),
                owners=tuple(dict.fromkeys(machine.owner for machine, _ in new if machine.owner)),
                deprecated_at=None,
                replacement=None,
                source_name=found.source_name,
            )
        )
        self._new[name_key(found.version)] = (found.start_date, found.version)

    def _parent(self, found: Found) -> VersionRef | None:
        """What a new version was built on: what is declared, else what its cloud says, else the release
        before it that is not revoked."""
        key = name_key(found.version)
        if found.parent and (ref := self._named(name_key(found.parent), key)) is not None:
            return ref
        for machine in found.machines:
            if machine.origin and machine.origin.kind == "build":
                provider = self._terms.keys.get(machine.origin.provider, "")
                place = provider, identifier_key(machine.origin.identifier)
                built_on = self._origins.get(place, self._state.known.get(place))
                if built_on is not None:
                    return built_on
        me = (found.start_date, key)
        before: dict[tuple[str, str], VersionRef] = {
            (one.start_date, name): one.n
            for name, one in self._state.versions.items()
            if not one.moved and not one.revoked
        }
        before |= {(start, name): shown for name, (start, shown) in self._new.items()}
        newest = max((when for when in before if when < me), default=None)
        return None if newest is None else before[newest]

    def _named(self, key: str, own: str) -> VersionRef | None:
        if key == own:
            return None
        known = self._state.versions.get(key)
        if known:
            return known.n
        return self._new[key][1] if key in self._new else None

    # ── deprecations ──────────────────────────────────────────────────────────────────────

    def deprecations(self) -> None:
        """A version is deprecated when all of its machines are, at the latest of their instants."""
        others: dict[int, list[KnownMachine]] = defaultdict(list)
        for machine in self._state.all_machines():
            if machine.live and machine.id not in self._ended:
                others[machine.version].append(machine)
        positions = {id(release): position for position, release in self._fill_later}
        for release in self._releases:
            if not release.found:
                continue
            listed = {self._terms.place(machine) for machine in release.found}
            said = [machine.deprecated_at for machine in release.found]
            said += [
                one.deprecated_at
                for one in (others[release.version.n] if release.version else ())
                if one.place not in listed
            ]
            at = max((one for one in said if one), default=None) if all(said) else None
            replacement = self._replacement(release) if at else None
            if release.version is None:
                position = positions[id(release)]
                action = self.plan.actions[position]
                assert isinstance(action, CreateVersion)
                self.plan.actions[position] = _deprecated(action, at, replacement)
            else:
                self._deprecate(release.version, at, replacement)

    def _deprecate(self, version: KnownVersion, at: Instant | None, other: int | None) -> None:
        if version.follows and (version.deprecated_at, version.replacement) != (at, other):
            self.plan.actions.append(Deprecate(version.n, version.name, at, other))

    def _replacement(self, release: _Release) -> int | None:
        for machine in release.found:
            if machine.replacement:
                place = self._terms.keys[machine.provider], identifier_key(machine.replacement)
                found = self._state.known.get(place)
                if found is not None and found != release.ref:
                    return found
        return None


def _deprecated(action: CreateVersion, at: Instant | None, other: int | None) -> CreateVersion:
    values = {name: getattr(action, name) for name in action.__struct_fields__}
    return CreateVersion(**{**values, "deprecated_at": at, "replacement": other})


def _changed_facts(known: KnownMachine, machine: FoundMachine) -> dict[str, str | int]:
    """The facts that are others on the cloud. What it does not say stays."""
    facts: dict[str, str | int] = {}
    written = normal_architecture(machine.architecture)
    if written and written != normal_architecture(known.architecture):
        facts["architecture"] = written
    if machine.size_gb is not None and machine.size_gb != known.size_gb:
        facts["size_gb"] = machine.size_gb
    if machine.checksum and machine.checksum != known.checksum:
        facts["checksum"] = machine.checksum
    return facts


def _text(text: str) -> str:
    """A text without what cannot be stored, cut to its greatest length."""
    kept = "".join(c for c in text if c in "\n\t" or c.isprintable())
    return kept.encode()[: decode.MOST_TEXT_BYTES].decode(errors="ignore")


def _names(names: Iterable[str]) -> tuple[str, ...]:
    """Those that can be names of tags."""
    kept = []
    for name in names:
        with suppress(Problem):
            kept.append(decode.name("tags", name))
    return tuple(kept)


def _unusable_name(version: str) -> str | None:
    """Why a version cannot have this name."""
    try:
        version_names.checked(version)
    except Problem as refused:
        return f"its version cannot be named {version!r}: {refused.detail}"
    return None


def _is_plain(text: str) -> bool:
    return text.isprintable() and not first_invisible(text)


def can_be_identifier(text: str) -> bool:
    """Whether a machine can be stored under this identifier."""
    return bool(text.strip()) and len(text) <= MOST_IDENTIFIER and _is_plain(text)


def _unusable(machine: FoundMachine) -> str | None:
    """Why a machine cannot be stored."""
    if not can_be_identifier(machine.identifier):
        return (
            f"its identifier is empty, longer than {MOST_IDENTIFIER} characters, or has control or "
            "invisible characters"
        )
    if not all(map(_is_plain, (machine.architecture, machine.checksum or ""))):
        return "its architecture or checksum has control or invisible characters"
    if max(len(machine.architecture), len(machine.checksum or "")) > MOST_CHECKSUM:
        return f"its architecture or checksum is longer than {MOST_CHECKSUM} characters"
    if machine.size_gb is not None and not 0 <= machine.size_gb < 2**31:
        return "its size is not a number of GiB"
    if machine.min_mem is not None and not 0 <= machine.min_mem < 2**31:
        return "its memory is not a number of MiB"
    return None
