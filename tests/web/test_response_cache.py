"""Answers kept in the process: given again while they hold, and not a moment longer."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from goldenrod.base import config
from goldenrod.base.clock import later
from goldenrod.rules.access import ANONYMOUS
from goldenrod.store.db import Database
from goldenrod.web.response_cache import Build, CachedResponse, ResponseCache, Validity
from tests.conftest import Clock
from tests.support.actions import made, publish
from tests.support.cast import World
from tests.support.client import ApiClient, code, lasting
from tests.support.pages.visitor import Visitor

VERSIONS = "/image_versions"


@pytest.fixture
def statements(api: ApiClient, db: Database) -> Callable[..., list[str]]:
    """The statements that answering a request runs, with its status checked."""

    def of(address: str, who: str | None = None, status: int = 200, **more: Any) -> list[str]:
        db.trace = []
        answer = api.get(address, who, **more)
        ran, db.trace = db.trace, None
        assert answer.status_code == status
        return ran

    return of


def warm(api: ApiClient, address: str, who: str | None = None) -> Any:
    """An answer that is kept now. (The first use of a token in an hour is a write.)"""
    api.get(address, who)
    return api.get(address, who)


# ── given again ────────────────────────────────────────────────────────────────────────────


def test_what_was_answered_is_answered_again_without_a_statement(
    api: ApiClient, world: World, statements: Callable[..., list[str]]
) -> None:
    one = f"{VERSIONS}/{world.versions['open']}"
    for address in (VERSIONS, one, "/api/v2/images", "/resolve/open-image/latest/east"):
        for who in (None, "charlie", "alice"):
            answer = warm(api, address, who)
            assert statements(address, who) == []
            again = api.get(address, who)
            assert again.content == answer.content
            assert lasting(again) == lasting(answer)
            etag = answer.headers["etag"]
            assert statements(address, who, 304, headers={"If-None-Match": etag}) == []
            head = api.ask("HEAD", address, who)
            assert (head.content, lasting(head)) == (b"", lasting(answer))


def test_each_reader_has_answers_of_their_own(api: ApiClient, world: World) -> None:
    shared = f"{VERSIONS}/{world.versions['shared']}"
    for _ in range(3):
        for who, status in (("bob", 200), ("charlie", 404), (None, 404), ("alice", 200)):
            assert api.get(shared, who).status_code == status
        assert code(api.get(shared, "wrong")) == "401 token_invalid"
    counts = {who: warm(api, VERSIONS, who).json["count"] for who in (None, "bob", "alice")}
    for who, count in counts.items():
        assert api.get(VERSIONS, who).json["count"] == count
    assert counts[None] < counts["bob"] < counts["alice"]


def test_what_is_accepted_is_part_of_the_question(api: ApiClient) -> None:
    address = "/resolve/open-image/latest/east"
    for _ in range(2):
        text = api.get(address, headers={"Accept": "text/plain"})
        assert text.text == "open-east\n"
        assert api.get(address).json["machine"]["identifier"] == "open-east"


def test_who_asks_is_looked_up_once_while_nothing_changes(
    api: ApiClient, world: World, statements: Callable[..., list[str]]
) -> None:
    warm(api, "/api/v2/licenses", "bob")
    # The version alone: the token's user, groups and identities are known.
    assert len(statements(f"{VERSIONS}/{world.versions['shared']}", "bob")) == 1
    assert len(statements(f"{VERSIONS}/{world.versions['closed']}", "bob", 404)) == 1


def test_without_a_cache_nothing_is_kept(db: Database, world: World) -> None:
    api = ApiClient(db, config.load({"GOLDENROD_CACHE_MB": "0"}), world)
    warm(api, VERSIONS, "bob")
    db.trace = []
    api.get(VERSIONS, "bob")
    # Who asks, and the page with its count.
    assert len(db.trace) == 2


def test_pages_are_kept_for_those_who_are_not_signed_in(
    db: Database, world: World, clock: Clock
) -> None:
    browser = Visitor(db, config.load({}))

    def statements() -> int:
        db.trace = []
        assert browser.get("/search?q=open").status == 200
        ran, db.trace = db.trace, None
        return len(ran)

    assert statements() > 0
    assert statements() == 0
    # It says how long ago things were: that is not kept for long.
    clock.move(seconds=31)
    assert statements() > 0
    assert statements() == 0
    with db.write():
        pass
    assert statements() > 0
    browser.sign_in("alice")
    assert statements() == statements() > 0


# ── no longer than it holds ────────────────────────────────────────────────────────────────


def test_every_change_is_seen_at_once_whoever_made_it(
    api: ApiClient, db: Database, world: World
) -> None:
    # Another process: another database, another application.
    elsewhere = Database(db.url, pool=1)
    elsewhere.now = db.now
    other = ApiClient(elsewhere, config.load({}), world)
    one = f"{VERSIONS}/{world.versions['open']}"
    for n in range(40):
        warm(api, one)
        changer = other if n % 2 else api
        answer = changer.patch(one, "alice", {"change_log": f"change {n}"})
        assert answer.status_code == 200
        for reader in (api, other):
            assert reader.get(one).json["change_log"] == f"change {n}"
            assert f"change {n}" in reader.get(VERSIONS).text
    elsewhere.close()


def test_every_instant_is_seen_when_it_comes(api: ApiClient, world: World, clock: Clock) -> None:
    at = {minutes: later(clock.now, minutes=minutes) for minutes in range(1, 10)}
    ending = publish(api, "ending", start_date=later(clock.now, days=-9), end_date=at[1])
    publish(api, "starting", start_date=at[2])
    fading = publish(api, "fading", start_date=later(clock.now, days=-8))
    api.patch(fading["url"], "alice", {"deprecation": {"at": at[3], "reason": "old"}})
    pulled = publish(api, "pulled", start_date=later(clock.now, days=-7))
    api.post(f"{pulled['url']}/revoke", "alice", {"reason": "bad", "at": at[4]})
    east = world.providers["east"]
    machine = {"provider": east, "identifier": "moving", "architecture": "x86_64"}
    moving = publish(
        api,
        "moving",
        start_date=later(clock.now, days=-6),
        machines=[{**machine, "start_date": at[5], "end_date": at[6]}],
    )
    api.patch(f"/api/v2/providers/{east}", "dora", {"end_date": at[7]})
    api.patch("/api/v2/images/open-image", "alice", {"end_date": at[8]})

    def seen() -> list[Any]:
        listed = {it["name"] for it in warm(api, VERSIONS).json["results"]}
        states = [warm(api, it["url"]).json.get("state") for it in (fading, pulled)]
        there = warm(api, moving["url"])
        machines = len(there.json["machines"]) if there.status_code == 200 else None
        provider = warm(api, f"/api/v2/providers/{east}").status_code
        return [
            "ending" in listed,
            "starting" in listed,
            *states,
            machines,
            provider,
        ]

    assert ending["state"] == "current"
    expected = [
        [True, False, "current", "current", 0, 200],
        [False, False, "current", "current", 0, 200],
        [False, True, "current", "current", 0, 200],
        [False, True, "deprecated", "current", 0, 200],
        [False, True, "deprecated", "revoked", 0, 200],
        [False, True, "deprecated", "revoked", 1, 200],
        [False, True, "deprecated", "revoked", 0, 200],
        [False, True, "deprecated", "revoked", 0, 404],
        [False, False, None, None, None, 404],
    ]
    for minutes, states in enumerate(expected):
        if minutes:
            clock.now = later(at[minutes], seconds=-0.000001)
            assert seen() == expected[minutes - 1], minutes
            clock.now = at[minutes]
        assert seen() == states, minutes
    # A clock that is set back shows what was then.
    clock.now = later(at[1], seconds=-30)
    assert seen() == expected[0]


def test_a_token_that_is_revoked_or_expires_stops_at_once(
    api: ApiClient, db: Database, world: World, clock: Clock
) -> None:
    admin = api.post(
        "/api/v2/tokens",
        None,
        {"username": "alice", "password": "alice-secret", "name": "a", "scope": "admin"},
    ).json
    expires = later(clock.now, minutes=5)
    body = {"name": "short", "scope": "read", "expires": expires}
    short = made(api, "/api/v2/tokens", admin["token"], **body)
    for secret in (admin["token"], short["token"]):
        assert warm(api, VERSIONS, secret).status_code == 200
    clock.now = later(expires, seconds=-0.000001)
    assert warm(api, VERSIONS, short["token"]).status_code == 200
    clock.now = expires
    assert code(api.get(VERSIONS, short["token"])) == "401 token_invalid"
    assert warm(api, VERSIONS, admin["token"]).status_code == 200
    assert api.delete(admin["url"], admin["token"]).status_code == 204
    assert code(api.get(VERSIONS, admin["token"])) == "401 token_invalid"


def test_who_leaves_a_group_or_is_disabled_sees_no_more(api: ApiClient, world: World) -> None:
    shared = f"{VERSIONS}/{world.versions['shared']}"
    assert warm(api, shared, "bob").status_code == 200
    lab = f"/api/v2/groups/{world.groups['lab']}"
    assert api.patch(lab, "alice", {"users": ["alice"]}).status_code == 200
    assert code(api.get(shared, "bob")) == "404 not_found"
    assert warm(api, VERSIONS, "charlie").status_code == 200
    assert api.delete(f"/api/v2/users/{world.users['charlie']}", "dora").status_code == 204
    assert code(api.get(VERSIONS, "charlie")) == "401 token_invalid"


def test_a_tokens_use_is_noted_each_hour(api: ApiClient, clock: Clock) -> None:
    for _ in range(3):
        warm(api, VERSIONS, "bob")
        used = api.get("/api/v2/tokens", "bob").json["results"][0]["last_used"]
        assert used == f"{clock.now[:13]}:00:00.000000Z"
        clock.move(hours=1)


# ── changed while it looked ────────────────────────────────────────────────────────────────


class _LetIn(list[str]):
    """Lets a change in before the statement of this number is run, once."""

    def __init__(self, number: int, change: Callable[[], Any]) -> None:
        self.number = number
        self.change: Callable[[], Any] | None = change

    def append(self, text: str) -> None:
        if self.change and len(self) == self.number:
            change, self.change = self.change, None
            change()
        super().append(text)


def test_count_and_page_are_of_one_state(api: ApiClient, db: Database, world: World) -> None:
    elsewhere = Database(db.url, pool=2)
    elsewhere.now = db.now
    other = ApiClient(elsewhere, config.load({}), world)
    # Before who asks is known, before the count, before the page.
    for number in range(3):
        publish(api, f"changes all {number}")
        trace = _LetIn(number, lambda n=number: publish(other, f"let in {n}"))  # type: ignore[misc]
        db.trace = trace
        page = api.get(VERSIONS, "alice").json
        db.trace = None
        assert trace.change is None
        assert page["count"] == len(page["results"])
    elsewhere.close()


def test_no_reader_sees_what_was_shared_after_they_had_left(
    api: ApiClient, db: Database, world: World
) -> None:
    """Who bob is, is known from before; what he asks is read after: never both."""
    elsewhere = Database(db.url, pool=2)
    elsewhere.now = db.now
    other = ApiClient(elsewhere, config.load({}), world)
    warm(api, "/api/v2/licenses", "bob")

    def leave_then_share() -> None:
        lab = f"/api/v2/groups/{world.groups['lab']}"
        assert other.patch(lab, "alice", {"users": ["alice"]}).status_code == 200
        closed = f"{VERSIONS}/{world.versions['closed']}"
        assert other.patch(closed, "alice", {"membership": ["lab"]}).status_code == 200

    db.trace = trace = _LetIn(0, leave_then_share)
    answer = api.get(f"{VERSIONS}/{world.versions['closed']}", "bob")
    db.trace = None
    assert trace.change is None
    assert code(answer) == "404 not_found"
    elsewhere.close()


# ── bounded ────────────────────────────────────────────────────────────────────────────────


def test_no_more_bytes_are_kept_than_allowed(db: Database) -> None:
    cache = ResponseCache(db, 100_000)
    revision, now, mark, _ = db.current_revision()
    validity = Validity(revision, now, now + 10**9, mark)

    def answer(size: int) -> CachedResponse:
        return CachedResponse(validity, '"x"', [], b"x" * size)

    for n in range(1000):
        cache.add((f"/{n}", "", None, None, None), answer(n))
        assert cache.stored_bytes <= 100_000
    found = [n for n in range(1000) if cache.find((f"/{n}", "", None, None, None))]
    # The newest, and as many as fit.
    assert found == list(range(found[0], 1000))
    assert 40 < len(found) < 80
    # One that would push all others out is not kept.
    cache.add(("/large", "", None, None, None), answer(13_000))
    assert cache.find(("/large", "", None, None, None)) is None
    # What an earlier revision answered goes; what comes late from there does not come in.
    with db.write():
        pass
    assert cache.find(("/999", "", None, None, None)) is None
    newer = answer(10)._replace(validity=validity._replace(revision=revision + 1))
    cache.add(("/new", "", None, None, None), newer)
    cache.add(("/late", "", None, None, None), answer(10))
    assert list(cache._answers.stored) == [("/new", "", None, None, None)]


def test_how_long_an_answer_holds(api: ApiClient, db: Database, world: World, clock: Clock) -> None:
    cache = ResponseCache(db, 1)
    end = later(clock.now, days=3)
    publish(api, "ending", end_date=end)
    read = db.current_revision()
    validity = cache.validity_of(read, ANONYMOUS)
    # The first instant to come is that of the world's scheduled image, tomorrow.
    assert validity is not None
    assert validity.valid_until - validity.valid_from == 24 * 3600 * 10**6
    reader = replace(ANONYMOUS, kind="user", user_id=world.users["bob"])
    validity = cache.validity_of(read, reader)
    assert validity is not None
    assert validity.valid_until - validity.valid_from == 3600 * 10**6
    # Not known for another revision than the present one.
    assert cache.validity_of(read._replace(revision=read.revision - 1), ANONYMOUS) is None


# ── built once ─────────────────────────────────────────────────────────────────────────────


class _Paused(list[str]):
    """A trace that stops the first build after its first statement, until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go_on = threading.Event(), threading.Event()

    def append(self, text: str) -> None:
        super().append(text)
        if not self.reached.is_set():
            self.reached.set()
            assert self.go_on.wait(10)


class _Waiting(Build):
    """A build that counts who waits for it."""

    waiting = 0

    def __init__(self) -> None:
        super().__init__()
        wait = self.done.wait

        def counted(seconds: float) -> bool:
            _Waiting.waiting += 1
            return wait(seconds)

        self.done.wait = counted  # type: ignore[method-assign,assignment]


def _until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.002)


@pytest.mark.parametrize("changed", [False, True], ids=["unchanged", "changed"])
def test_an_answer_is_built_once_for_all_who_arrived_before_nothing_changed(
    api: ApiClient,
    db: Database,
    world: World,
    statements: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    changed: bool,
) -> None:
    """Four ask while the first is building. They get its answer; but if a change was made before they
    asked, they get one that has it, built once more."""
    one = f"{VERSIONS}/{world.versions['open']}"
    alone = statements(one)
    monkeypatch.setattr("goldenrod.web.response_cache.Build", _Waiting)
    monkeypatch.setattr(_Waiting, "waiting", 0)
    with db.write() as tx:
        assert tx.changes is not None
        tx.changes.note(None)  # of the whole catalogue
    db.trace = trace = _Paused()
    with ThreadPoolExecutor(5) as threads:
        first = threads.submit(api.get, one)
        assert trace.reached.wait(10)
        if changed:
            db.trace = None
            body = {"change_log": "While it was built."}
            assert api.patch(one, "alice", body).status_code == 200
            db.trace = trace
        others = [threads.submit(api.get, one) for _ in range(4)]
        _until(lambda: _Waiting.waiting == 4)
        trace.go_on.set()
        answers = [answer.result(10) for answer in (first, *others)]
    db.trace = None
    logs = {answer.json["change_log"] for answer in answers[1:]}
    assert (logs == {"While it was built."}) == changed
    if not changed:
        assert len(trace) == len(alone)
        assert len({answer.content for answer in answers}) == 1


def test_who_waits_for_an_answer_that_cannot_be_shared_builds_their_own(
    api: ApiClient, db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goldenrod.web.response_cache.Build", _Waiting)
    monkeypatch.setattr(_Waiting, "waiting", 0)
    closed = f"{VERSIONS}/{world.versions['closed']}"
    db.trace = trace = _Paused()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(api.get, closed)
        assert trace.reached.wait(10)
        second = threads.submit(api.get, closed)
        _until(lambda: _Waiting.waiting == 1)
        trace.go_on.set()
        assert [code(it.result(10)) for it in (first, second)] == ["404 not_found"] * 2
    db.trace = None
