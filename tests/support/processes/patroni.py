"""Three PostgreSQL nodes under Patroni, with etcd and HAProxy, on this machine: as `deploy/patroni/`
describes them.

A node is one Patroni, which runs one PostgreSQL, and one etcd. Each has an address of its own
(127.0.0.11, 127.0.0.12, 127.0.0.13), so that they need no different ports.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.support.processes.programs import absent, library, program

DEPLOY = Path(__file__).parents[3] / "deploy" / "patroni"
BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql/bin"))
PASSWORD = "of the tests"
START_S = 120
_POSTGRESQL, _REST, _CLIENTS, _PEERS = 54_432, 58_008, 52_379, 52_380
_PRIMARY, _STANDBYS = 55_000, 55_001


class Node:
    """One node."""

    def __init__(self, cluster: "Patroni", number: int) -> None:
        self.cluster = cluster
        self.name = f"node{number}"
        self.address = f"127.0.0.{10 + number}"
        self.directory = cluster.directory / self.name
        self.etcd: subprocess.Popen[bytes] | None = None
        self.patroni: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> str:
        """The address of its PostgreSQL."""
        return f"{self.address}:{_POSTGRESQL}"

    @property
    def rest(self) -> str:
        """The address of its Patroni."""
        return f"http://{self.address}:{_REST}"

    def start_etcd(self) -> None:
        given = dict(
            line.split("=", 1)
            for line in (DEPLOY / "etcd.env").read_text().splitlines()
            if line and not line.startswith("#")
        )
        peers = f"http://{self.address}:{_PEERS}"
        clients = f"http://{self.address}:{_CLIENTS}"
        given |= {
            "ETCD_NAME": self.name,
            "ETCD_DATA_DIR": str(self.directory / "etcd"),
            "ETCD_LISTEN_PEER_URLS": peers,
            "ETCD_INITIAL_ADVERTISE_PEER_URLS": peers,
            "ETCD_LISTEN_CLIENT_URLS": clients,
            "ETCD_ADVERTISE_CLIENT_URLS": clients,
            "ETCD_INITIAL_CLUSTER": ",".join(
                f"{it.name}=http://{it.address}:{_PEERS}" for it in self.cluster.nodes
            ),
        }
        self.etcd = self.cluster.run([program("etcd"), "--unsafe-no-fsync"], self, given)

    def start_patroni(self) -> None:
        self.patroni = self.cluster.run(
            [sys.executable, "-m", "patroni", str(DEPLOY / "patroni.yml")],
            self,
            {
                "PATRONI_NAME": self.name,
                "PATRONI_ETCD3_HOSTS": ",".join(
                    f"{it.address}:{_CLIENTS}" for it in self.cluster.nodes
                ),
                "PATRONI_RESTAPI_LISTEN": f"{self.address}:{_REST}",
                "PATRONI_RESTAPI_CONNECT_ADDRESS": f"{self.address}:{_REST}",
                "PATRONI_POSTGRESQL_LISTEN": self.server,
                "PATRONI_POSTGRESQL_CONNECT_ADDRESS": self.server,
                "PATRONI_POSTGRESQL_DATA_DIR": str(self.directory / "data"),
                "PATRONI_POSTGRESQL_BIN_DIR": str(BINARIES),
                "PATRONI_POSTGRESQL_PGPASS": str(self.directory / "pgpass"),
                "PATRONI_SUPERUSER_USERNAME": "postgres",
                "PATRONI_SUPERUSER_PASSWORD": PASSWORD,
                "PATRONI_REPLICATION_USERNAME": "replicator",
                "PATRONI_REPLICATION_PASSWORD": PASSWORD,
                "PATRONI_REWIND_USERNAME": "rewinder",
                "PATRONI_REWIND_PASSWORD": PASSWORD,
            },
        )

    def processes(self) -> list[int]:
        """Its processes except etcd: Patroni and what it started, PostgreSQL's too."""
        assert self.patroni is not None
        found = [self.patroni.pid]
        pid_file = self.directory / "data" / "postmaster.pid"
        with suppress(OSError, ValueError, IndexError):
            found.append(int(pid_file.read_text().splitlines()[0]))
        for pid in found:
            with suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return list(dict.fromkeys(found))

    def signal(self, which: signal.Signals, pids: list[int] | None = None) -> None:
        for pid in self.processes() if pids is None else pids:
            with suppress(ProcessLookupError):
                os.kill(pid, which)

    def freeze(self) -> None:
        """All its processes stop, as if its link were cut: connections stay open, nothing answers."""
        assert self.etcd is not None
        self.signal(signal.SIGSTOP, [*self.processes(), self.etcd.pid])

    def thaw(self) -> None:
        assert self.etcd is not None
        self.signal(signal.SIGCONT, [*self.processes(), self.etcd.pid])

    def freeze_patroni(self) -> None:
        """Patroni stops; its PostgreSQL goes on and does not know that it lost its lease."""
        assert self.patroni is not None
        self.signal(signal.SIGSTOP, [self.patroni.pid])

    def kill(self) -> None:
        """Patroni and PostgreSQL end at once."""
        assert self.patroni is not None
        self.signal(signal.SIGKILL)
        self.patroni.wait(30)

    def sql(self, text: str, database: str = "postgres") -> Any:
        """The first value of what a statement answers."""
        host, _, port = self.server.partition(":")
        with psycopg.connect(
            host=host,
            port=port,
            user="postgres",
            password=PASSWORD,
            autocommit=True,
            connect_timeout=2,
            dbname=database,
        ) as connection:
            cursor = connection.execute(text)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None


class Patroni:
    """The cluster."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._others: list[subprocess.Popen[bytes]] = []
        self.nodes = [Node(self, number) for number in (1, 2, 3)]

    def url(self, database: str = "goldenrod") -> str:
        """The address of the database with all hosts."""
        hosts = ",".join(node.server for node in self.nodes)
        return f"postgresql://postgres:{PASSWORD.replace(' ', '%20')}@{hosts}/{database}"

    def through_haproxy(self, *, standbys: bool = False, database: str = "goldenrod") -> str:
        """The address of the primary, or of a standby, through HAProxy."""
        port = _STANDBYS if standbys else _PRIMARY
        return f"postgresql://postgres:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/{database}"

    def run(
        self, command: list[str], node: Node | None, more: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a program. PostgreSQL refuses to run as root: if this process is root, the program runs
        in a user namespace in which it is not, with the same files."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "PATRONI", "ETCD"))}
        name = node.name if node else "haproxy"
        if os.geteuid() == 0:
            command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command]
        with (self.directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=kept | more | {"HOME": str(self.directory)},
                start_new_session=True,
            )

    def start(self) -> None:
        """Start everything; return when the first node is the primary and has two standbys."""
        for node in self.nodes:
            node.directory.mkdir(mode=0o700)
        for node in self.nodes:
            node.start_etcd()
        for node in self.nodes:
            node.start_patroni()
            self.wait_for(lambda: self.primary() is not None, "a primary")
        self.wait_until_whole()
        bind = {"PRIMARY_BIND": f"127.0.0.1:{_PRIMARY}", "STANDBYS_BIND": f"127.0.0.1:{_STANDBYS}"}
        for number, node in enumerate(self.nodes, 1):
            bind |= {f"NODE{number}": node.server, f"CHECK{number}": str(_REST)}
        command = [
            program("haproxy", "/usr/sbin/haproxy"),
            "-db",
            "-f",
            str(DEPLOY / "haproxy.cfg"),
        ]
        self._others.append(self.run(command, None, bind))

    def members(self) -> dict[str, dict[str, Any]]:
        """What the cluster says about its nodes, by name; empty where no Patroni answers."""
        for node in self.nodes:
            with suppress(httpx.HTTPError, ValueError, KeyError):
                answer = httpx.get(f"{node.rest}/cluster", timeout=1).json()
                return {member["name"]: member for member in answer["members"]}
        return {}

    def primary(self) -> Node | None:
        """The node that is the primary now, by its own word."""
        for node in self.nodes:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{node.rest}/primary", timeout=1).status_code == 200:
                    return node
        return None

    def wait_until_whole(self) -> None:
        """Wait until there is one primary, and two standbys follow it."""

        def whole() -> bool:
            found = [member.get("state") for member in self.members().values()]
            primary = self.primary()
            if sorted(map(str, found)) != ["running", "streaming", "streaming"] or not primary:
                return False
            with suppress(psycopg.Error):
                waits = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
                return bool(primary.sql(waits) == 2)
            return False

        self.wait_for(whole, "three nodes")

    def wait_for(self, holds: Any, what: str) -> None:
        ends = time.monotonic() + START_S
        while not holds():
            gone = [it.name for it in self.nodes if it.patroni and it.patroni.poll() is not None]
            assert not gone, f"{gone} ended: {self.logs()}"
            assert time.monotonic() < ends, f"no {what}: {self.members()} {self.logs()}"
            time.sleep(0.1)

    def logs(self) -> str:
        """The ends of the logs."""
        found = sorted(self.directory.glob("*.log"))
        return "\n".join(
            f"{path.name}: {path.read_text(errors='replace')[-2000:]}" for path in found
        )

    def stop(self) -> None:
        """End every process that was started."""
        for node in self.nodes:
            if node.patroni is not None:
                node.signal(signal.SIGKILL)
                node.patroni.wait(30)
            if node.etcd is not None:
                node.etcd.kill()
                node.etcd.wait(30)
        for process in self._others:
            process.kill()
            process.wait(30)


@contextmanager
def patroni() -> Iterator[Patroni]:
    """A cluster until the block ends. Skips the test where its programs are not installed."""
    library("patroni", "scale-test")
    program("etcd")
    program("haproxy", "/usr/sbin/haproxy")
    if not (BINARIES / "postgres").exists():
        absent("no PostgreSQL 15 here: `make programs` as root on Debian installs it")
    directory = Path(tempfile.mkdtemp(prefix="goldenrod-patroni-"))
    cluster = Patroni(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(directory, ignore_errors=True)
