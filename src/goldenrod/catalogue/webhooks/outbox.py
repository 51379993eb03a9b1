"""From what happened to who is told: deliveries are made of events, taken up when due, and settled.

An event is spread once: a delivery for each active hook of its image, or of all, that asked for its
kind and was there when it happened. A delivery waits until it is delivered, given up (failed), or
its hook's maker may no longer read what it is about (dropped). Who holds the deliverer's row
delivers. What is settled is forgotten after a month. None of it touches the catalogue's revision.
"""

import json
from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select, true

from goldenrod.base.clock import Instant, later
from goldenrod.catalogue.webhooks.http_sender import Outcome
from goldenrod.rules.access import CONSOLE
from goldenrod.rules.changes import audit, events, mutations
from goldenrod.rules.lifecycle import scheduled_events
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Moment, in_list, param

DELAYS_S = (5, 30, 120, 600, 3600, 21600)
"""How long after each failure the next attempt comes; after the last one it is given up."""
REST_S = 60
"""A receiver that failed is left alone at most so long by whatever else waits for it."""
STEP = 200
"""So many deliveries are made, or old ones forgotten, in one transaction at most."""
MOST_WAITING = 1_000
"""So many deliveries of one webhook may wait: of more, the oldest are dropped."""
OVERFLOWN = (
    f"More than {MOST_WAITING:,} deliveries waited for this webhook: the oldest are dropped."
)
SLOW_FOR_S = 600
"""So long after it was slow or failed, a receiver takes the place of the slow only."""
COVER_HOURS = 1
"""The deliverer says so often at least how far it has come."""

_D, _E, _W, _HELD = schema.deliveries, schema.events, schema.webhooks, schema.deliverer
_GONE = 410


# ── who delivers ───────────────────────────────────────────────────────────────────────────


def _take() -> Any:
    free = or_(
        _HELD.c.holder.is_(None),
        _HELD.c.holder == param("me"),
        _HELD.c.held_until <= param("now", Moment),
    )
    return _HELD.update().where(free).values(holder=param("me"), held_until=param("until", Moment))


def _there() -> Any:
    return select(_HELD.c.one)


def take(tx: Tx, me: str, lease_s: float) -> bool:
    """Become who delivers, or stay it, for so long; False where another is."""
    if tx.value(_there) is None:
        _lock(tx)
        if tx.value(_there) is None:
            tx.insert(_HELD, one=1, covered=events.NEVER, holder=None, held_until=None)
    return tx.change(_take, me=me, now=tx.now, until=later(tx.now, seconds=lease_s)) == 1


def let_go(tx: Tx, me: str) -> None:
    """Let another deliver."""
    tx.update(_HELD, {"holder": me}, holder=None, held_until=None)


# ── events become deliveries ───────────────────────────────────────────────────────────────


def _revision() -> Any:
    return select(schema.catalogue.c.revision).with_for_update()


def _lock(tx: Tx) -> None:
    """Let nobody change the catalogue meanwhile. On SQLite that is so from the beginning."""
    tx.value(_revision)


def note_instants(tx: Tx) -> None:
    """Write the events that dates brought since the last time.

    Under the lock of those who change the catalogue, with a clock read before it: whoever wrote an
    instant up to now has committed, or will see for themselves that it is past.
    """
    _lock(tx)
    since = events.recorded_until(tx)
    if since is not None and since < tx.now:
        events.record(tx, scheduled_events.all_since(tx, since))
        tx.update(_HELD, {"one": 1}, covered=tx.now)


def _unspread() -> Any:
    return select(*_E.c).where(~_E.c.spread).order_by(_E.c.sequence).limit(param("most", Key))


def _hooks() -> Any:
    """The active hooks of some images, held as they are until their deliveries are committed: one
    that is being switched off gets all of them given up, or none made."""
    return (
        select(_W.c.id, _W.c.image_id, _W.c.events, _W.c.start_date)
        .where(_W.c.active, or_(_W.c.image_id.is_(None), in_list(_W.c.image_id, "images")))
        .order_by(_W.c.id)
        .with_for_update(read=True)
    )


def _reached() -> Any:
    return select(_D.c.webhook_id).where(_D.c.event_sequence == param("event", Key))


def spread(tx: Tx) -> bool:
    """Make deliveries of what happened, at most `STEP` of them; whether there may be more to make.

    It needs no lock of those who change the catalogue. Events become visible in their order, and a
    hook before what happens after it was made.
    """
    happened = tx.rows(_unspread, most=STEP)
    if not happened:
        return False
    images = sorted({event["image_id"] for event in happened})
    hooks = tx.rows(_hooks, images=images)
    kinds = {hook["id"]: frozenset(json.loads(hook["events"])) for hook in hooks}
    # The step before may have ended in the middle of the first event.
    reached = {row["webhook_id"] for row in tx.rows(_reached, event=happened[0]["sequence"])}
    filled: set[int] = set()
    left = STEP
    for event in happened:
        for hook in hooks:
            if hook["id"] in reached or not _asked(hook, kinds[hook["id"]], event):
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
        tx.update(_E, {"sequence": event["sequence"]}, spread=True)
        reached = set()
    _drop_overflow(tx, filled)
    return True


def _asked(hook: Row, kinds: frozenset[str], event: Row) -> bool:
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
        .values(state="dropped", next_at=None, last_at=param("now", Moment), last_error=OVERFLOWN)
    )


def _drop_overflow(tx: Tx, hooks: set[int]) -> None:
    if hooks:
        tx.change(_overflow, hooks=sorted(hooks), most=MOST_WAITING, now=tx.now)


# ── what is due ────────────────────────────────────────────────────────────────────────────


def _due() -> Any:
    return and_(_D.c.state == "waiting", _D.c.next_at <= param("now", Moment), _W.c.active)


def _any() -> Any:
    due = exists().where(_due(), _W.c.id == _D.c.webhook_id)
    return select(or_(due, exists().where(~_E.c.spread)))


def anything(tx: Tx) -> bool:
    """Whether there is anything to do now."""
    return bool(tx.value(_any, now=tx.now)) or dates_came(tx)


def dates_came(tx: Tx) -> bool:
    """Whether `note_instants` has anything to do."""
    since = events.recorded_until(tx)
    if since is None or since >= tx.now:
        return False
    return since < later(tx.now, hours=-COVER_HOURS) or scheduled_events.any_since(tx, since)


def _due_hooks() -> Any:
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


def due_hooks(tx: Tx, most: int) -> list[Row]:
    """The hooks for which something is due, at most so many of each maker that are slow and so many
    that are not, with when they and their makers were last served; who was served last is last."""
    found = tx.rows(_due_hooks, now=tx.now, most=most)
    served = ("maker_served_at", "served_at")
    return sorted(found, key=lambda hook: [*(hook[name] or "" for name in served), hook["id"]])


def begin_turn(tx: Tx, hook_id: int) -> None:
    """A hook is served now: others come before it the next time."""
    tx.update(_W, {"id": hook_id}, served_at=tx.now)


def _next() -> Any:
    event = (_E.c.type, _E.c.at, _E.c.version_n, _E.c.about)
    hook = (_W.c.target, _W.c.secret, _W.c.created_by_id, _W.c.as_staff, _W.c.slow_until)
    return (
        select(_D.c.id, _D.c.uuid, _D.c.webhook_id, _D.c.attempts, *event, *hook)
        .select_from(
            _D.join(_W, _W.c.id == _D.c.webhook_id).join(_E, _E.c.sequence == _D.c.event_sequence)
        )
        .where(_due(), _W.c.id == param("hook", Key))
        .order_by(_D.c.next_at, _D.c.id)
        .limit(1)
    )


def next_due(tx: Tx, hook_id: int) -> Row | None:
    """The next delivery of a hook that is due, with its event and what of its hook is needed."""
    return tx.first(_next, hook=hook_id, now=tx.now)


# ── what became of it ──────────────────────────────────────────────────────────────────────


def _settle(tx: Tx, due: Row, **values: Any) -> None:
    # Not where its hook was switched off meanwhile, unless it arrived all the same.
    key = {"id": due["id"], "attempts": due["attempts"]}
    if values["state"] != "delivered":
        key["state"] = "waiting"
    tx.update(_D, key, last_at=tx.now, **values)


def drop(tx: Tx, due: Row) -> None:
    """A hook's maker may no longer read what the delivery is about."""
    why = "Its maker may no longer read what it is about."
    _settle(tx, due, state="dropped", next_at=None, last_status=None, last_error=why)


def gone(outcome: Outcome) -> bool:
    """The receiver wants no more, ever."""
    return outcome.status == _GONE


def settle(tx: Tx, due: Row, outcome: Outcome, *, slow: bool = False) -> None:
    """Note what became of one attempt; after a failure, when the next comes, if one does.

    A receiver that was slow or failed counts as slow for a while, and until it answers in time.
    """
    # The webhook's row before those of its deliveries, as whoever switches it off does.
    if slow or not outcome.delivered:
        tx.update(_W, {"id": due["webhook_id"]}, slow_until=later(tx.now, seconds=SLOW_FOR_S))
    elif due["slow_until"] is not None:
        tx.update(_W, {"id": due["webhook_id"]}, slow_until=None)
    attempts = due["attempts"] + 1
    told = {"attempts": attempts, "last_status": outcome.status, "last_error": outcome.error}
    if outcome.delivered:
        _settle(tx, due, state="delivered", next_at=None, **told)
    elif gone(outcome) or attempts > len(DELAYS_S):
        _settle(tx, due, state="failed", next_at=None, **told)
        _rest(tx, due["webhook_id"], REST_S)
    else:
        delay = DELAYS_S[attempts - 1]
        _settle(tx, due, state="waiting", next_at=later(tx.now, seconds=delay), **told)
        _rest(tx, due["webhook_id"], min(delay, REST_S))


def _put_off() -> Any:
    waits = and_(_D.c.state == "waiting", _D.c.next_at < param("until", Moment))
    hook = _D.c.webhook_id == param("hook", Key)
    return _D.update().where(hook, waits).values(next_at=param("until", Moment))


def _rest(tx: Tx, hook_id: int, span_s: int) -> None:
    tx.change(_put_off, hook=hook_id, until=later(tx.now, seconds=span_s))


def give_up(tx: Tx, hook_id: int) -> None:
    """A hook is switched off: nothing waits for it any more."""
    tx.update(
        _D,
        {"webhook_id": hook_id, "state": "waiting"},
        state="failed",
        next_at=None,
        last_error="The webhook was switched off.",
    )


def switch_off(tx: Tx, due: Row, outcome: Outcome) -> None:
    """A receiver said that it is gone: its hook is no longer active."""
    hook_id = due["webhook_id"]
    tx.update(_W, {"id": hook_id}, active=False)
    settle(tx, due, outcome)
    give_up(tx, hook_id)
    changed = {"active": {"before": True, "after": False}}
    audit.record(tx, CONSOLE, "webhook:edit", _W, hook_id, changed)


# ── what is forgotten ──────────────────────────────────────────────────────────────────────


def _oldest() -> Any:
    return select(_E.c.at).order_by(_E.c.sequence).limit(1)


def _kept_since(tx: Tx) -> Instant:
    return later(tx.now, days=-events.DAYS_STORED)


def any_old(tx: Tx) -> bool:
    """Whether anything is old enough to be forgotten."""
    oldest = tx.value(_oldest)
    return oldest is not None and oldest < _kept_since(tx)


def _old_deliveries() -> Any:
    old = (
        select(_D.c.id)
        .select_from(_D.join(_E, _E.c.sequence == _D.c.event_sequence))
        .where(_D.c.state != "waiting", _E.c.at < param("since", Moment))
        .limit(param("most", Key))
    )
    return _D.delete().where(_D.c.id.in_(old))


def _old_events() -> Any:
    waited = exists().where(_D.c.event_sequence == _E.c.sequence).correlate(_E)
    old = (
        select(_E.c.sequence)
        .where(_E.c.at < param("since", Moment), _E.c.spread == true(), ~waited)
        .limit(param("most", Key))
    )
    return _E.delete().where(_E.c.sequence.in_(old))


def forget(tx: Tx) -> bool:
    """Delete what was settled and happened more than a month ago, at most `STEP` deliveries and as
    many events; whether there may be more to delete."""
    since = _kept_since(tx)
    deliveries = tx.change(_old_deliveries, since=since, most=STEP)
    return max(deliveries, tx.change(_old_events, since=since, most=STEP)) == STEP
