"""What to use instead of a version that is revoked, deprecated or ended.

That is its replacement, if it can be used itself; else what `latest` of the version's image offers the
reader; else what `latest` of the replacement's image offers. A replacement that was revoked, or has
ended, since it was named is never recommended.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, false, func, select

from goldenrod.rules import access, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.lifecycle import channel_targets, states
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Id, Key, in_list, json_text, param


@dataclass(frozen=True)
class Instead:
    """What to use instead of a version; the reader may read all of it."""

    version: Row | None
    """The summary of a version; None if there is nothing to recommend."""
    all_revoked: bool
    """Every version of the image that is released, and that the reader may read, is revoked."""
    replacement_image: int | None = None
    """The id of the replacement's image, from which the version may be."""

    def is_by(self, replacement: Row | None) -> bool:
        """The version is the one that the editors named as the replacement."""
        return bool(self.version and replacement and self.version["id"] == replacement["id"])


NOTHING = Instead(None, False)


def version_key(version: FromClause, reader: ReaderKind) -> ColumnElement[int]:
    """The key of the version to use instead of this one; null for none."""
    replacement, other = schema.versions.alias(), schema.versions.alias()
    usable = select(replacement.c.n).where(
        replacement.c.n == version.c.replacement_n,
        access.readable(replacement, reader),
        access.open_now(replacement),
        ~states.revoked(replacement),
    )
    latest = channel_targets.latest(version.c.image_id, reader)
    elsewhere = select(channel_targets.latest(other.c.image_id, reader)).where(
        other.c.n == version.c.replacement_n, access.readable(other, reader)
    )
    return func.coalesce(
        usable.correlate_except(replacement).scalar_subquery(),
        latest,
        elsewhere.correlate_except(other).scalar_subquery(),
    )


def all_revoked(image_id: ColumnElement[int], reader: ReaderKind) -> ColumnElement[bool]:
    """The image has revoked versions, and every other one that is released is revoked too, as far as
    the reader sees."""
    version, revoked = schema.versions.alias(), schema.versions.alias()

    def released(it: FromClause) -> ColumnElement[bool]:
        return and_(it.c.image_id == image_id, access.open_now(it), access.readable(it, reader))

    some = exists().where(released(revoked), states.revoked(revoked)).correlate_except(revoked)
    other = exists().where(released(version), ~states.revoked(version)).correlate_except(version)
    # An image has many versions and few of them are revoked. SQLite would compute both sides of an AND.
    return case((other, false()), else_=some)


def columns(version: FromClause, reader: ReaderKind) -> list[ColumnElement[Any]]:
    """What `of_row` needs of a statement that has the version."""
    shown = summaries.version_of(version_key(version, reader), reader)
    everything = all_revoked(version.c.image_id, reader)
    return [
        json_text(shown).label("instead"),
        everything.label("all_revoked"),
        summaries.image_of(version.c.replacement_n).label("replacement_image"),
    ]


def of_row(row: Row) -> Instead:
    """What to use instead, of a row with `columns`."""
    version = json.loads(row["instead"]) if row["instead"] else None
    return Instead(version, bool(row["all_revoked"]), row["replacement_image"])


def _instead(reader: ReaderKind) -> Any:
    version = schema.versions.alias()
    return select(version.c.id, *columns(version, reader)).where(
        in_list(version.c.id, "ids", Id()), access.readable(version, reader)
    )


def find_instead(tx: Tx, actor: Actor, ids: Iterable[str]) -> dict[str, Instead]:
    """What to use instead of each of these versions, by id. One statement; none without ids."""
    found: dict[str, Instead] = {}
    asked = sorted(set(ids))
    if asked:
        given = resources.params(tx, actor)
        for row in tx.rows(_instead, actor.reader, ids=asked, **given):
            found[row["id"]] = of_row(row)
    return found


def _image_revoked(reader: ReaderKind) -> Any:
    image = schema.images.alias()
    return select(all_revoked(image.c.id, reader)).where(
        image.c.id == param("image", Key), access.readable(image, reader)
    )


def is_all_revoked(tx: Tx, actor: Actor, image_id: int) -> bool:
    """Whether every released version of an image, as far as the reader sees, is revoked."""
    given = resources.params(tx, actor)
    return bool(tx.value(_image_revoked, actor.reader, image=image_id, **given))


def of_channel(
    tx: Tx, actor: Actor, image_id: int, channel: Row | None
) -> tuple[Instead | None, bool]:
    """What to use instead of the revoked version at which a channel stopped; and whether the channel
    offers nothing because every version of its image is revoked."""
    if channel is None:
        return None, False
    if channel["stopped"]:
        key = channel["stopped"]["version"]["id"]
        return find_instead(tx, actor, [key]).get(key), False
    return None, not channel["target"] and is_all_revoked(tx, actor, image_id)
