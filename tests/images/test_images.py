"""Images: their slugs, tags and editors, and the versions they list."""

import re
from typing import Any

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, ids, made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code

IMAGES = "/api/v2/images"


def address(image: Any) -> str:
    return f"{IMAGES}/{image}"


# ── who ────────────────────────────────────────────────────────────────────────────────────


def test_bob_reads_images_that_he_edits_or_has_a_shared_version_of(
    api: ApiClient, world: World
) -> None:
    assert ids(api.all(IMAGES, "bob")) == [world.images[n] for n in ("open", "shared", "kept")]
    assert api.patch(address("kept-image"), "bob", {"description": "b"}).status_code == 200
    refused = api.patch(address("shared-image"), "bob", {"description": "b"})
    assert code(refused) == "403 change_forbidden"


# ── making and editing one ─────────────────────────────────────────────────────────────────


def test_any_user_creates_an_image_and_owns_it(api: ApiClient, clock: Clock) -> None:
    answer = api.post(IMAGES, "charlie", {"name": "  Ubuntu 24.04 LTS "})
    image = answer.json
    assert answer.headers["location"] == image["url"] == address(image["id"])
    assert (image["name"], image["slug"]) == ("Ubuntu 24.04 LTS", "ubuntu-24-04-lts")
    assert image["owner"]["username"] == image["created_by"]["username"] == "charlie"
    assert (image["is_public"], image["start_date"], image["end_date"]) == (False, clock.now, None)
    assert (image["tags"], image["maintainers"], image["description"]) == ([], [], "")
    assert (image["versions"], image["versions_count"]) == ([], 0)
    assert image["versions_url"] == f"/api/v2/image_versions?image_id={image['id']}"
    assert api.get(answer.headers["location"], "charlie").json == image
    assert api.get(answer.headers["location"]).status_code == 404


def test_sending_back_what_get_returned_changes_nothing(
    api: ApiClient, db: Database, world: World
) -> None:
    before = everything(db)
    for who, image in (("alice", "open"), ("alice", "ended"), ("bob", "kept"), ("dora", "kept")):
        got = api.get(address(f"{image}-image"), who)
        answer = api.patch(address(f"{image}-image"), who, got.json)
        assert answer.content == got.content
        assert answer.headers["etag"] == got.headers["etag"]
    assert everything(db) == before


def test_fields_that_are_refused(api: ApiClient, db: Database, world: World) -> None:
    before = everything(db)
    refused = [
        ({"created_by": "bob"}, "400 field_read_only"),
        ({"id": 7777}, "400 field_read_only"),
        ({"uuid": "0190a0b0-0000-7000-8000-000000000000"}, "400 field_read_only"),
        ({"name": " "}, "400 field_invalid"),
        ({"name": "a\u000bb"}, "400 field_invalid"),
        ({"slug": None}, "400 field_invalid"),
        ({"public": True}, "400 field_invalid"),
        ({"is_public": 1}, "400 field_invalid"),
        ({"tags": "linux"}, "400 field_invalid"),
        ({"tags": [""]}, "400 field_invalid"),
        ({"tags": ["t"] * 501}, "400 field_invalid"),
        ({"maintainers": ["nobody"]}, "400 reference_unknown"),
        ({"owner": "nobody"}, "400 reference_unknown"),
        ({"owner": None}, "400 field_invalid"),
        ({"end_date": "2001-01-01T00:00:00Z"}, "400 field_invalid"),
        ({"description": "é" * 32769}, "400 field_invalid"),
    ]
    for body, expected in refused:
        answer = api.patch(address("open-image"), "alice", body)
        assert code(answer) == expected, body
        assert answer.json["errors"][0]["field"].split("[")[0] in body
    assert everything(db) == before


def test_computed_fields_are_ignored(api: ApiClient, world: World) -> None:
    before = api.get(address("open-image"), "alice").json
    sent = {"versions": [], "versions_count": 99, "versions_url": "", "url": ""}
    assert api.patch(address("open-image"), "alice", sent).json == before


# ── slugs ──────────────────────────────────────────────────────────────────────────────────


def test_a_slug_works_wherever_an_id_does(api: ApiClient, world: World) -> None:
    whole = api.get(address("open-image")).json
    for form in (whole["id"], whole["uuid"], whole["uuid"].upper(), "open-image"):
        assert api.get(address(form)).json == whole
        versions = api.get(f"/image_versions?image_id={form}").json["results"]
        assert ids(versions) == [world.versions["open"]]
    assert publish(api, "by slug")["image"]["slug"] == "open-image"


def test_a_derived_slug_that_is_taken_gets_four_more_characters(
    api: ApiClient, world: World
) -> None:
    slugs = [made(api, IMAGES, "charlie", name=name)["slug"] for name in ("Café ☕", "cafe")]
    assert slugs[0] == "cafe"
    assert re.fullmatch(r"cafe-[a-z0-9]{4}", slugs[1])
    # Nothing left, reserved, no letter, too long, shaped like a UUID.
    assert made(api, IMAGES, "charlie", name="日本")["slug"] == "image"
    assert re.fullmatch(r"new-[a-z0-9]{4}", made(api, IMAGES, "charlie", name="New")["slug"])
    assert re.fullmatch(r"image-[a-z0-9]{4}", made(api, IMAGES, "charlie", name="2024.1")["slug"])
    assert made(api, IMAGES, "charlie", name="x" * 256)["slug"] == "x" * 64
    assert re.fullmatch(r"x{59}-[a-z0-9]{4}", made(api, IMAGES, "charlie", name="X" * 70)["slug"])
    uuid = "0190a0b0-0000-7000-8000-00000000000a"
    assert made(api, IMAGES, "charlie", name=uuid)["slug"].startswith("image-")


def test_slugs_that_are_refused(api: ApiClient, db: Database, world: World) -> None:
    before = everything(db)
    malformed = (
        "", "A", "a_b", "-a", "a b", "ä", "a\n", "123", "1-2", "a" * 65,
        "0190a0b0-0000-7000-8000-00000000000a",
    )  # fmt: skip
    for slug in malformed:
        assert code(api.patch(address("open-image"), "alice", {"slug": slug})) == (
            "400 field_invalid"
        ), slug
        answer = api.post(IMAGES, "alice", {"name": "n", "slug": slug})
        assert code(answer) == "400 field_invalid", slug
    for slug in ("closed-image", "new", "edit", "search"):
        answer = api.patch(address("open-image"), "alice", {"slug": slug})
        assert code(answer) == "409 slug_unavailable", slug
        answer = api.post(IMAGES, "charlie", {"name": "n", "slug": slug})
        assert code(answer) == "409 slug_unavailable", slug
    assert everything(db) == before


def test_an_old_slug_keeps_working_and_is_never_given_to_another(
    api: ApiClient, world: World
) -> None:
    renamed = api.patch(address("open-image"), "alice", {"slug": "fresh", "name": "Fresh"}).json
    assert renamed["slug"] == "fresh"
    for slug in ("fresh", "open-image"):
        assert api.get(address(slug)).json == renamed
        assert api.get(f"/image_versions?image_id={slug}").json["count"] == 1
    other = {"name": "x", "slug": "open-image"}
    assert code(api.post(IMAGES, "charlie", other)) == "409 slug_unavailable"
    taken = made(api, IMAGES, "charlie", name="open image")["slug"]
    assert re.fullmatch(r"open-image-[a-z0-9]{4}", taken)
    # Its own old slug it may take again, by whichever address.
    back = api.patch(address("open-image"), "alice", {"slug": "open-image"})
    assert back.json["slug"] == "open-image"
    assert api.get(address("fresh")).json == back.json
    # The name alone moves no slug.
    api.patch(address("open-image"), "alice", {"name": "Quite another"})
    assert api.get(address("open-image")).json["name"] == "Quite another"


# ── editors ────────────────────────────────────────────────────────────────────────────────


def test_owner_and_maintainers_are_the_owners_and_staffs_to_change(
    api: ApiClient, db: Database, world: World
) -> None:
    kept = address("kept-image")
    before = everything(db)
    for body in ({"owner": "bob"}, {"maintainers": []}, {"maintainers": ["lab", "charlie"]}):
        assert code(api.patch(kept, "bob", {"name": "n"} | body)) == "403 owner_required"
    assert everything(db) == before
    both = api.patch(kept, "alice", {"maintainers": ["lab", "charlie"]}).json["maintainers"]
    assert {group["name"] for group in both} == {"lab", "charlie"}
    assert api.patch(kept, "charlie", {"description": "mine too"}).status_code == 200
    given = api.patch(kept, "dora", {"owner": "charlie", "maintainers": []}).json
    assert given["owner"]["username"] == "charlie"
    assert given["created_by"]["username"] == "alice"
    for who, status in (("charlie", 200), ("bob", 404), ("dora", 200)):
        assert api.get(f"/image_versions/{world.versions['kept']}", who).status_code == status


def test_maintainers_are_shown_to_editors_and_staff(api: ApiClient, world: World) -> None:
    api.patch(address("kept-image"), "alice", {"is_public": True})
    for who, shown in (("alice", 1), ("bob", 1), ("dora", 1), ("charlie", 0), (None, 0)):
        assert len(api.get(address("kept-image"), who).json["maintainers"]) == shown, who


def test_an_edit_that_hides_the_image_from_its_editor_answers_204(
    api: ApiClient, world: World
) -> None:
    image = made(api, IMAGES, "alice", name="a gift")
    answer = api.patch(image["url"], "alice", {"owner": "charlie", "name": "given"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert "etag" not in answer.headers
    assert api.get(image["url"], "alice").status_code == 404
    theirs = api.get(image["url"], "charlie").json
    assert (theirs["owner"]["username"], theirs["name"]) == ("charlie", "given")
    # The publisher of one of its versions still sees it.
    answer = api.patch(address("closed-image"), "alice", {"owner": "charlie"})
    assert answer.json["owner"]["username"] == "charlie"


# ── tags ───────────────────────────────────────────────────────────────────────────────────


def test_tags_are_created_on_first_use_and_given_by_name(api: ApiClient, world: World) -> None:
    image = api.patch(address("open-image"), "alice", {"tags": ["Linux", " linux ", "GPU"]}).json
    assert [tag["name"] for tag in image["tags"]] == ["GPU", "Linux"]
    other = api.patch(address("closed-image"), "alice", {"tags": ["LINUX"]}).json
    assert other["tags"] == [image["tags"][1]]
    seen = {tag["name"] for tag in api.all("/api/v2/tags")}
    assert seen == {"GPU", "Linux"}
    # Replaced whole; by the objects that a GET gave, too.
    image = api.patch(address("open-image"), "alice", {"tags": other["tags"]}).json
    assert image["tags"] == other["tags"]
    assert api.patch(address("open-image"), "alice", {"tags": []}).json["tags"] == []
    assert api.all("/api/v2/tags") == []


# ── versions ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.long_on_postgresql
def test_it_lists_its_newest_readable_versions_and_counts_all(
    api: ApiClient, db: Database, world: World, clock: Clock
) -> None:
    for n in range(101):
        publish(api, f"v{n}", start_date=f"2026-05-{1 + n // 5:02}T00:00:00Z")
    hidden = publish(api, "next", start_date="2027-01-01T00:00:00Z")
    ended = publish(api, "old", start_date="2026-06-01T00:00:00Z")
    api.delete(ended["url"], "alice")
    whole = api.get("/image_versions?image_id=open-image&page_size=1000", "alice").json["results"]
    whole.sort(key=lambda version: (version["start_date"], version["id"]), reverse=True)
    for who, unseen in ((None, {hidden["id"], ended["id"]}), ("alice", set())):
        image = api.get(address("open-image"), who).json
        readable = [version["id"] for version in whole if version["id"] not in unseen]
        assert image["versions_count"] == len(readable) == 104 - len(unseen)
        assert ids(image["versions"]) == readable[:100]
    shown = image["versions"][-1]
    assert shown["name"] and shown["url"] and shown["state"] == "current"


def test_delete_ends_it_and_its_versions_and_patch_restores(
    api: ApiClient, db: Database, world: World, clock: Clock
) -> None:
    ended_at = clock.now
    assert api.delete(address("open-image"), "alice").status_code == 204
    after = everything(db)
    clock.move(days=1)
    assert api.delete(address("open-image"), "alice").status_code == 204
    assert everything(db) == after
    assert api.get(address("open-image"), "alice").json["end_date"] == ended_at
    version = f"/image_versions/{world.versions['open']}"
    assert api.get(version).status_code == api.get(address("open-image")).status_code == 404
    assert api.get(version, "alice").json["state"] == "ended"
    assert api.patch(address("open-image"), "alice", {"end_date": None}).status_code == 200
    assert api.get(version).status_code == 200
    history = [entry for entry in everything(db)["audit"] if "'image:end'" in entry]
    assert len(history) == 1


def test_is_public_decides_whether_its_versions_are(api: ApiClient, world: World) -> None:
    version = f"/image_versions/{world.versions['closed']}"
    assert api.get(version).status_code == 404
    api.patch(address("closed-image"), "alice", {"is_public": True})
    assert api.get(version).json["image"]["is_public"] is True
    api.patch(address("closed-image"), "alice", {"is_public": False})
    assert api.get(version).status_code == 404
