"""Small things that were told to whom they were not meant for: names of channels, reasons of
revocations, usernames behind ids, and what an export without credentials keeps."""

import io
import json
from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.accounts import oidc_accounts
from goldenrod.catalogue.accounts import users as people
from goldenrod.catalogue.transfer.export_import import export_catalogue, import_catalogue
from goldenrod.catalogue.transfer.jsonl_format import CREDENTIAL_TABLES
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.pages.releases import promote, revoke

OPEN = "/api/v2/images/open-image/channels"


# ── what a channel requires ────────────────────────────────────────────────────────────────


def set_channels(db: Database, world: World) -> None:
    """open's channels `secret-line` and `stable`, which requires the first."""
    with db.write() as tx:
        for name in ("secret-line", "stable"):
            promote(tx, world, name, world.versions["open"])


def required(api: ApiClient, who: str | None, channel: str = "stable") -> Any:
    return api.get(f"{OPEN}/{channel}", who).json["requires"]


def test_a_required_channel_is_named_to_those_who_may_see_it(
    db: Database, api: ApiClient, world: World
) -> None:
    set_channels(db, world)
    asked = {"providers": ["west"], "channel": "secret-line", "days": 14}
    assert api.patch(f"{OPEN}/stable", "alice", {"requires": asked}).status_code == 200
    for who in (None, "charlie", "bob", "alice", "dora"):
        assert required(api, who)["channel"] == "secret-line"
    restricted = {"restricted": True, "groups": ["lab"]}
    assert api.patch(f"{OPEN}/secret-line", "alice", restricted).status_code == 200
    for who in (None, "charlie"):
        west = {"id": world.providers["west"]}
        assert required(api, who) == {"providers": [west], "channel": None, "days": 14}
        for address in (OPEN, f"{OPEN}/stable"):
            assert "secret-line" not in api.get(address, who).text
    for who in ("bob", "alice", "dora"):
        assert required(api, who)["channel"] == "secret-line"
    # Nobody sees a channel that was deleted, until it is assigned again.
    assert api.delete(f"{OPEN}/secret-line", "alice").status_code == 204
    for who in (None, "charlie", "bob", "alice", "dora"):
        assert required(api, who)["channel"] is None, who
        assert required(api, who)["days"] == 14
    again = {"version": world.versions["open"]}
    assert api.ask("PUT", f"{OPEN}/secret-line", "alice", again).status_code == 201
    assert required(api, "alice")["channel"] == "secret-line"
    assert required(api, "charlie")["channel"] is None


@pytest.mark.parametrize("days", [14, None])
def test_a_requirement_whose_channel_is_hidden_is_sent_back_unchanged(
    db: Database, api: ApiClient, world: World, days: int | None
) -> None:
    set_channels(db, world)
    asked = {"channel": "secret-line", "days": days}
    assert api.patch(f"{OPEN}/stable", "alice", {"requires": asked}).status_code == 200
    assert api.delete(f"{OPEN}/secret-line", "alice").status_code == 204
    before = everything(db)
    shown = required(api, "alice")
    assert shown == {"providers": [], "channel": None, "days": days}
    assert api.patch(f"{OPEN}/stable", "alice", {"requires": shown}).status_code == 200
    assert everything(db) == before
    # Other days may be asked for, without knowing which channel it is.
    more = {"requires": shown | {"days": 21}}
    assert api.patch(f"{OPEN}/stable", "alice", more).status_code == 200
    assert required(api, "alice") == {"providers": [], "channel": None, "days": 21}
    # Whoever leaves the channel out asks for none.
    without = {"requires": {"providers": ["east"]}}
    assert api.patch(f"{OPEN}/stable", "alice", without).status_code == 200
    again = {"version": world.versions["open"]}
    assert api.ask("PUT", f"{OPEN}/secret-line", "alice", again).status_code == 201
    assert required(api, "alice")["channel"] is None
    refused = api.patch(f"{OPEN}/stable", "alice", {"requires": {"channel": None, "days": 3}})
    assert code(refused) == "400 field_invalid"


# ── why a channel stopped ──────────────────────────────────────────────────────────────────


@pytest.fixture
def below_closed(db: Database, api: ApiClient, world: World) -> str:
    """A public version of open whose lineage is closed-1.0 → middle (of shared) → itself, `stable`
    leads to it, and nothing is revoked yet."""
    middle = publish(api, "middle", image="shared", parent=world.versions["closed"])
    child = publish(api, "child", parent=middle["id"])
    world.versions |= {"middle": middle["id"], "child": child["id"]}
    with db.write() as tx:
        promote(tx, world, "stable", child["id"])
    return str(child["id"])


def reasons(api: ApiClient, who: str | None) -> tuple[Any, Any, str]:
    """The reason of `stopped`, and what the 409 of resolving says: `revoked`, and its sentence."""
    stopped = api.get(f"{OPEN}/stable", who).json["stopped"]
    refused = api.get("/resolve/open-image/stable", who)
    assert code(refused) == "409 version_revoked"
    return stopped["reason"], refused.json["revoked"], refused.json["detail"]


def test_the_revocation_that_stops_a_channel_is_told(
    db: Database, api: ApiClient, world: World, below_closed: str, clock: Clock
) -> None:
    with db.write() as tx:
        revoke(
            tx,
            world,
            world.versions["closed"],
            "why it stops",
            descendants=True,
            roll_back_channels=False,
        )
    clock.move(seconds=1)
    with db.write() as tx:
        revoke(tx, world, below_closed, "its own, which rolls back")
    for who in ("alice", "dora"):
        reason, revoked, detail = reasons(api, who)
        assert reason == revoked["reason"] == "why it stops"
        assert revoked["inherited_from"]["id"] == world.versions["closed"]
        assert detail.endswith("why it stops")
    for who in (None, "charlie", "bob"):
        reason, revoked, detail = reasons(api, who)
        assert reason is None
        assert revoked["reason"] is None
        assert revoked["by"] is None
        assert revoked["inherited_from"] == {"id": world.versions["closed"]}
        assert detail.endswith("no reason shown")
    # The version itself shows its own one as before.
    shown = api.get(f"/image_versions/{below_closed}").json["revoked"]
    assert shown["reason"] == "its own, which rolls back"


def test_of_several_that_stop_it_the_nearest_in_force_is_told(
    db: Database, api: ApiClient, world: World, below_closed: str, clock: Clock
) -> None:
    held = {"descendants": True, "roll_back_channels": False}
    with db.write() as tx:
        revoke(tx, world, world.versions["closed"], "far", **held)
        revoke(tx, world, world.versions["middle"], "near", at=_later(clock), **held)
    assert reasons(api, "alice")[0] == "far"
    clock.move(days=2)
    assert reasons(api, "alice")[0] == "near"
    assert reasons(api, "charlie")[0] is None
    with db.write() as tx:
        revoke(tx, world, below_closed, "its own", roll_back_channels=False)
    for who in (None, "charlie", "alice"):
        assert reasons(api, who)[0] == "its own"
        assert reasons(api, who)[1]["inherited_from"] is None


def _later(clock: Clock) -> str:
    return str(clock.now).replace("2026-06-15", "2026-06-16")


# ── ids of users ───────────────────────────────────────────────────────────────────────────


def refusals(api: ApiClient, who: str, ref: Any, uuid: str) -> list[tuple[int, str]]:
    """What naming this user as an image's owner answers, by id and uuid."""
    image = made(api, "/api/v2/images", who, name="mine")
    found = []
    for owner in (ref, {"id": ref}, uuid, {"uuid": uuid}):
        answer = api.patch(image["url"], who, {"owner": owner})
        found.append((answer.status_code, answer.text))
    return found


def test_an_id_names_no_user_whom_one_could_not_list(
    db: Database, api: ApiClient, world: World
) -> None:
    uuids = {it["username"]: it["uuid"] for it in api.all("/api/v2/users", "dora")}
    nowhere = "00000000-0000-4000-8000-000000000000"
    none = refusals(api, "charlie", 999999999, nowhere)
    assert {status for status, _ in none} == {400}
    for name in ("alice", "bob", "dora"):
        told = refusals(api, "charlie", world.users[name], uuids[name])
        assert [status for status, _ in told] == [400] * 4, told
        assert name not in " ".join(text for _, text in told)
    own = refusals(api, "charlie", world.users["charlie"], uuids["charlie"])
    assert [status for status, _ in own] == [200] * 4
    image = made(api, "/api/v2/images", "charlie", name="given")
    wrong = {"id": world.users["bob"], "username": "alice"}
    assert code(api.patch(image["url"], "charlie", {"owner": wrong})) == "400 reference_unknown"
    # What a GET gave names its user, as an exact username does.
    for owner in ({"id": world.users["alice"], "username": "alice"}, "alice"):
        image = made(api, "/api/v2/images", "charlie", name="given")
        answer = api.patch(image["url"], "charlie", {"owner": owner, "is_public": True})
        assert answer.status_code in (200, 204), answer.text
    # Staff read every user.
    image = made(api, "/api/v2/images", "dora", name="given")
    answer = api.patch(image["url"], "dora", {"owner": world.users["bob"]})
    assert answer.json["owner"]["username"] == "bob"


def test_a_refusal_by_id_is_that_of_an_id_that_does_not_exist(api: ApiClient, world: World) -> None:
    image = made(api, "/api/v2/images", "charlie", name="mine")
    lab = f"/api/v2/groups/{world.groups['lab']}"
    for who, address, body in (
        ("charlie", image["url"], lambda ref: {"owner": ref}),
        ("alice", lab, lambda ref: {"users": ["alice", ref]}),
        ("alice", lab, lambda ref: {"leaders": ["alice", ref]}),
    ):
        there = api.patch(address, who, body(world.users["dora"]))
        nowhere = api.patch(address, who, body(999999999))
        assert code(there) == code(nowhere) == "400 reference_unknown"
        assert there.text.replace(f" {world.users['dora']} that", " 999999999 that") == nowhere.text


def test_members_are_sent_back_by_id(db: Database, api: ApiClient, world: World) -> None:
    lab = f"/api/v2/groups/{world.groups['lab']}"
    given = api.get(lab, "alice").json
    before = everything(db)
    for users, leaders in (
        (given["users"], given["leaders"]),
        ([it["id"] for it in given["users"]], [it["id"] for it in given["leaders"]]),
        ([it["uuid"] for it in given["users"]], [it["uuid"] for it in given["leaders"]]),
    ):
        answer = api.patch(lab, "alice", {"users": users, "leaders": leaders})
        assert answer.status_code == 200, answer.text
        assert everything(db) == before
    image = api.get("/api/v2/images/kept-image", "bob").json
    for owner in (image["owner"], image["owner"]["id"], image["owner"]["uuid"]):
        answer = api.patch(image["url"], "bob", {"owner": owner, "description": "x"})
        assert answer.status_code == 200, answer.text


# ── an export without credentials ──────────────────────────────────────────────────────────


def test_an_export_without_credentials_holds_nothing_secret(
    db: Database, world: World, new_database: Any
) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        body = wire.NewWebhook(target="https://93.184.216.34/hook-key-1", image="open-image")
        hook, secret = webhooks.create_webhook(tx, alice, body, None)
        row = webhooks.webhook_for_editing(tx, alice, str(hook))
        patch = wire.WebhookPatch(target="https://93.184.216.34/hook-key-2")
        webhooks.edit_webhook(tx, alice, row, patch, None)
        webhooks.remove_webhook(tx, alice, webhooks.webhook_for_editing(tx, alice, str(hook)))
        user = people.USERS.row_for_change(tx, CONSOLE, str(world.users["bob"]))
        for subject in ("sub-of-bob", "sub-once-bobs"):
            oidc_accounts.link(tx, CONSOLE, user, "https://idp.example", subject)
        [*_, last] = oidc_accounts.list_accounts(tx, CONSOLE, world.users["bob"])
        oidc_accounts.unlink(tx, CONSOLE, user, last["uuid"])
    out = io.BytesIO()
    export_catalogue(db, out, credentials=False)
    text = out.getvalue().decode()
    for told in ("hook-key", "whsec_", secret, "sub-of-bob", "sub-once-bobs", "argon2"):
        assert told not in text, told
    rows = [json.loads(line) for line in text.splitlines()[1:]]
    assert not {row["table"] for row in rows} & CREDENTIAL_TABLES
    actions = {row["action"]: row["changes"] for row in rows if row["table"] == "audit"}
    assert actions["webhook:create"] == actions["user:link"] == "{}"
    assert "open-1.0" in str([row for row in rows if row["table"] == "audit"])
    whole = io.BytesIO()
    export_catalogue(db, whole)
    for told in ("hook-key-1", "hook-key-2", "sub-of-bob", "sub-once-bobs", "argon2"):
        assert told in whole.getvalue().decode(), told
    copy = new_database("sqlite")
    out.seek(0)
    import_catalogue(copy, out.readlines())
