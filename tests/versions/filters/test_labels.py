"""Labels of versions: writing them in every way, their rules, and the filter."""

from typing import Any

from goldenrod.rules.changes.labels import MOST_ASKED, MOST_LABELS
from goldenrod.store.db import Database
from tests.support.actions import everything, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code

VERSIONS = "/image_versions"


def named(api: ApiClient, query: str, who: str | None = "alice") -> set[str]:
    """The names of the versions that a list finds, which are as many as it counts."""
    answer = api.get(f"{VERSIONS}?{query}", who)
    assert answer.status_code == 200, answer.text
    assert answer.json["count"] == len(answer.json["results"])
    return {version["name"] for version in answer.json["results"]}


def test_labels_are_given_merged_removed_and_told(api: ApiClient, world: World) -> None:
    given = {"team": "web", "id": "7", "ci/build.no": " 12 ", "empty": "", "a-b_c": 'Größe="2": x'}
    version = publish(api, "labelled", labels=given, image="open")
    shown = {"a-b_c": 'Größe="2": x', "ci/build.no": "12", "empty": "", "id": "7", "team": "web"}
    assert list(version["labels"].items()) == list(shown.items())  # sorted by key
    assert api.get(version["url"], None).json["labels"] == shown
    listed = api.get(f"{VERSIONS}?label=team:web", None).json["results"]
    assert [it["labels"] for it in listed] == [shown]
    # Sending back what GET answered changes nothing.
    assert api.patch(version["url"], "alice", {"labels": shown}).json == version

    patch = {"labels": {"team": "ops", "empty": None, "never": None, "new": "1"}}
    after = {"a-b_c": shown["a-b_c"], "ci/build.no": "12", "id": "7", "new": "1", "team": "ops"}
    assert api.patch(version["url"], "alice", patch).json["labels"] == after
    history = api.get(f"{version['url']}/history?ordering=-sequence", "alice").json["results"]
    assert [entry["action"] for entry in history] == ["version:edit", "version:create"]
    assert history[0]["changes"] == {"labels": {"before": shown, "after": after}}
    assert history[1]["changes"]["labels"] == {"before": None, "after": shown}

    # A child inherits none: a label may say that one build was tested.
    child = publish(api, "child", image="open", parent=version["id"], labels={"id": "8"})
    assert child["labels"] == {"id": "8"}
    assert publish(api, "second", image="open", parent=version["id"])["labels"] == {}
    diff = api.get(f"{child['url']}/diff", "alice").json
    assert diff["fields"]["labels"] == {"from": after, "to": {"id": "8"}}

    assert code(api.patch(version["url"], "bob", {"labels": None})) == "403 change_forbidden"
    assert api.patch(version["url"], "alice", {"labels": None}).json["labels"] == {}


def test_wrong_labels_are_told_all_at_once_and_change_nothing(
    api: ApiClient, world: World, db: Database
) -> None:
    wrong: dict[str, Any] = {
        "Team": "x", "": "x", "a b": "x", "-a": "x", "k" * 64: "x", "clé": "x",
        "a.b": 1, "a": ["x"], "long": "x" * 257, "line": "a\nb", "hidden": "a\u200bb", "ok": "x",
    }  # fmt: skip
    before = everything(db)
    for body, send in (
        ({"name": "1", "image": "open-image", "labels": wrong, "min_cpu": -1}, api.post),
        ({"labels": wrong, "min_cpu": -1}, api.patch),
    ):
        where = VERSIONS if send == api.post else f"{VERSIONS}/{world.versions['open']}"
        answer = send(where, "alice", body)
        assert answer.status_code == 400
        told = {error["field"] for error in answer.json["errors"]}
        assert told == {"min_cpu", *(f'labels["{key}"]' for key in wrong if key != "ok")}
    one = f"{VERSIONS}/{world.versions['open']}"
    many = {f"k{n}": "" for n in range(MOST_LABELS + 1)}
    for bad in ({"labels": many}, {"labels": []}, {"labels": "a:b"}):
        assert code(api.patch(one, "alice", bad)) == "400 field_invalid", bad
    twice = b'{"labels": {"a": "1", "a": "2"}}'
    assert code(api.ask("PATCH", one, "alice", raw=twice)) == "400 body_malformed"
    assert everything(db) == before

    # The limit is on what a version has, not on what a patch gives.
    most = dict(list(many.items())[:MOST_LABELS])
    assert api.patch(one, "alice", {"labels": most}).status_code == 200
    assert code(api.patch(one, "alice", {"labels": {"more": ""}})) == "400 field_invalid"
    swap = {"labels": {"more": "", "k0": None}}
    assert len(api.patch(one, "alice", swap).json["labels"]) == MOST_LABELS


def test_all_labels_of_a_filter_must_hold(api: ApiClient, world: World) -> None:
    publish(api, "a", image="open", labels={"team": "web", "tested": "yes", "empty": ""})
    publish(api, "b", image="open", labels={"team": "web", "tested": "no", "at": "1:2,3"})
    publish(api, "hidden", image="shared", labels={"team": "web"})
    assert named(api, "label=team:web") == {"a", "b", "hidden"}
    assert named(api, "label=team:web", None) == {"a", "b"}
    assert named(api, "label=team:web&label=tested:yes") == {"a"}
    assert named(api, "label=team:web&label=team:web&state=current&label=empty:") == {"a"}
    assert named(api, "label=at:1:2,3") == {"b"}
    assert named(api, "label=team:Web") == named(api, "label=team:") == set()
    # The links to further pages carry all of them.
    first = api.get(f"{VERSIONS}?label=team:web&label=tested:no&page_size=1", "alice").json
    assert (first["count"], first["next"]) == (1, None)
    page = api.get(f"{VERSIONS}?label=team:web&page_size=1", "alice").json
    assert {it["name"] for it in api.all(page["next"], "alice")} < {"a", "b", "hidden"}
    for bad in ("team", "Team:x", ":x", "", "team:%00"):
        answer = api.get(f"{VERSIONS}?label={bad}", "alice")
        assert (code(answer), answer.json["errors"][0]["field"]) == (
            "400 parameter_invalid", "label",
        )  # fmt: skip
    many = "&".join(f"label=a:{n}" for n in range(MOST_ASKED + 1))
    answer = api.get(f"{VERSIONS}?{many}", "alice")
    assert code(answer) == "400 parameter_invalid" and str(MOST_ASKED) in answer.json["detail"]
