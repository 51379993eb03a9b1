"""Watches each request: gives it an id, counts it, and logs it where it was slow.

The id is that of the request's X-Request-Id, cut and cleaned, or a new one. It is in the answer and in
every line that the request writes into the log. The log names the template of a route, never the
address that was asked for.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import count
from secrets import token_hex
from time import perf_counter
from typing import Any, Protocol

from goldenrod.store.current_request import CURRENT, CurrentRequest
from goldenrod.web.monitoring.counts import COUNTS, REFUSED, SLOW

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

ROUTE = "goldenrod.route"
"""The name under which a request's environment has the template of its route."""
CACHE = "goldenrod.cache"
"""The name under which it has whether the response cache had the answer: "hit" or "miss"."""
CODE = "goldenrod.code"
"""The name under which it has the code of the problem that is answered."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""The methods that any address takes."""
OTHER = "other"
"""Said of any other method."""
NO_ROUTE = "none"
"""Said of a request that belongs to no route."""

MOST_ID = 64
_UNCLEAN = re.compile(r"[^A-Za-z0-9._:+/=-]+")
_MOST_NAMED = 10
_LIMITED = frozenset(("429", "503"))

log = logging.getLogger("goldenrod.slow")


class Tracer(Protocol):
    """Records requests as traces."""

    def record(
        self, environ: dict[str, Any], request: CurrentRequest, began: float, status: str
    ) -> None: ...


def watched(app: Wsgi, *, slow_ms: int, counting: bool, tracer: Tracer | None = None) -> Wsgi:
    """The application, with each of its requests watched."""
    next_id = _ids()
    slow_s = slow_ms / 1000 if slow_ms else float("inf")

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        given = environ.get("HTTP_X_REQUEST_ID")
        id_ = (given and clean(given)) or next_id()
        request = CurrentRequest(id_)
        answered = "500"

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal answered
            answered = status[:3]
            return start_response(status, [*headers, ("x-request-id", id_)], *rest)

        CURRENT.set(request)
        began = perf_counter()
        try:
            return app(environ, start)
        finally:
            seconds = perf_counter() - began
            if counting:
                _count(environ, answered, seconds)
            if seconds >= slow_s:
                _log_slow(environ, request, answered, seconds)
            if tracer is not None:
                _trace(tracer, environ, request, began, answered)
            CURRENT.set(None)

    return wsgi


def _trace(tracer: Tracer, *seen: Any) -> None:
    """Record a trace. A request is answered whatever happens to its trace."""
    try:
        tracer.record(*seen)
    except Exception:
        log.exception("a trace could not be recorded")


def clean(given: str) -> str:
    """The part of a request's own id that is used; "" for none."""
    return _UNCLEAN.sub("", given[: 4 * MOST_ID])[:MOST_ID]


def _ids() -> Callable[[], str]:
    """Gives new ids, which no other process gives."""
    numbers = count(1)
    process = ""

    def next_id() -> str:
        nonlocal process
        # Chosen by the first request: a process that is forked afterwards would have the same.
        process = process or token_hex(8)
        return f"{process}-{next(numbers):x}"

    return next_id


def method_of(environ: dict[str, Any]) -> str:
    """The method of a request, as it is counted."""
    method: str = environ["REQUEST_METHOD"]
    return method if method in METHODS else OTHER


def _count(environ: dict[str, Any], status: str, seconds: float) -> None:
    method = environ["REQUEST_METHOD"]
    if method not in METHODS:
        method = OTHER
    route = environ.get(ROUTE) or NO_ROUTE
    COUNTS.request((method, route, status, environ.get(CACHE)), seconds)
    if status in _LIMITED:
        COUNTS.add(REFUSED, status, environ.get(CODE) or NO_ROUTE)


def _log_slow(
    environ: dict[str, Any], request: CurrentRequest, status: str, seconds: float
) -> None:
    COUNTS.add(SLOW)
    log.warning(
        "slow request",
        extra={
            "method": method_of(environ),
            "route": environ.get(ROUTE) or NO_ROUTE,
            "status": status,
            "ms": round(seconds * 1000),
            "statements": statements(request),
        },
    )


def statements(request: CurrentRequest) -> str:
    """The names of the statements that a request ran, those that took longest first, each with its
    number and milliseconds."""
    taken: dict[str, list[float]] = defaultdict(list)
    for ran in request.ran:
        taken[ran.name].append(ran.seconds)
    longest = sorted(taken.items(), key=lambda named: -sum(named[1]))
    parts = [
        f"{name}{f' x{len(each)}' if len(each) > 1 else ''} {sum(each) * 1000:.0f} ms"
        for name, each in longest[:_MOST_NAMED]
    ]
    others = sum(len(each) for _, each in longest[_MOST_NAMED:]) + request.more
    return ", ".join([*parts, f"{others} others"] if others else parts) or "none"
