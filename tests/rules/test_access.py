"""Who sees what: the matrix of actors and things, asked of the app on both databases.

For each actor, a list holds exactly the things that the table gives them, with the exact count; GET
answers each of them as the list does, and the others with the very bytes that a thing that does not
exist gets. Filters, what shows inside of things, and time and changes passing have tables of their
own; channels, lineage and look-up have `test_access_lifecycle.py`. The cast's things are told in
`support/cast.py` and `support/access_catalogue.py`.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select

from goldenrod.base.clock import Instant, later
from goldenrod.rules import access, resources, why
from goldenrod.rules.access import ReaderKind
from goldenrod.rules.lifecycle import machine_access
from goldenrod.store import schema
from tests.conftest import BACKENDS, Clock
from tests.support.access_catalogue import NAMES, Stage, set_stage
from tests.support.access_requests.who_sees import (
    ACTORS,
    ALL,
    BY_IMAGE,
    BY_VERSION,
    KEEPER,
    LAB,
    MATRIX,
    NOWHERE,
    Sees,
    named,
    seen_by,
    who,
)
from tests.support.cast import World
from tests.support.client import ApiClient, code

# What a list holds with a filter: of what the filter finds, what the actor sees of it.
FILTERED: dict[str, Sees] = {
    "image_versions?parent={closed-1.0}": {"open-1.1": KEEPER},
    "image_versions?provider={west}": {
        **{v: who for v, who in BY_VERSION.items() if v != "open-1.1"},
        "open-1.0": LAB,
    },
    "image_versions?provider=west&tag=open-tag": {"open-1.0": LAB},
    "image_versions?provider={south}": {},
    "image_versions?provider={north}": {},
    "image_versions?image_id=closed-image": {"closed-1.0": KEEPER},
    "image_versions?name=closed-1.0": {"closed-1.0": KEEPER},
    "image_versions?tag=closed-tag": {"closed-1.0": KEEPER},
    "image_versions?search=closed": {"closed-1.0": KEEPER},
    "image_versions?search=closed-tag": {"closed-1.0": KEEPER},
    "image_versions?search=first+of+sha": {"shared-1.0": LAB},
    "image_versions?created_by=alice": BY_VERSION,
    "image_versions?created_by=bob": {},
    "image_versions?user=alice": BY_VERSION,
    "image_versions?license={Apache 2.0}": BY_VERSION,
    "image_versions?state=ended": {"ended-1.0": KEEPER},
    "image_versions?current=false": {"ended-1.0": KEEPER, "scheduled-1.0": KEEPER},
    "image_versions?launchable=true": {
        "open-1.0": ALL,
        **{f"{image}-1.0": BY_IMAGE[image] for image in ("closed", "shared", "kept")},
    },
    "image_versions?state=revoked": {"closed-1.0": KEEPER, "open-1.1": ALL},
    "image_versions?revoked=true": {"closed-1.0": KEEPER, "open-1.1": ALL},
    "image_versions?channel=stable": {"open-1.0": ALL},
    "image_versions?channel=inner": {"open-1.0": LAB},
    "image_versions?channel=closed-line": {},
    "image_versions?channel=shared-line": {"shared-1.0": LAB},
    "image_versions?channel=latest": {"open-1.0": ALL, "shared-1.0": LAB, "kept-1.0": LAB},
    "image_versions?architecture=x86_64&search=closed": {"closed-1.0": KEEPER},
    "images?tag=closed-tag": {"closed": KEEPER},
    "images?search=closed": {"closed": KEEPER},
    "images?owner=alice": BY_IMAGE,
    "images?created_by=alice&is_public=false": {"closed": KEEPER, "shared": LAB, "kept": LAB},
    "images?provider={west}": {**BY_IMAGE, "open": LAB},
    "images?name=closed+image": {"closed": KEEPER},
    "provider_machines?version_id={closed-1.0}": {"closed-east": KEEPER, "closed-west": KEEPER},
    "provider_machines?identifier=open-west": {"open-west": LAB},
    "provider_machines?provider={west}&name=open-west": {"open-west": LAB},
    # An editor is shown the machine there, but not what provider that is.
    "provider_machines?provider={south}": {"open-south": "dora"},
    "providers?name=west": {"west": LAB},
    "providers?search=west": {"west": LAB},
    "providers?public=false": {"west": LAB},
    "providers?active=false": {"south": "dora"},
    "boot_scripts?version_id={closed-1.0}": {"setup": KEEPER},
    "boot_scripts?search=setup": {"setup": KEEPER},
    "boot_scripts?name=setup": {"setup": KEEPER},
    "boot_scripts?created_by=alice": MATRIX["boot_scripts"],
    "licenses?version_id={closed-1.0}": {"Apache 2.0": KEEPER},
    "tags?name=closed-tag": {"closed-tag": KEEPER},
    "tags?search=closed": {"closed-tag": KEEPER},
    "groups?name=ops": {"ops": "dora"},
    "users?username=alice": {"alice": "alice dora"},
    "identities?user=alice&provider={west}": {"alice@west": "alice dora"},
    "tokens?user=alice": {"alice's test": "alice dora"},
    "image_version_licenses?version_id={closed-1.0}": {"closed-1.0: Apache 2.0": KEEPER},
    "image_version_memberships?version_id={shared-1.0}": MATRIX["image_version_memberships"],
    "image_version_memberships?name=ops": {"shared-1.0: ops": KEEPER},
    "image_version_boot_scripts?name=setup": {"closed-1.0: setup": KEEPER},
    "webhooks?image=open-image": {"alice's": "alice dora"},
    "webhooks?image=kept-image": {"bob's": "bob dora"},
    "webhooks?created_by=dora": {"dora's": "dora lesser"},
}

# What shows inside a thing: its id alone to all others who read it.
INSIDE: dict[tuple[str, str, str], str] = {
    ("image_versions", "open-1.1", "parent"): KEEPER,
    ("image_versions", "open-1.1", "identity"): KEEPER,
    ("provider_machines", "open-south", "provider"): "dora",
    ("provider_machines", "open-north", "provider"): "dora",
    ("provider_machines", "open-west", "provider"): LAB,
    ("image_versions", "open-1.0", "image"): ALL,
}

# Lists inside a thing: what each holds, and for whom.
LISTED: dict[tuple[str, str, str], Sees] = {
    ("image_versions", "shared-1.0", "membership"): {"lab": LAB, "ops": KEEPER},
    ("image_versions", "open-1.0", "machines"): {"open-east": ALL, "open-west": LAB},
    ("image_versions", "open-1.0", "scripts"): {"welcome": ALL},
    ("images", "open", "maintainers"): {"ops": KEEPER},
    ("images", "kept", "maintainers"): {"lab": LAB},
    ("images", "open", "versions"): {"open-1.0": ALL, "open-1.1": ALL},
    ("images", "closed", "tags"): {"closed-tag": KEEPER},
}


@pytest.fixture(scope="module", params=BACKENDS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request) as made:
        yield made


def test_every_guarded_table_is_in_the_matrix() -> None:
    asked = {why.TABLES_BY_RESOURCE[resource].name for resource in MATRIX}
    # Maintainers show on their image; channels have a table in test_access_lifecycle.py.
    assert asked == access.GUARDED - {"image_maintainers", "channels"}


def test_the_matrix_names_everything_there_is(stage: Stage) -> None:
    for resource, things in MATRIX.items():
        assert stage.ids[resource].keys() == things.keys(), resource


@pytest.mark.parametrize("resource", MATRIX)
def test_list_count_and_get_agree(stage: Stage, resource: str) -> None:
    for actor in ACTORS:
        with named(actor):
            expected = seen_by(actor, MATRIX[resource])
            # The first use of a token in an hour is noted.
            stage.api.get("/api/v2/licenses", who(actor))
            page = stage.api.get(f"/api/v2/{resource}?page_size=1000", who(actor)).json
            shown = {NAMES[resource](it): it for it in page["results"]}
            assert shown.keys() == expected
            assert page["count"] == len(page["results"]) == len(expected)
            absent = stage.api.get(f"/api/v2/{resource}/{NOWHERE}", who(actor))
            assert code(absent) == "404 not_found"
            for name, key in stage.ids[resource].items():
                one = stage.api.get(f"/api/v2/{resource}/{key}", who(actor))
                if name in expected:
                    # A single version is shown how far behind it is as well.
                    counted = {"behind", "parent_behind"} if resource == "image_versions" else set()
                    assert one.json.keys() - shown[name].keys() == counted
                    assert {field: one.json[field] for field in shown[name]} == shown[name]
                    assert stage.api.get(one.json["url"], who(actor)).content == one.content
                else:
                    assert (one.status_code, one.content) == (404, absent.content), name


def test_a_slug_leads_to_what_is_seen(stage: Stage) -> None:
    for actor in ACTORS:
        with named(actor):
            for resource, slugs in (
                ("images", {f"{name}-image": those for name, those in BY_IMAGE.items()}),
                ("providers", MATRIX["providers"]),
            ):
                for slug, those in slugs.items():
                    answer = stage.api.get(f"/api/v2/{resource}/{slug}", who(actor))
                    assert answer.status_code == (200 if actor in those.split() else 404), slug


@pytest.mark.parametrize("resource", MATRIX)
def test_a_filter_finds_what_is_shown(stage: Stage, resource: str) -> None:
    here = [asked for asked in FILTERED if asked.startswith(f"{resource}?")]
    for asked, actor in product(here, ACTORS):
        with named(asked, actor):
            query = asked.partition("?")[2]
            for ids in stage.ids.values():
                for name, key in ids.items():
                    query = query.replace(f"{{{name}}}", key)
            page = stage.api.get(f"/api/v2/{resource}?{query}", who(actor)).json
            found = {NAMES[resource](it) for it in page["results"]}
            assert found == seen_by(actor, FILTERED[asked])
            assert page["count"] == len(found)
            if not found:
                assert page == {"count": 0, "next": None, "previous": None, "results": []}


@pytest.mark.parametrize("order", ["start_date", "end_date", "name"])
def test_an_order_shows_the_same(stage: Stage, order: str) -> None:
    for actor in ACTORS:
        with named(actor):
            names = [
                it["name"] for it in stage.api.all(f"/image_versions?ordering={order}", who(actor))
            ]
            assert set(names) == seen_by(actor, BY_VERSION)
            paged = f"/image_versions?ordering=-{order}&page_size=1"
            backward = [it["name"] for it in stage.api.all(paged, who(actor))]
            assert backward == names[::-1]


def test_what_is_not_read_shows_its_id_alone(stage: Stage) -> None:
    for (resource, name, field), actor in product(INSIDE, ACTORS):
        with named(resource, name, field, actor):
            answer = stage.api.get(f"/api/v2/{resource}/{stage.id_of(resource, name)}", who(actor))
            if actor not in MATRIX[resource][name].split():
                assert answer.status_code == 404
            elif actor in INSIDE[resource, name, field].split():
                assert answer.json[field].keys() > {"id", "url"}
            else:
                assert answer.json[field].keys() == {"id"}


def test_a_list_inside_holds_what_is_shown(stage: Stage) -> None:
    for (resource, name, field), actor in product(LISTED, ACTORS):
        with named(resource, name, field, actor):
            answer = stage.api.get(f"/api/v2/{resource}/{stage.id_of(resource, name)}", who(actor))
            if actor not in MATRIX[resource][name].split():
                assert answer.status_code == 404
                continue
            held = answer.json[field]
            names = {it.get("name") or it.get("identifier") or it.get("title") for it in held}
            assert names == seen_by(actor, LISTED[resource, name, field])
            if field == "versions":
                assert answer.json["versions_count"] == len(held)


def names_seen(api: ApiClient, resource: str, actor: str) -> set[str]:
    return {NAMES[resource](it) for it in api.all(f"/api/v2/{resource}", who(actor))}


def just_before(instant: Instant) -> Instant:
    return later(instant, microseconds=-1)


def _machines(reader: ReaderKind, of_version: bool) -> Any:
    """The machines that a reader may read, of versions that they may read."""
    machine, version, provider = (
        schema.machines.alias(),
        schema.versions.alias(),
        schema.providers.alias(),
    )
    rule = access.readable(machine, reader)
    if of_version:
        rule = machine_access.readable_of(machine, version, provider, reader)
    join = version.join(machine, machine.c.version_n == version.c.n)
    return (
        select(machine.c.id)
        .select_from(join.join(provider, provider.c.id == machine.c.provider_id))
        .where(access.readable(version, reader), rule)
        .order_by(machine.c.id)
    )


def test_the_rule_for_machines_of_a_readable_version_is_the_rule(stage: Stage) -> None:
    with stage.db.read() as tx:
        for name in ("alice", "bob", "charlie", "dora", None):
            actor = stage.world.actor(tx, name) if name else access.ANONYMOUS
            given = resources.params(tx, actor)
            whole, short = (
                tx.rows(_machines, actor.reader, form, **given) for form in (False, True)
            )
            assert whole == short and whole, name


def test_a_scheduled_image_is_there_at_the_very_instant(api: ApiClient, clock: Clock) -> None:
    starts = later(clock.now, days=1)
    things = {
        "image_versions": "scheduled-1.0",
        "images": "scheduled",
        "provider_machines": "scheduled-east",
        "tags": "scheduled-tag",
    }
    for at, there in ((just_before(starts), False), (starts, True)):
        clock.now = at
        for resource, name in things.items():
            assert (name in names_seen(api, resource, "nobody")) is there, (resource, at)
    assert api.get("/image_versions?state=scheduled", "dora").json["count"] == 0


def test_what_ends_is_gone_at_the_very_instant(api: ApiClient, world: World, clock: Clock) -> None:
    ends = later(clock.now, hours=1)
    address = f"/image_versions/{world.versions['open']}"
    assert api.patch(address, "alice", {"end_date": ends}).status_code == 200
    for at, status, machines in ((just_before(ends), 200, {"open-east"}), (ends, 404, set())):
        clock.now = at
        assert api.get(address).status_code == status
        assert names_seen(api, "provider_machines", "charlie") == machines
        assert api.get("/image_versions").json["count"] == len(machines)
    assert api.get(address, "alice").json["state"] == "ended"
    # Its image is public and current still.
    assert names_seen(api, "images", "nobody") == {"open"}


@pytest.mark.parametrize(
    "change",
    [
        {"active": False},
        {"public": False},
        {"end_date": "2026-06-15T12:00:00Z"},
        {"start_date": "2026-06-15T12:00:00.000001Z"},
    ],
    ids=str,
)
def test_a_closed_provider_takes_its_machines_along(
    api: ApiClient, world: World, change: dict[str, object]
) -> None:
    version = f"/image_versions/{world.versions['open']}"
    east = f"/api/v2/providers/{world.providers['east']}"
    assert names_seen(api, "provider_machines", "nobody") == {"open-east"}
    assert api.patch(east, "dora", change).status_code == 200
    for actor in ("nobody", "charlie"):
        assert names_seen(api, "provider_machines", actor) == set()
        assert names_seen(api, "providers", actor) == set()
        assert api.get(version, who(actor)).json["machines"] == []
        assert api.get("/image_versions?launchable=true", who(actor)).json["count"] == 0
        assert api.get("/image_versions?provider=east", who(actor)).json["count"] == 0
    # Editors read all of a version's machines; inside it stand those that can be offered.
    assert "open-east" in names_seen(api, "provider_machines", "alice")
    shown = {machine["identifier"] for machine in api.get(version, "alice").json["machines"]}
    # Alice has an identity there: that it is not public does not close it to her.
    assert shown == ({"open-east", "open-west"} if "public" in change else {"open-west"})


def test_an_editor_without_an_identity_reads_machines_not_their_provider(
    api: ApiClient, world: World
) -> None:
    kept = f"/api/v2/images/{world.images['kept']}"
    assert api.patch(kept, "alice", {"maintainers": ["lab", "charlie"]}).status_code == 200
    west = {"id": world.providers["west"]}
    machines = {it["identifier"]: it for it in api.all("/api/v2/provider_machines", "charlie")}
    assert machines.keys() == {"open-east", "kept-east", "kept-west"}
    assert machines["kept-west"]["provider"] == west
    inside = api.get(f"/image_versions/{world.versions['kept']}", "charlie").json["machines"]
    assert [m["provider"] for m in inside if m["identifier"] == "kept-west"] == [west]
    asked = f"/image_versions?provider={world.providers['west']}"
    assert api.get(asked, "charlie").json["count"] == 0


def test_leaving_a_group_ends_what_it_gave(api: ApiClient, world: World) -> None:
    assert names_seen(api, "images", "bob") == {"open", "shared", "kept"}
    lab = f"/api/v2/groups/{world.groups['lab']}"
    assert api.patch(lab, "alice", {"users": ["alice"]}).status_code == 200
    assert names_seen(api, "images", "bob") == {"open"}
    assert names_seen(api, "groups", "bob") == {"bob"}


def test_a_version_shared_and_not_current_is_its_editors(api: ApiClient, world: World) -> None:
    shared = f"/image_versions/{world.versions['shared']}"
    assert api.get(shared, "bob").status_code == 200
    image = f"/api/v2/images/{world.images['shared']}"
    assert api.delete(image, "alice").status_code == 204
    assert api.get(shared, "bob").status_code == 404
    assert api.get(image, "bob").status_code == 404
    assert api.get(shared, "alice").status_code == 200


def test_who_made_an_image_is_no_editor_once_it_has_another_owner(
    api: ApiClient, world: World
) -> None:
    closed = f"/api/v2/images/{world.images['closed']}"
    assert api.patch(closed, "alice", {"owner": "charlie"}).status_code == 200
    assert api.get(closed, "charlie").status_code == 200
    # Her version makes it readable for her; a version of somebody else there does not show her.
    body = {"name": "2.0", "image": world.images["closed"]}
    theirs = api.post("/image_versions", "charlie", body).json["id"]
    shown = api.get(closed, "alice").json
    assert [it["name"] for it in shown["versions"]] == ["closed-1.0"]
    assert shown["versions_count"] == 1
    assert api.get(f"/image_versions/{theirs}", "alice").status_code == 404


def test_a_disabled_users_token_is_none(api: ApiClient, world: World) -> None:
    assert api.get("/image_versions", "bob").status_code == 200
    assert api.delete(f"/api/v2/users/{world.users['bob']}", "dora").status_code == 204
    for address in ("/image_versions", "/api/v2/licenses", "/api/v2/nowhere"):
        assert code(api.get(address, "bob")) == "401 token_invalid"


def test_a_token_ends_at_the_very_instant(api: ApiClient, world: World, clock: Clock) -> None:
    expires = later(clock.now, minutes=1)
    body = {"name": "short", "scope": "read", "expires": expires}
    made = api.post("/api/v2/tokens", "dora", body).json
    clock.now = just_before(expires)
    assert api.get("/image_versions", made["token"]).status_code == 200
    clock.now = expires
    assert code(api.get("/image_versions", made["token"])) == "401 token_invalid"


def test_a_revoked_token_is_none(api: ApiClient, world: World) -> None:
    made = api.post("/api/v2/tokens", "dora", {"name": "short", "scope": "read"}).json
    assert api.get("/image_versions", made["token"]).status_code == 200
    assert api.delete(made["url"], "dora").status_code == 204
    assert code(api.get("/image_versions", made["token"])) == "401 token_invalid"
