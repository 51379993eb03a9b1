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
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex

from goldenrod.base.errors import Unavailable
from goldenrod.catalogue import outbox, payloads
from goldenrod.catalogue.sending import Outcome, Sender
from goldenrod.store.db import Database, Row

log = logging.getLogger("goldenrod")

LEASE_S = 60.0
"""Longer than one sending can take, name servers included."""
IDLE_S = 1.0
TROUBLE_S = 10.0
THREADS = 4
"""To so many receivers it sends at once, to each one thing after the other."""
TURN_S = 20.0
"""So long it sends to one receiver before others have their turn."""
TIDY_S = 3600.0

FAULT = "A fault of the catalogue's own; its operator finds it in the log."


class Deliverer:
    """Sends what is due; `private` allows receivers on this machine and in private networks."""

    def __init__(self, db: Database, *, private: bool, lease_s: float = LEASE_S) -> None:
        self._db = db
        self._sender = Sender(private=private)
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
        """Do what there is to do now, a turn for each receiver; whether there was anything. None
        where another process delivers."""
        with self._db.read() as tx:
            tidy = time.monotonic() >= self._tidy_at and outbox.any_old(tx)
            if not (tidy or outbox.anything(tx)):
                return False
        if not self._hold():
            return None
        try:
            with self._db.note() as tx:
                outbox.gather(tx)
            with self._db.read() as tx:
                hooks = outbox.due_hooks(tx, THREADS)
            if hooks:
                with ThreadPoolExecutor(len(hooks), "webhooks") as threads:
                    list(threads.map(self._serve, hooks))
            if tidy:
                self._tidy()
        finally:
            self._let_go()
        return True

    def _hold(self) -> bool:
        """Be who delivers: taken anew well before it runs out."""
        with self._renewing:
            if time.monotonic() < self._renew_at:
                return True
            began = time.monotonic()
            with self._db.note() as tx:
                held = outbox.take(tx, self._me, self._lease_s)
            self._renew_at = began + self._lease_s / 3 if held else 0.0
            return held

    def _let_go(self) -> None:
        self._renew_at = 0.0
        with self._db.note() as tx:
            outbox.let_go(tx, self._me)

    def _tidy(self) -> None:
        self._tidy_at = time.monotonic() + TIDY_S
        with self._db.note() as tx:
            outbox.forget(tx)

    def _serve(self, hook_id: int) -> None:
        """Send what is due to one receiver, until it fails or its turn is over."""
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
            with self._db.note() as tx:
                outbox.drop(tx, due)
            self._count("dropped")
            return True
        outcome = self._sent(due, body) if body else Outcome(None, FAULT)
        if outbox.gone(outcome):
            # Everybody may see that it is no longer active: a change of the catalogue.
            with self._db.write() as tx:
                outbox.settle(tx, due, outcome)
                outbox.switch_off(tx, hook_id)
        else:
            with self._db.note() as tx:
                outbox.settle(tx, due, outcome)
        self._count("delivered" if outcome.delivered else "failed")
        return outcome.delivered

    def _sent(self, due: Row, body: bytes) -> Outcome:
        return self._sender.send(due["target"], due["uuid"], due["secret"], body)

    def _count(self, what: str) -> None:
        with self._renewing:
            self.counts[what] += 1
