"""Rounds of measurements. Each round measures a case and its baselines, so that a median can be taken.

For each catalogue, a round measures the server without and with its answer cache, busy and with single
requests, the constant answer of the same size, and the raw driver; then both servers again while
another process writes. So whatever slows the machine down slows all of them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from bench import statements
from bench.cases import Case
from bench.catalogues import FilledCatalogue
from bench.drive import CONNECTIONS, Ask, Figures, drive, one_by_one
from bench.servers import Server, serving
from bench.statements import Raw, Run
from bench.writer import Writer

COLD, WARM = "cold", "warm"
"""Without and with the answer cache."""
WRITING = " + writes"
RAW_SECONDS = 0.5


@dataclass(frozen=True)
class Rounds:
    """The extent of a run."""

    seconds: float = 1.0
    rounds: int = 3
    caches: tuple[str, ...] = (COLD, WARM)
    writes: bool = True


@dataclass
class Stand:
    """A filled catalogue with its servers, the raw driver and the writers."""

    database: str
    catalogue: FilledCatalogue
    servers: dict[str, Server]
    raw: Raw
    writers: dict[str, Writer]


@dataclass
class Cell:
    """The figures of a case in one mode, one per round."""

    per_second: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    alone_p50: list[float] = field(default_factory=list)
    alone_p99: list[float] = field(default_factory=list)
    written: list[float] = field(default_factory=list)
    memory: float | None = None
    slow: bool = False
    """Too slow for a round: a few answers were timed one after the other."""


@dataclass
class Record:
    """A row: the figures of a case on one catalogue. Times are in milliseconds."""

    database: str
    versions: int
    seed: str
    case: str
    note: str
    path: str
    bytes: int
    statements: dict[str, int]
    constant: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    cells: dict[str, Cell] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return asdict(self)


@contextmanager
def stand(database: str, catalogue: FilledCatalogue, caches: tuple[str, ...]) -> Iterator[Stand]:
    """Serve a catalogue without and with the cache."""
    with ExitStack() as stack:
        servers = {
            cache: stack.enter_context(serving(catalogue.url, cache=cache == WARM))
            for cache in caches
        }
        raw = Raw(catalogue.url)
        stack.callback(raw.close)
        # Writes go to the server that is not measured, if there are two.
        other = {cache: servers[caches[at - 1]] for at, cache in enumerate(caches)}
        writers = {cache: Writer(server.base, catalogue) for cache, server in other.items()}
        for writer in writers.values():
            stack.callback(writer.close)
        yield Stand(database, catalogue, servers, raw, writers)


class Measured:
    """One case on one stand: prepared once, then measured in rounds."""

    def __init__(self, case: Case, stand: Stand, constant: Server, rounds: Rounds) -> None:
        self._case, self._stand, self._constant, self._rounds = case, stand, constant, rounds
        base = next(iter(stand.servers.values())).base
        self._ask = case.prepare(stand.catalogue, base)
        self._beside = case.beside and case.beside(stand.catalogue, base)
        runs, body = statements.record(stand.catalogue.url, self._ask)
        cached_runs, _ = statements.record(stand.catalogue.url, self._ask, cache=True)
        # A change cannot be repeated by the raw driver, which makes the smallest change instead.
        self._runs: list[Run] = runs if case.writes else statements.durable_commit()
        self._slow = {cache: self._is_slow(server) for cache, server in stand.servers.items()}
        self.record = Record(
            stand.database,
            stand.catalogue.plan.versions,
            stand.catalogue.plan.seed,
            case.name,
            self._ask.note,
            self._ask.paths[0],
            len(body),
            {COLD: statements.count(runs), WARM: statements.count(cached_runs)},
        )

    def _is_slow(self, server: Server) -> bool:
        one_by_one(server.base, self._ask)  # statements are composed, answers kept
        taken = one_by_one(server.base, self._ask).p50 / 1000
        return taken * 2 * CONNECTIONS > self._rounds.seconds

    def round(self) -> None:
        """Measure one round."""
        record, seconds = self.record, self._rounds.seconds
        for cache in self._stand.servers:
            self._drive(cache, cache, alone=self._case.alone or cache == COLD)
            if self._beside and cache == COLD:
                base = self._stand.servers[cache].base
                record.beside.append(drive(base, self._beside, seconds, 1).p50)
        path = "/unchanged" if self._ask.status == 304 else f"/{record.bytes}"
        yardstick = Ask((path,))
        record.constant.append(drive(self._constant.base, yardstick, seconds).per_second)
        if self._runs:
            record.raw.append(self._stand.raw.milliseconds(self._runs, min(seconds, RAW_SECONDS)))
        if self._rounds.writes and self._case.writes:
            for cache, writer in self._stand.writers.items():
                with writer.writing(texts=self._case.texts) as rate:
                    self._drive(cache, cache + WRITING, alone=self._case.alone)
                self._cell(cache + WRITING).written += rate

    def _cell(self, mode: str) -> Cell:
        return self.record.cells.setdefault(mode, Cell())

    def _drive(self, cache: str, mode: str, *, alone: bool) -> None:
        server, cell, seconds = self._stand.servers[cache], self._cell(mode), self._rounds.seconds
        # During writes, cached answers do not last.
        cell.slow = any(self._slow.values()) if mode != cache else self._slow[cache]
        lone: Figures | None = None
        if cell.slow:
            busy = lone = one_by_one(server.base, self._ask)
        else:
            busy = drive(server.base, self._ask, seconds)
            if alone:
                lone = drive(server.base, self._ask, seconds, 1)
        cell.per_second.append(busy.per_second)
        cell.p50.append(busy.p50)
        cell.p99.append(busy.p99)
        if lone:
            cell.alone_p50.append(lone.p50)
            cell.alone_p99.append(lone.p99)
        cell.memory = server.memory()


def lasts(case: Case, rounds: Rounds) -> float:
    """Roughly the seconds that a case takes on one catalogue."""
    each = len(rounds.caches) * (2 if case.alone else 1) + 2.5 + bool(case.beside)
    if rounds.writes and case.writes:
        each += len(rounds.caches) * (2 if case.alone else 1)
    return (each * max(1.0, rounds.seconds) * 1.1 + 0.2) * rounds.rounds + 1
