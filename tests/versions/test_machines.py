"""Machines: one copy of a version on one provider, with a unique identifier."""

from typing import Any

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, ids, publish
from tests.support.cast import World
from tests.support.client import ApiClient, Result, code

MACHINES = "/api/v2/provider_machines"


def place(api: ApiClient, version: str, identifier: str, who: str = "alice", **more: Any) -> Result:
    body = {"version": version, "provider": "east", "identifier": identifier} | more
    return api.post(MACHINES, who, body)


def machine_of(api: ApiClient, world: World, image: str, provider: str = "east") -> str:
    """The address of the machine that the cast has there."""
    [found] = api.get(f"{MACHINES}?identifier={image}-{provider}", "dora").json["results"]
    return str(found["url"])


# ── who ────────────────────────────────────────────────────────────────────────────────────


def test_machines_on_a_private_provider_are_visible_to_its_account_holders(
    api: ApiClient, world: World
) -> None:
    bobs = {machine["identifier"] for machine in api.all(MACHINES, "bob")}
    assert bobs == {f"{i}-{p}" for i in ("open", "shared", "kept") for p in ("east", "west")}
    assert len(api.all(MACHINES, "alice")) == len(api.all(MACHINES, "dora")) == 12


def test_who_can_create_and_change_a_machine(api: ApiClient, world: World) -> None:
    kept = world.versions["kept"]
    # bob keeps the version, and has an identity on west alone.
    assert code(place(api, kept, "new", "bob")) == "403 identity_required"
    west = place(api, kept, "new", "bob", provider="west")
    assert west.status_code == 201
    assert api.patch(west.json["url"], "bob", {"size_gb": 2}).json["size_gb"] == 2
    east = machine_of(api, world, "kept")
    assert code(api.patch(east, "bob", {"size_gb": 2})) == "403 change_forbidden"
    assert code(api.delete(east, "bob")) == "403 change_forbidden"
    # Having an identity is not enough where the version is another's.
    shared = place(api, world.versions["shared"], "new", "bob", provider="west")
    assert code(shared) == "403 change_forbidden"
    assert place(api, kept, "staff's", "dora").status_code == 201
    assert api.delete(east, "dora").status_code == 204


# ── what ───────────────────────────────────────────────────────────────────────────────────


def test_the_fields_of_a_machine(api: ApiClient, world: World, clock: Clock) -> None:
    answer = place(
        api, world.versions["open"], " ami-1 ", architecture=" arm64 ", size_gb=8, checksum="md5:0"
    )
    assert answer.status_code == 201
    machine = answer.json
    assert answer.headers["location"] == machine["url"] == f"{MACHINES}/{machine['id']}"
    assert list(machine) == [
        "id", "uuid", "url", "version", "image", "provider", "identifier", "size_gb",
        "architecture", "checksum", "created_by", "start_date", "end_date", "architecture_given",
    ]  # fmt: skip
    assert (machine["identifier"], machine["architecture"]) == ("ami-1", "arm64")
    assert (machine["size_gb"], machine["checksum"]) == (8, "md5:0")
    assert (machine["start_date"], machine["end_date"]) == (clock.now, None)
    assert machine["version"]["id"] == world.versions["open"]
    assert machine["image"]["slug"] == "open-image"
    assert machine["provider"]["name"] == "east"
    assert machine["created_by"]["username"] == "alice"
    assert api.get(f"{MACHINES}/{machine['uuid'].upper()}").json == machine
    inside = api.get(f"/image_versions/{world.versions['open']}").json["machines"]
    assert machine["id"] in ids(inside)


def test_sending_back_what_get_returned_changes_nothing(
    api: ApiClient, db: Database, world: World
) -> None:
    one = machine_of(api, world, "kept", "west")
    before = everything(db)
    for who in ("alice", "bob", "dora"):
        got = api.get(one, who)
        answer = api.patch(one, who, got.json)
        assert answer.content == got.content
        assert answer.headers["etag"] == got.headers["etag"]
    assert everything(db) == before


def test_invalid_fields_are_refused(api: ApiClient, db: Database, world: World) -> None:
    one = machine_of(api, world, "open")
    before = everything(db)
    refused = [
        ({"version": world.versions["closed"]}, "400 field_read_only"),
        ({"image": world.images["closed"]}, "400 field_read_only"),
        ({"provider": "west"}, "400 field_read_only"),
        ({"created_by": "bob"}, "400 field_read_only"),
        ({"name": "x"}, "400 field_invalid"),
        ({"identifier": " "}, "400 field_invalid"),
        ({"identifier": "a\nb"}, "400 field_invalid"),
        ({"identifier": "x" * 513}, "400 field_invalid"),
        ({"size_gb": 2**31}, "400 field_invalid"),
        ({"size_gb": 1.5}, "400 field_invalid"),
        ({"start_date": None}, "400 field_invalid"),
        ({"end_date": "2001-01-01T00:00:00Z"}, "400 field_invalid"),
    ]
    for body, expected in refused:
        assert code(api.patch(one, "alice", {"architecture": "arm64"} | body)) == expected, body
    for missing in ("version", "provider", "identifier"):
        body = {"version": world.versions["open"], "provider": "east", "identifier": "x"}
        del body[missing]
        answer = api.post(MACHINES, "alice", body)
        assert answer.json["errors"] == [{"field": missing, "detail": "is required"}]
    assert everything(db) == before


# ── unique while it has no end ─────────────────────────────────────────────────────────────


def test_an_identifier_is_unique_in_an_image_among_machines_without_an_end(
    api: ApiClient, db: Database, world: World
) -> None:
    second = publish(api, "second")["id"]
    before = everything(db)
    for version in (world.versions["open"], second):
        assert code(place(api, version, "open-east")) == "409 machine_taken"
    assert everything(db) == before
    # On another provider, and in another image, the same id may stand.
    assert place(api, second, "open-east", provider="west").status_code == 201
    assert place(api, world.versions["closed"], "open-east").status_code == 201
    # One that will end leaves its place already.
    one = machine_of(api, world, "shared")
    api.patch(one, "alice", {"end_date": "2030-01-01T00:00:00Z"})
    assert place(api, world.versions["shared"], "shared-east").status_code == 201
    answer = api.patch(one, "alice", {"end_date": None})
    assert code(answer) == "409 machine_taken"
    assert api.get(one, "alice").json["end_date"] == "2030-01-01T00:00:00.000000Z"


def test_an_identifier_that_comes_back_ends_the_machine_of_another_version_if_one_may_end_it(
    api: ApiClient, db: Database, world: World, clock: Clock
) -> None:
    one = machine_of(api, world, "open")
    clock.move(hours=1)
    again = {"provider": "east", "identifier": "open-east", "take_identifier": True}
    before = everything(db)
    body = {"name": "second", "image": "open-image", "machines": [again]}
    assert code(api.post("/image_versions", "alice", body | {"machines": [again, again]})) == (
        "409 machine_taken"
    )
    refused = api.post("/image_versions", "alice", body | {"parent": "open-image/none"})
    assert refused.status_code == 400
    assert everything(db) == before
    second = publish(api, "second", machines=[again])
    [new] = second["machines"]
    assert (new["identifier"], new["end_date"]) == ("open-east", None)
    assert api.get(one, "alice").json["end_date"] == clock.now
    # Back to the version that had it: the same machine, restored.
    back = place(api, world.versions["open"], "open-east", take_identifier=True)
    assert (back.status_code, back.json["url"]) == (200, one)
    assert api.get(f"{MACHINES}/{new['id']}", "alice").json["end_date"] == clock.now
    # Its own version's machine stays, and so does that of a version of others.
    own = place(api, world.versions["open"], "open-east", take_identifier=True)
    assert code(own) == "409 machine_taken"
    bobs = publish(api, "bobs", who="bob", image="kept")["id"]
    hers = publish(api, "hers", image="kept", machines=[{"provider": "west", "identifier": "w"}])
    assert api.patch("/api/v2/images/kept-image", "alice", {"maintainers": []}).status_code == 200
    taken = place(api, bobs, "w", "bob", provider="west", take_identifier=True)
    assert code(taken) == "409 machine_taken"
    assert api.get(f"/image_versions/{hers['id']}", "alice").json["machines"]


def test_an_identifier_cannot_be_changed_to_a_taken_one(api: ApiClient, world: World) -> None:
    other = place(api, world.versions["open"], "other").json["url"]
    answer = api.patch(other, "alice", {"identifier": "open-east"})
    assert code(answer) == "409 machine_taken"
    assert api.patch(other, "alice", {"identifier": "free"}).json["identifier"] == "free"


def test_creating_an_ended_machine_of_the_same_version_restores_it(
    api: ApiClient, db: Database, world: World, clock: Clock
) -> None:
    one = machine_of(api, world, "open")
    machine = api.get(one).json
    api.delete(one, "alice")
    clock.move(hours=1)
    answer = place(api, world.versions["open"], "open-east", architecture="arm64")
    assert answer.status_code == 200
    assert answer.headers["location"] == one
    restored = answer.json
    assert (restored["id"], restored["uuid"]) == (machine["id"], machine["uuid"])
    assert (restored["end_date"], restored["architecture"]) == (None, "arm64")
    assert api.get(one).status_code == 200
    restorations = [entry for entry in everything(db)["audit"] if "'machine:restore'" in entry]
    assert len(restorations) == 1
    assert code(place(api, world.versions["open"], "open-east")) == "409 machine_taken"


def test_an_ended_machine_of_another_version_is_not_restored(api: ApiClient, world: World) -> None:
    one = machine_of(api, world, "open")
    api.delete(one, "alice")
    second = publish(api, "second")["id"]
    moved = place(api, second, "open-east")
    assert moved.status_code == 201
    # Its identifier is taken now, so no route can restore it.
    assert code(place(api, world.versions["open"], "open-east")) == "409 machine_taken"
    assert code(api.patch(one, "alice", {"end_date": None})) == "409 machine_taken"
    api.delete(moved.json["url"], "alice")
    assert api.patch(one, "alice", {"end_date": None}).json["end_date"] is None


# ── ending ─────────────────────────────────────────────────────────────────────────────────


def test_delete_ends_it_once(api: ApiClient, db: Database, world: World, clock: Clock) -> None:
    one, ended_at = machine_of(api, world, "open"), clock.now
    assert api.delete(one, "alice").status_code == 204
    after = everything(db)
    clock.move(hours=1)
    assert api.delete(one, "alice").status_code == 204
    assert everything(db) == after
    assert api.get(one).status_code == 404
    assert api.get(one, "alice").json["end_date"] == ended_at
    # The version no longer lists it; its editors' list of machines does.
    version = world.versions["open"]
    inside = api.get(f"/image_versions/{version}", "alice").json["machines"]
    assert [machine["identifier"] for machine in inside] == ["open-west"]
    listed = api.all(f"{MACHINES}?version_id={version}", "alice")
    assert {machine["identifier"] for machine in listed} == {"open-east", "open-west"}


def test_a_machine_on_an_inactive_provider_is_not_offered(api: ApiClient, world: World) -> None:
    version, one = f"/image_versions/{world.versions['open']}", machine_of(api, world, "open")
    for out, back in (
        ({"active": False}, {"active": True}),
        ({"end_date": "2026-06-15T12:00:00Z"}, {"end_date": None}),
    ):
        assert api.patch("/api/v2/providers/east", "dora", out).status_code == 200
        assert api.get(version).json["machines"] == []
        assert api.get(one).status_code == 404
        assert api.get(one, "alice").status_code == 200
        api.patch("/api/v2/providers/east", "dora", back)
        assert len(api.get(version).json["machines"]) == 1


def test_the_lists_filters(api: ApiClient, world: World) -> None:
    place(api, world.versions["closed"], "shared-id", architecture="arm64")
    place(api, world.versions["open"], "shared-id", architecture="arm64")
    whole = api.all(MACHINES, "alice")
    asked = {
        f"version_id={world.versions['open']}": lambda m: (
            m["version"]["id"] == world.versions["open"]
        ),
        "provider=west": lambda m: m["provider"]["name"] == "west",
        "identifier=shared-id": lambda m: m["identifier"] == "shared-id",
        "name=shared-id": lambda m: m["identifier"] == "shared-id",
        "architecture=arm64": lambda m: m["architecture"] == "arm64",
        "architecture=arm": lambda m: False,
        "version_id=0190a0b0-0000-7000-8000-000000000000": lambda m: False,
    }
    for query, holds in asked.items():
        answer = api.get(f"{MACHINES}?{query}", "alice").json
        assert answer["results"] == [machine for machine in whole if holds(machine)], query
        assert answer["count"] == len(answer["results"])
    # The provider that charlie may not see is for him like none.
    assert api.all(f"{MACHINES}?provider=west", "charlie") == []
    assert len(api.all(f"{MACHINES}?identifier=shared-id", "charlie")) == 1
