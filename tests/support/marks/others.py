"""Addresses with ids of other users' things, beside the same with ids that nothing has.

They come from the tables of routes: each part of a path in braces is filled with a thing of the
reader's own or one that they may read, except one part, which gets a hidden thing. A route with a part
that `kind_of` does not know fails the test.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API
from goldenrod.web.pages.routes import PAGES
from tests.support.access_catalogue import Stage
from tests.support.access_requests.who_sees import MATRIX
from tests.support.visibility.model import FAR_OFF, LONG_AGO

OWN: dict[str, dict[str, str]] = {
    "bob": {
        "images": "kept",
        "image_versions": "kept-1.0",
        "provider_machines": "kept-east",
        "providers": "east",
        "groups": "lab",
        "users": "bob",
        "identities": "bob@west",
        "tokens": "bob's test",
        "boot_scripts": "joined",
        "licenses": "Apache 2.0",
        "tags": "kept-tag",
        "webhooks": "bob's",
        "channels": "latest",
        "image_version_licenses": "kept-1.0: Apache 2.0",
        "image_version_memberships": "shared-1.0: lab",
        "image_version_boot_scripts": "open-1.0: welcome",
    },
    "charlie": {
        "images": "open",
        "image_versions": "open-1.0",
        "provider_machines": "open-east",
        "providers": "east",
        "groups": "charlie",
        "users": "charlie",
        "tokens": "charlie's test",
        "boot_scripts": "welcome",
        "licenses": "Apache 2.0",
        "tags": "open-tag",
        "channels": "stable",
        "image_version_licenses": "open-1.0: Apache 2.0",
        "image_version_boot_scripts": "open-1.0: welcome",
    },
}
"""What two users may read: bob is an editor of kept, charlie of nothing."""

HIDDEN_CHANNELS = {"bob": (("closed", "closed-line"),), "charlie": (("open", "inner"),)}
ALICES_SESSION = "0c0ffee0-0000-7000-8000-0000000a11ce"
RUN_OF_CLOSED = 77
NO_NUMBER, NO_UUID, NO_NAME = "987654321", "0d0ddba1-0000-7000-8000-00000000f00d", "zz-absent"
"""What nothing has, in each form of an id."""


class Pair(NamedTuple):
    """One request about a hidden thing, and the same about one that does not exist."""

    method: str
    route: str
    page: bool
    hidden: str
    absent: str
    removed: tuple[str, str]
    """The two ids, which answers may repeat."""


def kind_of(path: str, part: str) -> str:
    """The resource that a part of a path in braces names."""
    first = path.removeprefix("/staff").removeprefix("/account").split("/")[1]
    if part in ("slug", "image", "namespace") or (path.startswith("/terraform") and part == "name"):
        return "providers" if first == "providers" else "images"
    if part == "name":
        return {"tags": "tags", "help": "documents"}.get(
            first, "channels" if "/channels/" in path else "image_versions"
        )
    if part == "key":
        return {"scripts": "boot_scripts", "json": "image_versions", "syncs": "runs"}.get(
            first, first
        )
    return {
        "channel": "channels",
        "provider": "providers",
        "version": "image_versions",
        "machine": "provider_machines",
        "delivery": "deliveries",
        "uuid": "accounts" if "/accounts/" in path else "sessions",
        "two": "compared",
        "resource": "resources",
        "system": "systems",
        "number": "numbers",
    }[part]


def add_more(tx: Tx, stage: Stage) -> None:
    """A session of alice's, and a report about closed."""
    tx.insert(
        schema.sessions,
        uuid=ALICES_SESSION,
        user_id=stage.world.users["alice"],
        sha256="0" * 64,
        created=LONG_AGO,
        last_seen=LONG_AGO,
        expires=FAR_OFF,
        browser="alices-browser",
        address=None,
    )
    source = tx.insert(
        schema.sync_sources, uuid=NO_UUID, name="source", type="aws", start_date=LONG_AGO
    )
    run = {"id": RUN_OF_CLOSED, "uuid": NO_UUID, "source_id": source, "start_date": LONG_AGO}
    tx.insert(schema.sync_runs, **run, state="done", counts="{}")
    entry = {"run_id": RUN_OF_CLOSED, "kind": "note", "image_id": stage.world.images["closed"]}
    tx.insert(schema.sync_entries, **entry, subject="closed", reason="seen")


class Others:
    """The ids of a stage's things for one user: their own, and those that are hidden from them."""

    def __init__(self, stage: Stage, actor: str) -> None:
        self.stage, self.actor = stage, actor
        self.uuids = {
            resource: {str(it["id"]): str(it.get("uuid", it["id"])) for it in self._all(resource)}
            for resource in MATRIX
        }

    def _all(self, resource: str) -> list[dict[str, Any]]:
        return self.stage.api.all(f"/api/v2/{resource}", "dora")

    def forms(self, resource: str, name: str) -> list[tuple[str, str]]:
        """The ids that a thing has, each with one of the same form that nothing has."""
        key = self.stage.ids[resource][name]
        found = [(self.uuids[resource][key], NO_UUID)]
        if resource != "image_versions":
            found.append((key, NO_NUMBER))
        else:
            found.append((name, NO_NAME))
        if resource == "images":
            found.append((f"{name}-image", NO_NAME))
        if resource in ("providers", "tags"):
            found.append((name, NO_NAME))
        return found

    def hidden(self, kind: str) -> list[tuple[str, str]]:
        """Ids that this user must not be able to tell from others."""
        if kind in MATRIX:
            return [
                form
                for name, those in MATRIX[kind].items()
                if self.actor not in those.split()
                for form in self.forms(kind, name)
            ]
        closed, shared = (self.stage.world.versions[it] for it in ("closed", "shared"))
        version = shared if self.actor == "charlie" else closed
        own = self.own("image_versions", page=True)
        return {
            "channels": [(name, NO_NAME) for _, name in HIDDEN_CHANNELS[self.actor]],
            "deliveries": [
                (key, NO_NUMBER)
                for name, key in self.stage.ids["deliveries"].items()
                if name != f"{self.actor}'s"
            ],
            "sessions": [(ALICES_SESSION, NO_UUID)],
            "accounts": [],
            "runs": [(str(RUN_OF_CLOSED), NO_NUMBER)],
            "compared": [(f"{own}...{version}", f"{own}...{NO_UUID}")],
        }.get(kind, [])

    def own(self, kind: str, page: bool = False) -> str:
        """One that they may read, as it stands in the address of a page or of the API."""
        other = {
            "deliveries": "1",
            "sessions": NO_UUID,
            "accounts": NO_UUID,
            "runs": "1",
            "compared": f"{OWN[self.actor]['image_versions']}...{NO_UUID}",
            "resources": "image_versions",
            "documents": "access",
            "systems": "channel",
            "numbers": "0.20260526.120000",
        }
        if kind in other:
            return other[kind]
        name = OWN[self.actor].get(kind)
        if name is None:  # charlie has none
            return NO_NUMBER
        if kind == "channels" or (kind == "image_versions" and page):
            return name
        if kind == "images":
            return f"{name}-image"
        return self.stage.ids[kind][name]

    def pairs(self) -> Iterator[Pair]:
        """For every route: each hidden thing in each part of its path."""
        for page, routes in ((False, ROUTES), (True, PAGES)):
            for route in routes:
                parts = re.findall(r"\{(\w+)\}", route.path)
                for part in parts:
                    for shown, absent in self.hidden(kind_of(route.path, part)):
                        yield self._pair(route, page, parts, part, (shown, absent))

    def _pair(
        self, route: Any, page: bool, parts: Sequence[str], part: str, ids: tuple[str, str]
    ) -> Pair:
        given = {one: self.own(kind_of(route.path, one), page) for one in parts}
        if part == "name" and kind_of(route.path, part) == "channels" and self.actor == "bob":
            given |= {one: "closed-image" for one in parts if one in ("slug", "key", "image")}
        paths = [
            route.path.format(**{k: quote(v, safe=".") for k, v in (given | {part: one}).items()})
            for one in ids
        ]
        start = "" if page else API
        return Pair(route.method, route.path, page, start + paths[0], start + paths[1], ids)
