"""Resolving: the one machine that a channel offers on a provider, and why there is none."""

from typing import Any

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import API, assign, channel, named, release, restore, revoke

STABLE = "/resolve/open-image/stable/east"
LATEST = "/resolve/open-image/latest/east"


def machine(identifier: str, architecture: str = "x86_64", provider: str = "east") -> Any:
    return {"provider": provider, "identifier": identifier, "architecture": architecture}


def resolved(api: ApiClient, address: str = STABLE, who: str | None = None) -> str:
    """The machine's identifier."""
    answer = api.get(address, who)
    assert answer.status_code == 200, answer.text
    return str(answer.json["machine"]["identifier"])


def test_the_anonymous_and_strangers_resolve_what_is_public(api: ApiClient, world: World) -> None:
    assign(api, world.versions["open"])
    for who in (None, "charlie", "alice"):
        assert resolved(api, STABLE, who) == "open-east"
        assert resolved(api, LATEST, who) == "open-east"
    for who in (None, "charlie"):
        # A private provider, private images, and what is not there: all the same to them.
        for address in (
            "/resolve/open-image/latest/west",
            "/resolve/closed-image/latest/east",
            "/resolve/ended-image/latest/east",
            "/resolve/scheduled-image/latest/east",
            "/resolve/nowhere/latest/east",
            "/resolve/open-image/latest/nowhere",
            "/resolve/closed-image/latest",
        ):
            answer = api.get(address, who)
            assert code(answer) == "404 not_found"
            assert answer.json == api.get("/api/v2/images/nowhere", who).json
    assert resolved(api, "/resolve/shared-image/latest/west", "bob") == "shared-west"
    assert resolved(api, "/resolve/closed-image/latest/west", "alice") == "closed-west"
    assert code(api.get("/resolve/ended-image/latest/east", "alice")) == "404 machine_not_found"
    assert code(api.get(LATEST, "wrong")) == "401 token_invalid"


def test_the_answer_is_the_same_at_both_addresses(api: ApiClient, world: World) -> None:
    assign(api, world.versions["open"])
    answer = api.get(STABLE)
    assert list(answer.json) == [
        "image",
        "channel",
        "provider",
        "version",
        "machine",
        "deprecation",
        "revoked",
    ]
    assert answer.json["image"]["slug"] == "open-image"
    assert answer.json["provider"] == answer.json["machine"]["provider"]
    assert (answer.json["deprecation"], answer.json["revoked"]) == (None, None)
    assert api.get(API + STABLE).json == answer.json
    by_id = f"/resolve/{world.images['open']}/stable/{world.providers['east']}"
    assert api.get(by_id).json == answer.json
    image, provider = answer.json["image"]["uuid"], answer.json["provider"]["uuid"]
    assert api.get(f"/resolve/{image.upper()}/stable/{provider}").json == answer.json
    assert not {"deprecation", "sunset", "link"} & set(answer.headers)
    assert answer.headers["cache-control"] == "public, no-cache"


@pytest.mark.parametrize("accept", ["text/plain", "TEXT/Plain; charset=utf-8", "text/plain;q=0.9"])
def test_as_text_it_is_the_identifier_and_a_newline(
    api: ApiClient, world: World, accept: str
) -> None:
    assign(api, world.versions["open"])
    answer = api.get(STABLE, headers={"Accept": accept})
    assert answer.content == b"open-east\n"
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["vary"] == "Authorization, Accept, Accept-Encoding"
    assert answer.headers["etag"] != api.get(STABLE).headers["etag"]
    # An error is answered as a whole document.
    missing = api.get("/resolve/open-image/nowhere/east", headers={"Accept": accept})
    assert code(missing) == "404 channel_not_found"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/plain"])
def test_otherwise_it_is_json(api: ApiClient, world: World, accept: str) -> None:
    answer = api.get(LATEST, headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"


def test_an_unchanged_answer_is_304(api: ApiClient, world: World) -> None:
    assign(api, world.versions["open"])
    for accept in ("application/json", "text/plain"):
        headers = {"Accept": accept}
        etag = api.get(STABLE, headers=headers).headers["etag"]
        again = api.get(STABLE, headers={**headers, "If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    everywhere = api.get("/resolve/open-image/stable")
    headers = {"If-None-Match": everywhere.headers["etag"]}
    assert api.get("/resolve/open-image/stable", headers=headers).status_code == 304
    second = release(api, "2")
    assign(api, second)
    assert api.get(STABLE, headers={"If-None-Match": etag}).status_code == 200


# ── which version, which machine ───────────────────────────────────────────────────────────


def test_it_falls_back_when_revoked_and_returns_when_restored(api: ApiClient, world: World) -> None:
    second = release(api, "2")
    assign(api, world.versions["open"])
    assign(api, second)
    assert (resolved(api), resolved(api, LATEST)) == ("2-east", "2-east")
    revoke(api, second)
    assert (resolved(api), resolved(api, LATEST)) == ("open-east", "open-east")
    restore(api, second)
    assert (resolved(api), resolved(api, LATEST)) == ("2-east", "2-east")


def test_latest_is_the_newest_that_has_a_machine_there(api: ApiClient, world: World) -> None:
    release(api, "1.0.9", on=("east", "west"))
    release(api, "1.0.12", on=("west",))
    assert resolved(api, LATEST, "alice") == "1.0.9-east"
    assert resolved(api, "/resolve/open-image/latest/west", "alice") == "1.0.12-west"
    # Whoever may launch nothing of the newest is shown the newest of which they may.
    assert named(api.get(channel("latest"), "alice").json["target"]) == "1.0.12"
    assert named(api.get(channel("latest")).json["target"]) == "1.0.9"


@pytest.mark.parametrize(
    "more",
    [
        {"exclude_from_latest": True},
        {"deprecation": {"reason": "old"}},
        {"start_date": "2026-06-16T00:00:00Z"},
        {"start_date": "2026-05-01T00:00:00Z"},
        {"end_date": "2026-06-15T12:00:00Z"},
    ],
    ids=str,
)
def test_latest_skips(api: ApiClient, world: World, more: dict[str, Any]) -> None:
    version = release(api, "2", **more)
    assert resolved(api, LATEST) == "open-east"
    if version["state"] == "current" and "start_date" not in more:
        api.patch(version["url"], "alice", {"exclude_from_latest": False})
        assert resolved(api, LATEST) == "2-east"


def test_with_equal_start_dates_the_greater_id_is_newer(api: ApiClient, world: World) -> None:
    pair = [release(api, name, start_date="2026-06-14T00:00:00Z") for name in ("a", "b")]
    newest = max(pair, key=lambda it: str(it["id"]))
    assert resolved(api, LATEST) == f"{newest['name']}-east"


def test_several_architectures_are_ambiguous(api: ApiClient, world: World) -> None:
    both = [machine("big"), machine("small", "arm64")]
    version = publish(api, "2", machines=both)
    assign(api, version)
    for address in (STABLE, LATEST):
        answer = api.get(address)
        assert code(answer) == "409 machine_ambiguous"
        assert {it["identifier"] for it in answer.json["machines"]} == {"big", "small"}
        assert resolved(api, f"{address}?architecture=x86_64") == "big"
        assert resolved(api, f"{address}?architecture=arm64") == "small"
    assert code(api.get(f"{STABLE}?architecture=riscv64")) == "404 machine_not_found"
    # Through latest the newest that has one of that architecture there.
    release(api, "3")
    assert resolved(api, f"{LATEST}?architecture=arm64") == "small"
    assert resolved(api, LATEST) == "3-east"


def test_of_several_machines_the_newest_is_resolved(
    api: ApiClient, world: World, clock: Clock
) -> None:
    version = publish(api, "2", machines=[machine("first"), machine("second")])
    assign(api, version)
    assert resolved(api) == "second"
    placed = machine("third") | {"version": version["id"], "start_date": "2026-06-01T00:00:00Z"}
    made(api, f"{API}/provider_machines", "alice", **placed)
    assert resolved(api) == "second"
    placed |= {"identifier": "fourth", "start_date": "2026-06-16T00:00:00Z"}
    made(api, f"{API}/provider_machines", "alice", **placed)
    assert resolved(api) == "second"
    clock.move(days=1)
    assert resolved(api) == "fourth"


def test_only_launchable_machines_are_resolved(api: ApiClient, world: World) -> None:
    version = release(api, "2", on=("east", "west"))
    assign(api, version)
    gone = next(it for it in version["machines"] if it["provider"]["slug"] == "east")
    api.delete(gone["url"], "alice")
    assert code(api.get(STABLE)) == "404 machine_not_found"
    assert resolved(api, "/resolve/open-image/stable/west", "bob") == "2-west"
    assert code(api.get("/resolve/open-image/stable/west", "charlie")) == "404 not_found"
    api.patch(f"{API}/providers/west", "dora", {"active": False})
    answer = api.get("/resolve/open-image/stable/west", "alice")
    assert code(answer) == "404 machine_not_found"


def test_on_every_provider(api: ApiClient, world: World) -> None:
    version = release(api, "2", on=("east", "west"))
    assign(api, version)
    for who, places in ((None, ["east"]), ("charlie", ["east"]), ("bob", ["east", "west"])):
        answer = api.get("/resolve/open-image/stable", who).json
        assert list(answer) == ["image", "channel", "results"]
        assert [it["provider"]["slug"] for it in answer["results"]] == places
        first = answer["results"][0]
        assert list(first) == ["provider", "version", "machine", "deprecation", "revoked"]
        whole = api.get(STABLE, who).json
        assert first == {key: whole[key] for key in first}
    newer = release(api, "3", on=("west",))
    results = api.get("/resolve/open-image/latest", "alice").json["results"]
    assert [named(it["version"]) for it in results] == ["2", newer["name"]]


# ── warnings and refusals ──────────────────────────────────────────────────────────────────


def test_a_deprecated_version_is_answered_with_a_warning(
    api: ApiClient, world: World, clock: Clock
) -> None:
    other = publish(api, "2")
    version = publish(
        api,
        "1.9",
        machines=[machine("old")],
        end_date="2026-12-31T23:59:59Z",
        deprecation={
            "at": "2026-06-14T00:00:00Z",
            "reason": "out of support",
            "replacement": other["id"],
        },
    )
    assign(api, version)
    for headers in ({}, {"Accept": "text/plain"}):
        answer = api.get(STABLE, headers=headers)
        assert answer.headers["deprecation"] == "@1781395200"
        assert answer.headers["sunset"] == "Thu, 31 Dec 2026 23:59:59 GMT"
        assert answer.headers["link"] == f'<{other["url"]}>; rel="successor-version"'
    found = api.get(STABLE).json["deprecation"]
    assert (found["reason"], named(found["replacement"])) == ("out of support", "2")
    [everywhere] = api.get("/resolve/open-image/stable").json["results"]
    assert everywhere["deprecation"] == found


def test_a_hidden_replacement_is_shown_as_its_id_alone(api: ApiClient, world: World) -> None:
    deprecation = {"reason": "old", "replacement": world.versions["closed"]}
    version = publish(api, "1.9", machines=[machine("old")], deprecation=deprecation)
    assign(api, version)
    answer = api.get(STABLE)
    assert answer.json["deprecation"]["replacement"] == {"id": world.versions["closed"]}
    assert "link" not in answer.headers
    assert "link" in api.get(STABLE, "alice").headers


def test_a_stopped_channel_refuses_with_the_reason(api: ApiClient, world: World) -> None:
    version = release(api, "2")
    assign(api, world.versions["open"])
    assign(api, version)
    revoke(api, version, roll_back_channels=False)
    for address in (STABLE, "/resolve/open-image/stable"):
        answer = api.get(address)
        assert code(answer) == "409 version_revoked"
        assert answer.json["version"]["name"] == "2"
        assert answer.json["revoked"]["reason"] == "leaks a key"
        assert answer.json["revoked"]["by"]["username"] == "alice"
    allowed = api.get(f"{STABLE}?allow_revoked=true")
    assert allowed.json["machine"]["identifier"] == "2-east"
    assert allowed.json["version"]["state"] == "revoked"
    assert allowed.json["revoked"]["reason"] == "leaks a key"
    text = api.get(f"{STABLE}?allow_revoked=true", headers={"Accept": "text/plain"})
    assert text.content == b"2-east\n"
    assert code(api.get(f"{STABLE}?allow_revoked=false")) == "409 version_revoked"
    # It allows the target to be revoked; it does not undo a roll-back, nor reach latest.
    restore(api, version)
    revoke(api, version)
    assert resolved(api, f"{STABLE}?allow_revoked=true") == "open-east"
    assert resolved(api, f"{LATEST}?allow_revoked=true") == "open-east"


def test_the_reason_of_a_hidden_origin_is_not_shown(api: ApiClient, world: World) -> None:
    version = release(api, "2", parent=world.versions["closed"])
    assign(api, version)
    revoke(api, world.versions["closed"], descendants=True, roll_back_channels=False)
    answer = api.get(STABLE)
    assert code(answer) == "409 version_revoked"
    told = answer.json["revoked"]
    assert (told["reason"], told["by"]) == (None, None)
    assert told["inherited_from"] == {"id": world.versions["closed"]}
    assert "leaks" not in answer.text
    assert "leaks a key" in api.get(STABLE, "alice").text


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("arch=x86_64", "400 parameter_unknown"),
        ("architecture=x86_64&architecture=arm64", "400 parameter_invalid"),
        ("architecture=%00", "400 parameter_invalid"),
        ("allow_revoked=perhaps", "400 parameter_invalid"),
        ("allow_revoked=", "400 parameter_invalid"),
    ],
)
def test_wrong_parameters(api: ApiClient, world: World, query: str, refused: str) -> None:
    assert code(api.get(f"{LATEST}?{query}")) == refused
    assert api.get(f"/resolve/open-image/latest?{query}").status_code == 400


def test_resolving_accepts_only_get(api: ApiClient, world: World) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = api.ask(method, STABLE, "alice", {})
        assert code(answer) == "405 method_not_allowed"
        assert "GET" in answer.headers["allow"]


def test_nothing_assigned_resolves_to_nothing(api: ApiClient, world: World) -> None:
    assign(api, None)
    assert code(api.get(STABLE)) == "404 machine_not_found"
    assert api.get("/resolve/open-image/stable").json["results"] == []


# ── what it costs ──────────────────────────────────────────────────────────────────────────


def test_resolving_takes_two_statements_beside_the_one_for_the_token(
    api: ApiClient, db: Database, world: World
) -> None:
    stopped = release(api, "2")
    for name, version in (("stable", world.versions["open"]), ("halted", stopped)):
        assign(api, version, name)
    revoke(api, stopped, roll_back_channels=False)
    # The first use of a token in an hour is recorded, which takes a statement of its own.
    api.get("/api/v2/images", "alice")

    def statements(address: str, who: str | None, status: int) -> int:
        with db.write():
            pass  # A new revision, at which neither answers nor tokens are cached.
        # The first answer at a revision also asks until when answers are valid.
        api.get("/api/v2/providers")
        db.trace = []
        answer = api.get(address, who)
        ran, db.trace = db.trace, None
        assert answer.status_code == status
        return len(ran)

    for who, expected in ((None, 2), ("alice", 3)):
        for address, status in (
            (STABLE, 200),
            (f"{STABLE}?architecture=x86_64", 200),
            (LATEST, 200),
            ("/resolve/open-image/halted/east", 409),
            ("/resolve/open-image/halted/east?allow_revoked=true", 200),
            ("/resolve/open-image/stable", 200),
            ("/resolve/open-image/latest", 200),
            ("/resolve/open-image/halted", 409),
        ):
            assert statements(address, who, status) == expected, (who, address)
