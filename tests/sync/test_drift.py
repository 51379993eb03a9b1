"""Drift: which machines differ from their cloud, in which ways, and who sees it."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.base.architectures import normal_architecture
from goldenrod.base.clock import later
from goldenrod.catalogue.sync import drift
from goldenrod.catalogue.versions import machines
from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.cast import IMAGES, World
from tests.support.client import ApiClient, code
from tests.support.clouds import Cloud
from tests.support.webhooks.events import OPEN, edit, hooked, log_of, revoke
from tests.support.webhooks.receiver import Receiver

DRIFT = "/api/v2/drift"
RANKS = ("private", "shared", "community", "public")


@pytest.fixture
def cloud(db: Database, world: World) -> Cloud:
    return Cloud(db, world.providers["east"])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


def found(api: ApiClient, who: str, query: str = "") -> dict[str, list[str]]:
    return {it["identifier"]: it["kinds"] for it in api.all(f"{DRIFT}{query}", who)}


# ── the kinds ──────────────────────────────────────────────────────────────────────────────


def model(here: dict[str, Any], there: dict[str, Any], now: str) -> set[str]:
    """The kinds of drift, in plain Python, of a machine here as its cloud has it."""
    live, listed = not here["machine_ended"], not there["missed"]
    kinds = {"unchecked"} if live and there["scope"] == "broken" else set()
    if not listed:
        return kinds | ({"missing"} if live else set())
    if there["visibility"]:
        apart = RANKS.index(there["visibility"]) - RANKS.index(here["visibility"])
        kinds |= {"wider"} if apart > 0 else {"narrower"} if apart < 0 and live else set()
    if not live:
        return kinds
    same = (
        not there["size_gb"] or there["size_gb"] == 8,
        not there["checksum"] or there["checksum"] == "sha256:aa",
        not there["architecture"] or normal_architecture(there["architecture"]) == "x86_64",
    )
    kinds |= set() if all(same) else {"changed"}
    deprecated = there["deprecated_at"] is not None and there["deprecated_at"] <= now
    if deprecated and here["state"] in ("current", "scheduled"):
        kinds.add("deprecated")
    if not deprecated and here["state"] == "deprecated":
        kinds.add("current")
    if here["state"] != "ended" and there["status"] == "deactivated":
        kinds.add("not_launchable")
    return kinds


def place(db: Database, world: World, name: str, identifier: str, *, ended: bool) -> None:
    """One more machine of an image's version."""
    with db.write() as tx:
        dora = world.actor(tx, "dora")
        body = wire.NewMachine(
            provider="east",
            version=world.versions[name],
            identifier=identifier,
            architecture="x86_64",
            size_gb=8,
            checksum="sha256:aa",
        )
        made = machines.create_machine(tx, dora, body)
        if ended:
            machines.end_machine(tx, dora, machines.MACHINES.row_for_change(tx, dora, made.key))


@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.long_on_postgresql
def test_a_machine_has_the_kinds_of_drift_that_a_plain_model_says(
    db: Database, world: World, api: ApiClient, cloud: Cloud, clock: Clock, count: int
) -> None:
    edit(db, world, world.versions["shared"], deprecation=wire.NewDeprecation())
    edit(db, world, world.versions["kept"], deprecation=wire.NewDeprecation())
    revoke(db, world, world.versions["kept"])
    states = dict.fromkeys(IMAGES, "current") | {"ended": "ended", "scheduled": "scheduled"}
    states |= {"shared": "deprecated", "kept": "revoked"}
    cloud.scope("broken", failing_since=clock.now)
    dice, expected = random.Random(18), {}
    for number in range(count):
        name, ended = dice.choice(IMAGES), dice.random() < 0.2
        identifier = f"m{number}"
        place(db, world, name, identifier, ended=ended)
        there = {
            "scope": dice.choice(("all", "all", "broken")),
            "missed": dice.choice((0, 0, 0, 2)),
            "visibility": dice.choice((None, *RANKS)),
            "size_gb": dice.choice((8, 8, 8, 9, None)),
            "checksum": dice.choice(("sha256:aa", "sha256:aa", "sha256:bb", "")),
            "architecture": dice.choice(("x86_64", "AMD64 ", "x64", "arm64", "")),
            "status": dice.choice(("active", "active", "deactivated")),
            "deprecated_at": dice.choice((None, clock.now, later(clock.now, days=1))),
        }
        cloud.lists(identifier, **there)
        public = name in ("open", "ended", "scheduled")
        here = {
            "machine_ended": ended,
            "state": states[name],
            "visibility": "public" if public else "shared" if name == "shared" else "private",
        }
        expected[identifier] = model(here, there, clock.now)
    drifted = found(api, "dora")
    assert {one: set(kinds) for one, kinds in drifted.items()} == {
        one: kinds for one, kinds in expected.items() if kinds
    }
    assert {kind for kinds in drifted.values() for kind in kinds} == {*drift.KINDS} - {"unknown"}
    # The worst first, and each kind found by its filter, page by page.
    worst = [drift.KINDS.index(kinds[0]) for kinds in drifted.values()]
    assert worst == sorted(worst)
    assert all(kinds == sorted(kinds, key=drift.KINDS.index) for kinds in drifted.values())
    for kind in drift.KINDS:
        of_kind = {one for one, kinds in expected.items() if kind in kinds}
        listed = api.all(f"{DRIFT}?kind={kind}&page_size=7", "dora")
        assert {it["identifier"] for it in listed} == of_kind
        assert len(listed) == len(of_kind)


# ── who sees it ────────────────────────────────────────────────────────────────────────────


def test_editors_see_the_drift_of_their_versions_and_staff_all(
    world: World, api: ApiClient, cloud: Cloud
) -> None:
    cloud.scope("secret-account", failing_since="2026-03-01T00:00:00.000000Z", failed_reason="no")
    for name in IMAGES:
        cloud.lists(f"{name}-east", checksum="b" * 64, scope="secret-account")
    cloud.lists("kept-west", visibility="public", provider_id=world.providers["west"])
    cloud.lists("stranger", visibility="public", cloud_owner="12345")
    everywhere = {f"{name}-east" for name in IMAGES} | {"kept-west"}
    seen = {who: set(found(api, who)) for who in ("alice", "bob", "charlie", "dora")}
    assert seen == {
        "alice": everywhere,
        "bob": {"kept-east", "kept-west"},
        "charlie": set(),
        "dora": everywhere | {"stranger"},
    }
    assert code(api.get(DRIFT)) == "401 credentials_required"
    for who, statuses in {
        None: (401, 404, 404),
        "charlie": (403, 404, 404),
        "bob": (403, 403, 200),
        "alice": (200, 200, 200),
        "dora": (200, 200, 200),
    }.items():
        addresses = (
            f"/image_versions/{world.versions[it]}/drift" for it in ("open", "shared", "kept")
        )
        answers = [api.get(address, who) for address in addresses]
        assert tuple(answer.status_code for answer in answers) == statuses
        if statuses[2] == 200:
            listed = [it["identifier"] for it in answers[2].json["results"]]
            assert sorted(listed) == ["kept-east", "kept-west"]


@pytest.mark.long_on_postgresql
def test_sources_scopes_and_hidden_providers_are_not_named_to_editors(
    db: Database, world: World, api: ApiClient, cloud: Cloud
) -> None:
    since = "2026-03-01T00:00:00.000000Z"
    cloud.scope("secret-account", failing_since=since, failed_reason="no such key")
    cloud.lists("closed-east", scope="secret-account", size_gb=7)
    with db.write() as tx:
        tx.update(schema.providers, {"id": world.providers["east"]}, public=False)
        tx.delete(schema.identities, id=world.identities["alice@east"])
    [mine], [theirs] = (api.all(DRIFT, who) for who in ("alice", "dora"))
    assert mine["provider"] == {"id": world.providers["east"]}
    assert mine["machine"]["provider"] == {"id": world.providers["east"]}
    assert [mine[name] for name in ("source", "scope", "reason")] == [None] * 3
    assert mine["unchecked_since"] == since
    told = [theirs[name] for name in ("source", "scope", "reason")]
    assert told == ["prod", "secret-account", "no such key"]
    assert api.all(f"{DRIFT}?provider=east", "alice") == []
    assert list(found(api, "dora", "?provider=east&image=closed-image")) == ["closed-east"]
    assert found(api, "dora", "?image=open-image") == {}
    assert code(api.get(f"{DRIFT}?kind=odd", "dora")) == "400 parameter_invalid"


def test_an_answer_says_how_the_machine_is_here_and_there(
    db: Database, world: World, api: ApiClient, cloud: Cloud
) -> None:
    row = cloud.lists("shared-east", visibility="community", size_gb=9, checksum="b")
    cloud.lists("stranger")
    with db.write() as tx:
        machine = {"identifier": "shared-east"}
        tx.update(schema.machines, machine, size_gb=8, checksum="a")
    [known, unknown] = api.all(DRIFT, "dora")
    assert (known["kinds"], known["changed"]) == (["wider", "changed"], ["size_gb", "checksum"])
    assert known["here"] == {
        "architecture": "x86_64",
        "size_gb": 8,
        "checksum": "a",
        "visibility": "shared",
        "deprecated_at": None,
    }
    assert known["there"]["visibility"] == "community"
    assert known["there"]["name"] == "the shared-east"
    assert known["version"]["id"] == world.versions["shared"]
    assert known["image"]["slug"] == "shared-image"
    assert unknown["kinds"] == ["unknown"]
    assert [unknown[name] for name in ("image", "version", "machine", "here")] == [None] * 4
    # Gone from one scope while another lists it is not missing.
    cloud.change(row, missed=3, missing_since=known["seen_at"], gone=True)
    cloud.lists("shared-east", scope="other", visibility="shared", size_gb=8, checksum="a")
    assert found(api, "alice") == {}
    # A machine that a person adds is known before the next look.
    place(db, world, "open", "stranger", ended=False)
    assert found(api, "dora") == {}


# ── events ─────────────────────────────────────────────────────────────────────────────────


def test_webhooks_are_notified_of_each_change_once(
    db: Database, world: World, api: ApiClient, cloud: Cloud, clock: Clock, receiver: Receiver
) -> None:
    api = ApiClient(db, OPEN, world)
    mine, all_ = (
        hooked(api, f"{receiver.url}?alice"),
        hooked(api, f"{receiver.url}?dora", "dora", None),
    )
    secrets = {"/hook?alice": mine["secret"], "/hook?dora": all_["secret"]}
    bad = cloud.scope("bad")
    row = cloud.lists("open-east", visibility="private")
    scope = cloud.scopes["all"]

    def told() -> list[tuple[str, str, Any]]:
        """What is sent after a look: to whom, the type, and what is new about it."""
        clock.move(minutes=5)
        with db.write() as tx:
            for looked_at in (scope, bad):
                drift.record_changes(tx, looked_at)
        del receiver.got[:]
        assert Deliverer(db, private=True).deliver_due()
        sent = [(got.path[6:], got.payload(secrets[got.path])) for got in receiver.got]
        news = ("kinds", "since", "reason")
        return sorted(
            (to, it["type"], *(it["data"][name] for name in news if name in it["data"]))
            for to, it in sent
        )

    both = ("alice", "dora")
    assert told() == [(to, "machine.drifted", ["narrower"]) for to in both]
    assert told() == []
    cloud.change(row, size_gb=3, visibility="public")
    with db.write() as tx:
        tx.update(schema.machines, {"identifier": "open-east"}, size_gb=2)
    assert told() == [(to, "machine.drifted", ["changed"]) for to in both]
    since = clock.now
    cloud.change(row, missed=1, missing_since=since)
    assert told() == [(to, "machine.missing", since) for to in both]
    cloud.change(row, missed=2)
    cloud.scope("bad", failing_since=since, failed_reason="wrong credentials")
    assert told() == [("dora", "sync.failed", since, "wrong credentials")]
    assert told() == []
    # Back as it was: what is new then is told again.
    cloud.change(row, missed=0, missing_since=None, size_gb=2)
    cloud.scope("bad", failing_since=None)
    assert told() == []
    cloud.change(row, visibility="shared")
    assert told() == [(to, "machine.drifted", ["narrower"]) for to in both]
    # One that fails for longer than events are stored is not told anew, when its event is deleted.
    cloud.scope("bad", failing_since=later(clock.now, days=-40))
    assert told() == []


def test_only_editors_are_told_what_the_cloud_says(
    db: Database, world: World, cloud: Cloud, receiver: Receiver
) -> None:
    api = ApiClient(db, OPEN, world)
    hook = hooked(api, receiver.url, "bob", "kept", events=["machine.drifted"])
    cloud.lists("kept-east", visibility="public")
    with db.write() as tx:
        drift.record_changes(tx, cloud.scopes["all"])
        # Shared with bob from now on, but not maintained by him any more.
        lab = {"group_id": world.groups["lab"]}
        tx.delete(schema.image_maintainers, **lab)
        key = world.versions["kept"]
    edit(db, world, key, membership=["lab"])
    Deliverer(db, private=True).deliver_due()
    assert not receiver.got
    assert api.get(f"/image_versions/{key}", "bob").status_code == 200
    assert [it["event"] for it in api.all(f"{hook['url']}/deliveries", "bob")] == [None]
    assert [it["state"] for it in log_of(api, hook)] == ["dropped"]
