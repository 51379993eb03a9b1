"""Every route, asked by every actor: which status, what it must show, and what it must never show.

`support/access_requests/` has rows for each route; one without a row fails. `SECRET` says once for all
who may ever read a text: it is looked for in the body and headers of every answer, refusals too,
whatever was asked. Changes are undone as soon as they are answered, so that each is asked of the same
things.
"""

import re
from collections.abc import Iterator

import pytest

from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API
from tests.conftest import BACKENDS
from tests.support.access_catalogue import Stage, set_stage
from tests.support.access_requests.every_route import EVERY_ASKED
from tests.support.access_requests.rehearsal import Rehearsal
from tests.support.access_requests.resources import Ask
from tests.support.access_requests.secrets import SECRET, filled, secrets_in, told
from tests.support.access_requests.who_sees import ACTORS, ALL, NOWHERE, named, who
from tests.support.client import Result, code, lasting


@pytest.fixture(scope="module", params=BACKENDS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request, Rehearsal) as made:
        yield made


def address(stage: Stage, route: str, asked: str) -> str:
    resource = route.split("/")[1]
    path = str(filled(stage, asked, resource))
    return f"/{resource}/{path}" if path and path[0] != "?" else f"/{resource}{path}"


def absent(ask: Ask) -> str:
    """The path with what some may not see in it replaced by what does not exist."""
    unseen = ask.unseen or re.split("[/?]", ask.path)[0]
    assert ask.path.count(unseen) == 1
    return ask.path.replace(unseen, NOWHERE)


REFUSALS = {
    400: {"reference_unknown", "parameter_required", "version_of_other_image"},
    401: {"credentials_required"},
    403: {"change_forbidden", "owner_required", "script_not_yours", "identity_required"},
    404: {"not_found", "channel_not_found"},
}
STAFFS = {"staff_required", "scope_insufficient"}
STAFF_ALONE = {f"POST /{name}" for name in ("groups", "identities", "providers", "tokens", "users")}
STAFF_ALONE |= {"GET /security_events", "GET /activity", "GET /unread_scopes"}
"""What only staff may do: charlie is told that, elsewhere that he may not change the thing."""

ASKED = [(route, ask) for route, asks in EVERY_ASKED.items() for ask in asks]
RESOURCES = sorted({route.split()[1].split("/")[1] for route in EVERY_ASKED})


def test_every_route_has_a_row() -> None:
    assert EVERY_ASKED.keys() == {f"{route.method} {route.path}" for route in ROUTES}


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.long_on_postgresql
def test_each_route_answers_each_actor_with_the_expected_status(
    stage: Stage, resource: str
) -> None:
    asked = [(route, ask) for route, ask in ASKED if route.split("/")[1] == resource]
    assert asked
    for route, ask in asked:
        with named(route, ask):
            opens_to_whom_it_may(stage, route, ask)


def opens_to_whom_it_may(stage: Stage, route: str, ask: Ask) -> None:
    """Each actor gets the status of the row, is shown what they may see, and nothing else."""
    method = route.split()[0]
    path = API + address(stage, route, ask.path)
    body = filled(stage, ask.body)
    for actor, status in zip(ACTORS, ask.statuses.split(), strict=True):
        answer = stage.api.ask(method, path, who(actor), body)
        assert answer.status_code == int(status), (actor, answer.content)
        assert not secrets_in(answer, actor, ask.known), actor
        if answer.status_code < 300:
            missing = [
                text
                for text in ask.shows
                if actor in SECRET.get(text, ALL).split() and text not in told(answer)
            ]
            assert not missing, actor
        else:
            assert why_refused(answer, route, actor), (actor, answer.text)
        if answer.status_code == 404:
            nothing = API + address(stage, route, absent(ask))
            there_is_none = stage.api.ask(method, nothing, who(actor), body)
            assert answer.content == there_is_none.content, actor
        same_everywhere(answer, method, actor)
    refused = stage.api.ask(method, path, "not-a-token", body)
    assert code(refused) == "401 token_invalid"
    assert not secrets_in(refused, "nobody")


def why_refused(answer: Result, route: str, actor: str) -> bool:
    """Whether a refusal has a code that may say why this actor is refused."""
    status, found = code(answer).split()
    if status == "403" and actor == "charlie" and route != "POST /webhooks":
        return found in (STAFFS if route in STAFF_ALONE else {"change_forbidden"})
    return status == "409" or found in REFUSALS[int(status)] | (
        STAFFS if status == "403" else set()
    )


def same_everywhere(answer: Result, method: str, actor: str) -> None:
    """The headers that answers share: who may keep them, and what they depend on."""
    kept = {"nobody": "public, no-cache"}.get(actor, "private, no-cache")
    reads = method == "GET" and answer.status_code == 200
    assert answer.headers["cache-control"] == (kept if reads else "no-store")
    assert answer.headers["vary"] == "Authorization, Accept, Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"
    if reads:
        assert answer.headers["etag"].startswith('"')
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"]


# The next ones hold before anything is asked of the database: one of the two is enough.
ONE_DATABASE = pytest.mark.parametrize("stage", ["sqlite"], indirect=True)


@ONE_DATABASE
def test_head_is_get_without_its_body(stage: Stage) -> None:
    seen = set()
    # bob gets 200, 400, 403 and 404; the anonymous is told 401 and may share what they are given.
    for actor, route, ask in [
        (actor, route, ask)
        for actor in ("nobody", "bob")
        for route, ask in ASKED
        if route.startswith("GET")
    ]:
        with named(actor, route, ask):
            path = API + address(stage, route, ask.path)
            whole = stage.api.get(path, who(actor))
            head = stage.api.ask("HEAD", path, who(actor))
            assert head.content == b""
            assert (head.status_code, lasting(head)) == (whole.status_code, lasting(whole))
            seen.add(whole.status_code)
    assert seen == {200, 400, 401, 403, 404}


AT_ROOT = ("GET /image_versions", "GET /resolve", "GET /lookup")


@ONE_DATABASE
def test_the_contracts_addresses_answer_the_same(stage: Stage) -> None:
    at_root = {f"{route.method} {route.path}" for route in ROUTES if route.at_root}
    for actor, route, ask in [
        (actor, route, ask)
        for actor in ("nobody", "bob")
        for route, ask in ASKED
        if route.startswith(AT_ROOT)
    ]:
        with named(actor, route, ask):
            path = address(stage, route, ask.path)
            if route not in at_root:
                assert stage.api.get(path, who(actor)).status_code == 404
                continue
            answers = [stage.api.get(base + path, who(actor)) for base in ("", API)]
            assert answers[0].status_code == answers[1].status_code
            assert answers[0].content == answers[1].content
            assert not secrets_in(answers[0], actor, ask.known)


@ONE_DATABASE
def test_another_method_is_405_whoever_asks_for_whatever(stage: Stage) -> None:
    for path in sorted({route.path for route in ROUTES}):
        with named(path):
            another_method_is_405(stage, path)


def another_method_is_405(stage: Stage, path: str) -> None:
    offered = {route.method for route in ROUTES if route.path == path}
    [other, *_] = [m for m in ("PUT", "PATCH", "DELETE", "POST") if m not in offered]
    answers = []
    for actor in (*map(who, ACTORS), "not-a-token"):
        address = API + re.sub(r"\{\w+\}", "closed-image", path)
        answer = stage.api.ask(other, address, actor, {})
        assert code(answer) == "405 method_not_allowed"
        allowed = {method.strip() for method in answer.headers["allow"].split(",")}
        assert offered <= allowed
        assert other not in allowed
        answers.append(answer.content)
    assert len(set(answers)) == 1


@ONE_DATABASE
@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ("/image_versions/", "/image_versions"),
        ("/api/v2/images/closed-image/", "/api/v2/images/closed-image"),
        ("/api/v2/images/?tag=a%2Fb&page_size=1", "/api/v2/images?tag=a%2Fb&page_size=1"),
        ("/image_versions///", "/image_versions"),
        ("//evil.example/", "/evil.example"),
        ("///evil.example//", "/evil.example"),
        ("/%2Fevil.example/", "/evil.example"),
        ("/%5Cevil.example/", "/%5Cevil.example"),
        ("/%0d%0aSet-Cookie:a=b/", "/%0D%0ASet-Cookie:a=b"),
        ("//", "/"),
    ],
)
def test_a_trailing_slash_leads_on(stage: Stage, asked: str, target: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        answer = stage.api.ask(method, asked)
        assert answer.status_code == 308
        assert answer.headers["location"] == target
        assert re.match(r"/(?![/\\])", target)
        assert answer.content == b""


NOWHERES = ("/api/v2/nowhere", "/api/v2", "/api/v2/images/closed-image/nothing", "/api/v1/images")


@pytest.mark.parametrize("path", NOWHERES)
def test_an_unknown_address_is_404_to_all(stage: Stage, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answers = {stage.api.ask(method, path, who(actor)).content for actor in ACTORS}
        assert len(answers) == 1
        assert code(stage.api.ask(method, path)) == "404 not_found"
        assert code(stage.api.ask(method, path, "not-a-token")) == "401 token_invalid"


@pytest.mark.parametrize("path", ["/image_versions", "/api/v2/licenses", "/openapi.json", "/nope"])
def test_what_is_not_one_valid_token_is_401(stage: Stage, path: str) -> None:
    for header in (
        "",
        "Token",
        "Token ",
        "Basic YWxpY2U6eA==",
        "Token a b",
        "Token x, Token y",
        "{}",
        "Token {}x",
    ):
        with named(header):
            sent = {"Authorization": header.format(stage.world.secrets["alice"])}
            assert code(stage.api.get(path, headers=sent)) == "401 token_invalid"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/image_versions?parent=closed-1.0", "400 parameter_invalid"),
        ("/image_versions?closed=1", "400 parameter_unknown"),
        ("/image_versions?image_id=closed-image&page=2", "404 page_not_found"),
        ("/image_versions?cursor=closed", "400 parameter_invalid"),
        ("/api/v2/images/closed-image?x=1", "404 not_found"),
        ("/api/v2/images/closed-image%00", "404 not_found"),
        ("/api/v2/images/1%20or%201=1", "404 not_found"),
    ],
)
def test_what_is_wrong_with_a_request_says_nothing_of_things(
    stage: Stage, path: str, status: str
) -> None:
    for actor in ("nobody", "charlie"):
        answer = stage.api.get(path, who(actor))
        assert code(answer) == status
        absent = path.replace("closed", "absent")
        there_is_none = stage.api.get(absent, who(actor)).text
        assert answer.text.replace("closed", "absent") == there_is_none


def test_signing_in_tells_no_account_from_another(stage: Stage) -> None:
    answers = [
        stage.api.post("/api/v2/tokens", None, {"username": name, "password": "wrong-secret"})
        for name in ("alice", "nobody-at-all")
    ]
    assert [code(answer) for answer in answers] == ["401 sign_in_failed"] * 2
    assert answers[0].content == answers[1].content
