"""The command `why` agrees with the access rule for every user and thing, and names the clause."""

import pytest

from goldenrod.base import clock as clocks
from goldenrod.rules import resources
from goldenrod.rules.access import ANONYMOUS
from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import CAST, IMAGES, World, build_world
from tests.support.processes.command_line import Run, runner


@pytest.fixture
def on(db: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs commands on `db`, an empty catalogue on each database."""
    monkeypatch.setenv("GOLDENROD_DATABASE_URL", db.url)
    return runner(monkeypatch, capsys)


@pytest.fixture
def cast(db: Database, clock: Clock) -> World:
    """The cast and their things, on the machine's clock, which commands use."""
    clock.now = clocks.now()
    return build_world(db)


@pytest.mark.long_on_postgresql
def test_why_agrees_with_the_rule_for_every_user_and_thing(
    on: Run, db: Database, cast: World
) -> None:
    for name in IMAGES:
        things = {
            f"image:{name}-image": (schema.images, str(cast.images[name])),
            f"version:{cast.versions[name]}": (schema.versions, cast.versions[name]),
        }
        for who in (*CAST, "anonymous"):
            for thing, (table, key) in things.items():
                with db.read() as tx:
                    actor = ANONYMOUS if who == "anonymous" else cast.actor(tx, who)
                    sees = resources.find_row(tx, actor, table, key) is not None
                scope = "admin" if who == "dora" else "write"
                told = on("why", who, thing, "--scope", scope, "--json")
                assert (told.code, told.json["granted"]) == (0 if sees else 1, sees), (who, thing)


def test_why_names_the_clause_that_grants(on: Run, cast: World) -> None:
    shared = f"version:{cast.versions['shared']}"
    told = on("why", "bob", shared)
    assert told.out.startswith(f"bob may see {shared}:\n")
    granting = [words for words, grants in told.rows()[1:] if grants == "yes"]
    assert granting == ["is in a group that it is shared with; version and image are current"]
    stranger = on("why", "charlie", shared)
    assert stranger.out.startswith(f"charlie may not see {shared}: nothing grants it.\n")
    assert {grants for _, grants in stranger.rows()[1:]} == {"no"}


def test_why_distinguishes_staff_by_the_scope_of_their_token(on: Run, cast: World) -> None:
    narrow = on("why", "dora", "image:closed-image")
    assert narrow.code == 1
    assert "--scope admin" in narrow.err
    wide = on("why", "dora", "image:closed-image", "--scope", "admin")
    assert (wide.code, wide.err) == (0, "")
    assert ["is staff", "yes"] in wide.rows()


def test_why_accepts_paths_and_every_resource(on: Run, cast: World) -> None:
    for thing in (
        "/api/v2/images/open-image",
        f"https://images.example.org/api/v2/image_versions/{cast.versions['open'].upper()}",
        "image:1",
        "machine:1",
        f"provider:{cast.providers['west']}",
        "provider:east",
        f"script:{cast.scripts['setup']}",
        f"license:{cast.licenses['apache']}",
        f"group:{cast.groups['lab']}",
        f"user:{cast.users['alice']}",
        f"identity:{cast.identities['alice@west']}",
        "tag:1",
        "token:1",
        "/api/v2/image_version_licenses/1",
        "/api/v2/image_version_memberships/1",
        "/api/v2/image_version_boot_scripts/1",
    ):
        assert on("why", "alice", thing).code == 0, thing


def test_why_refuses_unknown_users_and_things(on: Run, cast: World) -> None:
    assert on("why", "zed", "image:1").code == 4
    assert on("why", "alice", "image:999").code == 4
    assert on("why", "alice", "version:999").code == 4
    for thing in ("image", "cat:1", "/api/v2/cats/1", ""):
        unknown = on("why", "alice", thing)
        assert (unknown.code, unknown.out) == (1, ""), thing
    on("user", "disable", "alice")
    disabled = on("why", "alice", "image:open-image", "--json")
    assert (disabled.code, disabled.json["granted"]) == (1, False)
    assert on("why", "alice", "image:open-image").err == "alice is disabled.\n"
