"""The list of security events, which staff may read, and the events of the operator's commands.

`rules/changes/security_log.py` says which events there are, and records them.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, cast, func, select, true

from goldenrod.base import clock
from goldenrod.rules import filters, resources, summaries
from goldenrod.rules.access import CONSOLE, Actor, ReaderKind
from goldenrod.rules.changes import security_log
from goldenrod.store import schema
from goldenrod.store.db import Database, Row, Tx
from goldenrod.store.paging import Listing, Page, Query
from goldenrod.store.sql import Key, Moment, as_json, json_object, json_text, param


def shape(event: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A security event as JSON."""
    return json_object(
        {
            "sequence": event.c.sequence,
            "at": event.c.at,
            "last_at": event.c.last_at,
            "kind": event.c.kind,
            "user": summaries.user(event.c.user_id),
            "via": event.c.via,
            "address": event.c.address,
            "detail": as_json(event.c.detail),
            "count": event.c.count,
        }
    )


LIST = Listing(
    schema.security_events,
    {
        "kind": filters.one_of("kind", security_log.KINDS, lambda event: event.c.kind),
        "user": filters.username("user", lambda event: event.c.user_id),
        "at__gte": filters.since("at__gte", "at"),
        "at__lt": filters.since("at__lt", "at", before=True),
    },
    ("sequence",),
    default="-sequence",
    id="sequence",
)


def _all(event: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    return true()


def list_security_events(tx: Tx, actor: Actor, query: Query) -> Page:
    """A page of the security events. Raises Unauthorized, Forbidden (staff only)."""
    actor.require_staff()
    return resources.page(tx, actor, shape, query, _all)


FAILED = ("sign_in:failure", "sign_in:limited")
MOST_SHOWN = 20


def _failed() -> Any:
    event = schema.security_events.alias()
    count = func.sum(event.c.count)
    return (
        select(
            json_text(summaries.user(event.c.user_id)).label("user"),
            event.c.address,
            cast(count, Key).label("count"),
            func.max(event.c.last_at, type_=Moment()).label("last_at"),
        )
        .where(event.c.kind.in_(FAILED), event.c.at >= param("since", Moment))
        .group_by(event.c.user_id, event.c.address)
        .order_by(count.desc(), func.max(event.c.last_at).desc())
        .limit(param("most"))
    )


def list_failed_sign_ins(tx: Tx, actor: Actor) -> list[Row]:
    """The failed sign-ins of the last 24 hours, by user and address, the most frequent first. `user` is
    None for unknown usernames. Raises Unauthorized, Forbidden (staff only)."""
    actor.require_staff()
    since = clock.later(tx.now, hours=-24)
    rows = tx.rows(_failed, since=since, most=MOST_SHOWN, **resources.params(tx, actor))
    return [resources.decoded(row, "user") for row in rows]


def record_export(db: Database, *, credentials: bool) -> None:
    """Record an export of the whole catalogue from the console, before it starts."""
    with db.write_unversioned() as tx:
        security_log.record(tx, "export:run", CONSOLE, credentials=credentials)


def record_backup(db: Database) -> None:
    """Record a backup of the database from the console, before it starts."""
    with db.write_unversioned() as tx:
        security_log.record(tx, "backup:run", CONSOLE)
