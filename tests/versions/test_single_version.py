"""One version by its address: read in parts, the answer is what one statement would have."""

from typing import Any

import pytest

from goldenrod.base.errors import NotFound
from goldenrod.catalogue.versions.versions import VERSIONS
from goldenrod.rules.access import ANONYMOUS
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import ids, publish
from tests.support.cast import CAST, World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import release, revoke


def deprecate(api: ApiClient, version: Any, **more: Any) -> None:
    body = {"deprecation": {"reason": "It is “old”.", **more}}
    assert api.patch(f"/image_versions/{version['id']}", "alice", body).status_code == 200


@pytest.fixture
def every_kind(api: ApiClient, world: World) -> list[str]:
    """The ids of versions that differ in all that a second statement reads."""
    root, hidden = world.versions["open"], world.versions["closed"]
    in_line = publish(api, "in line", image="shared", parent=world.versions["shared"])
    branch = release(api, "branch", parent=root, labels={"os": "noble"})
    elsewhere = publish(api, "elsewhere", image="kept", parent=root, scripts=[])
    on_hidden = publish(api, "on hidden", parent=hidden, scripts=[])
    release(api, "other branch", parent=root)
    on_branch = publish(api, "on branch", parent=branch["id"])
    old, old_too, older = (publish(api, name) for name in ("old", "old too", "older"))
    deprecate(api, old, replacement=branch["id"])
    deprecate(api, old_too, replacement=hidden)
    deprecate(api, older, at="2030-01-01T00:00:00Z")
    origin = publish(api, "origin", image="closed")
    heir = publish(api, "heir", parent=origin["id"], scripts=[])
    later = publish(api, "later")
    on_later = publish(api, "on later", parent=later["id"])
    assert revoke(api, origin, descendants=True).status_code == 200
    assert revoke(api, later, at="2030-01-01T00:00:00Z").status_code == 200
    in_open = branch, on_branch, on_hidden, old, old_too, older, heir, later, on_later
    return [*world.versions.values(), *ids((in_line, elsewhere, origin, *in_open))]


@pytest.mark.parametrize("who", [None, *CAST])
def test_it_is_the_answer_of_one_statement(
    api: ApiClient,
    db: Database,
    world: World,
    clock: Clock,
    every_kind: list[str],
    who: str | None,
) -> None:
    found: dict[str, str] = {}
    for key in every_kind:
        with db.read() as tx:
            actor = world.actor(tx, who) if who else ANONYMOUS
            try:
                expected = VERSIONS.get(tx, actor, key)
            except NotFound:
                assert api.get(f"/image_versions/{key}", who).status_code == 404
                continue
        found[key] = expected
        assert api.get(f"/image_versions/{key}", who).text == expected
    # Those that a stranger may read are enough to have each kind.
    for shown in (
        '"parent_behind":0',
        '"parent_behind":null',
        '"stale":true',
        '"state":"deprecated"',
        '"inherited_from":{',
        '"replacement":{"id"',
    ):
        assert any(shown in text for text in found.values()), shown
