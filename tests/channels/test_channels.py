"""Channels: who sees and assigns them, their targets, requirements and privacy."""

from typing import Any

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import (
    API,
    assign,
    channel,
    history,
    named,
    release,
    restore,
    revoke,
    target,
)

# ── who sees and changes them ──────────────────────────────────────────────────────────────


def test_the_anonymous_see_channels_of_what_they_see(api: ApiClient, world: World) -> None:
    assert assign(api, world.versions["open"]).status_code == 201
    for who in (None, "charlie"):
        found = api.get(f"{API}/images/open-image/channels", who).json
        assert found["count"] == 2
        assert [it["name"] for it in found["results"]] == ["latest", "stable"]
        assert [named(it["target"]) for it in found["results"]] == ["open-1.0", "open-1.0"]
        for image in ("closed", "kept", "shared", "ended", "scheduled"):
            for address in ("/latest", "/latest/history", ""):
                answer = api.get(f"{API}/images/{image}-image/channels{address}", who)
                assert code(answer) == "404 not_found"


def test_only_editors_and_staff_assign(db: Database, api: ApiClient, world: World) -> None:
    before = everything(db)
    for who, image, refused in (
        (None, "open", "401 credentials_required"),
        (None, "closed", "401 credentials_required"),
        ("charlie", "open", "403 change_forbidden"),
        ("charlie", "closed", "404 not_found"),
        ("bob", "shared", "403 change_forbidden"),
        ("wrong", "open", "401 token_invalid"),
    ):
        assert code(assign(api, world.versions[image], image=image, who=who)) == refused
        if image != "closed":
            edit = api.patch(channel("latest", image), who, {"restricted": True})
            assert code(edit) == refused
            assert code(api.delete(channel("latest", image), who)) == refused
    assert everything(db) == before
    for who, image in (("bob", "kept"), ("alice", "shared"), ("dora", "closed")):
        assert assign(api, world.versions[image], image=image, who=who).status_code == 201


def test_the_form_of_a_channel(api: ApiClient, world: World) -> None:
    made = assign(api, world.versions["open"], reason="first")
    assert list(made.json) == [
        "name",
        "url",
        "image",
        "assigned",
        "target",
        "stopped",
        "restricted",
        "groups",
        "requires",
    ]
    assert made.json["url"] == f"{API}/images/{world.images['open']}/channels/stable"
    assert made.json["target"] == made.json["assigned"]
    assert made.json["target"]["id"] == world.versions["open"]
    assert (made.json["stopped"], made.json["requires"]) == (None, None)
    assert api.get(channel(), "alice").json == made.json
    by_number = api.get(made.json["url"], "alice")
    assert by_number.headers["etag"] == made.headers["etag"]
    [entry] = api.all(f"{channel()}/history")
    assert list(entry) == ["sequence", "at", "by", "version", "reason", "override", "voids"]
    assert (entry["by"]["username"], entry["reason"], entry["override"]) == (
        "alice",
        "first",
        False,
    )


# ── what they point at ─────────────────────────────────────────────────────────────────────


def test_assigning_the_current_version_again_adds_no_entry(
    db: Database, api: ApiClient, world: World
) -> None:
    assert assign(api, world.versions["open"]).status_code == 201
    before = everything(db)
    assert assign(api, world.versions["open"], reason="again").status_code == 200
    assert everything(db) == before
    assert assign(api, None).status_code == 200
    assert assign(api, None).status_code == 200
    assert assign(api, world.versions["open"]).json["target"]["name"] == "open-1.0"
    assert history(api) == ["open-1.0", None, "open-1.0"]


def test_a_target_falls_back_to_an_offered_version_and_returns(
    api: ApiClient, world: World, clock: Clock
) -> None:
    first = world.versions["open"]
    second = release(api, "2", end_date="2026-06-20T00:00:00Z")
    third = release(api, "3")
    for version in (first, second, third):
        assign(api, version)
    assert target(api) == "3"
    revoke(api, third)
    assert target(api) == "2"
    clock.move(days=10)
    assert target(api) == "open-1.0"
    restore(api, third)
    assert target(api) == "3"
    api.delete(third["url"], "alice")
    api.patch(second["url"], "alice", {"end_date": None})
    assert target(api) == "2"
    api.patch(second["url"], "alice", {"start_date": "2027-01-01T00:00:00Z"})
    assert target(api) == "open-1.0"
    api.patch(f"/image_versions/{first}", "alice", {"deprecation": {"reason": "old"}})
    assert target(api) == "open-1.0"
    assert history(api) == ["open-1.0", "2", "3"]
    assert named(api.get(channel()).json["assigned"]) is not None


def test_a_target_does_not_fall_back_past_an_unassignment(api: ApiClient, world: World) -> None:
    assign(api, world.versions["open"])
    assign(api, None)
    second = release(api, "2")
    assign(api, second)
    revoke(api, second)
    shown = api.get(channel()).json
    assert (shown["target"], shown["stopped"]) == (None, None)
    assert named(shown["assigned"]) == "2"


def test_a_revocation_that_does_not_roll_back_stops_the_channel(
    api: ApiClient, world: World
) -> None:
    second = release(api, "2")
    assign(api, world.versions["open"])
    assign(api, second)
    revoke(api, second, roll_back_channels=False)
    shown = api.get(channel()).json
    assert shown["target"] is None
    assert (shown["stopped"]["version"]["name"], shown["stopped"]["reason"]) == ("2", "leaks a key")
    third = release(api, "3")
    assign(api, third)
    assert target(api) == "3"
    restore(api, second)
    assert target(api) == "3"  # it was assigned anew since


def test_an_inherited_revocation_stops_the_channel_too(api: ApiClient, world: World) -> None:
    child = release(api, "child", parent=world.versions["open"])
    assign(api, child)
    revoke(api, world.versions["open"], descendants=True, roll_back_channels=False)
    assert named(api.get(channel()).json["stopped"]["version"]) == "child"
    # One revocation of two is enough to stop the channel.
    revoke(api, child)
    assert named(api.get(channel()).json["stopped"]["version"]) == "child"


@pytest.mark.parametrize("state", ["ended", "scheduled", "revoked"])
def test_only_current_and_deprecated_versions_are_assigned(
    db: Database, api: ApiClient, world: World, state: str
) -> None:
    dates = {"scheduled": {"start_date": "2027-01-01T00:00:00Z"}}
    version = publish(api, state, **dates.get(state, {}))
    if state == "revoked":
        revoke(api, version)
    if state == "ended":
        api.delete(version["url"], "alice")
    before = everything(db)
    answer = assign(api, version)
    assert code(answer) == "409 version_not_offered"
    assert answer.json["state"] == state
    assert everything(db) == before
    assert code(api.get(channel())) == "404 channel_not_found"


def test_a_deprecated_version_is_assigned(api: ApiClient, world: World) -> None:
    version = publish(api, "old", deprecation={"reason": "old"})
    assert version["state"] == "deprecated"
    assert assign(api, version).json["target"]["state"] == "deprecated"


# ── bad input ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({}, "400 field_invalid"),
        ({"version": "own", "reason": ""}, "400 field_invalid"),
        ({"version": "own", "reason": "  \n"}, "400 field_invalid"),
        ({"version": "own", "reason": "x" * 2001}, "400 field_invalid"),
        ({"version": "own", "reason": "x" * 10_000}, "400 field_invalid"),
        ({"version": "own", "override": True}, "400 field_invalid"),
        ({"version": "own", "override": True, "reason": " "}, "400 field_invalid"),
        ({"version": "own", "target": None}, "400 field_invalid"),
        ({"version": "other"}, "400 version_of_other_image"),
        ({"version": "00000000-0000-7000-8000-000000000000"}, "400 reference_unknown"),
        ({"version": 7}, "400 reference_unknown"),
    ],
    ids=str,
)
def test_a_wrong_assignment_changes_nothing(
    db: Database, api: ApiClient, world: World, body: dict[str, Any], refused: str
) -> None:
    ids = {"own": world.versions["open"], "other": world.versions["closed"]}
    body = body | ({"version": ids.get(body["version"], body["version"])} if body else {})
    assign(api, world.versions["open"])
    before = everything(db)
    for name in ("stable", "new"):
        assert code(api.ask("PUT", channel(name), "alice", body)) == refused
    assert everything(db) == before


def test_a_reason_of_2000_characters_is_accepted(api: ApiClient, world: World) -> None:
    assert assign(api, world.versions["open"], reason="é" * 2000).status_code == 201


def test_a_version_hidden_from_the_editor_is_unknown(api: ApiClient, world: World) -> None:
    for key in (world.versions["closed"], "00000000-0000-7000-8000-000000000000"):
        answer = assign(api, key, image="kept", who="bob")
        assert code(answer) == "400 reference_unknown"


@pytest.mark.parametrize(
    "name", ["Stable", ".hidden", "a" * 65, "a b", "sta:ble", "-x", "é", "%00"]
)
def test_invalid_channel_names_are_not_found(api: ApiClient, world: World, name: str) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = {"version": None} if method == "PUT" else {} if method == "PATCH" else None
        assert api.ask(method, channel(name), "alice", body).status_code == 404
    assert api.get(f"{API}/images/open-image/channels").json["count"] == 1


@pytest.mark.parametrize("name", ["a", "0", "1.0.x", "a_b-c", "b" * 64])
def test_valid_channel_names(api: ApiClient, world: World, name: str) -> None:
    assert assign(api, world.versions["open"], name).status_code == 201
    assert target(api, name) == "open-1.0"


def test_latest_is_computed(db: Database, api: ApiClient, world: World) -> None:
    before = everything(db)
    assert code(assign(api, world.versions["open"], "latest")) == "409 channel_computed"
    assert code(assign(api, None, "latest")) == "409 channel_computed"
    assert code(api.delete(channel("latest"), "alice")) == "409 channel_computed"
    edit = api.patch(channel("latest"), "alice", {"restricted": True})
    assert code(edit) == "409 channel_computed"
    # What is wrong with the body is said first.
    assert code(assign(api, "7", "latest")) == "400 reference_unknown"
    assert everything(db) == before
    assert api.get(f"{channel('latest')}/history").json["count"] == 0
    assert api.get(channel("latest")).json["assigned"] is None


def test_unknown_channels_are_not_found(api: ApiClient, world: World) -> None:
    for answer in (
        api.get(channel("nowhere")),
        api.get(f"{channel('nowhere')}/history"),
        api.get("/resolve/open-image/nowhere/east"),
        api.get("/resolve/open-image/nowhere"),
        api.patch(channel("nowhere"), "alice", {}),
        api.delete(channel("nowhere"), "alice"),
    ):
        assert code(answer) == "404 channel_not_found"


# ── one at a time ──────────────────────────────────────────────────────────────────────────


def test_a_lost_if_match_changes_nothing(db: Database, api: ApiClient, world: World) -> None:
    second = release(api, "2")
    seen = assign(api, world.versions["open"]).headers["etag"]
    assert assign(api, second, headers={"If-Match": seen}).status_code == 200
    before = everything(db)
    late = assign(api, world.versions["open"], headers={"If-Match": seen})
    assert late.status_code == 412
    assert api.delete(channel(), "alice", headers={"If-Match": seen}).status_code == 412
    edit = api.patch(channel(), "alice", {"restricted": True}, headers={"If-Match": seen})
    assert edit.status_code == 412
    for given in (seen, "*"):
        answer = assign(api, second, "new", headers={"If-Match": given})
        assert answer.status_code == 412
    assert everything(db) == before
    assert assign(api, None, headers={"If-Match": "*"}).status_code == 200


def test_a_deleted_channel_is_hidden_until_it_is_assigned_again(
    api: ApiClient, world: World
) -> None:
    assign(api, world.versions["open"])
    api.patch(channel(), "alice", {"restricted": True, "groups": ["lab"]})
    assert api.delete(channel(), "alice").status_code == 204
    for answer in (
        api.get(channel(), "alice"),
        api.get(f"{channel()}/history", "dora"),
        api.delete(channel(), "alice"),
        api.patch(channel(), "alice", {"restricted": False}),
        api.get("/resolve/open-image/stable/east", "alice"),
    ):
        assert code(answer) == "404 channel_not_found"
    assert api.get(f"{API}/images/open-image/channels", "dora").json["count"] == 1
    again = assign(api, world.versions["open"])
    assert again.status_code == 201
    assert again.json["restricted"] is True  # who saw it sees it, nobody else does
    assert history(api) == ["open-1.0", None, "open-1.0"]


def test_unassigning_a_deleted_channel_brings_it_back_without_an_entry(
    api: ApiClient, world: World
) -> None:
    assert assign(api, None, "new").status_code == 201
    assert history(api, "new") == []
    assign(api, world.versions["open"])
    api.delete(channel(), "alice")
    assert assign(api, None).status_code == 201
    assert history(api) == ["open-1.0", None]


def test_history_at_an_instant(api: ApiClient, world: World, clock: Clock) -> None:
    second = release(api, "2")
    begun = clock.now
    assign(api, world.versions["open"])
    clock.move(days=1)
    assign(api, second)
    clock.move(days=1)
    assign(api, None)
    address = f"{channel()}/history?at="

    def at(instant: str) -> list[Any]:
        return [named(it["version"]) for it in api.all(address + instant)]

    assert at("2026-06-15T11:59:59.999999Z") == []
    assert at(begun) == ["open-1.0"]
    assert at("2026-06-16T11:59:59.999999Z") == ["open-1.0"]
    assert at("2026-06-16T14:00:00%2B02:00") == ["2"]
    assert at(clock.now) == [None]
    for wrong in ("", "yesterday", "2026-06-16", "2026-06-16T12:00:00"):
        assert code(api.get(address + wrong)) == "400 parameter_invalid"
    assert code(api.get(f"{channel()}?at={begun}")) == "400 parameter_unknown"


def test_a_version_that_was_ever_assigned_stays_in_its_image(api: ApiClient, world: World) -> None:
    version, other = publish(api, "2"), publish(api, "3")
    assign(api, version)
    assign(api, None)
    api.delete(channel(), "alice")
    there = {"image": world.images["closed"]}
    assert code(api.patch(version["url"], "alice", there)) == "409 version_in_channel"
    assert api.patch(other["url"], "alice", there).status_code == 200


def test_each_change_is_one_entry_of_the_audit(db: Database, api: ApiClient, world: World) -> None:
    def entries() -> list[str]:
        with db.read() as tx:
            sql = "SELECT action FROM audit WHERE subject = 'channels' ORDER BY sequence"
            return [row[0] for row in tx.sql(sql).fetchall()]

    version = world.versions["open"]
    assign(api, None, "empty")
    assign(api, version)
    assign(api, version)
    api.patch(channel(), "alice", {"restricted": True})
    api.patch(channel(), "alice", {"restricted": True})
    api.delete(channel(), "alice")
    assign(api, None)
    told = ["assign", "assign", "edit", "hide", "assign"]
    assert entries() == [f"channel:{verb}" for verb in told]
