"""A name of a version means that version for good, and a UUID always means an id."""

from typing import Any

from goldenrod.base.clock import Instant
from goldenrod.base.text import name_key
from goldenrod.sources.found import Found, FoundMachine
from goldenrod.sources.sync.import_releases import import_found
from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.pages.visitor import Visitor

VERSIONS = "/image_versions"


def publish(api: ApiClient, image: int | str, name: str, status: int = 201) -> Any:
    answer = api.post(VERSIONS, "alice", {"image": image, "name": name})
    assert answer.status_code == status, answer.text
    return answer.json


def rename(api: ApiClient, version: str, **changes: Any) -> None:
    answer = api.patch(f"{VERSIONS}/{version}", "alice", changes)
    assert answer.status_code == 200, answer.text


def page(visitor: Visitor, address: str) -> tuple[int, str]:
    answer = visitor.get(address, follow=False)
    return answer.status, answer.headers.get("location", "")


def test_a_name_that_a_version_had_still_means_it(
    api: ApiClient, visitor: Visitor, world: World
) -> None:
    first = publish(api, "open-image", "1.0")["id"]
    rename(api, first, name="1.0-final")
    rename(api, first, name="One")
    for taken in ("1.0", "1.0-FINAL", "one", "1.0\u00a0"):
        body = {"image": "open-image", "name": taken}
        refused = api.post(VERSIONS, "alice", body)
        assert code(refused) == "409 version_name_taken", taken
        assert "has or had the name" in refused.json["detail"]
        edit = api.patch(f"{VERSIONS}/{world.versions['open']}", "alice", {"name": taken})
        assert code(edit) == "409 version_name_taken"
    for old in ("1.0", "1.0-final", "ONE"):
        at = "/images/open-image/versions"
        assert page(visitor, f"{at}/{old}?on=east") == (303, f"{at}/One?on=east")
        found = api.get(f"{VERSIONS}?image_id=open-image&name={old}").json["results"]
        assert [version["id"] for version in found] == [first]
        assert api.get(f"{VERSIONS}?image_id=closed-image&name={old}", "dora").json["count"] == 0
    # It may have its own name back, and then keeps the one in between.
    rename(api, first, name="1.0")
    assert api.get(f"{VERSIONS}/{first}").json["name"] == "1.0"
    for taken in ("one", "1.0-final"):
        refused = api.post(VERSIONS, "alice", {"image": "open-image", "name": taken})
        assert code(refused) == "409 version_name_taken"
    # In another image these are free.
    publish(api, "closed-image", "one")


def test_a_moved_version_is_found_by_its_old_address_by_readers_of_that_image(
    api: ApiClient, visitor: Visitor, world: World
) -> None:
    moved = publish(api, "closed-image", "2.0")["id"]
    rename(api, moved, image="open-image", name="2.1")
    old = "/images/closed-image/versions/2.0"
    assert page(visitor, old)[0] == 404
    assert api.get(f"{VERSIONS}?name=2.0").json["count"] == 0
    visitor.sign_in("alice")
    assert page(visitor, old) == (303, "/images/open-image/versions/2.1")
    refused = api.post(VERSIONS, "alice", {"image": "closed-image", "name": "2.0"})
    assert code(refused) == "409 version_name_taken"
    publish(api, "open-image", "2.0")
    # Moved back, its first name is free for it alone.
    rename(api, moved, image="closed-image", name="2.0")
    assert page(visitor, old)[0] == 200
    refused = api.post(VERSIONS, "alice", {"image": "open-image", "name": "2.1"})
    assert code(refused) == "409 version_name_taken"


def test_an_import_finds_a_renamed_release_by_the_name_that_it_had(
    api: ApiClient, db: Database, world: World
) -> None:
    first = publish(api, "open-image", "1.0")["id"]
    second = publish(api, "open-image", "2.0")["id"]
    rename(api, first, name="one")
    rename(api, second, image="closed-image")
    count = api.get(f"{VERSIONS}?image_id=open-image").json["count"]
    found = []
    for name in ("1.0", "2.0"):
        machine = FoundMachine(
            provider="east", provider_type="", identifier=f"m-{name}", architecture=""
        )
        start = Instant("2026-01-01T00:00:00.000000Z")
        found.append(Found("open image", name, start, "", "", (), (machine,), name))
    report = import_found(db, found, owner="alice")
    assert not report.skipped
    assert report.of("version", "created") == 0
    assert api.get(f"{VERSIONS}/{first}", "dora").json["machines"], "it gets its machine"
    assert not api.get(f"{VERSIONS}/{second}", "dora").json["machines"], "moved: stays as it is"
    assert api.get(f"{VERSIONS}?image_id=open-image").json["count"] == count


def test_a_name_in_the_form_of_a_uuid_is_refused_and_a_stored_one_is_addressed_by_its_id(
    api: ApiClient, db: Database, visitor: Visitor, world: World
) -> None:
    one, other = world.versions["open"], publish(api, "open-image", "2.0")["id"]
    full_width = "".join(chr(ord(c) + 0xFEE0) for c in one)
    for name in (one, other.upper(), "01890a5d-ac96-774b-bcce-b302099a8057", full_width):
        for answer in (
            api.post(VERSIONS, "alice", {"image": "open-image", "name": name}),
            api.patch(f"{VERSIONS}/{one}", "alice", {"name": name}),
        ):
            assert code(answer) == "400 field_invalid"
            assert "form of a UUID" in answer.json["errors"][0]["detail"]
    # Two that were stored before, each named like the other's id.
    with db.write() as tx:
        for key, name in ((one, other), (other, one.upper())):
            tx.update(schema.versions, {"id": key}, name=name, name_key=name_key(name))
    for key in (one, other):
        at = f"/images/open-image/versions/{key}"
        shown = visitor.get(at, follow=False)
        assert shown.status == 200
        assert page(visitor, f"/images/open-image/versions/{key.upper()}") == (303, at)
        stored = api.get(f"{VERSIONS}/{key}", "alice").json
        assert api.patch(f"{VERSIONS}/{key}", "alice", stored).status_code == 200
    listed = visitor.get("/images/open-image/versions")
    assert f"/images/open-image/versions/{one}" in listed.links
