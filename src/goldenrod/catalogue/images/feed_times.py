"""When an image's feed and its entries last changed: `updated` never goes back (RFC 4287 §4.2.15).

The dates of a version can go back: a revocation is restored, a deprecation withdrawn, a start date
set earlier. What was done stays in the audit, so an entry's `updated` is at least the instant of the
last change that its readers can see. The feed's own `updated` counts all versions of the image that
the reader may read, and those that ended, up to their end, as they could be read before.
"""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, exists, func, literal, or_, select, true

from goldenrod.rules import access, resources
from goldenrod.rules.access import NOW, Actor, ReaderKind
from goldenrod.store import schema
from goldenrod.store.db import Tx
from goldenrod.store.sql import Id, Key, earliest, in_list, param

_VERSION_FIELDS = (
    *("name", "change_log", "image", "parent", "start_date", "end_date", "exclude_from_latest"),
    *("deprecated_at", "deprecation_reason", "replacement"),
)
_IMAGE_FIELDS = ("name", "slug", "description", "owner", "owner_id", "start_date", "end_date")


class Times(NamedTuple):
    """When the feed last changed, and when each entry did that was changed at all, by version id."""

    feed: str | None
    entries: dict[str, str]


def last_changes(tx: Tx, actor: Actor, image_id: int, ids: list[str]) -> Times:
    """When the feed of an image, and the entries of these versions that the reader may read, last
    changed. What only dates brought is missing: a version's JSON tells it."""
    given = resources.params(tx, actor)
    rows = tx.rows(_edited, ids=ids, now=tx.now)
    if tx.value(_any_lifted):
        rows += tx.rows(_lifted, ids=ids)
    entries: dict[str, str] = {}
    for row in rows:
        entries[row["id"]] = max(entries.get(row["id"], ""), row["at"])
    feed = tx.first(_feed, actor.reader, image=image_id, **given)
    found = [at for at in feed.values() if at] if feed else []
    return Times(max(found, default=None), entries)


def _gives(entry: FromClause, *fields: str) -> ColumnElement[bool]:
    """The audit entry changes one of these fields. The text cannot stand inside a value, where its
    quotation marks are escaped."""
    return or_(*(entry.c.changes.contains(f'"{field}":{{"before"') for field in fields))


def _shows(entry: FromClause, version: FromClause) -> ColumnElement[bool]:
    """The entry of the audit is about what everybody sees who reads the version."""
    verbs = ("version:revoke", "version:restore", "version:end")
    return and_(
        entry.c.subject == "versions",
        entry.c.subject_id == version.c.n,
        or_(
            entry.c.action.in_(verbs),
            and_(entry.c.action == "version:edit", _gives(entry, *_VERSION_FIELDS)),
        ),
        entry.c.at <= NOW,
    )


def _edited() -> Any:
    version, entry = schema.versions.alias(), schema.audit.alias()
    return (
        select(version.c.id, func.max(entry.c.at).label("at"))
        .select_from(version.join(entry, _shows(entry, version)))
        .where(in_list(version.c.id, "ids", Id()))
        .group_by(version.c.id)
    )


def _any_lifted() -> Any:
    revocation = schema.revocations
    lifted = and_(revocation.c.restored_at.is_not(None), revocation.c.descendants)
    return select(literal(1)).where(exists().where(lifted))


def _lifted() -> Any:
    """When a revocation that applied to a version through an ancestor was last restored."""
    start, above = schema.versions.alias(), schema.versions.alias()
    line = (
        select(start.c.id, start.c.parent_n)
        .where(in_list(start.c.id, "ids", Id()))
        .cte("line", recursive=True)
    )
    line = line.union_all(select(line.c.id, above.c.parent_n).where(above.c.n == line.c.parent_n))
    revocation = schema.revocations.alias()
    return (
        select(line.c.id, func.max(revocation.c.restored_at).label("at"))
        .select_from(line.join(revocation, revocation.c.version_n == line.c.parent_n))
        .where(revocation.c.descendants, revocation.c.restored_at.is_not(None))
        .group_by(line.c.id)
    )


def _feed(reader: ReaderKind) -> Any:
    """The latest of all instants at which the feed changed for this reader."""
    version, entry, reach, notice = (
        schema.versions.alias(),
        schema.audit.alias(),
        schema.revocation_reach.alias(),
        schema.audit.alias(),
    )
    shared: access.Predicate = version.c.public
    if reader is ReaderKind.USER:
        shared = or_(shared, access.shared_with(version))
    if reader is ReaderKind.STAFF:
        shared = true()
    ended = and_(version.c.opens_at < version.c.closes_at, version.c.closes_at <= NOW, shared)
    seen = and_(
        version.c.image_id == param("image", Key), or_(access.readable(version, reader), ended)
    )
    until = earliest(NOW, version.c.closes_at)
    # An end that was set later than it lies shows when it was set.
    shown = and_(
        _shows(entry, version), or_(entry.c.at <= version.c.closes_at, _gives(entry, "end_date"))
    )

    def last(instant: ColumnElement[Any], *of: FromClause) -> ColumnElement[Any]:
        joined: Any = version
        if of:
            joined = version.join(of[0], shown if of[0] is entry else of[0].c.n == version.c.n)
        found = select(func.max(instant)).select_from(joined).where(seen, instant <= NOW)
        return found.scalar_subquery()

    image_changes = and_(
        notice.c.subject == "images",
        notice.c.subject_id == param("image", Key),
        notice.c.at <= NOW,
        notice.c.action.in_(("image:edit", "image:end")),
        _gives(notice, *_IMAGE_FIELDS),
    )
    return select(
        last(version.c.start_date).label("started"),
        last(version.c.closes_at).label("ended"),
        last(entry.c.at, entry).label("edited"),
        select(func.max(version.c.deprecated_at))
        .where(seen, version.c.deprecated_at <= until)
        .scalar_subquery()
        .label("deprecated"),
        select(func.max(reach.c.at))
        .select_from(version.join(reach, reach.c.n == version.c.n))
        .where(seen, reach.c.at <= until)
        .scalar_subquery()
        .label("revoked"),
        select(func.max(notice.c.at)).where(image_changes).scalar_subquery().label("image"),
    )
