"""The deliverer: tells webhooks what happened, after it did.

Everything is in the database: events are written with the change, so one that ends at whatever
moment loses nothing; what it was sending then is sent again, under the same id. One process at a
time delivers, whichever takes the deliverer's row; it renews it before each sending and lets go
when nothing is left, and where it is killed, another takes over once its lease has run out.
Nothing is sent inside a transaction. With nothing to do it reads a few indexes a second.
"""

import logging
import threading
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from secrets import token_hex

from goldenrod.base.errors import Unavailable
from goldenrod.catalogue.webhooks import outbox, payloads
from goldenrod.catalogue.webhooks.http_sender import Outcome, Sender
from goldenrod.store.db import Database, Row

log = logging.getLogger("goldenrod")

LEASE_S = 60.0
"""Longer than one sending can take, name servers included."""
IDLE_S = 1.0
TROUBLE_S = 10.0
PLACES = 3
"""To so many receivers it sends at once, to each one thing after the other."""
PLACES_OF_A_MAKER = 2
"""So many of these places one maker's webhooks take at most."""
SLOW_PLACES = 1
"""Receivers that were slow or failed lately have places of their own, and only these."""
THREADS = PLACES + SLOW_PLACES
CONNECTIONS = THREADS + 1
"""So many connections to the database it needs at most: one for each place, and its own."""
SLOW_S = 1.0
"""A receiver that takes longer to answer is slow, and its turn over."""
TURN_S = 3.0
"""So long it sends to one receiver before others have their turn."""
PAUSE_S = 0.005
"""Between two steps of many, so that others come to write."""
TIDY_S = 3600.0

FAULT = "A fault of the catalogue's own; its operator finds it in the log."


class Deliverer:
    """Sends what is due; `private` allows receivers on this machine and in private networks, `ports`
    further ports. It opens up to `CONNECTIONS` connections of `db` at once."""

    def __init__(
        self,
        db: Database,
        *,
        private: bool,
        ports: frozenset[int] = frozenset(),
        lease_s: float = LEASE_S,
    ) -> None:
        self._db = db
        self._sender = Sender(private=private, ports=ports)
        self._lease_s = lease_s
        self._me = token_hex(16)
        self._renewing = threading.Lock()
        self._renew_at = 0.0
        self._tidy_at = 0.0
        self._stop = threading.Event()
        self.counts: Counter[str] = Counter()
        """How many were delivered, dropped, and how many attempts failed."""

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop; what is being sent then is finished."""
        self._stop = stop
        away = False
        while not stop.is_set():
            pause = IDLE_S
            try:
                if self.round():
                    pause = 0.0
                away = False
            except Unavailable as error:
                if not away:
                    log.warning("webhooks wait: %s", error.detail)
                away, pause = True, TROUBLE_S
            except Exception:
                log.exception("delivering to webhooks failed")
                pause = TROUBLE_S
            stop.wait(pause)

    def once(self) -> bool:
        """Deliver all that is due now; False where another process is at it."""
        while (worked := self.round()) is True:
            pass
        return worked is not None

    def round(self) -> bool | None:
        """Do what there is to do now; whether there was anything. None where another process
        delivers."""
        with self._db.read() as tx:
            tidy = time.monotonic() >= self._tidy_at and outbox.any_old(tx)
            if not (tidy or outbox.anything(tx)):
                return False
        if not self._hold():
            return None
        try:
            self._gather()
            with ThreadPoolExecutor(THREADS, "webhooks") as threads:
                self._serve_all(threads)
            if tidy:
                self._tidy()
        finally:
            self._let_go()
        return True

    def _gather(self) -> None:
        """Make deliveries of all that happened, in short transactions."""
        with self._db.read() as tx:
            came = outbox.dates_came(tx)
        if came:
            with self._db.write_unversioned() as tx:
                outbox.note_instants(tx)
        more = True
        while more and self._hold() and not self._stop.is_set():
            with self._db.write_unversioned() as tx:
                more = outbox.spread(tx)
            if more:
                self._stop.wait(PAUSE_S)

    def _serve_all(self, threads: ThreadPoolExecutor) -> None:
        """Fill each place as it comes free, until nothing is due; who waits for a receiver keeps
        nobody else from a place."""
        busy: dict[Future[None], Row] = {}
        gathered = time.monotonic()
        while True:
            if self._hold() and not self._stop.is_set():
                if time.monotonic() - gathered >= IDLE_S:
                    self._gather()
                    gathered = time.monotonic()
                for hook in self._chosen(list(busy.values())):
                    busy[threads.submit(self._serve, hook["id"])] = hook
            if not busy:
                return
            for served in wait(busy, timeout=IDLE_S, return_when=FIRST_COMPLETED).done:
                del busy[served]
                served.result()

    def _chosen(self, busy: list[Row]) -> list[Row]:
        """The hooks to be served next to those that are: makers have the fewest places they can,
        and who was served last is last."""
        if len(busy) == THREADS:
            return []
        with self._db.read() as tx:
            due = outbox.due_hooks(tx, 2 * THREADS)
        taken = {hook["id"] for hook in busy}
        due = [hook for hook in due if hook["id"] not in taken]
        slow_free = SLOW_PLACES - sum(hook["slow"] for hook in busy)
        chosen = [hook for hook in due if hook["slow"]][:slow_free]
        prompt = [hook for hook in due if not hook["slow"]]
        places = Counter(hook["created_by_id"] for hook in busy if not hook["slow"])
        while prompt and places.total() < PLACES:
            hook = min(prompt, key=lambda hook: places[hook["created_by_id"]])  # the first of them
            if places[hook["created_by_id"]] == PLACES_OF_A_MAKER:
                break
            places[hook["created_by_id"]] += 1
            prompt.remove(hook)
            chosen.append(hook)
        return chosen

    def _hold(self) -> bool:
        """Be who delivers: taken anew well before it runs out."""
        with self._renewing:
            if time.monotonic() < self._renew_at:
                return True
            began = time.monotonic()
            with self._db.write_unversioned() as tx:
                held = outbox.take(tx, self._me, self._lease_s)
            self._renew_at = began + self._lease_s / 3 if held else 0.0
            return held

    def _let_go(self) -> None:
        self._renew_at = 0.0
        with self._db.write_unversioned() as tx:
            outbox.let_go(tx, self._me)

    def _tidy(self) -> None:
        self._tidy_at = time.monotonic() + TIDY_S
        more = True
        while more and self._hold() and not self._stop.is_set():
            with self._db.write_unversioned() as tx:
                more = outbox.forget(tx)
            self._stop.wait(PAUSE_S)

    def _serve(self, hook_id: int) -> None:
        """Send what is due to one receiver, until it fails, is slow, or its turn is over."""
        with self._db.write_unversioned() as tx:
            outbox.begin_turn(tx, hook_id)
        ends = time.monotonic() + TURN_S
        while time.monotonic() < ends and not self._stop.is_set():
            if not (self._hold() and self._send_next(hook_id)):
                return

    def _send_next(self, hook_id: int) -> bool:
        """Send the next thing to one receiver; whether to go on with it."""
        with self._db.read() as tx:
            due = outbox.next_due(tx, hook_id)
            if due is None:
                return False
            try:
                body = payloads.build(tx, due)
            except Unavailable:
                raise
            except Exception:
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
        if outbox.gone(outcome):
            # Everybody may see that it is no longer active: a change of the catalogue.
            with self._db.write() as tx:
                outbox.switch_off(tx, due, outcome)
        else:
            with self._db.write_unversioned() as tx:
                outbox.settle(tx, due, outcome, slow=slow)
        self._count("delivered" if outcome.delivered else "failed")
        return outcome.delivered and not slow

    def _sent(self, due: Row, body: bytes) -> Outcome:
        return self._sender.send(due["target"], due["uuid"], due["secret"], body)

    def _count(self, what: str) -> None:
        with self._renewing:
            self.counts[what] += 1
