"""Traces for OpenTelemetry: requests and their statements, no values; without them, no import."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from falcon import testing
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from goldenrod.base import config
from goldenrod.base.errors import SettingError
from goldenrod.store.db import Database
from goldenrod.web.app import build_app
from goldenrod.web.monitoring import tracing
from goldenrod.web.server import serve
from tests.support.cast import World

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_request_is_a_span_and_each_statement_one_below_it(
    db: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = tracing.RequestTracer(provider, db)
    monkeypatch.setattr(tracing, "tracer_of", lambda settings, db: tracer)
    client = testing.TestClient(build_app(db, config.load({})))
    headers = {
        "Authorization": f"Token {world.secrets['alice']}",
        "traceparent": CALLER,
        "X-Request-Id": "traced-1",
    }
    client.simulate_get("/api/v2/images/xyzzy-private?a=xyzzy-private", headers=headers)
    request = exporter.get_finished_spans()[-1]
    statements = [span for span in exporter.get_finished_spans() if span.parent is not None]
    assert request.name == "GET /api/v2/images/{key}"
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/api/v2/images/{key}",
        "http.response.status_code": 404,
        "goldenrod.request_id": "traced-1",
    }
    assert request.parent is not None
    assert f"{request.parent.trace_id:032x}" == CALLER.split("-")[1]
    below = [span for span in statements if span.parent == request.get_span_context()]
    assert below and {span.name.split(".")[0] for span in below} <= {
        *("catalogue", "rules", "update tokens"),
    }
    for span in below:
        assert dict(span.attributes or {}) == {"db.system.name": db.dialect}
        assert request.start_time <= span.start_time <= span.end_time <= request.end_time
    everything = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "xyzzy" not in everything
    assert world.secrets["alice"] not in everything


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A collector on this machine, and what it was sent."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            got.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", got
    server.shutdown()
    server.server_close()


def test_traces_are_sent_to_the_collector_of_the_settings(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    of_settings = tracing.tracer_of

    def tracer_of(settings: config.Settings, db: Database) -> Any:
        made.append(of_settings(settings, db))
        return made[-1]

    monkeypatch.setattr(tracing, "tracer_of", tracer_of)
    with collector() as (endpoint, got):
        settings = config.load({"GOLDENROD_OTLP_ENDPOINT": f"{endpoint}/"})
        client = testing.TestClient(build_app(sqlite_db, settings))
        assert client.simulate_get("/api/v2/images").status_code == 200
        made[0].provider.shutdown()
    path, sent = got[0]
    assert path == "/v1/traces"
    [resource] = sent.resource_spans
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert named["service.name"] == "goldenrod"
    names = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert "GET /api/v2/images" in names and len(names) > 1


def test_nothing_is_imported_without_an_endpoint_and_an_error_says_what_is_missing(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys, goldenrod.cli.main, goldenrod.web.server\n"
        "from goldenrod.base import config\n"
        "from goldenrod.store.db import Database\n"
        f"goldenrod.web.server.build_app(Database({sqlite_db.url!r}), config.load({{}}))\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus'))])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
    settings = config.load({"GOLDENROD_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(SettingError, match=r"needs the extra otel: pip install"):
        serve(settings, "127.0.0.1", 0)
    for wrong in ("127.0.0.1:4318", "grpc://x:4317", "http://user:secret@x", "http://x/?a=b"):
        with pytest.raises(SettingError, match="GOLDENROD_OTLP_ENDPOINT takes an address"):
            config.load({"GOLDENROD_OTLP_ENDPOINT": wrong})
