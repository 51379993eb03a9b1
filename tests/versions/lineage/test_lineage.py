"""Lineage: ancestors and descendants, limited to what the reader may read."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.rules.access import ANONYMOUS
from goldenrod.store import bulk, schema
from goldenrod.store.db import Database
from tests.support.actions import publish
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.lifecycle.steps import API, release, revoke

Found = tuple[list[str], set[tuple[str, str]]]


def found(api: ApiClient, version: Any, who: str | None = "alice", query: str = "") -> Found:
    """The names of the nodes, in their order, and of the edges."""
    key = version["id"] if isinstance(version, dict) else version
    answer = api.get(f"/image_versions/{key}/lineage{query}", who)
    assert answer.status_code == 200, answer.text
    names = {it["id"]: it["name"] for it in answer.json["nodes"]}
    assert len(names) == len(answer.json["nodes"])
    edges = {(names[it["parent"]], names[it["child"]]) for it in answer.json["edges"]}
    assert len(edges) == len(answer.json["edges"])
    return [it["name"] for it in answer.json["nodes"]], edges


@pytest.fixture
def tree(api: ApiClient, world: World) -> dict[str, Any]:
    """open-1.0 ← a ← (b, c ← d); `a` is private to alice and lab, `d` to alice."""
    root = world.versions["open"]
    a = publish(api, "a", image="shared", parent=root, membership=["lab"])
    b = publish(api, "b", parent=a["id"])
    c = publish(api, "c", parent=a["id"])
    d = publish(api, "d", image="closed", parent=c["id"])
    return {"root": {"id": root}, "a": a, "b": b, "c": c, "d": d}


def test_the_lineage_of_a_hidden_version_is_404(api: ApiClient, tree: dict[str, Any]) -> None:
    for who in (None, "charlie"):
        for name in ("a", "d"):
            assert code(api.get(f"{tree[name]['url']}/lineage", who)) == "404 not_found"
    assert code(api.get("/image_versions/nowhere/lineage")) == "404 not_found"
    assert code(api.get(f"{tree['b']['url']}/lineage", "wrong")) == "401 token_invalid"


def test_it_ends_at_hidden_versions(api: ApiClient, tree: dict[str, Any]) -> None:
    for who in (None, "charlie"):
        assert found(api, tree["root"], who) == (["open-1.0"], set())
        assert found(api, tree["b"], who) == (["b"], set())
        assert found(api, tree["c"], who) == (["c"], set())
        for name in ("root", "b", "c"):
            text = api.get(f"/image_versions/{tree[name]['id']}/lineage", who).text
            for hidden in ("a", "d"):
                assert tree[hidden]["id"] not in text
    names, edges = found(api, tree["root"], "bob")
    assert (names[:2], sorted(names[2:])) == (["open-1.0", "a"], ["b", "c"])
    assert edges == {("open-1.0", "a"), ("a", "b"), ("a", "c")}
    names, edges = found(api, tree["c"])
    assert sorted(names) == ["a", "c", "d", "open-1.0"]
    assert edges == {("open-1.0", "a"), ("a", "c"), ("c", "d")}


def test_direction_and_depth(api: ApiClient, tree: dict[str, Any]) -> None:
    assert found(api, tree["c"], query="?direction=ancestors")[0] == ["c", "a", "open-1.0"]
    assert found(api, tree["c"], query="?direction=descendants")[0] == ["c", "d"]
    assert found(api, tree["c"], query="?direction=ancestors&depth=1")[0] == ["c", "a"]
    assert found(api, tree["c"], query="?depth=0") == (["c"], set())
    assert sorted(found(api, tree["a"], query="?depth=1")[0]) == ["a", "b", "c", "open-1.0"]
    assert len(found(api, tree["root"], query="?depth=99999999")[0]) == 5


def test_the_response(api: ApiClient, world: World, tree: dict[str, Any]) -> None:
    revoke(api, tree["a"], descendants=True)
    release(api, "newer")
    answer = api.get(f"{tree['c']['url']}/lineage?direction=ancestors").json
    keys = ["root", "direction", "depth", "truncated", "nodes", "edges"]
    assert list(answer) == keys
    assert (answer["root"], answer["direction"]) == (tree["c"]["id"], "ancestors")
    assert (answer["depth"], answer["truncated"]) == (None, False)
    [node] = answer["nodes"]
    assert list(node) == [
        "id",
        "url",
        "name",
        "state",
        "start_date",
        "end_date",
        "image",
        "revoked",
        "stale",
    ]
    assert node["image"]["slug"] == "open-image"
    assert (node["state"], node["revoked"]["inherited_from"]) == (
        "revoked",
        {"id": tree["a"]["id"]},
    )
    nodes = {it["name"]: it for it in api.get(f"{tree['c']['url']}/lineage", "alice").json["nodes"]}
    assert {name for name, it in nodes.items() if it["stale"]} == {"a", "d"}
    both = [
        f"{base}/{tree['c']['id']}/lineage" for base in ("/image_versions", f"{API}/image_versions")
    ]
    assert api.get(both[0], "bob").content == api.get(both[1], "bob").content
    etag = api.get(both[0]).headers["etag"]
    assert api.get(both[0], headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    "query",
    [
        "direction=up",
        "direction=",
        "depth=-1",
        "depth=x",
        "depth=1.5",
        "depth=",
        "depth=999999999999999999999",
        "depth=%D9%A1",
        "depth=1&depth=2",
        "levels=2",
    ],
)
def test_wrong_parameters(api: ApiClient, world: World, query: str) -> None:
    answer = api.get(f"/image_versions/{world.versions['open']}/lineage?{query}")
    assert code(answer) in ("400 parameter_invalid", "400 parameter_unknown")
    assert answer.json["errors"][0]["field"] == query.split("=")[0]


# ── ten thousand ───────────────────────────────────────────────────────────────────────────

MANY = lineage.MOST_NODES


def grow(db: Database, world: World, parent_of: Callable[[int], int]) -> None:
    """Build versions 1, 2, … on open-1.0 (0), each on `parent_of` it, as rows."""
    with db.write() as tx:
        select = "SELECT * FROM versions WHERE name = 'open-1.0'"
        cursor = tx.sql(select)
        first = dict(zip([it[0] for it in cursor.description], cursor.fetchone(), strict=True))
        for flag in ("allow_imaging", "public", "exclude_from_latest"):
            first[flag] = bool(first[flag])
        batch = [
            first
            | {
                "n": first["n"] + 100 + number,
                "id": f"10000000-0000-7000-8000-{number:012x}",
                "name": f"v{number}",
                "name_key": f"v{number}",
                "parent_n": first["n"] + (100 + above if (above := parent_of(number)) else 0),
            }
            for number in range(1, MANY + 1)
        ]
        for start in range(0, MANY, bulk.BATCH):
            bulk.load(tx, schema.versions, batch[start : start + bulk.BATCH])
        if tx.dialect == "postgresql":
            tx.sql("ANALYZE versions")


def timed(db: Database, *asked: Any) -> tuple[dict[str, Any], float, list[str]]:
    """A lineage, how long it took in seconds, and its statements without the root's own."""
    db.trace = []
    try:
        with db.read() as tx:
            begun = time.perf_counter()
            answer = lineage.get_lineage(tx, ANONYMOUS, *asked)
            return answer, time.perf_counter() - begun, [it for it in db.trace if "RECURSIVE" in it]
    finally:
        db.trace = None


@pytest.mark.parametrize("shape", ["chain", "fan"])
@pytest.mark.long_on_postgresql
def test_ten_thousand_versions_in_one_statement(
    db: Database, api: ApiClient, world: World, shape: str, record_property: Any
) -> None:
    grow(db, world, (lambda number: number - 1) if shape == "chain" else lambda number: 0)
    root = world.versions["open"]
    # The root and 10,000 below it are one too many.
    answer, spent, statements = timed(db, root)
    assert (answer["truncated"], len(answer["nodes"]), len(statements)) == (True, MANY, 1)
    assert len(answer["edges"]) == MANY - 1
    record_property(f"{shape} of {MANY} on {db.dialect}", f"{spent:.2f} s")
    print(f"\nlineage, {shape} of {MANY} on {db.dialect}: {spent:.2f} s")
    if shape == "chain":
        last = f"10000000-0000-7000-8000-{MANY - 1:012x}"
        answer, spent, statements = timed(db, last, "ancestors")
        assert (answer["truncated"], len(answer["nodes"]), len(statements)) == (False, MANY, 1)
        assert [it["name"] for it in answer["nodes"][:2]] == [f"v{MANY - 1}", f"v{MANY - 2}"]
        assert answer["nodes"][-1]["id"] == root
        print(f"ancestors of the last: {spent:.2f} s")
        answer, _, _ = timed(db, last, "ancestors", 7)
        assert len(answer["nodes"]) == 8
    else:
        answer, _, _ = timed(db, root, "descendants", 0)
        assert len(answer["nodes"]) == 1


@pytest.mark.long_on_postgresql
def test_a_chain_of_ten_thousand_versions_is_revoked(
    db: Database, api: ApiClient, world: World
) -> None:
    grow(db, world, lambda number: number - 1)
    begun = time.perf_counter()
    answer = revoke(api, world.versions["open"], descendants=True)
    spent = time.perf_counter() - begun
    assert answer.json["versions_count"] == MANY + 1
    print(f"\nrevoking a chain of {MANY} on {db.dialect}: {spent:.2f} s")
    last = api.get(f"/image_versions/10000000-0000-7000-8000-{MANY:012x}").json
    assert last["revoked"]["inherited_from"]["name"] == "open-1.0"
    begun = time.perf_counter()
    cut = api.patch(
        "/image_versions/10000000-0000-7000-8000-000000000001", "alice", {"parent": None}
    )
    assert (cut.status_code, cut.json["state"]) == (200, "current")
    print(f"cutting it off: {time.perf_counter() - begun:.2f} s")
    assert api.get("/image_versions?revoked=true").json["count"] == 1
