"""The log of deliveries hides what its reader may not read: such deliveries show as dropped."""

import json
from typing import Any

import pytest

from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.pages.visitor import Visitor
from tests.support.webhooks.events import OPEN, edit_image, hooked, log_of, publish
from tests.support.webhooks.receiver import Receiver


@pytest.mark.parametrize("when", ["queued", "delivered"])
def test_a_creator_without_access_sees_only_that_a_delivery_was_dropped(
    db: Database, world: World, visitor: Visitor, when: str
) -> None:
    api = ApiClient(db, OPEN, world)
    with Receiver().running() as receiver:
        hook = hooked(api, receiver.url, "bob", "kept")
        publish(db, world, "a secret name", image="kept")
        if when == "delivered":
            assert Deliverer(db, private=True).deliver_due()
        edit_image(db, world, "kept", maintainers=[])
        assert Deliverer(db, private=True).deliver_due()
        assert len(receiver.got) == (when == "delivered")
    listed = api.get(f"{hook['url']}/deliveries", "bob").json["results"]
    assert listed
    for one in listed:
        shown: dict[str, Any] = {
            **{"id": one["id"], "uuid": one["uuid"], "url": one["url"]},
            **{"event": None, "state": "dropped", "attempts": 0, "next_at": None},
            **{"last_at": None, "last_status": None, "last_error": None},
        }
        assert one == shown
        assert api.get(one["url"], "bob").json == shown | {"stored_attempts": []}
        for who in ("bob", "dora"):
            refused = api.post(f"{one['url']}/redeliver", who, None)
            assert code(refused) == "409 delivery_unreadable"
            assert "may no longer read what it is about" in refused.json["detail"]
        assert api.get(one["url"], "bob").json == shown | {"stored_attempts": []}
    log = f"{hook['url']}/deliveries"
    kinds = ("name=version.published", "state=delivered", "state=waiting")
    assert [api.get(f"{log}?{kind}", "bob").json["count"] for kind in kinds] == [0, 0, 0]
    assert api.get(f"{log}?state=dropped", "bob").json["count"] == len(listed)
    visitor.sign_in("bob")
    page = visitor.get(f"/webhooks/{hook['id']}")
    assert "hidden from you" in page.words
    assert "version.published just now" not in page.words
    assert "a secret name" not in page.text
    assert "/redeliver" not in page.text
    # Staff see each delivery in full, and so does a creator who has access again.
    staff = log_of(api, hook)
    assert {one["event"]["type"] for one in staff} >= {"version.published"}
    edit_image(db, world, "kept", maintainers=[world.groups["lab"]])
    assert "version.published" in json.dumps(api.get(log, "bob").json)


def test_deliveries_show_to_a_creator_who_may_read_the_version_as_the_public_does(
    db: Database, world: World
) -> None:
    api = ApiClient(db, OPEN, world)
    hook = hooked(api, "http://127.0.0.1:1024/", "bob", "kept")
    publish(db, world, "2.0", image="kept")
    edit_image(db, world, "kept", maintainers=[], is_public=True)
    Deliverer(db, private=True).deliver_due()
    for one in api.get(f"{hook['url']}/deliveries", "bob").json["results"]:
        assert one["event"] is not None
