"""The metrics: their names and meanings, and how the counts of a process become them.

Every worker writes into files of one directory (prometheus-client's multiprocess mode), so whichever
worker is asked answers for all of them. The main process makes the directory when it starts and
removes it when it ends. The gauges of a worker that has ended are removed; its counters stay, so that
no sum goes down. Labels are templates of routes, statuses, codes and names of sources: their number
is bounded.
"""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, values

from goldenrod.base import config
from goldenrod.store.connections.pool_use import PoolUse
from goldenrod.store.db import Database
from goldenrod.web.monitoring.counts import BUCKETS, COUNTS, REFUSED, SIGN_INS, SLOW
from goldenrod.web.response_cache import ResponseCache

FLUSH_S = 1.0
"""Seconds between two times that a worker writes what it counted."""


class Metric(NamedTuple):
    """One metric: its name as it is shown, its kind, its labels, and what it says."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


_COUNTER, _GAUGE = "counter", "gauge"

METRICS = (
    Metric(
        "goldenrod_http_requests_total",
        _COUNTER,
        ("method", "route", "status"),
        "requests that were answered; HEAD counts as GET, and `route` is `none` for an address that "
        "does not exist",
    ),
    Metric(
        "goldenrod_http_request_duration_seconds",
        "histogram",
        ("method", "route"),
        "how long answering took",
    ),
    Metric(
        REFUSED,
        _COUNTER,
        ("status", "code"),
        "requests that were refused with 429 or 503, by error code",
    ),
    Metric(
        SLOW,
        _COUNTER,
        (),
        "requests that took `GOLDENROD_SLOW_MS` or longer; the log has each",
    ),
    Metric(
        SIGN_INS,
        _COUNTER,
        ("by", "result"),
        "failed sign-ins, by `password`, `oidc` or what else asked for one; `result` is `failure`, or "
        "`limited` for one that the limits refused",
    ),
    Metric(
        "goldenrod_cache_requests_total",
        _COUNTER,
        ("result",),
        "reads for which the response cache was asked: `hit` or `miss`",
    ),
    Metric("goldenrod_cache_bytes", _GAUGE, (), "the size of the response caches of all workers"),
    Metric(
        "goldenrod_database_connections_in_use",
        _GAUGE,
        ("pool",),
        "database connections in use; `pool` is `requests` or `webhooks`",
    ),
    Metric(
        "goldenrod_database_connections_limit",
        _GAUGE,
        ("pool",),
        "the most connections that all workers may open",
    ),
    Metric(
        "goldenrod_database_waiting",
        _GAUGE,
        ("pool",),
        "how many requests wait for a connection",
    ),
    Metric(
        "goldenrod_database_waits_total",
        _COUNTER,
        ("pool",),
        "requests that had to wait for a connection",
    ),
    Metric(
        "goldenrod_database_wait_seconds_total",
        _COUNTER,
        ("pool",),
        "how long they waited in all",
    ),
    Metric(
        "goldenrod_database_waits_refused_total",
        _COUNTER,
        ("pool",),
        "requests that got no connection in time",
    ),
    Metric(
        "goldenrod_replica_lag_seconds",
        _GAUGE,
        (),
        "how many seconds the replica lags behind the primary, of all workers' values the largest; "
        "`+Inf` while that is unknown, 0 without a replica",
    ),
    Metric("goldenrod_workers", _GAUGE, (), "the worker processes that are running"),
    Metric(
        "goldenrod_ready",
        _GAUGE,
        ("part",),
        "1 if a part of `/readyz` works, otherwise 0",
    ),
    Metric("goldenrod_catalogue_revision", _GAUGE, (), "the revision of the catalogue"),
    Metric(
        "goldenrod_webhooks_waiting",
        _GAUGE,
        (),
        "deliveries to active webhooks that wait, and events that have no deliveries yet",
    ),
    Metric(
        "goldenrod_webhooks_oldest_due_seconds",
        _GAUGE,
        (),
        "for how long the oldest of them has been due; 0 if none is",
    ),
    Metric(
        "goldenrod_sync_last_read_timestamp_seconds",
        _GAUGE,
        ("source",),
        "when a run last read the source, or when the source was added; its age is `time()` less this",
    ),
    Metric(
        "goldenrod_sync_last_run_failed",
        _GAUGE,
        ("source",),
        "1 if the last run of the source failed, otherwise 0",
    ),
    Metric("goldenrod_info", _GAUGE, ("version",), "always 1; the release that runs"),
)
"""Every metric. The last nine are found out when they are asked for, the others by each worker."""

_MEANINGS = {metric.name: metric for metric in METRICS}


class _Latency(Histogram):
    """A histogram to which many observations are added at once: `observe` takes one at a time, and
    longer for it than a cached answer may take."""

    def add(self, cell: list[float]) -> None:
        """Add the sum of some observations, and how many there are in each bucket."""
        self._sum.inc(cell[0])
        for bucket, number in zip(self._buckets, cell[1:], strict=True):
            if number:
                bucket.inc(number)


class WorkerMetrics:
    """The metrics of this process. It writes them into `directory`."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        config.use_metrics_directory(directory)
        # Chosen when the library is imported, perhaps before the directory was there.
        values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()

        def made(kind: Any, name: str, **more: Any) -> Any:
            metric = _MEANINGS[name]
            return kind(name, metric.meaning, metric.labels, registry=registry, **more)

        self._requests = made(Counter, "goldenrod_http_requests_total")
        self._latency = made(_Latency, "goldenrod_http_request_duration_seconds", buckets=BUCKETS)
        self._cache = made(Counter, "goldenrod_cache_requests_total")
        self._others = {name: made(Counter, name) for name in (REFUSED, SLOW, SIGN_INS)}
        summed, furthest = "livesum", "livemax"
        self._cache_bytes = made(Gauge, "goldenrod_cache_bytes", multiprocess_mode=summed)
        self._now = [
            made(Gauge, f"goldenrod_database_{name}", multiprocess_mode=summed)
            for name in ("connections_limit", "connections_in_use", "waiting")
        ]
        self._in_all = [
            made(Counter, f"goldenrod_database_{name}")
            for name in ("waits_total", "wait_seconds_total", "waits_refused_total")
        ]
        self._lag = made(Gauge, "goldenrod_replica_lag_seconds", multiprocess_mode=furthest)
        made(Gauge, "goldenrod_workers", multiprocess_mode=summed).set(1)
        self._pools: dict[str, tuple[Callable[[], PoolUse], PoolUse]] = {}
        self._stored: ResponseCache | None = None
        self._replicated: Database | None = None
        self._lock = threading.Lock()

    def show_pool(self, name: str, db: Database) -> None:
        """Show how the connections of `db` are used."""
        self._pools[name] = (db.pool_use, PoolUse(0, 0, 0, 0, 0.0, 0))

    def show_replica(self, db: Database) -> None:
        """Show how far the replica of `db` lags, if it has one."""
        self._replicated = db if db.replica is not None else None

    def show_cache(self, cache: ResponseCache | None) -> None:
        """Show the size of this cache."""
        self._stored = cache

    def begin(self) -> None:
        """Write what is counted once a second, in a thread."""

        def run() -> None:
            pause = threading.Event()
            while not pause.wait(FLUSH_S):
                self.flush()

        threading.Thread(target=run, name="metrics", daemon=True).start()

    def flush(self) -> None:
        """Write what was counted since the last time, and the gauges."""
        with self._lock:
            requests, others = COUNTS.take()
            for (method, route, status, cache), cell in requests.items():
                number = sum(cell[1:])
                self._requests.labels(method, route, status).inc(number)
                self._latency.labels(method, route).add(cell)
                if cache:
                    self._cache.labels(cache).inc(number)
            for (name, *labels), number in others.items():
                counter = self._others[name]
                (counter.labels(*labels) if labels else counter).inc(number)
            for name, (ask, before) in self._pools.items():
                use = ask()
                for gauge, now in zip(self._now, use[:3], strict=True):
                    gauge.labels(name).set(now)
                for counter, total, old in zip(self._in_all, use[3:], before[3:], strict=True):
                    counter.labels(name).inc(max(total - old, 0))
                self._pools[name] = (ask, use)
            if self._stored is not None:
                self._cache_bytes.set(self._stored.stored_bytes)
            if self._replicated is not None:
                lag = self._replicated.replica_lag_seconds()
                self._lag.set(float("inf") if lag is None else lag)


_OF_PROCESS = re.compile(r"gauge_live\w+_(\d+)\.db")


def remove_dead(directory: str) -> None:
    """Remove the gauges of workers that have ended."""
    for file in Path(directory).glob("gauge_live*_*.db"):
        found = _OF_PROCESS.fullmatch(file.name)
        if found and not _is_running(found[1]):
            multiprocess.mark_process_dead(found[1], directory)  # type: ignore[no-untyped-call]


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
