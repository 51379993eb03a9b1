"""The contract, literally: its two JSON bodies against what the server answers."""

from typing import Any

import pytest

from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.contract import contract_bodies


@pytest.fixture
def example(api: ApiClient, world: World) -> str:
    """The id of a version made to match the contract's example."""
    parent = api.post(
        "/image_versions", "alice", {"name": "0.9", "image": world.images["open"]}
    ).json["id"]
    made = api.post(
        "/image_versions",
        "alice",
        {
            "name": "1.0",
            "image": world.images["open"],
            "parent": parent,
            "change_log": "21-August-2015 Updated something",
            "identity": world.identities["alice@east"],
            "start_date": "2015-10-11T10:50:50.123456Z",
            "machines": [{"provider": "east", "identifier": "example"}],
        },
    )
    assert made.status_code == 201, made.text
    return str(made.json["id"])


def same_shape(given: Any, expected: Any, path: str) -> None:
    """Every field of the contract is there, in its order, first, and of its type."""
    if isinstance(expected, dict):
        assert list(given)[: len(expected)] == list(expected), path
        for name, value in expected.items():
            same_shape(given[name], value, f"{path}.{name}")
    elif isinstance(expected, list):
        assert isinstance(given, list), path
        for value in expected:
            assert len(given) == len(expected), path
            same_shape(given[0], value, f"{path}[0]")
    else:
        assert type(given) is type(expected), path


def test_a_single_version_is_the_contracts(api: ApiClient, example: str) -> None:
    expected, _ = contract_bodies()
    given = api.get(f"/image_versions/{example}", "alice").json
    same_shape(given, expected, "version")
    for name in ("name", "change_log", "allow_imaging", "licenses", "membership", "scripts"):
        assert given[name] == expected[name], name
    assert given["start_date"] == expected["start_date"]
    assert given["end_date"] is None


def test_the_collection_is_the_contracts(api: ApiClient, example: str) -> None:
    _, expected = contract_bodies()
    # A slip of the contract: it shows the text "null" where JSON null is meant.
    assert expected["next"] == "null"
    expected["next"] = None
    given = api.get("/image_versions?name=1.0&created_by=alice", "alice").json
    assert list(given) == list(expected)
    assert given["count"] == 1
    same_shape(given, expected, "collection")


def test_both_addresses_answer_the_same(api: ApiClient, example: str) -> None:
    root, api = (api.get(f"{base}/image_versions/{example}") for base in ("", "/api/v2"))
    assert root.content == api.content
    assert root.headers["etag"] == api.headers["etag"]
    assert root.json["url"] == f"/api/v2/image_versions/{example}"


def test_patch_with_the_contracts_body(api: ApiClient, example: str) -> None:
    answer = api.patch(f"/image_versions/{example}", "alice", {"name": "new name"})
    assert answer.status_code == 200
    assert answer.json["name"] == "new name"


def test_without_credentials_the_public_ones(api: ApiClient, world: World) -> None:
    ids = {version["id"] for version in api.all("/image_versions")}
    assert ids == {world.versions["open"]}


def test_with_credentials_the_permitted_ones_too(api: ApiClient, world: World) -> None:
    ids = {version["id"] for version in api.all("/image_versions", "bob")}
    assert ids == {world.versions[name] for name in ("open", "shared", "kept")}
