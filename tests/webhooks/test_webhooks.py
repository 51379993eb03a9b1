"""Webhooks on the API: who creates, reads and changes them, and which targets are allowed."""

import base64
import json
import socket
from typing import Any

import pytest

from goldenrod.base import config, wire
from goldenrod.catalogue.accounts import tokens
from goldenrod.catalogue.webhooks import http_sender, outbox
from goldenrod.rules.access import CONSOLE
from goldenrod.rules.changes import events
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World, build_world
from tests.support.client import ApiClient, code

HOOKS = "/api/v2/webhooks"
TARGET = "https://93.184.216.34/hook"
"""A public address. As a number, it needs no look-up."""


def create(api: ApiClient, image: str | None = "open", who: str = "alice", **more: Any) -> Any:
    """Create a webhook for an image: the answer of POST."""
    body = {"target": TARGET, "image": image and api.world.images[image], **more}
    answer = api.post(HOOKS, who, body)
    assert answer.status_code == 201, answer.text
    return answer.json


def rename(api: ApiClient, name: str, image: str = "open") -> None:
    """Cause an event."""
    address = f"/image_versions/{api.world.versions[image]}"
    assert api.patch(address, "alice", {"change_log": name}).status_code == 200


def create_deliveries(db: Database) -> None:
    with db.write_unversioned() as tx:
        while outbox.create_deliveries(tx):
            pass


def test_anonymous_requests_cannot_read_or_create_webhooks(api: ApiClient, world: World) -> None:
    hook = create(api)
    assert api.get(HOOKS).json["count"] == 0
    for address in (hook["url"], f"{hook['url']}/deliveries", f"{hook['url']}/deliveries/1"):
        assert code(api.get(address)) == "404 not_found"
    body = {"target": TARGET, "image": world.images["open"]}
    assert code(api.post(HOOKS, None, body)) == "401 credentials_required"
    assert code(api.patch(hook["url"], None, {})) == "401 credentials_required"
    assert code(api.delete(hook["url"])) == "401 credentials_required"
    again = f"{hook['url']}/deliveries/1/redeliver"
    assert code(api.post(again, None, {})) == "401 credentials_required"


def test_users_cannot_read_or_create_webhooks_of_images_of_others(
    api: ApiClient, world: World
) -> None:
    hook = create(api)
    for image, refused in (("open", "403 change_forbidden"), ("closed", "400 reference_unknown")):
        body = {"target": TARGET, "image": world.images[image]}
        assert code(api.post(HOOKS, "charlie", body)) == refused
    for who in ("charlie", "alice"):
        assert code(api.post(HOOKS, who, {"target": TARGET})) == "403 staff_required"
    assert api.get(HOOKS, "charlie").json["count"] == 0
    assert api.get(f"{HOOKS}?image={world.images['closed']}", "charlie").json["count"] == 0
    assert code(api.get(hook["url"], "charlie")) == "404 not_found"
    assert code(api.get(f"{hook['url']}/deliveries", "charlie")) == "404 not_found"
    assert code(api.patch(hook["url"], "charlie", {"active": False})) == "404 not_found"
    assert code(api.delete(hook["url"], "charlie")) == "404 not_found"


def test_its_creator_and_staff_see_a_webhook_and_nobody_its_secret_again(
    api: ApiClient, world: World, db: Database
) -> None:
    hook = create(api, "kept", "bob", events=["version.revoked", "version.published"])
    secret = hook.pop("secret")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert list(hook)[:8] == [
        "id",
        "uuid",
        "url",
        "image",
        "target",
        "events",
        "active",
        "created_by",
    ]
    assert hook["image"]["id"] == world.images["kept"]
    assert hook["events"] == ["version.published", "version.revoked"]
    assert (hook["active"], hook["created_by"]["username"]) == (True, "bob")
    for who in ("bob", "dora"):
        assert api.get(hook["url"], who).json == hook
        assert api.get(HOOKS, who).json["results"] == [hook]
    # An editor of the image who did not create the webhook.
    assert code(api.get(hook["url"], "alice")) == "404 not_found"
    changed = api.patch(hook["url"], "bob", {"target": f"{TARGET}/2", "events": ["machine.gone"]})
    assert (changed.json["target"], changed.json["events"]) == (f"{TARGET}/2", ["machine.gone"])
    assert api.patch(hook["url"], "bob", changed.json).json == changed.json
    assert api.patch(hook["url"], "dora", {"active": False}).json["active"] is False
    with db.read() as tx:
        audited = [row[0] for row in tx.sql("SELECT changes FROM audit").fetchall()]
    assert audited
    assert not any(secret in text or "whsec" in text for text in audited)
    assert api.delete(hook["url"], "bob").status_code == 204
    assert code(api.get(hook["url"], "bob")) == "404 not_found"


def test_staff_create_one_for_all_images_and_all_events_are_the_default(api: ApiClient) -> None:
    hook = create(api, None, "dora")
    assert hook["image"] is None
    assert hook["events"] == list(events.TYPES)


def test_an_idempotency_key_is_refused(api: ApiClient, world: World) -> None:
    body = {"target": TARGET, "image": world.images["open"]}
    refused = api.post(HOOKS, "alice", body, headers={"Idempotency-Key": "k"})
    assert code(refused) == "409 idempotency_not_offered"
    assert api.get(HOOKS, "alice").json["count"] == 0


@pytest.mark.parametrize(
    "more",
    [
        {"events": ["version.published", "version.colour"]},
        {"events": []},
        {"target": ""},
        {"target": "ftp://93.184.216.34/"},
        {"target": "93.184.216.34"},
        {"target": "https:///hook"},
        {"target": "https://user:word@93.184.216.34/"},
        {"target": "https://93.184.216.34/#part"},
        {"target": "https://93.184.216.34:99999/"},
        {"target": "https://93.184.216.34/a b"},
        {"target": "https://[93.184.216.34]/"},
        {"colour": "red"},
    ],
)
def test_invalid_bodies_are_refused(api: ApiClient, world: World, more: dict[str, Any]) -> None:
    body = {"target": TARGET, "image": world.images["open"], **more}
    assert code(api.post(HOOKS, "alice", body)) == "400 field_invalid"
    hook = create(api)
    if "colour" not in more:
        assert code(api.patch(hook["url"], "alice", more)) == "400 field_invalid"


REFUSED = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "[::]",
    "[::1]",
    "[fe80::1]",
    "[fc00::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:93.184.216.34]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2001::1]",
)


@pytest.mark.parametrize("host", REFUSED)
def test_private_targets_are_refused(host: str) -> None:
    with pytest.raises(http_sender.TargetRefused):
        http_sender.require_reachable(f"http://{host}/", private=False)


@pytest.mark.parametrize("host", ["93.184.216.34", "[2606:4700:4700::1111]"])
def test_public_targets_are_allowed(host: str) -> None:
    http_sender.require_reachable(f"https://{host}:8443/hook", private=False)


def test_a_refused_target_is_reported_and_an_unchanged_one_is_not_looked_up_again(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = build_world(sqlite_db)
    api = ApiClient(sqlite_db, config.load({}), world)
    real = socket.getaddrinfo
    names = {"good.example.org": "93.184.216.34", "mixed.example.org": "10.0.0.1"}

    def resolve(host: str, *args: Any, **more: Any) -> Any:
        if host not in names:
            raise socket.gaierror("unknown")
        both = real("93.184.216.34", *args, **more)
        return both if host == "good.example.org" else both + real(names[host], *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    hook = create(api, target="https://good.example.org/hook")
    for name in ("mixed.example.org", "unknown.example.org"):
        target = {"target": f"https://{name}/"}
        body = {**target, "image": world.images["open"]}
        # The same answer for an internal name and for one that does not exist.
        assert code(api.post(HOOKS, "alice", body)) == "400 webhook_target_refused"
        assert code(api.patch(hook["url"], "alice", target)) == "400 webhook_target_refused"
    names.clear()
    assert api.patch(hook["url"], "alice", {"target": hook["target"]}).status_code == 200
    # No name is looked up for a user who may not create the webhook.
    asked = {"target": "https://unknown.example.org/", "image": world.images["open"]}
    assert code(api.post(HOOKS, "charlie", asked)) == "403 change_forbidden"


def test_editing_a_webhook_with_staff_rights_needs_staff_rights(
    api: ApiClient, world: World, db: Database
) -> None:
    hook = create(api, "closed", "dora")
    with db.write() as tx:
        new = wire.NewToken(name="narrow", scope="write")
        _, narrow = tokens.insert_token(tx, CONSOLE, world.users["dora"], new)
    assert api.get(hook["url"], narrow).status_code == 200
    for patch in ({"target": f"{TARGET}/elsewhere"}, {"active": False}):
        assert code(api.patch(hook["url"], narrow, patch)) == "403 staff_required"
    assert api.patch(hook["url"], "dora", {"target": f"{TARGET}/2"}).status_code == 200
    assert api.delete(hook["url"], narrow).status_code == 204


def test_a_stale_etag_changes_nothing(api: ApiClient) -> None:
    hook = create(api)
    lost = {"If-Match": '"other"'}
    changed = api.patch(hook["url"], "alice", {"active": False}, headers=lost)
    assert code(changed) == "412 precondition_failed"
    assert code(api.delete(hook["url"], "alice", headers=lost)) == "412 precondition_failed"
    assert api.get(hook["url"], "alice").json["active"] is True


def test_deliveries_are_listed_and_sent_again(api: ApiClient, db: Database, clock: Clock) -> None:
    hook = create(api)
    for name in ("one", "two"):
        rename(api, name)
    create_deliveries(db)
    address = f"{hook['url']}/deliveries"
    [first, second] = api.all(address, "alice")
    assert api.all(f"{address}?ordering=-id", "alice") == [second, first]
    assert [second["event"]["type"], first["event"]["type"]] == ["version.edited"] * 2
    assert first["id"] < second["id"]
    assert (first["state"], first["attempts"], first["next_at"]) == ("waiting", 0, clock.now)
    alone = first | {"stored_attempts": []}
    assert api.get(first["url"], "alice").json == alone
    assert api.get(f"{address}/{first['uuid']}", "dora").json == alone
    assert code(api.get(f"{address}/{first['id'] + 9}", "alice")) == "404 not_found"
    other = create(api, "closed")
    assert code(api.get(f"{other['url']}/deliveries/{first['id']}", "alice")) == "404 not_found"
    assert api.get(f"{address}?state=failed", "alice").json["count"] == 0
    assert code(api.get(f"{address}?state=lost", "alice")) == "400 parameter_invalid"
    # After switching off, nothing waits, and nothing is sent again until it is on.
    assert api.patch(hook["url"], "alice", {"active": False}).status_code == 200
    failed = api.all(f"{address}?state=failed", "alice")
    assert [one["last_error"] for one in failed] == ["The webhook was switched off."] * 2
    assert code(api.post(f"{first['url']}/redeliver", "alice", {})) == "409 webhook_inactive"
    api.patch(hook["url"], "alice", {"active": True})
    assert code(api.post(f"{first['url']}/redeliver", "charlie", {})) == "404 not_found"
    with db.read() as tx:
        revision = tx.revision
    again = api.post(f"{first['url']}/redeliver", "alice", {})
    assert (again.status_code, again.json["state"], again.json["uuid"]) == (
        200,
        "waiting",
        first["uuid"],
    )
    with db.read() as tx:
        assert tx.revision == revision
    assert api.delete(hook["url"], "alice").status_code == 204


def test_only_chosen_events_since_the_creation_become_deliveries(
    api: ApiClient, db: Database, clock: Clock
) -> None:
    rename(api, "before any webhook exists")
    with db.read() as tx:
        assert tx.sql("SELECT count(*) FROM events").fetchone()[0] == 0
    clock.move(seconds=1)
    mine = create(api)
    other = create(api, "closed")
    revoked = create(api, events=["version.revoked"])
    everything = create(api, None, "dora")
    rename(api, "notified")
    create_deliveries(db)
    create_deliveries(db)

    def counted(hook: Any) -> int:
        return int(api.get(f"{hook['url']}/deliveries", "dora").json["count"])

    assert [counted(hook) for hook in (mine, other, revoked, everything)] == [1, 0, 0, 1]


def test_events_contain_ids_only(api: ApiClient, db: Database) -> None:
    create(api)
    rename(api, "a secret change log")
    with db.read() as tx:
        [(about,)] = tx.sql("SELECT about FROM events").fetchall()
    assert json.loads(about) == {"fields": ["change_log"]}
