"""Groups: staff make them, leaders add and remove members, personal ones never change."""

from typing import Any

import pytest

from tests.support.cast import World
from tests.support.client import Door, code

GROUPS = "/api/v2/groups"


@pytest.fixture
def lab(world: World) -> str:
    return f"{GROUPS}/{world.groups['lab']}"


def names(users: list[dict[str, Any]]) -> list[str]:
    return [user["username"] for user in users]


def personal(door: Door, name: str) -> str:
    """The address of a personal group."""
    [group] = door.all(f"{GROUPS}?name={name}", "dora")
    return f"{GROUPS}/{group['id']}"


def test_anonymous_sees_no_groups(door: Door, lab: str) -> None:
    assert door.get(GROUPS).json["count"] == 0
    assert code(door.get(lab)) == "404 not_found"
    assert code(door.post(GROUPS, None, {"name": "crew"})) == "401 credentials_required"
    assert code(door.patch(lab, None, {"users": []})) == "401 credentials_required"
    assert code(door.delete(lab)) == "401 credentials_required"


def test_a_stranger_sees_their_own_only(door: Door, lab: str) -> None:
    assert [group["name"] for group in door.all(GROUPS, "charlie")] == ["charlie"]
    assert code(door.get(lab, "charlie")) == "404 not_found"
    assert code(door.patch(lab, "charlie", {"users": ["charlie"]})) == "404 not_found"
    assert code(door.delete(lab, "charlie")) == "404 not_found"
    assert code(door.post(GROUPS, "charlie", {"name": "crew"})) == "403 staff_required"
    assert door.get(f"{GROUPS}?name=lab", "charlie").json["count"] == 0


def test_members_see_each_other_and_staff_all(door: Door, lab: str) -> None:
    for who in ("alice", "bob", "dora"):
        group = door.get(lab, who).json
        assert (names(group["users"]), names(group["leaders"])) == (["alice", "bob"], ["alice"])
    assert {group["name"] for group in door.all(f"{GROUPS}?personal=false", "bob")} == {"lab"}
    assert door.get(GROUPS, "dora").json["count"] == 5


def test_leaders_are_members(door: Door) -> None:
    made = door.post(GROUPS, "dora", {"name": "crew", "users": ["bob"], "leaders": ["charlie"]})
    assert made.status_code == 201
    assert names(made.json["users"]) == ["bob", "charlie"]
    wrong = door.patch(made.json["url"], "dora", {"users": ["bob"]})
    assert code(wrong) == "400 field_invalid"
    added = door.patch(made.json["url"], "dora", {"leaders": ["charlie", "alice"]})
    assert names(added.json["users"]) == ["alice", "bob", "charlie"]


def test_a_leader_adds_and_removes_members(door: Door, lab: str, world: World) -> None:
    private = f"/image_versions/{world.versions['shared']}"
    assert code(door.get(private, "charlie")) == "404 not_found"
    # By id, exact name, or the object that a GET gave.
    users = [*door.get(lab, "alice").json["users"], "charlie"]
    answer = door.patch(lab, "alice", {"users": users})
    assert names(answer.json["users"]) == ["alice", "bob", "charlie"]
    assert door.get(private, "charlie").status_code == 200
    answer = door.patch(lab, "alice", {"users": [world.users["alice"]]})
    assert names(answer.json["users"]) == ["alice"]
    assert code(door.get(private, "charlie")) == "404 not_found"
    assert code(door.patch(lab, "bob", {"users": ["bob"]})) == "404 not_found"


def test_a_leader_changes_nothing_else(door: Door, lab: str) -> None:
    for patch in ({"name": "laboratory"}, {"leaders": ["alice", "bob"]}, {"leaders": []}):
        assert code(door.patch(lab, "alice", patch)) == "403 staff_required", patch
    assert code(door.delete(lab, "alice")) == "403 staff_required"
    given = door.get(lab, "alice")
    assert door.patch(lab, "alice", given.json).content == given.content


def test_a_member_changes_nothing(door: Door, lab: str) -> None:
    assert code(door.patch(lab, "bob", {"users": ["alice"]})) == "403 change_forbidden"
    assert code(door.delete(lab, "bob")) == "403 change_forbidden"


def test_unknown_users_are_refused(door: Door, lab: str) -> None:
    for user in ("nobody", 10**6, "lab", {"username": "nobody"}, {}):
        answer = door.patch(lab, "dora", {"users": ["alice", user]})
        assert code(answer) == "400 reference_unknown", user
        assert answer.json["errors"][0]["field"] == "users[1]"


def test_staff_rename_and_the_name_counts(door: Door, lab: str, world: World) -> None:
    assert door.patch(lab, "dora", {"name": "Lab"}).json["name"] == "Lab"
    assert code(door.patch(lab, "dora", {"name": "Charlie"})) == "409 name_taken"
    assert door.patch(lab, "dora", {"name": "workshop"}).json["name"] == "workshop"
    version = f"/image_versions/{world.versions['shared']}"
    assert [group["name"] for group in door.get(version, "bob").json["membership"]] == ["workshop"]
    assert code(door.patch(version, "alice", {"membership": ["lab"]})) == "400 reference_unknown"
    assert door.post(GROUPS, "dora", {"name": "lab"}).status_code == 201


@pytest.mark.parametrize(
    "patch",
    [{"name": "carl"}, {"users": ["charlie", "bob"]}, {"leaders": ["charlie"]}, {"users": []}],
)
def test_a_personal_group_never_changes(door: Door, patch: dict[str, Any]) -> None:
    group = personal(door, "charlie")
    assert code(door.patch(group, "dora", patch)) == "409 group_personal"
    assert code(door.patch(group, "charlie", patch)) == "403 change_forbidden"
    assert names(door.get(group, "charlie").json["users"]) == ["charlie"]


def test_a_personal_group_is_not_removed(door: Door) -> None:
    group = personal(door, "charlie")
    assert code(door.delete(group, "dora")) == "409 group_personal"
    assert code(door.delete(group, "charlie")) == "403 change_forbidden"


def test_sharing_with_one_person_is_sharing_with_their_group(door: Door, world: World) -> None:
    version = f"/image_versions/{world.versions['closed']}"
    assert code(door.get(version, "charlie")) == "404 not_found"
    assert door.patch(version, "alice", {"membership": ["charlie"]}).status_code == 200
    assert door.get(version, "charlie").status_code == 200


def test_a_group_in_use_stays(door: Door, world: World) -> None:
    crew = door.post(GROUPS, "dora", {"name": "crew"}).json
    version = f"/image_versions/{world.versions['closed']}"
    door.patch(version, "alice", {"membership": ["crew"]})
    assert code(door.delete(crew["url"], "dora")) == "409 group_in_use"
    # Ended ones count too.
    assert door.delete(version, "alice").status_code == 204
    assert code(door.delete(crew["url"], "dora")) == "409 group_in_use"
    door.patch(version, "alice", {"membership": []})
    image = f"/api/v2/images/{world.images['closed']}"
    assert door.patch(image, "alice", {"maintainers": ["crew"]}).status_code == 200
    assert code(door.delete(crew["url"], "dora")) == "409 group_in_use"
    door.patch(image, "alice", {"maintainers": []})
    assert door.delete(crew["url"], "dora").status_code == 204
    assert code(door.get(crew["url"], "dora")) == "404 not_found"
    assert code(door.delete(crew["url"], "dora")) == "404 not_found"
    # The name is free again; the id is another.
    again = door.post(GROUPS, "dora", {"name": "crew"}).json
    assert again["id"] > crew["id"]


def test_a_lost_update_is_refused(door: Door, lab: str) -> None:
    read = door.get(lab, "alice").headers["etag"]
    assert door.patch(lab, "dora", {"name": "workshop"}).status_code == 200
    late = door.patch(lab, "alice", {"users": ["alice"]}, headers={"If-Match": read})
    assert code(late) == "412 precondition_failed"
    assert names(door.get(lab, "alice").json["users"]) == ["alice", "bob"]
