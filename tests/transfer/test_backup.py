"""Files with a whole catalogue: they are complete, and only their owner may read them."""

import json
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import time_machine

from goldenrod.base import wire
from goldenrod.base.errors import BadRequest, Conflict
from goldenrod.catalogue.accounts import users
from goldenrod.catalogue.images import images
from goldenrod.catalogue.transfer.backup import backup, backup_into, export_to_file
from goldenrod.catalogue.transfer.export_import import export_catalogue, import_catalogue
from goldenrod.rules.access import CONSOLE
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.cast import build_world

New = Callable[[str], Database]


def exported(db: Database, **options: Any) -> bytes:
    out = BytesIO()
    export_catalogue(db, out, **options)
    return out.getvalue()


def test_an_exported_file_is_complete_and_readable_by_its_owner_only(
    new_database: New, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, path = new_database("sqlite"), tmp_path / "out" / "catalogue.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"older")
    path.chmod(0o644)
    build_world(db)
    assert export_to_file(db, path) == exported(db).count(b"\n") - 1
    assert path.read_bytes() == exported(db)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]

    def fail(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_to_file(db, path, credentials=False, progress=fail)
    assert path.read_bytes() == exported(db)
    assert list(path.parent.iterdir()) == [path]
    export_to_file(db, path, credentials=False)
    assert path.read_bytes() == exported(db, credentials=False)


def test_a_backup_is_consistent_while_others_write(new_database: New, tmp_path: Path) -> None:
    db, target = new_database("sqlite"), tmp_path / "backups"
    target.mkdir()
    ends, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        while not ends.is_set():
            with db.write() as tx:
                users.create_user(tx, CONSOLE, wire.NewUser(username=f"user-{written}"))
            written += 1

    writer = threading.Thread(target=write)
    writer.start()
    counts = []
    try:
        for number in range(5):
            before = written
            while written == before:
                ends.wait(0.001)
            backup(db, target / f"{number}.db")
            assert writer.is_alive()
    finally:
        ends.set()
        writer.join()
    assert sorted(target.iterdir()) == [target / f"{number}.db" for number in range(5)]
    for number in range(5):
        path = target / f"{number}.db"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        copy = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
        tables = ("users", "groups", "group_users", "audit")
        found = {copy.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
        assert len(found) == 1
        counts.append(found.pop())
        copy.close()
    assert counts == sorted(set(counts))
    opened = Database(f"sqlite:///{target / '4.db'}")
    assert not migrate(opened)
    with opened.write() as tx:
        made = users.create_user(tx, CONSOLE, wire.NewUser(username="erin"))
        assert made.key == str(counts[-1] + 1)
    opened.close()


def test_a_backup_overwrites_nothing(new_database: New, tmp_path: Path) -> None:
    db, path = new_database("sqlite"), tmp_path / "kept" / "backup.db"
    path.parent.mkdir()
    path.write_bytes(b"dear to somebody")
    with pytest.raises(Conflict, match=r"backup\.db exists already"):
        backup(db, path)
    assert path.read_bytes() == b"dear to somebody"
    link = path.with_name("link.db")
    link.symlink_to(path.with_name("nowhere"))
    with pytest.raises(Conflict, match=r"link\.db exists already"):
        backup(db, link)
    assert sorted(path.parent.iterdir()) == [path, link]


def test_a_backup_of_postgresql_is_refused_and_names_pg_dump(
    new_database: New, tmp_path: Path
) -> None:
    path = tmp_path / "backup.db"
    with pytest.raises(BadRequest, match=r"pg_dump.*goldenrod export"):
        backup(new_database("postgresql"), path)
    assert not path.exists()


def test_a_restored_backup_is_what_its_audit_says(new_database: New, tmp_path: Path) -> None:
    """A backup made during writes, put in the place of the catalogue as the documents say."""
    db = new_database("sqlite")
    world = build_world(db)
    ends, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        while not ends.is_set():
            with db.write() as tx:
                change = wire.ImagePatch(description=f"text {written}")
                row = images.IMAGES.row_for_change(tx, CONSOLE, str(world.images["open"]))
                images.edit_image(tx, CONSOLE, row, change)
                users.create_user(tx, CONSOLE, wire.NewUser(username=f"user-{written}"))
            written += 1

    writer = threading.Thread(target=write)
    writer.start()
    folder = tmp_path / "backups"
    folder.mkdir()
    try:
        while written < 5 and writer.is_alive():
            ends.wait(0.001)
        copy = backup_into(db, folder, 3)
        while written < 10 and writer.is_alive():
            ends.wait(0.001)
        assert writer.is_alive()
    finally:
        ends.set()
        writer.join()
    path = Path(db.url.removeprefix("sqlite:///"))
    db.close()
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    shutil.copy(copy, path)

    restored = Database(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as rows:
        said: dict[str, str] = {}
        names = []
        for action, changes in rows.execute("SELECT action, changes FROM audit ORDER BY sequence"):
            for field, change in json.loads(changes).items():
                if action == "image:edit" and field == "description":
                    said["description"] = change["after"]
                if action == "user:create" and field == "username":
                    names.append(change["after"])
        [(text,)] = rows.execute("SELECT description FROM images WHERE slug = 'open-image'")
        found = [name for (name,) in rows.execute("SELECT username FROM users ORDER BY id")]
    last = int(text.removeprefix("text "))
    assert said == {"description": text}
    assert 4 <= last < written
    assert [name for name in names if name.startswith("user-")] == [
        f"user-{number}" for number in range(last + 1)
    ]
    assert {*names} <= {*found}
    out = exported(restored)
    assert import_catalogue(new_database("sqlite"), out.splitlines()) == out.count(b"\n") - 1
    restored.close()


def test_old_backups_of_a_folder_go_once_a_new_one_is_complete(
    new_database: New, tmp_path: Path
) -> None:
    db, folder = new_database("sqlite"), tmp_path / "backups"
    folder.mkdir()
    (folder / "goldenrod.db").write_text("somebody's own")
    made = []
    for day in range(1, 5):
        with time_machine.travel(datetime(2026, 3, day, 3, tzinfo=UTC), tick=False):
            made.append(backup_into(db, folder, 2))
            with pytest.raises(Conflict, match="exists already"):
                backup_into(db, folder, 1)
    assert {*folder.iterdir()} == {*made[-2:], folder / "goldenrod.db"}
    assert made[-1].name == "goldenrod-2026-03-04T03-00-00Z.db"

    # A database that is damaged replaces no backup.
    build_world(db)
    path = Path(db.url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = "SELECT rootpage FROM sqlite_master WHERE name = 'uq_machines_offered'"
        (page,) = raw.execute(root).fetchone()
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 64)
    before = {one: one.read_bytes() for one in folder.iterdir()}
    with pytest.raises(Conflict, match="damaged"):
        backup_into(db, folder, 1)
    assert {one: one.read_bytes() for one in folder.iterdir()} == before
