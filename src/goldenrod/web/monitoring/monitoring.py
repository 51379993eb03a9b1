"""What watches one worker: readiness, metrics and traces, and the connections that these use."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from goldenrod.base.config import Settings
from goldenrod.store.db import Database
from goldenrod.web.monitoring import tracing
from goldenrod.web.monitoring.readiness import Readiness, Ready
from goldenrod.web.monitoring.watch import Wsgi, watched
from goldenrod.web.response_cache import ResponseCache

if TYPE_CHECKING:
    from goldenrod.web.monitoring.scrape import Scrape

CONNECTIONS = 2
"""Database connections of a worker that only monitoring uses: one for readiness, one for figures. They
are opened when they are first needed."""


class Monitoring:
    """The monitoring of one worker. Requests are counted only with a `directory` for metrics."""

    def __init__(self, db: Database, settings: Settings, directory: str | None = None) -> None:
        self._db = db
        self._settings = settings
        self._own: Database | None = None
        self._lock = threading.Lock()
        self.readiness = Readiness(db, self.connections)
        self.scrape: Scrape | None = None
        if directory is not None:
            # prometheus-client takes a while to import, and most commands need none of it.
            from goldenrod.web.monitoring import metrics, scrape

            self.metrics = metrics.WorkerMetrics(directory)
            self.metrics.show_pool("requests", db)
            self.metrics.show_replica(db)
            self.scrape = scrape.Scrape(
                self.metrics, self.readiness, self.connections, settings.metrics_token
            )

    def connections(self) -> Database:
        """The database, over connections that nothing else uses."""
        with self._lock:
            if self._own is None:
                self._own = Database(
                    self._db.url,
                    pool=CONNECTIONS,
                    now=self._db.now,
                    prepare=self._settings.database_prepare,
                )
            return self._own

    def add_resources(self, app: Any, nowhere: Callable[..., None]) -> None:
        """Add `/readyz`, and `/metrics` where there is a token for it."""
        app.add_route("/readyz", Ready(self.readiness))
        if self.scrape is not None and self._settings.metrics_token:
            from goldenrod.web.monitoring.scrape import Metrics

            app.add_route("/metrics", Metrics(self.scrape, nowhere))

    def watched(self, app: Wsgi, cache: ResponseCache | None) -> Wsgi:
        """The application, with each of its requests watched."""
        if self.scrape is not None:
            self.metrics.show_cache(cache)
        return watched(
            app,
            slow_ms=self._settings.slow_ms,
            counting=self.scrape is not None,
            tracer=tracing.tracer_of(self._settings, self._db),
        )

    def show_pool(self, name: str, db: Database) -> None:
        """Show in the metrics how the connections of `db` are used."""
        if self.scrape is not None:
            self.metrics.show_pool(name, db)

    def begin(self, at: tuple[str, int] | None = None) -> None:
        """Write what is counted regularly, and answer metrics at this address and port."""
        if self.scrape is not None:
            self.metrics.begin()
            if at is not None:
                self.scrape.listen(*at)

    def close(self) -> None:
        """Close its connections."""
        if self._own is not None:
            self._own.close()
