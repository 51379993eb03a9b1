"""Validators and caching: ETag, If-None-Match, If-Match, Cache-Control, Vary, HEAD."""

import re

import pytest

from goldenrod.store.db import Database
from tests.conftest import Clock
from tests.support.actions import everything, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code, lasting

VERSIONS = "/image_versions"
STRONG = re.compile(r'"[0-9a-f]{32}"')


def addresses(world: World) -> list[str]:
    """A single object and a list of several resources, readable by everyone."""
    return [
        VERSIONS,
        f"{VERSIONS}/{world.versions['open']}",
        "/api/v2/images",
        "/api/v2/images/open-image",
        "/api/v2/provider_machines",
        "/api/v2/provider_machines/1",
        "/api/v2/licenses/1",
    ]


def test_anonymous_answers_may_be_kept_and_must_be_revalidated(
    api: ApiClient, world: World
) -> None:
    for address in addresses(world):
        answer = api.get(address)
        assert answer.status_code == 200
        assert STRONG.fullmatch(answer.headers["etag"])
        assert answer.headers["cache-control"] == "public, no-cache"
        assert answer.headers["vary"] == "Authorization, Accept, Accept-Encoding"
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_strangers_answers_are_private(api: ApiClient, world: World) -> None:
    for address in addresses(world):
        answer = api.get(address, "charlie")
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["vary"] == "Authorization, Accept, Accept-Encoding"


def test_errors_and_changes_are_not_stored(api: ApiClient, world: World) -> None:
    one = f"{VERSIONS}/{world.versions['open']}"
    for answer in (
        api.get(f"{VERSIONS}/{world.versions['closed']}"),
        api.get(VERSIONS, "wrong"),
        api.get("/nowhere"),
        api.get(f"{VERSIONS}?x=1"),
        api.patch(one, "charlie", {}),
        api.patch(one, "alice", {}),
        api.delete(one, "alice"),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["vary"] == "Authorization, Accept, Accept-Encoding"


def test_the_etag_is_of_the_bytes(api: ApiClient, world: World) -> None:
    one = f"{VERSIONS}/{world.versions['shared']}"
    alice, bob = api.get(one, "alice"), api.get(one, "bob")
    assert api.get(one, "alice").headers["etag"] == alice.headers["etag"]
    # bob is not shown all that alice is, once there is more to show.
    assert alice.content == bob.content
    assert alice.headers["etag"] == bob.headers["etag"]
    api.patch(one, "alice", {"membership": ["lab", "charlie"]})
    assert api.get(one, "bob").headers["etag"] == bob.headers["etag"]
    assert api.get(one, "alice").headers["etag"] != alice.headers["etag"]


def test_it_differs_by_instant(api: ApiClient, world: World, clock: Clock) -> None:
    version = publish(api, "soon", end_date="2026-06-16T00:00:00Z")
    before = api.get(version["url"], "alice").headers["etag"]
    clock.move(days=1)
    answer = api.get(version["url"], "alice", headers={"If-None-Match": before})
    assert (answer.status_code, answer.json["state"]) == (200, "ended")
    assert answer.headers["etag"] != before


def test_if_none_match(api: ApiClient, world: World) -> None:
    for address in addresses(world):
        etag = api.get(address).headers["etag"]
        for given in (etag, f"W/{etag}", "*", f'"x", {etag}', f'W/"y",{etag} , "z"'):
            answer = api.get(address, headers={"If-None-Match": given})
            assert (answer.status_code, answer.content) == (304, b""), given
            assert answer.headers["etag"] == etag
            assert answer.headers["cache-control"] == "public, no-cache"
            assert answer.headers["vary"] == "Authorization, Accept, Accept-Encoding"
        for given in ('"x"', etag.strip('"'), "", etag.upper()):
            answer = api.get(address, headers={"If-None-Match": given})
            assert answer.status_code == 200, given
    # What is hidden is not there, whatever the reader says to have.
    hidden = f"{VERSIONS}/{world.versions['closed']}"
    etag = api.get(hidden, "alice").headers["etag"]
    for given in (etag, "*"):
        assert code(api.get(hidden, headers={"If-None-Match": given})) == "404 not_found"


def test_head_is_get_without_its_body(api: ApiClient, world: World) -> None:
    for address in [*addresses(world), f"{VERSIONS}/{world.versions['closed']}", "/nowhere"]:
        got, head = api.get(address), api.ask("HEAD", address)
        assert head.status_code == got.status_code
        assert head.content == b""
        assert lasting(head) == lasting(got)
        assert head.headers["content-length"] == str(len(got.content))
    etag = api.get(VERSIONS).headers["etag"]
    unchanged = api.ask("HEAD", VERSIONS, headers={"If-None-Match": etag})
    assert unchanged.status_code == 304


def test_a_change_whose_if_match_is_stale_is_refused(
    api: ApiClient, db: Database, world: World
) -> None:
    things = [
        (f"{VERSIONS}/{world.versions['open']}", {"change_log": "new"}),
        ("/api/v2/images/open-image", {"description": "new"}),
        ("/api/v2/provider_machines/1", {"size_gb": 7}),
        ("/api/v2/licenses/1", {"title": "new"}),
    ]
    before = everything(db)
    for address, body in things:
        got = api.get(address, "alice").headers["etag"]
        for given in ('"x"', f"W/{got}", got.strip('"'), "", '"x", "y"'):
            for answer in (
                api.patch(address, "alice", body, headers={"If-Match": given}),
                api.patch(address, "alice", {}, headers={"If-Match": given}),
                api.delete(address, "alice", headers={"If-Match": given}),
            ):
                assert code(answer) == "412 precondition_failed", given
    assert everything(db) == before
    for address, body in things:
        got = api.get(address, "alice").headers["etag"]
        answer = api.patch(address, "alice", body, headers={"If-Match": got})
        assert body.items() <= answer.json.items()
        assert answer.headers["etag"] == api.get(address, "alice").headers["etag"] != got
        # The same tag is stale now, and the new one, among others, is not.
        stale = api.patch(address, "alice", {}, headers={"If-Match": got})
        assert code(stale) == "412 precondition_failed"
        fresh = f'"x", {answer.headers["etag"]}'
        for given in (fresh, "*"):
            again = api.patch(address, "alice", {}, headers={"If-Match": given})
            assert again.status_code == 200


def test_if_match_compares_with_what_the_same_reader_would_get(
    api: ApiClient, world: World
) -> None:
    one = f"{VERSIONS}/{world.versions['kept']}"
    api.patch(one, "alice", {"identity": world.identities["alice@east"]})
    alices, bobs = (api.get(one, who).headers["etag"] for who in ("alice", "bob"))
    assert alices != bobs
    answer = api.patch(one, "bob", {"min_cpu": 1}, headers={"If-Match": alices})
    assert code(answer) == "412 precondition_failed"
    answer = api.patch(one, "bob", {"min_cpu": 1}, headers={"If-Match": bobs})
    assert answer.status_code == 200


def test_two_who_edit_at_once_do_not_lose_each_others_change(api: ApiClient, world: World) -> None:
    image = "/api/v2/images/kept-image"
    read = {who: api.get(image, who) for who in ("alice", "bob")}
    first = api.patch(
        image, "bob", {"description": "bob's"}, headers={"If-Match": read["bob"].headers["etag"]}
    )
    assert first.status_code == 200
    second = read["alice"].json | {"name": "alice's"}
    tag = {"If-Match": read["alice"].headers["etag"]}
    assert code(api.patch(image, "alice", second, headers=tag)) == "412 precondition_failed"
    assert api.get(image, "alice").json["description"] == "bob's"


def test_deleting_with_the_present_tag(api: ApiClient, world: World) -> None:
    one = f"{VERSIONS}/{world.versions['open']}"
    tag = {"If-Match": api.get(one, "alice").headers["etag"]}
    assert api.delete(one, "alice", headers=tag).status_code == 204
    assert code(api.delete(one, "alice", headers=tag)) == "412 precondition_failed"
    assert api.delete(one, "alice").status_code == 204


@pytest.mark.parametrize("method", ["FOO", "PURGE", "TRACE"])
def test_a_method_that_no_address_takes_is_405_with_what_it_does_take(
    api: ApiClient, method: str
) -> None:
    answer = api.ask(method, "/image_versions")
    assert code(answer) == "405 method_not_allowed"
    assert "GET" in answer.headers["allow"]


@pytest.mark.long_on_postgresql
def test_every_address_that_changes_something_checks_both_conditions(
    api: ApiClient, db: Database, world: World
) -> None:
    api.patch("/api/v2/images/open-image", "alice", {"tags": ["t"]})
    stable = "/api/v2/images/open-image/channels/stable"
    assigning = {"version": world.versions["open"]}
    assert api.ask("PUT", stable, "alice", assigning).status_code == 201
    hook = {"target": "https://93.184.216.34/", "events": ["version.published"]}
    hook_id = api.post("/api/v2/webhooks", "dora", hook).json["id"]
    script = {"title": "s", "type": "Raw Text", "text": "x"}
    script_id = api.post("/api/v2/boot_scripts", "dora", script).json["id"]
    things = {
        f"/api/v2/{resource}/{key}": ("PATCH", "DELETE")
        for resource, key in {
            "image_versions": world.versions["open"],
            "images": "open-image",
            "provider_machines": 1,
            "providers": "east",
            "licenses": 1,
            "boot_scripts": script_id,
            "groups": api.get("/api/v2/groups?name=lab", "dora").json["results"][0]["id"],
            "users": world.users["charlie"],
            "identities": world.identities["alice@east"],
            "tags": 1,
            "webhooks": hook_id,
        }.items()
    }
    token = api.get("/api/v2/tokens", "dora").json["results"][0]["url"]
    things |= {stable: ("PUT", "PATCH", "DELETE"), token: ("DELETE",)}
    before = everything(db)
    for address, methods in things.items():
        got = api.get(address, "dora")
        assert got.status_code == 200, address
        tag = got.headers["etag"]
        coded = f'{tag[:-1]}-gzip"'
        for method in methods:
            body = {"PUT": assigning, "PATCH": {}}.get(method)
            for unmet in (
                {"If-Match": '"x"'},
                {"If-Match": f"W/{tag}"},
                {"If-None-Match": "*"},
                {"If-None-Match": tag},
                {"If-None-Match": f'"x", W/{tag}'},
                {"If-None-Match": coded},
                # If-Match is checked first (RFC 9110 §13.2.2), and both must hold.
                {"If-Match": '"x"', "If-None-Match": '"x"'},
                {"If-Match": tag, "If-None-Match": tag},
            ):
                answer = api.ask(method, address, "dora", body, headers=unmet)
                assert code(answer) == "412 precondition_failed", (method, address, unmet)
    assert everything(db) == before
    for address, methods in things.items():
        for method in {"PUT", "PATCH"} & set(methods):
            body = {"PUT": assigning, "PATCH": {}}[method]
            tag = api.get(address, "dora").headers["etag"]
            coded = f'{tag[:-1]}-zstd"'
            for met in ({"If-None-Match": '"x"'}, {"If-Match": coded, "If-None-Match": '"x"'}):
                assert api.ask(method, address, "dora", body, headers=met).status_code == 200


def test_put_with_if_none_match_creates_and_never_replaces(api: ApiClient, world: World) -> None:
    new, body = "/api/v2/images/open-image/channels/new", {"version": world.versions["open"]}
    only_new = {"If-None-Match": "*"}
    assert api.ask("PUT", new, "alice", body, headers=only_new).status_code == 201
    again = api.ask("PUT", new, "alice", body, headers=only_new)
    assert code(again) == "412 precondition_failed"
    api.delete(new, "alice")
    assert code(api.ask("PUT", new, "alice", body, headers={"If-Match": "*"})).startswith("412")
    assert api.ask("PUT", new, "alice", body, headers=only_new).status_code == 201


def test_the_conditions_of_a_post_are_about_the_list_that_it_adds_to(
    api: ApiClient, db: Database, world: World
) -> None:
    posts = {
        "/api/v2/images": {"name": "new"},
        VERSIONS: {"name": "new", "image": "open-image"},
        "/api/v2/licenses": {"title": "t", "type": "URL", "text": "https://example.org/l"},
        "/api/v2/users": {"username": "new", "password": "a long password of mine"},
        "/api/v2/tokens": {"name": "new", "scope": "read"},
        "/api/v2/webhooks": {"target": "https://93.184.216.34/", "events": ["version.published"]},
    }
    for address, body in posts.items():
        before = everything(db)
        tag = api.get(address, "dora").headers["etag"]
        for unmet in ({"If-None-Match": "*"}, {"If-None-Match": tag}, {"If-Match": '"x"'}):
            answer = api.post(address, "dora", body, headers=unmet)
            assert code(answer) == "412 precondition_failed", (address, unmet)
        assert everything(db) == before
        tag = api.get(address, "dora").headers["etag"]
        met = {"If-Match": tag, "If-None-Match": '"x"'}
        assert api.post(address, "dora", body, headers=met).status_code == 201, address


def test_if_match_on_a_read_comes_before_if_none_match(api: ApiClient, world: World) -> None:
    for address in addresses(world):
        tag = api.get(address).headers["etag"]
        for method in ("GET", "HEAD"):
            for given in ('"x"', f"W/{tag}", "x"):
                headers = {"If-Match": given, "If-None-Match": tag}
                answer = api.ask(method, address, headers=headers)
                assert answer.status_code == 412, given
                assert "etag" not in answer.headers
            headers = {"If-Match": tag, "If-None-Match": tag}
            assert api.ask(method, address, headers=headers).status_code == 304
        assert api.get(address, headers={"If-Match": "*"}).status_code == 200


def test_allow_names_head_wherever_it_names_get(api: ApiClient, world: World) -> None:
    for address in (VERSIONS, f"{VERSIONS}/{world.versions['open']}", "/lookup", "/", "/docs"):
        for method in ("FOO", "OPTIONS"):
            allowed = api.ask(method, address).headers["allow"].split(", ")
            assert allowed[allowed.index("GET") + 1] == "HEAD", address
    refused = api.ask("PUT", VERSIONS)
    assert refused.headers["allow"] in refused.json["detail"]
    revoke = f"{VERSIONS}/{world.versions['open']}/revoke"
    assert "HEAD" not in api.get(revoke).headers["allow"]
