"""Revoking and restoring: what is told of it, to whom, and how often."""

from goldenrod.base import bodies, config
from goldenrod.catalogue.versions import publish
from goldenrod.store.db import Database
from tests.support.actions import everything
from tests.support.cast import World
from tests.support.client import Door, code
from tests.support.lifecycle_steps import (
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

# ── what is told ───────────────────────────────────────────────────────────────────────────


def test_a_dry_run_answers_the_same_and_changes_nothing(
    db: Database, door: Door, world: World
) -> None:
    version = release(door, "2", parent=world.versions["open"])
    assign(door, version)
    key = world.versions["open"]
    before = everything(db)
    dry = revoke(door, key, descendants=True, dry_run=True).json
    assert everything(db) == before
    earnest = revoke(door, key, descendants=True).json
    assert dry == earnest | {"dry_run": True}
    before = everything(db)
    dry = restore(door, key, dry_run=True).json
    assert everything(db) == before
    assert dry == restore(door, key).json | {"dry_run": True}
    # Neither does one that comes with a key, nor keeps it.
    before = everything(db)
    headers = {"Idempotency-Key": "k"}
    address = f"/image_versions/{key}/revoke"
    assert door.post(address, "alice", BAD | {"dry_run": True}, headers=headers).status_code == 200
    assert everything(db) == before
    assert door.post(address, "alice", BAD, headers=headers).status_code == 200


def test_only_what_the_reader_sees_is_told(door: Door, world: World) -> None:
    # bob keeps kept; what alice built on it in private he does not see.
    key = world.versions["kept"]
    hidden = release(door, "hidden", image="closed", parent=key)
    assign(door, hidden, image="closed")
    for who, names in (("bob", ["kept-1.0"]), ("alice", ["hidden", "kept-1.0"])):
        answer = revoke(door, key, who, descendants=True, dry_run=True)
        assert [name for name, _, _ in changes(answer.json)] == names
        assert ("closed" in answer.text) == (who == "alice")
    assert revoke(door, key, "bob", descendants=True).status_code == 200
    assert state(door, hidden) == "revoked"
    assert target(door, who="alice", image="closed") is None


def test_a_target_that_is_seen_only_by_then_is_not_told(door: Door, world: World) -> None:
    """bob keeps one version of an image; the next in line he will read only later."""
    own = release(
        door, "bobs", image="kept", who="bob", on=("west",), start_date="2026-06-16T12:00:00Z"
    )
    dates = {"start_date": "2026-06-16T00:00:00Z", "membership": ["lab"]}
    sooner = release(door, "sooner", image="kept", on=("west",), **dates)
    door.patch(f"{API}/images/kept-image", "alice", {"maintainers": []})
    assert door.get(sooner["url"], "bob").status_code == 404
    for who, after in (("bob", None), ("alice", "sooner")):
        answer = revoke(door, own, who, at="2026-06-17T00:00:00Z", dry_run=True)
        assert moves(answer.json) == [("kept-image", "latest", "bobs", after)]
        assert (sooner["id"] in answer.text) == (who == "alice")


def test_the_first_five_hundred_and_exact_counts(door: Door, world: World, db: Database) -> None:
    root = world.versions["open"]
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        for number in range(520):
            body = bodies.NewVersion(name=f"n{number}", image=world.images["open"], parent=root)
            publish.create_version(tx, alice, body)
    answer = revoke(door, root, descendants=True, dry_run=True).json
    assert (answer["versions_count"], len(answer["versions"])) == (521, 500)


def test_a_key_answers_the_first_outcome(db: Database, door: Door, world: World) -> None:
    key = world.versions["open"]
    assign(door, key)
    headers = {"Idempotency-Key": "once"}
    address = f"/image_versions/{key}/revoke"
    first = door.post(address, "alice", BAD, headers=headers)
    assert first.status_code == 200
    before = everything(db)
    again = door.post(address, "alice", BAD, headers=headers)
    assert again.json == first.json
    other = door.post(address, "alice", BAD | {"reason": "x"}, headers=headers)
    assert code(other) == "409 idempotency_key_reused"
    elsewhere = f"/image_versions/{world.versions['closed']}/revoke"
    assert code(door.post(elsewhere, "alice", BAD, headers=headers)) == "409 idempotency_key_reused"
    assert everything(db) == before
    back = {"Idempotency-Key": "back"}
    address = f"/image_versions/{key}/restore"
    restored = door.post(address, "alice", {}, headers=back)
    assert restored.status_code == 200
    assert door.post(address, "alice", {}, headers=back).json == restored.json
    assert code(door.post(address, "alice", {})) == "409 version_not_revoked"
    # A refusal is no outcome to keep.
    wrong = {"Idempotency-Key": "wrong"}
    assert door.post(address, "alice", {}, headers=wrong).status_code == 409
    revoke(door, key)
    assert door.post(address, "alice", {}, headers=wrong).status_code == 200


def test_each_is_one_line_of_the_history(door: Door, world: World) -> None:
    key = world.versions["open"]
    revoke(door, key, descendants=True)
    revoke(door, key)
    revoke(door, key, dry_run=True)
    restore(door, key)
    entries = door.all(f"/image_versions/{key}/history", "alice")
    assert [it["action"] for it in entries][-2:] == ["version:revoke", "version:restore"]
    told = entries[-2]["changes"]
    assert told["reason"]["after"] == "leaks a key"
    assert told["descendants"]["after"] is True


def test_revoked_is_not_changed_by_a_patch(db: Database, door: Door, world: World) -> None:
    address = f"/image_versions/{world.versions['open']}"
    revoke(door, world.versions["open"])
    before = everything(db)
    assert code(door.patch(address, "alice", {"revoked": None})) == "400 field_read_only"
    whole = door.get(address, "alice").json
    # Counts have moved on since, perhaps: they are computed, and ignored.
    whole |= {"state": "current", "behind": 7, "parent_behind": 7, "stale": True}
    assert door.patch(address, "alice", whole).status_code == 200
    assert everything(db) == before


def test_a_page_costs_as_many_statements_with_revocations_as_without(
    db: Database, door: Door, world: World
) -> None:
    root = world.versions["open"]
    children = [release(door, f"{n}", parent=root) for n in range(30)]
    cold = Door(db, config.load({"GOLDENROD_CACHE_MB": "0"}), world)

    def statements() -> int:
        db.trace = []
        try:
            assert cold.get("/image_versions?page_size=100").json["count"] == 31
            return len(db.trace)
        finally:
            db.trace = None

    without = statements()
    revoke(door, root, descendants=True)
    for child in children[::2]:
        revoke(door, child)
    assert door.get("/image_versions?revoked=true").json["count"] == 31
    assert statements() == without
