"""`python -m bench.pages`: measures the processor time and the statements of each page.

Each page is requested by a visitor who may read it, in the demonstration and in a catalogue of 200,000
versions (SQLite), in this process and without the network. The figures are processor time, including
the database's: the least of all times, because other work on a machine slows its processors down. The
table goes to stdout. No page may take more than 30 ms. CSV files are measured too, but they are exports
of whole lists, which have no bound.

    python -m bench.pages [--versions 200000] [--times 5] [--only WORD]
"""

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falcon import testing

from bench import catalogues
from bench.cast import WRITER
from bench.plan import Plan
from goldenrod.base import config, wire
from goldenrod.base.clock import Instant
from goldenrod.catalogue.accounts import actors, sessions, tokens, users
from goldenrod.catalogue.images import follows, images
from goldenrod.catalogue.versions import licenses_scripts
from goldenrod.catalogue.webhooks import webhooks
from goldenrod.rules.access import CONSOLE, Actor
from goldenrod.store import schema
from goldenrod.store.db import Database, Tx
from goldenrod.store.migrate import migrate
from goldenrod.web.app import build_app
from goldenrod.web.pages.kit import cookies, urls
from goldenrod.web.pages.routes import PAGES
from tests.browser.visits import furnish

MOST_MS = 30
ROUNDS = 3
"""How often all pages are measured, one after the other: a machine that is busy for some seconds slows
a page down in one round, but not in all."""
LAST_VISIT = Instant("2023-01-01T00:00:00.000000Z")
NOBODY = "nobody"
OWNER = "owner"
FOLLOWER = "follower"
"""A user who follows as many images as one may, and whose last visit was long ago."""
STAFF = "staff"
BY_STAFF = ("/staff", "/groups/{key}", "/drift", "/syncs")
BY_OWNER = ("/account", "/groups", "/webhooks", "/images/new", "/licenses/", "/scripts/")
OF_OWNER = (
    *("edit", "end", "restore", "deprecate", "revoke", "share", "machines", "new", "webhooks"),
    *("bulk", "promote", "unassign", "hide"),
)
NOT_MEASURED = ("/sign-in/", "/tags/", "/providers/", "/json/", "/theme")
"""Redirects, and answers that are not pages."""
EXPORT = ".csv"
"""How the addresses of exports end. They have no bound."""
QUERIES = {
    "/search": ("?q=kernel", "?q={identifier}", "?provider={provider}"),
    "/search/suggest": ("?q=a",),
    "/search/versions": ("?q=2",),
    "/complete": ("?kind=user&q=a",),
}


@dataclass(frozen=True)
class Place:
    """A catalogue with its application, the cookies of its visitors, and the values of placeholders."""

    db: Database
    app: Any
    cookies: dict[str, str]
    names: dict[str, str]


@dataclass(frozen=True)
class Figure:
    """The figures of a page: its size in bytes, statements, milliseconds."""

    status: int
    size: int
    statements: int
    ms: float


def demonstration(directory: Path) -> Place:
    """A new demonstration."""
    db = Database(f"sqlite:///{directory / 'demo.db'}")
    migrate(db)
    furnish(db)
    return _place(db, "al2023-ami-ecs-hvm-kernel-6-1-x86-64", "dora")


def large(directory: Path, versions: int) -> Place:
    """A copy of a catalogue of `versions` versions. Its largest image has 10,000."""
    filled = catalogues.sqlite(Plan(versions))
    copy = directory / "large.db"
    shutil.copyfile(filled.url.removeprefix("sqlite:///"), copy)
    db = Database(f"sqlite:///{copy}")
    with db.read() as tx:
        staff = actors.of_user(tx, _user(tx, WRITER), "admin")
        slug = images.IMAGES.read(tx, staff, "1")["slug"]
    return _place(db, slug, WRITER)


def _user(tx: Tx, name: str) -> int:
    found = users.find_user(tx, name)
    assert found is not None, name
    return found


def _place(db: Database, slug: str, staff: str) -> Place:
    """Sign the visitors in, and find the values of the placeholders."""
    settings = config.load({"GOLDENROD_CACHE_MB": "0", "GOLDENROD_RATE_LIMIT": "0"})
    with db.write() as tx:
        actor = actors.of_user(tx, _user(tx, staff), "admin")
        image = images.IMAGES.read(tx, actor, slug)
        owner = image["owner"]["username"]
        secrets = {
            who: sessions.create_session(tx, _user(tx, name), settings.session_days)
            for who, name in ((OWNER, owner), (STAFF, staff), (FOLLOWER, _follower(tx)))
        }
        hook = wire.NewWebhook(target="https://hooks.example/", image=image["id"])
        webhook, _ = webhooks.create_webhook(tx, _owner(tx, owner), hook, None)
        token = wire.NewToken(name="bench", scope="read")
        token_id, _ = tokens.insert_token(tx, actor, _user(tx, owner), token)
        text = wire.NewLicense(title="Bench", type="SPDX", text="MIT")
        license_id = licenses_scripts.create_license(tx, _owner(tx, owner), text).key
        text_of_script = wire.NewScript(title="Bench", type="Raw Text", text="#!/bin/sh\ntrue\n")
        script_id = licenses_scripts.create_script(tx, _owner(tx, owner), text_of_script).key
    app = build_app(db, settings)
    client = testing.TestClient(app)
    asked = f"image_id={image['id']}&state=current&ordering=-start_date&page_size=2"
    newest, before = client.simulate_get(f"/image_versions?{asked}").json["results"]
    machine = next(iter(newest["machines"]))
    channels = client.simulate_get(f"/api/v2/images/{image['id']}/channels").json["results"]
    assigned = next(it["name"] for it in channels if it["assigned"])
    return Place(
        db,
        app,
        {who: f"{cookies.SESSION}={secret}" for who, secret in secrets.items()},
        {
            "slug": slug,
            "version": urls.version_key(newest),
            "two": f"{urls.version_key(before)}...{urls.version_key(newest)}",
            "identifier": machine["identifier"],
            "provider": machine["provider"]["slug"],
            "webhook": str(webhook),
            "token": str(token_id),
            "license": str(license_id),
            "script": str(script_id),
            "machine": str(machine["id"]),
            "channel": assigned,
        },
    )


def _follower(tx: Tx) -> str:
    """The name of a user who follows images and last opened home before many versions were released."""
    if users.find_user(tx, FOLLOWER) is None:
        users.create_user(tx, CONSOLE, wire.NewUser(username=FOLLOWER))
    user = _user(tx, FOLLOWER)
    seen = images.IMAGES.read_list(tx, _owner(tx, FOLLOWER), page_size=follows.MOST_FOLLOWED)
    tx.delete(schema.follows, user_id=user)
    tx.delete(schema.visits, user_id=user)
    for image in seen:
        tx.insert(schema.follows, user_id=user, image_id=image["id"], since=LAST_VISIT)
    tx.insert(schema.visits, user_id=user, began=LAST_VISIT, since=LAST_VISIT)
    return FOLLOWER


def _owner(tx: Tx, name: str) -> Actor:
    return actors.of_user(tx, _user(tx, name), "write")


def asked_for() -> list[tuple[str, str]]:
    """Each page, as an address with placeholders, and its visitor."""
    found = []
    for route in PAGES:
        if route.method != "GET" or route.path.startswith(NOT_MEASURED):
            continue
        path = route.path
        if path.startswith(BY_STAFF) or "{machine}" in path:
            who = STAFF
        elif path.startswith(BY_OWNER) or path.rpartition("/")[2] in OF_OWNER:
            who = OWNER
        else:
            who = NOBODY
        path = path.replace("/channels/{name}", "/channels/{channel}")
        path = path.replace("/help/{name}", "/help/lifecycle").replace("{name}", "{version}")
        path = path.replace("/licenses/{key}", "/licenses/{license}")
        path = path.replace("/scripts/{key}", "/scripts/{script}")
        if "{delivery}" in path or "{uuid}" in path:
            continue  # a catalogue that was filled has no deliveries, and one session of each visitor
        path = path.replace("/webhooks/{key}", "/webhooks/{webhook}")
        path = path.replace("/tokens/{key}", "/tokens/{token}").replace("{key}", "1")
        for query in QUERIES.get(path, ("",)):
            found.append((path + query, who))
        if path == "/":
            found.append((path, FOLLOWER))
        if path in ("/", "/images/{slug}", "/images/{slug}/versions/{version}"):
            found.append((path, OWNER))
    return found


def measure(place: Place, address: str, who: str, times: int) -> Figure:
    """Request an address `times` times."""
    path, _, query = address.format(**place.names).partition("?")
    headers = {"Accept": "text/html"}
    if who != NOBODY:
        headers["Cookie"] = place.cookies[who]
    took, told = [], {"status": 0, "size": 0}

    def start(status: str, _: Any, __: Any = None) -> None:
        told["status"] = int(status.split()[0])

    statements = 0
    for number in range(times + 2):
        environ = testing.create_environ(path, query, headers=headers)
        place.db.trace = [] if number == 1 else None
        begin = time.thread_time()
        told["size"] = sum(map(len, place.app(environ, start)))
        took.append((time.thread_time() - begin) * 1000)
        if number == 1:
            statements, place.db.trace = len(place.db.trace or ()), None
    return Figure(told["status"], told["size"], statements, min(took[2:]))


def cell(figure: Figure) -> str:
    """The part of a row for one catalogue."""
    size = f"{figure.size / 1000:.1f} kB"
    ms = f"{figure.ms:.1f}"
    told = f"{ms if figure.ms <= MOST_MS else f'**{ms}**'} | {figure.statements} | {size}"
    return told if figure.status == 200 else f"{told} ({figure.status})"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--versions", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=5, help=f"in each of {ROUNDS} rounds")
    parser.add_argument("--only", default="", help="addresses that hold this")
    options = parser.parse_args()
    slow = []
    with tempfile.TemporaryDirectory(prefix="goldenrod-pages-") as directory:
        places = [demonstration(Path(directory)), large(Path(directory), options.versions)]
        columns = "ms | statements | size"
        print(f"| page, asked by | demonstration: {columns} | {options.versions:,}: {columns} |")
        print("|---|--:|--:|--:|--:|--:|--:|")
        asked = [one for one in asked_for() if options.only in one[0]]
        least: dict[tuple[str, str], list[Figure]] = {}
        for _ in range(ROUNDS):
            for one in asked:
                figures = [measure(place, *one, options.times) for place in places]
                both = zip(least.get(one, figures), figures, strict=True)
                least[one] = [min(pair, key=lambda figure: figure.ms) for pair in both]
        for (address, who), figures in least.items():
            print(f"| `{address}`, {who} | {' | '.join(map(cell, figures))} |", flush=True)
            if not address.endswith(EXPORT):
                slow += [address for figure in figures if figure.ms > MOST_MS]
    if slow:
        sys.exit(f"over {MOST_MS} ms: {', '.join(dict.fromkeys(slow))}")


if __name__ == "__main__":
    main()
