"""An id of 0, of too many digits or of a wrong shape is answered alike wherever an id is taken: 404 in
a path, 400 that names the parameter in a query, 400 `reference_unknown` in a body."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import inspect

from goldenrod.base import wire
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.pages.routes import PAGES
from tests.support import hostile_texts
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.hostile_texts import Steps
from tests.support.pages.visitor import Visitor

API = "/api/v2"
WRONG = ("0", "00", "-1", "1" * 19, "1" * 20, "1.5", "1-2", "x!", "+1", "²")
REFERENCE_FILTERS = {"an id or uuid", "an id or uuid or slug", "a uuid"}


@pytest.fixture
def real(api: ApiClient, world: World) -> dict[str, Any]:
    """Things that exist, by the words that stand for them in paths and bodies."""
    stable = api.ask("PUT", f"{API}/images/open-image/channels/stable", "dora", {"version": None})
    assert stable.status_code == 201
    hook = {"target": "https://8.8.8.8/", "image": "open-image", "events": ["version.published"]}
    return hostile_texts.real_things(world) | {
        "images": "open-image",
        "providers": "east",
        "provider_machines": api.get(f"{API}/provider_machines").json["results"][0]["id"],
        "users": world.users["alice"],
        "user": world.users["alice"],
        "identities": world.identities["alice@east"],
        "tags": api.get(f"{API}/tags").json["results"][0]["id"],
        "target": hook["target"],
        "events": hook["events"],
    }


def in_path(path: str, real: dict[str, Any], **others: str) -> str:
    """The path with what exists, or with what `others` names instead."""

    def filled(found: re.Match[str]) -> str:
        name = found[1]
        known = real.get(path.split("/")[1], 1) if name == "key" else real.get(name, 1)
        return str(others.get(name, known)).replace("+", "%2B").replace("²", "%C2%B2")

    return re.sub(r"{(\w+)}", filled, path)


@pytest.mark.long_on_postgresql
def test_in_the_path_of_every_route_of_the_api(api: ApiClient, real: dict[str, Any]) -> None:
    asked = 0
    for route in ROUTES:
        for name in re.findall(r"{(\w+)}", route.path):
            for wrong in WRONG:
                if name in ("name", "channel") and re.fullmatch(r"[0-9.-]+", wrong):
                    continue  # the name of a channel
                body = hostile_texts.least(route.takes, real) if route.takes else None
                address = API + in_path(route.path, real, **{name: wrong})
                answer = api.ask(route.method, address, "dora", body)
                assert answer.status_code == 404, (route.method, address, answer.text)
                asked += 1
    assert asked > 500


@pytest.mark.long_on_postgresql
def test_in_every_reference_of_a_query(api: ApiClient, real: dict[str, Any]) -> None:
    places = [
        (in_path(route.path, real), name)
        for route in ROUTES
        if route.lists
        for name, filter in route.lists.filters.items()
        if filter.takes.removesuffix(", or several, comma-separated") in REFERENCE_FILTERS
    ]
    assert len(places) > 12
    diff = in_path("/image_versions/{key}/diff", real)
    for path, name in [*places, ("/lookup?identifier=a", "provider"), (diff, "against")]:
        for wrong in WRONG:
            given = f"{name}={wrong.replace('+', '%2B').replace('²', '%C2%B2')}"
            answer = api.get(f"{API}{path}{'&' if '?' in path else '?'}{given}", "dora")
            assert code(answer) == "400 parameter_invalid", (path, given)
            assert answer.json["errors"][0]["field"] == name


def references(shape: inspect.Type) -> Iterator[Steps]:
    """The paths of a body's fields that name something that exists."""

    def is_reference(one: inspect.Type, steps: Steps) -> bool:
        if not isinstance(one, inspect.UnionType) or steps[0] == "tags":
            return False
        kinds = [kind.cls for kind in one.types if isinstance(kind, inspect.StructType)]
        return wire.Reference in kinds

    return hostile_texts.fields_where(is_reference, shape)


@pytest.mark.long_on_postgresql
def test_in_every_reference_of_a_body(api: ApiClient, real: dict[str, Any]) -> None:
    asked = set()
    shapes = [*WRONG, "", *map(int, WRONG[:5]), 10**30, {"id": 0}, {"id": "1.5"}, {"uuid": "1"}, {}]
    for route in ROUTES:
        for steps in references(inspect.type_info(route.takes)) if route.takes else ():
            for wrong in shapes:
                body = hostile_texts.least(route.takes, real)
                if "name" in body:
                    body["name"] = "n"
                place = body = hostile_texts.with_text(body, steps, "")
                for step in steps[:-1]:
                    place = place[step]
                place[steps[-1]] = wrong
                if "action" in body and steps[0] == "groups":
                    body["action"] = "share"
                if steps[0] in ("machines", "identifiers"):
                    place["identifier"] = "x"
                address = API + in_path(route.path, real, name="stable")
                answer = api.ask(route.method, address, "dora", body)
                assert answer.status_code == 400, (address, steps, wrong, body)
                assert code(answer) == "400 reference_unknown", (address, steps, wrong)
                field = ".".join(map(str, steps)).replace(".0", "[0]")
                assert field in [error["field"] for error in answer.json["errors"]]
            asked.add(f"{route.method} {route.path} {steps[0]}")
    assert {"POST /lookup identifiers", "PUT /images/{key}/channels/{name} version"} <= asked
    assert len(asked) > 25


def test_in_the_address_of_every_page(dora: Visitor, real: dict[str, Any]) -> None:
    given = {"slug": "open-image", "name": "open-1.0", "two": "open-1.0...open-1.0", "key": "1"}
    asked = 0
    for route in PAGES:
        for name in re.findall(r"{(\w+)}", route.path) if route.method == "GET" else ():
            if route.path == "/tags/{name}":
                continue
            for wrong in WRONG:
                address = in_path(route.path, given | {"images": "open-image"}, **{name: wrong})
                answer = dora.get(address, follow=False)
                assert answer.status == 404, address
                asked += 1
    assert asked > 200
