"""Deprecation: a field of a version, and the headers that announce it."""

from typing import Any

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import named, release, revoke

NOON = "2026-06-15T12:00:00.000000Z"


def deprecate(api: ApiClient, version: Any, who: str | None = "alice", **given: Any) -> Any:
    key = version["id"] if isinstance(version, dict) else version
    return api.patch(f"/image_versions/{key}", who, {"deprecation": given})


def test_only_editors_deprecate(db: Database, api: ApiClient, world: World) -> None:
    before = everything(db)
    for who, image, refused in (
        (None, "open", "401 credentials_required"),
        ("charlie", "open", "403 change_forbidden"),
        ("charlie", "closed", "404 not_found"),
        ("bob", "shared", "403 change_forbidden"),
    ):
        assert code(deprecate(api, world.versions[image], who, reason="old")) == refused
    assert everything(db) == before
    assert deprecate(api, world.versions["kept"], "bob", reason="old").status_code == 200


def test_a_deprecated_version_stays_available(api: ApiClient, world: World) -> None:
    key = world.versions["open"]
    answer = deprecate(api, key, reason="old", replacement=publish(api, "2")["id"])
    assert answer.status_code == 200
    for who in (None, "charlie", "alice"):
        found = api.get(f"/image_versions/{key}", who).json
        assert found["state"] == "deprecated"
        assert list(found["deprecation"]) == ["at", "reason", "replacement"]
        assert (found["deprecation"]["at"], found["deprecation"]["reason"]) == (NOON, "old")
        assert named(found["deprecation"]["replacement"]) == "2"
        assert [it["identifier"] for it in found["machines"]][:1] == ["open-east"]
        listed = api.all("/image_versions?state=deprecated&launchable=true&current=true", who)
        assert [it["id"] for it in listed] == [key]
    assert api.patch(f"/image_versions/{key}", "alice", {"deprecation": None}).status_code == 200
    found = api.get(f"/image_versions/{key}").json
    assert (found["state"], found["deprecation"]) == ("current", None)


def test_absent_fields_stay_unchanged(api: ApiClient, world: World, clock: Clock) -> None:
    version, other = publish(api, "2"), publish(api, "3")
    deprecate(api, version, reason="old", replacement=other["id"])
    clock.move(days=1)
    found = deprecate(api, version, reason="older").json["deprecation"]
    assert (found["at"], found["reason"], named(found["replacement"])) == (NOON, "older", "3")
    found = deprecate(api, version, at="2026-07-01T02:00:00+02:00").json["deprecation"]
    assert (found["at"], found["reason"]) == ("2026-07-01T00:00:00.000000Z", "older")
    found = deprecate(api, version, replacement=None, reason=None).json["deprecation"]
    assert found == {"at": "2026-07-01T00:00:00.000000Z", "reason": None, "replacement": None}
    fresh = publish(api, "4", deprecation={})
    assert fresh["deprecation"] == {"at": clock.now, "reason": None, "replacement": None}


def test_a_future_deprecation_is_shown_and_starts_at_its_instant(
    api: ApiClient, world: World, clock: Clock
) -> None:
    version = publish(api, "2", deprecation={"at": "2026-06-16T00:00:00Z", "reason": "soon"})
    assert version["state"] == "current"
    assert version["deprecation"]["reason"] == "soon"
    clock.move(hours=12, microseconds=-1)
    assert api.get(version["url"]).json["state"] == "current"
    clock.move(microseconds=1)
    assert api.get(version["url"]).json["state"] == "deprecated"
    # Of the states the first that holds.
    revoke(api, version)
    assert api.get(version["url"]).json["state"] == "revoked"
    api.delete(version["url"], "alice")
    assert api.get(version["url"], "alice").json["state"] == "ended"


@pytest.mark.parametrize(
    "given",
    [
        {"reason": ""},
        {"reason": "  "},
        {"reason": "x" * 2001},
        {"reason": "x" * 10_000},
        {"at": "tomorrow"},
        {"at": "2026-06-16T00:00:00"},
        {"at": "10000-01-01T00:00:00Z"},
        {"replacement": "00000000-0000-7000-8000-000000000000"},
        {"replacement": 1},
        {"replacement": {}},
        {"since": NOON},
        7,
        "old",
        [],
    ],
    ids=lambda it: str(it)[:40],
)
@pytest.mark.long_on_postgresql
def test_an_invalid_deprecation_changes_nothing(
    db: Database, api: ApiClient, world: World, given: Any
) -> None:
    address = f"/image_versions/{world.versions['open']}"
    deprecate(api, world.versions["open"], reason="old")
    before = everything(db)
    answer = api.patch(address, "alice", {"deprecation": given, "min_cpu": 3})
    assert answer.status_code == 400
    assert answer.json["errors"][0]["field"].startswith("deprecation")
    body = {"name": "new", "image": "open-image", "deprecation": given}
    assert api.post("/image_versions", "alice", body).status_code == 400
    assert everything(db) == before


def test_a_hidden_replacement_is_refused_like_an_unknown_one(api: ApiClient, world: World) -> None:
    hidden = deprecate(api, world.versions["kept"], "bob", replacement=world.versions["closed"])
    missing = "00000000-0000-7000-8000-000000000000"
    unknown = deprecate(api, world.versions["kept"], "bob", replacement=missing)
    assert code(hidden) == code(unknown) == "400 reference_unknown"
    assert hidden.text.replace(world.versions["closed"], missing) == unknown.text


def test_a_replacement_that_became_hidden_can_be_sent_back(
    db: Database, api: ApiClient, world: World
) -> None:
    key = world.versions["kept"]
    assert deprecate(api, key, replacement=world.versions["closed"]).status_code == 200
    given = api.get(f"/image_versions/{key}", "bob").json
    assert given["deprecation"]["replacement"] == {"id": world.versions["closed"]}
    before = everything(db)
    assert api.patch(f"/image_versions/{key}", "bob", given).status_code == 200
    assert everything(db) == before


def test_replacements_cannot_form_a_cycle(db: Database, api: ApiClient, world: World) -> None:
    a, b, c = (publish(api, name) for name in "abc")
    assert code(deprecate(api, a, replacement=a["id"])) == "409 replacement_cycle"
    deprecate(api, a, replacement=b["id"])
    deprecate(api, b, replacement=c["id"])
    before = everything(db)
    assert code(deprecate(api, c, replacement=a["id"])) == "409 replacement_cycle"
    assert code(deprecate(api, b, replacement=a["id"])) == "409 replacement_cycle"
    assert everything(db) == before
    # Across images too; and a circle that is undone is none.
    other = publish(api, "d", image="closed", deprecation={"replacement": a["id"]})
    assert code(deprecate(api, c, replacement=other["id"])) == "409 replacement_cycle"
    api.patch(a["url"], "alice", {"deprecation": None})
    assert deprecate(api, c, replacement=other["id"]).status_code == 200


# ── headers ────────────────────────────────────────────────────────────────────────────────


def links(answer: Any) -> dict[str, str]:
    """The Link header: addresses by relation."""
    found = {}
    for link in filter(None, answer.headers.get("link", "").split(", ")):
        address, relation = link.split("; ")
        found[relation.removeprefix('rel="').removesuffix('"')] = address.strip("<>")
    return found


def test_the_headers_of_a_version(api: ApiClient, world: World, clock: Clock) -> None:
    key = world.versions["open"]
    newest = release(api, "3")
    version = publish(
        api,
        "2",
        parent=key,
        end_date="2026-06-20T00:00:00Z",
        deprecation={"at": "1970-01-01T00:00:10.9Z", "replacement": newest["id"]},
    )
    answer = api.get(version["url"])
    assert answer.headers["deprecation"] == "@10"
    assert answer.headers["sunset"] == "Sat, 20 Jun 2026 00:00:00 GMT"
    assert links(answer) == {
        "predecessor-version": f"/api/v2/image_versions/{key}",
        "latest-version": newest["url"],
        "successor-version": newest["url"],
    }
    clock.move(days=10)
    assert "sunset" not in api.get(version["url"], "alice").headers  # it has been
    plain = api.get(newest["url"])
    assert links(plain) == {"latest-version": newest["url"]}
    assert not {"deprecation", "sunset"} & set(plain.headers)


def test_link_headers_name_only_visible_versions(api: ApiClient, world: World) -> None:
    version = publish(
        api,
        "2",
        parent=world.versions["closed"],
        deprecation={"replacement": world.versions["shared"]},
    )
    latest = f"/api/v2/image_versions/{world.versions['open']}"
    assert links(api.get(version["url"])) == {"latest-version": latest}
    seen = links(api.get(version["url"], "bob"))
    assert set(seen) == {"latest-version", "successor-version"}
    assert len(links(api.get(version["url"], "alice"))) == 3
    # Nothing of the image may be launched: there is no latest version.
    api.patch("/api/v2/providers/east", "dora", {"active": False})
    assert links(api.get(version["url"])) == {}


def test_the_header_of_a_deprecation_before_1970_and_of_a_future_one(
    api: ApiClient, world: World
) -> None:
    for at, header in (
        ("0001-01-01T00:00:00Z", "@-62135596800"),
        ("1969-12-31T23:59:59.5Z", "@-1"),
        ("9999-12-31T23:59:59.999999Z", "@253402300799"),
    ):
        deprecate(api, world.versions["open"], at=at)
        answer = api.get(f"/image_versions/{world.versions['open']}")
        assert answer.headers["deprecation"] == header


def test_behind_and_stale(api: ApiClient, world: World) -> None:
    base = world.versions["open"]
    child = publish(api, "child", image="closed", parent=base, membership=["lab"])
    address = f"/image_versions/{base}"

    def counts(who: str | None = "alice") -> tuple[int, int | None, bool]:
        own, below = api.get(address, who).json, api.get(child["url"], who).json
        listed = [it["id"] for it in api.all("/image_versions?stale=true", who)]
        assert (child["id"] in listed) == below["stale"]
        assert own["parent_behind"] is None
        return own["behind"], below["parent_behind"], below["stale"]

    assert counts() == (0, 0, False)
    second, third = publish(api, "2"), publish(api, "3")
    assert counts() == counts("bob") == (2, 2, True)
    revoke(api, third)
    assert counts() == (1, 1, True)
    deprecate(api, second, reason="old")
    assert counts() == (0, 0, False)
    publish(api, "4", start_date="2026-06-16T00:00:00Z")
    publish(api, "0", start_date="2020-01-01T00:00:00Z")
    assert counts() == (0, 0, False)
    assert "behind" not in api.get("/image_versions").json["results"][0]
    # What `latest` passes over does not make others look old.
    publish(api, "5", exclude_from_latest=True)
    assert counts() == (0, 0, False)
    # A hidden parent makes nothing stale.
    bobs = publish(api, "bobs", image="open", parent=world.versions["closed"])
    publish(api, "2.0", image="closed")
    seen = api.get(bobs["url"]).json
    assert (seen["parent_behind"], seen["stale"]) == (None, False)
    assert api.get(bobs["url"], "alice").json["parent_behind"] == 2


def test_the_newest_release_of_a_line_is_not_stale_because_of_itself(
    api: ApiClient, world: World
) -> None:
    """Lines of one image: 1 - 2 - 3, and 2b beside 2, which what is built on it leaves the image
    for and comes back to."""
    keys: dict[str, Any] = {}

    def build(name: str, on: str | None, image: str = "open", **more: Any) -> None:
        above = keys[on] if on else world.versions["open"]
        keys[name] = publish(api, name, image=image, parent=above, **more)["id"]

    def told() -> dict[str, int]:
        shown = {
            name: api.get(f"/image_versions/{key}", "alice").json for name, key in keys.items()
        }
        listed = {it["id"] for it in api.all("/image_versions?stale=true", "alice")}
        assert listed == {it["id"] for it in shown.values() if it["stale"]}
        assert all(it["stale"] == (it["parent_behind"] > 0) for it in shown.values())
        return {name: it["parent_behind"] for name, it in shown.items()}

    build("2", None)
    build("3", "2")
    assert told() == {"2": 0, "3": 0}
    build("app", "2", image="closed")
    assert told() == {"2": 0, "3": 0, "app": 1}, "it could be built on 3"
    build("2b", "app")
    assert told() == {"2": 0, "3": 1, "app": 1, "2b": 0}, "2b comes back from app, below 2"
    build("2c", None)
    assert told() == {"2": 1, "3": 2, "app": 2, "2b": 0, "2c": 3}
    api.patch(f"/image_versions/{keys['2c']}", "alice", {"parent": keys["3"]})
    assert told() == {"2": 0, "3": 1, "app": 2, "2b": 0, "2c": 1}
