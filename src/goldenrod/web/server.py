"""The server: one main process, and worker processes that answer requests.

The main process checks that the port is free, migrates the database, and starts the workers (Granian).
Each worker opens the database and builds the application. After SIGTERM or Ctrl-C, requests in flight
are finished. Workers end with the main process, however it ends. Logs go to stderr.
"""

import ctypes
import logging
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, Literal, NamedTuple

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from goldenrod.base import config
from goldenrod.base.config import Settings
from goldenrod.base.printing import escaped, printable
from goldenrod.catalogue.webhooks.worker import CONNECTIONS, Deliverer
from goldenrod.store.connections.postgresql import conninfo
from goldenrod.store.current_request import CURRENT
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from goldenrod.web import request_body
from goldenrod.web.app import AT_ONCE, Wsgi, build_app
from goldenrod.web.limits import gate
from goldenrod.web.monitoring import tracing
from goldenrod.web.monitoring.directory import metrics_directory
from goldenrod.web.monitoring.monitoring import Monitoring

BLOCKING_THREADS = AT_ONCE
"""Requests that are answered at once: more than is fastest. Requests that wait have further threads."""
REFUSING_THREADS = 8
"""Threads that answer from the cache, or refuse, while all others are in use."""
_WAITING = gate.MOST_WAITING + gate.MOST_CHANGES_WAITING
_BODIES = request_body.AT_ONCE + request_body.MOST_WAITING
IDLE_S = 10
"""Seconds in which a connection must send a request's head, and that it may be idle between two."""
BACKLOG = 4096
"""Connections that may wait to be accepted. The kernel may allow fewer (net.core.somaxconn)."""
MOST_CONNECTIONS = 16_384
"""Open connections of one process. The limit on its file descriptors may allow fewer."""
_OTHER_FILES = 256
READ_S = 5
"""Seconds that a read may take in the database."""
FINISH_S = 30
"""Seconds in which requests in flight must finish after the server is asked to end."""
LOOK_S = 0.1
"""Seconds between two looks of a worker at whether its main process is still there."""
HEAPS = 2
"""Heaps of the C library in each process, which its threads share."""
LogForm = Literal["plain", "json"]

_M_ARENA_MAX = -8


def serve(
    settings: Settings,
    host: str,
    port: int,
    workers: int = 1,
    threads: int = BLOCKING_THREADS,
    *,
    log_form: LogForm = "plain",
    log_access: bool = False,
    metrics_at: tuple[str, int] | None = None,
    prepare: Callable[[Database], object] = migrate,
    announce: Callable[[str], object] | None = None,
) -> None:
    """Serve until a signal ends it. Port 0 takes a free port.

    `prepare` is called with the database before workers start. `announce` is called with the server's
    address once it answers; by default, the address is printed. `metrics_at` is the address and port
    that answers metrics.

    Raises OSError where the server cannot listen at the address, SettingError, Unavailable.
    """
    config.forget_header_variables()
    _share_heaps()
    if settings.replica_url:
        conninfo(settings.replica_url)  # raises SettingError here, rather than in each worker
    tracing.require_installed(settings)
    address, port, reserved = _listen_at(host, port)
    with reserved, ExitStack() as ends:
        metrics = _Metrics()
        if metrics_at is not None:
            found, number, also_reserved = _listen_at(*metrics_at, option="--metrics-port")
            ends.enter_context(also_reserved)
            metrics = metrics._replace(at=(found, number))
        if metrics_at is not None or settings.metrics_token:
            metrics = metrics._replace(directory=ends.enter_context(metrics_directory()))
        db = Database(
            settings.database_url,
            public_url=settings.public_url,
            pool=1,
            prepare=settings.database_prepare,
        )
        try:
            prepare(db)
        finally:
            db.close()  # workers must not inherit a connection
        server = _Server(
            announce or say_ready,
            "goldenrod",
            address,
            port,
            interface=Interfaces.WSGI,
            workers=workers,
            # Those that answer, that wait for their turn or for a body, and that refuse the rest.
            blocking_threads=threads + _WAITING + _BODIES + REFUSING_THREADS,
            backlog=BACKLOG,
            backpressure=_connections(),
            # HTTP/1 only: Granian has no time limit for finding out which version a client speaks.
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=IDLE_S * 1000),
            workers_kill_timeout=FINISH_S,
            # Otherwise one worker that is killed, for its memory say, would end the server.
            respawn_failed_workers=True,
            websockets=False,
            log_level=LogLevels.error,
            log_dictconfig=_logging(log_form),
            log_access=log_access,
        )
        server.serve(target_loader=partial(load, settings, threads, metrics=metrics))


def _share_heaps() -> None:
    """Let the threads of this process, and those of its workers, share a few heaps of the C library.

    By default glibc gives each thread its own, up to eight for each core. What one thread has freed,
    the others cannot use: a worker would hold much more memory. Other C libraries have no such call.
    """
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is not None:
        adjust(_M_ARENA_MAX, HEAPS)


def _connections() -> int:
    """Raise the limit on open files; how many connections a process may have open then."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MOST_CONNECTIONS + _OTHER_FILES
    files = files if most == resource.RLIM_INFINITY else min(files, most)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return max(files - _OTHER_FILES, files // 2)


class _Metrics(NamedTuple):
    """Where the workers count, and the address and port that answers what they counted."""

    directory: str | None = None
    at: tuple[str, int] | None = None


def load(
    settings: Settings,
    threads: int,
    target: str,
    metrics: _Metrics = _Metrics(),  # noqa: B008
) -> Wsgi:
    """The application of a worker, which answers so many requests at once, with its own database
    connections."""
    _end_with_main()
    db = Database(
        settings.database_url,
        public_url=settings.public_url,
        pool=settings.database_pool,
        pages_mb=settings.database_cache_mb,
        read_seconds=READ_S,
        prepare=settings.database_prepare,
        replica_url=settings.replica_url,
        replica_lag_s=settings.replica_lag_seconds,
    )
    monitoring = Monitoring(db, settings, metrics.directory)
    app = build_app(db, settings, threads, monitoring)
    if settings.deliver:
        delivering = _deliver(settings)
        monitoring.show_pool("webhooks", delivering)
    monitoring.begin(metrics.at)
    return app


def _deliver(settings: Settings) -> Database:
    """Notify webhooks in a background thread, with its own database connections. The thread ends with
    the worker, even during a delivery: what was not delivered then is delivered later."""
    db = Database(
        settings.database_url,
        public_url=settings.public_url,
        pool=CONNECTIONS,
        prepare=settings.database_prepare,
        background=True,
    )
    deliverer = Deliverer(
        db,
        private=settings.webhooks_private,
        ports=settings.webhooks_ports,
        own=settings.webhooks_receiver,
    )
    stop = threading.Event()
    threading.Thread(target=deliverer.run, args=(stop,), name="webhooks", daemon=True).start()
    return db


def _end_with_main() -> None:
    """Make this worker end when the main process ends, even if that is killed. Its requests in flight
    are finished; what takes longer than `FINISH_S` is cut off."""
    # A forked worker inherits the main process's handlers until Granian sets its own: a SIGTERM that
    # arrives while the application is built would be lost.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    main = multiprocessing.parent_process()
    if main is not None:
        threading.Thread(target=_end_after, args=(main.pid,), name="end", daemon=True).start()


def _end_after(main: int | None) -> None:
    """Wait until the main process has ended; then end this worker, as the main process would have done.

    The system's own signal for this (PR_SET_PDEATHSIG) may arrive several times. Granian's handler then
    waits for ever, with the interpreter's lock, so that the worker hangs and no signal ends it.
    """
    while os.getppid() == main:
        time.sleep(LOOK_S)
    # The kernel ends the worker then, whatever its threads wait for: a client that does not read, say.
    signal.alarm(FINISH_S)
    os.kill(os.getpid(), signal.SIGTERM)


class _Server(MPServer):
    """Granian, which reports when it is ready."""

    def __init__(self, announce: Callable[[str], object], *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._ready = announce

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]
        threading.Thread(target=self._announce, daemon=True).start()

    def _announce(self) -> None:
        while not self.main_loop_interrupt.wait(0.02):
            try:
                socket.create_connection(_reached(self.bind_addr, self.bind_port), 1).close()
            except OSError:
                continue
            shown = f"[{self.bind_addr}]" if ":" in self.bind_addr else self.bind_addr
            self._ready(f"http://{shown}:{self.bind_port}")
            return


def say_ready(address: str) -> None:
    """Print the server's address."""
    print(f"Goldenrod serves {address}", flush=True)


def _reached(address: str, port: int) -> tuple[str, int]:
    """The address and port at which this machine reaches a server that listens at `address`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address), port  # noqa: S104 # nosec B104 # compared, not bound


def _listen_at(host: str, port: int, option: str = "--port") -> tuple[str, int, socket.socket]:
    """The address and port to listen at, with a socket that reserves the port until it is closed.

    The workers' sockets share the port (SO_REUSEPORT), so a second server on it would go unnoticed.
    A bind without sharing fails where another server listens. Raises OSError with the reason.
    """
    try:
        family, _, _, _, chosen = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise OSError(
            0, f"Cannot listen at {host}: it is not an address of this machine."
        ) from None
    try:
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            # Not for sharing: it allows a port whose last server ended a moment ago.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(chosen)
        reserved = socket.socket(family, socket.SOCK_STREAM)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(chosen)
    except OSError as wrong:
        reason = (wrong.strerror or str(wrong)).lower()
        raise OSError(
            wrong.errno,
            f"Cannot listen at port {port} of {host}: {reason}. Choose another port with {option}.",
        ) from None
    return str(chosen[0]), int(reserved.getsockname()[1]), reserved


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Writes records without control characters, which requests may contain."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _on_one_line(logger: Any, name: str, event: dict[str, Any]) -> dict[str, Any]:
    """The record with its texts on one line each: a line end in a path must not start a new record."""
    return {key: escaped(it) if isinstance(it, str) else it for key, it in event.items()}


_EXTRA = (
    *("kind", "user_id", "via", "address", "detail", "count"),
    *("method", "route", "status", "ms", "statements"),
)
"""What records may say beside their text."""


def _with_request_id(logger: Any, name: str, event: dict[str, Any]) -> dict[str, Any]:
    """The record with the id of the request that writes it."""
    request = CURRENT.get()
    return event if request is None else event | {"request_id": request.id}


def log_formatter(form: LogForm) -> structlog.stdlib.ProcessorFormatter:
    """The formatter of log records: a plain line, or a JSON object, for each."""
    first: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(_EXTRA),
        _with_request_id,
    ]
    # Plain traces: the rich ones show local variables, and secrets with them.
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if form == "json"
        else [
            _on_one_line,
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
    return _Formatter(
        foreign_pre_chain=first,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _logging(form: LogForm) -> dict[str, Any]:
    """The logging configuration, which Granian passes to each worker."""
    access = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ours": {"()": log_formatter, "form": form}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "ours",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "goldenrod": {"level": "INFO"},
            "_granian": {},
            "granian.access": access,
            # They would log addresses and headers of requests that the server sends, whatever the level
            # of the others.
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
        },
    }
