"""Tags: made on first use, given by name, renamed by staff; search follows."""

import pytest

from tests.support.cast import World
from tests.support.client import Door, code

TAGS = "/api/v2/tags"


@pytest.fixture
def image(world: World) -> str:
    return f"/api/v2/images/{world.images['open']}"


def tag(door: Door, name: str) -> str:
    """The address of a tag."""
    [found] = door.all(f"{TAGS}?name={name}", "dora")
    return str(found["url"])


def names(door: Door, who: str | None = None) -> list[str]:
    return [found["name"] for found in door.all(TAGS, who)]


def test_anonymous_sees_tags_of_public_images(door: Door) -> None:
    assert names(door) == ["open-tag"]
    one = tag(door, "open-tag")
    assert door.get(one).json["name"] == "open-tag"
    assert code(door.get(tag(door, "closed-tag"))) == "404 not_found"
    assert code(door.patch(one, None, {"name": "x"})) == "401 credentials_required"
    assert code(door.delete(one)) == "401 credentials_required"
    assert code(door.post(TAGS, None, {"name": "x"})) == "405 method_not_allowed"


def test_a_stranger_sees_no_tag_of_a_hidden_image(door: Door) -> None:
    assert names(door, "charlie") == ["open-tag"]
    hidden = tag(door, "closed-tag")
    assert code(door.get(hidden, "charlie")) == "404 not_found"
    assert code(door.patch(hidden, "charlie", {"name": "x"})) == "404 not_found"
    for query in ("name=closed-tag", "search=closed"):
        assert door.get(f"{TAGS}?{query}", "charlie").json["count"] == 0, query
    # Seen, but staff's to change: its image's owner's neither.
    for who in ("charlie", "alice"):
        shown = tag(door, "open-tag")
        assert code(door.patch(shown, who, {"name": "x"})) == "403 change_forbidden"
        assert code(door.delete(shown, who)) == "403 change_forbidden"


def test_a_tag_is_made_on_first_use_and_compared_by_its_key(door: Door, image: str) -> None:
    tags = door.patch(image, "alice", {"tags": ["Linux", " linux ", "LINUX", "web server"]}).json[
        "tags"
    ]
    assert [tag["name"] for tag in tags] == ["Linux", "web server"]
    other = door.post("/api/v2/images", "bob", {"name": "other", "tags": ["LINUX"]}).json
    assert other["tags"] == [tags[0]]
    assert names(door, "dora").count("Linux") == 1
    # The objects that a GET gave name them too.
    assert door.patch(image, "alice", {"tags": tags}).json["tags"] == tags
    assert door.patch(image, "alice", {"tags": []}).json["tags"] == []


def test_tags_are_checked(door: Door, image: str) -> None:
    for wrong in (["  "], ["a\nb"], ["a" * 257], "linux", [7]):
        assert code(door.patch(image, "alice", {"tags": wrong})) == "400 field_invalid", wrong
    assert code(door.patch(image, "alice", {"tags": [{"id": 10**6}]})) == "400 reference_unknown"
    # A hidden tag is not to be found out by its id; by its name it is simply used.
    hidden = door.get(tag(door, "closed-tag"), "dora").json["id"]
    mine = door.post("/api/v2/images", "charlie", {"name": "mine"}).json["url"]
    assert code(door.patch(mine, "charlie", {"tags": [{"id": hidden}]})) == "400 reference_unknown"
    assert door.patch(mine, "charlie", {"tags": ["closed-tag"]}).json["tags"][0]["id"] == hidden


def test_staff_rename_a_tag_and_search_follows(door: Door, image: str, world: World) -> None:
    def found(word: str) -> tuple[int, int, int]:
        counts = (
            door.get(f"{address}?search={word}", "alice").json["count"]
            for address in ("/image_versions", "/api/v2/images", TAGS)
        )
        return tuple(counts)  # type: ignore[return-value]

    door.patch(image, "alice", {"tags": ["penguin"]})
    assert (found("penguin"), found("gentoo")) == ((1, 1, 1), (0, 0, 0))
    renamed = door.patch(tag(door, "penguin"), "dora", {"name": "Gentoo", "description": "a bird"})
    assert (renamed.json["name"], renamed.json["description"]) == ("Gentoo", "a bird")
    assert (found("penguin"), found("gentoo")) == ((0, 0, 0), (1, 1, 1))
    assert door.get(image).json["tags"][0]["name"] == "Gentoo"
    assert door.get("/image_versions?tag=gentoo").json["count"] == 1
    assert door.get("/image_versions?tag=penguin").json["count"] == 0
    # Its description is the tag's own, not its images'.
    assert found("bird") == (0, 0, 1)


def test_a_name_is_one_tags(door: Door) -> None:
    one = tag(door, "open-tag")
    assert code(door.patch(one, "dora", {"name": "Closed-Tag"})) == "409 tag_name_taken"
    assert door.patch(one, "dora", {"name": "Open-Tag"}).json["name"] == "Open-Tag"
    given = door.get(one, "dora")
    assert door.patch(one, "dora", given.json).content == given.content


def test_a_tag_is_removed_only_when_unused(door: Door, image: str) -> None:
    one = tag(door, "open-tag")
    assert code(door.delete(one, "dora")) == "409 tag_in_use"
    # An ended image counts too.
    assert code(door.delete(tag(door, "ended-tag"), "dora")) == "409 tag_in_use"
    door.patch(image, "alice", {"tags": []})
    # Nobody but staff sees what no image carries.
    assert code(door.get(one, "alice")) == "404 not_found"
    assert door.get(one, "dora").status_code == 200
    assert door.delete(one, "dora").status_code == 204
    assert code(door.delete(one, "dora")) == "404 not_found"
    again = door.patch(image, "alice", {"tags": ["open-tag"]}).json["tags"][0]
    assert again["url"] != one
