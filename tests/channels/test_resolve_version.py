"""Resolving a version that is named in the address: `/resolve/{image}@{version}/{provider}`."""

from urllib.parse import quote

from tests.conftest import Clock
from tests.support.actions import publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import API, assign, release, restore, revoke

OPEN = "/resolve/open-image@open-1.0/east"


def test_a_named_version_resolves_as_a_channel_that_points_at_it(
    api: ApiClient, world: World, clock: Clock
) -> None:
    version = publish(
        api,
        "1.9",
        machines=[{"provider": "east", "identifier": "old", "architecture": "amd64"}],
        end_date="2026-12-31T23:59:59Z",
        deprecation={"at": "2026-06-14T00:00:00Z", "replacement": world.versions["open"]},
    )
    assign(api, version)
    for query in ("", "?architecture=x86_64", "?architecture=AMD64"):
        for headers in ({}, {"Accept": "text/plain"}):
            named = api.get(f"/resolve/open-image@1.9/east{query}", headers=headers)
            offered = api.get(f"/resolve/open-image/stable/east{query}", headers=headers)
            assert named.status_code == offered.status_code == 200
            for header in (
                "deprecation",
                "sunset",
                "link",
                "vary",
                "cache-control",
                "content-type",
            ):
                assert named.headers[header] == offered.headers[header]
            if not headers:
                assert named.json == offered.json | {"channel": None}
            else:
                assert named.content == offered.content == b"old\n"
                etag = {**headers, "If-None-Match": named.headers["etag"]}
                address = f"/resolve/open-image@1.9/east{query}"
                assert api.get(address, headers=etag).status_code == 304
    # By id, in either case, at both addresses; but not as a version of another image.
    by_id = api.get(f"{API}/resolve/open-image@{version['id'].upper()}/east")
    assert by_id.json["machine"]["identifier"] == "old"
    other = api.get(f"/resolve/shared-image@{version['id']}/east", "alice")
    assert code(other) == "404 not_found"


def test_a_versions_name_may_hold_at_signs_and_slashes(api: ApiClient, world: World) -> None:
    for number, name in enumerate(("a@b", "@", "1/2", "a/b/c", "é ü/@/x", "stable/east", "100%2F")):
        machine = {"provider": "east", "identifier": f"m{number}"}
        publish(api, name, machines=[machine])
        for written in {name, quote(name), quote(name, safe="")}:
            if (written == name and not name.isascii()) or ("%" in written and written == name):
                continue
            answer = api.get(
                f"/resolve/open-image@{written}/east", headers={"Accept": "text/plain"}
            )
            assert answer.content == f"m{number}\n".encode(), written
    for nothing in (
        "@",
        "@/",
        "@x",
        "open-image@",
        "open-image@/east",
        "@open-1.0/east",
        "a@b@c/d/",
    ):
        assert api.get(f"/resolve/{nothing}").status_code in (308, 404)


def test_a_former_name_still_means_the_version(api: ApiClient, world: World) -> None:
    api.patch(f"/image_versions/{world.versions['open']}", "alice", {"name": "renamed"})
    assert api.get(OPEN).json["version"]["name"] == "renamed"
    assert api.get("/resolve/open-image@RENAMED/east").json["version"]["name"] == "renamed"


def test_a_named_revoked_version_is_refused_as_a_channel_refuses(
    api: ApiClient, world: World
) -> None:
    version = release(api, "2")
    revoke(api, version)
    answer = api.get("/resolve/open-image@2/east")
    assert code(answer) == "409 version_revoked"
    assert answer.json["version"]["name"] == "2"
    assert answer.json["revoked"]["reason"] == "leaks a key"
    assert answer.json["instead"]["name"] == "open-1.0"
    allowed = api.get("/resolve/open-image@2/east?allow_revoked=true")
    assert allowed.json["machine"]["identifier"] == "2-east"
    restore(api, version)
    assert api.get("/resolve/open-image@2/east").status_code == 200
    # One that is revoked with a parent that the reader may not see: without its reason.
    child = release(api, "3", parent=world.versions["closed"])
    revoke(api, world.versions["closed"], descendants=True)
    hidden = api.get("/resolve/open-image@3/east")
    assert code(hidden) == "409 version_revoked"
    assert hidden.json["revoked"]["inherited_from"] == {"id": world.versions["closed"]}
    assert "leaks" not in hidden.text
    assert child["id"] in hidden.text


def test_why_a_named_version_has_no_machine(api: ApiClient, world: World) -> None:
    both = [
        {"provider": "east", "identifier": "big", "architecture": "x86_64"},
        {"provider": "east", "identifier": "small", "architecture": "arm64"},
    ]
    publish(api, "2", machines=both)
    assert code(api.get("/resolve/open-image@2/east")) == "409 machine_ambiguous"
    small = api.get("/resolve/open-image@2/east?architecture=aarch64").json
    assert small["machine"]["identifier"] == "small"
    for address, who, refused in (
        ("open-image@2/east?architecture=riscv64", None, "404 machine_not_found"),
        ("open-image@2/west", "alice", "404 machine_not_found"),
        ("open-image@2/west", None, "404 not_found"),
        ("open-image@2/nowhere", None, "404 not_found"),
        ("open-image@nothing/east", None, "404 not_found"),
        ("closed-image@closed-1.0/east", None, "404 not_found"),
        ("ended-image@ended-1.0/east", "alice", "404 machine_not_found"),
        ("scheduled-image@scheduled-1.0/east", "alice", "404 machine_not_found"),
        ("scheduled-image@scheduled-1.0/east", "charlie", "404 not_found"),
        ("open-image@2/east?arch=arm64", None, "400 parameter_unknown"),
        ("open-image@%00/east", None, "404 not_found"),
    ):
        assert code(api.get(f"/resolve/{address}", who)) == refused, address
