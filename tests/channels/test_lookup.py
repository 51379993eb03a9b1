"""Look-up: from the ids of running machines to what they are and what to use instead."""

import time
from typing import Any

import pytest

from goldenrod.catalogue.channels import lookup
from goldenrod.demo.catalogue import load
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import API, assign, look_up, named, release, revoke
from tests.support.pages.visitor import Visitor


def one(api: ApiClient, identifier: str, who: str | None = None) -> Any:
    """The only match of an id."""
    [result] = look_up(api, identifier, who=who)
    assert result["known"], result
    [match] = result["matches"]
    return match


def known(api: ApiClient, identifier: str, who: str | None = None) -> bool:
    [result] = look_up(api, identifier, who=who)
    assert result["known"] == bool(result["matches"])
    return bool(result["known"])


def test_the_anonymous_and_strangers_look_up_what_is_public(api: ApiClient, world: World) -> None:
    for who in (None, "charlie"):
        match = one(api, "open-east", who)
        assert list(match) == [
            "image",
            "owner",
            "version",
            "machine",
            "state",
            "reason",
            "replacement",
            "behind",
            "offered",
        ]
        assert (match["image"]["slug"], match["owner"]["username"]) == ("open-image", "alice")
        assert (match["version"]["name"], match["state"]) == ("open-1.0", "current")
        assert (match["machine"]["identifier"], match["behind"]) == ("open-east", 0)
        [offer] = match["offered"]
        assert list(offer) == ["channel", "version", "machine"]
        assert (offer["channel"], offer["machine"]["identifier"]) == ("latest", "open-east")
        # What they may not see is unknown, exactly like what nobody ever catalogued.
        hidden = ("closed-east", "shared-east", "kept-west", "open-west", "later-east")
        unknown = look_up(api, "nowhere", who=who)[0]
        for identifier in hidden:
            [result] = look_up(api, identifier, who=who)
            assert result == unknown | {"asked": identifier, "identifier": identifier}
    for who, identifier in (
        ("bob", "shared-west"),
        ("bob", "kept-east"),
        ("alice", "closed-east"),
        ("dora", "scheduled-west"),
    ):
        assert known(api, identifier, who)


def test_get_answers_as_post_does(api: ApiClient, world: World) -> None:
    both = [
        api.get("/lookup?identifier=open-east"),
        api.get(f"{API}/lookup?identifier=open-east&provider=east"),
        api.post("/lookup", None, {"identifiers": ["open-east"]}),
        api.post(
            f"{API}/lookup",
            None,
            {"identifiers": [{"identifier": "open-east", "provider": "east"}]},
        ),
    ]
    assert {answer.status_code for answer in both} == {200}
    assert both[0].json == both[1].json == both[2].json
    [result] = both[3].json["results"]
    assert [result | {"asked": "open-east"}] == both[0].json["results"]
    etag = both[0].headers["etag"]
    again = api.get("/lookup?identifier=open-east", headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert both[2].headers["cache-control"] == "no-store"
    assert code(api.get("/lookup?identifier=open-east", "wrong")) == "401 token_invalid"
    asked = {"identifiers": ["open-east"]}
    assert code(api.post("/lookup", "wrong", asked)) == "401 token_invalid"


def test_the_same_id_may_mean_several(api: ApiClient, world: World) -> None:
    for image in ("closed", "open"):
        placed = {"identifier": "ami-1", "provider": "east", "architecture": "x86_64"}
        publish(api, "2", image=image, machines=[placed])
    assert one(api, "ami-1")["image"]["slug"] == "open-image"
    [result] = look_up(api, "ami-1", who="alice")
    assert {it["image"]["slug"] for it in result["matches"]} == {"open-image", "closed-image"}


def test_a_provider_is_named_as_everywhere(api: ApiClient, world: World) -> None:
    uuid = api.get(f"{API}/providers/east").json["uuid"]
    api.patch(f"{API}/providers/east", "dora", {"slug": "orient"})
    for key in (world.providers["east"], str(world.providers["east"]), uuid, "east", "orient"):
        assert look_up(api, {"identifier": "open-east", "provider": key})[0]["known"], key
        assert api.get(f"/lookup?identifier=open-east&provider={key}").json["results"][0]["known"]
    # One they may not see is like one that does not exist, though the machine be known to them.
    api.patch(f"{API}/images/open-image", "alice", {"maintainers": ["charlie"]})
    assert known(api, "open-west", "charlie")
    for key in ("west", "nowhere", 99):
        [result] = look_up(api, {"identifier": "open-west", "provider": key}, who="charlie")
        assert not result["known"]


# ── state, reason, what to use instead ─────────────────────────────────────────────────────


def test_how_far_behind_and_what_to_use_instead(api: ApiClient, world: World) -> None:
    assign(api, world.versions["open"])
    release(api, "2")
    newest = release(api, "3")
    arm = {"provider": "east", "identifier": "4-arm", "architecture": "arm64"}
    publish(api, "4", machines=[arm])
    match = one(api, "open-east")
    assert match["behind"] == 3
    offers = {it["channel"]: it["machine"]["identifier"] for it in match["offered"]}
    assert offers == {"latest": "3-east", "stable": "open-east"}  # of its own architecture
    offers = {it["channel"]: it["machine"]["identifier"] for it in one(api, "4-arm")["offered"]}
    assert offers == {"latest": "4-arm"}
    deprecation = {"deprecation": {"reason": "slow", "replacement": newest["id"]}}
    api.patch(f"/image_versions/{world.versions['open']}", "alice", deprecation)
    match = one(api, "open-east")
    assert (match["state"], match["reason"]) == ("deprecated", "slow")
    assert named(match["replacement"]) == "3"
    revoke(api, world.versions["open"])
    match = one(api, "open-east")
    assert (match["state"], match["reason"]) == ("revoked", "leaks a key")
    assert [it["channel"] for it in match["offered"]] == ["latest"]


def test_it_offers_on_the_same_provider(api: ApiClient, world: World) -> None:
    release(api, "2", on=("west",))
    [offer] = one(api, "open-east", "alice")["offered"]
    assert offer["machine"]["identifier"] == "open-east"
    [offer] = one(api, "open-west", "alice")["offered"]
    assert offer["machine"]["identifier"] == "2-west"


def test_a_reason_from_a_hidden_origin_stays_hidden(api: ApiClient, world: World) -> None:
    release(api, "2", parent=world.versions["closed"])
    revoke(api, world.versions["closed"], descendants=True)
    match = one(api, "2-east")
    assert (match["state"], match["reason"]) == ("revoked", None)
    assert one(api, "2-east", "alice")["reason"] == "leaks a key"


def test_a_hidden_replacement_is_shown_as_its_id_alone(api: ApiClient, world: World) -> None:
    deprecation = {"replacement": world.versions["closed"], "reason": "moved"}
    release(api, "2", deprecation=deprecation)
    assert one(api, "2-east")["replacement"] == {"id": world.versions["closed"]}


# ── what has ended ─────────────────────────────────────────────────────────────────────────


def check_remembered(
    api: ApiClient, identifier: str, offered: list[str], version_state: str = "current"
) -> None:
    """Of what has ended image, version name, state and what is offered now; nothing else."""
    for who in (None, "charlie"):
        match = one(api, identifier, who)
        assert set(match["image"]) == {"id", "slug", "name"}
        assert set(match["version"]) == {"id", "name", "state"}
        assert (match["state"], match["version"]["state"]) == ("ended", version_state)
        for hidden in ("owner", "machine", "reason", "replacement", "behind"):
            assert match[hidden] is None
        assert [it["machine"]["identifier"] for it in match["offered"]] == offered
    for who in ("alice", "dora"):
        match = one(api, identifier, who)
        assert match["machine"]["identifier"] == identifier
        assert (match["state"], match["owner"]["username"]) == ("ended", "alice")


def test_an_ended_version(api: ApiClient, world: World, clock: Clock) -> None:
    deprecation = {"reason": "a secret reason", "replacement": world.versions["open"]}
    version = release(api, "2", deprecation=deprecation, start_date="2026-06-01T00:00:00Z")
    clock.move(days=1)
    api.delete(version["url"], "alice")
    check_remembered(api, "2-east", ["open-east"], "ended")


def test_an_ended_image(api: ApiClient, world: World, clock: Clock) -> None:
    clock.move(days=1)
    api.delete(f"{API}/images/open-image", "alice")
    check_remembered(api, "open-east", [], "ended")
    # Its machine came when the image had ended already.
    assert not known(api, "ended-east")


def test_an_ended_machine_of_a_current_version(api: ApiClient, world: World, clock: Clock) -> None:
    version = release(api, "2")
    clock.move(days=1)
    api.delete(version["machines"][0]["url"], "alice")
    check_remembered(api, "2-east", ["open-east"])


def test_a_machine_of_an_ended_provider(api: ApiClient, world: World, clock: Clock) -> None:
    clock.move(days=1)
    api.delete(f"{API}/providers/east", "dora")
    check_remembered(api, "open-east", [])


def test_a_replaced_machine_has_ended_and_its_replacement_is_named(
    api: ApiClient, world: World, visitor: Visitor, clock: Clock
) -> None:
    """Both machines are of the same version, which is current all the time."""
    version = release(api, "2")
    clock.move(days=1)
    api.delete(version["machines"][0]["url"], "alice")
    placed = {"version": version["id"], "provider": "east", "architecture": "x86_64"}
    made(api, f"{API}/provider_machines", "alice", **placed, identifier="2-east-again")
    check_remembered(api, "2-east", ["2-east-again"])
    assert one(api, "2-east-again")["state"] == "current"
    for who in (None, "alice"):
        if who:
            visitor.sign_in(who)
        page = visitor.get("/search?q=2-east").text
        shown = page[page.index('<section class="known') : page.index("</section>")]
        assert 's-ended big">ended<' in shown and "Its version is current." in shown
        assert "2-east-again" in shown and "this one" not in shown and "the newest" not in shown
    assert "this one" in visitor.get("/search?q=2-east-again").text


def test_what_was_never_current_is_known_to_editors_only(
    api: ApiClient, world: World, clock: Clock
) -> None:
    withdrawn = release(api, "withdrawn", start_date="2026-07-01T00:00:00Z")
    api.delete(withdrawn["url"], "alice")
    # Each was current, but never all at once.
    apart = publish(api, "apart", end_date="2026-06-20T00:00:00Z", membership=["lab"])
    placed = {
        "version": apart["id"],
        "provider": "east",
        "identifier": "apart-east",
        "start_date": "2026-06-20T00:00:00Z",
    }
    made(api, f"{API}/provider_machines", "alice", **placed)
    scheduled = release(api, "later", start_date="2026-07-01T00:00:00Z")
    for days in (0, 10):
        clock.move(days=days)
        for identifier in ("withdrawn-east", "apart-east", "later-east"):
            for who in (None, "charlie", "bob"):
                assert not known(api, identifier, who)
            assert known(api, identifier, "alice")
            assert known(api, identifier, "dora")
    clock.move(days=10)
    assert known(api, "later-east")
    assert one(api, "later-east")["version"]["id"] == scheduled["id"]
    assert not known(api, "withdrawn-east")


def test_look_up_uses_the_present_sharing(api: ApiClient, world: World, clock: Clock) -> None:
    clock.move(days=1)
    shared = f"/image_versions/{world.versions['shared']}"
    api.delete(shared, "alice")
    assert one(api, "shared-west", "bob")["machine"] is None
    assert not known(api, "shared-west", "charlie")
    api.patch(shared, "alice", {"membership": []})
    assert not known(api, "shared-west", "bob")
    api.patch(f"{API}/images/open-image", "alice", {"is_public": False})
    assert not known(api, "open-east")


def test_a_machine_on_an_inactive_provider_is_unknown(api: ApiClient, world: World) -> None:
    api.patch(f"{API}/providers/east", "dora", {"active": False})
    assert not known(api, "open-east")
    assert known(api, "open-east", "alice")


# ── many at once, and bad input ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "identifiers",
    [
        [],
        [f"ami-{n}" for n in range(1001)],
        ["x" * 5000],
        ["x" * 513],
        [""],
        ["a\x00b"],
        [7],
        [None],
        "ami-1",
        [{"provider": "east"}],
        [{"identifier": "ami-1", "region": "east"}],
        [["ami-1"]],
    ],
    ids=lambda it: str(it)[:24],
)
def test_a_wrong_question_is_refused(
    db: Database, api: ApiClient, world: World, identifiers: Any
) -> None:
    before = everything(db)
    answer = api.post("/lookup", None, {"identifiers": identifiers})
    assert code(answer) == "400 field_invalid"
    assert answer.json["errors"][0]["field"].startswith("identifiers")
    assert everything(db) == before


def test_limits_are_named_in_errors(api: ApiClient, world: World) -> None:
    answer = api.post("/lookup", None, {"identifiers": [str(n) for n in range(1001)]})
    assert "1000" in answer.json["errors"][0]["detail"].replace(",", "")
    answer = api.post("/lookup", None, {"identifiers": ["x" * 5000]})
    assert "512" in answer.json["errors"][0]["detail"]
    assert len(answer.text) < 1000


@pytest.mark.parametrize(
    "query",
    [
        "",
        "identifier=",
        f"identifier={'x' * 5000}",
        "identifier=a&identifier=b",
        "identifier=%00",
        "identifier=a&id=b",
        "identifier=a&provider=no%20such",
    ],
    ids=lambda it: it[:40],
)
def test_wrong_parameters(api: ApiClient, world: World, query: str) -> None:
    assert code(api.get(f"/lookup?{query}")).startswith("400 ")


def test_there_is_one_result_for_each_that_was_asked_in_order_and_each_echoes_it(
    api: ApiClient, world: World
) -> None:
    asked: list[Any] = [
        "open-east",
        "none",
        {"identifier": "open-east", "provider": "east"},
        "open-east",
        {"identifier": "open-east", "provider": None},
        {"identifier": " open-east ", "provider": {"id": world.providers["east"]}},
        {"identifier": "open-east", "provider": world.providers["west"]},
        "none",
        " open-east",
    ]
    results = api.post("/lookup", None, {"identifiers": asked}).json["results"]
    assert [it["asked"] for it in results] == asked
    known = [True, False, True, True, True, True, False, False, True]
    assert [it["known"] for it in results] == known
    assert {it["identifier"] for it in results} == {"open-east", "none"}
    first, *more = [it["matches"] for it in results if it["known"]]
    assert all(matches == first for matches in more)
    one = api.get("/lookup?identifier=open-east&provider=east").json["results"]
    assert [it["asked"] for it in one] == ["open-east"]


def test_odd_ids_are_unknown(api: ApiClient, world: World) -> None:
    odd = ["ünï", "a b", "'; DROP TABLE", "\\", '"', "%", "_", "🌼", "a\nb"]
    results = look_up(api, *odd)
    assert [it["known"] for it in results] == [False] * len(odd)


@pytest.mark.long_on_postgresql
def test_a_thousand_real_ids_take_as_many_statements_as_one(db: Database) -> None:
    load(db, lambda done, total: None)
    with db.read() as tx:
        rows = tx.sql("SELECT identifier FROM machines ORDER BY id").fetchall()
    identifiers = [row[0] for row in rows][:1000]
    assert len(set(identifiers)) == 1000

    def statements(*asked: str) -> int:
        db.trace = []
        try:
            with db.read() as tx:
                found = lookup.look_up(tx, CONSOLE, list(asked))["results"]
                assert all(it["known"] for it in found)
                return len(db.trace)
        finally:
            db.trace = None

    begun = time.perf_counter()
    assert statements(*identifiers) == statements(identifiers[0]) < 10
    print(f"\na thousand ids on {db.dialect}: {time.perf_counter() - begun:.2f} s")


def test_a_malformed_provider_reference_is_refused(api: ApiClient, world: World) -> None:
    asked = {"identifiers": [{"identifier": "ami-1", "provider": "no such"}]}
    answer = api.post("/lookup", None, asked)
    assert code(answer) == "400 reference_unknown"
    assert answer.json["errors"][0]["field"] == "identifiers[0].provider"
