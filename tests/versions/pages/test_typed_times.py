"""A time that was typed is the time that is meant, and what is to come is confirmed as to come."""

from goldenrod.store.db import Database
from tests.support.actions import everything
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.lifecycle.steps import release, state
from tests.support.pages.visitor import Visitor

VERSION = "/images/open-image/versions/2"


def test_a_time_together_with_now_is_refused_and_so_is_a_schedule_without_one(
    db: Database, api: ApiClient, world: World, visitor: Visitor
) -> None:
    version = release(api, "2")
    visitor.sign_in("alice")
    page, revoke = visitor.get(f"{VERSION}/revoke"), f"{VERSION}/revoke"
    before = everything(db)
    for when, at, words in (
        ("now", "2026-07-01T08:00", "choose Schedule"),
        ("then", "", "is required to schedule"),
    ):
        asked = {"reason": "It leaks.", "when": when, "at": at}
        refused = visitor.submit(page, revoke, button=("do", "revoke"), **asked)
        assert refused.status == 400 and words in refused.words, refused.words
    assert everything(db) == before
    assert state(api, version) == "current"


def test_what_is_scheduled_is_confirmed_as_scheduled(
    api: ApiClient, world: World, visitor: Visitor
) -> None:
    release(api, "2")
    visitor.sign_in("alice")
    at, words = "2026-07-01T08:00", "2026-07-01 08:00 UTC"
    revoke = f"{VERSION}/revoke"
    page = visitor.submit(
        visitor.get(revoke), revoke, button=("do", "count"), when="then", at=at, reason="It leaks."
    )
    done = visitor.submit(page, revoke, button=("do", "revoke"))
    assert f"2 will be revoked {words}. 1 channel will change then." in done.words, done.words
    edit = f"{VERSION}/edit"
    done = visitor.submit(visitor.get(edit), edit, end_date=at)
    assert f"Saved. 2 ends {words}." in done.words
    new = "/images/open-image/versions/new"
    done = visitor.submit(visitor.get(new), new, name="3", start_date=at)
    assert f"3 is scheduled. 3 starts {words}." in done.words
    deprecate = f"{VERSION}/deprecate"
    done = visitor.submit(visitor.get(deprecate), deprecate, reason="old", at=at)
    assert f"2 will be deprecated {words}." in done.words
    image = "/images/open-image/edit"
    done = visitor.submit(visitor.get(image), image, end_date=at)
    assert f"Saved. open image ends {words}." in done.words
