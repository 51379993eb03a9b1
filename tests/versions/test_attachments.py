"""Attachments: attaching and detaching licenses, groups and scripts as resources."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.cast import World
from tests.support.client import ApiClient, code


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


def new_thing(api: ApiClient, kind: Kind) -> dict[str, Any]:
    """Something of alice's that is attached to nothing."""
    if kind.member == "group":
        made = api.post(kind.things, "dora", {"name": "crew", "leaders": ["alice"]})
    else:
        type_ = "Full Text" if kind.member == "license" else "Raw Text"
        made = api.post(kind.things, "alice", {"title": "t", "type": type_, "text": "words"})
    assert made.status_code == 201, made.text
    return dict(made.json)


def attach(api: ApiClient, kind: Kind, who: str | None, version: str, thing: Any) -> Any:
    return api.post(kind.address, who, {"image_version": version, kind.member: thing})


@every_kind
def test_anonymous_sees_public_versions_licenses_and_scripts_and_no_membership(
    api: ApiClient, world: World, kind: Kind
) -> None:
    thing = new_thing(api, kind)
    made = attach(api, kind, "alice", world.versions["open"], thing["id"]).json
    shown = [pairing["image_version"]["id"] for pairing in api.all(kind.address)]
    assert set(shown) == (set() if kind.member == "group" else {world.versions["open"]})
    status = api.get(made["url"]).status_code
    assert status == (404 if kind.member == "group" else 200)
    assert code(attach(api, kind, None, world.versions["open"], thing["id"])) == (
        "401 credentials_required"
    )
    assert code(api.delete(made["url"])) == "401 credentials_required"


@every_kind
def test_a_stranger_gets_404_for_hidden_versions(api: ApiClient, world: World, kind: Kind) -> None:
    thing = new_thing(api, kind)
    closed = attach(api, kind, "alice", world.versions["closed"], thing["id"]).json
    assert code(api.get(closed["url"], "charlie")) == "404 not_found"
    assert code(api.delete(closed["url"], "charlie")) == "404 not_found"
    for query in (f"version_id={world.versions['closed']}", "name=t", "name=crew"):
        assert api.get(f"{kind.address}?{query}", "charlie").json["count"] == 0, query
    hidden = attach(api, kind, "charlie", world.versions["closed"], thing["id"])
    absent = attach(api, kind, "charlie", "0190f0e0-0000-7000-8000-000000000000", thing["id"])
    assert code(hidden) == code(absent) == "400 reference_unknown"


@every_kind
def test_a_reader_of_a_version_cannot_attach_or_detach(
    api: ApiClient, world: World, kind: Kind
) -> None:
    thing = new_thing(api, kind)
    answer = attach(api, kind, "charlie", world.versions["open"], thing["id"])
    assert code(answer) == "403 change_forbidden"
    if kind.member != "group":
        made = attach(api, kind, "alice", world.versions["open"], thing["id"]).json
        assert code(api.delete(made["url"], "charlie")) == "403 change_forbidden"


@every_kind
def test_attaching_and_detaching_changes_the_versions_list(
    api: ApiClient, world: World, kind: Kind
) -> None:
    version = f"/image_versions/{world.versions['kept']}"
    thing = new_thing(api, kind)
    before = [item["id"] for item in api.get(version, "alice").json[kind.field]]
    made = attach(api, kind, "alice", world.versions["kept"], {"id": thing["id"]})
    assert made.status_code == 201
    assert made.headers["location"] == made.json["url"] == f"{kind.address}/{made.json['id']}"
    assert list(made.json) == ["id", "uuid", "url", "image_version", kind.member]
    assert made.json["image_version"]["name"] == "kept-1.0"
    assert made.json[kind.member]["uuid"] == thing["uuid"]
    after = [item["id"] for item in api.get(version, "alice").json[kind.field]]
    assert after == [*before, thing["id"]]
    assert api.get(f"{kind.address}/{made.json['uuid']}", "alice").json == made.json
    assert api.delete(made.json["url"], "alice").status_code == 204
    assert [item["id"] for item in api.get(version, "alice").json[kind.field]] == before
    assert code(api.get(made.json["url"], "alice")) == "404 not_found"
    assert code(api.delete(made.json["url"], "alice")) == "404 not_found"
    # History tells it as a PATCH of the list.
    api.patch(version, "alice", {kind.field: after})
    api.patch(version, "alice", {kind.field: before})
    recorded = [
        (entry["action"], entry["by"]["username"], entry["changes"])
        for entry in api.all(f"{version}/history", "alice")[1:]
    ]
    assert len(recorded) == 4
    assert recorded[:2] == recorded[2:]
    assert list(recorded[0][2]) == [kind.field]


@every_kind
def test_attaching_twice_returns_the_existing_attachment(
    api: ApiClient, world: World, kind: Kind
) -> None:
    thing = new_thing(api, kind)
    version = world.versions["closed"]
    first = attach(api, kind, "alice", version, thing["id"])
    entries = api.get(f"/image_versions/{version}/history", "alice").json["count"]
    for ref in (thing["id"], thing["uuid"], thing["uuid"].upper(), thing, {"uuid": thing["uuid"]}):
        again = attach(api, kind, "alice", version, ref)
        assert (again.status_code, again.json) == (200, first.json), ref
    assert api.get(f"/image_versions/{version}/history", "alice").json["count"] == entries


@every_kind
def test_the_list_is_filtered_by_version_and_name(api: ApiClient, world: World, kind: Kind) -> None:
    thing = new_thing(api, kind)
    name = thing.get("title", thing.get("name"))
    for version in ("open", "closed"):
        attach(api, kind, "alice", world.versions[version], thing["id"])
    for version in ("open", "closed"):
        asked = f"{kind.address}?version_id={world.versions[version]}&name={name}"
        [found] = api.all(asked, "alice")
        assert found["image_version"]["id"] == world.versions[version]
    assert code(api.get(f"{kind.address}?version_id=7")) == "400 parameter_invalid"
    absent = "0190f0e0-0000-7000-8000-000000000000"
    assert api.get(f"{kind.address}?version_id={absent}", "alice").json["count"] == 0


@every_kind
def test_unknown_things_are_refused(api: ApiClient, world: World, kind: Kind) -> None:
    for ref in (10**6, "0190f0e0-0000-7000-8000-000000000000", {}, -1):
        answer = attach(api, kind, "alice", world.versions["open"], ref)
        assert code(answer) == "400 reference_unknown", ref
        assert answer.json["errors"][0]["field"] == kind.member
    answer = api.post(kind.address, "alice", {"image_version": world.versions["open"]})
    assert code(answer) == "400 field_invalid"


def test_memberships_are_visible_to_editors_and_group_members(api: ApiClient, world: World) -> None:
    memberships = KINDS[1].address
    by_name = attach(api, KINDS[1], "alice", world.versions["shared"], "charlie").json

    def groups(who: str | None) -> list[str]:
        found = api.all(f"{memberships}?version_id={world.versions['shared']}", who)
        return [pairing["group"]["name"] for pairing in found]

    assert groups("alice") == groups("dora") == ["lab", "charlie"]
    assert groups("bob") == ["lab"]
    assert groups("charlie") == ["charlie"]
    assert groups(None) == []
    assert code(api.get(by_name["url"], "bob")) == "404 not_found"
    assert api.get(f"{memberships}?name=charlie", "bob").json["count"] == 0
    # Charlie may read the membership but not remove it: only editors change a version.
    assert code(api.delete(by_name["url"], "charlie")) == "403 change_forbidden"
    assert api.delete(by_name["url"], "alice").status_code == 204
    assert code(api.get(f"/image_versions/{world.versions['shared']}", "charlie")) == (
        "404 not_found"
    )


def test_attaching_a_script_follows_the_same_rule(api: ApiClient, world: World) -> None:
    scripts = KINDS[2]
    setup = world.scripts["setup"]
    hidden = attach(api, scripts, "bob", world.versions["kept"], setup)
    assert code(hidden) == "400 reference_unknown"
    attach(api, scripts, "alice", world.versions["shared"], setup)
    seen = attach(api, scripts, "bob", world.versions["kept"], setup)
    assert code(seen) == "403 script_not_yours"
    assert attach(api, scripts, "alice", world.versions["kept"], setup).status_code == 201


def test_detaching_with_a_stale_etag_is_refused(api: ApiClient, world: World) -> None:
    [pairing] = api.all(f"{KINDS[1].address}?version_id={world.versions['shared']}", "alice")
    read = api.get(pairing["url"], "alice").headers["etag"]
    api.patch(f"/image_versions/{world.versions['shared']}", "alice", {"name": "renamed"})
    late = api.delete(pairing["url"], "alice", headers={"If-Match": read})
    assert code(late) == "412 precondition_failed"
    now = api.get(pairing["url"], "alice").headers["etag"]
    assert api.delete(pairing["url"], "alice", headers={"If-Match": now}).status_code == 204
