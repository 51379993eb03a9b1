"""Files that hold a catalogue are their owner's alone, whatever the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldenrod.base import config
from goldenrod.catalogue.transfer.backup import backup, export_to_file
from goldenrod.cli import check
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate


@pytest.fixture(params=[0o000, 0o022, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}


def opened(path: Path) -> Database:
    db = Database(f"sqlite:///{path}")
    migrate(db)
    return db


def test_the_database_and_what_stands_beside_it_are_private(tmp_path: Path, umask: int) -> None:
    db = opened(tmp_path / "new.db")
    try:
        assert modes(tmp_path) == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), "0o600")
    finally:
        db.close()


def test_backups_and_exports_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        db = opened(tmp_path / "catalogue.db")
        made = tmp_path / "made"
        made.mkdir()
        backup(db, made / "copy.db")
        export_to_file(db, made / "catalogue.jsonl")
        assert modes(made) == {"copy.db": "0o600", "catalogue.jsonl": "0o600"}
        db.close()
    finally:
        os.umask(before)


def test_a_link_to_a_new_file_makes_a_private_one(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    opened(tmp_path / "link.db").close()
    assert modes(tmp_path)["real.db"] == "0o600"


def test_a_file_that_is_there_keeps_its_mode_and_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    opened(path).close()
    settings = config.load({"GOLDENROD_DATABASE_URL": f"sqlite:///{path}"})
    assert check._open_to_others(settings) is None
    for mode in (0o640, 0o604, 0o660, 0o666):
        path.chmod(mode)
        db = opened(path)
        found = check._open_to_others(settings)
        db.close()
        assert oct(mode) == modes(tmp_path)["old.db"]
        assert found is not None
        assert found.id == "goldenrod.W001"
    path.chmod(0o600)
    beside = Path(f"{path}-wal")
    beside.write_bytes(b"")
    beside.chmod(0o644)
    found = check._open_to_others(settings)
    assert found is not None
    assert found.hint == f"chmod 600 {beside}"
