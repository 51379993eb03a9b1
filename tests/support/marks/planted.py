"""Worlds of the visibility model with a mark in each text of each thing, so that whatever shows in an
answer says whose it is.

A mark is `zq`, two letters for the kind of thing, its id in the model in three digits, and one letter
for the field: `zqve007n` is the name of version 7. Public ids are recognised too: they are those of
`support/visibility/loading.py`, which have their table and number in them.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Table

from goldenrod.catalogue import search
from goldenrod.catalogue.accounts import tokens
from goldenrod.rules.access import CONSOLE, Actor
from goldenrod.rules.changes import audit
from goldenrod.store import bulk, schema
from goldenrod.store.db import Database, Row, Tx
from goldenrod.web.pages.kit import cookies
from tests.support.visibility.loading import fill
from tests.support.visibility.model import FAR_OFF, LONG_AGO, NOW, Reader, World

MARK = re.compile(r"zq[a-z]{2}\d{3}[a-z]")
UUID = re.compile(r"\b([0-9a-f]{8})-0000-7000-8000-([0-9a-f]{12})\b")

KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "users": ("us", {"username": "n", "name_key": "n"}),
    "groups": ("gr", {"name": "n", "name_key": "n"}),
    "providers": (
        "pr",
        {"slug": "s", "name": "n", "name_key": "n", "description": "d", "virtualization": "v"},
    ),
    "identities": ("id", {"key": "k"}),
    "tokens": ("tk", {"name": "n"}),
    "licenses": ("li", {"title": "n", "title_key": "n", "text": "t"}),
    "boot_scripts": ("sc", {"title": "n", "title_key": "n", "text": "t"}),
    "tags": ("tg", {"name": "n", "name_key": "n", "description": "d"}),
    "images": ("im", {"slug": "s", "name": "n", "name_key": "n", "description": "d"}),
    "image_slugs": ("im", {"slug": "s"}),
    "versions": (
        "ve",
        {"name": "n", "name_key": "n", "change_log": "l", "deprecation_reason": "r"},
    ),
    "machines": ("ma", {"identifier": "i", "identifier_key": "i", "checksum": "c"}),
    "revocations": ("rv", {"reason": "r"}),
    "channels": ("ch", {"name": "n"}),
    "assignments": ("as", {"reason": "r"}),
    "webhooks": ("wh", {}),
}
"""The two letters of each table, and the letter of each of its columns that gets a mark.

Further kinds: `lb` a version's labels, `cm` what a cloud said about a machine (`un` about one that the
catalogue does not have), `sp` the scope that was read, `so` a source, `se` what a sync reports about an
image, `au` what an audit entry of a version has in it, `ns` the source that it names, with the number
of the version's image."""

OWN_TOKENS = 500
"""The tokens of readers have the id of the user, and this more."""


def mark(kind: str, number: int, field: str = "n") -> str:
    return f"zq{kind}{number:03d}{field}"


class Client(NamedTuple):
    """A reader of a world, and the headers with which they ask the API and the pages."""

    reader: Reader
    token: dict[str, str]
    session: dict[str, str]


def plant(db: Database, world: World) -> None:
    """Store a world with marks, and whatever else the catalogue has beside the things of the model."""
    with db.write() as tx:
        fill(tx, world, lambda table, row: _marked(world, table, row))
        _people(tx, world)
        _more(tx, world)
        for image in world.images:
            search.index_image(tx, image)
        for number in world.versions:
            name, log = mark("ve", number), mark("ve", number, "l")
            search.index_version(tx, number, name, log)
        for table in schema.metadata.sorted_tables:
            if table.autoincrement_column is not None:
                bulk.set_next_id(tx, table, 1_000)


def _marked(world: World, table: Table, row: Row) -> Row:
    if table.name not in KINDS:
        return row
    kind, columns = KINDS[table.name]
    number = row.get("n", row.get("id"))
    if table.name == "image_slugs":
        number = row["image_id"]
    if table.name == "assignments":
        number = row["channel_id"]
    if table.name == "groups" and row["personal_of"] is not None:
        kind, number = "us", row["personal_of"]
    marked = {
        column: mark(kind, int(number), field)
        for column, field in columns.items()
        if row[column] is not None or table.name == "assignments"
    }
    if table.name == "webhooks":
        marked["target"] = f"https://hooks.example/{mark('wh', row['id'], 't')}"
    if "words" in row:
        marked["words"] = search.words_of(*(str(text) for text in marked.values()))
    return {**row, **marked}


def _people(tx: Tx, world: World) -> None:
    """A token and a session for each user."""
    for user in world.users:
        for number, scope in ((OWN_TOKENS + user, "admin"), (OWN_TOKENS + 100 + user, "write")):
            row = {
                "id": number,
                "uuid": f"ffffffff-0000-7000-8000-{number:012x}",
                "user_id": user,
                "name": f"own {scope}",
                "scope": scope,
                "sha256": tokens.digest(_secret(user, scope)),
                "created": LONG_AGO,
                "last_used": f"{NOW[:13]}:00:00.000000Z",
            }
            bulk.load(tx, schema.tokens, [{**row, "expires": None, "revoked_at": None}])
        session = {
            "id": user,
            "uuid": f"ffffffff-0000-7000-8000-{700 + user:012x}",
            "user_id": user,
            "sha256": tokens.digest(_secret(user, "session")),
            "created": LONG_AGO,
            "last_seen": f"{NOW[:13]}:00:00.000000Z",
            "expires": FAR_OFF,
            "browser": mark("se", 800 + user),
            "address": None,
        }
        bulk.load(tx, schema.sessions, [session])


def _secret(user: int, scope: str) -> str:
    return f"gr_{scope:->23}{user:020d}"


def clients(world: World, readers: Iterable[Reader]) -> list[Client]:
    """The readers with their tokens and sessions. Staff who come without staff's rights have a token of
    the scope write, for pages too."""
    found = []
    for reader in readers:
        token, session = {}, {}
        if reader.user is not None:
            lesser = world.users[reader.user].is_staff and not reader.staff
            secret = _secret(reader.user, "write" if lesser else "admin")
            token = {"Authorization": f"Token {secret}"}
            session = {"Cookie": f"{cookies.SESSION}={_secret(reader.user, 'session')}"}
            session = token if lesser else session
        found.append(Client(reader, token, session))
    return found


def _more(tx: Tx, world: World) -> None:
    """Labels, audit entries, and what syncs have read and reported."""

    def put(table: Table, *rows: dict[str, Any]) -> None:
        if rows:
            bulk.load(tx, table, list(rows))

    put(
        schema.version_labels,
        *(
            {"version_n": n, "key": mark("lb", n, "k"), "value": mark("lb", n, "v")}
            for n in world.versions
        ),
    )
    source = {"id": 1, "uuid": "ffffffff-0000-7000-8000-000000000901", "name": mark("so", 1)}
    none = {"locked_by": None, "locked_until": None}
    put(schema.sync_sources, {**source, "type": "aws", "start_date": LONG_AGO, **none})
    scope = {"id": 1, "uuid": "ffffffff-0000-7000-8000-000000000902", "source_id": 1}
    scope |= {"scope": mark("sp", 1), "declaration": "x", "looked_at": LONG_AGO}
    put(schema.sync_scopes, {**scope, "failing_since": NOW, "failed_reason": mark("sp", 1, "r")})
    known = [_cloud(it.id, it.provider, mark("ma", it.id, "i")) for it in world.machines.values()]
    provider = min(world.providers)
    put(schema.cloud_machines, *known, _cloud(900, provider, mark("un", 900, "i"), known=False))
    run = {"id": 1, "uuid": "ffffffff-0000-7000-8000-000000000903", "source_id": 1}
    run |= {"start_date": LONG_AGO, "end_date": NOW, "state": "done", "counts": '{"created": 1}'}
    put(schema.sync_runs, run)
    entry = {"run_id": 1, "kind": "note", "version_n": None, "machine_id": None}
    put(
        schema.sync_entries,
        *(
            {
                **entry,
                "id": image,
                "image_id": image,
                "subject": mark("se", image, "s"),
                "reason": mark("se", image, "r"),
            }
            for image in world.images
        ),
    )
    for number, version in world.versions.items():
        changed = {"change_log": {"before": mark("au", number, "b"), "after": ""}}
        by = Actor("user", user_id=version.user) if number % 2 else CONSOLE
        by = replace(by, source=mark("ns", version.image))
        audit.record(tx, by, "version:edit", schema.versions, number, changed)


def _cloud(number: int, provider: int, identifier: str, known: bool = True) -> dict[str, Any]:
    return {
        "id": number,
        "scope_id": 1,
        "provider_id": provider,
        "identifier": identifier,
        "cloud_provider": None,
        "machine_id": number if known else None,
        "source_name": mark("cm" if known else "un", number),
        "architecture": "arm64",
        "size_gb": 7,
        "checksum": mark("cm" if known else "un", number, "c"),
        "visibility": "public",
        "status": "active",
        "cloud_owner": mark("cm" if known else "un", number, "o"),
        "deprecated_at": None,
        "replacement": None,
        "created_at": None,
        "seen_at": NOW,
        "missed": 0,
        "missing_since": None,
        "gone": False,
        "notified": "",
    }
