"""Transactional outbox: creates deliveries from events, picks what is due, records outcomes.

Each event gets one delivery for each active webhook that listens to its image (or to all images) and
its type, and that existed when the event happened. A delivery waits until it is delivered, has failed
for good, or is dropped because the webhook's creator may no longer read what it is about. Only the
process that holds the lease (the one row of the table `deliverer`) delivers. Finished deliveries are
deleted after a month. Nothing here changes the catalogue's revision, except `switch_off`.
"""

import json
from typing import Any

from sqlalchemy import and_, case, exists, func, literal, or_, select, true

from goldenrod.base.clock import Instant, later
from goldenrod.catalogue import leases
from goldenrod.catalogue.webhooks.http_sender import Outcome
from goldenrod.rules.access import CONSOLE
from goldenrod.rules.changes import audit, events, mutations
from goldenrod.rules.lifecycle import scheduled_events
from goldenrod.rules.visibility import stored_counts
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Moment, in_list, param

RETRY_DELAYS_S = (5, 30, 120, 600, 3600, 21600)
"""The pause after each failed attempt. When the last retry fails, the delivery has failed."""
MOST_POSTPONED_S = 60
"""After a failure, the other deliveries of the same webhook wait for at most this long."""
BATCH = 200
"""One transaction creates, or deletes, at most this many deliveries."""
MOST_WAITING = 1_000
"""The most deliveries that may wait for one webhook. Beyond that, the oldest are dropped."""
OVERFLOW_ERROR = (
    f"More than {MOST_WAITING:,} deliveries were waiting for this webhook; the oldest were dropped."
)
SLOW_FOR_S = 600
"""How long a receiver counts as slow after a slow answer or a failure."""
SET_BACK_S = 120
"""By how much the clock must have been set back for the deliverer to notice."""
PROGRESS_HOURS = 1
"""The deliverer records its progress through dated events at least this often."""

_D, _E, _W, _LEASE = schema.deliveries, schema.events, schema.webhooks, schema.deliverer
_GONE = 410


# ── the lease ──────────────────────────────────────────────────────────────────────────────


def _acquire() -> Any:
    free = or_(
        _LEASE.c.locked_by.is_(None),
        _LEASE.c.locked_by == param("me"),
        _LEASE.c.locked_by == param("abandoned"),
        _LEASE.c.locked_until <= param("now", Moment),
    )
    return (
        _LEASE.update()
        .where(free)
        .values(locked_by=param("me"), locked_until=param("until", Moment))
    )


def _lease() -> Any:
    return select(_LEASE.c.locked_by, _LEASE.c.locked_until)


def acquire_lease(tx: Tx, me: str, lease_s: float) -> bool:
    """Acquire or renew the lease, for `lease_s` seconds. False where another process has it."""
    lease = tx.first(_lease)
    if lease is None:
        _lock(tx)
        lease = tx.first(_lease)
        if lease is None:
            lease = {"locked_by": None, "locked_until": None}
            tx.insert(_LEASE, one=1, recorded_until=events.NEVER, **lease)
    left = leases.abandoned(lease["locked_by"], lease["locked_until"], tx.now)
    until = later(tx.now, seconds=lease_s)
    return tx.change(_acquire, me=me, abandoned=left, now=tx.now, until=until) == 1


def release_lease(tx: Tx, me: str) -> None:
    """Let another process deliver."""
    tx.update(_LEASE, {"locked_by": me}, locked_by=None, locked_until=None)


# ── events become deliveries ───────────────────────────────────────────────────────────────


def _revision() -> Any:
    return select(schema.catalogue.c.revision).with_for_update()


def _lock(tx: Tx) -> None:
    """Keep others from changing the catalogue. On SQLite every write transaction does so anyway."""
    tx.value(_revision)


def record_dated_events(tx: Tx) -> None:
    """Record the events that dates have caused since the last call.

    This takes the writers' lock, after `tx.now` was read. So every change with a date up to `tx.now`
    either has been committed and is found here, or comes later and records its event itself.
    """
    _lock(tx)
    since = events.recorded_until(tx)
    if since is not None and _was_set_back(tx, since):
        tx.update(_LEASE, {"one": 1}, recorded_until=tx.now)
        if tx.change(_begun_later, now=tx.now):
            tx.change(_next_revision)  # readers of webhooks see when they began
        tx.change(_bring_forward, now=tx.now, latest=later(tx.now, seconds=RETRY_DELAYS_S[-1]))
    if since is not None and since < tx.now:
        events.record(tx, scheduled_events.all_since(tx, since))
        tx.update(_LEASE, {"one": 1}, recorded_until=tx.now)


def _was_set_back(tx: Tx, since: str) -> bool:
    """Whether the clock was set back: events are recorded, or webhooks begin, at an instant that is
    still to come. Dates before it would be passed over, and deliveries wait too long."""
    return since > later(tx.now, seconds=SET_BACK_S)


def _begun_later() -> Any:
    yet_to_begin = _W.c.start_date > param("now", Moment)
    return _W.update().where(yet_to_begin).values(start_date=param("now", Moment))


def _next_revision() -> Any:
    catalogue = schema.catalogue
    return catalogue.update().values(
        revision=catalogue.c.revision + 1,
        # No version or machine was changed, so the counts stay as right as they were.
        counts_until=catalogue.c.counts_until
        + case((stored_counts.kept(catalogue), literal(1, Key)), else_=literal(0, Key)),
    )


def _bring_forward() -> Any:
    far = and_(_D.c.state == "waiting", _D.c.next_at > param("latest", Moment))
    return _D.update().where(far).values(next_at=param("now", Moment))


def _new_events() -> Any:
    return select(*_E.c).where(~_E.c.queued).order_by(_E.c.sequence).limit(param("most", Key))


def _active_webhooks() -> Any:
    """The active webhooks of some images, locked until their deliveries are committed. So a webhook
    that is being switched off gets either none of the deliveries, or all of them marked failed."""
    return (
        select(_W.c.id, _W.c.image_id, _W.c.events, _W.c.start_date)
        .where(_W.c.active, or_(_W.c.image_id.is_(None), in_list(_W.c.image_id, "images")))
        .order_by(_W.c.id)
        .with_for_update(read=True)
    )


def _webhooks_of_event() -> Any:
    return select(_D.c.webhook_id).where(_D.c.event_sequence == param("event", Key))


def create_deliveries(tx: Tx) -> bool:
    """Create deliveries for new events, at most `BATCH` of them; whether there may be more to create.

    This needs no writers' lock: events become visible in their order, and a webhook becomes visible
    before the events that follow it.
    """
    new_events = tx.rows(_new_events, most=BATCH)
    if not new_events:
        return False
    images = sorted({event["image_id"] for event in new_events} - {None})
    hooks = tx.rows(_active_webhooks, images=images)
    kinds = {hook["id"]: frozenset(json.loads(hook["events"])) for hook in hooks}
    # The batch before may have ended in the middle of the first event.
    reached = {
        row["webhook_id"] for row in tx.rows(_webhooks_of_event, event=new_events[0]["sequence"])
    }
    filled: set[int] = set()
    left = BATCH
    for event in new_events:
        for hook in hooks:
            if hook["id"] in reached or not _wants(hook, kinds[hook["id"]], event):
                continue
            if left == 0:
                _drop_overflow(tx, filled)
                return True
            left -= 1
            filled.add(hook["id"])
            tx.insert(
                _D,
                uuid=mutations.new_uuid(),
                webhook_id=hook["id"],
                event_sequence=event["sequence"],
                state="waiting",
                attempts=0,
                next_at=tx.now,
            )
        tx.update(_E, {"sequence": event["sequence"]}, queued=True)
        reached = set()
    _drop_overflow(tx, filled)
    return True


def _wants(hook: Row, kinds: frozenset[str], event: Row) -> bool:
    return (
        hook["image_id"] in (None, event["image_id"])
        and event["type"] in kinds
        and event["at"] >= hook["start_date"]
    )


def _overflow() -> Any:
    newest_first = func.row_number().over(partition_by=_D.c.webhook_id, order_by=_D.c.id.desc())
    waiting = (
        select(_D.c.id, newest_first.label("place"))
        .where(_D.c.state == "waiting", in_list(_D.c.webhook_id, "hooks"))
        .subquery()
    )
    old = select(waiting.c.id).where(waiting.c.place > param("most", Key))
    return (
        _D.update()
        .where(_D.c.id.in_(old))
        .values(
            state="dropped", next_at=None, last_at=param("now", Moment), last_error=OVERFLOW_ERROR
        )
    )


def _drop_overflow(tx: Tx, hooks: set[int]) -> None:
    if hooks:
        tx.change(_overflow, hooks=sorted(hooks), most=MOST_WAITING, now=tx.now)


# ── what is due ────────────────────────────────────────────────────────────────────────────


def _due() -> Any:
    return and_(_D.c.state == "waiting", _D.c.next_at <= param("now", Moment), _W.c.active)


def _has_work() -> Any:
    due = exists().where(_due(), _W.c.id == _D.c.webhook_id)
    return select(or_(due, exists().where(~_E.c.queued)))


def has_work(tx: Tx) -> bool:
    """Whether there is anything to do now."""
    return bool(tx.value(_has_work, now=tx.now)) or has_dated_events(tx)


def has_dated_events(tx: Tx) -> bool:
    """Whether dates have caused events that `record_dated_events` would record."""
    since = events.recorded_until(tx)
    if since is None:
        return False
    if since >= tx.now:
        return _was_set_back(tx, since)
    return since < later(tx.now, hours=-PROGRESS_HOURS) or scheduled_events.any_since(tx, since)


def _due_webhooks() -> Any:
    hook = (
        select(
            *(_W.c.id, _W.c.created_by_id, _W.c.served_at),
            func.max(_W.c.served_at, type_=Moment())
            .over(partition_by=_W.c.created_by_id)
            .label("maker_served_at"),
            func.max(_W.c.slow_until, type_=Moment())
            .over(partition_by=_W.c.target)
            .label("slow_until"),
        )
        .where(_W.c.active)
        .subquery()
    )
    slow = case((hook.c.slow_until > param("now", Moment), 1), else_=0)
    waits = exists().where(
        _D.c.webhook_id == hook.c.id, _D.c.state == "waiting", _D.c.next_at <= param("now", Moment)
    )
    order = func.row_number().over(
        partition_by=(hook.c.created_by_id, slow),
        order_by=(hook.c.served_at.asc().nulls_first(), hook.c.id),
    )
    ranked = select(hook, slow.label("slow"), order.label("place")).where(waits).subquery()
    return select(*ranked.c).where(ranked.c.place <= param("most", Key))


def due_webhooks(tx: Tx, most: int) -> list[Row]:
    """The webhooks with due deliveries, those whose creator was served longest ago first.

    Of each creator there are at most `most` slow ones and `most` others.
    """
    found = tx.rows(_due_webhooks, now=tx.now, most=most)
    served = ("maker_served_at", "served_at")
    return sorted(found, key=lambda hook: [*(hook[name] or "" for name in served), hook["id"]])


def start_turn(tx: Tx, hook_id: int) -> None:
    """Record that a webhook is being served: next time, others come first."""
    tx.update(_W, {"id": hook_id}, served_at=tx.now)


def _with_event() -> Any:
    event = (_E.c.type, _E.c.at, _E.c.version_n, _E.c.about)
    hook = (_W.c.target, _W.c.secret, _W.c.created_by_id, _W.c.as_staff, _W.c.slow_until)
    return select(_D.c.id, _D.c.uuid, _D.c.webhook_id, _D.c.attempts, *event, *hook).select_from(
        _D.join(_W, _W.c.id == _D.c.webhook_id).join(_E, _E.c.sequence == _D.c.event_sequence)
    )


def _delivery() -> Any:
    return _with_event().where(_D.c.id == param("delivery", Key))


def delivery(tx: Tx, delivery_id: int) -> Row:
    """A delivery that exists, with its event and the columns of its webhook that sending needs."""
    found = tx.first(_delivery, delivery=delivery_id)
    assert found is not None
    return found


def _next() -> Any:
    return (
        _with_event()
        .where(_due(), _W.c.id == param("hook", Key))
        .order_by(_D.c.next_at, _D.c.id)
        .limit(1)
    )


def next_due(tx: Tx, hook_id: int) -> Row | None:
    """The next due delivery of a webhook, with its event and the columns that sending needs."""
    return tx.first(_next, hook=hook_id, now=tx.now)


# ── outcomes ───────────────────────────────────────────────────────────────────────────────


def _record(tx: Tx, due: Row, **values: Any) -> None:
    # A delivery that was marked failed during the attempt, because its webhook was switched off,
    # stays failed unless this attempt succeeded.
    key = {"id": due["id"], "attempts": due["attempts"]}
    if values["state"] != "delivered":
        key["state"] = "waiting"
    tx.update(_D, key, last_at=tx.now, **values)


def drop(tx: Tx, due: Row) -> None:
    """Drop a delivery: the webhook's creator may no longer read what it is about."""
    why = "The webhook's creator may no longer read what this is about."
    _record(tx, due, state="dropped", next_at=None, last_status=None, last_error=why)


def is_gone(outcome: Outcome) -> bool:
    """Whether the receiver asked for no further deliveries (410 Gone)."""
    return outcome.status == _GONE


def record_outcome(tx: Tx, due: Row, outcome: Outcome, *, slow: bool = False) -> None:
    """Record the outcome of one attempt and, after a failure, when to try again.

    A receiver that was slow or failed counts as slow for `SLOW_FOR_S`, or until it answers promptly.
    """
    # Lock the webhook's row before its deliveries' rows: switching a webhook off does the same.
    if slow or not outcome.delivered:
        tx.update(_W, {"id": due["webhook_id"]}, slow_until=later(tx.now, seconds=SLOW_FOR_S))
    elif due["slow_until"] is not None:
        tx.update(_W, {"id": due["webhook_id"]}, slow_until=None)
    attempts = due["attempts"] + 1
    attempt = {"attempts": attempts, "last_status": outcome.status, "last_error": outcome.error}
    if outcome.delivered:
        _record(tx, due, state="delivered", next_at=None, **attempt)
    elif is_gone(outcome) or attempts > len(RETRY_DELAYS_S):
        _record(tx, due, state="failed", next_at=None, **attempt)
        _postpone(tx, due["webhook_id"], MOST_POSTPONED_S)
    else:
        delay = RETRY_DELAYS_S[attempts - 1]
        _record(tx, due, state="waiting", next_at=later(tx.now, seconds=delay), **attempt)
        _postpone(tx, due["webhook_id"], min(delay, MOST_POSTPONED_S))


def _postpone_waiting() -> Any:
    waits = and_(_D.c.state == "waiting", _D.c.next_at < param("until", Moment))
    hook = _D.c.webhook_id == param("hook", Key)
    return _D.update().where(hook, waits).values(next_at=param("until", Moment))


def _postpone(tx: Tx, hook_id: int, span_s: int) -> None:
    tx.change(_postpone_waiting, hook=hook_id, until=later(tx.now, seconds=span_s))


def fail_waiting(tx: Tx, hook_id: int) -> None:
    """Mark all waiting deliveries of a webhook as failed, because it was switched off."""
    tx.update(
        _D,
        {"webhook_id": hook_id, "state": "waiting"},
        state="failed",
        next_at=None,
        last_error="The webhook was switched off.",
    )


def switch_off(tx: Tx, due: Row, outcome: Outcome) -> None:
    """Switch off the webhook of a receiver that answered 410 Gone."""
    hook_id = due["webhook_id"]
    tx.update(_W, {"id": hook_id}, active=False)
    record_outcome(tx, due, outcome)
    fail_waiting(tx, hook_id)
    changed = {"active": {"before": True, "after": False}}
    audit.record(tx, CONSOLE, "webhook:edit", _W, hook_id, changed)


# ── expiry ─────────────────────────────────────────────────────────────────────────────────


def _oldest() -> Any:
    return select(_E.c.at).order_by(_E.c.sequence).limit(1)


def _expiry(tx: Tx) -> Instant:
    return later(tx.now, days=-events.DAYS_STORED)


def has_expired(tx: Tx) -> bool:
    """Whether any event is old enough to be deleted."""
    oldest = tx.value(_oldest)
    return oldest is not None and oldest < _expiry(tx)


def _expired_deliveries() -> Any:
    old = (
        select(_D.c.id)
        .select_from(_D.join(_E, _E.c.sequence == _D.c.event_sequence))
        .where(_D.c.state != "waiting", _E.c.at < param("since", Moment))
        .limit(param("most", Key))
    )
    return _D.delete().where(_D.c.id.in_(old))


def _expired_events() -> Any:
    waited = exists().where(_D.c.event_sequence == _E.c.sequence).correlate(_E)
    old = (
        select(_E.c.sequence)
        .where(_E.c.at < param("since", Moment), _E.c.queued == true(), ~waited)
        .limit(param("most", Key))
    )
    return _E.delete().where(_E.c.sequence.in_(old))


def delete_expired(tx: Tx) -> bool:
    """Delete finished deliveries, and events, that are more than a month old: at most `BATCH` of each.
    Whether there may be more to delete."""
    since = _expiry(tx)
    deliveries = tx.change(_expired_deliveries, since=since, most=BATCH)
    return max(deliveries, tx.change(_expired_events, since=since, most=BATCH)) == BATCH
