"""Files with a whole catalogue: exports, and backups of a SQLite database.

Only the owner of a file may read it. A file is written under a temporary name in the same directory,
flushed to the disk and then renamed, so an incomplete file never has the final name.
`export_import.py` has what an exported file contains.
"""

import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from goldenrod.base.errors import BadRequest, Conflict
from goldenrod.catalogue.transfer.export_import import Progress, export_catalogue
from goldenrod.store.db import Database


def export_to_file(
    db: Database, path: Path, *, credentials: bool = True, progress: Progress | None = None
) -> int:
    """Export the whole catalogue to a file, replacing an existing one. Returns the number of rows.

    A device or pipe, such as /dev/stdout, is written to and not replaced.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as out:
            return export_catalogue(db, out, credentials=credentials, progress=progress)
    with _temporary_file(path) as temporary:
        with temporary.open("wb") as out:
            done = export_catalogue(db, out, credentials=credentials, progress=progress)
        _flush(temporary)
        temporary.replace(path)
    return done


def backup(db: Database, path: Path) -> None:
    """Copy a SQLite catalogue as of one moment, while others read and write. The copy is checked.

    Raises BadRequest (`backup_not_offered`) on PostgreSQL, Conflict (`backup_file_exists`,
    `backup_damaged`).
    """
    if db.dialect != "sqlite":
        raise BadRequest(
            "This catalogue is in PostgreSQL: back it up with pg_dump, or write it to a file with "
            "`goldenrod export`.",
            code="backup_not_offered",
        )
    _require_free(path)
    with _temporary_file(path) as temporary:
        with db.connection() as source, closing(sqlite3.connect(temporary)) as target:
            source.backup(target)
            # Without WAL, the copy is a single file.
            target.execute("PRAGMA journal_mode = DELETE")
            _require_sound(target)
        _flush(temporary)
        _rename(temporary, path)


def backup_into(db: Database, folder: Path, keep: int) -> Path:
    """Write a backup into a folder, named by the time, and delete all but the newest `keep` of them.

    Nothing is deleted before the new backup is complete. Returns its path. Raises as `backup` does.
    """
    path = folder / f"goldenrod-{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}.db"
    backup(db, path)
    earlier = sorted(one for one in folder.iterdir() if _DATED.fullmatch(one.name))
    for old in earlier[:-keep]:
        old.unlink()
    return path


_DATED = re.compile(r"goldenrod-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.db")


def _require_sound(copy: sqlite3.Connection) -> None:
    try:
        found = [row[0] for row in copy.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        raise Conflict(
            f"The database is damaged, so no backup was written: {'; '.join(found)[:500]}. Earlier "
            "backups are not changed.",
            code="backup_damaged",
        )


def _require_free(path: Path) -> None:
    if os.path.lexists(path):
        raise Conflict(
            f"The file {path} exists already. A backup never overwrites a file; choose another name.",
            code="backup_file_exists",
        )


def _rename(temporary: Path, path: Path) -> None:
    """Give the file its final name, unless a file of that name exists by now."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        _require_free(path)
    except OSError:
        # The file system has no hard links.
        _require_free(path)
        temporary.replace(path)


@contextmanager
def _temporary_file(path: Path) -> Iterator[Path]:
    """An empty file of mode 0600 in the same directory, deleted at the end unless it was renamed."""
    file, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(file)
    temporary = Path(name)
    try:
        yield temporary
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
