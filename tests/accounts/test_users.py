"""Users: staff make and disable them, nobody is erased, and each has a group of their own name."""

import subprocess
import sys
from typing import Any

import pytest

from goldenrod.catalogue.accounts import password_rules
from tests.support.cast import CAST, World
from tests.support.client import Door, code

USERS = "/api/v2/users"
GROUPS = "/api/v2/groups"


def new_user(door: Door, **body: Any) -> dict[str, Any]:
    """A user that staff made."""
    made = door.post(USERS, "dora", body)
    assert made.status_code == 201, made.text
    return dict(made.json)


def test_anonymous_sees_no_users_and_makes_none(door: Door, world: World) -> None:
    assert door.get(USERS).json["count"] == 0
    one = f"{USERS}/{world.users['alice']}"
    assert code(door.get(one)) == "404 not_found"
    assert code(door.post(USERS, None, {"username": "eve"})) == "401 credentials_required"
    assert code(door.patch(one, None, {"active": False})) == "401 credentials_required"
    assert code(door.delete(one)) == "401 credentials_required"


def test_a_stranger_sees_and_changes_nobody(door: Door, world: World) -> None:
    one = f"{USERS}/{world.users['alice']}"
    assert code(door.get(one, "charlie")) == "404 not_found"
    assert code(door.patch(one, "charlie", {"active": False})) == "404 not_found"
    assert code(door.delete(one, "charlie")) == "404 not_found"
    assert code(door.post(USERS, "charlie", {"username": "eve"})) == "403 staff_required"
    assert door.get(f"{USERS}?username=alice", "charlie").json["count"] == 0


def test_the_list_holds_oneself_and_for_staff_all(door: Door) -> None:
    assert [user["username"] for user in door.all(USERS, "charlie")] == ["charlie"]
    assert {user["username"] for user in door.all(USERS, "dora")} == set(CAST)
    assert [user["username"] for user in door.all(f"{USERS}?is_staff=true", "dora")] == ["dora"]


def test_oneself_is_read_but_not_changed(door: Door, world: World) -> None:
    one = f"{USERS}/{world.users['charlie']}"
    user = door.get(one, "charlie").json
    assert (user["username"], user["is_staff"], user["active"]) == ("charlie", False, True)
    assert (
        door.get(f"{USERS}/{user['uuid']}", "charlie").content == door.get(one, "charlie").content
    )
    assert code(door.patch(one, "charlie", {"is_staff": True})) == "403 change_forbidden"
    assert code(door.delete(one, "charlie")) == "403 change_forbidden"
    assert "password" not in door.get(one, "charlie").text


def test_a_user_comes_with_a_personal_group(door: Door) -> None:
    made = new_user(door, username=" Eve ")
    assert made["username"] == "Eve"
    [group] = door.all(f"{GROUPS}?name=eve", "dora")
    assert group["personal"] is True
    assert [user["id"] for user in group["users"]] == [made["id"]]
    assert group["leaders"] == []


def test_users_and_groups_share_one_space_of_names(door: Door) -> None:
    # Compared by their NFKC, case-folded key.
    for username in ("alice", "ALICE", "\uff41lice", "Lab", " lab "):
        assert code(door.post(USERS, "dora", {"username": username})) == "409 name_taken", username
    for name in ("alice", "\uff21lice", "LAB"):
        assert code(door.post(GROUPS, "dora", {"name": name})) == "409 name_taken", name
    assert door.post(GROUPS, "dora", {"name": "eve"}).status_code == 201
    assert code(door.post(USERS, "dora", {"username": "Eve"})) == "409 name_taken"


def test_a_username_is_fixed(door: Door, world: World) -> None:
    one = f"{USERS}/{world.users['charlie']}"
    answer = door.patch(one, "dora", {"username": "karl"})
    assert code(answer) == "400 field_read_only"
    # What GET gave may be sent back, and changes nothing.
    given = door.get(one, "dora")
    again = door.patch(one, "dora", given.json)
    assert (again.status_code, again.content) == (200, given.content)


def test_a_disabled_user_is_kept_and_shut_out(door: Door, world: World) -> None:
    one = f"{USERS}/{world.users['alice']}"
    assert door.delete(one, "dora").status_code == 204
    assert door.delete(one, "dora").status_code == 204
    assert door.get(one, "dora").json["active"] is False
    assert code(door.get("/image_versions", "alice")) == "401 token_invalid"
    signing_in = {"username": "alice", "password": "alice-secret"}
    assert code(door.post("/api/v2/tokens", None, signing_in)) == "401 sign_in_failed"
    # What they made stays, under their name, and their name stays theirs.
    version = door.get(f"/image_versions/{world.versions['open']}").json
    assert version["user"]["username"] == "alice"
    assert code(door.post(USERS, "dora", {"username": "alice"})) == "409 name_taken"
    assert door.patch(one, "dora", {"active": True}).status_code == 200
    assert door.get("/image_versions", "alice").status_code == 200


def test_who_is_staff_no_longer_loses_its_rights_at_once(door: Door, world: World) -> None:
    one = f"{USERS}/{world.users['charlie']}"
    assert door.patch(one, "dora", {"is_staff": True}).json["is_staff"] is True
    # The token's scope narrows: charlie's is write, so nothing changes for it.
    assert door.get(USERS, "charlie").json["count"] == 1
    dora = f"{USERS}/{world.users['dora']}"
    assert door.patch(dora, "dora", {"is_staff": False}).json["is_staff"] is False
    assert [user["username"] for user in door.all(USERS, "dora")] == ["dora"]
    assert code(door.post(USERS, "dora", {"username": "eve"})) == "403 staff_required"


def test_a_password_is_set_changed_and_removed(door: Door) -> None:
    eve = new_user(door, username="eve", password="first password")
    one = f"{USERS}/{eve['id']}"

    def sign_in(password: str) -> int:
        body = {"username": "eve", "password": password}
        return int(door.post("/api/v2/tokens", None, body).status_code)

    assert sign_in("first password") == 201
    assert door.patch(one, "dora", {"password": "second password"}).status_code == 200
    assert (sign_in("first password"), sign_in("second password")) == (401, 201)
    assert door.patch(one, "dora", {"password": None}).status_code == 200
    assert sign_in("second password") == 401
    assert code(door.patch(one, "dora", {"password": "short"})) == "400 field_invalid"


def test_bodies_are_checked(door: Door) -> None:
    for body in (
        {},
        {"username": ""},
        {"username": "a" * 257},
        {"username": "a\nb"},
        {"name": "x"},
    ):
        assert code(door.post(USERS, "dora", body)) == "400 field_invalid", body


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short-one", "at least 10 characters"),
        ("", "at least 10 characters"),
        ("x" * 1025, "at most 1,024 characters"),
        ("Margarethe", "must not be the username"),
        ("margaretheMARGARETHE", "must not be the username"),
        ("PASSWORD123", "one of the commonest"),
        ("1q2w3e4r5t", "one of the commonest"),
    ],
)
def test_bad_passwords_are_refused_in_words_wherever_one_is_set(
    door: Door, password: str, said: str
) -> None:
    body = {"username": "margarethe", "password": password}
    refused = door.post("/api/v2/users", "dora", body)
    assert (code(refused), refused.json["errors"][0]["field"]) == ("400 field_invalid", "password")
    assert said in refused.json["detail"]
    user = new_user(door, username="margarethe", password="a fine one, mine")
    refused = door.patch(user["url"], "dora", {"password": password, "is_staff": True})
    assert (code(refused), said in refused.json["detail"]) == ("400 field_invalid", True)
    # Nothing was changed.
    assert door.get(user["url"], "dora").json["is_staff"] is False
    fits = {"username": "margarethe", "password": "a fine one, mine"}
    assert door.post("/api/v2/tokens", None, fits).status_code == 201


def test_the_commonest_passwords_are_known_and_read_only_when_needed() -> None:
    assert "password123" in password_rules._common()
    assert len(password_rules._common()) > 1000
    loaded = "import sys, goldenrod.web.server; print('zxcvbn' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
