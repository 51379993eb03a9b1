"""Drift: which machines differ from their cloud, and who is told."""

import pytest

from goldenrod.base.clock import later
from goldenrod.store import schema
from goldenrod.store.db import Database, Tx
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.clouds import Cloud


@pytest.fixture
def cloud(db: Database, world: World) -> Cloud:
    return Cloud(db, world)


def kinds_of(api: ApiClient, who: str, query: str = "") -> dict[str, list[str]]:
    return {it["identifier"]: it["kinds"] for it in api.all(f"/api/v2/drift{query}", who)}


def test_x(db: Database, cloud: Cloud, api: ApiClient) -> None:
    cloud.lists("open-east", visibility="public")
    cloud.lists("closed-east", visibility="public", size_gb=3)
    assert kinds_of(api, "alice") == {"closed-east": ["wider"]}
