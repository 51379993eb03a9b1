"""The names of versions: which are free in an image, and which version a name means.

A name that a version ever had in an image means that version for good, so that a pinned name never
means another build. `former_names` has those that it had before it was renamed, or moved to another
image.
"""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, func, or_, select

from goldenrod.base import decode
from goldenrod.base.errors import Conflict, field_problem
from goldenrod.base.text import filter_key, is_uuid, name_key
from goldenrod.rules import access, resources
from goldenrod.rules.access import ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Filter, Wanted
from goldenrod.store.sql import Key, Sortable, among, param


def checked(given: str, stored: str | None = None) -> str:
    """A valid version name: not `.` or `..`, which have a meaning in URLs, and not in the form of a
    UUID, which in an address is a version's id. The `stored` one may stay as it is."""
    name = decode.name("name", given, stored)
    if name == stored:
        return name
    if name_key(name) in (".", ".."):
        raise field_problem("name", "must not be . or ..")
    if is_uuid(name_key(name)):
        raise field_problem("name", "must not have the form of a UUID, which is a version's id")
    return name


def require_free(tx: Tx, image_id: int, name: str, n: int = 0) -> None:
    """Raise Conflict where another version than `n` has or had this name in the image."""
    meant = tx.rows(_in_image, image=image_id, key=name_key(name))
    if any(row["n"] != n for row in meant):
        raise Conflict(
            f"Another version of this image has or had the name {name!r}, perhaps one that has ended. "
            "Names are never reused.",
            code="version_name_taken",
        )


def _in_image() -> Any:
    version, former = schema.versions, schema.former_names
    key = param("key", Sortable)
    present = select(version.c.n).where(
        version.c.image_id == param("image", Key), version.c.name_key == key
    )
    return present.union_all(
        select(former.c.version_n).where(
            former.c.image_id == param("image", Key), former.c.name_key == key
        )
    )


def record_change(tx: Tx, row: Row, after: Row) -> None:
    """Keep the name that the version of `row` loses by being renamed or moved."""
    then = {**row, **after}
    if all(row[column] == then[column] for column in ("image_id", "name_key")):
        return
    # It may get back a name that it had before.
    tx.delete(schema.former_names, image_id=then["image_id"], name_key=then["name_key"])
    tx.insert(
        schema.former_names,
        image_id=row["image_id"],
        name_key=row["name_key"],
        name=row["name"],
        version_n=row["n"],
    )


def meant_by(image_form: str, reader: ReaderKind) -> Any:
    """The internal key of the version that the name `version` means in the image with `key`. A former
    name counts for readers of that image, because the version may be in another one by now."""
    version, former = schema.versions.alias(), schema.former_names.alias()
    name = param("version", Sortable)
    image, once = schema.images.alias(), schema.images.alias()
    present = select(version.c.n).where(
        resources.named(image, schema.images, image_form),
        version.c.image_id == image.c.id,
        version.c.name_key == name,
    )
    before = select(former.c.version_n).where(
        resources.named(once, schema.images, image_form),
        access.readable(once, reader),
        former.c.image_id == once.c.id,
        former.c.name_key == name,
    )
    return func.coalesce(present.scalar_subquery(), before.scalar_subquery())


def _named(thing: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    former, version = schema.former_names.alias(), schema.versions.alias()
    key = param("f_name", Sortable)
    # Not those of another image: its readers may be others than those of the version.
    before = select(former.c.version_n).where(
        former.c.name_key == key,
        version.c.n == former.c.version_n,
        version.c.image_id == former.c.image_id,
    )
    return or_(thing.c.name_key == key, among(thing.c.n, before))


FILTER = Filter(
    "a whole name, also one that the version had before in its image",
    lambda given: Wanted("", {"f_name": filter_key(given)}),
    _named,
)
"""The filter `name` of lists of versions."""


# ── a likely name ──────────────────────────────────────────────────────────────────────────

_DATE = re.compile(r"(?<!\d)20\d\d([-.]?)[01]\d\1[0-3]\d(?!\d)")
_LAST_NUMBER = re.compile(r"\d{1,18}(?=\D*\Z)")


def likely_next(names: Sequence[str], now: str) -> str:
    """A name that a next version may have, after these names, newest first: with today's date where
    the newest has a date, else with its last number increased. Empty if nothing suggests itself."""
    if not names:
        return ""
    taken = set(names)
    if dated := _DATE.search(names[0]):
        day = dated[1].join((now[:4], now[5:7], now[8:10]))
        likely = names[0][: dated.start()] + day + names[0][dated.end() :]
        return "" if likely in taken else likely
    likely = names[0]
    while likely in taken and (last := _LAST_NUMBER.search(likely)):
        number = str(int(last[0]) + 1).zfill(len(last[0]))
        likely = likely[: last.start()] + number + likely[last.end() :]
    return "" if likely in taken else likely
