"""The format of an exported catalogue: writes and reads its lines.

The first line (`Header`) has the format, the schema's revision and, for each table, its number of rows
and its next id. Each other line is one row without its denormalised columns. Instants, uuids and
booleans have one form, so the same catalogue gives the same bytes on SQLite and PostgreSQL. Reading a
line checks its form and types; the database's constraints check its meaning. `export_import.py` uses
this module.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import BigInteger, Boolean, Column, Integer, Table
from sqlalchemy.types import String, TypeEngine

from goldenrod.base.clock import parse_instant
from goldenrod.base.errors import BadRequest, FieldError
from goldenrod.base.printing import printable_json
from goldenrod.base.text import is_uuid
from goldenrod.store import schema
from goldenrod.store.db import Row
from goldenrod.store.migrate import HEAD
from goldenrod.store.sql import Id, Moment

FORMAT = "goldenrod catalogue"
FORMAT_VERSION = 1

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What PostgreSQL cannot store: NUL and halves of surrogate pairs."""

NOT_EXPORTED = frozenset(
    {
        # Their revisions count the changes of one database, and must never decrease in another.
        *("catalogue", "image_revisions"),
        # Needed for hours only.
        "idempotency",
        "sign_in_failures",
        # Users sign in again.
        "sessions",
        # Personal: which images users follow, and when they last looked.
        *("follows", "visits"),
        # Belongs to one installation, and contains addresses of people.
        "security_events",
        # The lease of the deliverer of one installation.
        "deliverer",
        # What receivers answered lately, to one installation.
        "delivery_attempts",
        # Denormalised: computed again from versions and images.
        "shares",
        "scope_counts",
        "placement_counts",
        # The search index: built again, because its form differs between the databases.
        "image_words",
        "version_words",
    }
)
"""Tables that are not exported. A new table is exported unless it is named here."""

NOT_EXPORTED_COLUMNS: Mapping[str, frozenset[str]] = {
    "images": frozenset({"one_line", "newest_release"}),
    "versions": frozenset(
        {
            *("public", "owner_id", "created_by_id"),
            *("opens_at", "closes_at", "ends_at", "not_current_from", "ended_hint"),
        }
    ),
}
"""Denormalised columns: computed again by an import."""

CREDENTIAL_TABLES = frozenset({"tokens", "webhooks", "deliveries", "oidc_accounts"})
CREDENTIAL_COLUMNS: Mapping[str, frozenset[str]] = {"users": frozenset({"password_hash"})}
"""What an export without credentials omits: all rows of a table; columns, written as null."""

PUBLIC_AUDIT_FIELDS: Mapping[str, frozenset[str]] = {
    "users": frozenset({"username", "is_staff", "active", "staff_from_claims"}),
    **{name: frozenset() for name in (*CREDENTIAL_TABLES, "sessions")},
}
"""The only fields whose changes an export without credentials includes, in audit entries about these
tables. Other fields may reveal the target of a webhook, an account of a provider or an address."""


class TableSummary(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A table in the first line; `next_id` where the table assigns ids."""

    rows: Annotated[int, Meta(ge=0)]
    next_id: Annotated[int, Meta(ge=1, le=2**63 - 1)] | UnsetType = UNSET


class Header(Struct, forbid_unknown_fields=True):
    """The first line."""

    format: str
    version: int
    schema: str
    tables: dict[str, TableSummary]


def bad_line(line: int, reason: str) -> BadRequest:
    """The refusal of an import, with the line and what is wrong with it."""
    return BadRequest(
        f"Line {line}: {reason}. Nothing was imported.",
        code="import_line_invalid",
        errors=(FieldError(f"line {line}", reason),),
    )


def exported_tables() -> list[Table]:
    """The tables that are exported, each after those that it refers to."""
    return [table for table in schema.metadata.sorted_tables if table.name not in NOT_EXPORTED]


def exported_columns(table: Table) -> list[Column[Any]]:
    """The columns of a table that its lines have."""
    omitted = NOT_EXPORTED_COLUMNS.get(table.name, frozenset())
    return [column for column in table.c if column.name not in omitted]


def write_header(tables: dict[str, TableSummary]) -> bytes:
    """The first line of an export."""
    return msgspec.json.encode(Header(FORMAT, FORMAT_VERSION, HEAD, tables)) + b"\n"


def write_row(table: Table, row: Row) -> bytes:
    """The line of a row."""
    values = {column.name: row[column.name] for column in exported_columns(table)}
    line = msgspec.json.encode({"table": str(table.name), **values})
    if not line.isascii() or b"\x7f" in line:
        # An export may go to a terminal, which must not get control characters.
        line = printable_json(line.decode()).encode()
    return line + b"\n"


def without_credentials(table: Table, row: Row) -> Row:
    """A row as it is in an export without credentials."""
    if table is schema.audit and row["subject"] in PUBLIC_AUDIT_FIELDS:
        public = PUBLIC_AUDIT_FIELDS[row["subject"]]
        changes = {name: it for name, it in json.loads(row["changes"]).items() if name in public}
        return row | {"changes": json.dumps(changes, ensure_ascii=False, separators=(",", ":"))}
    return row | dict.fromkeys(CREDENTIAL_COLUMNS.get(table.name, ()))


def read_header(line: bytes) -> Header:
    """The first line, checked. Raises BadRequest."""
    try:
        value = _object(line)
        if value.get("format") != FORMAT:
            raise ValueError("this is not an exported catalogue of Goldenrod")
        if value.get("version") != FORMAT_VERSION or value.get("schema") != HEAD:
            raise ValueError(
                f"another release of Goldenrod wrote this file (format {value.get('version')}, schema "
                f"{value.get('schema')}; this release reads format {FORMAT_VERSION}, schema {HEAD}). "
                "Import it with that release, then upgrade to migrate the catalogue"
            )
        header = msgspec.convert(value, Header)
        _require_names(header.tables, [table.name for table in exported_tables()], "table")
        for table in exported_tables():
            if (table.autoincrement_column is None) is not (
                header.tables[table.name].next_id is UNSET
            ):
                raise ValueError(
                    f"next_id of {table.name} must be given exactly if the table assigns ids"
                )
    except ValueError as wrong:
        raise bad_line(1, str(wrong)) from None
    return header


def read_row(number: int, line: bytes, tables: Mapping[str, Table]) -> tuple[Table, Row]:
    """The table and the values of a line. Raises BadRequest."""
    try:
        value = _object(line)
        name = value.pop("table", None)
        table = tables.get(name) if isinstance(name, str) else None
        if table is None:
            raise ValueError("names no table" if name is None else f"unknown table {name!r}")
        columns = exported_columns(table)
        _require_names(value, [column.name for column in columns], "column")
        return table, {column.name: _checked(column, value[column.name]) for column in columns}
    except ValueError as wrong:
        raise bad_line(number, str(wrong)) from None


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line, object_pairs_hook=_members)
    except UnicodeDecodeError:
        raise ValueError("is not valid UTF-8") from None
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except json.JSONDecodeError as wrong:
        raise ValueError(f"is not valid JSON: {wrong.msg}") from None
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("names a member twice in one object")
    return members


def _require_names(given: Mapping[str, Any], known: list[str], kind: str) -> None:
    for name in given:
        if name not in known:
            raise ValueError(f"unknown {kind} {name!r}")
    for name in known:
        if name not in given:
            raise ValueError(f"{kind} {name!r} is missing")


def _checked(column: Column[Any], value: Any) -> Any:
    if value is None:
        if not column.nullable:
            raise ValueError(f"{column.name} must not be null")
    elif not _fits(column.type, value):
        raise ValueError(f"{column.name} must be {_takes(column.type)}")
    return value


def _fits(kind: TypeEngine[Any], value: Any) -> bool:
    if isinstance(kind, Boolean):
        return isinstance(value, bool)
    if isinstance(kind, Integer):
        return type(value) is int and -_limit(kind) <= value < _limit(kind)
    if not isinstance(value, str):
        return False
    if isinstance(kind, Moment):
        return _is_instant(value)
    if isinstance(kind, Id):
        return is_uuid(value) and value == value.lower()
    if _NO_TEXT.search(value):
        return False
    return not isinstance(kind, String) or kind.length is None or len(value) <= kind.length


def _limit(kind: Integer) -> int:
    return 2**63 if isinstance(kind, BigInteger) else 2**31


def _is_instant(text: str) -> bool:
    try:
        return parse_instant(text) == text
    except ValueError:
        return False


def _takes(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, Boolean):
        return "true or false"
    if isinstance(kind, Integer):
        return f"a whole number of {64 if isinstance(kind, BigInteger) else 32} bits"
    if isinstance(kind, Moment):
        return "an instant in UTC with six digits, such as 2026-03-14T09:20:00.000000Z"
    if isinstance(kind, Id):
        return "a UUID in lower case"
    length = getattr(kind, "length", None)
    return "text without NUL" + (f", of at most {length} characters" if length else "")
