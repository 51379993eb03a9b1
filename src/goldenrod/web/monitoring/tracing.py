"""Traces of requests and their statements, for OpenTelemetry (the extra `otel`).

Nothing of OpenTelemetry is imported unless GOLDENROD_OTLP_ENDPOINT is set. A trace has the template of
the route, the status, the request's id, and the name and time of each statement: no address, no header,
no value. A request's `traceparent` makes it part of the caller's trace.
"""

from time import perf_counter, time_ns
from typing import Any

import goldenrod
from goldenrod.base.config import Settings
from goldenrod.base.errors import SettingError
from goldenrod.store.current_request import CurrentRequest
from goldenrod.store.db import Database
from goldenrod.web.monitoring.watch import NO_ROUTE, ROUTE, method_of

EXPORT_TIMEOUT_S = 5


class RequestTracer:
    """Records each request as a span, with a span below it for each statement. They are made once the
    answer is there, from the times that were noted."""

    def __init__(self, provider: Any, db: Database) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.provider = provider
        self._trace = trace
        self._tracer = provider.get_tracer("goldenrod", goldenrod.__version__)
        self._propagator = TraceContextTextMapPropagator()
        self._db = db

    def record(
        self, environ: dict[str, Any], request: CurrentRequest, began: float, status: str
    ) -> None:
        """Record a request that began at this time of `perf_counter` and has just been answered."""
        now, now_ns = perf_counter(), time_ns()

        def moment(at: float) -> int:
            return now_ns - int((now - at) * 1e9)

        method, route = method_of(environ), environ.get(ROUTE) or NO_ROUTE
        carrier = {
            name: environ[variable]
            for name, variable in (
                ("traceparent", "HTTP_TRACEPARENT"),
                ("tracestate", "HTTP_TRACESTATE"),
            )
            if variable in environ
        }
        span = self._tracer.start_span(
            f"{method} {route}",
            context=self._propagator.extract(carrier),
            kind=self._trace.SpanKind.SERVER,
            start_time=moment(began),
            attributes={
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": int(status),
                "goldenrod.request_id": request.id,
            },
        )
        if span.is_recording():
            below = self._trace.set_span_in_context(span)
            for ran in request.ran:
                self._tracer.start_span(
                    ran.name,
                    context=below,
                    kind=self._trace.SpanKind.CLIENT,
                    start_time=moment(ran.began),
                    attributes={"db.system.name": self._db.dialect},
                ).end(moment(ran.began + ran.seconds))
        if status[0] == "5":
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(now_ns)


def require_installed(settings: Settings) -> None:
    """Raise SettingError where the settings need the extra `otel`, and it is not installed."""
    if not settings.otlp_endpoint:
        return
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace.export  # noqa: F401
    except ImportError:
        raise SettingError(
            "GOLDENROD_OTLP_ENDPOINT needs the extra otel: pip install 'goldenrod[otel]'"
        ) from None


def tracer_of(settings: Settings, db: Database) -> RequestTracer | None:
    """What records traces and sends them to the collector of the settings; None where there is none.
    Raises SettingError where the extra `otel` is not installed."""
    if not settings.otlp_endpoint:
        return None
    require_installed(settings)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {"service.name": "goldenrod", "service.version": goldenrod.__version__}
    provider = TracerProvider(resource=Resource.create(named))
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.otlp_endpoint}/v1/traces", timeout=EXPORT_TIMEOUT_S
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return RequestTracer(provider, db)
