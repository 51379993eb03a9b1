"""Channels: what a restricted one keeps secret, and what assigning to one requires."""

from typing import Any

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import (
    API,
    assign,
    channel,
    look_up,
    release,
    revoke,
    target,
)

# ── restricted ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.long_on_postgresql
def test_a_restricted_channel_leaks_nothing(api: ApiClient, world: World) -> None:
    version = release(api, "2", exclude_from_latest=True)
    assign(api, version, "secret")
    api.patch(channel("secret"), "alice", {"restricted": True, "groups": ["lab"]})
    for who in (None, "charlie"):
        listed = api.get(f"{API}/images/open-image/channels", who).json
        assert (listed["count"], [it["name"] for it in listed["results"]]) == (1, ["latest"])
        unknown = api.get(channel("nowhere"), who)
        for address in (
            channel("secret"),
            f"{channel('secret')}/history",
            "/resolve/open-image/secret/east",
            "/resolve/open-image/secret",
        ):
            answer = api.get(address, who)
            assert answer.status_code == 404
            assert answer.json == unknown.json
        filtered = api.get("/image_versions?channel=secret", who).json
        assert (filtered["count"], filtered["results"]) == (0, [])
        [found] = look_up(api, "2-east", who=who)
        offered = found["matches"][0]["offered"]
        assert [it["channel"] for it in offered] == ["latest"]
        named_so = api.get(f"{API}/images/open-image/channels?name=secret", who)
        assert named_so.json["count"] == 0
        assert "secret" not in api.get(version["url"], who).text
    for who in ("alice", "bob", "dora"):
        assert target(api, "secret", who) == "2"
        assert api.get("/image_versions?channel=secret", who).json["count"] == 1
        [found] = look_up(api, "2-east", who=who)
        offered = found["matches"][0]["offered"]
        assert [it["channel"] for it in offered] == ["latest", "secret"]


def test_the_groups_of_a_channel_show_as_membership_does(api: ApiClient, world: World) -> None:
    assign(api, world.versions["open"])
    api.patch(channel(), "alice", {"groups": ["lab", "charlie"]})

    def groups(who: str | None) -> list[str]:
        return [group["name"] for group in api.get(channel(), who).json["groups"]]

    assert groups(None) == []
    assert groups("charlie") == ["charlie"]
    assert groups("bob") == ["lab"]
    assert sorted(groups("alice")) == sorted(groups("dora")) == ["charlie", "lab"]


def test_a_group_named_by_a_channel_cannot_be_removed(api: ApiClient, world: World) -> None:
    assign(api, world.versions["open"])
    ops = made(api, f"{API}/groups", "dora", name="ops")
    api.patch(channel(), "alice", {"restricted": True, "groups": ["ops"]})
    assert code(api.delete(ops["url"], "dora")) == "409 group_in_use"
    api.patch(channel(), "alice", {"groups": []})
    assert api.delete(ops["url"], "dora").status_code == 204


def test_effects_reveal_nothing_of_a_hidden_channel(api: ApiClient, world: World) -> None:
    # bob keeps his version, no longer its image.
    own = publish(
        api,
        "bobs",
        who="bob",
        image="kept",
        membership=["lab"],
        machines=[{"provider": "west", "identifier": "bobs"}],
    )
    for name in ("seen", "secret"):
        assign(api, own, name, image="kept")
    api.patch(channel("secret", "kept"), "alice", {"restricted": True})
    edit = api.patch(f"{API}/images/kept-image", "alice", {"maintainers": []})
    assert edit.status_code == 200
    for who, shown in (("bob", ["latest", "seen"]), ("alice", ["latest", "secret", "seen"])):
        effect = revoke(api, own, who, dry_run=True).json
        assert [it["channel"] for it in effect["channels"]] == shown
        assert effect["channels_count"] == len(shown)


def test_what_is_unreadable_is_null_or_its_id_alone(api: ApiClient, world: World) -> None:
    hidden = publish(api, "hidden", image="shared")
    assign(api, world.versions["shared"], image="shared")
    assign(api, hidden, image="shared")
    shown = api.get(channel(image="shared"), "bob").json
    assert (shown["assigned"], shown["target"]) == ({"id": hidden["id"]}, None)
    [_, entry] = api.all(f"{channel(image='shared')}/history", "bob")
    assert entry["version"] == {"id": hidden["id"]}
    assert code(api.get("/resolve/shared-image/stable/west", "bob")) == "404 machine_not_found"
    assert api.get("/image_versions?channel=stable", "bob").json["count"] == 0
    revoke(api, hidden, roll_back_channels=False)
    shown = api.get(channel(image="shared"), "bob").json
    assert (shown["target"], shown["stopped"]) == (None, None)
    assert code(api.get("/resolve/shared-image/stable/west", "bob")) == "404 machine_not_found"
    assert api.get("/resolve/shared-image/stable", "bob").json["results"] == []
    assert api.get(channel(image="shared"), "alice").json["stopped"]["version"]["name"] == "hidden"


# ── requirements ───────────────────────────────────────────────────────────────────────────

REQUIRED = {"requires": {"providers": ["east", "west"], "channel": "candidate", "days": 14}}


def test_requirements_list_what_is_missing(
    db: Database, api: ApiClient, world: World, clock: Clock
) -> None:
    assign(api, world.versions["open"])
    assign(api, world.versions["open"], "candidate")
    shown = api.patch(channel(), "alice", REQUIRED)
    assert shown.status_code == 200, shown.text
    requires = shown.json["requires"]
    assert [it["slug"] for it in requires["providers"]] == ["east", "west"]
    assert (requires["channel"], requires["days"]) == ("candidate", 14)
    assert api.get(channel()).json["requires"]["providers"][1].keys() == {"id"}
    version = release(api, "2")
    before = everything(db)
    answer = assign(api, version)
    assert code(answer) == "409 channel_requirement_unmet"
    assert [it["slug"] for it in answer.json["missing"]["providers"]] == ["west"]
    assert answer.json["missing"]["not_before"] is None
    assert everything(db) == before
    placed = {"version": version["id"], "provider": "west", "identifier": "2-west"}
    assert api.post(f"{API}/provider_machines", "alice", placed).status_code == 201
    assign(api, version, "candidate")
    answer = assign(api, version)
    assert answer.json["missing"] == {"not_before": "2026-06-29T12:00:00.000000Z"}
    clock.move(days=7)
    assign(api, world.versions["open"], "candidate")
    assign(api, version, "candidate")  # the first time counts
    clock.move(days=7, microseconds=-1)
    assert code(assign(api, version)) == "409 channel_requirement_unmet"
    clock.move(microseconds=1)
    assert assign(api, version).json["target"]["name"] == "2"
    assert [it["override"] for it in api.all(f"{channel()}/history")] == [False, False]


def test_an_ended_machine_meets_no_requirement(api: ApiClient, world: World) -> None:
    assign(api, world.versions["open"])
    api.patch(channel(), "alice", {"requires": {"providers": ["east"]}})
    version = release(api, "2")
    api.delete(version["machines"][0]["url"], "alice")
    answer = assign(api, version)
    assert [it["slug"] for it in answer.json["missing"]["providers"]] == ["east"]


def test_an_override_needs_a_reason_and_is_recorded(api: ApiClient, world: World) -> None:
    assign(api, world.versions["open"])
    assign(api, None, "candidate")
    api.patch(channel(), "alice", REQUIRED)
    version = release(api, "2")
    assert code(assign(api, version, override=True)) == "400 field_invalid"
    assert assign(api, version, override=True, reason="CVE fix").status_code == 200
    entry = api.all(f"{channel()}/history")[-1]
    assert (entry["override"], entry["reason"]) == (True, "CVE fix")
    assert assign(api, None).status_code == 200  # unassigning needs nothing
    # What a channel offers is not overridden.
    revoke(api, version)
    assert code(assign(api, version, override=True, reason="so")) == "409 version_not_offered"


def test_a_provider_hidden_from_an_editor_is_not_named(api: ApiClient, world: World) -> None:
    north = {"name": "north", "type": "aws", "public": False}
    assert api.post(f"{API}/providers", "dora", north).status_code == 201
    assign(api, world.versions["kept"], image="kept")
    patch = {"requires": {"providers": ["north"]}}
    assert code(api.patch(channel(image="kept"), "bob", patch)) == "400 reference_unknown"
    assert api.patch(channel(image="kept"), "dora", patch).status_code == 200
    assert "north" not in api.get(channel(image="kept"), "bob").text
    other = publish(api, "2", image="kept", who="bob")
    refused = assign(api, other, image="kept", who="bob")
    assert code(refused) == "409 channel_requirement_unmet"
    assert [set(it) for it in refused.json["missing"]["providers"]] == [{"id"}]


@pytest.mark.parametrize(
    ("patch", "refused"),
    [
        ({"requires": {"days": 3}}, "400 field_invalid"),
        ({"requires": {"channel": "stable", "days": 3}}, "400 field_invalid"),
        ({"requires": {"channel": "latest", "days": 3}}, "400 field_invalid"),
        ({"requires": {"channel": "nowhere", "days": 3}}, "400 reference_unknown"),
        ({"requires": {"channel": "candidate", "days": -1}}, "400 field_invalid"),
        ({"requires": {"channel": "candidate", "days": 1e300}}, "400 field_invalid"),
        ({"requires": {"providers": ["nowhere"]}}, "400 reference_unknown"),
        ({"requires": {"provider": ["east"]}}, "400 field_invalid"),
        ({"groups": ["nobody there"]}, "400 reference_unknown"),
        ({"restricted": None}, "400 field_invalid"),
        ({"name": "other"}, "400 field_read_only"),
        ({"assigned": None}, "400 field_read_only"),
    ],
    ids=str,
)
@pytest.mark.long_on_postgresql
def test_a_wrong_edit_changes_nothing(
    db: Database, api: ApiClient, world: World, patch: dict[str, Any], refused: str
) -> None:
    assign(api, world.versions["open"])
    assign(api, world.versions["open"], "candidate")
    before = everything(db)
    assert code(api.patch(channel(), "alice", patch)) == refused
    assert everything(db) == before


def test_sending_back_what_get_gave_changes_nothing(
    db: Database, api: ApiClient, world: World
) -> None:
    assign(api, world.versions["open"])
    assign(api, world.versions["open"], "candidate")
    api.patch(channel(), "alice", {"restricted": True, "groups": ["lab"], **REQUIRED})
    before = everything(db)
    given = api.get(channel(), "alice").json
    # What is computed may have moved on since it was read.
    given |= {"target": None, "stopped": {"version": given["assigned"], "reason": None}}
    assert api.patch(channel(), "alice", given).status_code == 200
    assert everything(db) == before
    off = api.patch(channel(), "alice", {"requires": None, "groups": [], "restricted": False})
    assert (off.json["requires"], off.json["groups"], off.json["restricted"]) == (None, [], False)
