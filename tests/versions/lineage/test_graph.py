"""The lineage graph of an image or a version: what it shows, limited to what the reader may see."""

from typing import Any

import pytest

from goldenrod.base.clock import later
from goldenrod.base.errors import NotFound
from goldenrod.catalogue.versions.lineage import queries
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import made, publish
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import API, assign, channel, release, revoke
from tests.support.lineage.reading import READERS, Asked, Who, channels, edges, gaps, lanes, names


@pytest.fixture
def ask(db: Database, world: World, api: ApiClient) -> Asked:
    return Asked(db, world, api)


def chain(
    api: ApiClient, clock: Clock, upto: int, since: int = 1, parent: Any = None, **more: Any
) -> list[Any]:
    """Versions v1, v2, … of open, a day apart, each built on the one before."""
    built: list[Any] = []
    for number in range(since, upto + 1):
        clock.move(days=1)
        above = built[-1]["id"] if built else parent
        built.append(publish(api, f"v{number}", parent=above, **more))
    return built


# ── what matters ───────────────────────────────────────────────────────────────────────────


@pytest.mark.long_on_postgresql
def test_the_newest_ten_and_how_many_are_left_out(ask: Asked, api: ApiClient, clock: Clock) -> None:
    chain(api, clock, 30)
    for who in READERS:
        found = ask("open", who)
        # open-1.0 is what `latest` offers: the only one with a machine.
        assert names(found) == ["open-1.0", *(f"v{number}" for number in range(21, 31))]
        assert channels(found) == {"open-1.0": ("latest",)}
        assert edges(found) == {(f"v{number - 1}", f"v{number}") for number in range(22, 31)}
        assert gaps(found) == [(20, "open-1.0", "v21")]
        assert lanes(found) == [("open-image", 0)]
        assert (found.version, found.truncated) == (None, False)


@pytest.mark.long_on_postgresql
def test_channel_targets_revoked_versions_and_branch_points_are_shown(
    ask: Asked, api: ApiClient, clock: Clock
) -> None:
    built = chain(api, clock, 30)
    assign(api, built[3])
    assign(api, built[3], "old")
    revoke(api, built[5])
    note = {"deprecation": {"reason": "slow"}}
    assert api.patch(built[7]["url"], "alice", note).status_code == 200
    # Its revocation is in the future, so it does not count yet.
    note = {"deprecation": {"reason": "soon", "at": later(clock(), days=3)}}
    assert api.patch(built[9]["url"], "alice", note).status_code == 200
    # Ended: nothing to warn of any more.
    revoke(api, built[10])
    assert api.delete(built[10]["url"], "alice").status_code == 204
    clock.move(days=1)
    fork = publish(api, "fork", parent=built[11]["id"])
    found = ask("open")
    kept = ["open-1.0", "v4", "v6", "v8", "v12"]
    assert names(found) == [*kept, *(f"v{number}" for number in range(22, 31)), "fork"]
    assert channels(found) == {"open-1.0": ("latest",), "v4": ("old", "stable")}
    assert ("v12", "fork") in edges(found)
    # v11 is counted for its editors only.
    expected = [(3, "open-1.0", "v4"), (1, "v4", "v6"), (1, "v6", "v8")]
    assert gaps(found) == [*expected, (2, "v8", "v12"), (9, "v12", "v22")]
    assert gaps(ask("open", "alice")) == [*expected, (3, "v8", "v12"), (9, "v12", "v22")]
    assert next(node for node in found.nodes if node.name == "v6").revoked
    assert fork["name"] == found.nodes[-1].name
    clock.move(days=3)
    assert "v10" in names(ask("open"))


@pytest.mark.long_on_postgresql
def test_the_number_of_revoked_versions_is_bounded(
    ask: Asked, api: ApiClient, clock: Clock
) -> None:
    built = chain(api, clock, 30)
    for version in built[:18]:
        revoke(api, version)
    found = ask("open")
    shown = [f"v{number}" for number in (*range(7, 19), *range(21, 31))]
    assert names(found) == ["open-1.0", *shown]
    assert len([node for node in found.nodes if node.revoked]) == queries.MOST_FLAGGED


@pytest.fixture
def built(api: ApiClient, world: World, clock: Clock) -> dict[str, Any]:
    """open's v1 … v20, and in other images what they were built on and what was built on them:

    base (public)   base-1 ← v5, base-2 ← v6
    closed          v5 ← closed-2.0 ← closed-2.1 (private to alice)
    shared          v6 ← shared-2.0 (shared with lab) ← last-1 of the public image last
    """
    for name in ("base", "last"):
        made(api, f"{API}/images", "alice", name=f"{name} image", is_public=True)
    root = publish(api, "root", image="closed")
    one = publish(api, "base-1", image="base", parent=root["id"])
    two = publish(api, "base-2", image="base", parent=one["id"])
    found = {"base-1": one, "base-2": two}
    for version in chain(api, clock, 4):
        found[version["name"]] = version
    for number, above in ((5, one), (6, two)):
        clock.move(days=1)
        found[f"v{number}"] = publish(api, f"v{number}", parent=above["id"])
    for version in chain(api, clock, 20, 7, found["v6"]["id"]):
        found[version["name"]] = version
    for name, image, parent, groups in (
        ("closed-2.0", "closed", "v5", []),
        ("closed-2.1", "closed", "closed-2.0", []),
        ("shared-2.0", "shared", "v6", ["lab"]),
        ("last-1", "last", "shared-2.0", []),
    ):
        clock.move(hours=1)
        above = found[parent]["id"]
        found[name] = publish(api, name, image=image, parent=above, membership=groups)
    return found


NEWEST = [f"v{number}" for number in range(11, 21)]


@pytest.mark.long_on_postgresql
def test_visible_relatives_in_other_images(
    ask: Asked, api: ApiClient, world: World, built: dict[str, Any]
) -> None:
    for who in (None, "charlie"):
        found = ask("open", who)
        # last-1 was built on what they may not read: nothing leads there.
        assert names(found) == ["open-1.0", "base-1", "base-2", "v5", "v6", *NEWEST]
        assert lanes(found) == [("base-image", -1), ("open-image", 0)]
        assert {("base-1", "v5"), ("base-2", "v6"), ("base-1", "base-2")} <= edges(found)
        assert gaps(found) == [(4, "open-1.0", "v5"), (4, "v6", "v11")]
        assert not found.truncated
        text = repr(found)
        for hidden in ("closed", "shared", "last", built["closed-2.0"]["id"]):
            assert hidden not in text
    found = ask("open", "bob")
    assert lanes(found) == [
        ("base-image", -1),
        ("open-image", 0),
        ("shared-image", 1),
        ("last-image", 2),
    ]
    assert {("v6", "shared-2.0"), ("shared-2.0", "last-1")} <= edges(found)
    assert "closed" not in repr(found)
    found = ask("open", "alice")
    # closed is above as well, two steps; it has one place, the nearest.
    assert lanes(found) == [
        ("base-image", -1),
        ("open-image", 0),
        ("closed-image", 1),
        ("shared-image", 1),
        ("last-image", 2),
    ]
    assert {("root", "base-1"), ("v5", "closed-2.0"), ("closed-2.0", "closed-2.1")} <= edges(found)


def test_hidden_versions_are_not_counted(
    ask: Asked, api: ApiClient, clock: Clock, world: World
) -> None:
    for number in range(1, 24):
        clock.move(hours=1)
        shared = ["lab"] if number % 2 else []
        publish(api, f"s{number}", image="shared", membership=shared)
    with pytest.raises(NotFound):
        ask("shared", "charlie")
    assert gaps(ask("shared", "bob")) == [(2, "shared-1.0", "s5")]
    assert gaps(ask("shared", "alice")) == [(13, "shared-1.0", "s14")]


def test_hidden_versions_do_not_affect_what_is_shown(
    ask: Asked, api: ApiClient, clock: Clock, world: World
) -> None:
    """Of shared, v1 … v14 are shared with lab, and what else there is, is alice's alone."""
    lab = {"membership": ["lab"]}
    built: dict[str, Any] = {}

    def build(name: str, parent: str | None, image: str = "shared", **more: Any) -> None:
        clock.move(hours=1)
        above = built[parent]["id"] if parent else None
        built[name] = publish(api, name, image=image, parent=above, **more)

    for number in range(1, 15):
        build(f"v{number}", f"v{number - 1}" if number > 1 else None, **lab)
        if number == 2:
            # No fork of v1 for bob: its other child is hidden.
            build("hidden-child", "v1", membership=[])
            build("hidden-root", None, membership=[])
            build("visible-child", "hidden-root", **lab)
            build("other-child", "hidden-root", **lab)
    # In open, where bob sees everything: built on a hidden one, and beyond a hidden one.
    build("on-hidden", "hidden-child", "open")
    build("near", "v2", "open")
    build("hidden-far", "near", "closed")
    build("beyond", "hidden-far", "open")
    for who, seen in (("bob", False), ("alice", True)):
        found = ask("shared", who)
        shown = set(names(found))
        assert {"near", "v2", "v14"} <= shown
        for name in ("v1", "hidden-child", "on-hidden", "hidden-far", "beyond"):
            assert (name in shown) is seen, name
        if not seen:
            for name in ("hidden-child", "hidden-root", "hidden-far"):
                assert built[name]["id"] not in repr(found)


def test_a_hidden_newest_version_makes_nothing_stale(
    ask: Asked, api: ApiClient, clock: Clock, world: World
) -> None:
    def built(name: str, **more: Any) -> Any:
        clock.move(hours=1)
        return publish(api, name, **more)

    def stale(who: Who) -> bool:
        return {node.name: node.stale for node in ask("open", who).nodes}["child"]

    base = built("s1", image="shared", membership=["lab"])
    built("child", parent=base["id"])
    built("s2", image="shared", membership=[])
    assert (stale("bob"), stale("alice")) == (False, True)
    built("s3", image="shared", membership=["lab"])
    built("s4", image="shared", membership=[])
    assert (stale(None), stale("bob"), stale("alice")) == (False, True, True)


def test_restricted_channels_are_visible_to_the_groups_they_name(
    ask: Asked, api: ApiClient, world: World
) -> None:
    assign(api, world.versions["open"], "inner")
    secret = {"restricted": True, "groups": ["lab"]}
    assert api.patch(channel("inner"), "alice", secret).status_code == 200
    for who in READERS:
        seen = ("inner", "latest") if who in ("bob", "alice", "dora") else ("latest",)
        assert channels(ask("open", who)) == {"open-1.0": seen}


def test_a_channel_at_a_hidden_version_is_not_shown(
    ask: Asked, api: ApiClient, clock: Clock, world: World
) -> None:
    assert channels(ask("shared", "bob")) == {"shared-1.0": ("latest",)}
    own = publish(api, "own", image="shared")
    assign(api, own, image="shared")
    assert channels(ask("shared", "bob")) == {"shared-1.0": ("latest",)}
    assert channels(ask("shared", "alice"))["own"] == ("stable",)


def test_channels_of_other_images(ask: Asked, api: ApiClient, built: dict[str, Any]) -> None:
    assign(api, built["base-1"], image="base")
    assert channels(ask("open"))["base-1"] == ("stable",)
    placed = {"provider": "east", "identifier": "base-2", "version": built["base-2"]["id"]}
    made(api, f"{API}/provider_machines", "alice", architecture="x86_64", **placed)
    assert channels(ask("open"))["base-2"] == ("latest",)
    revoke(api, built["base-1"])
    assert "base-1" not in channels(ask("open"))


@pytest.mark.long_on_postgresql
def test_stale_equals_the_api(ask: Asked, api: ApiClient, built: dict[str, Any]) -> None:
    def stale(who: Who) -> set[str]:
        return {node.name for node in ask("open", who).nodes if node.stale}

    # What is newer than the parent of `v20` is `v20` itself and what is built on it.
    assert "v5" in stale(None)
    assert not {"v6", "v20"} & stale(None)
    before = stale(None)
    release(api, "base-3", image="base", parent=built["base-2"]["id"])
    assert stale(None) == before | {"v6"}
    # A version that only editors see makes nothing stale for others.
    assert api.delete(f"{API}/images/last-image", "alice").status_code == 204
    assert "last-1" in names(ask("open", "alice"))
    assert "last-1" not in names(ask("open", "bob"))


def test_the_graph_of_a_hidden_image_is_404(ask: Asked, world: World) -> None:
    for image in ("closed", "kept", "ended", "scheduled", "nowhere"):
        with pytest.raises(NotFound):
            ask(image, "charlie")
    for name in ("closed", "shared"):
        with pytest.raises(NotFound):
            ask(world.versions[name])


def test_an_image_without_readable_versions(ask: Asked, api: ApiClient) -> None:
    made(api, f"{API}/images", "alice", name="void image", is_public=True)
    found = ask("void")
    assert (found.nodes, found.edges, found.gaps, found.lanes) == ((), (), (), ())


# ── around a version ───────────────────────────────────────────────────────────────────────


def test_the_graph_of_a_version(ask: Asked, api: ApiClient, built: dict[str, Any]) -> None:
    found = ask(built["v6"]["id"])
    assert found.version == built["v6"]["id"]
    # Beside it, the newest, where channels point, and its own line: twelve below, base above.
    below = [f"v{number}" for number in range(7, 19)]
    expected = ["open-1.0", "base-1", "base-2", "v3", "v4", "v5", "v6", *below, "v19", "v20"]
    assert names(found) == expected
    assert gaps(found) == [(2, "open-1.0", "v3")]
    assert lanes(found) == [("base-image", -1), ("open-image", 0)]
    found = ask(built["v5"]["id"], "alice")
    assert {"root", "base-1", "v5", "closed-2.0", "closed-2.1"} <= set(names(found))
    # What others were built on is not this one's.
    assert not {"base-2", "shared-2.0", "last-1"} & set(names(found))
    found = ask(built["shared-2.0"]["id"], "bob")
    assert lanes(found) == [
        ("base-image", -2),
        ("open-image", -1),
        ("shared-image", 0),
        ("last-image", 1),
    ]
    assert names(found, found.image) == ["shared-1.0", "shared-2.0"]


def test_the_graph_of_a_version_with_hidden_relatives(
    ask: Asked, api: ApiClient, built: dict[str, Any]
) -> None:
    found = ask(built["last-1"]["id"], "charlie")
    assert (names(found), found.edges) == (["last-1"], ())
    assert (found.nodes[0].stale, found.nodes[0].parent_image) == (False, None)
