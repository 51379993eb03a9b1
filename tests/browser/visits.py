"""Which addresses are looked at, and as whom: each page of PAGES that is read has its rows here.

An address is written with names in braces, such as {image}; `look_around` asks the server what they
stand for in its catalogue.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from goldenrod.base import wire
from goldenrod.base.clock import later
from goldenrod.catalogue.accounts import actors, users
from goldenrod.catalogue.webhooks import attempts, outbox, payloads, webhooks
from goldenrod.catalogue.webhooks.http_sender import Answer, Outcome
from goldenrod.demo import lifecycle
from goldenrod.demo.catalogue import load
from goldenrod.store import schema
from goldenrod.store.db import Database, Tx
from tests.support.clouds import Cloud
from tests.sync.fake_cloud import FakeCloud, synced

Visits = dict[str, dict[str, str]]
"""For each path of PAGES: addresses, and who looks (several, separated by spaces)."""

VISITS: Visits = {
    "/": {"/": "nobody alice", "/?tag=no-such-tag": "nobody"},
    "/search": {
        "/search?q=gpu": "nobody",
        "/search?q={identifier}": "nobody",
        "/search?q={revoked_identifier}": "nobody",
        "/search?q=no+such+thing": "nobody",
        "/search?q=%21": "nobody",
    },
    "/search/suggest": {},  # a part of a page: home shows it
    "/search/versions": {"/search/versions?q=kernel": "nobody"},
    # These lead on to a search.
    "/tags/{name}": {},
    "/providers/{slug}": {},
    "/theme": {},  # leads back
    "/keys": {"/keys": "nobody"},
    "/images": {"/images": "nobody"},
    "/images/{slug}": {
        "/images/{image}": "nobody alice",
        "/images/{twin}": "nobody",
        "/images/{older}": "nobody",
        "/images/research-workbench": "alice bob",
        "/images/no-such-image": "nobody",
    },
    "/images/{slug}/versions": {
        "/images/{image}/versions": "nobody",
        "/images/{image}/versions?q=nothing&state=current&label=team:web": "nobody",
        "/images/research-workbench/versions": "alice",
    },
    "/images/{slug}/versions.csv": {},  # not a page: a file
    "/images/{slug}/lineage": {"/images/{image}/lineage": "nobody alice"},
    "/images/{slug}/feed.atom": {},  # not a page: programs read it
    "/images/{slug}/compare": {"/images/{image}/compare": "nobody"},
    "/images/{slug}/compare/{two}": {
        "/images/{image}/compare/{before}...{version}": "nobody",
        "/images/{image}/compare/{before_id}...{revoked_id}": "nobody",
    },
    "/images/{slug}/versions/{name}": {
        "/images/{image}/versions/{version}": "nobody alice",
        "/images/{older}/versions/{revoked}": "nobody alice",
        "/images/{twin}/versions/{deprecated}": "nobody",
        "/images/research-workbench/versions/1.0": "alice",
        "/images/research-workbench/versions/1.1": "alice bob",
        "/images/research-workbench/versions/1.2": "alice",
    },
    "/images/{slug}/versions/{name}/lineage": {
        "/images/{older}/versions/{revoked}/lineage": "nobody",
    },
    "/images/new": {"/images/new": "alice nobody"},
    "/images/{slug}/edit": {
        "/images/{image}/edit": "alice charlie",
        "/images/research-workbench/edit": "alice",
    },
    "/images/{slug}/end": {"/images/{image}/end": "alice"},
    "/images/{slug}/bulk": {"/images/{image}/bulk": "alice charlie"},
    "/images/{slug}/restore": {"/images/{image}/restore": "alice"},
    "/images/{slug}/versions/new": {
        "/images/{image}/versions/new": "alice",
        "/images/{older}/versions/new?parent={revoked_id}": "alice",
    },
    "/images/{slug}/versions/{name}/edit": {
        "/images/{image}/versions/{version}/edit": "alice charlie",
        "/images/research-workbench/versions/1.1/edit": "alice",
    },
    "/images/{slug}/versions/{name}/end": {"/images/{image}/versions/{version}/end": "alice"},
    "/images/{slug}/versions/{name}/restore": {
        "/images/{older}/versions/{revoked}/restore": "alice",
        "/images/research-workbench/versions/1.0/restore": "alice",
    },
    "/images/{slug}/versions/{name}/deprecate": {
        "/images/{twin}/versions/{deprecated}/deprecate": "alice",
    },
    "/images/{slug}/versions/{name}/revoke": {
        "/images/{image}/versions/{version}/revoke": "alice",
        "/images/{older}/versions/{revoked}/revoke": "alice",
    },
    "/images/{slug}/versions/{name}/share": {
        "/images/research-workbench/versions/1.1/share": "alice",
    },
    "/images/{slug}/versions/{name}/machines": {
        "/images/research-workbench/versions/1.1/machines": "alice",
        "/images/{image}/versions/{version}/machines?edit={machine}#f": "dora",
    },
    "/images/{slug}/versions/{name}/machines/{machine}/end": {},  # as the next two
    "/images/{slug}/versions/{name}/promote": {
        "/images/{image}/versions/{version}/promote": "alice charlie",
        "/images/{older}/versions/{revoked}/promote": "alice",
    },
    "/images/{slug}/channels/{name}/unassign": {
        "/images/{image}/channels/stable/unassign": "alice"
    },
    "/images/{slug}/channels/{name}/hide": {"/images/{image}/channels/stable/hide": "alice"},
    "/json/{resource}/{key}": {},  # not pages: JSON
    "/json/image_versions/{key}/history": {},
    "/images/{slug}/channels": {"/images/{image}/channels": "nobody alice"},
    "/images/{slug}/channels/{name}": {
        "/images/{image}/channels/stable": "nobody alice",
        "/images/{image}/channels/latest": "alice",
    },
    "/check": {"/check": "nobody alice"},
    "/sign-in": {"/sign-in": "nobody"},
    # These lead to a provider of identities, and back from it.
    "/sign-in/oidc": {},
    "/sign-in/oidc/callback": {},
    "/account": {"/account": "alice dora nobody"},
    "/account/tokens": {"/account/tokens": "alice charlie"},
    "/account/tokens/{key}/revoke": {"/account/tokens/1/revoke": "alice"},
    "/groups": {"/groups": "alice"},
    "/groups/{key}": {"/groups/{lab}": "alice bob dora"},
    "/groups/{key}/remove": {"/groups/{lab}/remove": "dora"},
    "/images/{slug}/webhooks": {
        "/images/{twin}/webhooks": "alice",
        "/images/{image}/webhooks": "alice",
    },
    "/webhooks/{key}": {"/webhooks/1": "alice"},
    "/webhooks/{key}/deliveries/{delivery}": {"/webhooks/1/deliveries/1": "alice"},
    "/webhooks/{key}/remove": {"/webhooks/1/remove": "alice"},
    "/licenses": {"/licenses": "nobody alice", "/licenses?search=no-such": "alice"},
    "/licenses/new": {"/licenses/new": "alice"},
    "/licenses/{key}": {"/licenses/1": "nobody alice"},
    "/licenses/{key}/edit": {"/licenses/1/edit": "dora"},
    "/licenses/{key}/remove": {},  # as other confirmations
    "/scripts": {"/scripts": "alice"},
    "/scripts/new": {"/scripts/new": "alice"},
    "/scripts/{key}": {"/scripts/1": "alice"},
    "/scripts/{key}/edit": {"/scripts/1/edit": "dora"},
    "/scripts/{key}/remove": {},  # as other confirmations
    "/drift": {"/drift": "alice dora", "/drift?kind=unchecked": "alice"},
    "/staff": {"/staff": "dora charlie"},
    "/staff/users": {"/staff/users": "dora", "/staff/users?prefix=no-such": "dora"},
    "/staff/users/new": {"/staff/users/new": "dora"},
    "/staff/users/{key}": {"/staff/users/1": "dora"},
    "/staff/users/{key}/disable": {"/staff/users/2/disable": "dora"},
    "/staff/users/{key}/staff": {"/staff/users/2/staff": "dora"},
    "/staff/identities/{key}/remove": {"/staff/identities/1/remove": "dora"},
    "/staff/groups": {"/staff/groups": "dora"},
    "/staff/providers": {"/staff/providers": "dora"},
    "/staff/providers/new": {"/staff/providers/new": "dora"},
    "/staff/providers/{key}": {"/staff/providers/1": "dora"},
    "/staff/providers/{key}/end": {"/staff/providers/1/end": "dora"},
    "/staff/identities": {"/staff/identities": "dora"},
    "/staff/identities/{key}": {"/staff/identities/1": "dora"},
    "/staff/tags": {"/staff/tags": "dora"},
    "/staff/tags/{key}": {"/staff/tags/1": "dora"},
    "/staff/users/{key}/sessions/end": {"/staff/users/1/sessions/end": "dora"},
    "/staff/users/{key}/sessions/{uuid}/end": {},  # as the one before
    "/staff/activity": {"/staff/activity": "dora", "/staff/activity?image=no-such": "dora"},
    "/staff/activity.csv": {},  # no page: a file
    "/complete": {},  # no page: options of a list
    "/staff/webhooks": {"/staff/webhooks": "dora"},
    "/help": {
        "/help": "nobody alice",
        "/help?q=token": "nobody",
        "/help?q=no+such+thing": "nobody",
    },
    "/help/{name}": {"/help/lifecycle": "nobody", "/help/commands": "alice"},
    "/docs": {},  # as tests/browser/test_reference.py looks at it
    "/docs/errors": {"/docs/errors": "nobody"},
    "/syncs": {"/syncs": "dora alice", "/syncs?state=failed": "dora"},
    "/syncs/{key}": {"/syncs/1": "dora alice"},
}


@dataclass(frozen=True)
class Site:
    """A server on the demonstration, and what is where in it."""

    url: str
    names: dict[str, str]
    sessions: dict[str, Any] = field(default_factory=dict)
    """Cookies of who has signed in."""

    def at(self, address: str) -> str:
        """An address with the names in it filled in."""
        return address.format(**self.names)


def furnish(db: Database) -> None:
    """Fill an empty catalogue with the demonstration, and what it leaves out and pages show."""
    load(db)
    with db.write() as tx:
        alice = actors.of_user(tx, users.find_user(tx, "alice") or 0, "write")
        # Of an image that no test changes: nothing is ever sent.
        target = "https://hooks.example/goldenrod"
        hook = wire.NewWebhook(target=target, image=lifecycle.TWIN)
        hook_id, _ = webhooks.create_webhook(tx, alice, hook, None)
        _attempt(tx, webhooks.send_test(tx, alice, str(hook_id)))
        now = tx.now
    cloud = FakeCloud(lambda: now, failing={"south"})
    for region in ("north", "south"):
        cloud.put(region, f"lab-{region}", "lab-image", "1")
    synced(db, cloud)
    _drift(db)


def _attempt(tx: Tx, delivery: int) -> None:
    """Record what an attempt of a delivery would have been answered. It waits for the next one."""
    due = outbox.delivery(tx, delivery)
    tx.update(schema.deliveries, {"id": delivery}, next_at=later(tx.now, days=1))
    answer = Answer(503, {"content-type": "text/html", "server": "nginx"}, "<h1>Busy</h1>", False)
    outcome = Outcome(503, "The receiver answered 503.", answer, 214)
    attempts.record(tx, due, outcome, payloads.build(tx, due) or b"")


def _drift(db: Database) -> None:
    """Let machines of a private image differ from what a cloud said about them."""
    image = "SELECT id FROM images WHERE slug = 'research-workbench'"
    found = f"SELECT identifier, provider_id FROM machines WHERE image_id = ({image}) ORDER BY id"
    with db.read() as tx:
        machines = tx.sql(found).fetchall()
    cloud = Cloud(db, machines[0][1])
    since = "2026-10-01T06:00:00.000000Z"
    facts: tuple[dict[str, Any], ...] = (
        {"visibility": "public", "size_gb": 999},
        {"missed": 3, "missing_since": since, "gone": True},
        {"architecture": "riscv64", "status": "deactivated", "scope": "north"},
    )
    for (identifier, _), differing in zip(machines, facts, strict=False):
        cloud.lists(identifier, **differing)
    cloud.lists("2f1c8a52-6d2b-4ab0-9c52-b5d5b7f5f0aa")
    cloud.scope("north", failing_since=since, failed_reason="the credentials are refused")


def look_around(url: str) -> Site:
    """What the names in addresses stand for at this server."""
    names = {"image": lifecycle.IMAGE, "twin": lifecycle.TWIN, "older": lifecycle.OLDER}
    names["lab"] = "5"  # after the personal groups of the cast
    newest, before, *_ = _versions(url, lifecycle.IMAGE)
    names |= {"version": newest["name"], "version_id": newest["id"], "before": before["name"]}
    names |= {"before_id": before["id"]}
    names["identifier"] = _at_home(newest)
    names["machine"] = str(newest["machines"][0]["id"])
    for state, image in (("revoked", lifecycle.OLDER), ("deprecated", lifecycle.TWIN)):
        found = next(one for one in _versions(url, image) if one["state"] == state)
        names |= {state: found["name"], f"{state}_id": found["id"]}
        names[f"{state}_identifier"] = _at_home(found)
    return Site(url, names)


def _versions(url: str, image: str) -> list[dict[str, Any]]:
    asked = {"image_id": image, "ordering": "-start_date", "page_size": "20"}
    answer = httpx.get(f"{url}/image_versions", params=asked, timeout=60)
    return list(answer.raise_for_status().json()["results"])


def _at_home(version: dict[str, Any]) -> str:
    """The id of a version's machine at the provider that the demonstration speaks of, else any."""
    there = {one["provider"]["slug"]: str(one["identifier"]) for one in version["machines"]}
    return there.get(lifecycle.PROVIDER) or next(iter(there.values()))


def rows(visits: Visits) -> Iterator[tuple[str, str]]:
    """Each address with each of those who look at it."""
    for addresses in visits.values():
        for address, visitors in addresses.items():
            for who in visitors.split():
                yield address, who
