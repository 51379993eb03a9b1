"""Staff's lists are searched by the beginning of a name; their first page shows what fails."""

from typing import Any

from goldenrod.base import wire
from goldenrod.catalogue.accounts import users
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor


def test_names_are_found_by_their_beginning(api: ApiClient, dora: Visitor, world: World) -> None:
    def found(address: str) -> list[Any]:
        rows = api.all(f"/api/v2/{address}", "dora")
        return [it.get("username") or it.get("key") or it["name"] for it in rows]

    assert found("users?prefix=A") == ["alice"]
    assert found("users?prefix=lice") == []
    assert found("groups?prefix=LA&personal=false") == ["lab"]
    assert found("groups?user=bob&personal=false") == ["lab"]
    assert len(found("identities?prefix=bo")) == len(found("identities?user=bob")) > 0
    key = found("identities")[0]
    assert key in found(f"identities?prefix={key[:3]}")
    assert api.get("/api/v2/users?prefix=%20", "dora").status_code == 400
    # For others, a prefix finds what they see anyway.
    rows = api.all("/api/v2/users?prefix=a", "bob")
    assert rows == [] and api.all("/api/v2/groups?prefix=o", "bob") == []
    for page, name in (("users?prefix=bo", "bob"), ("groups?prefix=la", "lab")):
        assert name in dora.get(f"/staff/{page}").words
    for page in ("providers?search=wes", "tags?search=open", "identities?prefix=bo"):
        assert "No matching" not in dora.get(f"/staff/{page}").words


def test_paging_keeps_the_prefix(dora: Visitor, db: Database, world: World) -> None:
    with db.write() as tx:
        for i in range(60):
            users.create_user(tx, CONSOLE, wire.NewUser(username=f"many-{i:02}"))
    page = dora.get("/staff/users?prefix=man")
    [more] = [it for it in page.links if "cursor=" in it]
    assert "prefix=man" in more
    words = dora.get(more).words
    assert "many-55" in words and "alice" not in words


def test_the_first_page_shows_failing_webhooks_and_failed_sign_ins(
    dora: Visitor, db: Database, world: World, api: ApiClient, clock: Clock
) -> None:
    assert "Failing webhooks" not in dora.get("/staff").words
    for name in ("alice", "alice", "no-such-user"):
        body = {"username": name, "password": "wrong-one"}
        api.client.simulate_post("/api/v2/tokens", json=body, remote_addr="192.0.2.7")
    with db.write() as tx:
        body = wire.NewWebhook(
            image="open-image", target="https://hooks.example/a", events=["version.published"]
        )
        key, _ = webhooks.create_webhook(tx, world.actor(tx, "alice"), body, None)
        _deliver(tx, key, "failed")
    page = dora.get("/staff")
    assert "https://hooks.example/a of alice" in page.words and "500" in page.words
    assert f"/webhooks/{key}" in page.links
    assert "alice from 192.0.2.7" in page.words and "2 failures" in page.words
    assert "unknown usernames from 192.0.2.7" in page.words and "no-such-user" not in page.words
    [of_alice] = [it for it in page.links if "user=alice" in it]
    assert "alice failed to sign in" in dora.get(of_alice).words
    with db.write() as tx:
        _deliver(tx, key, "delivered")
    clock.move(hours=25)
    page = dora.get("/staff")
    assert "Failing webhooks" not in page.words and "Failed sign-ins" not in page.words


def _deliver(tx: Any, hook: int, state: str) -> None:
    """A delivery to a webhook, of an event of its image, with this outcome."""
    from goldenrod.rules.changes import mutations
    from goldenrod.store import schema

    event = tx.insert(
        schema.events,
        uuid=mutations.new_uuid(),
        at=tx.now,
        type="version.published",
        image_id=1,
        version_n=None,
        about="{}",
        queued=True,
    )
    tx.insert(
        schema.deliveries,
        uuid=mutations.new_uuid(),
        webhook_id=hook,
        event_sequence=event,
        state=state,
        attempts=9,
        last_at=tx.now,
        last_status=500,
        last_error="500 Internal Server Error",
    )
