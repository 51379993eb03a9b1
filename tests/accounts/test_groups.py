"""Groups: staff make them, leaders add and remove members, personal ones never change."""

from typing import Any

import pytest

from tests.support.cast import World
from tests.support.client import ApiClient, code

GROUPS = "/api/v2/groups"


@pytest.fixture
def lab(world: World) -> str:
    return f"{GROUPS}/{world.groups['lab']}"


def names(users: list[dict[str, Any]]) -> list[str]:
    return [user["username"] for user in users]


def personal(api: ApiClient, name: str) -> str:
    """The address of a personal group."""
    [group] = api.all(f"{GROUPS}?name={name}", "dora")
    return f"{GROUPS}/{group['id']}"


def test_members_see_each_other_and_staff_all(api: ApiClient, lab: str) -> None:
    for who in ("alice", "bob", "dora"):
        group = api.get(lab, who).json
        assert (names(group["users"]), names(group["leaders"])) == (["alice", "bob"], ["alice"])
    assert {group["name"] for group in api.all(f"{GROUPS}?personal=false", "bob")} == {"lab"}
    assert api.get(GROUPS, "dora").json["count"] == 5


def test_leaders_are_members(api: ApiClient) -> None:
    made = api.post(GROUPS, "dora", {"name": "crew", "users": ["bob"], "leaders": ["charlie"]})
    assert made.status_code == 201
    assert names(made.json["users"]) == ["bob", "charlie"]
    wrong = api.patch(made.json["url"], "dora", {"users": ["bob"]})
    assert code(wrong) == "400 field_invalid"
    added = api.patch(made.json["url"], "dora", {"leaders": ["charlie", "alice"]})
    assert names(added.json["users"]) == ["alice", "bob", "charlie"]


def test_a_leader_adds_and_removes_members(api: ApiClient, lab: str, world: World) -> None:
    private = f"/image_versions/{world.versions['shared']}"
    assert code(api.get(private, "charlie")) == "404 not_found"
    # By id, exact name, or the object that a GET gave.
    users = [*api.get(lab, "alice").json["users"], "charlie"]
    answer = api.patch(lab, "alice", {"users": users})
    assert names(answer.json["users"]) == ["alice", "bob", "charlie"]
    assert api.get(private, "charlie").status_code == 200
    answer = api.patch(lab, "alice", {"users": [world.users["alice"]]})
    assert names(answer.json["users"]) == ["alice"]
    assert code(api.get(private, "charlie")) == "404 not_found"
    assert code(api.patch(lab, "bob", {"users": ["bob"]})) == "404 not_found"


def test_a_leader_changes_nothing_else(api: ApiClient, lab: str) -> None:
    for patch in ({"name": "laboratory"}, {"leaders": ["alice", "bob"]}, {"leaders": []}):
        assert code(api.patch(lab, "alice", patch)) == "403 staff_required", patch
    assert code(api.delete(lab, "alice")) == "403 staff_required"
    given = api.get(lab, "alice")
    assert api.patch(lab, "alice", given.json).content == given.content


def test_a_member_changes_nothing(api: ApiClient, lab: str) -> None:
    assert code(api.patch(lab, "bob", {"users": ["alice"]})) == "403 change_forbidden"
    assert code(api.delete(lab, "bob")) == "403 change_forbidden"


def test_unknown_users_are_refused(api: ApiClient, lab: str) -> None:
    for user in ("nobody", 10**6, "lab", {"username": "nobody"}, {}):
        answer = api.patch(lab, "dora", {"users": ["alice", user]})
        assert code(answer) == "400 reference_unknown", user
        assert answer.json["errors"][0]["field"] == "users[1]"


def test_staff_rename_and_the_name_counts(api: ApiClient, lab: str, world: World) -> None:
    assert api.patch(lab, "dora", {"name": "Lab"}).json["name"] == "Lab"
    assert code(api.patch(lab, "dora", {"name": "Charlie"})) == "409 name_taken"
    assert api.patch(lab, "dora", {"name": "workshop"}).json["name"] == "workshop"
    version = f"/image_versions/{world.versions['shared']}"
    assert [group["name"] for group in api.get(version, "bob").json["membership"]] == ["workshop"]
    assert code(api.patch(version, "alice", {"membership": ["lab"]})) == "400 reference_unknown"
    assert api.post(GROUPS, "dora", {"name": "lab"}).status_code == 201


@pytest.mark.parametrize(
    "patch",
    [{"name": "carl"}, {"users": ["charlie", "bob"]}, {"leaders": ["charlie"]}, {"users": []}],
)
def test_a_personal_group_never_changes(api: ApiClient, patch: dict[str, Any]) -> None:
    group = personal(api, "charlie")
    assert code(api.patch(group, "dora", patch)) == "409 group_personal"
    assert code(api.patch(group, "charlie", patch)) == "403 change_forbidden"
    assert names(api.get(group, "charlie").json["users"]) == ["charlie"]


def test_a_personal_group_is_not_removed(api: ApiClient) -> None:
    group = personal(api, "charlie")
    assert code(api.delete(group, "dora")) == "409 group_personal"
    assert code(api.delete(group, "charlie")) == "403 change_forbidden"


def test_sharing_with_one_person_is_sharing_with_their_group(api: ApiClient, world: World) -> None:
    version = f"/image_versions/{world.versions['closed']}"
    assert code(api.get(version, "charlie")) == "404 not_found"
    assert api.patch(version, "alice", {"membership": ["charlie"]}).status_code == 200
    assert api.get(version, "charlie").status_code == 200


def test_a_group_in_use_stays(api: ApiClient, world: World) -> None:
    crew = api.post(GROUPS, "dora", {"name": "crew"}).json
    version = f"/image_versions/{world.versions['closed']}"
    api.patch(version, "alice", {"membership": ["crew"]})
    assert code(api.delete(crew["url"], "dora")) == "409 group_in_use"
    # Ended ones count too.
    assert api.delete(version, "alice").status_code == 204
    assert code(api.delete(crew["url"], "dora")) == "409 group_in_use"
    api.patch(version, "alice", {"membership": []})
    image = f"/api/v2/images/{world.images['closed']}"
    assert api.patch(image, "alice", {"maintainers": ["crew"]}).status_code == 200
    assert code(api.delete(crew["url"], "dora")) == "409 group_in_use"
    api.patch(image, "alice", {"maintainers": []})
    assert api.delete(crew["url"], "dora").status_code == 204
    assert code(api.get(crew["url"], "dora")) == "404 not_found"
    assert code(api.delete(crew["url"], "dora")) == "404 not_found"
    # The name is free again; the id is another.
    again = api.post(GROUPS, "dora", {"name": "crew"}).json
    assert again["id"] > crew["id"]


def test_a_lost_update_is_refused(api: ApiClient, lab: str) -> None:
    read = api.get(lab, "alice").headers["etag"]
    assert api.patch(lab, "dora", {"name": "workshop"}).status_code == 200
    late = api.patch(lab, "alice", {"users": ["alice"]}, headers={"If-Match": read})
    assert code(late) == "412 precondition_failed"
    assert names(api.get(lab, "alice").json["users"]) == ["alice", "bob"]
