"""The security log: sign-ins, failed sign-ins, refused requests, created tokens, exports.

The audit is separate: it says what was changed, is part of an export and is stored for good. Security
events do not change the revision, are limited in number, and are deleted after `DAYS_STORED`. They
contain no password, secret or unknown username.

The same event within a minute is counted in one row. After `MOST_ALIKE` rows in an hour of one kind
by one user (or address, for unknown users), or `MOST_OF_KIND` of one kind, the rest of that hour is
counted in one row. Each event is also written to the log, a repeated one at every tenfold count.
"""

import hashlib
import json
import logging
import os
from typing import Any

from sqlalchemy import Integer, String, Text, text

from goldenrod.base import clock
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Moment, param

KINDS = (
    "sign_in:success",
    "sign_in:failure",
    "sign_in:limited",
    "access:refused",
    "token:create",
    "token:revoke",
    "session:end",
    "export:run",
    "backup:run",
)
DAYS_STORED = 90
MOST_ALIKE = 60
MOST_OF_KIND = 500
_CLEARED_EVERY = 50
"""Old rows are deleted when a sequence number is a multiple of this."""

log = logging.getLogger("goldenrod.security")


def record(
    tx: Tx,
    kind: str,
    actor: Actor = ANONYMOUS,
    *,
    user_id: int | None = None,
    alike: tuple[str, ...] | None = None,
    **detail: Any,
) -> None:
    """Record an event, in the transaction of what it is about. It is the actor's unless `user_id` is
    given. With `alike`, the same event within a minute is counted in one row."""
    who = user_id or actor.user_id or None
    if actor.kind == "console":
        detail["operator"] = _operator()
    hour = f"{tx.now[:13]}:00:00.000000Z"
    whose = f"user {who}" if who else f"address {tx.address}"
    minute = _bucket(kind, tx.now[:16], str(who), str(tx.address), *alike) if alike else None
    shown = {
        "kind": kind,
        "user_id": who,
        "via": actor.kind,
        "address": tx.address,
        "detail": json.dumps(detail, ensure_ascii=False, separators=(",", ":")),
    }
    row = tx.first(
        _count,
        **shown,
        now=tx.now,
        hour=hour,
        minute=minute,
        alike=_bucket(kind, hour, whose),
        rest=_bucket(kind, hour),
        most_alike=MOST_ALIKE,
        most=MOST_OF_KIND,
        summed='{"rest_of_hour":true}',
    )
    assert row is not None
    if row["sequence"] % _CLEARED_EVERY == 0 and row["count"] == 1:
        tx.change(_old, until=clock.later(tx.now, days=-DAYS_STORED))
    if str(row["count"]).rstrip("0") == "1":
        tx.on_commit(lambda: _write_line(shown | {"count": row["count"]}))


def _bucket(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _count() -> Any:
    # One statement, the same on both databases, because the row of an event depends on how many there
    # are this hour, and concurrent events must all be counted.
    counted = text(
        "INSERT INTO security_events "
        "(at, last_at, kind, user_id, via, address, detail, count, bucket) "
        "SELECT :now, :now, :kind, CASE WHEN n.whole >= :most THEN NULL ELSE :user_id END, "
        ":via, CASE WHEN n.whole >= :most THEN NULL ELSE :address END, "
        "CASE WHEN n.whole >= :most OR n.same >= :most_alike THEN :summed ELSE :detail END, 1, "
        "CASE WHEN n.whole >= :most THEN :rest WHEN n.same >= :most_alike THEN :alike "
        "ELSE :minute END "
        "FROM (SELECT count(*) AS whole, coalesce(sum(CASE WHEN e.user_id = :user_id "
        "OR (e.user_id IS NULL AND :user_id IS NULL AND e.address = :address) "
        "THEN 1 ELSE 0 END), 0) AS same "
        "FROM security_events e WHERE e.kind = :kind AND e.at >= :hour) n WHERE true "
        "ON CONFLICT (bucket) DO UPDATE SET count = security_events.count + 1, "
        "last_at = excluded.last_at RETURNING sequence, count"
    )
    texts = ("kind", "via", "address", "minute", "alike", "rest")
    return counted.bindparams(
        *(param(name, String) for name in texts),
        *(param(name, Text) for name in ("detail", "summed")),
        *(param(name, Moment) for name in ("now", "hour")),
        *(param(name, Integer) for name in ("most", "most_alike")),
        param("user_id", Key),
    ).columns(sequence=Key, count=Integer)


def _old() -> Any:
    table = schema.security_events
    return table.delete().where(table.c.at <= param("until", Moment))


def write_line(kind: str, actor: Actor, address: str | None, detail: Row) -> None:
    """Write an event into the log alone, where it cannot be recorded."""
    shown = {"kind": kind, "user_id": actor.user_id or None, "via": actor.kind, "address": address}
    _write_line(shown | {"detail": json.dumps(detail), "count": 1})


def _write_line(shown: Row) -> None:
    log.info("security event", extra=shown)


def _operator() -> str:
    """The operating system's user at the console."""
    import pwd  # does not exist on Windows

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
