"""Webhooks and their events, as tests create them."""

from typing import Any

from goldenrod.base import config, wire
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import publish as publishing
from goldenrod.catalogue.versions import revocations
from goldenrod.rules import resources
from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.client import ApiClient

OPEN = config.load({"GOLDENROD_WEBHOOKS_PRIVATE": "true"})


def hooked(
    api: ApiClient, to: str, who: str = "alice", image: str | None = "open", **more: Any
) -> Any:
    body = {"target": to, "image": image and api.world.images[image], **more}
    answer = api.post("/api/v2/webhooks", who, body)
    assert answer.status_code == 201, answer.text
    return answer.json


def publish(db: Database, world: World, name: str, image: str = "open", **more: Any) -> str:
    with db.write() as tx:
        body = wire.NewVersion(name=name, image=world.images[image], **more)
        return publishing.create_version(tx, world.actor(tx, "alice"), body).key


def edit(db: Database, world: World, key: str, **patch: Any) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = resources.get_row_for_change(tx, alice, schema.versions, key)
        publishing.edit_version(tx, alice, row, wire.VersionPatch(**patch))


def edit_image(db: Database, world: World, image: str, **patch: Any) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = images.IMAGES.row_for_change(tx, alice, str(world.images[image]))
        images.edit_image(tx, alice, row, wire.ImagePatch(**patch))


def revoke(db: Database, world: World, key: str, **more: Any) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = resources.get_row_for_change(tx, alice, schema.versions, key)
        revocations.revoke(tx, alice, row, wire.Revocation(**{"reason": "bad", **more}))


def restore(db: Database, world: World, key: str) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = resources.get_row_for_change(tx, alice, schema.versions, key)
        revocations.restore(tx, alice, row, wire.Restoring())


def log_of(api: ApiClient, hook: Any) -> list[Any]:
    """The deliveries of the hook, the oldest first."""
    return api.all(f"{hook['url']}/deliveries", "dora")
