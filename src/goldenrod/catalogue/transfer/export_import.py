"""Moving a catalogue: all of it out as lines of JSON, and into another database.

An export is one snapshot, tables before those that refer to them, rows by primary key; the same
catalogue is the same bytes on SQLite and PostgreSQL. An import goes into an empty catalogue, all of
it or nothing; what is wrong is told with its line's number. Search words, and what is repeated for
the sake of who sees what, are made anew. Ids go on where they stood, so that none that was ever used
comes again. What a line says is in `lines.py`, files are in `keeping.py`, what the databases do
differently is in `store/bulk.py`.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any, BinaryIO, NamedTuple

from msgspec import UNSET
from sqlalchemy import Table, select

from goldenrod.base.errors import Conflict
from goldenrod.catalogue import search
from goldenrod.catalogue.transfer.jsonl_format import (
    CREDENTIAL_TABLES,
    Header,
    Kept,
    bad_line,
    moved_tables,
    read_header,
    read_row,
    without_credentials,
    write_header,
    write_row,
)
from goldenrod.rules.visibility import denormalised
from goldenrod.store import bulk, schema
from goldenrod.store.db import Database, Row, Tx
from goldenrod.store.sql import Key, param

Progress = Callable[[int, int], None]
"""Told now and then how many rows are done, of how many."""


class Line(NamedTuple):
    """A row as it was read, with the number of its line."""

    number: int
    table: Table
    row: Row


class Later(NamedTuple):
    """A reference within a table to a row that comes further down."""

    number: int
    table: Table
    column: str
    key: int
    target: int


def export_catalogue(
    db: Database, out: BinaryIO, *, credentials: bool = True, progress: Progress | None = None
) -> int:
    """Write the whole catalogue; how many rows.

    Without `credentials`, nobody can sign in from it and nothing is sent from it: password hashes,
    tokens, accounts elsewhere and webhooks are left out, in audit entries too.
    """
    left = frozenset() if credentials else CREDENTIAL_TABLES
    done = 0
    with db.read() as tx:
        kept = {table.name: _kept(tx, table, table.name in left) for table in moved_tables()}
        total = sum(table.rows for table in kept.values())
        out.write(write_header(kept))
        for table in moved_tables():
            if table.name in left:
                continue
            for row in bulk.rows(tx, table):
                out.write(write_row(table, row if credentials else without_credentials(table, row)))
                done += 1
                if progress and (done % bulk.BATCH == 0 or done == total):
                    progress(done, total)
    return done


def _kept(tx: Tx, table: Table, left_out: bool) -> Kept:
    gives_ids = table.autoincrement_column is not None
    return Kept(
        rows=0 if left_out else bulk.count(tx, table),
        next_id=bulk.next_id(tx, table) if gives_ids else UNSET,
    )


def import_catalogue(db: Database, lines: Iterable[bytes], progress: Progress | None = None) -> int:
    """Read an exported catalogue into an empty one, in one transaction; how many rows.

    Raises Conflict (`catalogue_not_empty`), BadRequest (`import_line_invalid`, with the number of
    the line and what is wrong with it).
    """
    numbered = enumerate(lines, 1)
    with db.write() as tx:
        _require_empty(tx)
        header = read_header(next(numbered, (1, b""))[1])
        left = {name: kept.rows for name, kept in header.tables.items()}
        later: list[Later] = []
        total, done = sum(left.values()), 0
        for batch in _batches(_read(numbered, left)):
            later += _load(tx, batch)
            done += len(batch)
            if progress:
                progress(done, total)
        for name, missing in left.items():
            if missing:
                raise bad_line(
                    done + 1, f"the file ends here, but {missing} rows of {name} are missing"
                )
        for reference in later:
            _point(tx, reference)
        denormalised.refresh_all(tx)
        _index(tx)
        _go_on(tx, header)
    return done


def _require_empty(tx: Tx) -> None:
    for table in moved_tables():
        if not bulk.is_empty(tx, table):
            raise Conflict(
                f"This catalogue is not empty, it has rows in {table.name}: import into a new one.",
                code="catalogue_not_empty",
            )


def _read(numbered: Iterable[tuple[int, bytes]], left: dict[str, int]) -> Iterator[Line]:
    """The rows, counted down in `left`."""
    tables = {table.name: table for table in moved_tables()}
    for number, line in numbered:
        table, row = read_row(number, line, tables)
        left[table.name] -= 1
        if left[table.name] < 0:
            raise bad_line(number, f"the first line announces fewer rows of {table.name}")
        if table is schema.versions:
            row |= denormalised.until_set(row["user_id"], row["start_date"])
        yield Line(number, table, row)


def _batches(read: Iterator[Line]) -> Iterator[list[Line]]:
    """Neighbouring rows of one table, not too many at once."""
    for _, group in groupby(read, lambda line: line.table.name):
        while batch := list(islice(group, bulk.BATCH)):
            yield batch


def _load(tx: Tx, batch: list[Line]) -> list[Later]:
    """Insert a batch, without references to what comes further down: those are returned."""
    later = [reference for line in batch for reference in _set_aside(line)]
    try:
        bulk.load(tx, batch[0].table, [line.row for line in batch])
    except bulk.Refused as refused:
        number = next(line.number for line in batch if line.row is refused.row)
        raise bad_line(number, refused.reason) from None
    return later


def _set_aside(line: Line) -> Iterator[Later]:
    """Take out of a row what it refers to in its own table, where that has a higher key."""
    key = line.table.autoincrement_column
    if key is None:
        return
    for column in line.table.c:
        target = line.row[column.name]
        if target is not None and column.references(key) and target > line.row[key.name]:
            line.row[column.name] = None
            yield Later(line.number, line.table, column.name, line.row[key.name], target)


def _point(tx: Tx, later: Later) -> None:
    """Set a reference that was set aside. Raises BadRequest where it dangles or closes a circle."""
    key = later.table.autoincrement_column
    assert key is not None
    at: int | None = later.target
    while at is not None:
        row = tx.first(_pointed, later.table, key.name, later.column, key=at)
        if row is None:
            reason = f"there is no such row of {later.table.name}"
            raise bad_line(later.number, f"{later.column} {later.target}: {reason}")
        at = row[later.column]
        if at == later.key:
            raise bad_line(later.number, f"{later.column} {later.target}: descends from this row")
    tx.update(later.table, {key.name: later.key}, **{later.column: later.target})


def _pointed(table: Table, key: str, column: str) -> Any:
    return select(table.c[column]).where(table.c[key] == param("key", Key))


def _index(tx: Tx) -> None:
    """Make the search words of everything."""
    for image in bulk.rows(tx, schema.images):
        search.index_image(tx, image["id"])
    for version in bulk.rows(tx, schema.versions):
        search.index_version(tx, version["n"], version["name"], version["change_log"])


def _go_on(tx: Tx, header: Header) -> None:
    """Let ids go on where they stood when the export was written."""
    for table in moved_tables():
        next_id = header.tables[table.name].next_id
        if next_id is not UNSET:
            bulk.set_next_id(tx, table, next_id)
