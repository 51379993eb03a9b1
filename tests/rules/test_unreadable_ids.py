"""Every route with a key, API and pages, asked for everything that the asker may not see: the answer
is that of a key that nothing has, in status, headers and body, whatever the method.

The keys are ids, uuids and slugs in turn; nested keys are those of channels, deliveries and machines.
Bodies are the first ones of the route in `support/access_requests`, so that each request would do
something. `web/test_route_statuses.py` asks each route for a few things; this test asks for all.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlencode

import pytest

from goldenrod.base import config
from goldenrod.store.db import Database, Tx
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API
from goldenrod.web.pages.routes import PAGES
from tests.conftest import POSTGRESQL_IS_LONG
from tests.support.access_catalogue import CHANNELS, Stage, set_stage
from tests.support.access_requests.every_route import EVERY_ASKED
from tests.support.access_requests.rehearsal import Rehearsal
from tests.support.access_requests.secrets import filled
from tests.support.access_requests.who_sees import ACTORS, NOWHERE, who
from tests.support.pages.visitor import Visitor

NONE = {"id": "999999999", "uuid": NOWHERE, "slug": "no-such-thing"}
"""For each form of a key, one that nothing has."""

Keys = dict[str, str]
"""The forms of one thing's key."""


class Sweeping(Rehearsal):
    """A catalogue in which changes are undone, save while `kept` is set: who signs in stays so."""

    kept = False

    def write(self, *, wait: bool = True) -> AbstractContextManager[Tx]:
        return Database.write(self, wait=wait) if self.kept else super().write(wait=wait)

    def write_unversioned(self, *, wait: bool = True) -> AbstractContextManager[Tx]:
        if self.kept:
            return Database.write_unversioned(self, wait=wait)
        return super().write_unversioned(wait=wait)


@pytest.fixture(scope="module", params=POSTGRESQL_IS_LONG)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request, Sweeping) as made:
        yield made


def things_of(stage: Stage, resource: str) -> list[Keys]:
    """The keys of all things of a resource: the values of NONE's forms that it has."""
    found = []
    for it in stage.api.all(f"{API}/{resource}", "dora"):
        keys = {form: str(it[form]) for form in NONE if it.get(form)}
        if resource == "image_versions":
            keys = {"uuid": keys["id"]}
        found.append(keys)
    return found


def hidden_from(stage: Stage, actor: str, resource: str) -> list[Keys]:
    """The things that an actor may not see, by the API's list of them."""
    seen = {str(it["id"]) for it in stage.api.all(f"{API}/{resource}", who(actor))}
    things = things_of(stage, resource)
    return [keys for keys in things if keys.get("id", keys["uuid"]) not in seen]


def heads(headers: dict[str, str]) -> dict[str, str]:
    changing = ("date", "set-cookie", "x-request-id")
    return {name: text for name, text in headers.items() if name not in changing}


# ── the API ────────────────────────────────────────────────────────────────────────────────


def body_of(stage: Stage, route: str) -> Any:
    """A body that the route takes; None for what takes none."""
    asked = [ask.body for ask in EVERY_ASKED[route] if ask.body is not None]
    return filled(stage, asked[0]) if asked else None


class Asked:
    """One route, asked by one actor of the API for a thing by its key."""

    def __init__(self, stage: Stage, actor: str, route: Any) -> None:
        self.stage, self.actor, self.route = stage, actor, route
        self.body = body_of(stage, f"{route.method} {route.path}")
        self.absent: dict[str, tuple[int, dict[str, str], str]] = {}

    def answer(self, key: str) -> tuple[int, dict[str, str], str]:
        rest = {"name": "stable", "delivery": self.stage.ids["deliveries"]["alice's"]}
        path = API + self.route.path.format(key=key, **rest)
        answer = self.stage.api.ask(self.route.method, path, who(self.actor), self.body)
        return answer.status_code, heads(dict(answer.headers)), answer.text

    def of_none(self, form: str) -> tuple[int, dict[str, str], str]:
        """What a key of this form that nothing has is answered."""
        if form not in self.absent:
            self.absent[form] = self.answer(NONE[form])
        return self.absent[form]


def test_of_the_api_what_is_hidden_is_what_does_not_exist(stage: Stage) -> None:
    compared = 0
    for actor in ACTORS:
        hidden: dict[str, list[Keys]] = {}
        for route in ROUTES:
            resource = route.path.split("/")[1]
            if "{key}" not in route.path:
                continue
            if resource not in hidden:
                hidden[resource] = hidden_from(stage, actor, resource)
            asked = Asked(stage, actor, route)
            for number, keys in enumerate(hidden[resource]):
                form = sorted(keys)[number % len(keys)]
                answer = asked.answer(keys[form])
                assert answer == asked.of_none(form), (actor, route.method, route.path, keys)
                assert answer[0] in (401, 404)
                compared += 1
    assert compared > 500


def test_nested_keys_and_references_tell_nothing_either(stage: Stage) -> None:
    """Channels of an image that one sees, deliveries of a hook, things named in bodies and filters,
    for whoever may not see them."""
    open_image = f"{API}/images/open-image"
    for actor in ACTORS:
        seen = {it["name"] for it in stage.api.all(f"{open_image}/channels", who(actor))}
        for name in {*CHANNELS, "inner"} - seen:
            for method, rest in (("GET", ""), ("GET", "/history"), ("PATCH", ""), ("DELETE", "")):
                answers = [
                    stage.api.ask(
                        method,
                        f"{open_image}/channels/{one}{rest}",
                        who(actor),
                        {"restricted": True} if method == "PATCH" else None,
                    )
                    for one in (name, "no-such-thing")
                ]
                assert answers[0].content == answers[1].content, (actor, name, method)
                assert heads(dict(answers[0].headers)) == heads(dict(answers[1].headers))
        _filters(stage, actor)
        _references(stage, actor)


REFERRING = {
    "image_versions": ("parent", "image_versions"),
    "images": ("provider", "providers"),
    "provider_machines": ("provider", "providers"),
    "boot_scripts": ("version_id", "image_versions"),
    "image_version_licenses": ("version_id", "image_versions"),
    "webhooks": ("image", "images"),
}


def _filters(stage: Stage, actor: str) -> None:
    for resource, (name, other) in REFERRING.items():
        for number, keys in enumerate(hidden_from(stage, actor, other)):
            form = sorted(keys)[number % len(keys)]
            told = [
                stage.api.get(f"{API}/{resource}?{name}={key}", who(actor))
                for key in (keys[form], NONE[form])
            ]
            assert told[0].status_code == told[1].status_code, (actor, resource, keys)
            assert told[0].text.replace(keys[form], NONE[form]) == told[1].text


NAMING: dict[str, tuple[str, str]] = {
    # field of an image, or of a version that charlie and others make, and what it names
    "owner": ("images", "users"),
    "maintainers": ("images", "groups"),
    "image": ("image_versions", "images"),
    "parent": ("image_versions", "image_versions"),
    "scripts": ("image_versions", "boot_scripts"),
    "membership": ("image_versions", "groups"),
    "identity": ("image_versions", "identities"),
}


def _references(stage: Stage, actor: str) -> None:
    """Naming what is hidden is refused as naming what does not exist, by whoever may make things."""
    for field, (resource, other) in NAMING.items():
        for number, keys in enumerate(hidden_from(stage, actor, other)):
            form = sorted(keys)[number % len(keys)]
            if form == "slug" and other != "images":
                continue
            texts = []
            for key in (keys[form], NONE[form]):
                value: Any = int(key) if form == "id" else key
                body: dict[str, Any] = {"name": "new"}
                body[field] = (
                    [value] if field in ("maintainers", "scripts", "membership") else value
                )
                path = f"{API}/{resource}"
                method = "POST"
                if field == "owner":
                    method, path, body = "PATCH", f"{API}/images/open-image", {field: value}
                answer = stage.api.ask(method, path, who(actor), body)
                echoed = answer.text.replace(f" {value!r} that you may", " KEY that you may")
                texts.append((answer.status_code, echoed))
            assert texts[0] == texts[1], (actor, field, keys)


# ── pages ──────────────────────────────────────────────────────────────────────────────────

OF_PAGES = {
    "/images/": ("slug", "images"),
    "/groups/": ("key", "groups"),
    "/webhooks/": ("key", "webhooks"),
    "/account/tokens/": ("key", "tokens"),
}
"""Which parameter of a page's address is whose key."""


def without(key: str, text: str) -> str:
    """The text with the key, where it stands in an address, taken out."""
    return re.sub(rf"(/|%2F){re.escape(key)}(?![\w-])", r"\1KEY", text)


class Page:
    """One page's route, asked by one visitor for a thing by its key."""

    def __init__(self, stage: Stage, visitor: Visitor, token: str, route: Any, key: str) -> None:
        self.visitor, self.route, self.key = visitor, route, key
        self.body = None if route.method == "GET" else urlencode({"token": token, "name": "new"})
        self.rest = {
            "name": "open-1.0",
            "two": "open-1.0...open-1.1",
            "machine": "1",
            "delivery": stage.ids["deliveries"]["alice's"],
        }
        self.absent: dict[str, Any] = {}

    def answer(self, key: str) -> Any:
        path = self.route.path.format(**self.rest | {self.key: key})
        page = self.visitor.ask(self.route.method, path, body=self.body, follow=False)
        # A page that asks to sign in says where one wanted to go.
        told = {
            name: without(key, text)
            for name, text in heads(page.headers).items()
            if name not in ("etag", "content-length")
        }
        # Its own id may be the same number as the key.
        text = re.sub(r"(deliveries(?:/|%2F))\d+", r"\1ID", page.text)
        return page.status, told, without(key, text)

    def of_none(self, form: str) -> Any:
        if form not in self.absent:
            self.absent[form] = self.answer(NONE[form])
        return self.absent[form]


def test_of_pages_what_is_hidden_is_what_does_not_exist(stage: Stage) -> None:
    compared = 0
    # `lesser` is a token, and no browser's session.
    for actor in ("nobody", "charlie", "bob", "alice"):
        visitor, token = Visitor(stage.db, config.load({})), ""
        if actor != "nobody":
            Sweeping.kept = True
            visitor.sign_in(actor)
            Sweeping.kept = False
            token = visitor.get("/account").form("/sign-out").fields["token"][0]
        hidden = {name: hidden_from(stage, actor, name) for _, name in OF_PAGES.values()}
        for route in PAGES:
            start = next((it for it in OF_PAGES if route.path.startswith(it + "{")), None)
            if start is None:
                continue
            parameter, resource = OF_PAGES[start]
            page = Page(stage, visitor, token, route, parameter)
            for number, keys in enumerate(hidden[resource]):
                form = sorted(keys)[number % len(keys)]
                answer = page.answer(keys[form])
                assert answer == page.of_none(form), (actor, route.method, route.path, keys)
                assert answer[0] in (401, 404), (actor, route.method, route.path, answer)
                compared += 1
    assert compared > 200
