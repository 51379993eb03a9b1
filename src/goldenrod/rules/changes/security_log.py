"""The security log: who signed in or failed to, who was refused, which tokens and exports were made.

It is apart from the audit, which says what was changed: that is written with each change, moves with
an export and is kept for good. These events touch no revision, are bounded (whoever fails in a loop
fills no disk) and are forgotten after `KEPT_DAYS`. No password, secret or unknown name is in them.

What happens again within a minute is one row with a count. Beyond `MOST_ALIKE` rows an hour of one
kind by one user (or address, of nobody known), or `MOST_OF_KIND` of one kind, the rest of the hour is
counted in one row. Each event is one line of the log as well, a repeated one at each tenfold count.
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
KEPT_DAYS = 90
MOST_ALIKE = 60
MOST_OF_KIND = 500
_CLEARED_EVERY = 50
"""Old rows are removed when a sequence number is a multiple of this."""

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
    """Record an event, in the transaction of what it is about. It is the actor's unless `user_id`
    says whose. With `alike`, the same within a minute is counted in one row."""
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
        tx.change(_old, until=clock.later(tx.now, days=-KEPT_DAYS))
    if str(row["count"]).rstrip("0") == "1":
        tx.after(lambda: _write_line(shown | {"count": row["count"]}))


def _bucket(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _count() -> Any:
    # One statement, the same on both databases: which row an event goes into depends on how many
    # there are this hour, and of many events at once each counts.
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
    """Who is at the console: the operating system's user."""
    import pwd  # there is none on Windows

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
