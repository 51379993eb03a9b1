"""A version's history: who changed what and when, with names that the reader may see."""

from typing import Any

import pytest

from tests.conftest import NOON, Clock
from tests.support.cast import World
from tests.support.client import ApiClient, code


@pytest.fixture
def kept(world: World) -> str:
    """A private version that bob keeps too."""
    return f"/image_versions/{world.versions['kept']}"


def entries(api: ApiClient, version: str, who: str = "alice") -> list[dict[str, Any]]:
    return api.all(f"{version}/history", who)


def change(api: ApiClient, version: str, who: str, **patch: Any) -> dict[str, Any]:
    """The changes that the newest entry tells after a patch."""
    answer = api.patch(version, who, patch)
    assert answer.status_code == 200, answer.text
    return dict(entries(api, version)[-1]["changes"])


def test_the_history_of_a_hidden_version_is_404(api: ApiClient, world: World) -> None:
    closed, shown = (
        f"/image_versions/{world.versions[name]}/history" for name in ("closed", "open")
    )
    assert code(api.get(f"{closed}?colour=red", "charlie")) == "404 not_found"
    assert code(api.get(f"{shown}?colour=red", "charlie")) == "403 change_forbidden"
    assert code(api.get(f"{closed}?colour=red", "alice")) == "400 parameter_unknown"
    assert code(api.get("/image_versions/no-uuid/history", "dora")) == "404 not_found"


def test_editors_and_staff_read_who_changed_what_and_when(
    api: ApiClient, kept: str, clock: Clock
) -> None:
    clock.move(minutes=5)
    api.patch(kept, "bob", {"name": "1.1", "min_cpu": 2})
    clock.move(minutes=5)
    api.delete(kept, "dora")
    for who in ("alice", "bob", "dora"):
        made, edited, ended = entries(api, kept, who)
        assert list(edited) == ["sequence", "at", "by", "source", "action", "changes"]
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


def test_a_patch_without_effect_writes_no_entry(api: ApiClient, kept: str, clock: Clock) -> None:
    before = entries(api, kept)
    for who in ("alice", "bob", "dora"):
        assert api.patch(kept, who, api.get(kept, who).json).status_code == 200
    assert api.patch(kept, "alice", {}).status_code == 200
    assert code(api.patch(kept, "alice", {"name": "."})) == "400 field_invalid"
    assert entries(api, kept) == before
    api.delete(kept, "alice")
    clock.move(hours=1)
    api.delete(kept, "alice")
    assert len(entries(api, kept)) == len(before) + 1


def test_entries_are_ordered_by_sequence_not_by_instant(
    api: ApiClient, kept: str, clock: Clock
) -> None:
    """Clocks may go back; what happened after stays after."""
    api.patch(kept, "alice", {"name": "a"})
    clock.move(hours=-3)
    api.patch(kept, "alice", {"name": "b"})
    clock.move(hours=1)
    api.patch(kept, "alice", {"name": "c"})

    def names(order: str) -> list[str]:
        found = api.all(f"{kept}/history?ordering={order}&page_size=1", "alice")
        return [entry["changes"]["name"]["after"] for entry in found]

    assert names("sequence") == ["kept-1.0", "a", "b", "c"]
    assert names("-sequence") == ["c", "b", "a", "kept-1.0"]
    assert [entry["sequence"] for entry in entries(api, kept)] == sorted(
        entry["sequence"] for entry in entries(api, kept)
    )


def test_creation_and_edits_record_the_same_fields(api: ApiClient, world: World) -> None:
    parent = world.versions["closed"]
    made = api.post(
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
    [created] = entries(api, version)
    recorded = {name: change["after"] for name, change in created["changes"].items()}
    assert {change["before"] for change in created["changes"].values()} == {None}
    assert recorded["parent"] == made["parent"]
    assert recorded["image"] == made["image"]
    assert recorded["identity"] == made["identity"]
    assert recorded["membership"] == made["membership"]
    assert recorded["licenses"] == made["licenses"]
    assert recorded["scripts"] == made["scripts"]
    plain = ("name", "change_log", "allow_imaging", "start_date", "end_date", "min_cpu", "min_mem")
    plain += ("exclude_from_latest", "labels")
    assert {name: recorded.pop(name) for name in plain} == {name: made[name] for name in plain}
    assert set(recorded) == {
        *("parent", "image", "identity", "membership", "licenses", "scripts", "doc_object_id")
    }


def test_ids_are_replaced_by_present_names(api: ApiClient, kept: str, world: World) -> None:
    changes = change(
        api, kept, "alice", membership=["lab"], identity=world.identities["alice@east"]
    )
    [group] = changes["membership"]["after"]
    assert group["name"] == "lab"
    assert changes["identity"]["after"]["provider"]["slug"] == "east"
    api.patch(f"/api/v2/groups/{world.groups['lab']}", "dora", {"name": "workshop"})
    [group] = entries(api, kept)[-1]["changes"]["membership"]["after"]
    assert group["name"] == "workshop"


def test_hidden_things_are_shown_by_id_only(api: ApiClient, kept: str, world: World) -> None:
    crew = api.post("/api/v2/groups", "dora", {"name": "crew", "users": ["alice"]}).json
    api.patch(
        kept,
        "alice",
        {
            "parent": world.versions["closed"],
            "membership": ["crew", "lab"],
            "identity": world.identities["alice@west"],
            "scripts": [world.scripts["setup"]],
        },
    )
    alices, bobs = (entries(api, kept, who)[-1]["changes"] for who in ("alice", "bob"))
    assert alices["parent"]["after"]["name"] == "closed-1.0"
    assert bobs["parent"] == {"before": None, "after": {"id": world.versions["closed"]}}
    assert alices["identity"]["after"]["provider"]["slug"] == "west"
    assert bobs["identity"]["after"] == {"id": world.identities["alice@west"]}
    assert [group["name"] for group in alices["membership"]["after"]] == ["lab", "crew"]
    assert [group.get("name") for group in bobs["membership"]["after"]] == ["lab", None]
    assert bobs["membership"]["after"][1] == {"id": crew["id"]}
    # Bob reads the script by this version; detached, it is alice's again.
    assert bobs["scripts"]["after"][0]["title"] == "setup"
    api.patch(kept, "alice", {"scripts": [], "parent": None, "membership": []})
    hidden = entries(api, kept, "bob")[-1]["changes"]
    assert hidden["scripts"] == {"before": [{"id": world.scripts["setup"]}], "after": []}
    assert hidden["parent"] == {"before": {"id": world.versions["closed"]}, "after": None}
    text = api.get(f"{kept}/history", "bob").text
    for secret in ("crew", "closed-1.0", "closed-image"):
        assert secret not in text, secret
    # What is removed for good is its id, for everybody.
    assert api.delete(crew["url"], "dora").status_code == 204
    for who in ("alice", "dora"):
        assert {"id": crew["id"]} in entries(api, kept, who)[-2]["changes"]["membership"]["after"]


def test_a_move_records_both_images(api: ApiClient, kept: str, world: World) -> None:
    changes = change(api, kept, "alice", image=world.images["closed"])
    assert changes["image"]["before"]["slug"] == "kept-image"
    assert changes["image"]["after"]["slug"] == "closed-image"
    # Bob kept it by its image, and keeps it no more.
    assert code(api.get(f"{kept}/history", "bob")) == "404 not_found"


def test_history_is_paged_like_other_lists(api: ApiClient, kept: str) -> None:
    for number in range(3):
        api.patch(kept, "alice", {"name": str(number)})
    page = api.get(f"{kept}/history?page_size=2", "alice").json
    assert (page["count"], len(page["results"]), page["previous"]) == (4, 2, None)
    assert page["next"].startswith(f"{kept}/history?page_size=2&cursor=")
    assert api.get(f"{kept}/history?name=version:create", "alice").json["count"] == 1
    root, api = (api.get(f"{base}{kept}/history", "alice").json for base in ("", "/api/v2"))
    assert root == api
