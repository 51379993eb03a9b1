"""Pairings: attaching and detaching licenses, groups and scripts, as resources of their own."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.cast import World
from tests.support.client import Door, code


@dataclass(frozen=True)
class Kind:
    """One pairing: its address, its field beside `image_version`, and the version's list."""

    address: str
    member: str
    field: str
    things: str


KINDS = (
    Kind("/api/v2/image_version_licenses", "license", "licenses", "/api/v2/licenses"),
    Kind("/api/v2/image_version_memberships", "group", "membership", "/api/v2/groups"),
    Kind("/api/v2/image_version_boot_scripts", "boot_script", "scripts", "/api/v2/boot_scripts"),
)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.member for kind in KINDS])


def new_thing(door: Door, kind: Kind) -> dict[str, Any]:
    """Something of alice's that is attached to nothing."""
    if kind.member == "group":
        made = door.post(kind.things, "dora", {"name": "crew", "leaders": ["alice"]})
    else:
        type_ = "Full Text" if kind.member == "license" else "Raw Text"
        made = door.post(kind.things, "alice", {"title": "t", "type": type_, "text": "words"})
    assert made.status_code == 201, made.text
    return dict(made.json)


def attach(door: Door, kind: Kind, who: str | None, version: str, thing: Any) -> Any:
    return door.post(kind.address, who, {"image_version": version, kind.member: thing})


@every_kind
def test_anonymous_sees_public_versions_licenses_and_scripts_and_no_membership(
    door: Door, world: World, kind: Kind
) -> None:
    thing = new_thing(door, kind)
    made = attach(door, kind, "alice", world.versions["open"], thing["id"]).json
    shown = [pairing["image_version"]["id"] for pairing in door.all(kind.address)]
    assert set(shown) == (set() if kind.member == "group" else {world.versions["open"]})
    status = door.get(made["url"]).status_code
    assert status == (404 if kind.member == "group" else 200)
    assert code(attach(door, kind, None, world.versions["open"], thing["id"])) == (
        "401 credentials_required"
    )
    assert code(door.delete(made["url"])) == "401 credentials_required"


@every_kind
def test_a_stranger_learns_nothing_of_what_they_may_not_see(
    door: Door, world: World, kind: Kind
) -> None:
    thing = new_thing(door, kind)
    closed = attach(door, kind, "alice", world.versions["closed"], thing["id"]).json
    assert code(door.get(closed["url"], "charlie")) == "404 not_found"
    assert code(door.delete(closed["url"], "charlie")) == "404 not_found"
    for query in (f"version_id={world.versions['closed']}", "name=t", "name=crew"):
        assert door.get(f"{kind.address}?{query}", "charlie").json["count"] == 0, query
    hidden = attach(door, kind, "charlie", world.versions["closed"], thing["id"])
    absent = attach(door, kind, "charlie", "0190f0e0-0000-7000-8000-000000000000", thing["id"])
    assert code(hidden) == code(absent) == "400 reference_unknown"


@every_kind
def test_who_reads_a_version_does_not_change_it_here_either(
    door: Door, world: World, kind: Kind
) -> None:
    thing = new_thing(door, kind)
    answer = attach(door, kind, "charlie", world.versions["open"], thing["id"])
    assert code(answer) == "403 change_forbidden"
    if kind.member != "group":
        made = attach(door, kind, "alice", world.versions["open"], thing["id"]).json
        assert code(door.delete(made["url"], "charlie")) == "403 change_forbidden"


@every_kind
def test_attaching_and_detaching_is_the_change_of_the_versions_list(
    door: Door, world: World, kind: Kind
) -> None:
    version = f"/image_versions/{world.versions['kept']}"
    thing = new_thing(door, kind)
    before = [item["id"] for item in door.get(version, "alice").json[kind.field]]
    made = attach(door, kind, "alice", world.versions["kept"], {"id": thing["id"]})
    assert made.status_code == 201
    assert made.headers["location"] == made.json["url"] == f"{kind.address}/{made.json['id']}"
    assert list(made.json) == ["id", "uuid", "url", "image_version", kind.member]
    assert made.json["image_version"]["name"] == "kept-1.0"
    assert made.json[kind.member]["uuid"] == thing["uuid"]
    after = [item["id"] for item in door.get(version, "alice").json[kind.field]]
    assert after == [*before, thing["id"]]
    assert door.get(f"{kind.address}/{made.json['uuid']}", "alice").json == made.json
    assert door.delete(made.json["url"], "alice").status_code == 204
    assert [item["id"] for item in door.get(version, "alice").json[kind.field]] == before
    assert code(door.get(made.json["url"], "alice")) == "404 not_found"
    assert code(door.delete(made.json["url"], "alice")) == "404 not_found"
    # History tells it as a PATCH of the list.
    door.patch(version, "alice", {kind.field: after})
    door.patch(version, "alice", {kind.field: before})
    told = [
        (entry["action"], entry["by"]["username"], entry["changes"])
        for entry in door.all(f"{version}/history", "alice")[1:]
    ]
    assert len(told) == 4
    assert told[:2] == told[2:]
    assert list(told[0][2]) == [kind.field]


@every_kind
def test_twice_answers_the_pairing_that_is_there(door: Door, world: World, kind: Kind) -> None:
    thing = new_thing(door, kind)
    version = world.versions["closed"]
    first = attach(door, kind, "alice", version, thing["id"])
    entries = door.get(f"/image_versions/{version}/history", "alice").json["count"]
    for ref in (thing["id"], thing["uuid"], thing["uuid"].upper(), thing, {"uuid": thing["uuid"]}):
        again = attach(door, kind, "alice", version, ref)
        assert (again.status_code, again.json) == (200, first.json), ref
    assert door.get(f"/image_versions/{version}/history", "alice").json["count"] == entries


@every_kind
def test_the_list_is_filtered_by_version_and_name(door: Door, world: World, kind: Kind) -> None:
    thing = new_thing(door, kind)
    name = thing.get("title", thing.get("name"))
    for version in ("open", "closed"):
        attach(door, kind, "alice", world.versions[version], thing["id"])
    for version in ("open", "closed"):
        asked = f"{kind.address}?version_id={world.versions[version]}&name={name}"
        [found] = door.all(asked, "alice")
        assert found["image_version"]["id"] == world.versions[version]
    assert code(door.get(f"{kind.address}?version_id=7")) == "400 parameter_invalid"
    absent = "0190f0e0-0000-7000-8000-000000000000"
    assert door.get(f"{kind.address}?version_id={absent}", "alice").json["count"] == 0


@every_kind
def test_unknown_things_are_refused(door: Door, world: World, kind: Kind) -> None:
    for ref in (10**6, "0190f0e0-0000-7000-8000-000000000000", {}, -1):
        answer = attach(door, kind, "alice", world.versions["open"], ref)
        assert code(answer) == "400 reference_unknown", ref
        assert answer.json["errors"][0]["field"] == kind.member
    answer = door.post(kind.address, "alice", {"image_version": world.versions["open"]})
    assert code(answer) == "400 field_invalid"


def test_memberships_show_to_keepers_and_to_the_groups_members(door: Door, world: World) -> None:
    memberships = KINDS[1].address
    by_name = attach(door, KINDS[1], "alice", world.versions["shared"], "charlie").json

    def groups(who: str | None) -> list[str]:
        found = door.all(f"{memberships}?version_id={world.versions['shared']}", who)
        return [pairing["group"]["name"] for pairing in found]

    assert groups("alice") == groups("dora") == ["lab", "charlie"]
    assert groups("bob") == ["lab"]
    assert groups("charlie") == ["charlie"]
    assert groups(None) == []
    assert code(door.get(by_name["url"], "bob")) == "404 not_found"
    assert door.get(f"{memberships}?name=charlie", "bob").json["count"] == 0
    # Charlie may read it, and not leave by it: only keepers change a version.
    assert code(door.delete(by_name["url"], "charlie")) == "403 change_forbidden"
    assert door.delete(by_name["url"], "alice").status_code == 204
    assert code(door.get(f"/image_versions/{world.versions['shared']}", "charlie")) == (
        "404 not_found"
    )


def test_a_script_is_attached_here_by_the_same_rule(door: Door, world: World) -> None:
    scripts = KINDS[2]
    setup = world.scripts["setup"]
    hidden = attach(door, scripts, "bob", world.versions["kept"], setup)
    assert code(hidden) == "400 reference_unknown"
    attach(door, scripts, "alice", world.versions["shared"], setup)
    seen = attach(door, scripts, "bob", world.versions["kept"], setup)
    assert code(seen) == "403 script_not_yours"
    assert attach(door, scripts, "alice", world.versions["kept"], setup).status_code == 201


def test_detaching_is_refused_where_the_pairing_is_not_the_one_read(
    door: Door, world: World
) -> None:
    [pairing] = door.all(f"{KINDS[1].address}?version_id={world.versions['shared']}", "alice")
    read = door.get(pairing["url"], "alice").headers["etag"]
    door.patch(f"/image_versions/{world.versions['shared']}", "alice", {"name": "renamed"})
    late = door.delete(pairing["url"], "alice", headers={"If-Match": read})
    assert code(late) == "412 precondition_failed"
    now = door.get(pairing["url"], "alice").headers["etag"]
    assert door.delete(pairing["url"], "alice", headers={"If-Match": now}).status_code == 204
