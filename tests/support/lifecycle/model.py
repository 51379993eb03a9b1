"""A model of the lifecycle in plain Python, which tests compare with the rules in SQL after each
step.

It is written from the sentences of the rules over plain records, one function for each sentence, as
literally and slowly as possible. It shares nothing with the catalogue except the text form of
instants and the ids that the catalogue assigned: a model that used the tested code could not find
its errors. Nothing is stored that can be computed.

The functions that answer take the world and the reader; `now` is the world's. To get the answer at
another instant, copy the world with another `now`. `test_lifecycle.py` makes the same changes to a
world and to the catalogue, and compares them.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.support.lifecycle.records import (
    Channel,
    Machine,
    Reader,
    Revocation,
    Version,
    World,
    current,
    dated,
    edits_image,
    edits_version,
    launches,
    reads_image,
    reads_provider,
    reads_version,
    seen,
    sees_channel,
)

Answer = dict[str, Any]


# ── state ──────────────────────────────────────────────────────────────────────────────────


def ancestors(w: World, key: str) -> Iterator[str]:
    """The ancestors of a version, the nearest first."""
    parent = w.versions[key].parent
    while parent is not None:
        yield parent
        parent = w.versions[parent].parent


def holding(w: World, key: str) -> list[tuple[int, Revocation]]:
    """The unrestored revocations that apply to a version, with the distance of each one's origin.
    Revocations in the future are included."""
    above = dict.fromkeys([key, *ancestors(w, key)])
    far = {version: distance for distance, version in enumerate(above)}
    return [
        (far[it.version], it)
        for it in w.revocations
        if not it.restored and it.version in far and (it.version == key or it.descendants)
    ]


def in_force(w: World, key: str) -> list[Revocation]:
    return [it for _, it in holding(w, key) if it.at <= w.now]


def inherits(w: World, key: str) -> bool:
    return any(distance > 0 for distance, _ in holding(w, key))


def own_revocation(w: World, key: str) -> Revocation | None:
    return next((it for it in w.revocations if it.version == key and not it.restored), None)


def state(w: World, key: str) -> str:
    version = w.versions[key]
    image = w.images[version.image]
    if any(it.end is not None and it.end <= w.now for it in (version, image)):
        return "ended"
    if any(it.start > w.now for it in (version, image)):
        return "scheduled"
    if in_force(w, key):
        return "revoked"
    if version.deprecation is not None and version.deprecation[0] <= w.now:
        return "deprecated"
    return "current"


def would_be_offered(w: World, new: Version) -> bool:
    """Whether a version that is not yet in the catalogue could be assigned to channels."""
    with_it = replace(w, versions=w.versions | {new.id: new})
    return state(with_it, new.id) in ("current", "deprecated")


def revoked(w: World, reader: Reader, key: str) -> Answer | None:
    """The revocation that a version shows. One in force comes before one in the future, then its
    own before an inherited one, then the one with the nearest origin."""
    found = sorted(holding(w, key), key=lambda it: (it[1].at > w.now, it[0]))
    if not found:
        return None
    distance, it = found[0]
    told = distance == 0 or reads_version(w, reader, it.version)
    return {
        "at": it.at,
        "reason": it.reason if told else None,
        "by": it.by if told else None,
        "inherited_from": seen(w, reader, it.version) if distance else None,
    }


def deprecation(w: World, reader: Reader, key: str) -> Answer | None:
    given = w.versions[key].deprecation
    if given is None:
        return None
    return {"at": given[0], "reason": given[1], "replacement": seen(w, reader, given[2])}


def newer_current(w: World, reader: Reader, key: str) -> list[str]:
    """The versions that count against this one: newer, current, and offered by `latest`."""
    it = w.versions[key]
    return [
        other.id
        for other in w.versions.values()
        if other.image == it.image
        and (other.start, other.id) > (it.start, it.id)
        and state(w, other.id) == "current"
        and not other.excluded
        and reads_version(w, reader, other.id)
    ]


def behind(w: World, reader: Reader, key: str) -> int:
    return len(newer_current(w, reader, key))


def parent_behind(w: World, reader: Reader, key: str) -> int | None:
    """What the version could be built on instead of its parent: not itself, nor what is built on it."""
    parent = w.versions[key].parent
    if parent is None or not reads_version(w, reader, parent):
        return None
    newer = newer_current(w, reader, parent)
    return len([other for other in newer if other != key and key not in ancestors(w, other)])


def stale(w: World, reader: Reader, key: str) -> bool:
    return (parent_behind(w, reader, key) or 0) > 0


# ── channels ───────────────────────────────────────────────────────────────────────────────


def walk_back(w: World, channel: Channel) -> tuple[str | None, str | None]:
    """The target of a channel, and the version at which it stopped. At most one of the two is set."""
    for place, key in reversed(list(enumerate(channel.assignments))):
        if place in channel.voided:
            continue
        if key is None:
            return None, None
        if state(w, key) in ("ended", "scheduled"):
            continue
        holds = in_force(w, key)
        if any(not it.rolls_back for it in holds):
            return None, key
        if not holds:
            return key, None
    return None, None


def stopping_reason(w: World, reader: Reader, key: str) -> str | None:
    """The reason of the nearest revocation in force that stops channels, if its origin is readable."""
    stops = [it for it in holding(w, key) if it[1].at <= w.now and not it[1].rolls_back]
    distance, it = min(stops, key=lambda one: one[0])
    return it.reason if distance == 0 or reads_version(w, reader, it.version) else None


def by_date(w: World, key: str) -> tuple[str, str]:
    return w.versions[key].start, key


def for_latest(w: World, reader: Reader, image: str) -> list[str]:
    """The versions that `latest` chooses from, the newest first."""
    found = [
        it.id
        for it in w.versions.values()
        if it.image == image
        and not it.excluded
        and state(w, it.id) == "current"
        and reads_version(w, reader, it.id)
    ]
    return sorted(found, key=lambda key: by_date(w, key), reverse=True)


def latest(w: World, reader: Reader, image: str) -> str | None:
    for key in for_latest(w, reader, image):
        if any(launches(w, reader, m) for m in w.machines.values() if m.version == key):
            return key
    return None


def channel_named(w: World, reader: Reader, image: str, name: str) -> Channel | None:
    """A channel that the reader may read. Every image has `latest`."""
    if name == "latest":
        channel: Channel | None = Channel(image, name)
    else:
        channel = w.channels.get((image, name))
    return channel if channel and sees_channel(w, reader, channel) else None


def target(w: World, reader: Reader, channel: Channel) -> str | None:
    """The target as this reader sees it."""
    if channel.name == "latest":
        return latest(w, reader, channel.image)
    key = walk_back(w, channel)[0]
    return key if key and reads_version(w, reader, key) else None


def shown_channel(w: World, reader: Reader, channel: Channel) -> Answer:
    stopped = walk_back(w, channel)[1]
    if stopped and not reads_version(w, reader, stopped):
        stopped = None
    all_groups = reader.staff or edits_image(reader, w.images[channel.image])
    return {
        "assigned": seen(w, reader, channel.assignments[-1] if channel.assignments else None),
        "target": target(w, reader, channel),
        "stopped": stopped and (stopped, stopping_reason(w, reader, stopped)),
        "restricted": channel.restricted,
        "groups": sorted(channel.groups if all_groups else channel.groups & reader.groups),
    }


def shown_channels(w: World, reader: Reader, image: str) -> dict[str, Answer]:
    names = ["latest", *(name for its, name in w.channels if its == image)]
    there = ((name, channel_named(w, reader, image, name)) for name in names)
    return {name: shown_channel(w, reader, it) for name, it in there if it}


# ── resolving ──────────────────────────────────────────────────────────────────────────────


def machines_there(w: World, reader: Reader, key: str, provider: str) -> list[Machine]:
    """The machines of a version on a provider that the reader may launch, the newest first."""
    found = [
        it
        for it in w.machines.values()
        if it.version == key and it.provider == provider and launches(w, reader, it)
    ]
    return sorted(found, key=lambda it: (it.start, it.id), reverse=True)


def offer(
    w: World, reader: Reader, channel: Channel, provider: str, architecture: str | None
) -> Machine | None:
    """The machine that a channel offers on a provider, of this architecture if one is named."""
    if channel.name == "latest":
        chosen = for_latest(w, reader, channel.image)
    else:
        key = target(w, reader, channel)
        chosen = [key] if key else []
    for key in chosen:
        for machine in machines_there(w, reader, key, provider):
            if architecture in (None, machine.architecture):
                return machine
    return None


def resolve(
    w: World,
    reader: Reader,
    image: str,
    name: str,
    provider: str,
    architecture: str | None = None,
    allow_revoked: bool = False,
) -> str | int:
    """The id of the machine, or the code of the refusal."""
    if not reads_image(w, reader, image):
        return "not_found"
    channel = channel_named(w, reader, image, name)
    if channel is None:
        return "channel_not_found"
    if not reads_provider(w, reader, provider):
        return "not_found"
    stopped = walk_back(w, channel)[1]
    if stopped is not None:
        if not reads_version(w, reader, stopped):
            return "machine_not_found"
        if not allow_revoked:
            return "version_revoked"
        key: str | None = stopped
    else:
        first = offer(w, reader, channel, provider, architecture)
        key = first.version if first else None
    there = machines_there(w, reader, key, provider) if key else []
    there = [it for it in there if architecture in (None, it.architecture)]
    if not there:
        return "machine_not_found"
    if len({it.architecture for it in there}) > 1:
        return "machine_ambiguous"
    return there[0].id


def resolve_everywhere(w: World, reader: Reader, image: str, name: str) -> str | dict[str, int]:
    """The id of the machine on each provider that has one, or the code of the refusal."""
    if not reads_image(w, reader, image):
        return "not_found"
    channel = channel_named(w, reader, image, name)
    if channel is None:
        return "channel_not_found"
    stopped = walk_back(w, channel)[1]
    if stopped is not None and reads_version(w, reader, stopped):
        return "version_revoked"
    readable = [it for it in sorted(w.providers) if reads_provider(w, reader, it)]
    offers = {it: offer(w, reader, channel, it, None) for it in readable}
    return {provider: machine.id for provider, machine in offers.items() if machine}


# ── look-up ────────────────────────────────────────────────────────────────────────────────


def was_readable(w: World, reader: Reader, machine: Machine) -> bool:
    """The reader is an editor of the machine's version, or could read it at the last instant up to
    now at which all four were current, with today's sharing."""
    _, version, image, place = four = dated(w, machine)
    if edits_version(w, reader, version):
        return True
    begin = max(it.start for it in four)
    ends = [it.end for it in four if it.end is not None]
    ever = begin <= w.now and (not ends or begin < min(ends))
    shared = image.public or bool(version.membership & reader.groups)
    opened = place.active and (place.public or place.name in reader.identities)
    return ever and shared and opened


def look_up(w: World, reader: Reader, identifier: str) -> list[Answer]:
    matches = []
    for machine in sorted(w.machines.values(), key=lambda it: it.id):
        if machine.identifier == identifier and was_readable(w, reader, machine):
            matches.append(_match(w, reader, machine))
    return matches


def _match(w: World, reader: Reader, machine: Machine) -> Answer:
    version = w.versions[machine.version]
    stands = state(w, version.id)
    gone = any(it.end is not None and it.end <= w.now for it in dated(w, machine))
    whole = all(current(it, w.now) for it in dated(w, machine))
    whole = whole or edits_version(w, reader, version)
    reason = None
    if stands == "revoked":
        reason = (revoked(w, reader, version.id) or {})["reason"]
    if stands == "deprecated" and version.deprecation:
        reason = version.deprecation[1]
    replacement = version.deprecation[2] if version.deprecation else None
    offered = {}
    for name in ["latest", *(name for image, name in w.channels if image == version.image)]:
        channel = channel_named(w, reader, version.image, name)
        its = channel and offer(w, reader, channel, machine.provider, machine.architecture)
        if its:
            offered[name] = its.id
    return {
        "image": version.image,
        "version": version.id,
        "state": "ended" if gone else stands,
        "version_state": stands,
        "machine": machine.id if whole else None,
        "reason": reason if whole else None,
        "replacement": seen(w, reader, replacement) if whole else None,
        "behind": behind(w, reader, version.id) if whole else None,
        "offered": offered,
    }


# ── lineage ────────────────────────────────────────────────────────────────────────────────


def lineage(
    w: World, reader: Reader, root: str, direction: str, depth: int | None
) -> tuple[set[str], set[tuple[str, str]]]:
    """The versions, and the pairs (parent, child) between them. It continues only through versions
    that the reader may read."""
    found = {root}
    far = 10**6 if depth is None else depth
    if direction in ("ancestors", "both"):
        for distance, key in enumerate(ancestors(w, root), 1):
            if distance > far or not reads_version(w, reader, key):
                break
            found.add(key)
    if direction in ("descendants", "both"):
        line = [root]
        for _ in range(far):
            line = [
                it.id
                for it in w.versions.values()
                if it.parent in line and reads_version(w, reader, it.id)
            ]
            if not line:
                break
            found.update(line)
    edges = {(it.parent, it.id) for it in w.versions.values() if {it.parent, it.id} <= found}
    return found, {(parent, child) for parent, child in edges if parent is not None}


# ── what a revocation changes ──────────────────────────────────────────────────────────────


def effect(before: World, after: World, reader: Reader, at: str) -> tuple[list[Any], list[Any]]:
    """The differences between two worlds with the same `now` at an instant, as far as the reader
    may read them already: versions as [id, before, after], channels as [image, name, before,
    after]."""
    known = {key for key in after.versions if reads_version(after, reader, key)}
    was, is_ = replace(before, now=at), replace(after, now=at)
    versions = [
        [key, state(was, key), state(is_, key)]
        for key in sorted(known)
        if state(was, key) != state(is_, key) and reads_version(is_, reader, key)
    ]
    moved = []
    for image in after.images:
        targets = [shown_channels(w, reader, image) for w in (was, is_)]
        for name in targets[1]:
            pair = [it[name]["target"] for it in targets]
            pair = [key if key in known else None for key in pair]
            if pair[0] != pair[1]:
                moved.append([image, name, *pair])
    return versions, moved


# ── what is refused ────────────────────────────────────────────────────────────────────────


def descends(w: World, key: str, ancestor: str) -> bool:
    return key == ancestor or ancestor in ancestors(w, key)


def replaced_in_a_circle(w: World, key: str, replacement: str) -> bool:
    """Whether the chain of replacements from `replacement` leads to `key`."""
    line: str | None = replacement
    while line is not None:
        if line == key:
            return True
        given = w.versions[line].deprecation
        line = given[2] if given else None
    return False


def ever_assigned(w: World, key: str) -> bool:
    return any(key in channel.assignments for channel in w.channels.values())
