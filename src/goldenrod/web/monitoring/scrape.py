"""Answers `GET /metrics`: what all workers counted, and what the catalogue says now.

It is answered on a port of its own (`serve --metrics-port`), which every worker listens on, or on the
main port with a token. What the database says is asked for in bounded time, over connections of its
own.
"""

import hmac
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer
from typing import Any, NamedTuple

import falcon
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

import goldenrod
from goldenrod.base import clock
from goldenrod.base.errors import Unavailable
from goldenrod.catalogue import figures
from goldenrod.store.db import Database, Row
from goldenrod.web.monitoring.metrics import METRICS, WorkerMetrics, remove_dead
from goldenrod.web.monitoring.readiness import FINE, Bounded, Readiness

log = logging.getLogger("goldenrod")

_AUTHORIZATION = re.compile(r"(?:token|bearer) +(\S{1,512})", re.I | re.ASCII)
SLOW_CLIENT_S = 5
"""Seconds that a client of the metrics port has to send its request, and to take the answer."""


class _Read(NamedTuple):
    """What the database says."""

    revision: int
    waiting: int
    oldest_due_s: float
    syncs: list[Row]


class _Catalogue:
    """Collects what is found out when it is asked for."""

    def __init__(self, readiness: Readiness, own: Callable[[], Database]) -> None:
        self._readiness = readiness
        self._own = own
        self._bounded = Bounded(self._ask)

    def _ask(self) -> _Read | None:
        try:
            with self._own().read() as tx:
                backlog = figures.backlog(tx)
                due = 0.0
                if backlog.due_since is not None:
                    due = (clock.to_micros(tx.now) - clock.to_micros(backlog.due_since)) / 1e6
                return _Read(tx.revision, backlog.waiting, due, figures.syncs(tx))
        except Unavailable:
            return None  # `goldenrod_ready` says so
        except Exception:
            log.exception("the catalogue's figures cannot be read")
            return None

    def collect(self) -> Iterator[Any]:
        """What prometheus-client asks a collector for."""
        yield _family("goldenrod_info", {(goldenrod.__version__,): 1})
        parts = self._readiness.parts()
        yield _family(
            "goldenrod_ready", {(part,): int(state in FINE) for part, state in parts.items()}
        )
        read = self._bounded.get()
        if read is None:
            return  # a gauge that is missing is better than one that is wrong
        yield _family("goldenrod_catalogue_revision", {(): read.revision})
        yield _family("goldenrod_webhooks_waiting", {(): read.waiting})
        yield _family("goldenrod_webhooks_oldest_due_seconds", {(): read.oldest_due_s})
        yield _family(
            "goldenrod_sync_last_read_timestamp_seconds",
            {
                (sync["name"],): clock.to_micros(sync["read_at"] or sync["start_date"]) / 1e6
                for sync in read.syncs
            },
        )
        yield _family(
            "goldenrod_sync_last_run_failed",
            {(sync["name"],): int(sync["state"] == "failed") for sync in read.syncs},
        )


def _family(name: str, samples: dict[tuple[str, ...], float]) -> GaugeMetricFamily:
    metric = next(metric for metric in METRICS if metric.name == name)
    family = GaugeMetricFamily(name, metric.meaning, labels=metric.labels)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family


class Scrape:
    """The text of all metrics, and who may read it."""

    def __init__(
        self,
        worker: WorkerMetrics,
        readiness: Readiness,
        own: Callable[[], Database],
        token: str = "",  # nosec B107 # empty: no token
    ) -> None:
        self._worker = worker
        self._catalogue = _Catalogue(readiness, own)
        self._token = token.encode()

    def text(self) -> bytes:
        """All metrics, in the text format of Prometheus."""
        self._worker.flush()
        remove_dead(self._worker.directory)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._worker.directory)  # type: ignore[no-untyped-call]
        registry.register(self._catalogue)
        return generate_latest(registry)

    @property
    def open(self) -> bool:
        """Whether the port for metrics needs no token."""
        return not self._token

    def allows(self, authorization: str | None) -> bool:
        """Whether this Authorization header has the token of the settings. Where that has none, only
        the port for metrics answers them."""
        found = _AUTHORIZATION.fullmatch((authorization or "").strip())
        given = found[1].encode() if found else b""
        return hmac.compare_digest(given, self._token) and bool(self._token)

    def listen(self, host: str, port: int) -> None:
        """Answer on a port of its own, in a thread. The workers share it. With a token in the settings
        it is needed here too."""
        server = _Server(host, port, self)
        threading.Thread(target=server.serve_forever, name="metrics port", daemon=True).start()


class Metrics:
    """The resource `/metrics`. To whoever has no token for it, it is an address that does not exist."""

    def __init__(self, scrape: Scrape, nowhere: Callable[..., None]) -> None:
        self._scrape = scrape
        self._nowhere = nowhere

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if not self._scrape.allows(req.get_header("Authorization")):
            self._nowhere(req, resp)
            return
        resp.set_header("Cache-Control", "no-store")
        resp.content_type = CONTENT_TYPE_LATEST
        resp.data = self._scrape.text()


class _Server(HTTPServer):
    """Serves the metrics port, one client after the other."""

    allow_reuse_port = True

    def __init__(self, host: str, port: int, scrape: Scrape) -> None:
        self.scrape = scrape
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the name of the address, which HTTPServer would do."""
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away or is too slow is nothing to log."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one request of the metrics port."""

    timeout = SLOW_CLIENT_S
    server: _Server

    def do_GET(self) -> None:
        scrape = self.server.scrape
        status, kind, body = 404, "text/plain; charset=utf-8", b"Metrics are at /metrics.\n"
        if self.path.partition("?")[0] == "/metrics":
            if scrape.open or scrape.allows(self.headers.get("Authorization")):
                status, kind, body = 200, CONTENT_TYPE_LATEST, scrape.text()
            else:
                status, body = 401, b"The token of GOLDENROD_METRICS_TOKEN is needed.\n"
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

    def version_string(self) -> str:
        return "Goldenrod"

    def log_message(self, format: str, *args: Any) -> None:
        """Requests of this port are not logged."""
