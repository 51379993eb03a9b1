"""Revoking and restoring: what goes out of circulation, what comes back, and what is told of it."""

from typing import Any

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, publish
from tests.support.cast import World
from tests.support.client import Door, code
from tests.support.lifecycle_steps import (
    API,
    BAD,
    assign,
    changes,
    moves,
    named,
    release,
    restore,
    revoke,
    shown,
    state,
    target,
)

MISSING = "00000000-0000-7000-8000-000000000000"


# ── who may ────────────────────────────────────────────────────────────────────────────────


def test_only_who_may_change_the_version(db: Database, door: Door, world: World) -> None:
    before = everything(db)
    for who, image, refused in (
        (None, "open", "401 credentials_required"),
        (None, "closed", "401 credentials_required"),
        ("charlie", "open", "403 change_forbidden"),
        ("charlie", "closed", "404 not_found"),
        ("bob", "shared", "403 change_forbidden"),
        ("wrong", "open", "401 token_invalid"),
    ):
        for act in (revoke, restore):
            for dry_run in (False, True):
                answer = act(door, world.versions[image], who, dry_run=dry_run)
                assert code(answer) == refused
    assert code(revoke(door, MISSING)) == code(restore(door, MISSING)) == "404 not_found"
    assert code(revoke(door, "1")) == "404 not_found"
    assert everything(db) == before
    for who, image in (("bob", "kept"), ("alice", "open"), ("dora", "closed")):
        assert revoke(door, world.versions[image], who).status_code == 200


def test_the_answer(door: Door, world: World) -> None:
    assign(door, world.versions["open"])
    answer = revoke(door, world.versions["open"])
    assert list(answer.json) == [
        "dry_run",
        "at",
        "versions_count",
        "versions",
        "channels_count",
        "channels",
    ]
    assert (answer.json["dry_run"], answer.json["at"]) == (False, "2026-06-15T12:00:00.000000Z")
    assert changes(answer.json) == [("open-1.0", "current", "revoked")]
    assert moves(answer.json) == [
        ("open-image", "latest", "open-1.0", None),
        ("open-image", "stable", "open-1.0", None),
    ]
    assert answer.headers["cache-control"] == "no-store"
    back = restore(door, world.versions["open"])
    assert changes(back.json) == [("open-1.0", "revoked", "current")]
    assert moves(back.json) == [
        ("open-image", "latest", None, "open-1.0"),
        ("open-image", "stable", None, "open-1.0"),
    ]


def test_a_revoked_version_stays_readable_and_says_why(door: Door, world: World) -> None:
    key = world.versions["open"]
    revoke(door, key)
    for who in (None, "charlie", "alice"):
        assert state(door, key, who) == "revoked"
        told = shown(door, key, who)
        assert list(told) == ["at", "reason", "by", "inherited_from"]
        assert (told["reason"], told["by"]["username"]) == ("leaks a key", "alice")
        assert (told["at"], told["inherited_from"]) == ("2026-06-15T12:00:00.000000Z", None)
        for query in ("state=revoked", "revoked=true", "current=true"):
            found = door.all(f"/image_versions?image_id=open-image&{query}", who)
            assert [it["id"] for it in found] == [key]
        for query in ("state=current", "revoked=false"):
            assert door.all(f"/image_versions?image_id=open-image&{query}", who) == []
    assert restore(door, key).status_code == 200
    assert (state(door, key), shown(door, key)) == ("current", None)


# ── bad input ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"reason": " \t\n"}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
        ({"reason": "x" * 10_000}, "reason"),
        ({"reason": None}, "reason"),
        ({"reason": 7}, "reason"),
        ({"at": "2026-06-15T11:54:59.999999Z"}, "at"),
        ({"at": "2020-01-01T00:00:00Z"}, "at"),
        ({"at": "2026-06-16T12:00:00"}, "at"),
        ({"at": "tomorrow"}, "at"),
        ({"descendants": "yes"}, "descendants"),
        ({"roll_back_channels": None}, "roll_back_channels"),
        ({"dry_run": 1}, "dry_run"),
        ({"restored_at": None}, "restored_at"),
    ],
    ids=lambda it: str(it)[:40],
)
def test_a_wrong_body_changes_nothing(
    db: Database, door: Door, world: World, more: dict[str, Any], field: str
) -> None:
    before = everything(db)
    for dry_run in ({}, {"dry_run": True}):
        answer = revoke(door, world.versions["open"], **(dry_run | more))
        assert code(answer) == "400 field_invalid"
        assert answer.json["errors"][0]["field"] == field
    assert everything(db) == before


def test_a_reason_is_required(db: Database, door: Door, world: World) -> None:
    before = everything(db)
    address = f"/image_versions/{world.versions['open']}"
    assert code(door.post(f"{address}/revoke", "alice", {})) == "400 field_invalid"
    assert code(door.post(f"{address}/restore", "alice", BAD)) == "400 field_invalid"
    assert code(door.post(f"{address}/revoke?dry_run=true", "alice", BAD)).startswith("400 ")
    assert everything(db) == before


def test_five_minutes_past_is_now(door: Door, world: World, clock: Clock) -> None:
    answer = revoke(door, world.versions["open"], at="2026-06-15T11:55:00Z")
    assert answer.json["at"] == clock.now
    assert shown(door, world.versions["open"])["at"] == clock.now


def test_a_lost_if_match_changes_nothing(db: Database, door: Door, world: World) -> None:
    address = f"/image_versions/{world.versions['open']}"
    seen = door.get(address, "alice").headers["etag"]
    door.patch(address, "alice", {"min_cpu": 2})
    before = everything(db)
    lost = door.post(f"{address}/revoke", "alice", BAD, headers={"If-Match": seen})
    assert lost.status_code == 412
    assert everything(db) == before
    present = door.get(address, "alice").headers["etag"]
    taken = door.post(f"{address}/revoke", "alice", BAD, headers={"If-Match": present})
    assert taken.status_code == 200
    lost = door.post(f"{address}/restore", "alice", {}, headers={"If-Match": present})
    assert lost.status_code == 412


# ── instants ───────────────────────────────────────────────────────────────────────────────


def test_one_to_come_shows_and_takes_effect_by_itself(
    db: Database, door: Door, world: World, clock: Clock
) -> None:
    version = release(door, "2")
    assign(door, world.versions["open"])
    assign(door, version)
    answer = revoke(door, version, at="2026-06-20T00:00:00Z").json
    assert answer["at"] == "2026-06-20T00:00:00.000000Z"
    assert changes(answer) == [("2", "current", "revoked")]
    assert moves(answer) == [
        ("open-image", "latest", "2", "open-1.0"),
        ("open-image", "stable", "2", "open-1.0"),
    ]
    assert (state(door, version), target(door)) == ("current", "2")
    assert shown(door, version)["at"] == "2026-06-20T00:00:00.000000Z"
    assert door.get("/image_versions?revoked=true").json["count"] == 0
    before = everything(db)
    clock.move(days=4, hours=12, microseconds=-1)
    assert (state(door, version), target(door)) == ("current", "2")
    clock.move(microseconds=1)
    assert (state(door, version), target(door)) == ("revoked", "open-1.0")
    assert everything(db) == before  # nothing runs


def test_the_effect_is_that_of_its_instant(door: Door, world: World) -> None:
    # It will have ended by then: nothing changes.
    version = release(door, "2", end_date="2026-06-18T00:00:00Z")
    answer = revoke(door, version, at="2026-06-20T00:00:00Z").json
    assert (changes(answer), moves(answer)) == ([], [])
    later = publish(door, "3", deprecation={"at": "2026-06-19T00:00:00Z"})
    answer = revoke(door, later, at="2026-06-20T00:00:00Z").json
    assert changes(answer) == [("3", "deprecated", "revoked")]
    assert changes(restore(door, later).json) == [("3", "revoked", "deprecated")]


def test_revoking_again_replaces_one_to_come(
    db: Database, door: Door, world: World, clock: Clock
) -> None:
    key = world.versions["open"]
    assert revoke(door, key, at="2026-06-20T00:00:00Z", descendants=True).status_code == 200
    assert revoke(door, key, at="2026-06-18T00:00:00Z", reason="sooner").status_code == 200
    assert (shown(door, key)["reason"], unrestored(db)) == ("sooner", 1)
    child = publish(door, "child", parent=key)
    assert shown(door, child) is None  # the first one's descendants went with it
    assert revoke(door, key, reason="now").status_code == 200
    assert (state(door, key), unrestored(db)) == ("revoked", 1)
    before = everything(db)
    assert code(revoke(door, key)) == "409 version_already_revoked"
    assert code(revoke(door, key, at="2027-01-01T00:00:00Z")) == "409 version_already_revoked"
    assert code(revoke(door, key, dry_run=True)) == "409 version_already_revoked"
    assert everything(db) == before
    restore(door, key)
    clock.move(days=30)
    assert (state(door, key), unrestored(db)) == ("current", 0)
    assert code(restore(door, key)) == "409 version_not_revoked"


def unrestored(db: Database) -> int:
    with db.read() as tx:
        sql = "SELECT count(*) FROM revocations WHERE restored_at IS NULL"
        return int(tx.sql(sql).fetchone()[0])


def test_one_to_come_can_be_restored(door: Door, world: World, clock: Clock) -> None:
    key = world.versions["open"]
    revoke(door, key, at="2026-06-20T00:00:00Z")
    answer = restore(door, key).json
    assert answer["at"] == "2026-06-20T00:00:00.000000Z"
    assert changes(answer) == [("open-1.0", "revoked", "current")]
    clock.move(days=30)
    assert state(door, key) == "current"


# ── descendants ────────────────────────────────────────────────────────────────────────────


def test_it_holds_for_every_version_below(door: Door, world: World) -> None:
    root = world.versions["open"]
    child = release(door, "child", parent=root)
    grandchild = release(
        door, "grandchild", parent=child["id"], image="kept", who="bob", on=("west",)
    )
    sibling = release(door, "sibling")
    assign(door, grandchild, image="kept")
    revoke(door, root)
    assert [state(door, it) for it in (root, child, grandchild)] == [
        "revoked",
        "current",
        "current",
    ]
    restore(door, root)
    answer = revoke(door, root, descendants=True).json
    assert changes(answer) == [
        ("child", "current", "revoked"),
        ("grandchild", "current", "revoked"),
        ("open-1.0", "current", "revoked"),
    ]
    assert moves(answer) == [
        ("kept-image", "latest", "grandchild", "kept-1.0"),
        ("kept-image", "stable", "grandchild", None),
    ]
    told = shown(door, grandchild, "bob")
    assert (told["reason"], told["by"]["username"]) == ("leaks a key", "alice")
    assert named(told["inherited_from"]) == "open-1.0"
    assert state(door, sibling) == "current"
    # Its own revocation shows before an inherited one, and both must be lifted.
    refused = restore(door, child)
    assert code(refused) == "409 version_not_revoked"
    assert refused.json["inherited_from"]["name"] == "open-1.0"
    revoke(door, child, reason="its own")
    assert shown(door, child)["reason"] == "its own"
    restore(door, root)
    assert [state(door, it) for it in (root, child, grandchild)] == [
        "current",
        "revoked",
        "current",
    ]
    restore(door, child)
    assert state(door, child) == "current"


def test_the_nearest_origin_shows_and_one_in_force_before_one_to_come(
    door: Door, world: World
) -> None:
    root = world.versions["open"]
    middle = publish(door, "middle", parent=root)
    leaf = publish(door, "leaf", parent=middle["id"])
    revoke(door, root, descendants=True, reason="far")
    assert shown(door, leaf)["reason"] == "far"
    revoke(door, middle, descendants=True, reason="near", at="2026-07-01T00:00:00Z")
    assert shown(door, leaf)["reason"] == "far"
    revoke(door, leaf, reason="own", at="2026-08-01T00:00:00Z")
    assert shown(door, leaf)["reason"] == "far"
    revoke(door, middle, descendants=True, reason="near")
    assert shown(door, leaf)["reason"] == "near"
    revoke(door, leaf, reason="own")
    assert shown(door, leaf)["reason"] == "own"


def test_of_a_hidden_origin_only_its_id_shows(door: Door, world: World) -> None:
    origin = world.versions["closed"]
    child = release(door, "child", parent=origin)
    revoke(door, origin, descendants=True, reason="a secret reason")
    for who in (None, "charlie"):
        told = shown(door, child, who)
        assert told == {
            "at": "2026-06-15T12:00:00.000000Z",
            "reason": None,
            "by": None,
            "inherited_from": {"id": origin},
        }
        for address in (
            child["url"],
            "/image_versions",
            f"{child['url']}/lineage",
            f"{API}/images/open-image/channels",
            "/lookup?identifier=child-east",
        ):
            assert "secret" not in door.get(address, who).text
    assert "secret" in door.get(child["url"], "alice").text
    # bob keeps a version below what he may not see.
    bobs = publish(door, "bobs", image="kept", parent=origin, allow_revoked_parent=True)
    refused = restore(door, bobs, "bob")
    assert code(refused) == "409 version_not_revoked"
    assert "closed" not in refused.text
    assert origin not in refused.text


def test_inheritance_follows_the_lineage_as_it_is(door: Door, world: World) -> None:
    root = world.versions["open"]
    child = publish(door, "child", parent=root)
    leaf = publish(door, "leaf", parent=child["id"])
    revoke(door, root, descendants=True)
    later = publish(door, "later", parent=leaf["id"], allow_revoked_parent=True)
    assert (later["state"], named(later["revoked"]["inherited_from"])) == ("revoked", "open-1.0")
    door.patch(child["url"], "alice", {"parent": None})
    assert [state(door, it) for it in (child, leaf, later)] == ["current"] * 3
    patch = {"parent": root}
    assert code(door.patch(leaf["url"], "alice", patch)) == "409 parent_revoked"
    taken = door.patch(leaf["url"], "alice", patch | {"allow_revoked_parent": True})
    assert taken.json["state"] == "revoked"
    assert [state(door, it) for it in (child, leaf, later)] == ["current", "revoked", "revoked"]


def test_a_parent_with_a_revocation_in_force_is_refused_whatever_its_state(
    db: Database, door: Door, world: World, clock: Clock
) -> None:
    root = publish(door, "root", end_date="2026-06-20T00:00:00Z")
    child = publish(door, "child")
    revoke(door, root, at="2026-06-16T00:00:00Z")
    early = publish(door, "early", parent=root["id"])
    assert early["revoked"] is None  # it does not say descendants
    for days in (1, 10):
        clock.move(days=days)
        before = everything(db)
        body = {"name": "late", "image": "open-image", "parent": root["id"]}
        assert code(door.post("/image_versions", "alice", body)) == "409 parent_revoked"
        patch = {"parent": root["id"]}
        assert code(door.patch(child["url"], "alice", patch)) == "409 parent_revoked"
        assert everything(db) == before
    assert state(door, root) == "ended"
    # What is its child already may be edited and sent back.
    same = door.get(early["url"], "alice").json
    assert door.patch(early["url"], "alice", same).status_code == 200
    assert (
        door.patch(early["url"], "alice", {"parent": root["id"], "min_cpu": 1}).status_code == 200
    )
    body |= {"allow_revoked_parent": True}
    assert door.post("/image_versions", "alice", body).status_code == 201
