"""The lines of docs/backups.md, run as printed: on SQLite, and on a real PostgreSQL that goes back to a
moment before an accident."""

import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goldenrod.base import wire
from goldenrod.catalogue.accounts import users
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.cast import build_world
from tests.support.processes.programs import absent
from tests.support.processes.server import environment, within
from tests.test_docs import fenced, text

BLOCKS = fenced(text("docs/backups.md"), "bash")


def block(words: str) -> str:
    """The one block that has these words."""
    [found] = [one for one in BLOCKS if words in one]
    return found


def add(db: Database, *numbers: int) -> None:
    for number in numbers:
        with db.write() as tx:
            users.create_user(tx, CONSOLE, wire.NewUser(username=f"user-{number}"))


def stored(url: str) -> list[str]:
    """The users that a test added."""
    if url.startswith("sqlite"):
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"))
    else:
        connection = psycopg.connect(url)
    query = "SELECT username FROM users WHERE username LIKE 'user-%' ORDER BY id"
    try:
        return [name for (name,) in connection.execute(query).fetchall()]
    finally:
        connection.close()


@pytest.mark.long
def test_the_lines_for_sqlite_back_up_and_restore(
    new_database: Callable[[str], Database], tmp_path: Path
) -> None:
    made = new_database("sqlite")
    build_world(made)
    made.close()
    path = tmp_path / "goldenrod.db"
    shutil.copy(made.url.removeprefix("sqlite:///"), path)
    db = Database(f"sqlite:///{path}")
    env = environment("sqlite:///goldenrod.db")
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"

    def run(script: str) -> str:
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        return done.stdout

    add(db, 1, 2)
    run(block("backup --keep"))
    add(db, 3)
    db.close()
    run(block("copy=$(ls"))
    assert stored(f"sqlite:///{path}") == ["user-1", "user-2"]
    assert '"users"' in run(block("exported.jsonl"))


class Shell:
    """Runs lines as PostgreSQL's user, with a folder for the database and one for the archive."""

    def __init__(self, folder: Path, binaries: str) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self.env = kept | {
            "PATH": f"{binaries}:{kept['PATH']}",
            "PGDATA": str(folder / "data"),
            "ARCHIVE": str(folder / "archive"),
            "PGHOST": str(folder),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
        }
        nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._user: dict[str, Any] = {}
        if nobody:
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def __call__(self, script: str, **more: str) -> None:
        # Into a file: the server that a line starts keeps its output open.
        with (self.folder / "out").open("a") as out:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script],
                env=self.env | more,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=120,
                **self._user,
            )
        assert done.returncode == 0, (script, (self.folder / "out").read_text()[-3000:])


@pytest.fixture
def postgresql() -> Iterator[Shell]:
    """A PostgreSQL of its own, as its programs set it up."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/pg_basebackup")]
    own = shutil.which("pg_basebackup")
    if not found and not own:
        absent("no pg_basebackup here: apt install postgresql")
    binaries = str(max(found).parent if found else Path(str(own)).parent)
    folder = Path(tempfile.mkdtemp(prefix="goldenrod-pitr-"))
    folder.chmod(0o755)
    shell = Shell(folder, binaries)
    try:
        shell(
            'initdb -D "$PGDATA" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync\n'
            "cat >> \"$PGDATA/postgresql.conf\" <<EOF\nlisten_addresses = ''\n"
            f"unix_socket_directories = '{folder}'\nEOF\n"
            'pg_ctl -D "$PGDATA" start --wait && createdb goldenrod'
        )
        yield shell
    finally:
        with_server = (folder / "data" / "postmaster.pid").exists()
        if with_server:
            shell('pg_ctl -D "$PGDATA" stop --mode=immediate')
        shutil.rmtree(folder)


@pytest.mark.long
def test_the_lines_for_postgresql_go_back_to_a_moment_before_an_accident(
    postgresql: Shell,
) -> None:
    url = f"postgresql://postgres@/goldenrod?host={postgresql.folder}"
    postgresql(block("archive_mode = on"))
    db = Database(url)
    migrate(db)
    add(db, 1, 2)
    postgresql(block("pg_basebackup"))
    add(db, 3, 4)
    with psycopg.connect(url) as connection:
        [moment] = connection.execute("SELECT clock_timestamp()::text").fetchone() or ()
    time.sleep(0.05)
    add(db, 5)
    db.close()
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE users CASCADE")
    postgresql(block("recovery_target_time"), MOMENT=moment)

    def recovered() -> bool:
        with psycopg.connect(url) as connection:
            return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)

    assert within(60, recovered)
    assert stored(url) == ["user-1", "user-2", "user-3", "user-4"]
    db = Database(url)
    assert not migrate(db)
    add(db, 6)
    db.close()
    assert stored(url)[-1] == "user-6"
