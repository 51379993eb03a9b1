"""Revoking and restoring: which versions and channels change, and what readers see."""

from typing import Any

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import (
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


def test_only_editors_revoke_and_restore(db: Database, api: ApiClient, world: World) -> None:
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
                answer = act(api, world.versions[image], who, dry_run=dry_run)
                assert code(answer) == refused
    assert code(revoke(api, MISSING)) == code(restore(api, MISSING)) == "404 not_found"
    assert code(revoke(api, "1")) == "404 not_found"
    assert everything(db) == before
    for who, image in (("bob", "kept"), ("alice", "open"), ("dora", "closed")):
        assert revoke(api, world.versions[image], who).status_code == 200


def test_the_response(api: ApiClient, world: World) -> None:
    assign(api, world.versions["open"])
    answer = revoke(api, world.versions["open"])
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
    back = restore(api, world.versions["open"])
    assert changes(back.json) == [("open-1.0", "revoked", "current")]
    assert moves(back.json) == [
        ("open-image", "latest", None, "open-1.0"),
        ("open-image", "stable", None, "open-1.0"),
    ]


def test_a_revoked_version_stays_readable_and_says_why(api: ApiClient, world: World) -> None:
    key = world.versions["open"]
    revoke(api, key)
    for who in (None, "charlie", "alice"):
        assert state(api, key, who) == "revoked"
        revocation = shown(api, key, who)
        assert list(revocation) == ["at", "reason", "by", "inherited_from"]
        assert (revocation["reason"], revocation["by"]["username"]) == ("leaks a key", "alice")
        assert (revocation["at"], revocation["inherited_from"]) == (
            "2026-06-15T12:00:00.000000Z",
            None,
        )
        for query in ("state=revoked", "revoked=true", "current=true"):
            found = api.all(f"/image_versions?image_id=open-image&{query}", who)
            assert [it["id"] for it in found] == [key]
        for query in ("state=current", "revoked=false"):
            assert api.all(f"/image_versions?image_id=open-image&{query}", who) == []
    assert restore(api, key).status_code == 200
    assert (state(api, key), shown(api, key)) == ("current", None)


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
@pytest.mark.long_on_postgresql
def test_an_invalid_body_changes_nothing(
    db: Database, api: ApiClient, world: World, more: dict[str, Any], field: str
) -> None:
    before = everything(db)
    for dry_run in ({}, {"dry_run": True}):
        answer = revoke(api, world.versions["open"], **(dry_run | more))
        assert code(answer) == "400 field_invalid"
        assert answer.json["errors"][0]["field"] == field
    assert everything(db) == before


def test_a_reason_is_required(db: Database, api: ApiClient, world: World) -> None:
    before = everything(db)
    address = f"/image_versions/{world.versions['open']}"
    assert code(api.post(f"{address}/revoke", "alice", {})) == "400 field_invalid"
    assert code(api.post(f"{address}/restore", "alice", BAD)) == "400 field_invalid"
    assert code(api.post(f"{address}/revoke?dry_run=true", "alice", BAD)).startswith("400 ")
    assert everything(db) == before


def test_an_instant_up_to_five_minutes_ago_means_now(
    api: ApiClient, world: World, clock: Clock
) -> None:
    answer = revoke(api, world.versions["open"], at="2026-06-15T11:55:00Z")
    assert answer.json["at"] == clock.now
    assert shown(api, world.versions["open"])["at"] == clock.now


def test_a_lost_if_match_changes_nothing(db: Database, api: ApiClient, world: World) -> None:
    address = f"/image_versions/{world.versions['open']}"
    seen = api.get(address, "alice").headers["etag"]
    api.patch(address, "alice", {"min_cpu": 2})
    before = everything(db)
    lost = api.post(f"{address}/revoke", "alice", BAD, headers={"If-Match": seen})
    assert lost.status_code == 412
    assert everything(db) == before
    present = api.get(address, "alice").headers["etag"]
    taken = api.post(f"{address}/revoke", "alice", BAD, headers={"If-Match": present})
    assert taken.status_code == 200
    lost = api.post(f"{address}/restore", "alice", {}, headers={"If-Match": present})
    assert lost.status_code == 412


# ── instants ───────────────────────────────────────────────────────────────────────────────


def test_a_future_revocation_is_shown_and_takes_effect_by_itself(
    db: Database, api: ApiClient, world: World, clock: Clock
) -> None:
    version = release(api, "2")
    assign(api, world.versions["open"])
    assign(api, version)
    answer = revoke(api, version, at="2026-06-20T00:00:00Z").json
    assert answer["at"] == "2026-06-20T00:00:00.000000Z"
    assert changes(answer) == [("2", "current", "revoked")]
    assert moves(answer) == [
        ("open-image", "latest", "2", "open-1.0"),
        ("open-image", "stable", "2", "open-1.0"),
    ]
    assert (state(api, version), target(api)) == ("current", "2")
    assert shown(api, version)["at"] == "2026-06-20T00:00:00.000000Z"
    assert api.get("/image_versions?revoked=true").json["count"] == 0
    before = everything(db)
    clock.move(days=4, hours=12, microseconds=-1)
    assert (state(api, version), target(api)) == ("current", "2")
    clock.move(microseconds=1)
    assert (state(api, version), target(api)) == ("revoked", "open-1.0")
    assert everything(db) == before  # nothing runs


def test_the_effect_is_computed_for_its_instant(api: ApiClient, world: World) -> None:
    # It will have ended by then: nothing changes.
    version = release(api, "2", end_date="2026-06-18T00:00:00Z")
    answer = revoke(api, version, at="2026-06-20T00:00:00Z").json
    assert (changes(answer), moves(answer)) == ([], [])
    later = publish(api, "3", deprecation={"at": "2026-06-19T00:00:00Z"})
    answer = revoke(api, later, at="2026-06-20T00:00:00Z").json
    assert changes(answer) == [("3", "deprecated", "revoked")]
    assert changes(restore(api, later).json) == [("3", "revoked", "deprecated")]


def test_revoking_again_replaces_a_future_revocation(
    db: Database, api: ApiClient, world: World, clock: Clock
) -> None:
    key = world.versions["open"]
    assert revoke(api, key, at="2026-06-20T00:00:00Z", descendants=True).status_code == 200
    assert revoke(api, key, at="2026-06-18T00:00:00Z", reason="sooner").status_code == 200
    assert (shown(api, key)["reason"], unrestored(db)) == ("sooner", 1)
    child = publish(api, "child", parent=key)
    assert shown(api, child) is None  # the first one's descendants went with it
    assert revoke(api, key, reason="now").status_code == 200
    assert (state(api, key), unrestored(db)) == ("revoked", 1)
    before = everything(db)
    assert code(revoke(api, key)) == "409 version_already_revoked"
    assert code(revoke(api, key, at="2027-01-01T00:00:00Z")) == "409 version_already_revoked"
    assert code(revoke(api, key, dry_run=True)) == "409 version_already_revoked"
    assert everything(db) == before
    restore(api, key)
    clock.move(days=30)
    assert (state(api, key), unrestored(db)) == ("current", 0)
    assert code(restore(api, key)) == "409 version_not_revoked"


def unrestored(db: Database) -> int:
    with db.read() as tx:
        sql = "SELECT count(*) FROM revocations WHERE restored_at IS NULL"
        return int(tx.sql(sql).fetchone()[0])


def test_a_future_revocation_can_be_restored(api: ApiClient, world: World, clock: Clock) -> None:
    key = world.versions["open"]
    revoke(api, key, at="2026-06-20T00:00:00Z")
    answer = restore(api, key).json
    assert answer["at"] == "2026-06-20T00:00:00.000000Z"
    assert changes(answer) == [("open-1.0", "revoked", "current")]
    clock.move(days=30)
    assert state(api, key) == "current"


# ── descendants ────────────────────────────────────────────────────────────────────────────


def test_descendants_are_revoked_too(api: ApiClient, world: World) -> None:
    root = world.versions["open"]
    child = release(api, "child", parent=root)
    grandchild = release(
        api, "grandchild", parent=child["id"], image="kept", who="bob", on=("west",)
    )
    sibling = release(api, "sibling")
    assign(api, grandchild, image="kept")
    revoke(api, root)
    assert [state(api, it) for it in (root, child, grandchild)] == [
        "revoked",
        "current",
        "current",
    ]
    restore(api, root)
    answer = revoke(api, root, descendants=True).json
    assert changes(answer) == [
        ("child", "current", "revoked"),
        ("grandchild", "current", "revoked"),
        ("open-1.0", "current", "revoked"),
    ]
    assert moves(answer) == [
        ("kept-image", "latest", "grandchild", "kept-1.0"),
        ("kept-image", "stable", "grandchild", None),
    ]
    revocation = shown(api, grandchild, "bob")
    assert (revocation["reason"], revocation["by"]["username"]) == ("leaks a key", "alice")
    assert named(revocation["inherited_from"]) == "open-1.0"
    assert state(api, sibling) == "current"
    # Its own revocation shows before an inherited one, and both must be lifted.
    refused = restore(api, child)
    assert code(refused) == "409 version_not_revoked"
    assert refused.json["inherited_from"]["name"] == "open-1.0"
    revoke(api, child, reason="its own")
    assert shown(api, child)["reason"] == "its own"
    restore(api, root)
    assert [state(api, it) for it in (root, child, grandchild)] == [
        "current",
        "revoked",
        "current",
    ]
    restore(api, child)
    assert state(api, child) == "current"


def test_the_nearest_origin_shows_and_one_in_force_before_one_to_come(
    api: ApiClient, world: World
) -> None:
    root = world.versions["open"]
    middle = publish(api, "middle", parent=root)
    leaf = publish(api, "leaf", parent=middle["id"])
    revoke(api, root, descendants=True, reason="far")
    assert shown(api, leaf)["reason"] == "far"
    revoke(api, middle, descendants=True, reason="near", at="2026-07-01T00:00:00Z")
    assert shown(api, leaf)["reason"] == "far"
    revoke(api, leaf, reason="own", at="2026-08-01T00:00:00Z")
    assert shown(api, leaf)["reason"] == "far"
    revoke(api, middle, descendants=True, reason="near")
    assert shown(api, leaf)["reason"] == "near"
    revoke(api, leaf, reason="own")
    assert shown(api, leaf)["reason"] == "own"


def test_a_hidden_origin_is_shown_by_id_only(api: ApiClient, world: World) -> None:
    origin = world.versions["closed"]
    child = release(api, "child", parent=origin)
    revoke(api, origin, descendants=True, reason="a secret reason")
    for who in (None, "charlie"):
        revocation = shown(api, child, who)
        assert revocation == {
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
            assert "secret" not in api.get(address, who).text
    assert "secret" in api.get(child["url"], "alice").text
    # bob keeps a version below what he may not see.
    bobs = publish(api, "bobs", image="kept", parent=origin, allow_revoked_parent=True)
    refused = restore(api, bobs, "bob")
    assert code(refused) == "409 version_not_revoked"
    assert "closed" not in refused.text
    assert origin not in refused.text


def test_inheritance_follows_changes_of_the_lineage(api: ApiClient, world: World) -> None:
    root = world.versions["open"]
    child = publish(api, "child", parent=root)
    leaf = publish(api, "leaf", parent=child["id"])
    revoke(api, root, descendants=True)
    later = publish(api, "later", parent=leaf["id"], allow_revoked_parent=True)
    assert (later["state"], named(later["revoked"]["inherited_from"])) == ("revoked", "open-1.0")
    api.patch(child["url"], "alice", {"parent": None})
    assert [state(api, it) for it in (child, leaf, later)] == ["current"] * 3
    patch = {"parent": root}
    assert code(api.patch(leaf["url"], "alice", patch)) == "409 parent_revoked"
    taken = api.patch(leaf["url"], "alice", patch | {"allow_revoked_parent": True})
    assert taken.json["state"] == "revoked"
    assert [state(api, it) for it in (child, leaf, later)] == ["current", "revoked", "revoked"]


def test_a_parent_with_a_revocation_in_force_is_refused_whatever_its_state(
    db: Database, api: ApiClient, world: World, clock: Clock
) -> None:
    root = publish(api, "root", end_date="2026-06-20T00:00:00Z")
    child = publish(api, "child")
    revoke(api, root, at="2026-06-16T00:00:00Z")
    early = publish(api, "early", parent=root["id"])
    assert early["revoked"] is None  # it does not say descendants
    for days in (1, 10):
        clock.move(days=days)
        before = everything(db)
        body = {"name": "late", "image": "open-image", "parent": root["id"]}
        assert code(api.post("/image_versions", "alice", body)) == "409 parent_revoked"
        patch = {"parent": root["id"]}
        assert code(api.patch(child["url"], "alice", patch)) == "409 parent_revoked"
        assert everything(db) == before
    assert state(api, root) == "ended"
    # What is its child already may be edited and sent back.
    same = api.get(early["url"], "alice").json
    assert api.patch(early["url"], "alice", same).status_code == 200
    assert api.patch(early["url"], "alice", {"parent": root["id"], "min_cpu": 1}).status_code == 200
    body |= {"allow_revoked_parent": True}
    assert api.post("/image_versions", "alice", body).status_code == 201
