"""What a request costs grows no faster than its length, whatever text stands wherever.

Each place that takes a text (`support/hostile_texts.py`) is sent each hostile shape at n, 2n and 4n
bytes, in process. `pytest -m long -s tests/web/test_request_cost.py` tries all pairs and prints their number, the
worst ratio and the worst cost; otherwise a part of them is tried, chosen by a fixed seed.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from falcon import testing

from goldenrod.base import config
from goldenrod.store.db import Database
from goldenrod.web.app import build_app
from goldenrod.web.pages.routes import PAGES
from tests.support import hostile_texts
from tests.support.cast import World
from tests.support.hostile_texts import Input
from tests.support.pages.visitor import Visitor

MOST_RATIO = 6
FLOOR_S = 0.020
"""Less than this says nothing about growth."""
MOST_ANONYMOUS_S = 0.1
LINE_BYTES, BODY_BYTES = 64_000, 1_000_000
"""4n: for a request's line and headers, which a server limits to about that, and for bodies."""
PART = 120
SEED = 14


@contextmanager
def nothing_stays(db: Database, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Roll back whatever a request changes, so that each meets the same catalogue."""
    original = db._transaction

    class _RolledBack(Exception):
        pass

    @contextmanager
    def transaction(*, write: bool, wait: bool = True) -> Iterator[Any]:
        try:
            with original(write=write, wait=wait) as connection:
                yield connection
                if write:
                    raise _RolledBack
        except _RolledBack:
            pass

    patch.setattr(db, "_transaction", transaction)
    yield


class Sender:
    """Sends a text to a place, as staff and as nobody, and says how long it took."""

    def __init__(self, db: Database, world: World, patch: pytest.MonkeyPatch) -> None:
        settings = config.load({"GOLDENROD_CACHE_MB": "0"})
        self.client = testing.TestClient(build_app(db, settings))
        self.secret = world.secrets["dora"]
        self.visitor = Visitor(db, settings)
        self.visitor.sign_in("dora")
        self.real = _real(world)
        self.asked = hostile_texts.Asked(patch)
        self.forms: dict[tuple[str, str], dict[str, list[str]]] = {}

    def address(self, path: str, but: str = "", text: str = "") -> str:
        def key(found: re.Match[str]) -> str:
            name = found[1]
            if name == but:
                return quote(text, safe="") or "x"
            if name == "slug":
                return "open-image"
            if name == "key":
                return str(self.real.get(path.removeprefix("/api/v2").split("/")[1], "1"))
            in_page = name == "name" and "/versions/" in path
            return str("open-1.0" if in_page else self.real.get(name, "1"))

        return re.sub(r"{(\w+)}", key, path)

    def send(self, place: Input, text: str, *, anonymous: bool = False) -> tuple[int, float]:
        """The status, and the seconds of processor time."""
        path = self.address(place.path, place.name if place.where == "path" else "", text)
        query, body, headers = "", None, {}
        api = place.path.startswith(("/api/", "/openapi"))
        if not api:
            headers["Accept"] = "text/html"
            if not anonymous:
                pairs = self.visitor.cookies.items()
                headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in pairs)
        elif not anonymous:
            headers["Authorization"] = f"Token {self.secret}"
        if place.where == "query":
            query = urlencode({place.name: text})
        if not api and place.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            fields = dict(self.forms.get((place.method, place.path), {}))
            if place.where == "form" and place.name != "token":
                fields[place.name] = [text]
            body = urlencode(fields, doseq=True).encode()
        elif place.method in ("POST", "PATCH", "PUT"):
            headers["Content-Type"] = "application/json"
            body = self._json(place, text)
        if place.where == "header":
            headers[place.name] = re.sub(r"[\r\n]", " ", text).encode().decode("latin-1")
        begun = time.process_time()
        answer = self.client.simulate_request(
            place.method, path, query_string=query, headers=headers, body=body
        )
        return answer.status_code, time.process_time() - begun

    def _json(self, place: Input, text: str) -> bytes:
        if place.where == "json":
            return text.encode()
        body: Any = {}
        if place.route and place.route.takes:
            body = hostile_texts.least(place.route.takes, self.real)
        return hostile_texts.to_json(hostile_texts.with_text(body, place.steps, text))

    def inputs_of_pages(self) -> list[Input]:
        """The places of pages, and the forms that their pages show."""
        found: list[Input] = []
        for route in (route for route in PAGES if route.method == "GET"):
            self.asked.forget()
            page = self.visitor.get(self.address(route.path), follow=False)
            assert page.status < 500, route.path
            found += _places(route.path, "GET", "query", {*self.asked.query, "unknown"})
            for form in page.forms:
                pattern = _route_of(form.action)
                if pattern:
                    kept = self.forms.setdefault(("POST", pattern), {})
                    kept.update(form.fields)
        token = next(form["token"] for form in self.forms.values() if "token" in form)
        for route in (route for route in PAGES if route.method == "POST"):
            fields = self.forms.setdefault(("POST", route.path), {})
            fields["token"] = token
            self.asked.forget()
            status, _ = self.send(Input("POST", route.path, "form", ""), "")
            assert status < 500, route.path
            names = {*self.asked.form, *fields, "unknown"}
            found += _places(route.path, "POST", "form", names - {"token"})
        return found


def _places(path: str, method: str, where: str, names: set[str]) -> Iterator[Input]:
    for key in re.findall(r"{(\w+)}", path):
        yield Input(method, path, "path", key)
    for name in sorted(names):
        yield Input(method, path, where, name)


def _route_of(action: str) -> str | None:
    """The page that a form is sent to."""
    for route in PAGES:
        shape = re.sub(r"{\w+}", "[^/]+", route.path)
        if route.method == "POST" and re.fullmatch(shape, action):
            return route.path
    return None


def _real(world: World) -> dict[str, Any]:
    version = world.versions["open"]
    image = world.images["open"]
    return {
        "images": image,
        "image": image,
        "image_versions": version,
        "image_version": version,
        "version": version,
        "providers": world.providers["east"],
        "provider": world.providers["east"],
        "groups": world.groups["lab"],
        "group": world.groups["lab"],
        "users": world.users["bob"],
        "user": world.users["bob"],
        "licenses": next(iter(world.licenses.values())),
        "license": next(iter(world.licenses.values())),
        "boot_scripts": next(iter(world.scripts.values())),
        "boot_script": next(iter(world.scripts.values())),
        "identities": next(iter(world.identities.values())),
        "channel": "latest",
        "name": "latest",
        "two": "open-1.0...open-1.0",
    }


@pytest.fixture
def sender(db: Database, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    made = Sender(db, world, monkeypatch)
    with nothing_stays(db, monkeypatch):
        yield made


def all_inputs(sender: Sender) -> list[Input]:
    found = [*hostile_texts.of_api(), *hostile_texts.of_headers(), *sender.inputs_of_pages()]
    return list(dict.fromkeys(found))


def size_of(place: Input) -> int:
    return BODY_BYTES if place.where in ("body", "json", "form") else LINE_BYTES


class Outcome:
    """What was found: faults, and the worst of what was allowed."""

    def __init__(self) -> None:
        self.pairs = 0
        self.faults: list[str] = []
        self.ratio: tuple[float, str] = (0, "")
        self.cost: tuple[float, str] = (0, "")

    def try_pair(self, sender: Sender, place: Input, shape: str) -> None:
        self.pairs += 1
        texts = [place.shapes[shape](size_of(place) // part) for part in (4, 2, 1)]
        label = f"{place}: {shape}"
        one, _, four = times = [self._send(sender, place, text, label) for text in texts]
        for _ in range(4):
            if four < FLOOR_S or four <= MOST_RATIO * one:
                break
            again = [self._send(sender, place, text, label) for text in texts]
            one, _, four = times = [min(pair) for pair in zip(times, again, strict=True)]
        if four >= FLOOR_S:
            self.ratio = max(self.ratio, (four / one, label))
            if four > MOST_RATIO * one:
                self.faults.append(f"{label}: {one * 1000:.0f} ms became {four * 1000:.0f}")
        if not _needs_nobody(place):
            return
        cost = min(self._send(sender, place, texts[-1], label, True) for _ in range(2))
        for _ in range(4):
            if cost <= MOST_ANONYMOUS_S:
                break
            cost = min(cost, self._send(sender, place, texts[-1], label, True))
        self.cost = max(self.cost, (cost, label))
        if cost > MOST_ANONYMOUS_S:
            self.faults.append(f"{label}: {cost * 1000:.0f} ms for anybody")

    def _send(
        self, sender: Sender, place: Input, text: str, label: str, anonymous: bool = False
    ) -> float:
        status, spent = sender.send(place, text, anonymous=anonymous)
        if status >= 500:
            self.faults.append(f"{label}: {status}")
        return spent

    def __str__(self) -> str:
        return (
            f"{self.pairs} pairs; worst ratio {self.ratio[0]:.1f} ({self.ratio[1]}); worst cost of "
            f"an anonymous request {self.cost[0] * 1000:.0f} ms ({self.cost[1]})"
        )


def _needs_nobody(place: Input) -> bool:
    """Anybody may send this: nobody is refused before the text is looked at."""
    open_posts = ("/api/v2/lookup", "/api/v2/tokens", "/sign-in")
    return place.method == "GET" or place.path in open_posts


def run(sender: Sender, chosen: Callable[[list[Any]], list[Any]]) -> Outcome:
    outcome = Outcome()
    pairs = [(place, shape) for place in all_inputs(sender) for shape in place.shapes]
    for place, shape in chosen(pairs):
        outcome.try_pair(sender, place, shape)
    return outcome


def test_a_part_of_all_places_costs_in_proportion_to_length(sender: Sender) -> None:
    outcome = run(sender, lambda pairs: random.Random(SEED).sample(pairs, PART))
    assert not outcome.faults, "\n".join(sorted(set(outcome.faults)))


@pytest.mark.long
def test_all_places_cost_in_proportion_to_length(sender: Sender) -> None:
    outcome = run(sender, lambda pairs: pairs)
    print(f"\n{outcome}\n" + "\n".join(sorted(set(outcome.faults))))
    assert not outcome.faults


def test_every_header_that_is_read_is_tried() -> None:
    source = "\n".join(
        path.read_text("utf-8") for path in Path(config.__file__).parent.parent.rglob("*.py")
    )
    read = set(re.findall(r'get_header\(\s*"([\w-]+)"', source))
    raw = re.findall(r'"HTTP_([A-Z_]+)"', source)
    read |= {name.replace("_", "-").title() for name in raw}
    assert read <= set(hostile_texts.HEADERS)
