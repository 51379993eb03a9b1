"""The deliverer: sends events to webhooks in the background.

All its state is in the database. An event is written in the transaction of the change, so a deliverer
that is killed loses nothing: what it was sending is sent again, under the same id.

One process at a time delivers: the one that holds the lease. It renews the lease before each POST and
releases it when nothing is due. When it is killed, another process takes over: on the same machine at
once, elsewhere after the lease has expired. Nothing is sent inside a transaction. An idle deliverer
reads a few indexes each second.
"""

import logging
import threading
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from goldenrod.base.errors import Unavailable
from goldenrod.catalogue import leases
from goldenrod.catalogue.webhooks import attempts, outbox, payloads
from goldenrod.catalogue.webhooks.http_sender import Outcome, Receiver, Sender
from goldenrod.store.db import Database, Row

log = logging.getLogger("goldenrod")

LEASE_S = 60.0
"""Longer than one POST can take, including looking up the name."""
IDLE_S = 1.0
ERROR_PAUSE_S = 10.0
SLOTS = 3
"""How many receivers are served at once. Each gets one POST at a time."""
SLOTS_PER_CREATOR = 2
"""The most slots that the webhooks of one creator take."""
SLOW_SLOTS = 1
"""Slots for receivers that were recently slow or failed. They get no other slot."""
THREADS = SLOTS + SLOW_SLOTS
CONNECTIONS = THREADS + 1
"""The most database connections it needs: one for each slot, and one for itself."""
SLOW_S = 1.0
"""A receiver that takes longer to answer counts as slow, and its turn ends."""
TURN_S = 3.0
"""The length of a turn: after it, other receivers are served."""
EXPIRE_EVERY_S = 3600.0

FAULT = "An internal error of the catalogue. Its operator can find the details in the log."


class Deliverer:
    """Sends what is due. `private` allows receivers on this machine and in private networks; `ports`
    are further ports that are allowed, `own` is an allowed receiver on this machine. It uses up to
    `CONNECTIONS` connections of `db` at once."""

    def __init__(
        self,
        db: Database,
        *,
        private: bool,
        ports: frozenset[int] = frozenset(),
        own: Receiver | None = None,
        lease_s: float = LEASE_S,
    ) -> None:
        self._db = db
        self._sender = Sender(private=private, ports=ports, own=own)
        self._lease_s = lease_s
        self._me = leases.new_holder()
        self._lock = threading.Lock()
        self._renew_at = 0.0
        self._expire_at = 0.0
        self._stop = threading.Event()
        self.counts: Counter[str] = Counter()
        """The numbers of deliveries `delivered` and `dropped`, and of attempts that `failed`."""

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set. A POST that has begun is finished."""
        self._stop = stop
        unavailable = False
        while not stop.is_set():
            pause = IDLE_S
            try:
                if self.deliver_round():
                    pause = 0.0
                unavailable = False
            except Unavailable as error:
                if not unavailable:
                    log.warning("webhooks wait: %s", error.detail)
                unavailable, pause = True, ERROR_PAUSE_S
            except Exception:
                log.exception("delivering to webhooks failed")
                pause = ERROR_PAUSE_S
            stop.wait(pause)

    def deliver_due(self) -> bool:
        """Deliver all that is due now. False where another process is delivering."""
        while (worked := self.deliver_round()) is True:
            pass
        return worked is not None

    def deliver_round(self) -> bool | None:
        """Do what is due now; whether there was anything. None where another process is delivering."""
        with self._db.read() as tx:
            expire = time.monotonic() >= self._expire_at and outbox.has_expired(tx)
            if not (expire or outbox.has_work(tx)):
                return False
        if not self._renew_lease():
            return None
        try:
            self._create_deliveries()
            with ThreadPoolExecutor(THREADS, "webhooks") as threads:
                self._serve_due(threads)
            if expire:
                self._delete_expired()
        finally:
            self._release_lease()
        return True

    def _create_deliveries(self) -> None:
        """Create deliveries for all new events, in short transactions."""
        with self._db.read() as tx:
            dated = outbox.has_dated_events(tx)
        if dated:
            with self._db.write_unversioned() as tx:
                outbox.record_dated_events(tx)
        more = True
        while more and self._renew_lease() and not self._stop.is_set():
            with self._db.write_unversioned() as tx:
                more = outbox.create_deliveries(tx)

    def _serve_due(self, threads: ThreadPoolExecutor) -> None:
        """Fill each slot as soon as it is free, until nothing is due: a receiver that is slow to answer
        occupies its own slot only."""
        busy: dict[Future[None], Row] = {}
        created_at = time.monotonic()
        while True:
            if self._renew_lease() and not self._stop.is_set():
                if time.monotonic() - created_at >= IDLE_S:
                    self._create_deliveries()
                    created_at = time.monotonic()
                for hook in self._next_webhooks(list(busy.values())):
                    busy[threads.submit(self._serve, hook["id"])] = hook
            if not busy:
                return
            for served in wait(busy, timeout=IDLE_S, return_when=FIRST_COMPLETED).done:
                del busy[served]
                served.result()

    def _next_webhooks(self, busy: list[Row]) -> list[Row]:
        """The webhooks to serve in the free slots: first those of creators with the fewest slots, and
        among them those that were served longest ago."""
        if len(busy) == THREADS:
            return []
        with self._db.read() as tx:
            due = outbox.due_webhooks(tx, 2 * THREADS)
        taken = {hook["id"] for hook in busy}
        due = [hook for hook in due if hook["id"] not in taken]
        slow_free = SLOW_SLOTS - sum(hook["slow"] for hook in busy)
        chosen = [hook for hook in due if hook["slow"]][:slow_free]
        prompt = [hook for hook in due if not hook["slow"]]
        slots = Counter(hook["created_by_id"] for hook in busy if not hook["slow"])
        while prompt and slots.total() < SLOTS:
            hook = min(prompt, key=lambda hook: slots[hook["created_by_id"]])
            if slots[hook["created_by_id"]] == SLOTS_PER_CREATOR:
                break
            slots[hook["created_by_id"]] += 1
            prompt.remove(hook)
            chosen.append(hook)
        return chosen

    def _renew_lease(self) -> bool:
        """Acquire the lease, or renew it well before it expires. False where another process has it."""
        with self._lock:
            if time.monotonic() < self._renew_at:
                return True
            began = time.monotonic()
            with self._db.write_unversioned() as tx:
                acquired = outbox.acquire_lease(tx, self._me, self._lease_s)
            self._renew_at = began + self._lease_s / 3 if acquired else 0.0
            return acquired

    def _release_lease(self) -> None:
        self._renew_at = 0.0
        with self._db.write_unversioned() as tx:
            outbox.release_lease(tx, self._me)

    def _delete_expired(self) -> None:
        self._expire_at = time.monotonic() + EXPIRE_EVERY_S
        more = True
        while more and self._renew_lease() and not self._stop.is_set():
            with self._db.write_unversioned() as tx:
                more = outbox.delete_expired(tx)

    def _serve(self, hook_id: int) -> None:
        """Send what is due to one receiver, until it fails or is slow, or its turn ends."""
        with self._db.write_unversioned() as tx:
            outbox.start_turn(tx, hook_id)
        ends = time.monotonic() + TURN_S
        while time.monotonic() < ends and not self._stop.is_set():
            if not (self._renew_lease() and self._send_next(hook_id)):
                return

    def _send_next(self, hook_id: int) -> bool:
        """Send the next due delivery to one receiver; whether to go on with this receiver."""
        due = None
        try:
            # The driver's error becomes Unavailable only when the block ends: it is caught outside.
            with self._db.read() as tx:
                due = outbox.next_due(tx, hook_id)
                if due is None:
                    return False
                body = payloads.build(tx, due)
        except Unavailable:
            raise
        except Exception:
            if due is None:
                raise
            log.exception("delivery %s could not be built", due["uuid"])
            body = b""
        if body is None:
            with self._db.write_unversioned() as tx:
                outbox.drop(tx, due)
            self._count("dropped")
            return True
        began = time.monotonic()
        outcome = self._sent(due, body) if body else Outcome(None, FAULT)
        slow = time.monotonic() - began > SLOW_S
        if outbox.is_gone(outcome):
            # That the webhook is inactive shows in the API: this is a change of the catalogue.
            with self._db.write() as tx:
                outbox.switch_off(tx, due, outcome)
                attempts.record(tx, due, outcome, body)
        else:
            with self._db.write_unversioned() as tx:
                outbox.record_outcome(tx, due, outcome, slow=slow)
                attempts.record(tx, due, outcome, body)
        self._count("delivered" if outcome.delivered else "failed")
        return outcome.delivered and not slow

    def _sent(self, due: Row, body: bytes) -> Outcome:
        return self._sender.send(due["target"], due["uuid"], due["secret"], body)

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1
