"""The rule in SQL against the rule in plain Python: hundreds of worlds, every reader and resource.

For each world that `support/visibility/random_worlds.py` draws, each reader's lists (the real
statements, as the handlers run them) hold exactly what the model says, with the exact count, and so
does what shows inside what they read. The worlds are the same in each run; `GOLDENROD_WORLDS=20000`
draws that many new ones.
"""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from goldenrod.catalogue.versions import attachments
from goldenrod.rules.access import GUARDED, Actor
from goldenrod.store import paging
from goldenrod.store.db import Database, Tx
from goldenrod.store.paging import Listing, Query
from tests.support.every_list import LISTS
from tests.support.visibility import model
from tests.support.visibility import random_worlds as drawn
from tests.support.visibility.loading import actor_of, keep_statements, loaded, paired, version_id
from tests.support.visibility.model import NOW, Reader, World

ASKED = os.environ.get("GOLDENROD_WORLDS")


def suite(worlds: int) -> settings:
    """So many worlds, the same in each run."""
    return settings(
        max_examples=int(ASKED or worlds),
        derandomize=ASKED is None,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


Shown = dict[Any, dict[str, Any]]


@suite(50)
@given(world=drawn.worlds())
def test_every_reader_is_shown_what_the_model_says(db: Database, world: World) -> None:
    compare(db, world)


@pytest.mark.long
@suite(300)
@given(world=drawn.worlds())
def test_it_is_so_in_many_worlds(db: Database, world: World) -> None:
    compare(db, world)


def compare(db: Database, world: World) -> None:
    """What each reader of a world is shown, and what the model says."""
    db.now = lambda: NOW  # type: ignore[assignment,return-value]
    keep_statements(db)
    with loaded(db, world) as tx:
        for reader in drawn.readers(world):
            actor = actor_of(tx, world, reader)
            for noun, expect in NOUNS.items():
                found = {key: expect.told(it) for key, it in shown(tx, actor, noun).items()}
                assert found == expect.model(world, reader), (noun, reader)
            for noun, arguments, expected in filtered(world, reader):
                found_keys = set(shown(tx, actor, noun, **arguments))
                assert found_keys == expected, (noun, arguments, reader)


def shown(tx: Tx, actor: Actor, noun: str, **arguments: str) -> Shown:
    """What a list holds for an actor, by the ids of the model."""
    list_page, listing = LISTS[noun]
    page = list_page(tx, actor, query(listing, tuple(sorted(arguments.items()))))
    results = [json.loads(text) for text in page.results]
    assert page.count == len(results)
    assert page.next is None
    by_id = {key(it): it for it in results}
    assert len(by_id) == len(results), "something is listed twice"
    return by_id


QUERIES: dict[Any, Query] = {}


def query(listing: Listing, arguments: tuple[tuple[str, str], ...]) -> Query:
    """The query for all rows that these arguments ask for, on one page."""
    if (listing, arguments) not in QUERIES:
        given = {name: [text] for name, text in arguments} | {"page_size": ["1000"]}
        QUERIES[listing, arguments] = paging.parse(listing, given)
    return QUERIES[listing, arguments]


def key(summary: dict[str, Any]) -> int:
    """The id in the model of what is shown: a version's number is in its UUID, a channel's in its
    name."""
    shown_id = summary["id"] if "id" in summary else summary["name"].removeprefix("channel")
    return int(shown_id[-12:], 16) if len(str(shown_id)) == 36 else int(shown_id)


def keys(summaries: Iterable[dict[str, Any]]) -> set[int]:
    return {key(summary) for summary in summaries}


def whole_or_id(summary: dict[str, Any] | None) -> bool:
    """Whether an inner object is shown; one that is not is its id and nothing more."""
    if summary is None:
        return False
    assert (set(summary) == {"id"}) == ("url" not in summary)
    return "url" in summary


class Expect:
    """What a resource's list shows of each thing, and what the model says of it."""

    def __init__(
        self,
        told: Callable[[dict[str, Any]], Any],
        says: Callable[[World, Reader], dict[int, Any]],
    ) -> None:
        self.told = told
        self.model = says


def just_there(things: str, reads: Callable[..., bool]) -> Expect:
    """Nothing but which things are shown."""
    takes_now = reads.__code__.co_argcount == 4

    def says(world: World, reader: Reader) -> dict[int, Any]:
        now = (NOW,) if takes_now else ()
        every = getattr(world, things)
        return {number: True for number in every if reads(world, reader, number, *now)}

    return Expect(lambda it: True, says)


def told_version(it: dict[str, Any]) -> Any:
    return {
        "parent": whole_or_id(it["parent"]),
        "identity": whole_or_id(it["identity"]),
        "image": key(it["image"]),
        "machines": {key(m): whole_or_id(m["provider"]) for m in it["machines"]},
        "licenses": keys(it["licenses"]),
        "scripts": keys(it["scripts"]),
        "membership": keys(it["membership"]),
        "replacement": whole_or_id((it["deprecation"] or {}).get("replacement")),
        "revoked": told_revocation(key(it), it["revoked"]),
    }


def told_revocation(version: int, revoked: dict[str, Any] | None) -> Any:
    """Its origin, and whether it is told of."""
    if revoked is None:
        return None
    origin = revoked["inherited_from"]
    told = origin is None or whole_or_id(origin)
    number = version if origin is None else key(origin)
    assert revoked["reason"] == (f"reason{number}" if told else None)
    assert (revoked["by"] is not None) == told
    return number, told


def model_revocation(world: World, reader: Reader, version: int) -> Any:
    origin = model.revoked_by(world, version)
    if origin is None:
        return None
    return origin, model.reads_version(world, reader, origin, NOW)


def model_version(world: World, reader: Reader) -> dict[int, Any]:
    return {
        number: {
            "parent": model.parent_shown(world, reader, number, NOW),
            "identity": model.identity_shown(world, reader, number),
            "image": it.image,
            "machines": {
                machine: model.provider_shown(world, reader, machine, NOW)
                for machine in listed_machines(world, reader, number)
            },
            "licenses": it.licenses,
            "scripts": {s for s in it.scripts if model.reads_script(world, reader, s, NOW)},
            "membership": model.membership_shown(world, reader, number, NOW),
            "replacement": model.replacement_shown(world, reader, number, NOW),
            "revoked": model_revocation(world, reader, number),
        }
        for number, it in world.versions.items()
        if model.reads_version(world, reader, number, NOW)
    }


def listed_machines(world: World, reader: Reader, version: int) -> set[int]:
    return {
        number
        for number, it in world.machines.items()
        if it.version == version and model.machine_in_version_list(world, reader, number, NOW)
    }


def told_image(it: dict[str, Any]) -> Any:
    assert it["versions_count"] == len(it["versions"])
    return {
        "versions": keys(it["versions"]),
        "tags": keys(it["tags"]),
        "maintainers": keys(it["maintainers"]),
    }


def model_image(world: World, reader: Reader) -> dict[int, Any]:
    return {
        number: {
            "versions": {
                version
                for version, its in world.versions.items()
                if its.image == number and model.reads_version(world, reader, version, NOW)
            },
            "tags": {tag for tag in it.tags if model.reads_tag(world, reader, tag, NOW)},
            "maintainers": model.maintainers_shown(world, reader, number, NOW),
        }
        for number, it in world.images.items()
        if model.reads_image(world, reader, number, NOW)
    }


def told_machine(it: dict[str, Any]) -> Any:
    assert whole_or_id(it["version"])
    assert whole_or_id(it["image"])
    return key(it["version"]), whole_or_id(it["provider"])


def model_machine(world: World, reader: Reader) -> dict[int, Any]:
    return {
        number: (it.version, model.provider_shown(world, reader, number, NOW))
        for number, it in world.machines.items()
        if model.reads_machine(world, reader, number, NOW)
    }


def told_channel(it: dict[str, Any]) -> Any:
    assert whole_or_id(it["image"])
    assigned, target = it["assigned"], it["target"]
    return {
        "image": key(it["image"]),
        "assigned": assigned and (key(assigned), whole_or_id(assigned)),
        "target": target and key(target),
        "restricted": it["restricted"],
        "groups": keys(it["groups"]),
    }


def model_channel(world: World, reader: Reader) -> dict[int, Any]:
    return {
        number: {
            "image": it.image,
            "assigned": it.assigned
            and (it.assigned, model.reads_version(world, reader, it.assigned, NOW)),
            "target": model.target_shown(world, reader, number, NOW),
            "restricted": it.restricted,
            "groups": model.groups_shown(world, reader, number),
        }
        for number, it in world.channels.items()
        if model.reads_channel(world, reader, number, NOW)
    }


def told_webhook(it: dict[str, Any]) -> Any:
    return it["image"] and (key(it["image"]), whole_or_id(it["image"]))


def model_webhook(world: World, reader: Reader) -> dict[int, Any]:
    return {
        number: it.image and (it.image, model.reads_image(world, reader, it.image, NOW))
        for number, it in world.webhooks.items()
        if model.reads_webhook(world, reader, number)
    }


def pairing(noun: attachments.AttachmentResource, shows: Callable[..., bool]) -> Expect:
    """A pairing: its version and its other side."""
    member = noun.member

    def says(world: World, reader: Reader) -> dict[int, Any]:
        return {
            number: pair
            for pair, number in paired(world, noun.pairing).items()
            if shows(world, reader, *pair, NOW)
        }

    return Expect(lambda it: (key(it["image_version"]), key(it[member])), says)


NOUNS: dict[str, Expect] = {
    "versions": Expect(told_version, model_version),
    "images": Expect(told_image, model_image),
    "machines": Expect(told_machine, model_machine),
    "providers": just_there("providers", model.reads_provider),
    "licenses": just_there("licenses", model.reads_license),
    "boot_scripts": just_there("scripts", model.reads_script),
    "tags": just_there("tags", model.reads_tag),
    "groups": just_there("groups", model.reads_group),
    "users": just_there("users", model.reads_user),
    "identities": just_there("identities", model.reads_identity),
    "tokens": just_there("tokens", model.reads_token),
    "version_licenses": pairing(attachments.LICENSES, model.pairing_license),
    "version_memberships": pairing(attachments.MEMBERSHIPS, model.pairing_membership),
    "version_scripts": pairing(attachments.SCRIPTS, model.pairing_script),
    "channels": Expect(told_channel, model_channel),
    "webhooks": Expect(told_webhook, model_webhook),
}


Asked = tuple[str, dict[str, str], set[int]]


def filtered(world: World, reader: Reader) -> list[Asked]:
    """Lists with a filter, and what the model says they hold: `launchable`, and in turn one of the
    filters that name another thing."""
    launchable = {
        it.version
        for number, it in world.machines.items()
        if model.launches_machine(world, reader, number, NOW)
    }
    turn = (reader.user or 0) + sum(map(len, (world.machines, world.versions, world.tags)))
    named = NAMED[turn % len(NAMED)](world, reader, turn // len(NAMED))
    return [("versions", {"launchable": "true"}, launchable), named]


def by_parent(world: World, reader: Reader, turn: int) -> Asked:
    parent = 1 + turn % len(world.versions)
    readable = readable_versions(world, reader)
    children = {n for n in readable if world.versions[n].parent == parent}
    return "versions", {"parent": version_id(parent)}, children if parent in readable else set()


def by_provider(world: World, reader: Reader, turn: int) -> Asked:
    provider = 1 + turn % len(world.providers)
    return "versions", {"provider": str(provider)}, versions_on(world, reader, provider)


def images_by_provider(world: World, reader: Reader, turn: int) -> Asked:
    provider = 1 + turn % len(world.providers)
    found = {world.versions[n].image for n in versions_on(world, reader, provider)}
    return "images", {"provider": str(provider)}, found


def by_image(world: World, reader: Reader, turn: int) -> Asked:
    image = 1 + turn % len(world.images)
    readable = readable_versions(world, reader)
    found = {n for n in readable if world.versions[n].image == image}
    return "versions", {"image_id": f"image{image}"}, found


def scripts_of_version(world: World, reader: Reader, turn: int) -> Asked:
    version = 1 + turn % len(world.versions)
    readable = version in readable_versions(world, reader)
    found = world.versions[version].scripts if readable else set()
    return "boot_scripts", {"version_id": version_id(version)}, found


def by_channel(world: World, reader: Reader, turn: int) -> Asked:
    channel = 1 + turn % max(1, len(world.channels))
    seen = channel in world.channels and model.reads_channel(world, reader, channel, NOW)
    target = model.target_shown(world, reader, channel, NOW) if seen else None
    return "versions", {"channel": f"channel{channel}"}, {target} - {None}


def by_revocation(world: World, reader: Reader, turn: int) -> Asked:
    readable = readable_versions(world, reader)
    found = {n for n in readable if model.revoked_by(world, n) is not None}
    return "versions", {"revoked": "true"}, found


def webhooks_of_image(world: World, reader: Reader, turn: int) -> Asked:
    image = 1 + turn % len(world.images)
    seen = model.reads_image(world, reader, image, NOW)
    hooks = {n for n in world.webhooks if model.reads_webhook(world, reader, n)}
    found = {n for n in hooks if seen and world.webhooks[n].image == image}
    return "webhooks", {"image": str(image)}, found


NAMED = (
    by_parent,
    by_provider,
    images_by_provider,
    by_image,
    scripts_of_version,
    by_channel,
    by_revocation,
    webhooks_of_image,
)


def readable_versions(world: World, reader: Reader) -> set[int]:
    return {n for n in world.versions if model.reads_version(world, reader, n, NOW)}


def versions_on(world: World, reader: Reader, provider: int) -> set[int]:
    """The versions that show a machine on a provider; none where the provider does not show."""
    if not model.reads_provider(world, reader, provider, NOW):
        return set()
    return {
        version
        for version in readable_versions(world, reader)
        for machine in listed_machines(world, reader, version)
        if world.machines[machine].provider == provider
    }


def test_every_guarded_table_is_asked() -> None:
    # An image's maintainers have no list of their own: they show on the image.
    assert NOUNS.keys() == LISTS.keys() == GUARDED - {"image_maintainers"}
