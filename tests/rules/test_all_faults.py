"""A body or form is told everything that is wrong with it at once: values, references, rights."""

from typing import Any

from goldenrod.store.db import Database
from tests.support.actions import everything
from tests.support.cast import World
from tests.support.client import ApiClient, Result
from tests.support.pages.visitor import Visitor

VERSIONS = "/image_versions"


def fields(answer: Result) -> list[str]:
    """The fields that an error names, each once."""
    names = [error["field"] for error in answer.json["errors"]]
    assert len(names) == len(set(names))
    return sorted(names)


def wrong_bodies(world: World) -> list[tuple[str, str, str, dict[str, Any], int, list[str]]]:
    """Who sends what where, the status, and the fields that must be named."""
    east, hidden = world.providers["east"], world.versions["closed"]
    one = f"{VERSIONS}/{world.versions['open']}"
    dates = {"start_date": "yesterday", "end_date": "2026"}
    return [
        # Wrong types, wrong values, unknown references and missing rights in one body.
        ("bob", "POST", VERSIONS, {
            "name": "..", "image": "open-image", "parent": hidden, "min_cpu": "two", "colour": 1,
            "licenses": [1, 99, None], "scripts": [world.scripts["setup"]],
            "membership": ["lab", "none"],
            "identity": 99, "doc_object_id": " ", **dates,
            "deprecation": {"at": "soon", "reason": " ", "replacement": hidden},
            "machines": [
                {"provider": "east", "identifier": " ", "size_gb": -1},
                {"provider": "nowhere", "identifier": "x", "start_date": "x"},
                {"identifier": "y"},
            ],
        }, 403, [
            "colour", "deprecation.at", "deprecation.reason", "deprecation.replacement",
            "doc_object_id", "end_date", "identity", "image", "licenses[1]", "licenses[2]",
            "machines[0].identifier", "machines[0].provider", "machines[0].size_gb",
            "machines[1].provider", "machines[1].start_date", "machines[2].provider",
            "membership[1]", "min_cpu", "name", "parent", "scripts[0]", "start_date",
        ]),
        ("alice", "PATCH", one, {
            "name": 1, "image": 99, "user": None, "licenses": [99], "min_mem": -1, "identity": 99,
            "change_log": "x" * 70_000, "end_date": "x", "nothing": 0, "doc_object_id": "\x07",
            "deprecation": {"reason": "\x00"},
        }, 400, [
            "change_log", "deprecation.reason", "doc_object_id", "end_date", "identity", "image",
            "licenses[0]", "min_mem", "name", "nothing", "user",
        ]),
        ("alice", "POST", "/api/v2/images", {
            "name": " ", "slug": "A", "maintainers": ["none", 99], "tags": ["", {"id": 99}],
            "is_public": 1, **dates,
        }, 400, [
            "end_date", "is_public", "maintainers[0]", "maintainers[1]", "name", "slug",
            "start_date", "tags[0]", "tags[1]",
        ]),
        ("bob", "PATCH", "/api/v2/images/kept-image", {
            "name": " ", "owner": "charlie", "maintainers": [], "end_date": "x", "tags": [""],
        }, 403, ["end_date", "maintainers", "name", "owner", "tags[0]"]),
        ("bob", "POST", "/api/v2/provider_machines", {
            "version": world.versions["open"], "provider": "east", "identifier": "", **dates,
        }, 403, ["end_date", "identifier", "start_date", "version"]),
        ("dora", "POST", "/api/v2/providers", {"name": " ", "slug": "-", "public": 1, **dates}, 400,
         ["end_date", "name", "public", "slug", "start_date"]),
        ("dora", "PATCH", f"/api/v2/providers/{east}", {"name": " ", "slug": "-", **dates}, 400,
         ["end_date", "name", "slug", "start_date"]),
        ("dora", "POST", "/api/v2/groups", {"name": " ", "users": [99, 98], "leaders": ["x"]}, 400,
         ["leaders[0]", "name", "users[0]", "users[1]"]),
        ("dora", "POST", "/api/v2/users", {"username": " ", "password": "short", "active": 1}, 400,
         ["active", "password", "username"]),
        ("dora", "POST", "/api/v2/identities", {"user": 99, "provider": 99, "key": " "}, 400,
         ["key", "provider", "user"]),
        ("dora", "POST", "/api/v2/tokens", {"name": 1, "scope": "all", "expires": "x"}, 400,
         ["expires", "name", "scope"]),
        ("alice", "POST", "/api/v2/licenses", {"title": " ", "type": "URL", "text": "x"}, 400,
         ["text", "title"]),
        ("charlie", "POST", "/api/v2/image_version_licenses",
         {"image_version": world.versions["open"], "license": 99}, 403,
         ["image_version", "license"]),
        ("alice", "PUT", "/api/v2/images/open-image/channels/new",
         {"version": hidden, "reason": " ", "override": 1}, 400, ["override", "reason", "version"]),
        ("alice", "POST", f"{one}/revoke", {"reason": " ", "at": "x", "descendants": 1}, 400,
         ["at", "descendants", "reason"]),
        ("bob", "POST", "/api/v2/webhooks",
         {"image": "open-image", "target": "http://127.0.0.1/", "events": ["x"]}, 403,
         ["events[0]", "image", "target"]),
        ("charlie", "POST", "/lookup", {
            "identifiers": [1, "x", {"identifier": "y", "provider": "no such"}, {"identifier": ""}],
        }, 400, ["identifiers[0]", "identifiers[2].provider", "identifiers[3].identifier"]),
    ]  # fmt: skip


def test_every_fault_of_a_body_is_reported_at_once(
    api: ApiClient, db: Database, world: World
) -> None:
    before = everything(db)
    for who, method, path, body, status, named in wrong_bodies(world):
        answer = api.ask(method, path, who, body)
        assert answer.status_code == status, (path, answer.text)
        assert fields(answer) == named, path
        # The sentence names the first ones, and says how many more there are.
        assert answer.json["errors"][0]["field"] in answer.json["detail"]
        assert len(answer.json["detail"]) < 2_000
    assert everything(db) == before


def test_one_fault_reads_as_before_and_a_right_to_the_thing_itself_comes_first(
    api: ApiClient, world: World
) -> None:
    one = api.post(VERSIONS, "alice", {"name": "n", "image": 99}).json
    assert (one["code"], fields_of(one)) == ("reference_unknown", ["image"])
    two = api.post(VERSIONS, "alice", {"name": "..", "image": 99}).json
    assert two["code"] == "field_invalid"
    # Who may not change it at all is told nothing about the body.
    refused = api.patch(f"{VERSIONS}/{world.versions['open']}", "charlie", {"name": 1})
    assert (refused.json["code"], refused.json.get("errors")) == ("change_forbidden", None)
    # Hidden is like absent, also among other faults.
    bodies = [{"name": "..", "image": image} for image in (world.images["closed"], 99)]
    hidden, absent = (api.post(VERSIONS, "charlie", body).json for body in bodies)
    assert str(hidden).replace(str(world.images["closed"]), "99") == str(absent)


def fields_of(problem: Any) -> list[str]:
    return [error["field"] for error in problem["errors"]]


def test_every_fault_of_a_form_is_reported_at_once(
    db: Database, world: World, visitor: Visitor
) -> None:
    visitor.sign_in("dora")
    before = everything(db)
    new, edit = "/images/open-image/versions/new", "/images/open-image/versions/open-1.0/edit"
    stable = "/images/open-image/channels"
    forms: list[tuple[str, str, dict[str, str], list[str]]] = [
        (new, new,
         {"name": "..", "parent": "none", "min_cpu": "two", "min_mem": "much", "start_date": "x"},
         ["name", "parent", "min_cpu", "min_mem", "start_date"]),
        (edit, edit,
         {"name": "..", "parent": "none", "min_cpu": "two", "end_date": "x", "image": "none"},
         ["name", "parent", "min_cpu", "end_date", "image"]),
        ("/images/new", "/images/new", {"name": " ", "tags": "\x07", "start_date": "x"},
         ["name", "tags"]),
        (stable, stable, {"name": "A B", "version": "none"}, ["name", "version"]),
        ("/staff/providers/new", "/staff/providers/new",
         {"name": " ", "start_date": "x", "end_date": "y"}, ["name", "start_date", "end_date"]),
        ("/staff/users/new", "/staff/users/new", {"username": " ", "password": "short"},
         ["username", "password"]),
        ("/staff/identities", "/staff/identities", {"user": "", "provider": "none", "key": ""},
         ["user", "key"]),
        ("/staff/webhooks", "/staff/webhooks", {"target": "", "events": ""}, ["target"]),
    ]  # fmt: skip
    for path, action, given, named in forms:
        page = visitor.submit(visitor.get(path), action, **given)
        assert page.status in (400, 403), path
        # Each field that is wrong has its own message, beside it.
        for name in named:
            assert f'id="f-{name}-e"' in page.text, (path, name)
    assert everything(db) == before
