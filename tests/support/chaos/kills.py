"""What is killed, and how it is started again."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from random import Random
from typing import Any

from alembic.command import upgrade
from alembic.config import Config

from goldenrod.base.errors import Unavailable
from goldenrod.catalogue.transfer import export_import
from goldenrod.sources.sync import run_sync
from goldenrod.store import migrate as migrations
from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.support.chaos.record import Record
from tests.support.chaos.scene import Scene
from tests.support.processes.server import GOLDENROD, environment
from tests.sync.fake_cloud import declared, synced
from tests.sync.killed_sync import cloud

MORE_IMAGES = 12
"""How many images the cloud has more for each sync."""
FINISH_EVERY = 5
"""After so many killed syncs, one is run to its end."""
MOST_S = 60
_OF_SYNC = "SELECT count(*) FROM images WHERE substr(name, 1, 6) = 'image '"
OLDER = ("0001", "0003", "0005", "0007")
"""Migrations of older releases, from which one is begun."""


class Kills:
    """Kills one thing after another."""

    def __init__(self, scene: Scene, record: Record, r: Random) -> None:
        self.scene, self.record, self.r = scene, record, r
        self.synced_images = 0
        self.databases = 0
        self.took: dict[str, float] = {}
        """How long a command takes that is not killed."""
        self.exported: bytes | None = None

    def chances(self) -> dict[str, int]:
        """The kinds of kills, and how often each is chosen."""
        both = {"worker": 50, "main": 14, "sync": 5, "import": 4, "migration": 4}
        return both if self.scene.cluster is None else both | {"backend": 20, "postgres": 14}

    def choose(self) -> str:
        chances = self.chances()
        return self.r.choices(list(chances), list(chances.values()))[0]

    def kill(self, kind: str) -> None:
        """Kill one thing of this kind, at a random moment, and start it again."""
        kinds: dict[str, Callable[[], None]] = {
            "worker": lambda: self.scene.kill_worker(self.r),
            "main": self.scene.kill_main,
            "sync": self.kill_sync,
            "import": self.kill_import,
            "migration": self.kill_migration,
            "backend": lambda: self.scene.kill_backend(self.r),
            "postgres": self.kill_postgres,
        }
        kinds[kind]()
        self.scene.recover()

    def kill_postgres(self) -> None:
        assert self.scene.cluster is not None
        self.scene.cluster.kill()
        self.scene.cluster.start_again()

    # ── a sync of the served catalogue ─────────────────────────────────────────────────────

    def kill_sync(self) -> None:
        # Otherwise more events would wait at the end than a webhook may have.
        if self.synced_images % (MORE_IMAGES * FINISH_EVERY) == 0:
            self.finish_syncs()
        self.synced_images += MORE_IMAGES
        command = [sys.executable, "-m", "tests.sync.killed_sync", self.scene.url]
        running = self._begin([*command, str(self.synced_images)])
        with self.scene.opened() as db:
            before, until = _machines(db), time.monotonic() + MOST_S
            while _machines(db) == before and running.poll() is None:
                assert time.monotonic() < until
                time.sleep(0.01)
        self._end(running, self.r.uniform(0, 0.3))

    def finish_syncs(self) -> None:
        """A run after all those that were killed does the rest."""
        if not self.synced_images:
            return
        with self.scene.opened() as db:
            for _ in range(2):
                result = self._sync(db)
                if result.state != "done":
                    self.record.fail(f"the sync after the killed ones: {result.state}")
            with db.read() as tx:
                count = tx.sql(_OF_SYNC).fetchone()
                running = tx.sql(
                    "SELECT count(*) FROM sync_runs WHERE state = 'running'"
                ).fetchone()
        if (count[0], running[0]) != (self.synced_images, 0):
            self.record.fail(
                f"{count[0]} of {self.synced_images} images, {running[0]} runs running"
            )

    def _sync(self, db: Database) -> run_sync.Result:
        """Sync, and again where the database was busy, as a timer would."""
        until = time.monotonic() + MOST_S
        while True:
            try:
                return synced(db, cloud(self.synced_images), declared(owner="import"), lease_s=5)
            except Unavailable:
                if time.monotonic() > until:
                    raise

    # ── commands on a database of their own ────────────────────────────────────────────────

    def kill_import(self) -> None:
        """An import is there whole or not at all; after it, the import can be done."""
        file = self.scene.directory / "exported.jsonl"
        if self.exported is None:
            with self.scene.opened() as db, file.open("wb") as out:
                export_import.export_catalogue(db, out)
            self.exported = file.read_bytes()
        name, url = self._database()
        self._killed("import", [*GOLDENROD, "import", "catalogue", str(file)], url)
        with self.scene.opened(url) as db:
            migrations.migrate(db)
            if _machines(db) == 0:
                export_import.import_catalogue(db, BytesIO(self.exported))
            again = BytesIO()
            export_import.export_catalogue(db, again)
        if again.getvalue() != self.exported:
            self.record.fail("an import that was killed left something half done")
        self.scene.drop_database(name)

    def kill_migration(self) -> None:
        """The tables are those of before or those of after; then they can be migrated and used."""
        name, url = self._database()
        older = self.r.choice(OLDER)
        _migrate_to(url, older)
        self._killed("migration", [*GOLDENROD, "migrate"], url)
        with self.scene.opened(url) as db:
            at = migrations.stored_revision(db)
            if at not in (older, migrations.HEAD):
                self.record.fail(f"a migration from {older} that was killed left {at}")
            migrations.migrate(db)
            with db.write() as tx:
                for table in schema.metadata.sorted_tables:
                    if table.name.endswith("_words"):  # another kind of table in SQLite
                        continue
                    columns = ", ".join(f"{table.name}.{column.name}" for column in table.c)
                    tx.sql(f"SELECT {columns} FROM {table.name} LIMIT 1")
        self.scene.drop_database(name)

    def _database(self) -> tuple[str, str]:
        self.databases += 1
        name = f"other_{self.databases}"
        return name, self.scene.new_database(name)

    def _killed(self, what: str, command: list[str], url: str) -> None:
        """Run a command and kill it: the first time at a second, then in the part of its time in which
        it works."""
        running = self._begin(command, url)
        began = time.monotonic()
        took = self.took.get(what)
        self._end(running, self.r.uniform(0.5, 1.05) * took if took else MOST_S)
        if not took:
            self.took[what] = time.monotonic() - began

    def _begin(self, command: list[str], url: str | None = None) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command,
            env=environment(url or self.scene.url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _end(self, running: "subprocess.Popen[bytes]", after_s: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            running.wait(after_s)
        running.send_signal(signal.SIGKILL)
        running.wait()


def _machines(db: Database) -> int:
    with db.read() as tx:
        count: Any = tx.sql("SELECT count(*) FROM machines").fetchone()[0]
    return int(count)


def _migrate_to(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option(
        "script_location", str(migrations.Path(migrations.__file__).parent / "migrations")
    )
    engine = migrations._engine(url)
    try:
        with migrations._locked(engine) as connection:
            config.attributes["connection"] = connection
            upgrade(config, revision)
    finally:
        engine.dispose()
