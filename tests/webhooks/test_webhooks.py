"""Webhooks through the door: who makes, sees and changes them, and where they may lead."""

import base64
import json
import socket
from typing import Any

import pytest

from goldenrod.base import bodies, config
from goldenrod.catalogue.accounts import tokens
from goldenrod.catalogue.webhooks import http_sender, outbox
from goldenrod.rules.access import CONSOLE
from goldenrod.rules.changes import events
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import World, build_world
from tests.support.client import Door, code

HOOKS = "/api/v2/webhooks"
TARGET = "https://93.184.216.34/hook"
"""An address of the open internet: as a number, nobody has to be asked for it."""


def made(door: Door, image: str | None = "open", who: str = "alice", **more: Any) -> Any:
    """A webhook of one of the images, as POST answered it."""
    body = {"target": TARGET, "image": image and door.world.images[image], **more}
    answer = door.post(HOOKS, who, body)
    assert answer.status_code == 201, answer.text
    return answer.json


def rename(door: Door, name: str, image: str = "open") -> None:
    """Something to be told of."""
    address = f"/image_versions/{door.world.versions[image]}"
    assert door.patch(address, "alice", {"change_log": name}).status_code == 200


def gather(db: Database) -> None:
    with db.note() as tx:
        while outbox.spread(tx):
            pass


def test_the_anonymous_have_no_webhooks(door: Door, world: World) -> None:
    hook = made(door)
    assert door.get(HOOKS).json["count"] == 0
    for address in (hook["url"], f"{hook['url']}/deliveries", f"{hook['url']}/deliveries/1"):
        assert code(door.get(address)) == "404 not_found"
    body = {"target": TARGET, "image": world.images["open"]}
    assert code(door.post(HOOKS, None, body)) == "401 credentials_required"
    assert code(door.patch(hook["url"], None, {})) == "401 credentials_required"
    assert code(door.delete(hook["url"])) == "401 credentials_required"
    again = f"{hook['url']}/deliveries/1/redeliver"
    assert code(door.post(again, None, {})) == "401 credentials_required"


def test_a_stranger_makes_none_of_others_images_and_sees_none(door: Door, world: World) -> None:
    hook = made(door)
    for image, refused in (("open", "403 change_forbidden"), ("closed", "400 reference_unknown")):
        body = {"target": TARGET, "image": world.images[image]}
        assert code(door.post(HOOKS, "charlie", body)) == refused
    for who in ("charlie", "alice"):
        assert code(door.post(HOOKS, who, {"target": TARGET})) == "403 staff_required"
    assert door.get(HOOKS, "charlie").json["count"] == 0
    assert door.get(f"{HOOKS}?image={world.images['closed']}", "charlie").json["count"] == 0
    assert code(door.get(hook["url"], "charlie")) == "404 not_found"
    assert code(door.get(f"{hook['url']}/deliveries", "charlie")) == "404 not_found"
    assert code(door.patch(hook["url"], "charlie", {"active": False})) == "404 not_found"
    assert code(door.delete(hook["url"], "charlie")) == "404 not_found"


def test_its_maker_and_staff_see_it_and_nobody_sees_its_secret_again(
    door: Door, world: World, db: Database
) -> None:
    hook = made(door, "kept", "bob", events=["version.revoked", "version.published"])
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
        assert door.get(hook["url"], who).json == hook
        assert door.get(HOOKS, who).json["results"] == [hook]
    # A keeper of the image, but not its maker.
    assert code(door.get(hook["url"], "alice")) == "404 not_found"
    changed = door.patch(hook["url"], "bob", {"target": f"{TARGET}/2", "events": ["machine.gone"]})
    assert (changed.json["target"], changed.json["events"]) == (f"{TARGET}/2", ["machine.gone"])
    assert door.patch(hook["url"], "bob", changed.json).json == changed.json
    assert door.patch(hook["url"], "dora", {"active": False}).json["active"] is False
    with db.read() as tx:
        told = [row[0] for row in tx.sql("SELECT changes FROM audit").fetchall()]
    assert told
    assert not any(secret in text or "whsec" in text for text in told)
    assert door.delete(hook["url"], "bob").status_code == 204
    assert code(door.get(hook["url"], "bob")) == "404 not_found"


def test_one_for_all_images_is_staffs_and_all_events_are_the_default(door: Door) -> None:
    hook = made(door, None, "dora")
    assert hook["image"] is None
    assert hook["events"] == list(events.TYPES)


def test_an_idempotency_key_is_not_taken(door: Door, world: World) -> None:
    body = {"target": TARGET, "image": world.images["open"]}
    refused = door.post(HOOKS, "alice", body, headers={"Idempotency-Key": "k"})
    assert code(refused) == "409 idempotency_not_offered"
    assert door.get(HOOKS, "alice").json["count"] == 0


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
def test_what_is_wrong_is_said(door: Door, world: World, more: dict[str, Any]) -> None:
    body = {"target": TARGET, "image": world.images["open"], **more}
    assert code(door.post(HOOKS, "alice", body)) == "400 field_invalid"
    hook = made(door)
    if "colour" not in more:
        assert code(door.patch(hook["url"], "alice", more)) == "400 field_invalid"


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
def test_targets_inside_are_refused(host: str) -> None:
    with pytest.raises(http_sender.TargetRefused):
        http_sender.require_reachable(f"http://{host}/", private=False)


@pytest.mark.parametrize("host", ["93.184.216.34", "[2606:4700:4700::1111]"])
def test_targets_of_the_open_internet_are_not(host: str) -> None:
    http_sender.require_reachable(f"https://{host}:8443/hook", private=False)


def test_a_refused_target_is_said_and_the_one_that_stands_is_not_asked_for_again(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = build_world(sqlite_db)
    door = Door(sqlite_db, config.load({}), world)
    real = socket.getaddrinfo
    names = {"good.example.org": "93.184.216.34", "mixed.example.org": "10.0.0.1"}

    def resolve(host: str, *args: Any, **more: Any) -> Any:
        if host not in names:
            raise socket.gaierror("unknown")
        both = real("93.184.216.34", *args, **more)
        return both if host == "good.example.org" else both + real(names[host], *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    hook = made(door, target="https://good.example.org/hook")
    for name in ("mixed.example.org", "unknown.example.org"):
        target = {"target": f"https://{name}/"}
        body = {**target, "image": world.images["open"]}
        # The same answer for a name of the inside and for one that does not exist.
        assert code(door.post(HOOKS, "alice", body)) == "400 webhook_target_refused"
        assert code(door.patch(hook["url"], "alice", target)) == "400 webhook_target_refused"
    names.clear()
    assert door.patch(hook["url"], "alice", {"target": hook["target"]}).status_code == 200
    # Nobody is asked for a name before it is clear who may make the hook at all.
    asked = {"target": "https://unknown.example.org/", "image": world.images["open"]}
    assert code(door.post(HOOKS, "charlie", asked)) == "403 change_forbidden"


def test_a_hook_with_staffs_rights_needs_them_to_be_turned_elsewhere(
    door: Door, world: World, db: Database
) -> None:
    hook = made(door, "closed", "dora")
    with db.write() as tx:
        new = bodies.NewToken(name="narrow", scope="write")
        _, narrow = tokens.insert_token(tx, CONSOLE, world.users["dora"], new)
    assert door.get(hook["url"], narrow).status_code == 200
    for patch in ({"target": f"{TARGET}/elsewhere"}, {"active": False}):
        assert code(door.patch(hook["url"], narrow, patch)) == "403 staff_required"
    assert door.patch(hook["url"], "dora", {"target": f"{TARGET}/2"}).status_code == 200
    assert door.delete(hook["url"], narrow).status_code == 204


def test_an_etag_that_lost_changes_nothing(door: Door) -> None:
    hook = made(door)
    lost = {"If-Match": '"other"'}
    changed = door.patch(hook["url"], "alice", {"active": False}, headers=lost)
    assert code(changed) == "412 precondition_failed"
    assert code(door.delete(hook["url"], "alice", headers=lost)) == "412 precondition_failed"
    assert door.get(hook["url"], "alice").json["active"] is True


def test_deliveries_are_listed_and_taken_up_again(door: Door, db: Database, clock: Clock) -> None:
    hook = made(door)
    for name in ("one", "two"):
        rename(door, name)
    gather(db)
    address = f"{hook['url']}/deliveries"
    [first, second] = door.all(address, "alice")
    assert door.all(f"{address}?ordering=-id", "alice") == [second, first]
    assert [second["event"]["type"], first["event"]["type"]] == ["version.edited"] * 2
    assert first["id"] < second["id"]
    assert (first["state"], first["attempts"], first["next_at"]) == ("waiting", 0, clock.now)
    assert door.get(first["url"], "alice").json == first
    assert door.get(f"{address}/{first['uuid']}", "dora").json == first
    assert code(door.get(f"{address}/{first['id'] + 9}", "alice")) == "404 not_found"
    other = made(door, "closed")
    assert code(door.get(f"{other['url']}/deliveries/{first['id']}", "alice")) == "404 not_found"
    assert door.get(f"{address}?state=failed", "alice").json["count"] == 0
    assert code(door.get(f"{address}?state=lost", "alice")) == "400 parameter_invalid"
    # Switched off, nothing waits any more, and nothing is sent again until it is on.
    assert door.patch(hook["url"], "alice", {"active": False}).status_code == 200
    failed = door.all(f"{address}?state=failed", "alice")
    assert [one["last_error"] for one in failed] == ["The webhook was switched off."] * 2
    assert code(door.post(f"{first['url']}/redeliver", "alice", {})) == "409 webhook_inactive"
    door.patch(hook["url"], "alice", {"active": True})
    assert code(door.post(f"{first['url']}/redeliver", "charlie", {})) == "404 not_found"
    with db.read() as tx:
        revision = tx.revision
    again = door.post(f"{first['url']}/redeliver", "alice", {})
    assert (again.status_code, again.json["state"], again.json["uuid"]) == (
        200,
        "waiting",
        first["uuid"],
    )
    with db.read() as tx:
        assert tx.revision == revision
    assert door.delete(hook["url"], "alice").status_code == 204


def test_only_what_was_asked_for_is_spread_and_only_since(
    door: Door, db: Database, clock: Clock
) -> None:
    rename(door, "before anybody listens")
    with db.read() as tx:
        assert tx.sql("SELECT count(*) FROM events").fetchone()[0] == 0
    clock.move(seconds=1)
    mine = made(door)
    other = made(door, "closed")
    revoked = made(door, events=["version.revoked"])
    everything = made(door, None, "dora")
    rename(door, "told")
    gather(db)
    gather(db)

    def counted(hook: Any) -> int:
        return int(door.get(f"{hook['url']}/deliveries", "dora").json["count"])

    assert [counted(hook) for hook in (mine, other, revoked, everything)] == [1, 0, 0, 1]


def test_events_hold_ids_only(door: Door, db: Database) -> None:
    made(door)
    rename(door, "a secret change log")
    with db.read() as tx:
        [(about,)] = tx.sql("SELECT about FROM events").fetchall()
    assert json.loads(about) == {"fields": ["change_log"]}
