"""Events for webhooks, recorded in the transaction of the change that causes them.

Events hold ids only; `catalogue/webhooks/payloads.py` builds what the creator may read. Events that
dates cause later (a scheduled release, an end) are recorded by the deliverer, see
`rules/lifecycle/scheduled_events.py`. Both give an event the same `dedup_key`, so it is recorded once.
An event that no active webhook could receive is not recorded.
"""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from sqlalchemy import String, func, or_, select

from goldenrod.base.clock import END_OF_TIME, Instant, later
from goldenrod.base.wire import EventType
from goldenrod.rules.changes.mutations import new_uuid
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Moment, in_list, param

TYPES: tuple[str, ...] = get_args(EventType)
TEST = "webhook.test"
"""The type of the event that only tests a webhook. It is sent to that webhook alone."""

_V, _M, _REACH = schema.versions, schema.machines, schema.revocation_reach

NEVER = Instant("1970-01-01T00:00:00.000000Z")
"""`recorded_until` of a deliverer that never ran here."""
DAYS_STORED = 30
"""For how many days events are stored."""

DatedEvent = tuple[str, str]
"""A kind of event, and the date that causes it."""


class Event(NamedTuple):
    """One event: what it is about, as ids; of several with the same `once` one is written. It
    happened `at` (None: now). `image_id` is None for an event about no image."""

    kind: str
    image_id: int | None
    version_n: int | None
    about: Mapping[str, Any] = MappingProxyType({})
    dedup_key: str | None = None
    at: str | None = None


def _hooked_images() -> Any:
    hook = schema.webhooks
    newest = func.max(hook.c.start_date, type_=Moment()).label("since")
    return select(hook.c.image_id, newest).where(hook.c.active).group_by(hook.c.image_id)


def _any_active() -> Any:
    return select(schema.webhooks.c.id).where(schema.webhooks.c.active).limit(1)


def _any_webhook(tx: Tx) -> bool:
    return tx.value(_any_active) is not None


def _listening() -> Any:
    hook = schema.webhooks
    mine = or_(hook.c.image_id.is_(None), hook.c.image_id == param("image", Key))
    return select(hook.c.id).where(hook.c.active, mine).limit(1)


def _has_webhook(tx: Tx, image_id: int) -> bool:
    return tx.value(_listening, image=image_id) is not None


def _recorded() -> Any:
    event = schema.events
    return select(event.c.dedup_key).where(in_list(event.c.dedup_key, "keys", String))


def record(tx: Tx, happened: Iterable[Event]) -> None:
    """Record events, in this order, where an active webhook could receive them."""
    hooked = {row["image_id"]: row["since"] for row in tx.rows(_hooked_images)}
    wanted = [it for it in happened if None in hooked or it.image_id in hooked]
    if not wanted:
        return
    keys = sorted({it.dedup_key for it in wanted if it.dedup_key is not None})
    recorded = {row["dedup_key"] for row in tx.rows(_recorded, keys=keys)} if keys else set()
    for it in wanted:
        if it.dedup_key is not None:
            if it.dedup_key in recorded:
                continue
            recorded.add(it.dedup_key)
        tx.insert(
            schema.events,
            uuid=new_uuid(),
            # Where the clock was set back, the webhooks may begin after now.
            at=it.at or max(tx.now, *(hooked.get(one, NEVER) for one in (None, it.image_id))),
            type=it.kind,
            image_id=it.image_id,
            version_n=it.version_n,
            about=json.dumps(dict(it.about), separators=(",", ":")),
            dedup_key=it.dedup_key,
            queued=False,
        )


# ── events caused by dates ─────────────────────────────────────────────────────────────────


def _version_dates(column: str) -> Any:
    columns = (_V.c.n, _V.c.image_id, _V.c.opens_at, _V.c.closes_at, _V.c.deprecated_at)
    return select(*columns).where(in_list(_V.c[column], "keys")).order_by(_V.c.n)


def _version_dated_events(row: Row, now: str) -> list[DatedEvent]:
    """The events that a version's dates, and its image's, have caused by now."""
    dated = [("version.deprecated", row["deprecated_at"]), ("version.ended", row["closes_at"])]
    if row["opens_at"] < row["closes_at"]:  # otherwise it ends before it is released
        dated.insert(0, ("version.published", row["opens_at"]))
    return [(kind, at) for kind, at in dated if at is not None and at <= now]


def _machine_dated_events(row: Row, now: str) -> list[DatedEvent]:
    """The events that a machine's dates have caused by now."""
    start, end = row["start_date"], row["end_date"] or END_OF_TIME
    dated = [("machine.added", start)] if start < end else []
    dated.append(("machine.gone", end))
    return [(kind, at) for kind, at in dated if at <= now]


_OPENINGS = {"version.published": "version.ended", "machine.added": "machine.gone"}
"""An end and the event that it reverses, which a later end_date may cause again."""


def _caused_by_change(
    now: str, since: str | None, before: list[DatedEvent], after: list[DatedEvent]
) -> list[Any]:
    """The events of a change of dates, as (kind, instant of the key, instant or None for now): those
    of earlier dates that the deliverer has not recorded, new ones, and repeated ones."""
    found: list[Any] = [(kind, at, at) for kind, at in before if since is not None and at > since]
    found += [(kind, at, None) for kind, at in after if (kind, at) not in before]
    for opening, closing in _OPENINGS.items():
        was, is_ = dict(before), dict(after)
        back = closing in was and closing not in is_
        if back and opening in was and is_.get(opening) == was[opening]:
            found.append((opening, now, None))
    return found


def _of_versions(tx: Tx, before: Iterable[Row], after: Iterable[Row]) -> list[Event]:
    was = {row["n"]: row for row in before}
    start = recorded_until(tx) if was else None
    return [
        of_version(kind, row, at, when)
        for row in after
        for kind, at, when in _caused_by_change(
            tx.now,
            start,
            _version_dated_events(was[row["n"]], tx.now) if row["n"] in was else [],
            _version_dated_events(row, tx.now),
        )
    ]


def of_version(kind: str, row: Row, at: str, when: str | None) -> Event:
    """The event that a version's date `at` causes."""
    return Event(kind, row["image_id"], row["n"], dedup_key=f"{kind}:{row['n']}:{at}", at=when)


def versions_created(tx: Tx, image_id: int, versions: list[int]) -> None:
    """Versions of an image are new. Their denormalised columns are set already."""
    if versions and _has_webhook(tx, image_id):
        record(tx, _of_versions(tx, [], tx.rows(_version_dates, "n", keys=versions)))


def version_edited(tx: Tx, n: int, fields: Iterable[str], before: Row | None = None) -> None:
    """Fields of a version were changed, and perhaps its dates, which were those of `before`. Its
    denormalised columns are refreshed already."""
    if not _any_webhook(tx):
        return
    [after] = tx.rows(_version_dates, "n", keys=[n])
    about = {"fields": sorted(fields)}
    change = Event("version.edited", after["image_id"], n, about)
    record(tx, [change, *_of_versions(tx, [before or after], [after])])


def version_dates_of_image(tx: Tx, image_id: int) -> list[Row]:
    """The dates of an image's versions, before they are refreshed; none where no webhook is
    active."""
    return (
        tx.rows(_version_dates, "image_id", keys=[image_id]) if _has_webhook(tx, image_id) else []
    )


def image_edited(tx: Tx, image_id: int, before: list[Row]) -> None:
    """An image's dates were changed, and with them those of its versions."""
    if before:
        after = tx.rows(_version_dates, "image_id", keys=[image_id])
        record(tx, _of_versions(tx, before, after))


def machine_changed(tx: Tx, before: Row, after: Row) -> None:
    """A machine's dates may have been changed."""
    if not _has_webhook(tx, after["image_id"]):
        return
    was, is_ = _machine_dated_events(before, tx.now), _machine_dated_events(after, tx.now)
    turned = _caused_by_change(tx.now, recorded_until(tx), was, is_)
    record(tx, [of_machine(kind, after, at, when) for kind, at, when in turned])


def of_machine(kind: str, row: Row, at: str, when: str | None) -> Event:
    """The event that a machine's date `at` causes."""
    dedup_key = f"{kind}:{row['id']}:{at}"
    about = {"machine": row["id"]}
    return Event(kind, row["image_id"], row["version_n"], about, dedup_key, when)


def _machines() -> Any:
    return select(*_M.c).where(in_list(_M.c.id, "keys")).order_by(_M.c.id)


def machines_created(tx: Tx, image_id: int, machines: list[int]) -> None:
    """Machines of an image are new."""
    if machines and _has_webhook(tx, image_id):
        rows = tx.rows(_machines, keys=machines)
        dated = ((row, event) for row in rows for event in _machine_dated_events(row, tx.now))
        record(tx, [of_machine(kind, row, at, None) for row, (kind, at) in dated])


# ── events of changes ────────────────────────────────────────────────────────────────────────


def channel_assigned(
    tx: Tx, image_id: int, channel_id: int, before: int | None, after: int | None
) -> None:
    """A channel was assigned another version, or none."""
    about = {"channel": channel_id, "before": before}
    record(tx, [Event("channel.assigned", image_id, after, about)])


def _reached() -> Any:
    return (
        select(_V.c.n, _V.c.image_id)
        .select_from(_REACH.join(_V, _V.c.n == _REACH.c.n))
        .where(_REACH.c.revocation_id == param("revocation", Key))
        .order_by(_REACH.c.depth, _V.c.n)
    )


def _reached_versions(tx: Tx, revocation_id: int) -> list[Row]:
    if not _any_webhook(tx):
        return []
    return tx.rows(_reached, revocation=revocation_id)


def of_revocation(row: Row, revocation_id: int, at: str, when: str | None) -> Event:
    """The event that a revocation applies to a version since `at`."""
    dedup_key = f"version.revoked:{revocation_id}:{row['n']}:{at}"
    about = {"revocation": revocation_id}
    return Event("version.revoked", row["image_id"], row["n"], about, dedup_key, when)


def version_revoked(tx: Tx, revocation_id: int, at: str) -> None:
    """A revocation is in force: for its version and, with `descendants`, all below it."""
    rows = _reached_versions(tx, revocation_id)
    record(tx, [of_revocation(row, revocation_id, at, None) for row in rows])


def version_restored(tx: Tx, revocation: Row) -> None:
    """A revocation in force is being lifted. Its reach is still stored."""
    if revocation["at"] > tx.now:
        return
    key, at = revocation["id"], revocation["at"]
    rows = _reached_versions(tx, key)
    start = recorded_until(tx) if rows else None
    missed = rows if start is not None and at > start else []
    about = {"revocation": key}
    lifted = [Event("version.restored", row["image_id"], row["n"], about) for row in rows]
    record(tx, [*(of_revocation(row, key, at, at) for row in missed), *lifted])


# ── events of reading clouds ─────────────────────────────────────────────────────────────────


def of_missing_machine(row: Row, since: str) -> Event:
    """The event that a cloud does not list a machine any more. `row` has the ids of the machine
    (`machine_id`), its image and version."""
    about = {"machine": row["machine_id"], "since": since}
    dedup_key = f"machine.missing:{row['machine_id']}:{since}"
    return Event("machine.missing", row["image_id"], row["version_n"], about, dedup_key)


def of_drifted_machine(row: Row, kinds: list[str], at: str) -> Event:
    """The event that a machine differs from its cloud in ways that are new."""
    about = {"machine": row["machine_id"], "kinds": kinds}
    dedup_key = f"machine.drifted:{row['machine_id']}:{','.join(kinds)}:{at}"
    return Event("machine.drifted", row["image_id"], row["version_n"], about, dedup_key)


def of_failed_scope(tx: Tx, scope_id: int, since: str) -> list[Event]:
    """The event that a scope cannot be read since an instant. None for one that failed so long ago
    that the event may be deleted already: it would be sent again."""
    if since < later(tx.now, days=1 - DAYS_STORED):
        return []
    about = {"scope": scope_id, "since": since}
    return [Event("sync.failed", None, None, about, f"sync.failed:{scope_id}:{since}")]


# ── what is recorded already ──────────────────────────────────────────────────────────────────


def _earliest() -> Any:
    hook = schema.webhooks
    return select(func.min(hook.c.start_date, type_=Moment())).where(hook.c.active)


def _recorded_until() -> Any:
    return select(schema.deliverer.c.recorded_until)


def recorded_until(tx: Tx) -> str | None:
    """The instant until which all events caused by dates are recorded; None where no webhook is
    active."""
    earliest: str | None = tx.value(_earliest)
    if earliest is None:
        return None
    covered = tx.value(_recorded_until) or NEVER
    if covered == NEVER:
        # An imported catalogue: its events say what was recorded elsewhere, as long as they are stored.
        covered = later(tx.now, days=1 - DAYS_STORED)
    return max(earliest, covered)
