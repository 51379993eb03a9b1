"""Fills the demonstration: real machine images, and a few users with different rights.

alice   owns the images and leads the group lab
bob     is a member of lab and has an account on the private cloud campus
charlie is in no group but his own
dora    is staff

Their password is `golden-images`. That is safe because the demonstration listens on this machine only.
"""

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldenrod.base import wire
from goldenrod.base.clock import later
from goldenrod.catalogue.accounts import actors, groups, identities, tokens, users
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions import licenses_scripts, providers, publish
from goldenrod.demo import ami_lines, lifecycle
from goldenrod.rules.access import CONSOLE, Actor
from goldenrod.sources import aws_ecs_file
from goldenrod.sources.sync.import_releases import Report, import_found
from goldenrod.store.db import Database, Tx

PASSWORD = "golden-images"  # noqa: S105 # nosec B105 # of a public demonstration
CAST = ("alice", "bob", "charlie", "dora")
_SCRIPT = """#!/bin/sh
# Mounts the lab's shared data when an instance starts.
mkdir -p /data && mount -t nfs storage.lab.example:/shared /data
"""


@dataclass(frozen=True)
class DemoReport:
    """What was loaded, and the tokens to try it with."""

    imported: Report
    alice: str
    dora: str
    workbench: str
    """The id of a version that alice shares with lab; nobody else sees it."""
    offered: lifecycle.Created

    def lines(self, address: str, receiver: str) -> list[str]:
        """The commands to try, for a server at this address, and a receiver of webhooks at another."""
        newest = f"{address}/image_versions?image_id={lifecycle.IMAGE}"
        return [
            f"# in a browser: {address}/; sign in at {address}/sign-in as alice, bob, charlie or",
            f"# dora (staff), each with the password {PASSWORD}; alice owns the images",
            "# everybody sees: the newest release of an image, and its machines",
            f"curl -s '{newest}&ordering=-start_date&page_size=1'",
            "# search in names, change logs and tags",
            f"curl -s '{address}/image_versions?search=gpu+2026&page_size=1'",
            "# alice sees her private versions too",
            f"export GOLDENROD_URL={address} GOLDENROD_TOKEN={self.alice}",
            f"curl -s -H 'Authorization: Token {self.alice}' {address}/image_versions/{self.workbench}",
            "# she edits one and reads its history",
            f"curl -s -X PATCH -H 'Authorization: Token {self.alice}' "
            "-H 'Content-Type: application/json' "
            f"-d '{{\"min_mem\": 8192}}' {address}/image_versions/{self.workbench}",
            f"curl -s -H 'Authorization: Token {self.alice}' "
            f"{address}/image_versions/{self.workbench}/history",
            "# dora, who is staff, lists the users",
            f"curl -s -H 'Authorization: Token {self.dora}' {address}/api/v2/users",
            *self._webhooks(address, receiver),
            *self._lifecycle(address),
        ]

    def _webhooks(self, address: str, receiver: str) -> list[str]:
        api, mine = f"{address}/api/v2/webhooks", f"-H 'Authorization: Token {self.alice}'"
        body = json.dumps({"image": lifecycle.IMAGE, "target": receiver})
        return [
            f"# webhooks can be tried with a receiver on this machine, {receiver}",
            f"# ({receiver}fail always fails): she creates one, and sends a test event",
            f"curl -s -X POST {mine} -H 'Content-Type: application/json' -d '{body}' {api}",
            f"curl -s -X POST {mine} {api}/1/test",
            "# after a moment, what was delivered, and what the receiver got",
            "sleep 3",
            f"curl -s {api}/1/deliveries {mine}",
            f"curl -s {receiver}",
        ]

    def _lifecycle(self, address: str) -> list[str]:
        """Further commands, to be run in this order: stable falls back, and returns."""
        image, where = lifecycle.IMAGE, lifecycle.PROVIDER
        stable, candidate = (f"{image}/{name}" for name in self.offered[:2])
        here = shlex.quote(str(Path(sys.executable).parent))
        path = [] if shutil.which("goldenrod") else [f'export PATH={here}:"$PATH"']
        return [
            "# automation asks: which machine does the channel stable offer here?",
            f"curl -s {address}/resolve/{image}/stable/{where} -H 'Accept: text/plain'",
            *path,
            f"goldenrod resolve {image} stable {where}",
            "# alice deprecates it: stable still offers it, with a warning on stderr",
            f"goldenrod deprecate {stable} --reason 'Its kernel is old.' --replacement {candidate}",
            f"goldenrod resolve {image} stable {where}",
            "# it turns out to be bad: what would revoking it and everything built on it change?",
            f"goldenrod revoke {stable} --reason 'It leaks keys.' --descendants --dry-run",
            f"goldenrod revoke {stable} --reason 'It leaks keys.' --descendants",
            "# stable has fallen back to the version before",
            f"goldenrod resolve {image} stable {where}",
            f"goldenrod lineage {stable} --direction descendants",
            "# it was a false alarm: after restoring it, stable offers it again",
            f"goldenrod restore {stable}",
            f"goldenrod resolve {image} stable {where}",
            f"goldenrod channel history {image} stable",
            "# which running machines are out of date, and what should replace them?",
            f"goldenrod whatis {' '.join(self.offered.running)}",
        ]


def load(db: Database, progress: Callable[[int, int], None] | None = None) -> DemoReport:
    """Fill an empty catalogue with the demonstration."""
    with db.write() as tx:
        secrets = _users(tx)
    imported = import_found(db, aws_ecs_file.parse(ami_lines()), owner="alice", progress=progress)
    with db.write() as tx:
        workbench = _workbench(tx)
    with db.write() as tx:
        offered = lifecycle.load(tx, _actor(tx, "alice"))
    return DemoReport(imported, secrets["alice"], secrets["dora"], workbench, offered)


def _users(tx: Tx) -> dict[str, str]:
    secrets = {}
    for name in CAST:
        body = wire.NewUser(username=name, password=PASSWORD, is_staff=name == "dora")
        user_id = int(users.create_user(tx, CONSOLE, body).key)
        scope: Any = "admin" if name == "dora" else "write"
        token = wire.NewToken(name="demo", scope=scope)
        _, secrets[name] = tokens.insert_token(tx, CONSOLE, user_id, token)
    groups.create_group(tx, CONSOLE, wire.NewGroup(name="lab", users=["bob"], leaders=["alice"]))
    providers.create_provider(
        tx,
        CONSOLE,
        wire.NewProvider(
            name="campus",
            description="The department's own OpenStack; access by account.",
            type="openstack",
            virtualization="kvm",
        ),
    )
    for name in ("alice", "bob"):
        identity = wire.NewIdentity(user=name, provider="campus", key=f"{name}@campus")
        identities.create_identity(tx, CONSOLE, identity)
    return secrets


def _workbench(tx: Tx) -> str:
    """An image of alice's with private, shared, scheduled and ended versions."""
    alice = _actor(tx, "alice")
    license = wire.NewLicense(title="Apache License 2.0", type="SPDX", text="Apache-2.0")
    apache = licenses_scripts.create_license(tx, alice, license).key
    script = wire.NewScript(title="Mount shared data", type="Raw Text", text=_SCRIPT)
    mount = licenses_scripts.create_script(tx, alice, script).key
    workbench = images.create_image(
        tx,
        alice,
        wire.NewImage(
            name="Research workbench",
            description="The lab's own build: Python, R and the shared data, on Amazon Linux.",
            tags=["lab", "python", "r"],
        ),
    ).key
    base = images.IMAGES.read(tx, alice, lifecycle.IMAGE)
    parent = base["versions"][0]["id"]
    shared = ""
    releases: tuple[tuple[str, str, int, list[str]], ...] = (
        ("1.0", "First build.", -60, []),
        ("1.1", "R 4.5; shared with the lab.", -30, ["lab"]),
        ("1.2", "Python 3.14. Released tomorrow.", 1, ["lab"]),
    )
    for name, log, days, shared_with in releases:
        body = wire.NewVersion(
            name=name,
            image=int(workbench),
            parent=parent,
            change_log=log,
            membership=list(shared_with),
            licenses=[int(apache)],
            scripts=[int(mount)],
            start_date=later(tx.now, days=days),
            end_date=later(tx.now, days=-20) if name == "1.0" else None,
            min_cpu=2,
            min_mem=4096,
            machines=[
                wire.NestedMachine(
                    provider="campus",
                    identifier=f"7c9e6679-7425-40de-944b-e07fc1f9{name.replace('.', '')}ae",
                    architecture="x86_64",
                    size_gb=20,
                )
            ],
        )
        parent = publish.create_version(tx, alice, body).key
        shared = parent if name == "1.1" else shared
    return shared


def _actor(tx: Tx, name: str) -> Actor:
    user_id = users.find_user(tx, name)
    assert user_id is not None
    return actors.of_user(tx, user_id, "write")
