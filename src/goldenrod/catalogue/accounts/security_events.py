"""Security events as staff read them, and those that the operator's commands bring.

`rules/changes/security_log.py` has what they are and how they are bounded.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, true

from goldenrod.rules import filters, resources, summaries
from goldenrod.rules.access import CONSOLE, Actor, ReaderKind
from goldenrod.rules.changes import security_log
from goldenrod.store import schema
from goldenrod.store.db import Database, Tx
from goldenrod.store.paging import Listing, Page, Query
from goldenrod.store.sql import as_json, json_object


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


def note_export(db: Database, *, credentials: bool) -> None:
    """Record that the whole catalogue is about to be exported from the console."""
    with db.write_unversioned() as tx:
        security_log.record(tx, "export:run", CONSOLE, credentials=credentials)


def note_backup(db: Database) -> None:
    """Record that the database is about to be copied from the console."""
    with db.write_unversioned() as tx:
        security_log.record(tx, "backup:run", CONSOLE)
