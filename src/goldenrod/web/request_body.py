"""Receiving request bodies, so that slow senders block nobody but themselves.

A process receives a limited number of bodies at once: of each address, of each user, and in all. Where
a limit is reached, the body that has been arriving for longest is given up; one that arrives quickly is
complete long before.

The server's `read` waits for bytes and cannot be interrupted, and the request cannot be answered while
it waits. So a watching thread shuts down the connection of a body that is late or was given up
(`stalled_connections.py`): the read ends, and the request is answered.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from goldenrod.base.errors import BadRequest, Problem, TooLarge, TooSlow, Unavailable
from goldenrod.web import stalled_connections

MOST_BODY = 1024 * 1024
AT_ONCE = 32
"""Bodies that a process receives at once. Each occupies a thread of the server (`server.py`)."""
MOST_OF_ADDRESS = 16
MOST_OF_ANONYMOUS = 4
"""Anonymous bodies of one address."""
MOST_OF_USER = 8
MOST_OVERDUE = 8
"""Bodies of one address that were given up and whose read has not ended yet."""
FIRST_S = 5.0
RATE = 16 * 1024
"""Bytes a second at which a body must arrive after its first seconds."""
GRACE_S = 0.1
"""Seconds in which a body is not given up for another one."""
PENALTY_S = 10.0
"""Seconds in which the bodies of an address have no grace and may not wait, after one was given up."""
WAIT_S = 0.5
"""Seconds that a body may wait until it is received."""
CUT_S = 2.0
"""Seconds after a connection was cut in which a read of the same peer that ends is taken for cut."""
MOST_WAITING = 48
MOST_WAITING_OF_ADDRESS = 8
WATCH_S = 0.05
"""Seconds between two checks of the bodies that are arriving."""

_PIECE = 16 * 1024


class Stream(Protocol):
    """The stream that a body is read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Sender:
    """Who sends a body: the address they are known by, the other end of the connection (a proxy's,
    perhaps), and the user; None for the anonymous."""

    address: str
    peer: str
    user: int | None

    @property
    def shares(self) -> dict[tuple[str, object], int]:
        """The limits that a body of this sender counts towards, and how many bodies each allows."""
        own: tuple[tuple[str, object], int] = (
            (("anonymous", self.address), MOST_OF_ANONYMOUS)
            if self.user is None
            else (("user", self.user), MOST_OF_USER)
        )
        return dict([own, (("address", self.address), MOST_OF_ADDRESS), (("all", None), AT_ONCE)])


@dataclass(eq=False)
class _Body:
    """A body that is arriving."""

    sender: Sender
    wanted: int
    has_length: bool
    """Whether `wanted` is the length that the headers give."""
    seconds: float
    began: float = field(default_factory=time.monotonic)
    pieces: list[bytes] = field(default_factory=list)
    received: int = 0
    given_up: Problem | None = None
    """The error to answer, once the body was given up."""

    def receive(self, stream: Stream) -> bytes:
        """Read it to its end. Raises TooSlow, Unavailable, BadRequest, TooLarge."""
        broken = False
        while self.given_up is None and self.received < self.wanted:
            try:
                piece = stream.read(min(_PIECE, self.wanted - self.received))
            except OSError:
                broken = True
                break
            if not piece:
                break
            self.pieces.append(piece)
            self.received += len(piece)
        if self.given_up is not None:
            raise self.given_up
        if broken or (self.has_length and self.received < self.wanted):
            raise BadRequest(
                "The connection broke before the whole body arrived.", code="body_malformed"
            )
        if self.received > MOST_BODY:
            raise _too_large()
        return b"".join(self.pieces)

    @property
    def late(self) -> bool:
        """Whether the body should have arrived by now, or more of it."""
        allowed = min(self.seconds, FIRST_S + self.received / RATE)
        return time.monotonic() - self.began > allowed


class _Recent:
    """Names that were added in the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._added: dict[str, float] = {}

    def add(self, name: str) -> None:
        now = time.monotonic()
        recent = {name: at for name, at in self._added.items() if now - at < self._seconds}
        self._added = recent | {name: now}

    def __contains__(self, name: str) -> bool:
        at = self._added.get(name)
        return at is not None and time.monotonic() - at < self._seconds


class Receiver:
    """The bodies that a process is receiving."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._arriving: list[_Body] = []
        self._ending: list[_Body] = []
        self._waiting: Counter[str] = Counter()
        self._slow = _Recent(PENALTY_S)
        """The addresses of which a body was given up."""
        self._cut = _Recent(CUT_S)
        """The peers of which a connection was cut."""
        self._watched = False

    def receive(
        self, stream: Stream, declared: int | None, sender: Sender, seconds: float
    ) -> bytes:
        """A body's bytes. `declared` is the length in its headers, if any.

        Raises TooLarge, TooSlow, Unavailable, BadRequest.
        """
        if declared is not None and declared > MOST_BODY:
            raise _too_large()
        wanted = MOST_BODY + 1 if declared is None else declared
        body = _Body(sender, wanted, declared is not None, seconds)
        self._admit(body)
        try:
            return body.receive(stream)
        except BadRequest:
            # This connection may have been cut in place of another one of the same peer.
            if sender.peer in self._cut:
                raise _busy() from None
            raise
        finally:
            self._leave(body)

    def _admit(self, body: _Body) -> None:
        """Count a body among those that arrive. Raises Unavailable where no limit has room for it."""
        until = time.monotonic() + WAIT_S
        with self._changed:
            address = body.sender.address
            if sum(1 for other in self._ending if other.sender.address == address) >= MOST_OVERDUE:
                raise _busy()
            while not self._make_room(body.sender):
                left = until - time.monotonic()
                if left <= 0 or not self._may_wait(address):
                    raise _busy()
                self._waiting[address] += 1
                try:
                    # Not for all that is left: until then, one of those arriving may have to give way.
                    self._changed.wait(min(left, GRACE_S / 4))
                finally:
                    self._waiting[address] -= 1
                    if not self._waiting[address]:
                        del self._waiting[address]
            body.began = time.monotonic()
            self._arriving.append(body)
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, name="bodies", daemon=True).start()

    def _may_wait(self, address: str) -> bool:
        waiting = self._waiting
        return (
            address not in self._slow
            and waiting[address] < MOST_WAITING_OF_ADDRESS
            and waiting.total() < MOST_WAITING
        )

    def _make_room(self, sender: Sender) -> bool:
        """Whether each of the sender's limits has room; other bodies are given up for it."""
        given_up: list[_Body] = []
        for share, most in sender.shares.items():
            staying = [body for body in self._arriving if body not in given_up]
            sharing = [body for body in staying if share in body.sender.shares]
            if len(sharing) < most:
                continue
            # A user's own bodies wait for each other.
            found = None if share[0] == "user" else self._to_give_up(sharing)
            if found is None:
                return False
            given_up.append(found)
        for body in given_up:
            self._give_up(body, _busy())
        return True

    def _to_give_up(self, bodies: list[_Body]) -> _Body | None:
        """The body to give up: an anonymous one first, of the address that sends most, the oldest."""
        latest = time.monotonic() - GRACE_S
        by_address = Counter(body.sender.address for body in self._arriving)
        return min(
            (body for body in bodies if body.began <= latest or body.sender.address in self._slow),
            key=lambda body: (
                body.sender.user is not None,
                -by_address[body.sender.address],
                body.began,
            ),
            default=None,
        )

    def _give_up(self, body: _Body, why: Problem) -> None:
        body.given_up = why
        self._slow.add(body.sender.address)
        self._arriving.remove(body)
        self._ending.append(body)

    def _leave(self, body: _Body) -> None:
        with self._changed:
            (self._arriving if body in self._arriving else self._ending).remove(body)
            self._changed.notify_all()

    def _watch(self) -> None:
        """Give up what is late, and end the reads of what was given up, until nothing arrives."""
        pause = threading.Event()
        while True:
            pause.wait(WATCH_S)
            with self._changed:
                for body in [body for body in self._arriving if body.late]:
                    self._give_up(body, _too_slow(body))
                if self._ending:
                    self._changed.notify_all()
                elif not self._arriving:
                    self._watched = False
                    return
                now = time.monotonic()
                stuck = [(body.sender.peer, now - body.began) for body in self._ending]
                for peer, _ in stuck:
                    self._cut.add(peer)
            if stuck:
                stalled_connections.end_reading(stuck)


RECEIVER = Receiver()
"""The one receiver of this process."""


def _busy() -> Unavailable:
    return Unavailable(
        "The server is receiving too many request bodies. Try again in a moment.",
        code="server_busy",
    )


def _too_slow(body: _Body) -> TooSlow:
    return TooSlow(
        f"The body did not arrive in time: send all of it within {body.seconds:g} seconds, and "
        f"after the first {FIRST_S:g} at least {RATE // 1024} KiB a second."
    )


def _too_large() -> TooLarge:
    return TooLarge(f"A body has at most {MOST_BODY} bytes.")
