"""`goldenrod check --deploy`: what would be wrong in production.

Each check yields findings, with ids from 101 on. `docs/operating.md` lists them with what to do.
"""

import os
import shlex
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from goldenrod.base import clock, config
from goldenrod.base.config import Settings
from goldenrod.base.errors import SettingError
from goldenrod.catalogue import figures
from goldenrod.catalogue.webhooks import worker
from goldenrod.store.connections import server_settings
from goldenrod.store.connections.drivers import sqlite_path
from goldenrod.store.db import Database, Tx
from goldenrod.web.monitoring import monitoring

FOR_OTHERS = 0o077
"""The mode bits of a file that give access to others than its owner."""
WRITABLE_BY_OTHERS = 0o022
LATE_S = 600
"""For how long a delivery may be due before nobody seems to deliver."""
BACKUP_HOURS = 24
THREADS_PER_CONNECTION = 4
"""Most reads are answered without a connection, so several threads share one."""
NETWORK_FILE_SYSTEMS = frozenset(
    (
        *("9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2"),
        *(
            "glusterfs",
            "lustre",
            "ncpfs",
            "nfs",
            "nfs4",
            "ocfs2",
            "smb3",
            "smbfs",
            "vboxsf",
            "virtiofs",
        ),
    )
)
MOUNTS = Path("/proc/self/mounts")
_ENCRYPTED = ("require", "verify-ca", "verify-full")


class Finding(NamedTuple):
    """One problem, and how to solve it."""

    id: str
    what: str
    hint: str

    @property
    def is_error(self) -> bool:
        return self.id.startswith("goldenrod.E")


def sqlite_file(settings: Settings) -> Path | None:
    """The file of a SQLite catalogue. Raises SettingError."""
    url = settings.database_url
    return Path(sqlite_path(url)) if url.startswith("sqlite:") else None


class Deployment(NamedTuple):
    """What `serve` is started with: the workers that use the database, the threads of each, and the
    address of the port for metrics."""

    workers: int
    threads: int
    metrics_host: str

    def of_settings(self, settings: Settings) -> Iterator[Finding]:
        """What can be seen without the database."""
        yield from _addresses(settings)
        yield from _proxies(settings)
        yield from _files(settings)
        yield from _encryption(settings)
        if settings.webhooks_private:
            yield Finding(
                "goldenrod.W109",
                "Webhooks may be sent to this machine and to private networks.",
                "Unset GOLDENROD_WEBHOOKS_PRIVATE, unless everybody who may create a webhook may "
                "reach these networks anyway.",
            )
        if not (settings.metrics_token or _is_local(self.metrics_host)):
            yield Finding(
                "goldenrod.W115",
                f"The port for metrics listens on {self.metrics_host}, and anybody may read it.",
                "Set GOLDENROD_METRICS_TOKEN, or use --metrics-host 127.0.0.1.",
            )
        if os.geteuid() == 0:
            yield Finding(
                "goldenrod.W110",
                "This command runs as root, as the server perhaps does too.",
                "Run the server as a user of its own; the unit for systemd does.",
            )
        if self.threads > THREADS_PER_CONNECTION * settings.database_pool:
            yield Finding(
                "goldenrod.W111",
                f"A worker has {self.threads} threads and {settings.database_pool} connections.",
                "Raise GOLDENROD_DATABASE_POOL to a quarter of --threads, or lower --threads.",
            )

    def of_database(self, db: Database, settings: Settings, *, current: bool) -> Iterator[Finding]:
        """What the database says; with `current` tables, also what is in it."""
        if unsafe := server_settings.unsafe(db):
            yield Finding(
                "goldenrod.E102",
                f"PostgreSQL may lose changes that it has confirmed: {', '.join(unsafe)}.",
                "Switch these on in postgresql.conf, and for this user and database.",
            )
        yield from self._connections(db, settings)
        if current:
            with db.read() as tx:
                yield from _deliverer(tx, settings)
                if db.dialect == "sqlite":
                    yield from _backup(tx)

    def _connections(self, db: Database, settings: Settings) -> Iterator[Finding]:
        most = server_settings.most_connections(db)
        each = settings.database_pool + 1 + monitoring.CONNECTIONS
        each += worker.CONNECTIONS if settings.deliver else 0
        if most is not None and self.workers * each > most:
            yield Finding(
                "goldenrod.W112",
                f"{self.workers} workers may open {self.workers * each} connections; PostgreSQL "
                f"allows {most}.",
                "Lower GOLDENROD_DATABASE_POOL or the number of workers, or raise max_connections.",
            )


def _addresses(settings: Settings) -> Iterator[Finding]:
    if not settings.public_url:
        yield Finding(
            "goldenrod.W101",
            "GOLDENROD_PUBLIC_URL is not set, so links have no host.",
            "Set it to the address that people use, such as https://images.example.org.",
        )
    elif settings.public_url.startswith("http:"):
        yield Finding(
            "goldenrod.W102",
            "GOLDENROD_PUBLIC_URL is an http address: passwords and tokens are sent in the clear.",
            "Let a proxy end TLS in front of the server, and set the https address.",
        )


def _proxies(settings: Settings) -> Iterator[Finding]:
    if not settings.trusted_proxies:
        yield Finding(
            "goldenrod.W103",
            "GOLDENROD_TRUSTED_PROXIES is not set: behind a proxy, all clients have its address, "
            "and share its limits.",
            "Set it to the proxy's address. We recommend a proxy everywhere.",
        )
    if everybody := [str(it) for it in settings.trusted_proxies if it.prefixlen == 0]:
        yield Finding(
            "goldenrod.W104",
            f"GOLDENROD_TRUSTED_PROXIES trusts every address: {', '.join(everybody)}.",
            "Name the proxy's address only: anybody may pretend to have another address now.",
        )


def _files(settings: Settings) -> Iterator[Finding]:
    exposed = [str(path) for path in config.secret_files().values() if _mode(path) & FOR_OTHERS]
    if exposed:
        yield Finding(
            "goldenrod.W105",
            f"Other users of this machine may read secrets: {' and '.join(exposed)}.",
            f"chmod 600 {shlex.join(exposed)}, and make the server's user their owner.",
        )
    try:
        file = sqlite_file(settings)
    except SettingError:
        return  # E001 reports it
    if file is None:
        return
    folder = file.resolve().parent
    if _mode(folder) & WRITABLE_BY_OTHERS:
        yield Finding(
            "goldenrod.W106",
            f"Other users may write to {folder}, and replace the catalogue.",
            f"chmod go-w {shlex.quote(str(folder))}, or move the catalogue to a folder of its own.",
        )
    if not file.is_absolute():
        yield Finding(
            "goldenrod.W107",
            f"The catalogue is {file} in whichever directory the server is started in.",
            "Name the file absolutely: sqlite:////srv/goldenrod/goldenrod.db.",
        )
    if kind := network_file_system(folder):
        yield Finding(
            "goldenrod.E101",
            f"The catalogue is on a network file system ({kind}), where SQLite may lose or damage it.",
            "Put the file on a local disk. For several hosts, use PostgreSQL.",
        )


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def network_file_system(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of network file system that a folder is on; None for a local or unknown one."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    kinds = {}
    for line in lines:
        fields = line.split(" ")
        # Blanks in a path are written as \040.
        kinds[fields[1].encode().decode("unicode_escape")] = fields[2]
    for one in (folder, *folder.parents):
        if (kind := kinds.get(str(one))) is not None:
            return kind if kind in NETWORK_FILE_SYSTEMS else None
    return None


def _encryption(settings: Settings) -> Iterator[Finding]:
    if settings.database_url.startswith("sqlite:"):
        return
    parts = urlsplit(settings.database_url)
    given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host = given.get("host") or parts.hostname or ""
    if not host or host.startswith("/") or _is_local(host):
        return
    if given.get("sslmode") not in _ENCRYPTED:
        yield Finding(
            "goldenrod.W108",
            "The connection to PostgreSQL on another host need not be encrypted.",
            "Add sslmode=verify-full to GOLDENROD_DATABASE_URL, with the server's certificate.",
        )


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _deliverer(tx: Tx, settings: Settings) -> Iterator[Finding]:
    due_since = figures.backlog(tx).due_since
    if settings.deliver or due_since is None:
        return
    if due_since < clock.later(tx.now, seconds=-LATE_S):
        yield Finding(
            "goldenrod.W113",
            f"GOLDENROD_DELIVER is off, and a delivery to a webhook has been due since {due_since}.",
            "Run `goldenrod webhooks deliver`, or switch GOLDENROD_DELIVER on in one server.",
        )


def _backup(tx: Tx) -> Iterator[Finding]:
    last = figures.last_backup(tx)
    if last is None or last < clock.later(tx.now, hours=-BACKUP_HOURS):
        when = (
            f"last copied this catalogue at {last}" if last else "has never copied this catalogue"
        )
        yield Finding(
            "goldenrod.W114",
            f"`goldenrod backup` {when}.",
            "Run it every day. If something else copies the file, restore such a copy once.",
        )
