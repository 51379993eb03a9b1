"""The cast's things (`cast.py`) and many more, for the tests of who may read what. There is one such
catalogue per database and test module. Tests only read it, so thousands of requests share it.

It also has erin, who leads the group ops (none of the cast is in it), and:

east       has existed for 40 days
open       is maintained by ops too; its 1.0 has more machines: `open-old`, which has ended,
           `open-south` on an inactive provider, `open-north` on a provider that has ended; it
           needs the script `welcome`. Its 1.1 was built on closed-1.0, with an identity on west
kept       its 1.0 had the script `setup`, which was then removed
shared     its version is shared with ops too, and needs the script `joined`

Besides `latest` of each image, there are these channels: `stable` and `inner` of open, both at its
1.0, `inner` restricted to lab and ops; `closed-line` of closed; `shared-line` of shared, at its 1.0.
closed-1.0 is revoked with its descendants. open-1.1 is deprecated, with closed-1.0 as replacement.

alice has a webhook for open, bob one for kept, dora one for all images. The first has deliveries of the
events of open's channels and versions. Nothing is sent.

`lesser` is dora with a token of the scope write.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goldenrod.base import config, wire
from goldenrod.base.clock import later
from goldenrod.catalogue.accounts import groups, tokens, users
from goldenrod.catalogue.channels import assign, channels
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import (
    attachments,
    licenses_scripts,
    machines,
    providers,
    publish,
    revocations,
    versions,
)
from goldenrod.catalogue.webhooks import outbox, webhooks
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database, Tx
from tests.conftest import Clock
from tests.support.cast import World, build_world
from tests.support.catalogues import Catalogues
from tests.support.client import ApiClient


@dataclass
class Stage:
    """A catalogue with everything in it, its clock, and the client of the app."""

    db: Database
    clock: Clock
    world: World
    api: ApiClient

    def id_of(self, resource: str, name: str) -> str:
        """The id of a thing by its name in the tests."""
        return self.ids[resource][name]

    def __post_init__(self) -> None:
        # As dora, because staff may read everything that anyone may read.
        self.ids: dict[str, dict[str, str]] = {
            resource: {
                name_of(it): str(it["id"]) for it in self.api.all(f"/api/v2/{resource}", "dora")
            }
            for resource, name_of in NAMES.items()
        }
        # One delivery of each webhook, with the name of the webhook.
        self.ids["deliveries"] = {}
        for name, key in self.ids["webhooks"].items():
            sent = self.api.all(f"/api/v2/webhooks/{key}/deliveries", "dora")
            if sent:
                self.ids["deliveries"][name] = str(sent[0]["id"])


NAMES: dict[str, Callable[[dict[str, Any]], str]] = {
    "image_versions": lambda it: it["name"],
    "images": lambda it: it["slug"].removesuffix("-image"),
    "provider_machines": lambda it: it["identifier"],
    "providers": lambda it: it["name"],
    "licenses": lambda it: it["title"],
    "boot_scripts": lambda it: it["title"],
    "tags": lambda it: it["name"],
    "groups": lambda it: it["name"],
    "users": lambda it: it["username"],
    "identities": lambda it: it["key"],
    "tokens": lambda it: f"{it['user']['username']}'s {it['name']}",
    "image_version_licenses": lambda it: f"{it['image_version']['name']}: {it['license']['title']}",
    "image_version_memberships": lambda it: f"{it['image_version']['name']}: {it['group']['name']}",
    "image_version_boot_scripts": lambda it: (
        f"{it['image_version']['name']}: {it['boot_script']['title']}"
    ),
    "webhooks": lambda it: f"{it['created_by']['username']}'s",
}
"""The name of each thing of a resource in the tests. All names differ."""


@contextmanager
def set_stage(
    request: pytest.FixtureRequest, kind: type[Database] = Database, backend: str = ""
) -> Iterator[Stage]:
    """A stage on `backend`, or on the database that the fixture's parameter names, opened as `kind`."""
    catalogues: Catalogues = request.getfixturevalue("catalogues")
    if (backend or request.param) == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path_factory").mktemp("stage")
        url, world = catalogues.sqlite_file(build_stage, folder / "stage.db")
    else:
        url, world = catalogues.postgresql_database(build_stage)
    clock = Clock()
    db = kind(url, now=clock)
    yield Stage(db, clock, world, ApiClient(db, config.load({}), world))
    db.close()


def build_stage(db: Database) -> World:
    """Create the cast's things, and those of this module's docstring."""
    world = build_world(db)
    set_further(db, world)
    return world


def set_further(db: Database, world: World) -> None:
    """Create the things of this module's docstring."""
    with db.write() as tx:
        users.create_user(tx, CONSOLE, wire.NewUser(username="erin"))
        groups.create_group(tx, CONSOLE, wire.NewGroup(name="ops", leaders=["erin"]))
        south = wire.NewProvider(name="south", public=True, active=False)
        providers.create_provider(tx, CONSOLE, south)
        east = providers.PROVIDERS.row_for_change(tx, CONSOLE, "east")
        long_ago = wire.ProviderPatch(start_date=later(tx.now, days=-40))
        providers.edit_provider(tx, CONSOLE, east, long_ago)
        ended = later(tx.now, days=-1)
        north = wire.NewProvider(
            name="north", public=True, start_date=later(tx.now, days=-2), end_date=ended
        )
        providers.create_provider(tx, CONSOLE, north)
        write = wire.NewToken(name="lesser", scope="write")
        _, world.secrets["lesser"] = tokens.insert_token(tx, CONSOLE, world.users["dora"], write)
    with db.write() as tx:
        _hooks(tx, world)
        _alice_goes_on(tx, world)
        _dora_places_machines(tx, world)
        _alice_promotes_and_revokes(tx, world)
    with db.write_unversioned() as tx:
        while outbox.create_deliveries(tx):
            pass


def _alice_goes_on(tx: Tx, world: World) -> None:
    alice = world.actor(tx, "alice")
    image = images.IMAGES.row_for_change(tx, alice, "open-image")
    images.edit_image(tx, alice, image, wire.ImagePatch(maintainers=["ops"]))
    made = publish.create_version(
        tx,
        alice,
        wire.NewVersion(
            name="open-1.1",
            image="open-image",
            parent=world.versions["closed"],
            identity=world.identities["alice@west"],
            scripts=[],
        ),
    )
    world.versions["open-1.1"] = made.key
    for title, version in (("welcome", "open"), ("joined", "shared")):
        script = wire.NewScript(title=title, type="Raw Text", text=f"#!/bin/sh\n: {title}\n")
        world.scripts[title] = int(licenses_scripts.create_script(tx, alice, script).key)
        attached = wire.NewVersionScript(
            image_version=world.versions[version], boot_script=world.scripts[title]
        )
        attachments.SCRIPTS.attach(tx, alice, attached)
    # Its history names a script that bob, an editor of it, may no longer read.
    kept = wire.NewVersionScript(
        image_version=world.versions["kept"], boot_script=world.scripts["setup"]
    )
    briefly = attachments.SCRIPTS.attach(tx, alice, kept).key
    attachments.SCRIPTS.detach(tx, alice, attachments.SCRIPTS.row_for_change(tx, alice, briefly))
    with_ops = wire.NewVersionMembership(image_version=world.versions["shared"], group="ops")
    attachments.MEMBERSHIPS.attach(tx, alice, with_ops)


def _dora_places_machines(tx: Tx, world: World) -> None:
    dora = world.actor(tx, "dora")
    for identifier, provider, days in (
        ("open-old", "east", -5),
        ("open-south", "south", None),
        ("open-north", "north", None),
    ):
        body = wire.NewMachine(
            version=world.versions["open"],
            provider=provider,
            identifier=identifier,
            start_date=later(tx.now, days=-10),
            end_date=None if days is None else later(tx.now, days=days),
        )
        machines.create_machine(tx, dora, body)


HOOKED = {"alice": "open-image", "bob": "kept-image", "dora": None}
"""The users with a webhook, and the images of the webhooks."""


def target(who: str) -> str:
    """The target URL of a user's webhook."""
    return f"https://93.184.216.34/{who}s-hook"


def _hooks(tx: Tx, world: World) -> None:
    for who, image in HOOKED.items():
        hook = wire.NewWebhook(target=target(who), image=image)
        webhooks.create_webhook(tx, world.actor(tx, who), hook, None)


CHANNELS = {
    "stable": "open",
    "inner": "open",
    "closed-line": "closed",
    "shared-line": "shared",
}
"""The image of each channel. Its target is version 1.0."""


def _alice_promotes_and_revokes(tx: Tx, world: World) -> None:
    alice = world.actor(tx, "alice")
    for name, image in CHANNELS.items():
        row, channel = assign.channel_for_assigning(tx, alice, f"{image}-image", name)
        body = wire.NewAssignment(version=world.versions[image], reason=f"{name} it is")
        assign.assign(tx, alice, row, channel, name, body)
    inner = channels.channel_for_change(tx, alice, "open-image", "inner")
    patch = wire.ChannelPatch(restricted=True, groups=["lab", "ops"])
    assign.edit_channel(tx, alice, inner, patch)
    replaced = wire.NewDeprecation(reason="1.1 is old", replacement=world.versions["closed"])
    row = versions.VERSIONS.row_for_change(tx, alice, world.versions["open-1.1"])
    publish.edit_version(tx, alice, row, wire.VersionPatch(deprecation=replaced))
    row = versions.VERSIONS.row_for_change(tx, alice, world.versions["closed"])
    hole = wire.Revocation(reason="hole in closed", descendants=True)
    revocations.revoke(tx, alice, row, hole)
