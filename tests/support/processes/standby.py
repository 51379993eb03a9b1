"""A standby of a test's PostgreSQL cluster: a copy that follows it, in the same directory."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from tests.support.processes.postgres import START_SECONDS, STOP_SECONDS, Cluster

_PORT = 5433


class Standby:
    """A running standby, which can be frozen, killed and started again."""

    def __init__(self, cluster: Cluster) -> None:
        assert cluster._directory
        self._cluster = cluster
        self._directory = cluster._directory
        self._binaries = cluster._reachable_binaries()
        self._data = self._directory / "standby"
        self._server: subprocess.Popen[bytes] | None = None
        copying: list[Path | str] = [self._binaries / "pg_basebackup", "-h", self._directory]
        copying += ["-U", "postgres", "-p", "5432", "-D", self._data, "-R", "-X", "stream"]
        copying += ["-c", "fast", "--no-sync"]
        with cluster._run(copying) as process:
            assert process.wait(START_SECONDS) == 0, cluster._log()

    def url(self, database: str) -> str:
        """The URL of a database in it."""
        socket = quote(str(self._directory), safe="")
        return f"postgresql://postgres@/{database}?host={socket}&port={_PORT}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        settings = {
            "port": _PORT,
            "listen_addresses": "",
            "fsync": "off",
            "timezone": "UTC",
            "wal_receiver_status_interval": "100ms",
            "max_standby_streaming_delay": "2s",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._server = self._cluster._run(
            [self._binaries / "postgres", "-D", self._data, "-k", self._directory, *words]
        )
        ends = time.monotonic() + START_SECONDS
        while True:
            try:
                self.sql("SELECT 1")
                return
            except psycopg.OperationalError:
                assert time.monotonic() < ends, self._cluster._log()
                time.sleep(0.05)

    def sql(self, text: str) -> Any:
        """The first value of what a statement answers."""
        with psycopg.connect(
            self.url("postgres"), autocommit=True, connect_timeout=2
        ) as connection:
            row = connection.execute(text).fetchone()
            return row[0] if row else None

    def freeze(self) -> None:
        """Stop all its processes; they stay there."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        if self._server is None:
            return
        self.thaw()
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(STOP_SECONDS)
        self._server = None

    def _signal(self, which: signal.Signals) -> None:
        assert self._server
        listed = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children").read_text()
        for pid in [self._server.pid, *map(int, listed.split())]:
            os.kill(pid, which)


@contextmanager
def standby(cluster: Cluster) -> Iterator[Standby]:
    """A standby that follows the cluster, until the block ends."""
    made = Standby(cluster)
    try:
        made.start()
        yield made
    finally:
        made.kill()
