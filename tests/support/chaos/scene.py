"""The processes: a database, a server with workers, a receiver of webhooks; how they start again."""

import os
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from goldenrod.base import config
from goldenrod.base.errors import Unavailable
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.cast import World, build_world
from tests.support.client import ApiClient
from tests.support.processes.postgres import Cluster
from tests.support.processes.server import Running, begin, children, ready, within
from tests.support.webhooks.events import hooked
from tests.support.webhooks.receiver import Receiver

WORKERS = 2
BACK_S = 60
PRIVATE = {"GOLDENROD_WEBHOOKS_PRIVATE": "true"}


class Restartable(Cluster):
    """A PostgreSQL whose commits are on disk when they are acknowledged, and that can be killed."""

    def __init__(self) -> None:
        super().__init__(fsync="on", synchronous_commit="on", full_page_writes="on")

    def kill(self) -> None:
        assert self._server
        self._server.kill()
        self._server.wait()

    def start_again(self) -> None:
        """Start with the same data. The killed server's processes need a moment to end."""
        assert self._server
        command = list(self._server.args)  # type: ignore[call-overload]
        ends = time.monotonic() + BACK_S
        while True:
            self._server = self._run(command)
            try:
                self._wait_until_ready()
                return
            except RuntimeError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.05)


class Scene:
    """One catalogue, served."""

    def __init__(self, backend: str, directory: Path, cluster: Restartable | None) -> None:
        self.backend, self.directory, self.cluster = backend, directory, cluster
        self.url = self.new_database("catalogue")
        self.receiver = Receiver()
        self.world = self._furnish()
        self.server: Running | None = None
        self.starts = 0

    def new_database(self, name: str) -> str:
        """The URL of a new, empty database."""
        if self.cluster is None:
            return f"sqlite:///{self.directory / name}.db"
        return self.cluster.create(name)

    def drop_database(self, name: str) -> None:
        """Remove a database that `new_database` made."""
        if self.cluster is not None:
            self.cluster.drop(name)
            return
        for end in ("", "-wal", "-shm"):
            (self.directory / f"{name}.db{end}").unlink(missing_ok=True)

    def _furnish(self) -> World:
        with self.opened() as db:
            migrate(db)
            world = build_world(db)
            api = ApiClient(db, config.load(PRIVATE), world)
            hooked(api, self.receiver.url, "dora", image=None)
        return world

    @contextmanager
    def opened(self, url: str | None = None) -> Iterator[Database]:
        """The database, opened anew in this process."""
        db = Database(url or self.url, pool=2)
        try:
            yield db
        finally:
            db.close()

    def start(self) -> None:
        """Start the server, or start it again; return when it answers."""
        log = self.directory / f"stderr-{self.starts}"
        self.starts += 1
        started = begin(self.url, log, "--workers", str(WORKERS), **PRIVATE)
        self.server = ready(started)

    def stop(self) -> None:
        if self.server is not None and self.server.process.poll() is None:
            self.server.end()

    @property
    def address(self) -> tuple[str, int]:
        assert self.server is not None
        return "127.0.0.1", self.server.port

    def workers(self) -> list[int]:
        assert self.server is not None
        with suppress(FileNotFoundError, ProcessLookupError):
            return children(self.server.process.pid)
        return []

    def kill_worker(self, r: Random) -> None:
        if pids := self.workers():
            with suppress(ProcessLookupError):
                os.kill(r.choice(pids), signal.SIGKILL)

    def kill_main(self) -> None:
        assert self.server is not None
        self.server.process.kill()
        self.server.process.wait()

    def kill_backend(self, r: Random) -> None:
        """Kill one of PostgreSQL's processes that serve a connection: it then restarts all of them."""
        query = (
            "SELECT pid FROM pg_stat_activity WHERE datname = 'catalogue' "
            "AND pid <> pg_backend_pid() ORDER BY pid"
        )
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(self.url, autocommit=True) as connection,
        ):

            def others() -> list[Any]:
                return connection.execute(query).fetchall()

            def ended() -> bool:
                return self.server is None or self.server.process.poll() is not None

            # The servers may just be opening their connections again, after the kill before; or the
            # main process ends, because the same worker ended twice.
            within(BACK_S, lambda: bool(others()) or ended())
            if not (found := others()) and ended():
                return
            assert found, f"nobody is connected; {self.server and self.server.log()[-3000:]}"
            with suppress(ProcessLookupError):
                os.kill(r.choice(found)[0], signal.SIGKILL)
            # PostgreSQL notices in a moment, and ends this connection with the others.
            ends = time.monotonic() + BACK_S
            while time.monotonic() < ends:
                connection.execute("SELECT 1")
                time.sleep(0.01)

    def recover(self) -> None:
        """As a supervisor does: start again what is not running; return when all of it is."""
        assert self.server is not None
        assert within(BACK_S, self._answers), "the database does not come back"
        if self.server.process.poll() is None:
            # It starts workers again itself, unless the same one ends twice in a few seconds.
            within(
                BACK_S,
                lambda: (
                    len(self.workers()) == WORKERS or self.server.process.poll() is not None  # type: ignore[union-attr]
                ),
            )
        if self.server.process.poll() is not None:
            if self.server.process.stdout:
                self.server.process.stdout.close()
            self.start()

    def _answers(self) -> bool:
        """Whether the database can be used. PostgreSQL restarts where a process of it is killed."""
        try:
            with self.opened() as db, db.read():
                return True
        except Unavailable:
            return False

    def errors(self) -> list[str]:
        """What the servers logged as errors of their own; not that a worker was killed."""
        return [
            f"{log.name}: {line}"
            for log in self.directory.glob("stderr-*")
            for line in log.read_text().splitlines()
            if "Traceback" in line or ("[error" in line and "[_granian]" not in line)
        ]

    def integrity(self) -> str:
        """What SQLite says of its file."""
        if self.cluster is not None:
            return "ok"
        connection = sqlite3.connect(self.directory / "catalogue.db")
        try:
            found: Any = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            broken = connection.execute("PRAGMA foreign_key_check").fetchall()
            return str(found) if not broken else f"foreign keys {broken[:3]}"
        finally:
            connection.close()


@contextmanager
def scene(backend: str) -> Iterator[Scene]:
    """A served catalogue on "sqlite" or "postgresql", until the block ends."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        cluster = stack.enter_context(Restartable()) if backend == "postgresql" else None
        made = Scene(backend, directory, cluster)
        stack.enter_context(made.receiver.running())
        made.start()
        stack.callback(made.stop)
        yield made
