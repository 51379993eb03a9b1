"""Idempotency-Key: a POST sent again answers the first outcome, built anew through the rule."""

from typing import Any

from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient, Result, code

IMAGES = "/api/v2/images"


def post(api: ApiClient, address: str, who: str | None, body: Any, key: str = "once") -> Result:
    return api.post(address, who, body, headers={"Idempotency-Key": key})


def test_anonymous_gets_401_with_a_key_too(api: ApiClient) -> None:
    assert code(post(api, IMAGES, None, {"name": "n"})) == "401 credentials_required"


def test_a_strangers_same_key_is_another(api: ApiClient) -> None:
    """Nobody learns by a key what another made, or that they did."""
    body = {"name": "n"}
    alices = post(api, IMAGES, "alice", body)
    charlies = post(api, IMAGES, "charlie", body)
    assert (alices.status_code, charlies.status_code) == (201, 201)
    assert alices.json["id"] != charlies.json["id"]
    assert post(api, IMAGES, "charlie", {"name": "m"}, "other").status_code == 201


def test_the_same_body_gets_the_same_thing(api: ApiClient) -> None:
    first = post(api, IMAGES, "alice", {"name": "n", "tags": ["new"]})
    again = post(api, IMAGES, "alice", {"name": "n", "tags": ["new"]})
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert api.get(f"{IMAGES}?name=n", "alice").json["count"] == 1


def test_it_holds_for_every_post(api: ApiClient, world: World) -> None:
    version = world.versions["open"]
    asked = (
        ("/image_versions", {"name": "2", "image": world.images["open"]}),
        (IMAGES, {"name": "n"}),
        ("/api/v2/provider_machines", {"version": version, "provider": "east", "identifier": "x"}),
        ("/api/v2/providers", {"name": "north"}),
        ("/api/v2/licenses", {"title": "t", "type": "SPDX", "text": "MIT"}),
        ("/api/v2/boot_scripts", {"title": "t", "type": "Raw Text", "text": "t"}),
        ("/api/v2/groups", {"name": "crew"}),
        ("/api/v2/users", {"username": "eve"}),
        ("/api/v2/identities", {"user": "bob", "provider": "east", "key": "k"}),
        ("/api/v2/image_version_memberships", {"image_version": version, "group": "bob"}),
    )
    for address, body in asked:
        first = post(api, address, "dora", body, address)
        again = post(api, address, "dora", body, address)
        assert (first.status_code, again.status_code) == (201, 201), (address, first.text)
        assert again.json == first.json, address


def test_the_outcome_is_built_anew(api: ApiClient, world: World) -> None:
    body = {"name": "2.0", "image": world.images["kept"]}
    first = post(api, "/image_versions", "bob", body).json
    api.patch(first["url"], "alice", {"name": "2.0.1", "change_log": "renamed"})
    again = post(api, "/image_versions", "bob", body)
    assert again.status_code == 201
    assert (again.json["id"], again.json["name"]) == (first["id"], "2.0.1")
    # Out of the maintainers, bob still reads what he published, and is shown no more than that.
    image = f"{IMAGES}/{world.images['kept']}"
    assert api.patch(image, "alice", {"maintainers": []}).status_code == 200
    assert post(api, "/image_versions", "bob", body).json == api.get(first["url"], "bob").json


def test_a_user_who_can_no_longer_read_the_result_gets_404(api: ApiClient, world: World) -> None:
    version = world.versions["kept"]
    body = {"image_version": version, "license": world.licenses["apache"]}
    detached = api.patch(f"/image_versions/{version}", "alice", {"licenses": []})
    assert detached.status_code == 200
    made = post(api, "/api/v2/image_version_licenses", "bob", body)
    assert made.status_code == 201
    image = f"{IMAGES}/{world.images['kept']}"
    api.patch(image, "alice", {"maintainers": []})
    lost = post(api, "/api/v2/image_version_licenses", "bob", body)
    assert code(lost) == "404 not_found"
    assert "kept" not in lost.text
    api.patch(image, "alice", {"maintainers": ["lab"]})
    assert post(api, "/api/v2/image_version_licenses", "bob", body).json == made.json
    api.delete(made.json["url"], "alice")
    assert code(post(api, "/api/v2/image_version_licenses", "bob", body)) == "404 not_found"
    # Nothing was attached again by asking.
    assert api.get(f"/image_versions/{version}", "alice").json["licenses"] == []


def test_what_was_not_inherited_is_told_again_through_the_rule(
    api: ApiClient, world: World
) -> None:
    """Bob learns nothing anew by repeating a request made while he was in the group."""
    api.patch(f"/image_versions/{world.versions['shared']}", "alice", {"scripts": [1]})
    mine = api.post(IMAGES, "bob", {"name": "mine"}).json["id"]
    body = {"name": "1", "image": mine, "parent": world.versions["shared"]}
    first = post(api, "/image_versions", "bob", body).json
    assert first["not_inherited"]["scripts"] == [{"id": world.scripts["setup"]}]
    assert [group["name"] for group in first["not_inherited"]["membership"]] == ["lab"]
    assert post(api, "/image_versions", "bob", body).json == first
    lab = f"/api/v2/groups/{world.groups['lab']}"
    api.patch(lab, "dora", {"name": "workshop"})
    renamed = post(api, "/image_versions", "bob", body).json["not_inherited"]
    assert [group["name"] for group in renamed["membership"]] == ["workshop"]
    api.patch(lab, "dora", {"users": ["alice"], "name": "secret"})
    again = post(api, "/image_versions", "bob", body).json
    assert again["not_inherited"] == {
        "scripts": [{"id": world.scripts["setup"]}],
        "membership": [],
    }
    assert again["parent"] == {"id": world.versions["shared"]}


def test_another_body_or_address_is_refused(api: ApiClient) -> None:
    post(api, IMAGES, "alice", {"name": "n"})
    for address, body in (
        (IMAGES, {"name": "m"}),
        (IMAGES, {"name": "n", "description": ""}),
        ("/api/v2/licenses", {"title": "t", "type": "SPDX", "text": "MIT"}),
    ):
        assert code(post(api, address, "alice", body)) == "409 idempotency_key_reused", body
    assert post(api, IMAGES, "alice", {"name": "n"}).status_code == 201
    assert api.get(f"{IMAGES}?name=m", "alice").json["count"] == 0


def test_a_refused_request_is_not_remembered(api: ApiClient, world: World) -> None:
    version = {"name": "open-1.0", "image": world.images["open"]}
    assert code(post(api, "/image_versions", "alice", version)) == "409 version_name_taken"
    assert post(api, "/image_versions", "alice", {**version, "name": "2"}).status_code == 201
    assert code(post(api, IMAGES, "alice", {"name": ""}, "two")) == "400 field_invalid"
    assert post(api, IMAGES, "alice", {"name": "n"}, "two").status_code == 201


def test_what_was_there_already_is_answered_so_again(api: ApiClient, world: World) -> None:
    address = "/api/v2/image_version_memberships"
    body = {"image_version": world.versions["shared"], "group": "lab"}
    assert [post(api, address, "alice", body).status_code for _ in range(2)] == [200, 200]


def test_a_key_is_kept_for_a_day(api: ApiClient, clock: Clock) -> None:
    first = post(api, IMAGES, "alice", {"name": "n"}).json
    clock.move(hours=23, minutes=59, seconds=59)
    assert post(api, IMAGES, "alice", {"name": "n"}).json["id"] == first["id"]
    clock.move(seconds=1)
    second = post(api, IMAGES, "alice", {"name": "n"})
    assert second.status_code == 201
    assert second.json["id"] != first["id"]


def test_keys_are_checked(api: ApiClient) -> None:
    for key in ("", "a" * 257, "a\tb"):
        answer = post(api, IMAGES, "alice", {"name": "n"}, key)
        assert code(answer) == "400 idempotency_key_invalid", key
    for key in ("a" * 256, "k 1", '"quoted"', "0190f0e0-0000-7000-8000-000000000000"):
        assert post(api, IMAGES, "alice", {"name": "n"}, key).status_code == 201, key


def test_a_narrower_token_gets_nothing_by_a_key(api: ApiClient, world: World) -> None:
    """The outcome is what the token that asks may see: dora's without admin is not staff."""
    provider = {"name": "hidden"}
    made = post(api, "/api/v2/providers", "dora", provider)
    assert made.status_code == 201
    narrow = api.post(
        "/api/v2/tokens", None, {"username": "dora", "password": "dora-secret", "scope": "write"}
    ).json["token"]
    assert code(post(api, "/api/v2/providers", narrow, provider)) == "403 staff_required"
    reader = api.post(
        "/api/v2/tokens", None, {"username": "dora", "password": "dora-secret", "scope": "read"}
    ).json["token"]
    assert code(post(api, IMAGES, reader, {"name": "n"})) == "403 scope_insufficient"
