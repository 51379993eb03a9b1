"""Diff: what changed between two versions, with the change logs on the path between them."""

from typing import Any

from tests.support.actions import made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import API, named, revoke


def diff(api: ApiClient, version: Any, who: str | None = "alice", against: Any = None) -> Any:
    key = version["id"] if isinstance(version, dict) else version
    query = f"?against={against['id']}" if against else ""
    answer = api.get(f"/image_versions/{key}/diff{query}", who)
    assert answer.status_code == 200, answer.text
    return answer.json


def logs(found: Any) -> list[tuple[str, str]]:
    return [(it["version"]["name"], it["change_log"]) for it in found["change_logs"]]


def test_a_reader_needs_both_versions(api: ApiClient, world: World) -> None:
    version = publish(api, "2", parent=world.versions["closed"])
    closed = world.versions["closed"]
    for who in (None, "charlie"):
        assert code(api.get(f"/image_versions/{closed}/diff", who)) == "404 not_found"
        hidden = api.get(f"{version['url']}/diff?against={closed}", who)
        missing = api.get(f"{version['url']}/diff?against=00000000-0000-7000-8000-000000000000")
        assert code(hidden) == "404 not_found"
        assert hidden.json == missing.json
        # A parent they may not read is none to compare with.
        assert code(api.get(f"{version['url']}/diff", who)) == "400 parameter_required"
    assert code(api.get(f"/image_versions/{world.versions['open']}/diff")).startswith("400 ")
    assert code(api.get(f"{version['url']}/diff?against=x")) == "400 parameter_invalid"
    assert code(api.get(f"{version['url']}/diff?with=x")) == "400 parameter_unknown"
    assert code(api.get(f"{version['url']}/diff", "wrong")) == "401 token_invalid"
    assert diff(api, version, "alice")["from"]["name"] == "closed-1.0"


def test_what_changed(api: ApiClient, world: World) -> None:
    spdx = {"title": "MIT", "type": "SPDX", "text": "MIT"}
    mit = made(api, f"{API}/licenses", "alice", **spdx)
    parent = {"id": world.versions["open"]}
    version = publish(
        api,
        "2",
        parent=parent["id"],
        change_log="newer kernel",
        min_cpu=4,
        licenses=[mit["id"]],
        scripts=[world.scripts["setup"]],
        machines=[{"provider": "west", "identifier": "2-west"}],
    )
    found = diff(api, version)
    keys = ["from", "to", "path", "fields", "licenses", "scripts", "membership", "machines"]
    assert list(found) == [*keys, "providers", "change_logs"]
    assert (named(found["from"]), named(found["to"])) == ("open-1.0", "2")
    assert found["path"] == [parent["id"], version["id"]]
    assert found["fields"]["min_cpu"] == {"from": None, "to": 4}
    assert found["fields"]["name"] == {"from": "open-1.0", "to": "2"}
    assert "image" not in found["fields"]
    assert "user" not in found["fields"]
    assert [it["title"] for it in found["licenses"]["added"]] == ["MIT"]
    assert [it["title"] for it in found["licenses"]["removed"]] == ["Apache 2.0"]
    assert [it["title"] for it in found["scripts"]["added"]] == ["setup"]
    assert [it["identifier"] for it in found["machines"]["added"]] == ["2-west"]
    gone = {it["identifier"] for it in found["machines"]["removed"]}
    assert gone == {"open-east", "open-west"}
    assert [it["slug"] for it in found["providers"]["removed"]] == ["east"]
    assert found["providers"]["added"] == []
    assert logs(found) == [("2", "newer kernel")]
    # What the anonymous see of the same: no private provider.
    seen = diff(api, version, None)
    assert seen["machines"]["added"] == []
    assert [it["identifier"] for it in seen["machines"]["removed"]] == ["open-east"]
    # The other way round everything is.
    back = diff(api, parent, "alice", version)
    for name in ("licenses", "scripts", "membership", "machines", "providers"):
        assert back[name]["added"] == found[name]["removed"]
        assert back[name]["removed"] == found[name]["added"]
    assert back["path"] == found["path"]


def test_change_logs_on_the_path_are_listed_oldest_first(api: ApiClient, world: World) -> None:
    a = publish(api, "a", parent=world.versions["open"], change_log="one")
    b = publish(api, "b", parent=a["id"], change_log="two")
    c = publish(api, "c", parent=b["id"], change_log="three")
    found = diff(api, c, None, {"id": world.versions["open"]})
    assert found["path"] == [world.versions["open"], a["id"], b["id"], c["id"]]
    assert logs(found) == [("a", "one"), ("b", "two"), ("c", "three")]
    assert logs(diff(api, c, None)) == [("c", "three")]
    assert logs(diff(api, a, None, c)) == [("b", "two"), ("c", "three")]
    same = diff(api, a, None, a)
    assert (same["fields"], same["change_logs"], same["path"]) == ({}, [], [a["id"]])


def test_versions_without_a_path_are_still_compared(api: ApiClient, world: World) -> None:
    a = publish(api, "a", parent=world.versions["open"], change_log="one")
    b = publish(api, "b", parent=world.versions["open"], change_log="two", min_mem=512)
    found = diff(api, b, None, a)
    assert (found["path"], found["change_logs"]) == (None, [])
    assert found["fields"]["min_mem"] == {"from": None, "to": 512}


def test_a_path_through_a_hidden_version_is_null(api: ApiClient, world: World) -> None:
    hidden = publish(
        api, "hidden", image="closed", parent=world.versions["open"], change_log="a secret"
    )
    leaf = publish(api, "leaf", parent=hidden["id"], change_log="leaf")
    for who in (None, "charlie", "bob"):
        found = diff(api, leaf, who, {"id": world.versions["open"]})
        assert (found["path"], found["change_logs"]) == (None, [])
        assert found["fields"]["parent"]["to"] == {"id": hidden["id"]}
    found = diff(api, leaf, "alice", {"id": world.versions["open"]})
    assert logs(found) == [("hidden", "a secret"), ("leaf", "leaf")]


def test_lifecycle_fields_are_compared(api: ApiClient, world: World) -> None:
    version = publish(api, "2", deprecation={"reason": "old"}, exclude_from_latest=True)
    revoke(api, world.versions["open"])
    fields = diff(api, version, None, {"id": world.versions["open"]})["fields"]
    assert fields["state"] == {"from": "revoked", "to": "deprecated"}
    assert fields["revoked"]["from"]["reason"] == "leaks a key"
    assert fields["deprecation"]["to"]["reason"] == "old"
    assert fields["exclude_from_latest"] == {"from": False, "to": True}
    etag = api.get(f"{version['url']}/diff?against={world.versions['open']}").headers["etag"]
    assert etag
