"""Deprecating, revoking and sharing several versions at once, through the API."""

from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.versions import publish
from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.support.actions import everything
from tests.support.cast import World
from tests.support.client import ApiClient, Result, code
from tests.support.lifecycle.steps import (
    API,
    assign,
    changes,
    moves,
    release,
    restore,
    revoke,
    state,
    target,
)
from tests.support.lifecycle.steps import shown as revocation_of


def bulk(
    api: ApiClient, versions: Any, action: str, who: str = "alice", image: str = "open", **more: Any
) -> Result:
    ids = [it["id"] if isinstance(it, dict) else it for it in versions]
    headers = more.pop("headers", None)
    body = {"action": action, "versions": ids, **more}
    return api.post(f"{API}/images/{image}-image/bulk", who, body, headers=headers)


def names(answer: Result, member: str = "chosen") -> list[str]:
    found = [it.get("version", it)["name"] for it in answer.json[member]]
    assert answer.json[f"{member}_count"] == len(found)
    return found


@pytest.mark.long_on_postgresql
def test_a_dry_run_shows_what_the_change_does_each_thing_counted_once(
    db: Database, api: ApiClient, world: World
) -> None:
    first = world.versions["open"]
    one = release(api, "2", parent=first, membership=["lab"], on=("east", "west"))
    two = release(api, "3", parent=one["id"], membership=["lab"])
    built = release(api, "on 3", parent=two["id"], image="closed")
    done = release(api, "bad", parent=first)
    for channel in ("stable", "beta"):
        assign(api, first, channel)
        assign(api, two, channel)
    assert revoke(api, done).status_code == 200
    before = everything(db)
    asked = {"reason": "leaks", "descendants": True}
    chosen = [two, one, done, two]
    dry = bulk(api, chosen, "revoke", dry_run=True, **asked)
    assert everything(db) == before
    answer = bulk(api, chosen, "revoke", **asked)
    assert dry.json == answer.json | {"dry_run": True}
    assert names(answer) == ["2", "3"] and names(answer, "left_out") == ["bad"]
    assert changes(answer.json) == [(name, "current", "revoked") for name in ("2", "3", "on 3")]
    assert moves(answer.json) == [
        *[("open-image", name, "3", "open-1.0") for name in ("beta", "latest", "stable")],
        ("closed-image", "latest", "on 3", "closed-1.0"),
    ]
    assert answer.json["machines_count"] == 4 and answer.json["providers_count"] == 2
    assert [group["name"] for group in answer.json["groups"]] == ["lab"]
    assert target(api) == "open-1.0"
    # The chosen ones are revoked each by itself; what is built on them through the topmost.
    assert restore(api, one).status_code == 200
    assert [state(api, it) for it in (one, two, built)] == ["current", "revoked", "current"]
    assert revocation_of(api, two)["inherited_from"] is None


def test_all_or_nothing_and_only_what_one_may_change(
    db: Database, api: ApiClient, world: World
) -> None:
    own, other = world.versions["open"], world.versions["closed"]
    before = everything(db)
    for versions, who, error in (
        ([own, other], "alice", "400 field_invalid"),
        ([own, other], "bob", "403 change_forbidden"),
        ([own], "charlie", "403 change_forbidden"),
        ([other], "dora", "400 field_invalid"),
        ([own, "nothing"], "alice", "400 reference_unknown"),
        ([own] * 201, "alice", "400 field_invalid"),
        ([], "alice", "400 field_invalid"),
    ):
        assert code(bulk(api, versions, "revoke", who, reason="x")) == error, (versions, who)
    for action, more, fields in (
        ("revoke", {}, {"reason"}),
        ("revoke", {"reason": " ", "at": "2020-01-01T00:00:00Z", "groups": []}, None),
        ("deprecate", {"descendants": True, "at": "soon", "replacement": "x"}, None),
        ("share", {"reason": "x"}, {"reason", "groups"}),
        ("share", {"groups": ["nobody here"]}, {"groups[0]", "groups"}),
        ("bury", {}, {"action"}),
    ):
        answer = bulk(api, [own], action, **more)
        assert answer.status_code == 400, answer.text
        found = {error["field"] for error in answer.json["errors"]}
        assert found <= fields if fields else found == set(more), answer.text
    assert code(bulk(api, [own], "revoke", image="nothing", reason="x")) == "404 not_found"
    assert code(bulk(api, [own], "revoke", "", reason="x")).startswith("401")
    assert everything(db) == before


def test_deprecating_leaves_out_the_replacement_and_what_is_deprecated(
    api: ApiClient, world: World
) -> None:
    first = world.versions["open"]
    new, newest = release(api, "2"), release(api, "3")
    api.patch(new["url"], "alice", {"deprecation": {"reason": "mine"}})
    answer = bulk(api, [first, new, newest], "deprecate", reason="old", replacement=newest["id"])
    assert (names(answer), names(answer, "left_out")) == (["open-1.0"], ["2", "3"])
    assert changes(answer.json) == [("open-1.0", "current", "deprecated")]
    told = {it["version"]["name"]: it["reason"] for it in answer.json["left_out"]}
    assert told["2"] == "It is already deprecated." and told["3"].startswith("It is the repl")
    shown = api.get(f"/image_versions/{first}").json["deprecation"]
    assert (shown["reason"], shown["replacement"]["name"]) == ("old", "3")
    assert api.get(new["url"]).json["deprecation"]["reason"] == "mine"
    # One that is scheduled warns later, and changes what latest offers then.
    later = bulk(api, [newest], "deprecate", at="2027-01-01T00:00:00Z").json
    assert later["at"].startswith("2027") and changes(later) == [("3", "current", "deprecated")]
    assert state(api, newest) == "current"


def test_sharing_adds_groups_and_keeps_the_others(api: ApiClient, world: World) -> None:
    has = release(api, "2", image="closed", membership=["lab"])
    other = release(api, "3", image="closed", membership=["charlie"])
    answer = bulk(api, [has, other], "share", image="closed", groups=["lab"])
    assert (names(answer), names(answer, "left_out")) == (["3"], ["2"])
    assert [group["name"] for group in answer.json["groups"]] == ["lab"]
    assert answer.json["versions_count"] == 0 and answer.json["machines_count"] == 1
    shown = api.get(other["url"], "alice").json["membership"]
    assert {group["name"] for group in shown} == {"lab", "charlie"}
    assert api.get(other["url"], "bob").status_code == 200
    # Nothing is left to do.
    again = bulk(api, [has, other], "share", image="closed", groups=["lab"]).json
    assert (again["chosen"], again["machines_count"], again["groups"]) == ([], 0, [])


def test_a_repeated_request_with_its_key_gets_the_first_result(
    api: ApiClient, world: World
) -> None:
    chosen, key = [world.versions["open"]], {"Idempotency-Key": "k"}
    first = bulk(api, chosen, "revoke", reason="x", headers=key)
    assert first.status_code == 200 and names(first) == ["open-1.0"]
    again = bulk(api, chosen, "revoke", reason="x", headers=key)
    assert again.json["versions"] == first.json["versions"] and names(again) == ["open-1.0"]
    other = bulk(api, chosen, "revoke", reason="y", headers=key)
    assert code(other) == "409 idempotency_key_reused"


@pytest.mark.parametrize("action", ["deprecate", "revoke", "share"])
@pytest.mark.long_on_postgresql
def test_the_cost_grows_with_the_number_of_versions(
    api: ApiClient, db: Database, world: World, action: str
) -> None:
    """Also where each is built on the one before: what they reach is not counted again for each."""
    more: dict[str, Any] = {
        "deprecate": {"replacement": world.versions["closed"]},
        "revoke": {"reason": "x", "descendants": True},
        "share": {"groups": ["lab"]},
    }[action]
    ids = [world.versions["open"]]
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        for number in range(40):
            body = wire.NewVersion(name=f"n{number}", image=world.images["open"], parent=ids[-1])
            ids.append(publish.create_version(tx, alice, body).key)
    counts = []
    for chosen in (ids[:10], ids[:20], ids[:40]):
        db.trace = []
        answer = bulk(api, chosen, action, dry_run=True, **more)
        counts.append(len(db.trace))
        db.trace = None
        assert len(names(answer)) == len(chosen), answer.text
    # Between 6 statements (revoke) and 13 (share) for each.
    assert (counts[2] - counts[1]) / 20 <= (counts[1] - counts[0]) / 10 + 1 <= 14, counts
    assert bulk(api, ids[:40], action, **more).status_code == 200
    with db.read() as tx:
        reach = len(tx.rows(_reach))
    assert reach <= 2 * len(ids)


def _reach() -> Any:
    return schema.revocation_reach.select()
