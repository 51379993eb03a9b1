"""The next instant: each instant that an answer depends on is one, in its order, and no other is."""

from collections.abc import Iterator

from goldenrod.base.clock import Instant, later
from goldenrod.rules import cache_expiry
from goldenrod.store.db import Database
from tests.conftest import NOON, Clock
from tests.support.actions import made, publish
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.clouds import Cloud

VERSIONS = "/api/v2/image_versions"


def steps(db: Database, clock: Clock) -> Iterator[Instant]:
    """The instants to come, each asked for at the one before."""
    while True:
        with db.read() as tx:
            following = cache_expiry.next_instant(tx)
        if following is None:
            return
        assert following > clock.now
        clock.now = following
        yield following


def hour(number: int) -> Instant:
    """An instant after the world's own are past."""
    return later(NOON, days=2, hours=number)


def test_whatever_takes_effect_is_awaited(api: ApiClient, db: Database, clock: Clock) -> None:
    hours = iter(range(1, 100))
    awaited: list[Instant] = []

    def to_come() -> Instant:
        awaited.append(hour(next(hours)))
        return awaited[-1]

    # A version's dates show in its opens_at and closes_at, whether all may read it or not.
    for image in ("open", "closed"):
        publish(api, "dated", image=image, start_date=to_come(), end_date=to_come())
    aging = publish(api, "aging", deprecation={"at": to_come(), "reason": "old"})
    revoked = api.post(
        f"{VERSIONS}/{aging['id']}/revoke", "alice", {"reason": "bad", "at": to_come()}
    )
    assert revoked.status_code == 200
    made(api, "/api/v2/images", "alice", name="empty", start_date=to_come(), end_date=to_come())
    api.patch("/api/v2/images/shared-image", "alice", {"end_date": to_come()})
    place = {"version": aging["id"], "provider": "east", "identifier": "ami-1"}
    made(
        api,
        "/api/v2/provider_machines",
        "alice",
        **place,
        start_date=to_come(),
        end_date=to_come(),
    )
    # A page says to editors that a machine is deprecated on its cloud.
    Cloud(db, api.world.providers["east"]).lists("open-east", deprecated_at=to_come())
    made(api, "/api/v2/providers", "dora", name="south", start_date=to_come(), end_date=to_come())
    made(api, "/api/v2/tokens", "dora", name="short", scope="read", expires=to_come())

    world_own = later(NOON, days=1)  # the scheduled image's start
    assert list(steps(db, clock)) == [world_own, *awaited]


def test_what_is_restored_revoked_or_withdrawn_is_not_awaited(
    api: ApiClient, db: Database, world: World, clock: Clock
) -> None:
    clock.move(days=2)
    with db.read() as tx:
        assert cache_expiry.next_instant(tx) is None
    later_on = hour(1)
    revocation = {"reason": "bad", "at": later_on}
    address = f"{VERSIONS}/{world.versions['open']}"
    assert api.post(f"{address}/revoke", "alice", revocation).status_code == 200
    with db.read() as tx:
        assert cache_expiry.next_instant(tx) == later_on
    assert api.post(f"{address}/restore", "alice", {}).status_code == 200
    assert api.patch(address, "alice", {"end_date": later_on}).status_code == 200
    assert api.patch(address, "alice", {"end_date": None}).status_code == 200
    with db.read() as tx:
        assert cache_expiry.next_instant(tx) is None


def test_asking_is_one_statement(db: Database, world: World) -> None:
    db.trace = []
    with db.read() as tx:
        cache_expiry.next_instant(tx)
    assert len(db.trace) == 1
