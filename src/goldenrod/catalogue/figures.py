"""Figures of the whole catalogue for its operators: what waits for webhooks, and the last syncs.

They are shown in metrics and checked by `goldenrod check --deploy`, never to readers.
"""

from typing import Any, NamedTuple

from sqlalchemy import String, and_, func, select

from goldenrod.base.clock import Instant
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Moment, param

_D, _E, _W = schema.deliveries, schema.events, schema.webhooks

MOST_SOURCES = 100
"""The sources whose syncs are shown; of more, the first by name."""


class Backlog(NamedTuple):
    """What waits for webhooks: how much, and since when the oldest of it is due; None for nothing."""

    waiting: int
    due_since: Instant | None


def _waiting() -> Any:
    active = and_(_D.c.state == "waiting", _W.c.active)
    return _counted(_D.c.next_at).select_from(_D.join(_W, _W.c.id == _D.c.webhook_id)).where(active)


def _counted(since: Any) -> Any:
    return select(func.count().label("number"), func.min(since, type_=Moment()).label("since"))


def _unqueued() -> Any:
    """Events whose deliveries have not been created."""
    return _counted(_E.c.at).where(~_E.c.queued)


def backlog(tx: Tx) -> Backlog:
    """What waits for webhooks: deliveries, and events that have none yet."""
    rows = [row for build in (_waiting, _unqueued) for row in tx.rows(build)]
    due = [row["since"] for row in rows if row["since"] is not None and row["since"] <= tx.now]
    return Backlog(sum(row["number"] for row in rows), min(due, default=None))


def _syncs() -> Any:
    """Of each source: when its newest run that read anything ended, and the state of its newest run
    that is over."""
    source = schema.sync_sources
    run, last = schema.sync_runs.alias(), schema.sync_runs.alias()
    read = run.c.state.in_(("done", "partly", "braked"))
    ended = select(func.max(run.c.end_date, type_=Moment())).where(
        run.c.source_id == source.c.id, read
    )
    newest = (
        select(last.c.state)
        .where(last.c.source_id == source.c.id, last.c.state != "running")
        .order_by(last.c.id.desc())
        .limit(1)
    )
    return (
        select(
            source.c.name,
            source.c.start_date,
            ended.scalar_subquery().label("read_at"),
            newest.scalar_subquery().label("state"),
        )
        .order_by(source.c.name)
        .limit(MOST_SOURCES)
    )


def syncs(tx: Tx) -> list[Row]:
    """The sources: `name`, `start_date`, when they were last read (`read_at`), and the `state` of the
    last run; None where there was none."""
    return tx.rows(_syncs)


def _last_event() -> Any:
    event = schema.security_events
    return select(func.max(event.c.last_at, type_=Moment())).where(
        event.c.kind == param("kind", String)
    )


def last_backup(tx: Tx) -> Instant | None:
    """When `goldenrod backup` last copied this catalogue, as far as the security log knows."""
    found: Instant | None = tx.value(_last_event, kind="backup:run")
    return found
