"""Keeping a catalogue: files that hold all of it, readable by their owner alone.

A file is written under a temporary name beside its place, reaches the disk, and only then takes its
name: there is never half of one. `transfer.py` is what an exported file holds.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from goldenrod.base.errors import BadRequest, Conflict
from goldenrod.catalogue.transfer.export_import import Progress, export_catalogue
from goldenrod.store.db import Database


def export_to_file(
    db: Database, path: Path, *, credentials: bool = True, progress: Progress | None = None
) -> int:
    """Write the whole catalogue to a file, in place of what is there; how many rows."""
    with _beside(path) as temporary:
        with temporary.open("wb") as out:
            done = export_catalogue(db, out, credentials=credentials, progress=progress)
        _reach_disk(temporary)
        temporary.replace(path)
    return done


def backup(db: Database, path: Path) -> None:
    """Copy a SQLite catalogue as it is at one moment, while others go on reading and writing.

    Raises BadRequest (`backup_not_offered`) on PostgreSQL, Conflict (`backup_file_exists`).
    """
    if db.dialect != "sqlite":
        raise BadRequest(
            "This catalogue is in PostgreSQL: back it up with pg_dump, or write it to a file with "
            "`goldenrod export`.",
            code="backup_not_offered",
        )
    _require_free(path)
    with _beside(path) as temporary:
        with db.connection() as source, closing(sqlite3.connect(temporary)) as target:
            source.backup(target)
            # One file: the copy is not to need others beside it.
            target.execute("PRAGMA journal_mode = DELETE")
        _reach_disk(temporary)
        _name(temporary, path)


def _require_free(path: Path) -> None:
    if os.path.lexists(path):
        raise Conflict(
            f"There is a file {path} already. A backup overwrites nothing: name another.",
            code="backup_file_exists",
        )


def _name(temporary: Path, path: Path) -> None:
    """Give a file its name, unless something has it by now."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        _require_free(path)
    except OSError:
        # A file system without hard links.
        _require_free(path)
        temporary.replace(path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """An empty file of mode 0600 in the same directory, gone afterwards if it has its old name."""
    file, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(file)
    temporary = Path(name)
    try:
        yield temporary
        _reach_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _reach_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
