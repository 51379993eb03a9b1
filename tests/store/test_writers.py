"""Writers in processes of their own, at once, on one catalogue: what always holds, holds.

Two processes meet before each round, so that their requests cross; both go through the application.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from threading import BrokenBarrierError
from typing import Any

import pytest

from goldenrod.base import config
from goldenrod.catalogue.accounts import password_sign_in
from goldenrod.store.db import Database
from tests.support.cast import World, build_world
from tests.support.client import ApiClient, Result

pytestmark = pytest.mark.long

ROUNDS = 8
INCREMENTS = 10
PATIENCE_S = 60

Task = Callable[[ApiClient, World, int], Any]


class _Meeting:
    """Where the two processes wait for each other; set in each when it starts."""

    barrier: Any = None


def _start(barrier: Any) -> None:
    _Meeting.barrier = barrier


def meet() -> None:
    _Meeting.barrier.wait(PATIENCE_S)


def _run(task: Task, url: str, world: World, part: int) -> Any:
    db = Database(url, pool=2)
    try:
        return task(ApiClient(db, config.load({}), world), world, part)
    except BaseException as error:
        if not isinstance(error, BrokenBarrierError):
            _Meeting.barrier.abort()
        raise
    finally:
        db.close()


@pytest.fixture(scope="module")
def processes() -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    with ProcessPoolExecutor(2, context, _start, (barrier,)) as pool:
        yield pool, barrier


class Two:
    """A catalogue with the cast, and two processes that do the same task on it, as part 0 and 1."""

    def __init__(self, db: Database, pool: ProcessPoolExecutor, barrier: Any) -> None:
        self.db, self._pool, self._barrier = db, pool, barrier
        self.world = build_world(db)
        self.api = ApiClient(db, config.load({}), self.world)

    def do(self, task: Task) -> list[Any]:
        self._barrier.reset()
        running = [self._pool.submit(_run, task, self.db.url, self.world, part) for part in (0, 1)]
        return [future.result(PATIENCE_S) for future in running]


@pytest.fixture
def two(
    new_database: Callable[[str], Database],
    backend: str,
    processes: tuple[ProcessPoolExecutor, Any],
) -> Two:
    return Two(new_database(backend), *processes)


def outcome(answer: Result) -> str:
    """What came of a request: `201`, or `409 version_name_taken`."""
    problem = answer.json.get("code") if answer.status_code >= 400 else None
    return f"{answer.status_code} {problem}" if problem else str(answer.status_code)


def each_round(two: Two, task: Task) -> list[list[str]]:
    """The two outcomes of each round, sorted."""
    return [sorted(pair) for pair in zip(*two.do(task), strict=True)]


def cross_parents(api: ApiClient, world: World, part: int) -> list[str]:
    found = api.all(f"/image_versions?image_id={world.images['closed']}", "alice")
    ids = {version["name"]: version["id"] for version in found}
    outcomes = []
    for number in range(ROUNDS):
        pair = [ids[f"left-{number}"], ids[f"right-{number}"]]
        meet()
        patch = {"parent": pair[1 - part]}
        outcomes.append(outcome(api.patch(f"/image_versions/{pair[part]}", "alice", patch)))
    return outcomes


def test_parents_set_at_once_make_no_cycle(two: Two) -> None:
    for number in range(ROUNDS):
        for side in ("left", "right"):
            body = {"name": f"{side}-{number}", "image": two.world.images["closed"]}
            assert two.api.post("/image_versions", "alice", body).status_code == 201
    assert each_round(two, cross_parents) == [["200", "409 parent_cycle"]] * ROUNDS


def publish_same_names(api: ApiClient, world: World, part: int) -> list[str]:
    outcomes = []
    for number in range(ROUNDS):
        name = f"release-{number}"
        body = {"name": name.upper() if part else name, "image": world.images["kept"]}
        meet()
        outcomes.append(outcome(api.post("/image_versions", ("alice", "bob")[part], body)))
    return outcomes


def test_a_versions_name_is_given_once(two: Two) -> None:
    assert each_round(two, publish_same_names) == [["201", "409 version_name_taken"]] * ROUNDS


def make_same_accounts(api: ApiClient, world: World, part: int) -> list[str]:
    outcomes = []
    for number in range(ROUNDS):
        meet()
        if part:
            answer = api.post("/api/v2/groups", "dora", {"name": f"Crew {number}"})
        else:
            answer = api.post("/api/v2/users", "dora", {"username": f"crew {number}"})
        outcomes.append(outcome(answer))
    return outcomes


def test_a_user_and_a_group_never_get_one_name(two: Two) -> None:
    assert each_round(two, make_same_accounts) == [["201", "409 name_taken"]] * ROUNDS


def place_same_machines(api: ApiClient, world: World, part: int) -> list[str]:
    found = api.all(f"/image_versions?image_id={world.images['kept']}", "alice")
    outcomes = []
    for number in range(ROUNDS):
        body = {"version": found[part]["id"], "provider": "east", "identifier": f"ami-{number}"}
        meet()
        outcomes.append(outcome(api.post("/api/v2/provider_machines", "alice", body)))
    return outcomes


def test_an_identifier_is_one_machines(two: Two) -> None:
    two.api.post("/image_versions", "alice", {"name": "2", "image": two.world.images["kept"]})
    assert each_round(two, place_same_machines) == [["201", "409 machine_taken"]] * ROUNDS


def increment(api: ApiClient, world: World, part: int) -> int:
    """Add one to a version's min_cpu, again and again; how often somebody else was faster."""
    address, who = f"/image_versions/{world.versions['kept']}", ("alice", "bob")[part]
    lost = done = 0
    meet()
    while done < INCREMENTS:
        read = api.get(address, who)
        answer = api.patch(
            address,
            who,
            {"min_cpu": read.json["min_cpu"] + 1},
            headers={"If-Match": read.headers["etag"]},
        )
        assert answer.status_code in (200, 412), answer.text
        done += answer.status_code == 200
        lost += answer.status_code == 412
    return lost


def test_no_change_is_lost_under_if_match(two: Two) -> None:
    address = f"/image_versions/{two.world.versions['kept']}"
    assert two.api.patch(address, "alice", {"min_cpu": 0}).status_code == 200
    two.do(increment)
    assert two.api.get(address, "alice").json["min_cpu"] == 2 * INCREMENTS
    told = two.api.all(f"{address}/history", "alice")[2:]
    steps = [entry["changes"]["min_cpu"] for entry in told]
    assert steps == [{"before": n, "after": n + 1} for n in range(2 * INCREMENTS)]


def post_with_one_key(api: ApiClient, world: World, part: int) -> list[tuple[str, Any]]:
    outcomes = []
    for number in range(ROUNDS):
        meet()
        answer = api.post(
            "/api/v2/images",
            "charlie",
            {"name": f"once-{number}"},
            headers={"Idempotency-Key": str(number)},
        )
        outcomes.append((outcome(answer), answer.json.get("id")))
    return outcomes


def test_one_key_makes_one_thing(two: Two) -> None:
    first, second = two.do(post_with_one_key)
    assert first == second
    assert {status for status, _ in first} == {"201"}
    assert two.api.get("/api/v2/images?owner=charlie", "charlie").json["count"] == ROUNDS


def fail_to_sign_in(api: ApiClient, world: World, part: int) -> list[str]:
    body = {"username": "alice", "password": "wrong"}
    meet()
    attempts = range(password_sign_in.MOST_BY_ACCOUNT)
    return [outcome(api.post("/api/v2/tokens", None, body)) for _ in attempts]


def test_failures_at_once_are_all_counted(two: Two) -> None:
    most = password_sign_in.MOST_BY_ACCOUNT
    first, second = two.do(fail_to_sign_in)
    outcomes = sorted(first + second)
    assert outcomes == ["401 sign_in_failed"] * most + ["429 too_many_requests"] * most


STABLE = "/api/v2/images/open-image/channels/stable"


def promote(api: ApiClient, world: World, part: int) -> list[str]:
    """Both saw the same; each promotes another version."""
    found = api.all("/image_versions?image_id=open-image", "alice")
    ids = {version["name"]: version["id"] for version in found}
    outcomes = []
    for number in range(ROUNDS):
        seen = api.get(STABLE, "alice").headers["etag"]
        body = {"version": ids[f"{'left' if part else 'right'}-{number}"], "reason": str(part)}
        meet()
        headers = {"If-Match": seen}
        outcomes.append(outcome(api.ask("PUT", STABLE, "alice", body, headers=headers)))
        meet()
    return outcomes


def test_of_two_who_promote_at_once_one_wins_and_the_other_is_told(two: Two) -> None:
    for number in range(ROUNDS):
        for side in ("left", "right"):
            body = {"name": f"{side}-{number}", "image": two.world.images["open"]}
            assert two.api.post("/image_versions", "alice", body).status_code == 201
    first = {"version": two.world.versions["open"]}
    assert two.api.ask("PUT", STABLE, "alice", first).status_code == 201
    pairs = list(zip(*two.do(promote), strict=True))
    assert [sorted(pair) for pair in pairs] == [["200", "412 precondition_failed"]] * ROUNDS
    # One line for each that took effect, and nothing of the others.
    winners = [str(pair.index("200")) for pair in pairs]
    told = two.api.all(f"{STABLE}/history", "alice")
    assert [entry["reason"] for entry in told] == [None, *winners]
    newest = two.api.get(STABLE).json["target"]
    assert newest == told[-1]["version"]


def assign_the_same(api: ApiClient, world: World, part: int) -> list[str]:
    outcomes = []
    for number in range(ROUNDS):
        meet()
        body = {"version": world.versions["open"]}
        channel = f"/api/v2/images/open-image/channels/c{number}"
        outcomes.append(outcome(api.ask("PUT", channel, "alice", body)))
    return outcomes


def test_the_same_assigned_at_once_is_one_channel_and_one_line(two: Two) -> None:
    assert each_round(two, assign_the_same) == [["200", "201"]] * ROUNDS
    for number in range(ROUNDS):
        channel = f"/api/v2/images/open-image/channels/c{number}"
        assert two.api.get(f"{channel}/history").json["count"] == 1


def revoke_and_restore(api: ApiClient, world: World, part: int) -> list[str]:
    outcomes = []
    for _ in range(ROUNDS):
        for verb, body in (("revoke", {"reason": "bad", "descendants": True}), ("restore", {})):
            meet()
            address = f"/image_versions/{world.versions['open']}/{verb}"
            outcomes.append(outcome(api.post(address, "alice", body)))
    return outcomes


def test_a_version_has_at_most_one_revocation_of_its_own(two: Two) -> None:
    one_round = [["200", "409 version_already_revoked"], ["200", "409 version_not_revoked"]]
    assert each_round(two, revoke_and_restore) == one_round * ROUNDS


def build_below(api: ApiClient, world: World, part: int) -> list[str]:
    """One revokes with descendants and restores, the other publishes below."""
    address = f"/image_versions/{world.versions['open']}"
    outcomes = []
    for number in range(ROUNDS):
        meet()
        if part:
            body = {"name": f"below-{number}", "image": "open-image", "parent": address[-36:]}
            outcomes.append(outcome(api.post("/image_versions", "alice", body)))
        else:
            body = {"reason": "bad", "descendants": True}
            outcomes.append(outcome(api.post(f"{address}/revoke", "alice", body)))
        meet()
        if not part:
            found = api.all("/image_versions?image_id=open-image", "alice")
            # Whoever came first: below a revoked version nothing is current.
            assert {it["state"] for it in found} == {"revoked"}
            assert api.post(f"{address}/restore", "alice", {}).status_code == 200
    return outcomes


def test_what_is_published_while_its_parent_is_revoked_is_refused_or_revoked(two: Two) -> None:
    for pair in each_round(two, build_below):
        assert pair in (["200", "201"], ["200", "409 parent_revoked"])
