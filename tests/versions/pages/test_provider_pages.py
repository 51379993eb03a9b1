"""Staff pages of providers and identities. `test_staff_pages.py` tests who may open them."""

from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.catalogue.accounts import identities
from goldenrod.catalogue.versions import providers, publish, versions
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.pages.visitor import Visitor, undone


def provider(db: Database, name: str) -> dict[str, Any]:
    with db.read() as tx:
        found: dict[str, Any] = providers.PROVIDERS.read(tx, CONSOLE, name)
    return found


# ── providers ──────────────────────────────────────────────────────────────────────────────

NEW_PROVIDER = "/staff/providers/new"


def test_a_provider_is_created_with_all_its_fields(dora: Visitor, db: Database) -> None:
    filled = {
        "name": "AWS Frankfurt",
        "slug": "aws-eu-central-1",
        "type": "aws",
        "virtualization": "kvm",
        "description": "The one we use.",
        "public": "on",
        "active": None,
        "start_date": "2026-03-14T09:20",
        "end_date": "2027-01-01T00:00",
    }
    made = dora.submit(dora.get(NEW_PROVIDER), NEW_PROVIDER, **filled)
    assert "Provider AWS Frankfurt created." in made.words
    kept = provider(db, "aws-eu-central-1")
    assert {**filled, "public": True, "active": False} | {
        "start_date": "2026-03-14T09:20:00.000000Z",
        "end_date": "2027-01-01T00:00:00.000000Z",
    } == {name: kept[name] for name in filled}
    # Sending the form again unchanged changes nothing.
    address = f"/staff/providers/{kept['id']}"
    assert "Saved." in dora.submit(dora.get(address), address).words
    assert provider(db, "aws-eu-central-1") == kept


def test_an_unchanged_date_keeps_its_seconds(dora: Visitor, db: Database, world: World) -> None:
    at = "2026-03-14T09:20:17.123456Z"
    with db.write() as tx:
        row = providers.PROVIDERS.row_for_change(tx, CONSOLE, "west")
        providers.edit_provider(tx, CONSOLE, row, wire.ProviderPatch(start_date=at))
    address = f"/staff/providers/{world.providers['west']}"
    page = dora.get(address)
    assert page.form(address).fields["start_date"] == ["2026-03-14T09:20"]
    dora.submit(page, address, name="West")
    assert (provider(db, "west")["name"], provider(db, "west")["start_date"]) == ("West", at)
    dora.submit(dora.get(address), address, start_date="2026-03-14T09:21")
    assert provider(db, "west")["start_date"] == "2026-03-14T09:21:00.000000Z"


def test_a_provider_is_edited_and_moved(dora: Visitor, db: Database, world: World) -> None:
    address = f"/staff/providers/{world.providers['west']}"
    page = dora.get(address)
    done = dora.submit(page, address, name="West", slug="far-west", public="on")
    assert "Saved." in done.words
    kept = provider(db, "west")
    assert (kept["name"], kept["slug"], kept["public"]) == ("West", "far-west", True)
    late = dora.submit(page, address, name="other")
    assert late.status == 412
    assert late.form(address).fields["name"] == ["other"]
    assert provider(db, "west")["name"] == "West"


@pytest.mark.parametrize(
    ("filled", "status", "field"),
    [
        ({"name": " "}, 400, "name"),
        ({"slug": "Not A Slug"}, 400, "slug"),
        ({"slug": "east"}, 409, ""),
        ({"start_date": "yesterday"}, 400, "start_date"),
        ({"start_date": "2026-03-14T00:00", "end_date": "2026-03-13T00:00"}, 400, "end_date"),
        ({"type": "x" * 257}, 400, "type"),
    ],
)
def test_invalid_providers_are_refused(
    dora: Visitor, filled: dict[str, str], status: int, field: str
) -> None:
    page = dora.submit(dora.get(NEW_PROVIDER), NEW_PROVIDER, **{"name": "new", **filled})
    assert page.status == status
    assert (f'id="f-{field}-e"' in page.text) == bool(field)


def test_a_provider_ends_and_is_restored(dora: Visitor, db: Database, world: World) -> None:
    west = f"/staff/providers/{world.providers['west']}"
    page = dora.get(f"{west}/end")
    assert "6 machines remain, but are not offered" in page.words
    assert "2 accounts of users remain" in page.words
    done = dora.submit(page, f"{west}/end")
    assert "west has ended." in done.words
    assert "Ended on 2026-06-15 12:00 UTC" in done.words
    assert provider(db, "west")["end_date"]
    assert "west is restored." in undone(dora, done).words
    assert provider(db, "west")["end_date"] is None
    dora.submit(dora.get(f"{west}/end"), f"{west}/end")
    restored = dora.submit(dora.get(west), f"{west}/restore")
    assert "west is restored." in restored.words
    assert provider(db, "west")["end_date"] is None


def test_providers_are_searched(dora: Visitor) -> None:
    assert "west" in dora.get("/staff/providers?search=we").words
    assert "No matching providers." in dora.get("/staff/providers?search=north").words
    page = dora.get("/staff/providers?search=%21%21")
    assert page.status == 200
    assert "takes at least one word" in page.words


# ── identities ─────────────────────────────────────────────────────────────────────────────


def test_an_identity_is_created_edited_and_removed(
    dora: Visitor, db: Database, world: World
) -> None:
    page = dora.get("/staff/identities?user=charlie")
    assert "No account matches." in page.words
    given = {"user": "charlie", "provider": "west", "key": "c-1"}
    made = dora.submit(page, "/staff/identities", **given)
    assert "c-1, charlie's account on west, was added." in made.words
    again = dora.submit(made, "/staff/identities", **given)
    assert (again.status, again.form("/staff/identities").fields["key"]) == (409, ["c-1"])
    [address] = [link for link in made.links if link.startswith("/staff/identities/")][-1:]
    edited = dora.submit(dora.get(address), address, key="c-2")
    assert "c-2" in edited.words
    assert "charlie can no longer see west, unless it is public" in dora.get(address).words
    gone = dora.submit(dora.get(f"{address}/remove"), f"{address}/remove")
    assert "c-2, charlie's account on west, was removed." in gone.words
    assert dora.get(address).status == 404
    assert "c-2" in undone(dora, gone).words


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"user": "nobody", "provider": "west", "key": "k"}, "user"),
        ({"user": "bob", "provider": "nowhere", "key": "k"}, "provider"),
        ({"user": "bob", "provider": "west", "key": ""}, "key"),
    ],
)
def test_invalid_identities_are_refused(dora: Visitor, given: dict[str, str], field: str) -> None:
    page = dora.submit(dora.get("/staff/identities"), "/staff/identities", **given)
    assert (page.status, f'id="f-{field}-e"' in page.text) == (400, True)


def test_an_identity_that_a_version_names_cannot_be_removed(
    dora: Visitor, db: Database, world: World
) -> None:
    with db.write() as tx:
        alice = world.actor(tx, "alice")
        row = versions.VERSIONS.row_for_change(tx, alice, world.versions["open"])
        patch = wire.VersionPatch(identity=world.identities["alice@west"])
        publish.edit_version(tx, alice, row, patch)
    address = f"/staff/identities/{world.identities['alice@west']}"
    page = dora.submit(dora.get(f"{address}/remove"), f"{address}/remove")
    assert page.status == 409
    with db.read() as tx:
        assert identities.IDENTITIES.get(tx, CONSOLE, str(world.identities["alice@west"]))
