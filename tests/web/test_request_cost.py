"""What a request costs grows no faster than its length, whatever text it carries, wherever.

Each place that takes a text (`support/hostile_texts.py`) is sent each hostile shape, in process, as
long as the server takes it there. Where that costs much, a quarter of it is sent too: the whole
may cost six times as much at most. `pytest -m long -s tests/web/test_request_cost.py` tries all pairs
and prints their number, the worst ratio and the worst cost; else a part is tried, chosen by a seed.
PostgreSQL is sent only what reaches statements, texts in addresses and queries, in the long run.
"""

import gc
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from falcon import testing

from goldenrod.base import config
from goldenrod.catalogue.accounts import oidc_accounts, sessions, users
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from goldenrod.web.app import MOST_HEADER, MOST_PATH, MOST_QUERY, build_app
from goldenrod.web.pages.routes import PAGES
from tests.conftest import POSTGRESQL_IS_LONG
from tests.support import hostile_texts
from tests.support.access_catalogue import Stage, set_stage
from tests.support.hostile_texts import Input
from tests.support.pages.addresses import page_address
from tests.support.pages.visitor import Visitor

MOST_RATIO = 6
FLOOR_S = 0.020
"""Less than this says nothing about growth."""
MOST_ANONYMOUS_S = 0.1
TRIES = 40
"""How often what seems to cost too much is measured again. The least counts: where the processors are
busy with something else, the same work takes several times as long, for seconds at a time."""
MOST_BYTES = {"path": MOST_PATH, "query": MOST_QUERY, "header": MOST_HEADER}
"""What the server takes, as it is sent: what is longer is refused unread, and would test nothing."""
OPEN_BODY_BYTES, BODY_BYTES = 1_000_000, 200_000
"""Of bodies: those that anybody may send are as long as they may be."""
ROOM = 400
"""Bytes of a body, path or query beside the text."""
PART = 60
SEED = 14
SLICES = 8
"""All pairs are tried in so many tests, for the processors to share."""
LOCK_S = 0.25
"""Processor time for which a request may keep other threads waiting: the rule is 50 ms, the rest is for
machines that are busy with something else."""


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

    def __init__(self, stage: Stage, patch: pytest.MonkeyPatch) -> None:
        settings = config.load({"GOLDENROD_CACHE_MB": "0"})
        self.stage = stage
        self.client = testing.TestClient(build_app(stage.db, settings))
        self.secret = stage.world.secrets["dora"]
        self.visitor = Visitor(stage.db, settings)
        self.visitor.sign_in("dora")
        with stage.db.read() as tx:
            actor = stage.world.actor(tx, "dora")
            self.session = str(sessions.list_sessions(tx, actor)[0]["uuid"])
        self.real = hostile_texts.real_things(stage.world)
        self.asked = hostile_texts.Asked(patch)
        self.forms: dict[tuple[str, str], dict[str, list[str]]] = {}
        self.sign_in_cookies: dict[str, str] = {}
        """Of somebody who looks at the form to sign in."""
        self.sign_in_form: dict[str, list[str]] = {}
        self.unread: list[str] = []
        """Pages that refused a form before they read it."""

    def address(self, path: str, but: str = "", text: str = "") -> str:
        other = {but: quote(text, safe="") or "x"} if but else {}
        if not path.startswith(("/api/", "/openapi")):
            if path.endswith("/unlink"):
                other = {"uuid": self.stage.id_of("oidc_accounts", "charlie's")} | other
            return page_address(self.stage, path, self.session, **other)

        def key(found: re.Match[str]) -> str:
            name = found[1]
            if name == "key":
                return str(self.real.get(path.removeprefix("/api/v2").split("/")[1], "1"))
            return str(self.real.get(name, "1"))

        return re.sub(r"{(\w+)}", lambda found: other.get(found[1]) or key(found), path)

    def send(self, place: Input, text: str, *, anonymous: bool = False) -> tuple[int, float]:
        """The status, and the seconds of processor time."""
        path = self.address(place.path, place.name if place.where == "path" else "", text)
        query, body, headers = "", None, {}
        api = place.path.startswith(("/api/", "/openapi"))
        if not api:
            headers["Accept"] = "text/html"
            sent = self.sign_in_cookies if anonymous else self.visitor.cookies
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in sent.items())
        elif not anonymous:
            headers["Authorization"] = f"Token {self.secret}"
        if place.where == "query":
            query = urlencode({place.name: text})
        if not api and place.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            fields = dict(self.forms.get((place.method, place.path), {}))
            if anonymous and place.path == "/sign-in":
                fields |= self.sign_in_form
            if place.where == "form" and place.name != "token":
                fields[place.name] = [text]
            body = urlencode(fields, doseq=True).encode()
        elif place.method in ("POST", "PATCH", "PUT"):
            headers["Content-Type"] = "application/json"
            body = self._json(place, text)
        if place.where == "header":
            headers[place.name] = re.sub(r"[\r\n]", " ", text).encode().decode("latin-1")
        # Whether Python's garbage collection falls into one request or the next is chance.
        gc.disable()
        begun = time.process_time()
        answer = self.client.simulate_request(
            place.method, path, query_string=query, headers=headers, body=body
        )
        spent = time.process_time() - begun
        gc.enable()
        return answer.status_code, spent

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
            if status in (401, 403, 404, 405, 415) or "token" not in self.asked.form:
                self.unread.append(f"{route.path}: {status}")
            names = {*self.asked.form, *fields, "unknown"}
            found += _places(route.path, "POST", "form", names - {"token"})
        nobody = Visitor(self.stage.db, config.load({"GOLDENROD_CACHE_MB": "0"}))
        self.sign_in_form = nobody.get("/sign-in").form("/sign-in").fields
        self.sign_in_cookies = dict(nobody.cookies)
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


@pytest.fixture(scope="module", params=POSTGRESQL_IS_LONG)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request) as made:
        charlie = made.world.users["charlie"]
        with made.db.write() as tx:
            user = users.USERS.row_for_change(tx, CONSOLE, str(charlie))
            oidc_accounts.link(tx, CONSOLE, user, "https://id.example", "charlie")
            [account] = oidc_accounts.list_accounts(tx, CONSOLE, charlie)
        made.ids["oidc_accounts"] = {"charlie's": str(account["uuid"])}
        yield made


@pytest.fixture
def sender(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    made = Sender(stage, monkeypatch)
    with nothing_stays(stage.db, monkeypatch):
        yield made


def all_inputs(sender: Sender) -> list[Input]:
    found = [*hostile_texts.of_api(), *hostile_texts.of_headers(), *sender.inputs_of_pages()]
    return list(dict.fromkeys(found))


def longest_text(place: Input, shape: Callable[[int], str]) -> int:
    """The size of the shape's longest text that the server takes in this place."""
    most = MOST_BYTES.get(place.where) or (OPEN_BODY_BYTES if _needs_nobody(place) else BODY_BYTES)
    size = most - ROOM
    while (sent := _sent_bytes(place, shape(size))) > most - ROOM:
        size = int(size * min(0.95, (most - ROOM) / sent))
    return size


def _sent_bytes(place: Input, text: str) -> int:
    """How long a text is as it is sent."""
    if place.where in ("query", "form"):
        return len(quote_plus(text))
    if place.where == "path":
        return len(text.encode())  # the server counts the decoded path
    if place.where == "body":
        return len(hostile_texts.to_json(text))
    return len(text.encode())


class Outcome:
    """What was found: faults, and the worst of what was allowed."""

    def __init__(self) -> None:
        self.pairs = 0
        self.faults: list[str] = []
        self.ratio: tuple[float, str] = (0, "")
        self.cost: tuple[float, str] = (0, "")

    def try_pair(self, sender: Sender, place: Input, shape: str) -> None:
        self.pairs += 1
        build = place.shapes[shape]
        size = longest_text(place, build)
        label = f"{place}: {shape}"
        whole = build(size)
        four = self._send(sender, place, whole, label)
        if four >= FLOOR_S:
            self._compare(sender, place, build(size // 4), whole, four, label)
        if not _needs_nobody(place):
            return
        cost = self._send(sender, place, whole, label, True)
        for _ in range(TRIES):
            if cost <= MOST_ANONYMOUS_S:
                break
            cost = min(cost, self._send(sender, place, whole, label, True))
        self.cost = max(self.cost, (cost, label))
        if cost > MOST_ANONYMOUS_S:
            self.faults.append(f"{label}: {cost * 1000:.0f} ms for anybody")

    def _compare(
        self, sender: Sender, place: Input, part: str, whole: str, four: float, label: str
    ) -> None:
        """Compare what the whole text costs with what a quarter of it does."""
        one = self._send(sender, place, part, label)
        for _ in range(TRIES):
            if four < FLOOR_S or four <= MOST_RATIO * one:
                break
            one = min(one, self._send(sender, place, part, label))
            four = min(four, self._send(sender, place, whole, label))
        if four >= FLOOR_S:
            self.ratio = max(self.ratio, (four / one, label))
            if four > MOST_RATIO * one:
                self.faults.append(f"{label}: {one * 1000:.0f} ms became {four * 1000:.0f}")

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


def pairs_of(sender: Sender) -> list[tuple[Input, str]]:
    only_statements = sender.stage.db.dialect == "postgresql"
    return [
        (place, shape)
        for place in all_inputs(sender)
        if not only_statements or place.where in ("path", "query")
        for shape in (hostile_texts.TEXTS if only_statements else place.shapes)
    ]


def run(sender: Sender, pairs: list[tuple[Input, str]]) -> Outcome:
    outcome = Outcome()
    for place, shape in pairs:
        outcome.try_pair(sender, place, shape)
    return outcome


def test_a_part_of_all_places_costs_in_proportion_to_length(sender: Sender) -> None:
    outcome = run(sender, random.Random(SEED).sample(pairs_of(sender), PART))
    assert not outcome.faults, "\n".join(sorted(set(outcome.faults)))


def test_every_page_that_takes_a_form_reads_the_one_that_is_sent(sender: Sender) -> None:
    """A new page whose form is refused before it is read would not be covered."""
    sender.inputs_of_pages()
    assert not sender.unread
    form = Input("POST", "/sign-in", "form", "username")
    assert sender.send(form, "nobody", anonymous=True)[0] == 400  # the password is missing


@pytest.mark.long
@pytest.mark.parametrize("part", range(SLICES))
def test_all_places_cost_in_proportion_to_length(sender: Sender, part: int) -> None:
    outcome = run(sender, pairs_of(sender)[part::SLICES])
    print(f"\n{outcome}\n" + "\n".join(sorted(set(outcome.faults))))
    assert not outcome.faults


class Watch:
    """Wakes every 5 ms, and records the most processor time that others took before it could."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        before = time.process_time()
        while not self._stop.wait(0.005):
            now = time.process_time()
            self.longest = max(self.longest, now - before)
            before = now

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


LOCKED_SHAPES = {
    "form": (
        "marks of two classes",
        "marks of four classes",
        "table",
        "nested lists",
        "many words",
    ),
    "json": (
        "wide array",
        "deep array",
        "many objects",
        "long numbers",
        "a control character last",
    ),
}


@pytest.mark.parametrize("kind", LOCKED_SHAPES)
def test_no_text_keeps_other_threads_waiting(sender: Sender, kind: str) -> None:
    sender.inputs_of_pages()
    routes = [route for route in hostile_texts.of_api() if route.where == "json"]
    places = {
        "form": [
            Input("POST", "/sign-in", "form", "username"),
            Input("POST", "/preview", "form", "text"),
        ],
        "json": [place for place in routes if place.path.endswith(("/lookup", "/tokens"))],
    }
    for place in places[kind]:
        for shape in LOCKED_SHAPES[kind]:
            text = place.shapes[shape](longest_text(place, place.shapes[shape]))
            gaps = []
            for _ in range(6):
                with Watch() as watch:
                    sender.send(place, text, anonymous=_needs_nobody(place))
                gaps.append(watch.longest)
                if gaps[-1] <= LOCK_S:
                    break
            assert min(gaps) <= LOCK_S, (str(place), shape, gaps)


def test_every_header_that_is_read_is_tried() -> None:
    source = "\n".join(
        path.read_text("utf-8") for path in Path(config.__file__).parent.parent.rglob("*.py")
    )
    read = set(re.findall(r'get_header\(\s*"([\w-]+)"', source))
    raw = re.findall(r'"HTTP_([A-Z_]+)"', source)
    read |= {name.replace("_", "-").title() for name in raw}
    assert read <= set(hostile_texts.HEADERS)
