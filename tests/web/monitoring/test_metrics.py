"""`/metrics`: what is counted, by route and never by address, of all workers; and who may read it."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import httpx
import pytest
from falcon import testing

from goldenrod.base import config
from goldenrod.base.clock import later, to_micros
from goldenrod.catalogue.accounts.password_sign_in import MOST_BY_ACCOUNT
from goldenrod.store import schema
from goldenrod.store.db import Database
from goldenrod.web.app import build_app
from goldenrod.web.monitoring.directory import metrics_directory
from goldenrod.web.monitoring.metrics import METRICS
from tests.conftest import Clock
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor
from tests.support.processes.server import WAIT_S, begin, free_port, ready
from tests.web.monitoring.conftest import TOKEN, Monitored, Samples, sample


def client_of(one: Monitored, world: World) -> ApiClient:
    api = ApiClient.__new__(ApiClient)
    api.client, api.world = one.client, world
    return api


def counted(samples: Samples, **labels: str) -> float | None:
    return sample(samples, "goldenrod_http_requests_total", **labels)


def test_requests_are_counted_by_route_status_and_cache(
    db: Database, world: World, monitored: Callable[..., Monitored]
) -> None:
    one = monitored()
    api = client_of(one, world)
    for _ in range(3):
        assert api.get("/api/v2/images").status_code == 200
    assert api.client.simulate_head("/api/v2/images").status_code == 200
    assert api.post("/api/v2/images", "alice", {"name": 1}).status_code == 400
    assert api.get("/api/v2/images/no-such-image").status_code == 404
    samples = one.samples()
    assert counted(samples, method="GET", route="/api/v2/images", status="200") == 4
    assert counted(samples, method="POST", route="/api/v2/images", status="400") == 1
    assert counted(samples, method="GET", route="/api/v2/images/{key}", status="404") == 1
    taken = "goldenrod_http_request_duration_seconds"
    route = {"method": "GET", "route": "/api/v2/images"}
    assert sample(samples, f"{taken}_count", **route) == 4
    assert sample(samples, f"{taken}_bucket", le="+Inf", **route) == 4
    assert 0 < (sample(samples, f"{taken}_sum", **route) or 0) < 60
    # The first read, the 404 and the scrape itself were not in the cache; HEAD is answered from it.
    assert sample(samples, "goldenrod_cache_requests_total", result="hit") == 3
    assert (sample(samples, "goldenrod_cache_requests_total", result="miss") or 0) >= 2
    assert (sample(samples, "goldenrod_cache_bytes") or 0) > 1000
    assert sample(samples, "goldenrod_workers") == 1


def test_no_address_makes_a_new_series(
    db: Database, world: World, monitored: Callable[..., Monitored]
) -> None:
    one = monitored()
    api = client_of(one, world)

    def ask_all(word: str) -> None:
        for method in ("GET", "PUT", "TRACE", f"X{word}".upper()):
            for path in ("/", "/images/", "/api/v2/images/", "/static/x/", "/metrics/", "/a/b/"):
                api.ask(method, f"{path}{word}?{word}={word}")
                api.ask(method, f"{path}{word}/")
        api.get(f"/{word * 1000}")
        api.get("/api/v2/images", headers={"X-Header": word * 3000})

    ask_all("first")
    before = set(one.samples())
    for number in range(5):
        ask_all(f"strange{number}")
    samples = one.samples()
    assert set(samples) - before <= {
        # The scrape before is the only request of another kind.
        key
        for key in samples
        if ("route", "/metrics") in key[1]
    }
    assert not [key for key in samples if "strange" in str(key) or "first" in str(key)]


def test_refusals_and_failed_sign_ins_are_counted(
    db: Database, world: World, monitored: Callable[..., Monitored]
) -> None:
    one = monitored()
    visitor = Visitor(db, one.settings)
    visitor.client = one.client
    for _ in range(MOST_BY_ACCOUNT + 1):
        page = visitor.get("/sign-in")
        last = visitor.submit(page, "/sign-in", username="alice", password="wrong")
    assert last.status == 429
    samples = one.samples()
    failed = "goldenrod_sign_in_failures_total"
    assert sample(samples, failed, by="password", result="failure") == MOST_BY_ACCOUNT
    assert sample(samples, failed, by="password", result="limited") == 1
    refused = "goldenrod_requests_refused_total"
    assert sample(samples, refused, status="429", code="too_many_requests") == 1


def test_what_the_catalogue_says_is_read_when_it_is_asked_for(
    db: Database, world: World, clock: Clock, monitored: Callable[..., Monitored]
) -> None:
    with db.write() as tx:
        source, runs = schema.sync_sources, schema.sync_runs
        named = {"type": "aws", "start_date": tx.now, "locked_by": None, "locked_until": None}
        aws = tx.insert(source, uuid=str(uuid4()), name="aws", **named)
        tx.insert(source, uuid=str(uuid4()), name="never", **named)
        ends = [later(tx.now, minutes=number) for number in (1, 2)]
        for state, end in zip(("done", "failed"), ends, strict=True):
            tx.insert(
                runs,
                uuid=str(uuid4()),
                source_id=aws,
                start_date=tx.now,
                end_date=end,
                state=state,
                counts="{}",
            )
        tx.insert(
            schema.events,
            uuid=str(uuid4()),
            at=tx.now,
            type="version.created",
            image_id=None,
            version_n=None,
            about="{}",
            dedup_key=None,
            queued=False,
        )
        started, revision = tx.now, tx.revision
    clock.move(seconds=90)
    samples = monitored().samples()
    assert sample(samples, "goldenrod_catalogue_revision") == revision
    assert sample(samples, "goldenrod_webhooks_waiting") == 1
    assert sample(samples, "goldenrod_webhooks_oldest_due_seconds") == 90
    read_at, failed = (
        "goldenrod_sync_last_read_timestamp_seconds",
        "goldenrod_sync_last_run_failed",
    )
    assert sample(samples, read_at, source="aws") == to_micros(ends[0]) / 1e6
    assert sample(samples, read_at, source="never") == to_micros(started) / 1e6
    assert sample(samples, failed, source="aws") == 1
    assert sample(samples, failed, source="never") == 0
    assert sample(samples, "goldenrod_ready", part="database") == 1


def test_waiting_for_a_connection_is_counted(
    new_database: Callable[[str], Database], backend: str, monitored: Callable[..., Monitored]
) -> None:
    db = new_database(backend)
    one = monitored(of=db)
    pause, done = threading.Event(), threading.Event()
    held = threading.Semaphore(0)

    def hold() -> None:
        with db.connection():
            held.release()
            done.wait(60)

    holding = [threading.Thread(target=hold) for _ in range(8)]
    for thread in holding:
        thread.start()
    assert all(held.acquire(timeout=30) for _ in holding)
    assert db.pool_use()[1:3] == (8, 0)
    waiter = threading.Thread(target=lambda: db.connection().__enter__())
    waiter.start()
    while not db.pool_use().waiting:
        pause.wait(0.01)
    samples = one.samples()
    done.set()
    for thread in [*holding, waiter]:
        thread.join(30)
    named = {"pool": "requests"}
    assert sample(samples, "goldenrod_database_connections_in_use", **named) == 8
    assert sample(samples, "goldenrod_database_connections_limit", **named) == 8
    assert sample(samples, "goldenrod_database_waiting", **named) == 1
    assert (sample(samples, "goldenrod_database_waits_total", **named) or 0) >= 1


def test_every_metric_is_shown_and_none_besides(
    db: Database, monitored: Callable[..., Monitored]
) -> None:
    one = monitored()
    samples = one.samples()
    assert sample(samples, "goldenrod_replica_lag_seconds") == 0
    for lag, shown in ((2.5, 2.5), (None, float("inf"))):
        replicated = cast(
            Database, SimpleNamespace(replica=1, replica_lag_seconds=lambda lag=lag: lag)
        )
        one.monitoring.metrics.show_replica(replicated)
        assert sample(one.samples(), "goldenrod_replica_lag_seconds") == shown
    text = one.client.simulate_get("/metrics", headers={"Authorization": f"Token {TOKEN}"}).text
    shown = {*re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)}
    declared = {(metric.name, metric.kind) for metric in METRICS}
    assert shown <= declared
    never = {"goldenrod_sync_last_read_timestamp_seconds", "goldenrod_sync_last_run_failed"}
    absent = {name for name, _ in declared - shown}
    # Counters with labels are shown once they were counted.
    assert absent <= {
        "goldenrod_requests_refused_total",
        "goldenrod_sign_in_failures_total",
        *never,
    }
    assert "# HELP goldenrod_workers the worker processes that are running\n" in text


def test_to_whoever_has_no_token_there_is_nothing_at_metrics(
    db: Database, world: World, monitored: Callable[..., Monitored]
) -> None:
    api = client_of(monitored(), world)
    closed = testing.TestClient(build_app(db, config.load({})))
    for client, sent in (
        (api.client, None),
        (api.client, f"Bearer {world.secrets['dora']}"),
        (api.client, f"Bearer {TOKEN}x"),
        (api.client, "Bearer "),
        (closed, None),
        (closed, f"Bearer {TOKEN}"),
        (closed, "Bearer "),
    ):
        headers = {"Authorization": sent} if sent else {}
        answer = client.simulate_get("/metrics", headers=headers)
        unknown = client.simulate_get("/nowhere", headers=headers)
        assert (answer.status_code, answer.text) == (unknown.status_code, unknown.text)
        assert answer.status_code in (401, 404)
        assert "goldenrod_" not in answer.text


def test_the_gauges_of_a_worker_that_has_ended_are_removed_and_its_counters_stay(
    db: Database, monitored: Callable[..., Monitored], tmp_path: Path
) -> None:
    one = monitored()
    one.client.simulate_get("/healthz")
    one.samples()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    directory = Path(one.monitoring.metrics.directory)
    for file in list(directory.glob(f"*_{os.getpid()}.db")):
        copy = file.name.replace(str(os.getpid()), str(ended.pid))
        (directory / copy).write_bytes(file.read_bytes())
    samples = one.samples()
    assert sample(samples, "goldenrod_workers") == 1
    assert counted(samples, method="GET", route="/healthz", status="200") == 2
    assert not list(directory.glob(f"gauge_live*_{ended.pid}.db"))


def test_the_directory_goes_with_its_server_and_that_of_a_killed_one_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        "import os, tempfile; tempfile.tempdir = os.environ['WHERE']\n"
        "from goldenrod.web.monitoring.directory import metrics_directory\n"
        "held = metrics_directory(); held.__enter__(); os._exit(9)"
    )
    with metrics_directory() as first:
        assert Path(first).stat().st_mode & 0o077 == 0
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"WHERE": str(tmp_path)})
        assert len(list(tmp_path.iterdir())) == 2
        with metrics_directory() as second:
            # That of the killed process is gone, that of the running one is not.
            assert {*map(str, tmp_path.iterdir())} == {first, second}
    assert not list(tmp_path.iterdir())


def test_all_workers_of_a_server_are_counted_on_a_port_of_its_own(tmp_path: Path) -> None:
    port = free_port()
    options = ("--workers", "2", "--metrics-port", str(port))
    url = f"sqlite:///{tmp_path / 'c.db'}"
    env = {"TMPDIR": str(tmp_path), "GOLDENROD_SLOW_MS": "0"}
    server = begin(url, tmp_path / "stderr", *options, **env)
    try:
        ready(server)
        for _ in range(20):
            # A new connection each time, so that both workers get some.
            assert httpx.get(f"{server.url}/healthz", timeout=WAIT_S).status_code == 200
        assert httpx.get(f"{server.url}/metrics", timeout=WAIT_S).status_code == 404
        wanted = 'requests_total{method="GET",route="/healthz",status="200"} 20.0\n'
        for _ in range(100):
            answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=WAIT_S)
            if wanted in answer.text and "goldenrod_workers 2.0\n" in answer.text:
                break
            threading.Event().wait(0.1)
        assert wanted in answer.text and "goldenrod_workers 2.0\n" in answer.text
        assert answer.headers["content-type"].startswith("text/plain")
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=WAIT_S).status_code == 404
        assert server.end() == 0
        assert server.log() == ""
        assert not list(tmp_path.glob("goldenrod-metrics-*"))
    finally:
        if server.process.poll() is None:
            server.end()
        assert server.process.stdout is not None
        server.process.stdout.close()
