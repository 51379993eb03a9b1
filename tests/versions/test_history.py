"""A version's history: who, when, what was and what is, named as far as its reader may see."""

from typing import Any

import pytest

from tests.conftest import NOON, Clock
from tests.support.cast import World
from tests.support.client import Door, code


@pytest.fixture
def kept(world: World) -> str:
    """A private version that bob keeps too."""
    return f"/image_versions/{world.versions['kept']}"


def entries(door: Door, version: str, who: str = "alice") -> list[dict[str, Any]]:
    return door.all(f"{version}/history", who)


def change(door: Door, version: str, who: str, **patch: Any) -> dict[str, Any]:
    """The changes that the newest entry tells after a patch."""
    answer = door.patch(version, who, patch)
    assert answer.status_code == 200, answer.text
    return dict(entries(door, version)[-1]["changes"])


def test_anonymous_sees_no_history(door: Door, world: World) -> None:
    closed, shown = (f"/image_versions/{world.versions[name]}" for name in ("closed", "open"))
    assert code(door.get(f"{closed}/history")) == "404 not_found"
    assert code(door.get(f"{shown}/history")) == "401 credentials_required"


def test_a_stranger_sees_none_and_a_reader_neither(door: Door, world: World) -> None:
    closed, shown, shared = (
        f"/image_versions/{world.versions[name]}/history" for name in ("closed", "open", "shared")
    )
    assert code(door.get(closed, "charlie")) == "404 not_found"
    assert code(door.get(shown, "charlie")) == "403 change_forbidden"
    # Bob is in its membership, which lets him read and not change it.
    assert code(door.get(shared, "bob")) == "403 change_forbidden"
    assert code(door.get("/image_versions/no-uuid/history", "dora")) == "404 not_found"


def test_what_may_not_be_seen_is_404_whatever_else_is_asked(door: Door, world: World) -> None:
    closed, shown = (
        f"/image_versions/{world.versions[name]}/history" for name in ("closed", "open")
    )
    assert code(door.get(f"{closed}?colour=red", "charlie")) == "404 not_found"
    assert code(door.get(f"{shown}?colour=red", "charlie")) == "403 change_forbidden"
    assert code(door.get(f"{closed}?colour=red", "alice")) == "400 parameter_unknown"


def test_keepers_and_staff_read_who_changed_what_and_when(
    door: Door, kept: str, clock: Clock
) -> None:
    clock.move(minutes=5)
    door.patch(kept, "bob", {"name": "1.1", "min_cpu": 2})
    clock.move(minutes=5)
    door.delete(kept, "dora")
    for who in ("alice", "bob", "dora"):
        made, edited, ended = entries(door, kept, who)
        assert list(edited) == ["sequence", "at", "by", "action", "changes"]
        assert [entry["by"]["username"] for entry in (made, edited, ended)] == [
            "alice",
            "bob",
            "dora",
        ]
        assert [entry["action"] for entry in (made, edited, ended)] == [
            *("version:create", "version:edit", "version:end")
        ]
        assert (made["at"], edited["at"]) == (NOON, "2026-06-15T12:05:00.000000Z")
        assert edited["changes"] == {
            "name": {"before": "kept-1.0", "after": "1.1"},
            "min_cpu": {"before": None, "after": 2},
        }
        assert ended["changes"] == {"end_date": {"before": None, "after": clock.now}}
        assert made["sequence"] < edited["sequence"] < ended["sequence"]


def test_what_changes_nothing_writes_no_entry(door: Door, kept: str, clock: Clock) -> None:
    before = entries(door, kept)
    for who in ("alice", "bob", "dora"):
        assert door.patch(kept, who, door.get(kept, who).json).status_code == 200
    assert door.patch(kept, "alice", {}).status_code == 200
    assert code(door.patch(kept, "alice", {"name": "."})) == "400 field_invalid"
    assert entries(door, kept) == before
    door.delete(kept, "alice")
    clock.move(hours=1)
    door.delete(kept, "alice")
    assert len(entries(door, kept)) == len(before) + 1


def test_order_is_by_sequence_never_by_instant(door: Door, kept: str, clock: Clock) -> None:
    """Clocks may go back; what happened after stays after."""
    door.patch(kept, "alice", {"name": "a"})
    clock.move(hours=-3)
    door.patch(kept, "alice", {"name": "b"})
    clock.move(hours=1)
    door.patch(kept, "alice", {"name": "c"})

    def names(order: str) -> list[str]:
        found = door.all(f"{kept}/history?ordering={order}&page_size=1", "alice")
        return [entry["changes"]["name"]["after"] for entry in found]

    assert names("sequence") == ["kept-1.0", "a", "b", "c"]
    assert names("-sequence") == ["c", "b", "a", "kept-1.0"]
    assert [entry["sequence"] for entry in entries(door, kept)] == sorted(
        entry["sequence"] for entry in entries(door, kept)
    )


def test_creation_and_edits_tell_the_same_fields(door: Door, world: World) -> None:
    parent = world.versions["closed"]
    made = door.post(
        "/image_versions",
        "alice",
        {
            "name": "2.0",
            "image": world.images["closed"],
            "parent": parent,
            "identity": world.identities["alice@east"],
            "membership": ["lab"],
        },
    ).json
    version = made["url"]
    [created] = entries(door, version)
    told = {name: change["after"] for name, change in created["changes"].items()}
    assert {change["before"] for change in created["changes"].values()} == {None}
    assert told["parent"] == made["parent"]
    assert told["image"] == made["image"]
    assert told["identity"] == made["identity"]
    assert told["membership"] == made["membership"]
    assert told["licenses"] == made["licenses"]
    assert told["scripts"] == made["scripts"]
    plain = ("name", "change_log", "allow_imaging", "start_date", "end_date", "min_cpu", "min_mem")
    plain += ("exclude_from_latest",)
    assert {name: told.pop(name) for name in plain} == {name: made[name] for name in plain}
    assert set(told) == {
        *("parent", "image", "identity", "membership", "licenses", "scripts", "doc_object_id")
    }


def test_things_are_named_when_read(door: Door, kept: str, world: World) -> None:
    changes = change(
        door, kept, "alice", membership=["lab"], identity=world.identities["alice@east"]
    )
    [group] = changes["membership"]["after"]
    assert group["name"] == "lab"
    assert changes["identity"]["after"]["provider"]["slug"] == "east"
    door.patch(f"/api/v2/groups/{world.groups['lab']}", "dora", {"name": "workshop"})
    [group] = entries(door, kept)[-1]["changes"]["membership"]["after"]
    assert group["name"] == "workshop"


def test_names_show_as_far_as_the_reader_sees(door: Door, kept: str, world: World) -> None:
    crew = door.post("/api/v2/groups", "dora", {"name": "crew", "users": ["alice"]}).json
    door.patch(
        kept,
        "alice",
        {
            "parent": world.versions["closed"],
            "membership": ["crew", "lab"],
            "identity": world.identities["alice@west"],
            "scripts": [world.scripts["setup"]],
        },
    )
    alices, bobs = (entries(door, kept, who)[-1]["changes"] for who in ("alice", "bob"))
    assert alices["parent"]["after"]["name"] == "closed-1.0"
    assert bobs["parent"] == {"before": None, "after": {"id": world.versions["closed"]}}
    assert alices["identity"]["after"]["provider"]["slug"] == "west"
    assert bobs["identity"]["after"] == {"id": world.identities["alice@west"]}
    assert [group["name"] for group in alices["membership"]["after"]] == ["lab", "crew"]
    assert [group.get("name") for group in bobs["membership"]["after"]] == ["lab", None]
    assert bobs["membership"]["after"][1] == {"id": crew["id"]}
    # Bob reads the script by this version; detached, it is alice's again.
    assert bobs["scripts"]["after"][0]["title"] == "setup"
    door.patch(kept, "alice", {"scripts": [], "parent": None, "membership": []})
    hidden = entries(door, kept, "bob")[-1]["changes"]
    assert hidden["scripts"] == {"before": [{"id": world.scripts["setup"]}], "after": []}
    assert hidden["parent"] == {"before": {"id": world.versions["closed"]}, "after": None}
    text = door.get(f"{kept}/history", "bob").text
    for secret in ("crew", "closed-1.0", "closed-image"):
        assert secret not in text, secret
    # What is removed for good is its id, for everybody.
    assert door.delete(crew["url"], "dora").status_code == 204
    for who in ("alice", "dora"):
        assert {"id": crew["id"]} in entries(door, kept, who)[-2]["changes"]["membership"]["after"]


def test_moving_between_images_is_told_with_both(door: Door, kept: str, world: World) -> None:
    changes = change(door, kept, "alice", image=world.images["closed"])
    assert changes["image"]["before"]["slug"] == "kept-image"
    assert changes["image"]["after"]["slug"] == "closed-image"
    # Bob kept it by its image, and keeps it no more.
    assert code(door.get(f"{kept}/history", "bob")) == "404 not_found"


def test_it_is_a_list_like_others(door: Door, kept: str) -> None:
    for number in range(3):
        door.patch(kept, "alice", {"name": str(number)})
    page = door.get(f"{kept}/history?page_size=2", "alice").json
    assert (page["count"], len(page["results"]), page["previous"]) == (4, 2, None)
    assert page["next"].startswith(f"{kept}/history?page_size=2&cursor=")
    assert door.get(f"{kept}/history?name=version:create", "alice").json["count"] == 1
    root, api = (door.get(f"{base}{kept}/history", "alice").json for base in ("", "/api/v2"))
    assert root == api
