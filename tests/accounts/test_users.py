"""Users: staff make and disable them, nobody is erased, and each has a group of their own name."""

import subprocess
import sys
from typing import Any

import pytest

from goldenrod.catalogue.accounts import password_rules
from goldenrod.store.db import Database
from tests.support.cast import CAST, World
from tests.support.client import ApiClient, code
from tests.support.listened_argon2 import Argon2
from tests.support.pages.visitor import Visitor

USERS = "/api/v2/users"
GROUPS = "/api/v2/groups"


def new_user(api: ApiClient, **body: Any) -> dict[str, Any]:
    """A user that staff made."""
    made = api.post(USERS, "dora", body)
    assert made.status_code == 201, made.text
    return dict(made.json)


def test_the_list_holds_oneself_and_for_staff_all(api: ApiClient) -> None:
    assert [user["username"] for user in api.all(USERS, "charlie")] == ["charlie"]
    assert {user["username"] for user in api.all(USERS, "dora")} == set(CAST)
    assert [user["username"] for user in api.all(f"{USERS}?is_staff=true", "dora")] == ["dora"]


def test_oneself_is_read_but_not_changed(api: ApiClient, world: World) -> None:
    one = f"{USERS}/{world.users['charlie']}"
    user = api.get(one, "charlie").json
    assert (user["username"], user["is_staff"], user["active"]) == ("charlie", False, True)
    assert api.get(f"{USERS}/{user['uuid']}", "charlie").content == api.get(one, "charlie").content
    assert code(api.patch(one, "charlie", {"is_staff": True})) == "403 change_forbidden"
    assert code(api.delete(one, "charlie")) == "403 change_forbidden"
    assert "password" not in api.get(one, "charlie").text


def test_a_user_comes_with_a_personal_group(api: ApiClient) -> None:
    made = new_user(api, username=" Eve ")
    assert made["username"] == "Eve"
    [group] = api.all(f"{GROUPS}?name=eve", "dora")
    assert group["personal"] is True
    assert [user["id"] for user in group["users"]] == [made["id"]]
    assert group["leaders"] == []


def test_users_and_groups_share_one_space_of_names(api: ApiClient) -> None:
    # Compared by their NFKC, case-folded key.
    for username in ("alice", "ALICE", "\uff41lice", "Lab", " lab "):
        assert code(api.post(USERS, "dora", {"username": username})) == "409 name_taken", username
    for name in ("alice", "\uff21lice", "LAB"):
        assert code(api.post(GROUPS, "dora", {"name": name})) == "409 name_taken", name
    assert api.post(GROUPS, "dora", {"name": "eve"}).status_code == 201
    assert code(api.post(USERS, "dora", {"username": "Eve"})) == "409 name_taken"


def test_a_username_is_fixed(api: ApiClient, world: World) -> None:
    one = f"{USERS}/{world.users['charlie']}"
    answer = api.patch(one, "dora", {"username": "karl"})
    assert code(answer) == "400 field_read_only"
    # What GET gave may be sent back, and changes nothing.
    given = api.get(one, "dora")
    again = api.patch(one, "dora", given.json)
    assert (again.status_code, again.content) == (200, given.content)


def test_a_disabled_user_is_kept_and_shut_out(api: ApiClient, world: World) -> None:
    one = f"{USERS}/{world.users['alice']}"
    assert api.delete(one, "dora").status_code == 204
    assert api.delete(one, "dora").status_code == 204
    assert api.get(one, "dora").json["active"] is False
    assert code(api.get("/image_versions", "alice")) == "401 token_invalid"
    signing_in = {"username": "alice", "password": "alice-secret"}
    assert code(api.post("/api/v2/tokens", None, signing_in)) == "401 sign_in_failed"
    # What they made stays, under their name, and their name stays theirs.
    version = api.get(f"/image_versions/{world.versions['open']}").json
    assert version["user"]["username"] == "alice"
    assert code(api.post(USERS, "dora", {"username": "alice"})) == "409 name_taken"
    assert api.patch(one, "dora", {"active": True}).status_code == 200
    assert api.get("/image_versions", "alice").status_code == 200


def test_who_is_staff_no_longer_loses_its_rights_at_once(api: ApiClient, world: World) -> None:
    one = f"{USERS}/{world.users['charlie']}"
    assert api.patch(one, "dora", {"is_staff": True}).json["is_staff"] is True
    # The token's scope narrows: charlie's is write, so nothing changes for it.
    assert api.get(USERS, "charlie").json["count"] == 1
    dora = f"{USERS}/{world.users['dora']}"
    assert api.patch(dora, "dora", {"is_staff": False}).json["is_staff"] is False
    assert [user["username"] for user in api.all(USERS, "dora")] == ["dora"]
    assert code(api.post(USERS, "dora", {"username": "eve"})) == "403 staff_required"


def test_a_password_is_set_changed_and_removed(api: ApiClient) -> None:
    eve = new_user(api, username="eve", password="first password")
    one = f"{USERS}/{eve['id']}"

    def sign_in(password: str) -> int:
        body = {"username": "eve", "password": password}
        return int(api.post("/api/v2/tokens", None, body).status_code)

    assert sign_in("first password") == 201
    assert api.patch(one, "dora", {"password": "second password"}).status_code == 200
    assert (sign_in("first password"), sign_in("second password")) == (401, 201)
    assert api.patch(one, "dora", {"password": None}).status_code == 200
    assert sign_in("second password") == 401
    assert code(api.patch(one, "dora", {"password": "short"})) == "400 field_invalid"


def test_setting_a_password_makes_no_other_writer_wait(
    api: ApiClient, visitor: Visitor, db: Database, argon2: Argon2
) -> None:
    writes = []

    def write() -> None:
        with db.write():
            writes.append(1)

    visitor.sign_in("dora")
    argon2.while_hashing = write
    eve = new_user(api, username="eve", password="first password")
    assert api.patch(f"{USERS}/{eve['id']}", "dora", {"password": "second one"}).status_code == 200
    page = visitor.get("/staff/users/new")
    page = visitor.submit(page, "/staff/users/new", username="finn", password="third password")
    address = f"{page.address}/password"
    assert visitor.submit(page, address, password="fourth password").status == 200
    assert len(writes) == 4


def test_bodies_are_checked(api: ApiClient) -> None:
    for body in (
        {},
        {"username": ""},
        {"username": "a" * 257},
        {"username": "a\nb"},
        {"name": "x"},
    ):
        assert code(api.post(USERS, "dora", body)) == "400 field_invalid", body


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short-one", "at least 10 characters"),
        ("", "at least 10 characters"),
        ("x" * 1025, "at most 1,024 characters"),
        ("Margarethe", "must not be the username"),
        ("margaretheMARGARETHE", "must not be the username"),
        ("PASSWORD123", "too common"),
        ("1q2w3e4r5t", "too common"),
    ],
)
def test_bad_passwords_are_refused_in_words_wherever_one_is_set(
    api: ApiClient, password: str, said: str
) -> None:
    body = {"username": "margarethe", "password": password}
    refused = api.post("/api/v2/users", "dora", body)
    assert (code(refused), refused.json["errors"][0]["field"]) == ("400 field_invalid", "password")
    assert said in refused.json["detail"]
    user = new_user(api, username="margarethe", password="a fine one, mine")
    refused = api.patch(user["url"], "dora", {"password": password, "is_staff": True})
    assert (code(refused), said in refused.json["detail"]) == ("400 field_invalid", True)
    # Nothing was changed.
    assert api.get(user["url"], "dora").json["is_staff"] is False
    fits = {"username": "margarethe", "password": "a fine one, mine"}
    assert api.post("/api/v2/tokens", None, fits).status_code == 201


def test_the_commonest_passwords_are_known_and_read_only_when_needed() -> None:
    assert "password123" in password_rules._common()
    assert len(password_rules._common()) > 1000
    loaded = "import sys, goldenrod.web.server; print('zxcvbn' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
