"""The records of the lifecycle's model (`model.py`), and who may read them, in plain Python."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reader:
    """A reader. `identities` are the providers on which they have one. An anonymous reader has no
    name."""

    name: str | None = None
    groups: frozenset[str] = frozenset()
    identities: frozenset[str] = frozenset()
    staff: bool = False


@dataclass
class Provider:
    name: str
    public: bool
    start: str
    end: str | None = None
    active: bool = True


@dataclass
class Image:
    name: str
    owner: str
    public: bool
    maintainers: frozenset[str]
    start: str
    end: str | None


@dataclass
class Version:
    id: str
    image: str
    user: str
    parent: str | None
    membership: frozenset[str]
    start: str
    end: str | None = None
    excluded: bool = False
    deprecation: tuple[str, str | None, str | None] | None = None
    """at, reason, replacement"""


@dataclass
class Machine:
    id: int
    version: str
    provider: str
    identifier: str
    architecture: str
    start: str
    end: str | None = None


@dataclass
class Revocation:
    version: str
    at: str
    reason: str
    by: str
    descendants: bool
    rolls_back: bool
    restored: bool = False


@dataclass
class Channel:
    """`assignments` are versions, the newest last; None is an unassignment. `voided` are the places of
    those that a later one undoes."""

    image: str
    name: str
    assignments: list[str | None] = field(default_factory=list)
    restricted: bool = False
    groups: frozenset[str] = frozenset()
    hidden: bool = False
    voided: set[int] = field(default_factory=set)


@dataclass
class World:
    now: str
    providers: dict[str, Provider] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    versions: dict[str, Version] = field(default_factory=dict)
    machines: dict[int, Machine] = field(default_factory=dict)
    revocations: list[Revocation] = field(default_factory=list)
    channels: dict[tuple[str, str], Channel] = field(default_factory=dict)


# ── who sees what ──────────────────────────────────────────────────────────────────────────


def current(thing: Any, now: str) -> bool:
    return thing.start <= now and (thing.end is None or thing.end > now)


def edits_image(reader: Reader, image: Image) -> bool:
    return reader.name is not None and (
        image.owner == reader.name or bool(image.maintainers & reader.groups)
    )


def edits_version(w: World, reader: Reader, version: Version) -> bool:
    if reader.staff or (reader.name is not None and version.user == reader.name):
        return True
    return edits_image(reader, w.images[version.image])


def reads_version(w: World, reader: Reader, key: str) -> bool:
    version = w.versions[key]
    image = w.images[version.image]
    if edits_version(w, reader, version):
        return True
    if not (current(version, w.now) and current(image, w.now)):
        return False
    return image.public or bool(version.membership & reader.groups)


def reads_image(w: World, reader: Reader, name: str) -> bool:
    image = w.images[name]
    if reader.staff or edits_image(reader, image) or (image.public and current(image, w.now)):
        return True
    return any(reads_version(w, reader, v.id) for v in w.versions.values() if v.image == name)


def reads_provider(w: World, reader: Reader, name: str) -> bool:
    it = w.providers[name]
    open_ = it.public and it.active and current(it, w.now)
    return reader.staff or open_ or name in reader.identities


def dated(w: World, machine: Machine) -> tuple[Machine, Version, Image, Provider]:
    """A machine, its version, its image and its provider."""
    version = w.versions[machine.version]
    return machine, version, w.images[version.image], w.providers[machine.provider]


def launches(w: World, reader: Reader, machine: Machine) -> bool:
    """They may read it; it, its version, image and provider are current; the provider is active."""
    _, version, _, place = four = dated(w, machine)
    if not reads_version(w, reader, version.id) or not all(current(it, w.now) for it in four):
        return False
    if not place.active:
        return False
    kept = edits_version(w, reader, version)
    return kept or place.public or place.name in reader.identities


def sees_channel(w: World, reader: Reader, channel: Channel) -> bool:
    if channel.hidden or not reads_image(w, reader, channel.image):
        return False
    if not channel.restricted or reader.staff or edits_image(reader, w.images[channel.image]):
        return True
    return bool(channel.groups & reader.groups)


def seen(w: World, reader: Reader, key: str | None) -> tuple[str, bool] | None:
    """A version inside another object: its id, and whether more than the id is shown."""
    return None if key is None else (key, reads_version(w, reader, key))
