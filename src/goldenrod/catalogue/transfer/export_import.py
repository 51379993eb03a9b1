"""Exports a whole catalogue as lines of JSON, and imports it into another database.

An export is one snapshot. Each table comes after the tables that it refers to, its rows ordered by
primary key. The same catalogue gives the same bytes on SQLite and PostgreSQL.

An import needs an empty catalogue and is one transaction; an error names its line. The search index and
the denormalised columns are computed again. New ids continue after the exported catalogue's, so no id
is ever used twice. `jsonl_format.py` has the format of a line, `backup.py` writes files, and
`store/bulk.py` has what differs between the databases.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any, BinaryIO, NamedTuple

from msgspec import UNSET
from sqlalchemy import Table, select

from goldenrod.base.errors import Conflict
from goldenrod.base.text import name_key
from goldenrod.catalogue import search
from goldenrod.catalogue.transfer.jsonl_format import (
    CREDENTIAL_TABLES,
    Header,
    TableSummary,
    bad_line,
    exported_tables,
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
"""Called from time to time with the number of rows done, and their total."""


class Line(NamedTuple):
    """A row that was read, with the number of its line."""

    number: int
    table: Table
    row: Row


class ForwardReference(NamedTuple):
    """A reference to a row of the same table that comes later in the file."""

    number: int
    table: Table
    column: str
    key: int
    target: int


def export_catalogue(
    db: Database, out: BinaryIO, *, credentials: bool = True, progress: Progress | None = None
) -> int:
    """Write the whole catalogue. Returns the number of rows.

    Without `credentials`, the export has no password hashes, tokens, accounts of identity providers or
    webhooks, not even in audit entries: nobody can sign in to its import, and it sends nothing.
    """
    omitted = frozenset() if credentials else CREDENTIAL_TABLES
    done = 0
    with db.read() as tx:
        summaries = {
            table.name: _summary(tx, table, table.name in omitted) for table in exported_tables()
        }
        total = sum(summary.rows for summary in summaries.values())
        out.write(write_header(summaries))
        for table in exported_tables():
            if table.name in omitted:
                continue
            for row in bulk.rows(tx, table):
                out.write(write_row(table, row if credentials else without_credentials(table, row)))
                done += 1
                if progress and (done % bulk.BATCH == 0 or done == total):
                    progress(done, total)
    return done


def _summary(tx: Tx, table: Table, omitted: bool) -> TableSummary:
    gives_ids = table.autoincrement_column is not None
    return TableSummary(
        rows=0 if omitted else bulk.count(tx, table),
        next_id=bulk.next_id(tx, table) if gives_ids else UNSET,
    )


def import_catalogue(db: Database, lines: Iterable[bytes], progress: Progress | None = None) -> int:
    """Import an exported catalogue into an empty one, in one transaction. Returns the number of rows.

    Raises Conflict (`catalogue_not_empty`), BadRequest (`import_line_invalid`, which names the line and
    what is wrong with it).
    """
    numbered = enumerate(lines, 1)
    with db.write() as tx:
        _require_empty(tx)
        header = read_header(next(numbered, (1, b""))[1])
        missing = {name: table.rows for name, table in header.tables.items()}
        forward: list[ForwardReference] = []
        total, done = sum(missing.values()), 0
        for batch in _batches(_read(numbered, missing)):
            forward += _load(tx, batch)
            done += len(batch)
            if progress:
                progress(done, total)
        for name, count in missing.items():
            if count:
                raise bad_line(
                    done + 1, f"the file ends here, but {count} rows of {name} are missing"
                )
        for reference in forward:
            _set_reference(tx, reference)
        denormalised.refresh_all(tx)
        _index(tx)
        _set_next_ids(tx, header)
    return done


def _require_empty(tx: Tx) -> None:
    for table in exported_tables():
        if not bulk.is_empty(tx, table):
            raise Conflict(
                f"This catalogue is not empty: it has rows in {table.name}. Import into a new one.",
                code="catalogue_not_empty",
            )


def _read(numbered: Iterable[tuple[int, bytes]], missing: dict[str, int]) -> Iterator[Line]:
    """The rows. Each is subtracted from its table's number in `missing`."""
    tables = {table.name: table for table in exported_tables()}
    for number, line in numbered:
        table, row = read_row(number, line, tables)
        missing[table.name] -= 1
        if missing[table.name] < 0:
            raise bad_line(number, f"the first line announces fewer rows of {table.name}")
        row |= {key: name_key(row[name]) for key, name in _keys(table)}
        if table is schema.versions:
            row |= denormalised.initial(row["user_id"], row["start_date"])
        elif table is schema.images:
            row |= {"one_line": False, "newest_release": None}  # found at the end
        yield Line(number, table, row)


def _keys(table: Table) -> Iterator[tuple[str, str]]:
    """The columns by which a table's names compare, and the columns with the names.

    They are computed again, so that names compare as this release has it.
    """
    for key, names in (("name_key", ("name", "username")), ("title_key", ("title",))):
        if key in table.c:
            yield from ((key, name) for name in names if name in table.c)


def _batches(read: Iterator[Line]) -> Iterator[list[Line]]:
    """Successive rows of the same table, at most `bulk.BATCH` at once."""
    for _, group in groupby(read, lambda line: line.table.name):
        while batch := list(islice(group, bulk.BATCH)):
            yield batch


def _load(tx: Tx, batch: list[Line]) -> list[ForwardReference]:
    """Insert a batch without its forward references, and return those."""
    forward = [reference for line in batch for reference in _remove_forward(line)]
    try:
        bulk.load(tx, batch[0].table, [line.row for line in batch])
    except bulk.Refused as refused:
        number = next(line.number for line in batch if line.row is refused.row)
        raise bad_line(number, refused.reason) from None
    return forward


def _remove_forward(line: Line) -> Iterator[ForwardReference]:
    """Clear the references of a row to rows of its own table that have a higher key."""
    key = line.table.autoincrement_column
    if key is None:
        return
    for column in line.table.c:
        target = line.row[column.name]
        if target is not None and column.references(key) and target > line.row[key.name]:
            line.row[column.name] = None
            yield ForwardReference(line.number, line.table, column.name, line.row[key.name], target)


def _set_reference(tx: Tx, forward: ForwardReference) -> None:
    """Set a forward reference. Raises BadRequest where its row is missing or descends from this one."""
    key = forward.table.autoincrement_column
    assert key is not None
    at: int | None = forward.target
    while at is not None:
        row = tx.first(_referenced, forward.table, key.name, forward.column, key=at)
        if row is None:
            reason = f"there is no such row of {forward.table.name}"
            raise bad_line(forward.number, f"{forward.column} {forward.target}: {reason}")
        at = row[forward.column]
        if at == forward.key:
            raise bad_line(
                forward.number, f"{forward.column} {forward.target}: descends from this row"
            )
    tx.update(forward.table, {key.name: forward.key}, **{forward.column: forward.target})


def _referenced(table: Table, key: str, column: str) -> Any:
    return select(table.c[column]).where(table.c[key] == param("key", Key))


def _index(tx: Tx) -> None:
    """Build the search index."""
    for image in bulk.rows(tx, schema.images):
        search.index_image(tx, image["id"])
    for version in bulk.rows(tx, schema.versions):
        search.index_version(tx, version["n"], version["name"], version["change_log"])


def _set_next_ids(tx: Tx, header: Header) -> None:
    """Continue the ids where the exported catalogue had got to."""
    for table in exported_tables():
        next_id = header.tables[table.name].next_id
        if next_id is not UNSET:
            bulk.set_next_id(tx, table, next_id)
