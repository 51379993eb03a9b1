"""The cast and their things.

alice   owns every image here; leads the group lab
bob     is in the group lab, and has an identity on the private provider west
charlie is a stranger: signed in, and only in his personal group
dora    is staff
nobody  is the anonymous reader

The images, each with one version and one machine on the public provider east:

open       public, current: everyone may read it
closed     private: alice and dora
shared     private, its version shared with lab: bob too
kept       private, maintained by lab: bob is an editor
ended      public, but its end_date is in the past: alice and dora
scheduled  public, but its start_date is in the future: alice and dora
"""

from dataclasses import dataclass, field
from typing import Any

from goldenrod.base import wire
from goldenrod.base.clock import later
from goldenrod.catalogue.accounts import actors, groups, identities, tokens
from goldenrod.catalogue.accounts import users as people
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import licenses_scripts, providers, publish
from goldenrod.rules.access import CONSOLE, Actor
from goldenrod.store.db import Database, Tx

CAST = ("alice", "bob", "charlie", "dora")
IMAGES = ("open", "closed", "shared", "kept", "ended", "scheduled")


@dataclass
class World:
    """The ids of the cast's things, by the names in this module's docstring, and the secrets of
    tokens."""

    users: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    providers: dict[str, int] = field(default_factory=dict)
    identities: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, int] = field(default_factory=dict)
    licenses: dict[str, int] = field(default_factory=dict)

    def actor(self, tx: Tx, name: str) -> Actor:
        """One of the cast, with all rights of their account."""
        return actors.of_user(tx, self.users[name], "admin" if name == "dora" else "write")


def build_world(db: Database) -> World:
    """Create the cast and their things."""
    world = World()
    with db.write() as tx:
        for name in CAST:
            body = wire.NewUser(username=name, is_staff=name == "dora", password=f"{name}-secret")
            world.users[name] = int(people.create_user(tx, CONSOLE, body).key)
            scope: wire.Scope = "admin" if name == "dora" else "write"
            _, world.secrets[name] = tokens.insert_token(
                tx, CONSOLE, world.users[name], wire.NewToken(name="test", scope=scope)
            )
        lab = wire.NewGroup(name="lab", users=["bob"], leaders=["alice"])
        world.groups["lab"] = int(groups.create_group(tx, CONSOLE, lab).key)
        for name, public in (("east", True), ("west", False)):
            place = wire.NewProvider(name=name, type="openstack", public=public)
            world.providers[name] = int(providers.create_provider(tx, CONSOLE, place).key)
        for who, where in (("alice", "east"), ("alice", "west"), ("bob", "west")):
            account = wire.NewIdentity(user=who, provider=where, key=f"{who}@{where}")
            made = identities.create_identity(tx, CONSOLE, account)
            world.identities[f"{who}@{where}"] = int(made.key)
    with db.write() as tx:
        _alices_things(tx, world)
    return world


def _alices_things(tx: Tx, world: World) -> None:
    alice = world.actor(tx, "alice")
    script = wire.NewScript(title="setup", type="Raw Text", text="#!/bin/sh\necho ready\n")
    world.scripts["setup"] = int(licenses_scripts.create_script(tx, alice, script).key)
    license = wire.NewLicense(title="Apache 2.0", type="SPDX", text="Apache-2.0")
    world.licenses["apache"] = int(licenses_scripts.create_license(tx, alice, license).key)
    for name in IMAGES:
        dates: dict[str, Any] = {"start_date": later(tx.now, days=-30)}
        if name == "ended":
            dates["end_date"] = later(tx.now, days=-1)
        if name == "scheduled":
            dates["start_date"] = later(tx.now, days=1)
        body = wire.NewImage(
            name=f"{name} image",
            slug=f"{name}-image",
            description=f"what {name} is for",
            is_public=name in ("open", "ended", "scheduled"),
            tags=[f"{name}-tag"],
            maintainers=["lab"] if name == "kept" else [],
            **dates,
        )
        world.images[name] = int(images.create_image(tx, alice, body).key)
        version = wire.NewVersion(
            name=f"{name}-1.0",
            image=world.images[name],
            change_log=f"first of {name}",
            membership=["lab"] if name == "shared" else [],
            licenses=[world.licenses["apache"]],
            scripts=[world.scripts["setup"]] if name == "closed" else [],
            start_date=later(tx.now, days=-20),
            machines=[
                wire.NestedMachine(
                    provider=where, identifier=f"{name}-{where}", architecture="x86_64"
                )
                for where in ("east", "west")
            ],
        )
        world.versions[name] = publish.create_version(tx, alice, version).key
