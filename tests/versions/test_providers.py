"""Providers: everyone reads public and active ones; only staff edit them."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient, code

PROVIDERS = "/api/v2/providers"


@pytest.fixture
def east(world: World) -> str:
    return f"{PROVIDERS}/{world.providers['east']}"


@pytest.fixture
def west(world: World) -> str:
    return f"{PROVIDERS}/{world.providers['west']}"


def new_provider(api: ApiClient, **body: Any) -> dict[str, Any]:
    made = api.post(PROVIDERS, "dora", body)
    assert made.status_code == 201, made.text
    return dict(made.json)


def places(api: ApiClient, world: World, who: str | None) -> list[str]:
    """Where this reader is shown the open version's machines."""
    version = api.get(f"/image_versions/{world.versions['open']}", who).json
    return [machine["identifier"] for machine in version["machines"]]


def test_an_account_holder_reads_a_private_provider_but_cannot_change_it(
    api: ApiClient, west: str
) -> None:
    assert api.get(west, "bob").json["public"] is False
    assert code(api.patch(west, "bob", {"public": True})) == "403 change_forbidden"
    assert [p["slug"] for p in api.all(f"{PROVIDERS}?public=false", "bob")] == ["west"]


def test_its_fields(api: ApiClient) -> None:
    made = new_provider(
        api, name="US East 1", type="aws", virtualization="hvm", description="the old one"
    )
    expected = {
        "name": "US East 1",
        "slug": "us-east-1",
        "description": "the old one",
        "type": "aws",
        "virtualization": "hvm",
        "public": False,
        "active": True,
        "start_date": "2026-06-15T12:00:00.000000Z",
        "end_date": None,
    }
    assert {name: made[name] for name in expected} == expected
    assert made["url"] == f"{PROVIDERS}/{made['id']}"
    for key in (made["id"], made["uuid"], made["uuid"].upper(), "us-east-1"):
        assert api.get(f"{PROVIDERS}/{key}", "dora").json == made, key


def test_slugs_are_generated_and_never_reused(api: ApiClient) -> None:
    first = new_provider(api, name="North")
    second = new_provider(api, name="north!")
    assert first["slug"] == "north"
    assert second["slug"].startswith("north-") and len(second["slug"]) == len("north-") + 4
    renamed = api.patch(f"{PROVIDERS}/north", "dora", {"slug": "arctic", "name": "Arctic"})
    assert renamed.json["slug"] == "arctic"
    for slug in ("north", "arctic"):
        assert api.get(f"{PROVIDERS}/{slug}", "dora").json["id"] == first["id"]
    for taken in ("north", "arctic", "new", "east"):
        body = {"name": "x", "slug": taken}
        assert code(api.post(PROVIDERS, "dora", body)) == "409 slug_unavailable", taken
        patch = {"slug": taken}
        assert code(api.patch(second["url"], "dora", patch)) == "409 slug_unavailable", taken
    assert api.patch(first["url"], "dora", {"slug": "north"}).json["slug"] == "north"
    for wrong in ("North", "-n", "", "1", "a" * 65, "a_b", "0190f0e0-0000-7000-8000-000000000000"):
        body = {"name": "x", "slug": wrong}
        assert code(api.post(PROVIDERS, "dora", body)) == "400 field_invalid", wrong


def test_an_inactive_provider_is_hidden_and_offers_nothing(
    api: ApiClient, world: World, east: str
) -> None:
    assert places(api, world, None) == ["open-east"]
    assert api.patch(east, "dora", {"active": False}).json["active"] is False
    assert places(api, world, None) == []
    assert code(api.get(east)) == "404 not_found"
    # Its holders and staff read it still; nobody is offered anything there.
    assert api.get(east, "alice").json["active"] is False
    for who in ("alice", "dora"):
        assert places(api, world, who) == ["open-west"], who
    assert api.get("/image_versions?launchable=true").json["count"] == 0
    api.patch(east, "dora", {"active": True})
    assert places(api, world, None) == ["open-east"]


def test_machines_of_a_private_provider_are_visible_to_account_holders(
    api: ApiClient, world: World
) -> None:
    assert places(api, world, "charlie") == ["open-east"]
    assert places(api, world, "bob") == ["open-east", "open-west"]


def test_deleting_ends_it_and_a_patch_restores(
    api: ApiClient, world: World, east: str, clock: Clock
) -> None:
    ended = clock.now
    assert api.delete(east, "dora").status_code == 204
    clock.move(hours=1)
    assert api.delete(east, "dora").status_code == 204
    assert api.get(east, "dora").json["end_date"] == ended
    assert code(api.get(east, "charlie")) == "404 not_found"
    assert places(api, world, None) == []
    # Who has an identity there reads it, ended or not.
    assert api.get(east, "alice").status_code == 200
    assert api.patch(east, "dora", {"end_date": None}).json["end_date"] is None
    assert places(api, world, None) == ["open-east"]


def test_dates_take_effect_at_their_instants(api: ApiClient, clock: Clock) -> None:
    made = new_provider(
        api,
        name="soon",
        public=True,
        start_date="2026-06-15T14:00:00+00:00",
        end_date="2026-06-15T18:00:00+02:00",
    )
    shown = []
    for _ in range(5):
        shown.append(api.get(made["url"]).status_code)
        clock.move(hours=1)
    # 12:00, 13:00: to come; 14:00, 15:00: current; 16:00: over.
    assert shown == [404, 404, 200, 200, 404]
    early = {"end_date": "2026-06-15T13:59:59Z"}
    assert code(api.patch(made["url"], "dora", early)) == "400 field_invalid"


def test_the_list_is_searched_and_filtered(api: ApiClient) -> None:
    new_provider(api, name="Zürich", type="openstack", description="in the Alps", public=True)
    for query in ("search=zurich", "search=alp", "name=z%C3%BCrich", "type=openstack&search=alps"):
        [found] = api.all(f"{PROVIDERS}?{query}")
        assert found["name"] == "Zürich", query
    assert [p["name"] for p in api.all(f"{PROVIDERS}?ordering=-name")] == ["Zürich", "east"]
    api.patch(f"{PROVIDERS}/zurich", "dora", {"name": "Bern", "description": ""})
    assert api.get(f"{PROVIDERS}?search=alps").json["count"] == 0
    assert api.get(f"{PROVIDERS}?search=zurich").json["count"] == 1  # its slug
    assert api.get(f"{PROVIDERS}?search=bern").json["count"] == 1
