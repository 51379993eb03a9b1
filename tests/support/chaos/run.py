"""One run: writers and readers, and one kill after another."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.support.chaos.checks import Checks
from tests.support.chaos.kills import Kills
from tests.support.chaos.load import Gate, Load, Reader, Writer
from tests.support.chaos.record import Record
from tests.support.chaos.scene import Scene, scene
from tests.support.processes.server import within

WRITERS, READERS = 3, 2
BEFORE_S = 0.3
"""A kill comes after at most this time of undisturbed work."""
DELIVERED_S = 120
FIRST_S = 60
MOST_SHOWN = 50


@dataclass
class Report:
    """What a run did and found."""

    backend: str
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    record: Record = field(default_factory=Record)
    checked: int = 0
    compared: int = 0
    audit: int = 0
    revision: int = 0
    events: int = 0
    delivered: int = 0
    waiting: int = 0
    received: int = 0
    seconds: float = 0.0
    slowest: float = 0.0

    def lines(self) -> list[str]:
        it = self.record
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(self.kills.items()))
        lost = sum("stale" not in one for one in it.wrong)
        return [
            f"{self.backend}, seed {self.seed}: {self.kills.total()} kills ({kinds}) in "
            f"{self.seconds:.0f} s; the slowest took {self.slowest:.1f} s with its checks",
            f"  {it.acknowledged:,} changes acknowledged, {it.unanswered:,} without an answer, "
            f"{it.unavailable:,} answered 503; {self.checked:,} values checked, {lost} wrong",
            f"  {it.reads:,} reads under load and {self.compared:,} answers compared, "
            f"{it.stale} stale; {self.audit:,} audit entries replayed; revision {self.revision:,}",
            f"  {self.events:,} events: {self.delivered:,} delivered, {self.waiting:,} waiting; "
            f"{self.received:,} requests received",
            *(f"  WRONG {one}" for one in it.wrong[:MOST_SHOWN]),
        ]


def chaos(
    backend: str,
    kills: int,
    seed: int,
    *,
    most_s: float = 3600,
    kinds: tuple[str, ...] = (),
    delivered_s: float = DELIVERED_S,
    verbose: bool = False,
) -> Report:
    """Kill so many times, or for so long. `kinds` are the first kinds of kills; the seed chooses the
    others."""
    report = Report(backend, seed)
    record = report.record
    with scene(backend) as place:
        began = time.monotonic()
        gate, over = Gate(), threading.Event()
        checks, killer = Checks(place, record, seed), Kills(place, record, Random(seed))
        load: list[Load] = [
            *(Writer(place, record, gate, over, seed * 100 + n) for n in range(WRITERS)),
            *(Reader(place, record, gate, over, seed * 100 + n) for n in range(READERS)),
        ]
        for one in load:
            one.start()
        try:
            # Writers begin before anything is killed, however soon the first kill comes.
            within(FIRST_S, lambda: len(record.versions) >= WRITERS)
            for number in range(kills):
                if time.monotonic() - began > most_s:
                    break
                kind = kinds[number] if number < len(kinds) else killer.choose()
                time.sleep(killer.r.uniform(0.02, BEFORE_S))
                this = time.monotonic()
                killer.kill(kind)
                gate.shut()
                checks.after_kill(f"kill {number + 1} ({kind})")
                gate.reopen()
                report.kills[kind] += 1
                took = time.monotonic() - this
                report.slowest = max(report.slowest, took)
                if verbose:
                    print(f"kill {number + 1}: {kind}, {took:.1f} s", flush=True)
        finally:
            over.set()
            gate.reopen()
        for one in load:
            one.join(60)
        killer.finish_syncs()
        _deliver(place, report, delivered_s)
        checks.at_the_end()
        report.seconds = time.monotonic() - began
        report.checked, report.compared = checks.checked, checks.compared
        report.audit, report.revision = checks.replay.entries, checks.revision
    return report


def _deliver(place: Scene, report: Report, seconds: float) -> None:
    """Wait for the server to deliver what waits; compare with what the receiver has."""
    ends = time.monotonic() + seconds
    while True:
        with place.opened() as db, db.read() as tx:
            states = dict(
                tx.sql("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall()
            )
            unqueued = tx.sql("SELECT count(*) FROM events WHERE NOT queued").fetchone()[0]
            ids = tx.sql("SELECT uuid, state FROM deliveries").fetchall()
            report.events = tx.sql("SELECT count(*) FROM events").fetchone()[0]
        waiting = states.get("waiting", 0) + unqueued
        if not waiting or time.monotonic() > ends:
            break
        time.sleep(0.2)
    report.delivered, report.waiting = states.pop("delivered", 0), waiting
    report.received = len(place.receiver.got)
    got = {one.id for one in list(place.receiver.got)}
    missing = [uuid for uuid, state in ids if state == "delivered" and uuid not in got]
    if missing:
        report.record.fail(f"{len(missing)} deliveries are marked, but did not arrive")
    states.pop("waiting", None)
    if states:
        report.record.fail(f"deliveries are neither delivered nor waiting: {states}")
