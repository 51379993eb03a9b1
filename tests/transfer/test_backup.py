"""Files with a whole catalogue: they are complete, and only their owner may read them."""

import sqlite3
import stat
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from goldenrod.base import wire
from goldenrod.base.errors import BadRequest, Conflict
from goldenrod.catalogue.accounts import users
from goldenrod.catalogue.transfer.backup import backup, export_to_file
from goldenrod.catalogue.transfer.export_import import export_catalogue
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
