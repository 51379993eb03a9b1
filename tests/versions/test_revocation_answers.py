"""Revoking and restoring: responses, history and cost."""

import pytest

from goldenrod.base import config, wire
from goldenrod.catalogue.versions import publish
from goldenrod.store.db import Database
from tests.support.actions import everything
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import (
    API,
    BAD,
    assign,
    changes,
    moves,
    release,
    restore,
    revoke,
    state,
    target,
)

# ── responses ───────────────────────────────────────────────────────────────────────────


def test_a_dry_run_returns_the_same_and_changes_nothing(
    db: Database, api: ApiClient, world: World
) -> None:
    version = release(api, "2", parent=world.versions["open"])
    assign(api, version)
    key = world.versions["open"]
    before = everything(db)
    dry = revoke(api, key, descendants=True, dry_run=True).json
    assert everything(db) == before
    earnest = revoke(api, key, descendants=True).json
    assert dry == earnest | {"dry_run": True}
    before = everything(db)
    dry = restore(api, key, dry_run=True).json
    assert everything(db) == before
    assert dry == restore(api, key).json | {"dry_run": True}
    # Neither does one that comes with a key, nor keeps it.
    before = everything(db)
    headers = {"Idempotency-Key": "k"}
    address = f"/image_versions/{key}/revoke"
    assert api.post(address, "alice", BAD | {"dry_run": True}, headers=headers).status_code == 200
    assert everything(db) == before
    assert api.post(address, "alice", BAD, headers=headers).status_code == 200


def test_the_effect_lists_only_visible_things(api: ApiClient, world: World) -> None:
    # bob keeps kept; what alice built on it in private he does not see.
    key = world.versions["kept"]
    hidden = release(api, "hidden", image="closed", parent=key)
    assign(api, hidden, image="closed")
    for who, names in (("bob", ["kept-1.0"]), ("alice", ["hidden", "kept-1.0"])):
        answer = revoke(api, key, who, descendants=True, dry_run=True)
        assert [name for name, _, _ in changes(answer.json)] == names
        assert ("closed" in answer.text) == (who == "alice")
    assert revoke(api, key, "bob", descendants=True).status_code == 200
    assert state(api, hidden) == "revoked"
    assert target(api, who="alice", image="closed") is None


def test_a_target_that_becomes_visible_later_is_not_listed(api: ApiClient, world: World) -> None:
    """bob keeps one version of an image; the next in line he will read only later."""
    own = release(
        api, "bobs", image="kept", who="bob", on=("west",), start_date="2026-06-16T12:00:00Z"
    )
    dates = {"start_date": "2026-06-16T00:00:00Z", "membership": ["lab"]}
    sooner = release(api, "sooner", image="kept", on=("west",), **dates)
    api.patch(f"{API}/images/kept-image", "alice", {"maintainers": []})
    assert api.get(sooner["url"], "bob").status_code == 404
    for who, after in (("bob", None), ("alice", "sooner")):
        answer = revoke(api, own, who, at="2026-06-17T00:00:00Z", dry_run=True)
        assert moves(answer.json) == [("kept-image", "latest", "bobs", after)]
        assert (sooner["id"] in answer.text) == (who == "alice")


@pytest.mark.long_on_postgresql
def test_the_first_five_hundred_and_exact_counts(
    api: ApiClient, world: World, db: Database
) -> None:
    root = world.versions["open"]
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        for number in range(520):
            body = wire.NewVersion(name=f"n{number}", image=world.images["open"], parent=root)
            publish.create_version(tx, alice, body)
    answer = revoke(api, root, descendants=True, dry_run=True).json
    assert (answer["versions_count"], len(answer["versions"])) == (521, 500)


def test_an_idempotency_key_returns_the_first_outcome(
    db: Database, api: ApiClient, world: World
) -> None:
    key = world.versions["open"]
    assign(api, key)
    headers = {"Idempotency-Key": "once"}
    address = f"/image_versions/{key}/revoke"
    first = api.post(address, "alice", BAD, headers=headers)
    assert first.status_code == 200
    before = everything(db)
    again = api.post(address, "alice", BAD, headers=headers)
    assert again.json == first.json
    other = api.post(address, "alice", BAD | {"reason": "x"}, headers=headers)
    assert code(other) == "409 idempotency_key_reused"
    elsewhere = f"/image_versions/{world.versions['closed']}/revoke"
    assert code(api.post(elsewhere, "alice", BAD, headers=headers)) == "409 idempotency_key_reused"
    assert everything(db) == before
    back = {"Idempotency-Key": "back"}
    address = f"/image_versions/{key}/restore"
    restored = api.post(address, "alice", {}, headers=back)
    assert restored.status_code == 200
    assert api.post(address, "alice", {}, headers=back).json == restored.json
    assert code(api.post(address, "alice", {})) == "409 version_not_revoked"
    # A refusal is no outcome to keep.
    wrong = {"Idempotency-Key": "wrong"}
    assert api.post(address, "alice", {}, headers=wrong).status_code == 409
    revoke(api, key)
    assert api.post(address, "alice", {}, headers=wrong).status_code == 200


def test_each_change_is_one_history_entry(api: ApiClient, world: World) -> None:
    key = world.versions["open"]
    revoke(api, key, descendants=True)
    revoke(api, key)
    revoke(api, key, dry_run=True)
    restore(api, key)
    entries = api.all(f"/image_versions/{key}/history", "alice")
    assert [it["action"] for it in entries][-2:] == ["version:revoke", "version:restore"]
    recorded = entries[-2]["changes"]
    assert recorded["reason"]["after"] == "leaks a key"
    assert recorded["descendants"]["after"] is True


def test_revoked_is_not_changed_by_a_patch(db: Database, api: ApiClient, world: World) -> None:
    address = f"/image_versions/{world.versions['open']}"
    revoke(api, world.versions["open"])
    before = everything(db)
    assert code(api.patch(address, "alice", {"revoked": None})) == "400 field_read_only"
    whole = api.get(address, "alice").json
    # Counts have moved on since, perhaps: they are computed, and ignored.
    whole |= {"state": "current", "behind": 7, "parent_behind": 7, "stale": True}
    assert api.patch(address, "alice", whole).status_code == 200
    assert everything(db) == before


def test_a_page_costs_as_many_statements_with_revocations_as_without(
    db: Database, api: ApiClient, world: World
) -> None:
    root = world.versions["open"]
    children = [release(api, f"{n}", parent=root) for n in range(30)]
    cold = ApiClient(db, config.load({"GOLDENROD_CACHE_MB": "0"}), world)

    def statements() -> int:
        db.trace = []
        try:
            assert cold.get("/image_versions?page_size=100").json["count"] == 31
            return len(db.trace)
        finally:
            db.trace = None

    without = statements()
    revoke(api, root, descendants=True)
    for child in children[::2]:
        revoke(api, child)
    assert api.get("/image_versions?revoked=true").json["count"] == 31
    assert statements() == without
