"""Identities: a user's account on a provider, which gives access to it; staff keep them."""

import pytest

from tests.support.cast import World
from tests.support.client import ApiClient, code

IDENTITIES = "/api/v2/identities"


@pytest.fixture
def bobs(world: World) -> str:
    return f"{IDENTITIES}/{world.identities['bob@west']}"


def test_its_user_reads_it_and_staff_all(api: ApiClient, bobs: str) -> None:
    identity = api.get(bobs, "bob").json
    assert identity["user"]["username"] == "bob"
    assert identity["provider"]["slug"] == "west"
    assert identity["key"] == "bob@west"
    assert code(api.patch(bobs, "bob", {"key": "mine"})) == "403 change_forbidden"
    assert code(api.delete(bobs, "bob")) == "403 change_forbidden"
    assert api.get(IDENTITIES, "dora").json["count"] == 3
    assert api.get(f"{IDENTITIES}?provider=west", "dora").json["count"] == 2
    assert api.get(f"{IDENTITIES}?username=bob", "bob").json["count"] == 1


def test_one_gives_access_to_its_provider_at_once(api: ApiClient, world: World) -> None:
    west = f"/api/v2/providers/{world.providers['west']}"
    machines = f"/api/v2/provider_machines?version_id={world.versions['open']}"
    assert code(api.get(west, "charlie")) == "404 not_found"
    assert api.get(machines, "charlie").json["count"] == 1
    body = {"user": "charlie", "provider": "west", "key": "charlie"}
    made = api.post(IDENTITIES, "dora", body)
    assert made.status_code == 201
    assert api.get(west, "charlie").status_code == 200
    assert api.get(machines, "charlie").json["count"] == 2
    assert api.delete(made.json["url"], "dora").status_code == 204
    assert code(api.get(west, "charlie")) == "404 not_found"
    assert api.get(machines, "charlie").json["count"] == 1
    assert code(api.get(made.json["url"], "dora")) == "404 not_found"


def test_one_account_once(api: ApiClient, bobs: str) -> None:
    same = {"user": "bob", "provider": "west", "key": "bob@west"}
    assert code(api.post(IDENTITIES, "dora", same)) == "409 identity_taken"
    second = api.post(IDENTITIES, "dora", {**same, "key": "project"})
    assert second.status_code == 201
    assert code(api.patch(second.json["url"], "dora", {"key": "bob@west"})) == "409 identity_taken"
    assert api.patch(bobs, "dora", {"key": "bob@west"}).status_code == 200
    assert api.patch(bobs, "dora", {"key": "robert"}).json["key"] == "robert"


def test_its_user_and_provider_are_fixed(api: ApiClient, bobs: str) -> None:
    for patch in ({"user": "alice"}, {"provider": "east"}):
        assert code(api.patch(bobs, "dora", patch)) == "400 field_read_only", patch
    given = api.get(bobs, "dora")
    assert api.patch(bobs, "dora", given.json).content == given.content


def test_unknown_references(api: ApiClient) -> None:
    for body in ({"user": "nobody", "provider": "west"}, {"user": "bob", "provider": "north"}):
        answer = api.post(IDENTITIES, "dora", {**body, "key": "k"})
        assert code(answer) == "400 reference_unknown", body


def test_one_that_a_version_names_stays(api: ApiClient, world: World) -> None:
    version = f"/image_versions/{world.versions['closed']}"
    identity = world.identities["alice@west"]
    assert api.patch(version, "alice", {"identity": identity}).status_code == 200
    assert code(api.delete(f"{IDENTITIES}/{identity}", "dora")) == "409 identity_in_use"
    assert api.delete(version, "alice").status_code == 204
    assert code(api.delete(f"{IDENTITIES}/{identity}", "dora")) == "409 identity_in_use"
    assert api.patch(version, "alice", {"identity": None}).status_code == 200
    assert api.delete(f"{IDENTITIES}/{identity}", "dora").status_code == 204


def test_the_identity_of_a_version_is_ones_own(api: ApiClient, world: World, bobs: str) -> None:
    version = f"/image_versions/{world.versions['kept']}"
    for who in ("alice", "dora"):
        patch = {"identity": world.identities["bob@west"]}
        assert code(api.patch(version, who, patch)) == "400 reference_unknown", who
    mine = api.patch(version, "bob", {"identity": world.identities["bob@west"]})
    assert mine.json["identity"]["provider"]["slug"] == "west"
    # To others it is its id alone; unchanged, it is not checked again.
    theirs = api.get(version, "alice").json
    assert theirs["identity"] == {"id": world.identities["bob@west"]}
    theirs["change_log"] = "edited"
    assert api.patch(version, "alice", theirs).json["change_log"] == "edited"
