"""What happened, for those who asked to be told: an event is written with the change, in its
transaction, so that none is lost and none is told that did not happen.

Events hold ids only; `catalogue/webhooks/worker.py` builds and sends what a hook's maker may read. What
an instant brings later (a scheduled release, an end) the deliverer writes (`instants.py`), with the
same `once`: a thing that happens to something at an instant is told once, whoever notices it. What
no active hook could be told of is not written.
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

_V, _M, _REACH = schema.versions, schema.machines, schema.revocation_reach

NEVER = Instant("1970-01-01T00:00:00.000000Z")
"""How far a deliverer has come that never ran here."""
DAYS_STORED = 30
"""How long events are kept, and with them what was told already."""

DatedEvent = tuple[str, str]
"""A kind of event, and the instant that brings it."""


class Event(NamedTuple):
    """One event: what it is about, as ids; of several with the same `once` one is written. It
    happened `at` (None: now)."""

    kind: str
    image_id: int
    version_n: int | None
    about: Mapping[str, Any] = MappingProxyType({})
    dedup_key: str | None = None
    at: str | None = None


def _hooked() -> Any:
    hook = schema.webhooks
    return select(hook.c.image_id).where(hook.c.active).distinct()


def _anybody() -> Any:
    return select(schema.webhooks.c.id).where(schema.webhooks.c.active).limit(1)


def _anybody_listens(tx: Tx) -> bool:
    return tx.value(_anybody) is not None


def _listening() -> Any:
    hook = schema.webhooks
    mine = or_(hook.c.image_id.is_(None), hook.c.image_id == param("image", Key))
    return select(hook.c.id).where(hook.c.active, mine).limit(1)


def _listened(tx: Tx, image_id: int) -> bool:
    return tx.value(_listening, image=image_id) is not None


def _written() -> Any:
    event = schema.events
    return select(event.c.dedup_key).where(in_list(event.c.dedup_key, "keys", String))


def record(tx: Tx, happened: Iterable[Event]) -> None:
    """Write events, in this order, where an active hook could be told of them."""
    hooked = {row["image_id"] for row in tx.rows(_hooked)}
    heard = [it for it in happened if None in hooked or it.image_id in hooked]
    if not heard:
        return
    keys = sorted({it.dedup_key for it in heard if it.dedup_key is not None})
    told = {row["dedup_key"] for row in tx.rows(_written, keys=keys)} if keys else set()
    for it in heard:
        if it.dedup_key is not None:
            if it.dedup_key in told:
                continue
            told.add(it.dedup_key)
        tx.insert(
            schema.events,
            uuid=new_uuid(),
            at=it.at or tx.now,
            type=it.kind,
            image_id=it.image_id,
            version_n=it.version_n,
            about=json.dumps(dict(it.about), separators=(",", ":")),
            dedup_key=it.dedup_key,
            queued=False,
        )


# ── what dates bring ───────────────────────────────────────────────────────────────────────


def _version_dates(column: str) -> Any:
    columns = (_V.c.n, _V.c.image_id, _V.c.opens_at, _V.c.closes_at, _V.c.deprecated_at)
    return select(*columns).where(in_list(_V.c[column], "keys")).order_by(_V.c.n)


def _version_dated_events(row: Row, now: str) -> list[DatedEvent]:
    """What a version's dates, and its image's, have brought by now."""
    turns = [("version.deprecated", row["deprecated_at"]), ("version.ended", row["closes_at"])]
    if row["opens_at"] < row["closes_at"]:  # else it is withdrawn before its release
        turns.insert(0, ("version.published", row["opens_at"]))
    return [(kind, at) for kind, at in turns if at is not None and at <= now]


def _machine_dated_events(row: Row, now: str) -> list[DatedEvent]:
    """What a machine's own dates have brought by now."""
    start, end = row["start_date"], row["end_date"] or END_OF_TIME
    turns = [("machine.added", start)] if start < end else []
    turns.append(("machine.gone", end))
    return [(kind, at) for kind, at in turns if at <= now]


_OPENINGS = {"version.published": "version.ended", "machine.added": "machine.gone"}
"""What an end takes back, and with it a new end_date may come again."""


def _caused_by_change(
    now: str, since: str | None, before: list[DatedEvent], after: list[DatedEvent]
) -> list[Any]:
    """What a change of dates tells, as (kind, instant of the key, instant or None for now): what
    came before it and the deliverer has not told; what it brings; what it brings back."""
    told: list[Any] = [(kind, at, at) for kind, at in before if since is not None and at > since]
    told += [(kind, at, None) for kind, at in after if (kind, at) not in before]
    for opening, closing in _OPENINGS.items():
        was, is_ = dict(before), dict(after)
        back = closing in was and closing not in is_
        if back and opening in was and is_.get(opening) == was[opening]:
            told.append((opening, now, None))
    return told


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
    """What a version's date `at` brought."""
    return Event(kind, row["image_id"], row["n"], dedup_key=f"{kind}:{row['n']}:{at}", at=when)


def versions_created(tx: Tx, image_id: int, versions: list[int]) -> None:
    """Versions of an image are new; `standing` has been kept already."""
    if versions and _listened(tx, image_id):
        record(tx, _of_versions(tx, [], tx.rows(_version_dates, "n", keys=versions)))


def version_edited(tx: Tx, n: int, fields: Iterable[str], before: Row | None = None) -> None:
    """These fields of a version were changed, and perhaps its dates, which were those of `before`;
    `standing` has been kept already."""
    if not _anybody_listens(tx):
        return
    [after] = tx.rows(_version_dates, "n", keys=[n])
    about = {"fields": sorted(fields)}
    change = Event("version.edited", after["image_id"], n, about)
    record(tx, [change, *_of_versions(tx, [before or after], [after])])


def version_dates_of_image(tx: Tx, image_id: int) -> list[Row]:
    """The dates of an image's versions, before `standing` brings them up to date; none where nobody
    listens."""
    return tx.rows(_version_dates, "image_id", keys=[image_id]) if _listened(tx, image_id) else []


def image_edited(tx: Tx, image_id: int, before: list[Row]) -> None:
    """An image's dates were changed, and with them those of its versions."""
    if before:
        after = tx.rows(_version_dates, "image_id", keys=[image_id])
        record(tx, _of_versions(tx, before, after))


def machine_changed(tx: Tx, before: Row, after: Row) -> None:
    """A machine's dates may have been changed."""
    if not _listened(tx, after["image_id"]):
        return
    was, is_ = _machine_dated_events(before, tx.now), _machine_dated_events(after, tx.now)
    turned = _caused_by_change(tx.now, recorded_until(tx), was, is_)
    record(tx, [of_machine(kind, after, at, when) for kind, at, when in turned])


def of_machine(kind: str, row: Row, at: str, when: str | None) -> Event:
    """What a machine's date `at` brought."""
    dedup_key = f"{kind}:{row['id']}:{at}"
    about = {"machine": row["id"]}
    return Event(kind, row["image_id"], row["version_n"], about, dedup_key, when)


def _machines() -> Any:
    return select(*_M.c).where(in_list(_M.c.id, "keys")).order_by(_M.c.id)


def machines_created(tx: Tx, image_id: int, machines: list[int]) -> None:
    """Machines of an image are new."""
    if machines and _listened(tx, image_id):
        rows = tx.rows(_machines, keys=machines)
        turns = ((row, turn) for row in rows for turn in _machine_dated_events(row, tx.now))
        record(tx, [of_machine(kind, row, at, None) for row, (kind, at) in turns])


# ── what is done ───────────────────────────────────────────────────────────────────────────


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


def _where_it_holds(tx: Tx, revocation_id: int) -> list[Row]:
    if not _anybody_listens(tx):
        return []
    return tx.rows(_reached, revocation=revocation_id)


def of_revocation(row: Row, revocation_id: int, at: str, when: str | None) -> Event:
    """That a revocation is in force at a version since `at`."""
    dedup_key = f"version.revoked:{revocation_id}:{row['n']}:{at}"
    about = {"revocation": revocation_id}
    return Event("version.revoked", row["image_id"], row["n"], about, dedup_key, when)


def version_revoked(tx: Tx, revocation_id: int, at: str) -> None:
    """A revocation is in force: for its version and, if it says so, all below it."""
    rows = _where_it_holds(tx, revocation_id)
    record(tx, [of_revocation(row, revocation_id, at, None) for row in rows])


def version_restored(tx: Tx, revocation: Row) -> None:
    """A revocation in force is being lifted; where it held is still written."""
    if revocation["at"] > tx.now:
        return
    key, at = revocation["id"], revocation["at"]
    rows = _where_it_holds(tx, key)
    start = recorded_until(tx) if rows else None
    missed = rows if start is not None and at > start else []
    about = {"revocation": key}
    lifted = [Event("version.restored", row["image_id"], row["n"], about) for row in rows]
    record(tx, [*(of_revocation(row, key, at, at) for row in missed), *lifted])


# ── what has been told ─────────────────────────────────────────────────────────────────────


def _earliest() -> Any:
    hook = schema.webhooks
    return select(func.min(hook.c.start_date, type_=Moment())).where(hook.c.active)


def _covered() -> Any:
    return select(schema.deliverer.c.recorded_until)


def recorded_until(tx: Tx) -> str | None:
    """The instant up to which all that instants bring has been told, as far as anybody listens;
    None where nobody does."""
    earliest: str | None = tx.value(_earliest)
    if earliest is None:
        return None
    covered = tx.value(_covered) or NEVER
    if covered == NEVER:
        # A moved catalogue: what was told elsewhere is known as long as events are kept.
        covered = later(tx.now, days=1 - DAYS_STORED)
    return max(earliest, covered)
