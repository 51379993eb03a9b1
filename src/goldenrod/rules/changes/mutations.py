"""What changes have in common: new ids, dates, slugs, and which fields a body gives.

`access.py` decides who may change what, not these functions.
"""

import secrets
import string
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Table, select

from goldenrod.base import decode
from goldenrod.base.clock import Instant
from goldenrod.base.errors import Conflict, field_problem
from goldenrod.base.faults import Faults
from goldenrod.base.text import is_slug, slug
from goldenrod.rules.resources import SLUGS
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import param


class Created(NamedTuple):
    """The result of a POST: the public id, whether it is new, and further ids for its answer (stored
    with an Idempotency-Key)."""

    key: str
    new: bool = True
    extra: Mapping[str, Any] = MappingProxyType({})


RESERVED_SLUGS = frozenset({"new", "edit", "search", "feed", "compare", "versions", "channels"})
"""Words that URLs of pages have in the place of a slug."""

_RANDOM = string.ascii_lowercase + string.digits


def new_uuid() -> str:
    """A UUIDv7: sorted by its time of creation, to the millisecond."""
    random = secrets.randbits(74)
    value = (time.time_ns() // 1_000_000) << 80
    value |= 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | (random & (1 << 62) - 1)
    return str(UUID(int=value))


def given(body: Struct) -> dict[str, Any]:
    """The fields that a body gives, by name."""
    values = ((name, getattr(body, name)) for name in body.__struct_fields__)
    return {name: value for name, value in values if value is not UNSET}


def start(tx: Tx, text: str | None, within: str = "") -> Instant:
    """The start_date of a new resource: now where none is given."""
    return tx.now if text is None else decode.instant(f"{within}start_date", text)


def end(text: str | None, within: str = "") -> Instant | None:
    """An end_date of a body."""
    return None if text is None else decode.instant(f"{within}end_date", text)


def in_order(start_date: str, end_date: str | None, within: str = "") -> None:
    """Raise BadRequest where the end is before the start."""
    if end_date is not None and end_date < start_date:
        raise field_problem(f"{within}end_date", "must not be before start_date")


def dates(
    faults: Faults, tx: Tx, start_date: str | None, end_date: str | None, within: str = ""
) -> tuple[Instant, Instant | None]:
    """The dates of a new resource, in order."""
    begins = faults.of(start, tx, start_date, within)
    ends = faults.of(end, end_date, within)
    if begins is not None:
        faults.of(in_order, begins, ends, within)
    return begins, ends


def new_dates(
    faults: Faults, row: Row, start_date: str | UnsetType, end_date: str | None | UnsetType
) -> dict[str, Instant | None]:
    """The dates of a thing after a PATCH, in order where the PATCH changes one."""
    dates: dict[str, Any] = {
        "start_date": row["start_date"],
        "end_date": row["end_date"],
    }
    before = dict(dates)
    if not isinstance(start_date, UnsetType):
        dates["start_date"] = faults.of(decode.instant, "start_date", start_date)
    if not isinstance(end_date, UnsetType):
        dates["end_date"] = faults.of(end, end_date)
    if dates != before and dates["start_date"] is not None:
        faults.of(in_order, dates["start_date"], dates["end_date"])
    return dates


def has_ended(tx: Tx, row: Row) -> bool:
    """The end_date is past, so that DELETE has nothing to do."""
    return row["end_date"] is not None and row["end_date"] <= tx.now


def _slug_owner(table: Table) -> Any:
    slugs = SLUGS[table.name]
    return select(_owner(table)).where(slugs.c.slug == param("slug"))


def _owner(table: Table) -> Any:
    return next(column for column in SLUGS[table.name].c if column.name != "slug")


def new_slug(tx: Tx, table: Table, name: str) -> str:
    """A free slug from a name: with four random characters where it is taken."""
    free = slug(name, fallback=table.name.removesuffix("s"))
    while free in RESERVED_SLUGS or tx.value(_slug_owner, table, slug=free) is not None:
        tail = "".join(secrets.choice(_RANDOM) for _ in range(4))
        free = f"{slug(name, fallback=table.name.removesuffix('s'))[:59].rstrip('-')}-{tail}"
    return free


def checked_slug(asked: str) -> str:
    """The slug, if it has the form of one. Raises BadRequest."""
    if not is_slug(asked):
        raise field_problem(
            "slug", "has 1 to 64 of a-z, 0-9 and -, at least one letter, and is no UUID"
        )
    return asked


def free_slug(tx: Tx, table: Table, asked: str, thing_id: int | None = None) -> str:
    """The slug, if it is free or was this thing's before. Raises Conflict."""
    owner = tx.value(_slug_owner, table, slug=asked)
    if asked in RESERVED_SLUGS or (owner is not None and owner != thing_id):
        raise Conflict(f"The slug {asked!r} is taken or reserved.", code="slug_unavailable")
    return asked


def reserve_slug(tx: Tx, table: Table, thing_id: int, new: str) -> None:
    """Reserve a slug for this resource for good."""
    if tx.value(_slug_owner, table, slug=new) is None:
        tx.insert(SLUGS[table.name], slug=new, **{_owner(table).name: thing_id})
