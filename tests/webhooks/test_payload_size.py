"""The largest payloads: every text in them as long as the API takes it."""

from goldenrod.base import wire
from goldenrod.catalogue.channels import assign
from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.rules.changes import events
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.webhooks.events import OPEN, edit, edit_image, hooked, publish, restore, revoke
from tests.support.webhooks.receiver import Receiver

WIDE = "\U0001f5ff"
"""A character of four bytes: none takes more in JSON without escapes."""
PROMISED_BYTES = 512 * 1024
"""What docs/webhooks.md promises."""


def name(number: int) -> str:
    """A name of the greatest length."""
    return f"{number}{WIDE * 255}"


def test_the_longest_texts_stay_below_the_promised_size(
    db: Database, world: World, clock: Clock
) -> None:
    api = ApiClient(db, OPEN, world)
    reason = WIDE * 2000
    with Receiver().running() as receiver:
        hooked(api, receiver.url)
        edit_image(db, world, "open", name=name(0))
        east = api.get("/api/v2/providers?name=east", "dora").json["results"][0]
        assert api.patch(east["url"], "dora", {"name": name(0)}).status_code == 200
        machine = wire.NestedMachine(provider=east["id"], identifier=name(1))
        first = publish(db, world, name(1), machines=[machine])
        second = publish(db, world, name(2), parent=first)
        [made] = api.get(f"/image_versions/{first}", "alice").json["machines"]
        assert api.delete(made["url"], "alice").status_code in (200, 204)
        with db.write() as tx:
            alice = world.actor(tx, "alice")
            for version in (first, second):
                image, row = assign.channel_for_assigning(tx, alice, "open-image", "stable")
                body = wire.NewAssignment(version=version, reason=reason)
                assign.assign(tx, alice, image, row, "stable", body)
        edit(db, world, first, deprecation=wire.NewDeprecation(reason=reason, replacement=second))
        revoke(db, world, first, reason=reason, descendants=True)
        assert Deliverer(db, private=True).deliver_due()
        restore(db, world, first)
        clock.move(hours=1)
        edit(db, world, second, end_date=clock.now)
        assert Deliverer(db, private=True).deliver_due()
    largest = dict.fromkeys(events.TYPES, 0)
    for kind, got in zip(receiver.types(), receiver.got, strict=True):
        largest[kind] = max(largest[kind], len(got.body))
    # What syncs tell has no text longer than these.
    told = {"machine.missing", "machine.drifted", "sync.failed"}
    assert {kind for kind, size in largest.items() if not size} == told
    assert largest["version.revoked"] > len(reason.encode())
    assert max(largest.values()) < PROMISED_BYTES
