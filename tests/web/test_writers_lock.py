"""No GET waits for a writer: pages and the API answer while somebody else holds the writers' lock.

Signing in with OpenID Connect ends with a GET that begins a session; without a provider, as here, its
address is 404.
"""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from goldenrod.base import config
from goldenrod.store.connections.drivers import sqlite_path
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API
from goldenrod.web.pages.routes import PAGES
from tests.conftest import BACKENDS
from tests.support.access_catalogue import Stage, set_stage
from tests.support.access_requests.every_route import EVERY_ASKED
from tests.support.access_requests.secrets import filled
from tests.support.access_requests.who_sees import named
from tests.support.client import ApiClient
from tests.support.pages.visitor import PageResponse, Visitor

MOST_S = 1
PEOPLE = ("alice", "dora")
"""alice edits the images that are asked for; dora is staff."""

BUSY = "Somebody is saving a change right now, so the impact is not shown. Refresh preview"
INCREMENT = "UPDATE catalogue SET revision = revision + 1"

NAMES = {
    "versions": "open-1.0",
    "channels": "stable",
    "tags": "closed-tag",
    "help": "importing",
}
KEYS = {
    "json": "image_versions/open-1.0",
    "account": "tokens/alice's test",
    "groups": "groups/lab",
    "webhooks": "webhooks/alice's",
    "users": "users/bob",
    "providers": "providers/west",
    "identities": "identities/bob@west",
    "tags": "tags/closed-tag",
    "licenses": "licenses/Apache 2.0",
    "scripts": "boot_scripts/setup",
}
PREVIEWS = (
    "/images/open-image/versions/open-1.0/revoke",
    "/images/open-image/versions/open-1.0/deprecate",
    "/images/open-image/versions/open-1.1/deprecate",
    "/images/open-image/versions/open-1.0/end",
    "/images/ended-image/restore",
    "/images/closed-image/versions/closed-1.0/restore",
)


@pytest.fixture(scope="module", params=BACKENDS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with set_stage(request) as made:
        yield made


@pytest.fixture(scope="module")
def visitors(stage: Stage) -> dict[str, Visitor]:
    """A browser in which each of them is signed in. No page is cached."""
    made = {}
    for person in PEOPLE:
        made[person] = Visitor(stage.db, config.load({"GOLDENROD_CACHE_MB": "0"}))
        made[person].sign_in(person)
    return made


@contextmanager
def somebody_writes(stage: Stage, *more: str) -> Iterator[None]:
    """Another connection is in the middle of a change, and has run these statements."""
    connection: Any
    if stage.db.dialect == "sqlite":
        connection = sqlite3.connect(sqlite_path(stage.db.url), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection = psycopg.connect(stage.db.url, autocommit=True)
        connection.execute("BEGIN")
    try:
        for statement in (INCREMENT, *more):
            connection.execute(statement)
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def answered_at_once(ask: Callable[[], Any]) -> Any:
    """What is answered, in less than a second. One that waits for a writer does so each time; one
    that was late because of the machine is asked again."""
    for left in (2, 1, 0):
        begun = time.monotonic()
        answer = ask()
        spent = time.monotonic() - begun
        if spent < MOST_S:
            return answer
        assert left, f"{spent:.1f} s"
    raise AssertionError


def address_of(stage: Stage, path: str) -> str:
    """The address of a page, with the key of a thing that there is."""
    path = path.replace("{slug}", "west" if path.startswith("/providers") else "open-image")
    path = path.replace("{two}", "open-1.0...open-1.1").replace("{resource}", "image_versions")
    path = path.replace("{machine}", stage.id_of("provider_machines", "open-east"))
    path = path.replace("{delivery}", stage.id_of("deliveries", "alice's"))
    path = path.replace("{uuid}", "00000000-0000-4000-8000-000000000000")
    before_name = re.search(r"(\w+)/\{name\}", path)
    if before_name:
        path = path.replace("{name}", NAMES[before_name[1]])
    if "{key}" in path:
        first, second = path.split("/")[1:3]
        thing = KEYS.get(second if first == "staff" else first)
        path = path.replace("{key}", stage.id_of(*thing.split("/")) if thing else "1")
    return path


def test_no_get_of_the_api_waits_for_a_writer(stage: Stage) -> None:
    asked = {}
    for route in (route for route in ROUTES if route.method == "GET"):
        resource = route.path.split("/")[1]
        rest = str(filled(stage, EVERY_ASKED[f"GET {route.path}"][0].path, resource))
        address = f"{API}/{resource}" + (f"/{rest}" if rest and rest[0] != "?" else rest)
        for person in PEOPLE:
            asked[address, person] = stage.api.get(address, person).status_code
    assert {200, 403} <= {*asked.values()}
    with somebody_writes(stage):
        for (address, person), status in asked.items():
            with named(address, person):
                answer = answered_at_once(lambda: stage.api.get(address, person))  # noqa: B023
                assert answer.status_code == status


@pytest.mark.long_on_postgresql
def test_no_page_waits_for_a_writer(stage: Stage, visitors: dict[str, Visitor]) -> None:
    addresses = {address_of(stage, route.path) for route in PAGES if route.method == "GET"}
    assert not [address for address in addresses if "{" in address]

    def get(address: str, person: str) -> PageResponse:
        return visitors[person].get(address, follow=False)

    asked = {
        (address, person): get(address, person).status
        for address in sorted({*addresses, *PREVIEWS})
        for person in PEOPLE
    }
    assert [key for key, status in asked.items() if status == 404 and key[1] == "dora"] == [
        ("/sign-in/oidc", "dora"),
        ("/sign-in/oidc/callback", "dora"),
        ("/staff/users/2/sessions/00000000-0000-4000-8000-000000000000/end", "dora"),
        ("/syncs/1", "dora"),
    ]
    with somebody_writes(stage):
        for (address, person), status in asked.items():
            with named(address, person):
                page = answered_at_once(lambda: get(address, person))  # noqa: B023
                assert page.status == status


@pytest.mark.parametrize("address", PREVIEWS)
def test_a_preview_says_that_somebody_is_saving(
    stage: Stage, visitors: dict[str, Visitor], address: str
) -> None:
    alice = visitors["alice"]
    with stage.db.read() as tx:
        revision = tx.revision
    shown = alice.get(address)
    assert BUSY not in shown.words
    with somebody_writes(stage):
        without = alice.get(address)
    assert BUSY in without.words
    assert [form.action for form in without.forms] == [form.action for form in shown.forms]
    assert alice.get(address).words == shown.words
    with stage.db.read() as tx:
        assert tx.revision == revision


def test_the_impact_of_a_revocation_is_counted_again_without_losing_the_form(
    stage: Stage, visitors: dict[str, Visitor]
) -> None:
    alice, address = visitors["alice"], PREVIEWS[0]
    shown = alice.get(address)
    with somebody_writes(stage):
        without = alice.submit(shown, address, button=("do", "count"), reason="a hole")
    assert (without.status, BUSY in without.words) == (200, True)
    again = alice.submit(without, address, button=("do", "count"))
    assert BUSY not in again.words
    assert again.form(address).fields["reason"] == ["a hole"]


def test_noting_a_last_use_does_not_wait(stage: Stage, visitors: dict[str, Visitor]) -> None:
    """It is noted with the next request."""
    api = ApiClient(stage.db, config.load({"GOLDENROD_CACHE_MB": "0"}), stage.world)
    stage.clock.move(hours=2)
    used, seen = "SELECT max(last_used) FROM tokens", "SELECT max(last_seen) FROM sessions"

    def noted() -> list[Any]:
        with stage.db.read() as tx:
            return [tx.sql(text).fetchone()[0] for text in (used, seen)]

    def ask() -> None:
        assert api.get("/api/v2/images", "alice").status_code == 200
        assert visitors["alice"].get("/account").status == 200

    before = noted()
    # On PostgreSQL only who holds the rows themselves could be waited for.
    rows = "UPDATE tokens SET last_used = last_used", "UPDATE sessions SET last_seen = last_seen"
    with somebody_writes(stage, *rows):
        answered_at_once(ask)
        assert noted() == before
    ask()
    assert [one > other for one, other in zip(noted(), before, strict=True)] == [True, True]


def test_a_refusal_is_answered_at_once_and_written_into_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "goldenrod.security")
    lock = "LOCK TABLE security_events IN ACCESS EXCLUSIVE MODE"
    more = [lock] if stage.db.dialect == "postgresql" else []
    with somebody_writes(stage, *more):
        # Only the refusal itself: finding out who asks needs no lock.
        answer = answered_at_once(lambda: stage.api.get(f"{API}/security_events", "bob"))
    assert answer.status_code == 403, answer.text
    [line] = [record.__dict__ for record in caplog.records if record.msg == "security event"]
    assert (line["kind"], line["user_id"]) == ("access:refused", stage.world.users["bob"])
    assert '"route": "/api/v2/security_events"' in line["detail"]
