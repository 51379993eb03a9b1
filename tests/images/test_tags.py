"""Tags: made on first use, given by name, renamed by staff; search follows."""

import pytest

from tests.support.cast import World
from tests.support.client import ApiClient, code

TAGS = "/api/v2/tags"


@pytest.fixture
def image(world: World) -> str:
    return f"/api/v2/images/{world.images['open']}"


def tag(api: ApiClient, name: str) -> str:
    """The address of a tag."""
    [found] = api.all(f"{TAGS}?name={name}", "dora")
    return str(found["url"])


def names(api: ApiClient, who: str | None = None) -> list[str]:
    return [found["name"] for found in api.all(TAGS, who)]


def test_a_tag_is_created_on_first_use_and_compared_by_its_key(api: ApiClient, image: str) -> None:
    tags = api.patch(image, "alice", {"tags": ["Linux", " linux ", "LINUX", "web server"]}).json[
        "tags"
    ]
    assert [tag["name"] for tag in tags] == ["Linux", "web server"]
    other = api.post("/api/v2/images", "bob", {"name": "other", "tags": ["LINUX"]}).json
    assert other["tags"] == [tags[0]]
    assert names(api, "dora").count("Linux") == 1
    # The objects that a GET gave name them too.
    assert api.patch(image, "alice", {"tags": tags}).json["tags"] == tags
    assert api.patch(image, "alice", {"tags": []}).json["tags"] == []


def test_tags_are_checked(api: ApiClient, image: str) -> None:
    for wrong in (["  "], ["a\nb"], ["a" * 257], "linux", [7]):
        assert code(api.patch(image, "alice", {"tags": wrong})) == "400 field_invalid", wrong
    assert code(api.patch(image, "alice", {"tags": [{"id": 10**6}]})) == "400 reference_unknown"
    # A hidden tag is not to be found out by its id; by its name it is simply used.
    hidden = api.get(tag(api, "closed-tag"), "dora").json["id"]
    mine = api.post("/api/v2/images", "charlie", {"name": "mine"}).json["url"]
    assert code(api.patch(mine, "charlie", {"tags": [{"id": hidden}]})) == "400 reference_unknown"
    assert api.patch(mine, "charlie", {"tags": ["closed-tag"]}).json["tags"][0]["id"] == hidden


def test_staff_rename_a_tag_and_search_follows(api: ApiClient, image: str, world: World) -> None:
    def found(word: str) -> tuple[int, int, int]:
        counts = (
            api.get(f"{address}?search={word}", "alice").json["count"]
            for address in ("/image_versions", "/api/v2/images", TAGS)
        )
        return tuple(counts)  # type: ignore[return-value]

    api.patch(image, "alice", {"tags": ["penguin"]})
    assert (found("penguin"), found("gentoo")) == ((1, 1, 1), (0, 0, 0))
    renamed = api.patch(tag(api, "penguin"), "dora", {"name": "Gentoo", "description": "a bird"})
    assert (renamed.json["name"], renamed.json["description"]) == ("Gentoo", "a bird")
    assert (found("penguin"), found("gentoo")) == ((0, 0, 0), (1, 1, 1))
    assert api.get(image).json["tags"][0]["name"] == "Gentoo"
    assert api.get("/image_versions?tag=gentoo").json["count"] == 1
    assert api.get("/image_versions?tag=penguin").json["count"] == 0
    # Its description is the tag's own, not its images'.
    assert found("bird") == (0, 0, 1)


def test_tag_names_are_unique(api: ApiClient) -> None:
    one = tag(api, "open-tag")
    assert code(api.patch(one, "dora", {"name": "Closed-Tag"})) == "409 tag_name_taken"
    assert api.patch(one, "dora", {"name": "Open-Tag"}).json["name"] == "Open-Tag"
    given = api.get(one, "dora")
    assert api.patch(one, "dora", given.json).content == given.content


def test_a_tag_is_removed_only_when_unused(api: ApiClient, image: str) -> None:
    one = tag(api, "open-tag")
    assert code(api.delete(one, "dora")) == "409 tag_in_use"
    # An ended image counts too.
    assert code(api.delete(tag(api, "ended-tag"), "dora")) == "409 tag_in_use"
    api.patch(image, "alice", {"tags": []})
    # Nobody but staff sees what no image carries.
    assert code(api.get(one, "alice")) == "404 not_found"
    assert api.get(one, "dora").status_code == 200
    assert api.delete(one, "dora").status_code == 204
    assert code(api.delete(one, "dora")) == "404 not_found"
    again = api.patch(image, "alice", {"tags": ["open-tag"]}).json["tags"][0]
    assert again["url"] != one
