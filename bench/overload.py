"""Sends a server four times what it can answer, and measures before, during and after.

    python -m bench.overload                              a minute on each database
    python -m bench.overload --databases sqlite --seconds 10

Before: how many requests a second it answers to clients that wait for each answer. During: requests
are sent at four times that rate, whether earlier ones were answered or not, each from another client
address. After: the rate of before is measured again, second by second. The answer cache is off, so that
each answer takes work. One request in fifty changes a text.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from bench import catalogues, servers
from bench.catalogues import say
from bench.plan import Plan

TIMES = 4
CLOSED_LOOP = 16
"""Clients that wait for each answer, to find the capacity."""
CAPACITY_S = 5
AFTER_S = 6
FULL_SPEED = 0.9
"""The share of the capacity that counts as full speed: a second's rate is noisy."""
MOST_CONNECTIONS = 4000
"""More than may be waiting at the server; then the driver itself waits."""
ANSWERED_S = 20
"""How long the last answers may take after sending has ended."""

Send = Callable[[int], bytes]
"""The bytes of the request with this number."""


@dataclass
class Phase:
    """What happened in one phase."""

    seconds: float
    sent: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    accepted_ms: list[float] = field(default_factory=list)
    """The times of answers below 500, from when the request was about to be sent."""
    refused_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    """How late the driver was to send, because it had too little of the processor itself."""
    memory: list[float] = field(default_factory=list)
    """The worker's memory in MB, second by second."""

    @property
    def rate(self) -> float:
        """Answers below 500 in a second."""
        return len(self.accepted_ms) / self.seconds

    def figures(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 1),
            "sent/s": round(self.sent / self.seconds),
            "accepted/s": round(self.rate),
            "accepted p50 ms": round(percentile(self.accepted_ms, 50), 1),
            "accepted p99 ms": round(percentile(self.accepted_ms, 99), 1),
            "refused p99 ms": round(percentile(self.refused_ms, 99), 1),
            "driver late p99 ms": round(percentile(self.late_ms, 99), 1),
            "statuses": dict(sorted(self.statuses.items())),
            "memory MB": [round(it) for it in self.memory[:: max(1, len(self.memory) // 6)]],
        }


def percentile(values: list[float], percent: float) -> float:
    """The percentile of the values; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: a request at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._missing: int | None = None
        self._status = ""
        self._transport: asyncio.WriteTransport | None = None
        self._answered: asyncio.Future[str] | None = None
        self.closed = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    async def ask(self, request: bytes) -> str:
        """The status of the answer; "lost" if the connection ends before it."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def data_received(self, data: bytes) -> None:
        if self._missing is None:
            self._received += data
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            self._status = head[9:12].decode()
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._missing, self._received = int(length or 0) - len(rest), b""
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._missing = None
            self._settle(self._status)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._settle("lost")

    def _settle(self, status: str) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(status)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Driver:
    """Sends requests to one server."""

    def __init__(self, port: int, send: Send, memory: Callable[[], float | None]) -> None:
        self._port = port
        self._send = send
        self._memory = memory
        self._number = itertools.count()
        self._idle: list[_Connection] = []
        self._open = asyncio.Semaphore(MOST_CONNECTIONS)

    async def _ask(self, phase: Phase, due: float) -> None:
        phase.sent += 1
        began = time.monotonic()
        phase.late_ms.append((began - due) * 1000)
        async with self._open:
            status = await self._answer()
        taken = (time.monotonic() - began) * 1000
        phase.statuses[status] += 1
        (phase.accepted_ms if status < "500" else phase.refused_ms).append(taken)

    async def _answer(self) -> str:
        connection = self._idle.pop() if self._idle else None
        if connection is None or connection.closed:
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    _Connection, "127.0.0.1", self._port
                )
            except OSError:
                return "unconnected"
        status = await connection.ask(self._send(next(self._number)))
        if not connection.closed:
            self._idle.append(connection)
        return status

    async def closed_loop(self, seconds: float) -> Phase:
        """As fast as answers come, from clients that wait for each."""
        began = time.monotonic()
        phase = Phase(seconds)

        async def client() -> None:
            while (now := time.monotonic()) < began + seconds:
                await self._ask(phase, now)

        await asyncio.gather(*(client() for _ in range(CLOSED_LOOP)))
        phase.seconds = time.monotonic() - began
        return phase

    async def open_loop(self, rate: float, seconds: float) -> Phase:
        """So many a second, whether earlier ones were answered or not."""
        phase = Phase(seconds)
        began = time.monotonic()
        watching = asyncio.create_task(self._watch(phase))
        waiting: set[asyncio.Task[None]] = set()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            while (left := due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            task = asyncio.create_task(self._ask(phase, due))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        phase.seconds = time.monotonic() - began
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=ANSWERED_S)
            phase.statuses["unanswered"] += len(late)
            for task in late:
                task.cancel()
        watching.cancel()
        return phase

    async def _watch(self, phase: Phase) -> None:
        while True:
            phase.memory.append(self._memory() or 0.0)
            await asyncio.sleep(1)

    def close(self) -> None:
        for connection in self._idle:
            connection.close()


@dataclass
class Measured:
    """Before, during and after; and the seconds until full speed."""

    before: Phase
    during: Phase
    after: list[Phase]

    @property
    def recovered_s(self) -> float | None:
        """Seconds after the overload in which full speed was reached; None if it was not."""
        taken = 0.0
        for phase in self.after:
            taken += phase.seconds
            if phase.rate >= FULL_SPEED * self.before.rate:
                return round(taken, 1)
        return None

    def figures(self) -> dict[str, Any]:
        return {
            "before": self.before.figures(),
            "during": self.during.figures(),
            "after, answers/s in each second": [round(phase.rate) for phase in self.after],
            "full speed after s": self.recovered_s,
            "load average": [round(load, 1) for load in os.getloadavg()],
        }


def overload(
    port: int,
    send: Send,
    memory: Callable[[], float | None],
    seconds: float,
    capacity_s: float = CAPACITY_S,
) -> Measured:
    """Measure a server that answers at this port."""

    async def run() -> Measured:
        driver = Driver(port, send, memory)
        await driver.closed_loop(1)
        before = await driver.closed_loop(capacity_s)
        during = await driver.open_loop(TIMES * before.rate, seconds)
        after = [await driver.closed_loop(1) for _ in range(AFTER_S)]
        driver.close()
        await asyncio.sleep(0)
        return Measured(before, during, after)

    return asyncio.run(run())


def requests(versions: list[Any], token: str) -> Send:
    """Lists, versions and pages, and a change in fifty requests; each from another address."""
    texts = itertools.count(time.time_ns())

    def send(number: int) -> bytes:
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        head = f" HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n"
        chosen = versions[number % len(versions)]
        if number % 50 == 49:
            body = json.dumps({"change_log": f"Written again, the {next(texts)}th."})
            head += f"Authorization: Token {token}\r\nContent-Type: application/json\r\n"
            head += f"Content-Length: {len(body)}\r\n"
            return f"PATCH /api/v2/image_versions/{chosen}{head}\r\n{body}".encode()
        path = (
            "/api/v2/image_versions?page_size=100",
            f"/api/v2/image_versions/{chosen}",
            "/api/v2/image_versions?page_size=100&page=2",
            "/",
        )[number % 4]
        return f"GET {path}{head}\r\n".encode()

    return send


SETTINGS = {"GOLDENROD_TRUSTED_PROXIES": "127.0.0.1", "GOLDENROD_DELIVER": "false"}
"""Clients behind a proxy, so that each counts for itself."""


def main() -> Iterator[tuple[str, Measured]]:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--seconds", type=float, default=60, help="how long it is overloaded")
    parser.add_argument("--versions", type=int, default=20_000)
    given = parser.parse_args()
    plan = Plan(given.versions)
    with ExitStack() as stack:
        for database in given.databases.split(","):
            if database == "sqlite":
                filled = catalogues.sqlite(plan)
            else:
                filled = catalogues.postgresql(plan, stack.enter_context(catalogues.cluster()))
            say(f"{database}: {given.seconds:g} s at {TIMES} times its capacity")
            send = requests(filled.about["versions"], filled.secret("writer"))
            with servers.serving(filled.url, cache=False, **SETTINGS) as server:
                port = int(server.base.rpartition(":")[2])
                yield database, overload(port, send, server.memory, given.seconds)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        json.dump({database: it.figures() for database, it in main()}, sys.stdout, indent=1)
        print()
