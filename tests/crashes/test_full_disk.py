"""A disk that is full, and a database that can only be read: reads are answered, changes are 503, and
both end by themselves once there is room again."""

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goldenrod.base import config
from goldenrod.base.errors import Unavailable
from goldenrod.catalogue.transfer import backup as backups
from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.cast import World, build_world
from tests.support.client import ApiClient, code
from tests.support.processes.command_line import runner
from tests.support.processes.postgres import Cluster
from tests.support.processes.programs import absent
from tests.support.webhooks.events import OPEN, hooked
from tests.support.webhooks.receiver import Receiver

CACHED = config.load({})
NOBODY = 65534
LARGE = "x" * 60_000


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of this size, which everybody may write to. Skips the test where it cannot be
    mounted."""
    with tempfile.TemporaryDirectory(prefix="goldenrod-disk-") as name:
        Path(name).chmod(0o755)
        disk = Path(name) / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", str(disk)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
            absent("only root can mount a small file system, where that is allowed")
        try:
            yield disk
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    filler = disk / "filler"
    file = os.open(filler, os.O_CREAT | os.O_WRONLY)
    try:
        while os.write(file, b"x" * 4096):
            pass
    except OSError:
        pass
    finally:
        os.close(file)
    return filler


def create(api: ApiClient, name: str, description: str = "") -> str:
    body = {"name": name, "description": description}
    answer = api.post("/api/v2/images", "alice", body)
    return "201" if answer.status_code == 201 else code(answer)


def names(api: ApiClient) -> set[str]:
    return {image["name"] for image in api.all("/api/v2/images", "alice")}


def fails_until_full(api: ApiClient, made: list[str]) -> str:
    """Create images until one is refused; the refusal. `made` gets the names of the others."""
    for number in range(2_000):
        outcome = create(api, f"large {number}", LARGE)
        if outcome != "201":
            return outcome
        made.append(f"large {number}")
    raise AssertionError("the disk does not become full")


def test_on_a_full_disk_reads_are_answered_and_nothing_acknowledged_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(8) as disk, Receiver().running() as receiver:
        db = Database(f"sqlite:///{disk}/catalogue.db")
        migrate(db)
        world = build_world(db)
        api = ApiClient(db, OPEN, world)
        hooked(api, receiver.url)
        version = f"/image_versions/{world.versions['open']}"
        assert api.patch(version, "alice", {"change_log": "before"}).status_code == 200
        filler = fill(disk)
        made: list[str] = []
        assert fails_until_full(api, made) == "503 database_full"
        refused = api.patch(version, "alice", {"change_log": LARGE})
        assert code(refused) == "503 database_full"
        assert int(refused.headers["retry-after"]) >= 1
        assert str(disk) not in refused.text
        # Readers, those with a token too, and a process that starts now.
        third = Database(db.url)
        for reader in (api, ApiClient(third, CACHED, world)):
            for who in (None, "alice", "bob"):
                answer = reader.get(version, who)
                assert (answer.status_code, answer.json["change_log"]) == (200, "before")
            assert set(made) <= names(reader)
            assert reader.get("/search", headers={"Accept": "text/html"}).status_code == 200
        third.close()
        # Events wait; a command says what is wrong; a backup leaves nothing behind.
        with pytest.raises(Unavailable, match="full"):
            Deliverer(db, private=True).deliver_due()
        run = runner(monkeypatch, capsys)
        failed = run("user", "create", "erin", "--no-password", DATABASE_URL=db.url)
        assert failed.code == 6 and "full" in failed.err
        with pytest.raises(sqlite3.OperationalError):
            backups.backup(db, disk / "copy.db")
        assert {it.name for it in disk.iterdir()} <= {
            *("catalogue.db", "catalogue.db-wal", "catalogue.db-shm", "filler")
        }
        filler.unlink()
        assert create(api, "after") == "201"
        assert {*made, "after"} <= names(api)
        assert Deliverer(db, private=True).deliver_due()
        assert receiver.types() == ["version.edited"]
        with db.connection() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        db.close()


@pytest.mark.long
def test_on_a_full_disk_of_postgresql_too() -> None:
    with Cluster() as cluster, small_disk(40) as disk:
        place = disk / "tables"
        place.mkdir()
        os.chown(place, NOBODY, NOBODY)
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as admin:
            admin.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
            admin.execute("CREATE DATABASE catalogue TABLESPACE small")
        db = Database(cluster.url("catalogue"))
        migrate(db)
        api = ApiClient(db, CACHED, build_world(db))
        filler = fill(disk)
        made: list[str] = []
        assert fails_until_full(api, made) == "503 database_full"
        assert set(made) <= names(api)
        filler.unlink()
        assert create(api, "after") == "201"
        assert {*made, "after"} <= names(api)
        db.close()


# ── only reading ───────────────────────────────────────────────────────────────────────────


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to write every file."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def read_only_file(world: World, db: Database, api: ApiClient, allow: Callable[[], None]) -> None:
    """Reads are answered; changes are refused until they are allowed again."""
    page = api.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    for who in (None, "alice", "dora"):
        assert api.get("/image_versions", who).status_code == 200
    assert create(api, "refused") == "503 database_read_only"
    refusal = api.post("/api/v2/images", "alice", {"name": "n"})
    assert int(refusal.headers["retry-after"]) >= 1
    allow()
    # A session of PostgreSQL that was begun before is found out by one more refusal.
    assert "201" in (create(api, "after"), create(api, "after"))
    assert "after" in names(api) and "refused" not in names(api)


def test_a_file_that_can_only_be_read_is_read() -> None:
    with tempfile.TemporaryDirectory(prefix="goldenrod-ro-") as directory:
        file = Path(directory) / "catalogue.db"
        made = Database(f"sqlite:///{file}")
        migrate(made)
        world = build_world(made)
        made.close()
        Path(directory).chmod(0o777)
        file.chmod(0o444)
        with as_nobody():
            db = Database(f"sqlite:///{file}")

            def allow() -> None:
                if os.getuid() == 0:
                    os.seteuid(0)
                for one in Path(directory).iterdir():
                    one.chmod(0o666)
                if os.getuid() == 0:
                    os.seteuid(NOBODY)

            read_only_file(world, db, ApiClient(db, CACHED, world), allow)
            db.close()


def test_a_postgresql_that_only_reads_is_read(new_database: Callable[[str], Database]) -> None:
    db = new_database("postgresql")
    world = build_world(db)
    name = db.url.rpartition("/")[2].partition("?")[0]

    def only_read(how: str) -> None:
        with psycopg.connect(db.url, autocommit=True) as admin:
            admin.execute(
                f"ALTER DATABASE {name} SET default_transaction_read_only = {how}".encode()
            )

    def end_sessions() -> None:
        with psycopg.connect(db.url, autocommit=True) as admin:
            query: Any = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            admin.execute(query)

    only_read("on")
    end_sessions()

    def allow() -> None:
        with psycopg.connect(db.url, autocommit=True) as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())

    read_only_file(world, db, ApiClient(db, CACHED, world), allow)
