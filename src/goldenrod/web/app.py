"""The WSGI application: routes, one renderer for all errors, and the headers that all answers share.

`build_app` returns it. HEAD is GET without its body; a trailing slash is redirected (308)
to a target that begins with exactly one slash. Answers are compressed as the request accepts it, and
the conditions of a GET (If-Match, If-None-Match) are checked here, after everything else.
"""

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

import falcon

from goldenrod.base import entity_tags
from goldenrod.base.config import Settings
from goldenrod.base.errors import (
    AddressTooLong,
    Forbidden,
    HeadersTooLarge,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    Problem,
    Unavailable,
)
from goldenrod.store.db import Database
from goldenrod.web import content_coding
from goldenrod.web.api import terraform
from goldenrod.web.api.routes import ROUTES, Route
from goldenrod.web.content_coding import IDENTITY, UNCHANGING, UNCOMPRESSED
from goldenrod.web.docs.params import FOR_A_SECRET
from goldenrod.web.docs.reference import add_reference
from goldenrod.web.limits import refusals
from goldenrod.web.limits.gate import GATE, Gate
from goldenrod.web.limits.rate_limit import UNLIMITED, RateLimit
from goldenrod.web.monitoring.monitoring import Monitoring
from goldenrod.web.monitoring.watch import CACHE, CODE, METHODS, ROUTE
from goldenrod.web.pages.responders import KnownQuery, add_pages
from goldenrod.web.refusal_log import record_refusal
from goldenrod.web.request import MIN_REVISION_VARIABLE, REVISION, Request, Response
from goldenrod.web.response_cache import (
    VALIDITY,
    Build,
    CachedResponse,
    Headers,
    Key,
    ResponseCache,
    coded_headers,
    key_of,
    unchanged,
)
from goldenrod.web.security_headers import SharedHeaders

log = logging.getLogger("goldenrod")

API = "/api/v2"
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Resource:
    """Falcon's responders for one path, from its routes."""

    def __init__(
        self, routes: list[Route], db: Database, settings: Settings, cache: ResponseCache | None
    ) -> None:
        for route in routes:
            setattr(self, f"on_{route.method.lower()}", _responder(route, db, settings, cache))


def _responder(
    route: Route, db: Database, settings: Settings, cache: ResponseCache | None
) -> Callable[..., None]:
    def respond(req: falcon.Request, resp: falcon.Response, **path: str) -> None:
        request = Request(req, db, settings, cache, basic=route.basic)
        # What depends on more than the revision is read from the primary.
        request.may_use_replica = route.cacheable and (route.method == "GET" or route.asks)
        try:
            answer = request.answer(route.handler, path)
        except Forbidden as problem:
            record_refusal(request, API + route.path, problem)
            raise
        finally:
            if request.seen is not None:
                resp.set_header(REVISION, str(request.seen))
        _send(req, resp, answer, request.anonymous)
        if route.takes in FOR_A_SECRET:
            req.env[UNCOMPRESSED] = True
        if route.cacheable and answer.status == 200:
            req.env[VALIDITY] = request.validity(narrow=route.narrow)

    return respond


class _Health:
    """`/healthz`: whether this process answers. It does not ask the database."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = "text/plain; charset=utf-8"
        resp.set_header("Cache-Control", "no-store")
        resp.data = b"ok\n"


def _send(req: falcon.Request, resp: falcon.Response, answer: Response, anonymous: bool) -> None:
    resp.status = answer.status
    resp.set_headers(dict(answer.headers))
    if answer.etag:
        resp.set_header("ETag", answer.etag)
    if answer.body is not None or answer.archive is not None:
        resp.content_type = answer.media_type
        resp.data = answer.body.encode() if answer.body is not None else answer.archive
    if req.method == "GET":
        resp.set_header("Cache-Control", f"{'public' if anonymous else 'private'}, no-cache")
    else:
        resp.set_header("Cache-Control", "no-store")


def _problem(req: falcon.Request, resp: falcon.Response, problem: Problem) -> None:
    req.env[CODE] = problem.code
    resp.status = problem.status
    resp.set_headers(problem.headers)
    resp.set_header("Cache-Control", "no-store")
    resp.content_type = "application/problem+json"
    resp.text = json.dumps(problem.document(), ensure_ascii=False)


def _on_problem(
    req: falcon.Request,
    resp: falcon.Response,
    problem: Exception,
    params: dict[str, Any],
) -> None:
    assert isinstance(problem, Problem)
    _problem(req, resp, problem)


def _on_http_error(
    req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]
) -> None:
    """Falcon's own errors, as problem documents."""
    assert isinstance(error, falcon.HTTPError)
    if error.status_code == 405:
        allowed = _with_head(dict(error.headers or {}).get("Allow", ""))
        _problem(
            req,
            resp,
            MethodNotAllowed(f"This address takes {allowed}.", headers={"Allow": allowed}),
        )
        return
    problem = Problem(error.title or "Bad request.", code="request_invalid")
    _problem(req, resp, problem)
    resp.status = error.status_code
    document = problem.document() | {"status": error.status_code, "title": error.title}
    resp.text = json.dumps(document)


def _on_bug(
    req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]
) -> None:
    """An error of the server: logged with its traceback, which the answer does not contain."""
    log.error("failed: %s %s", req.method, req.path, exc_info=error)
    _problem(
        req, resp, Problem("The server failed to answer this request. The error has been logged.")
    )


MOST_PATH, MOST_QUERY, MOST_HEADER = 4_096, 16_384, 8_192
"""Bytes. A page may repeat its address in every link, so the length of an address multiplies."""
RATE_LIMIT = "goldenrod.rate_limit"
"""The name under which a request's environment has the `RateLimit` that counted it."""
REFUSED = "goldenrod.refused"
"""The name under which a request's environment has the error for a part that is too long."""


class _Limits:
    """Refuses requests that were found wrong before, with a problem document or a page; has Allow name
    HEAD wherever it names GET; and notes the template of the request's route."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        if refused := req.env.get(REFUSED):
            raise refused

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        req.env[ROUTE] = req.uri_template
        if allowed := resp.headers.get("allow"):
            resp.set_header("Allow", _with_head(allowed))


def _with_head(allowed: str) -> str:
    """The methods of an Allow, with HEAD after GET."""
    methods = [method.strip() for method in allowed.split(",")]
    if "GET" in methods and "HEAD" not in methods:
        methods.insert(methods.index("GET") + 1, "HEAD")
    return ", ".join(methods)


def _cut(environ: dict[str, Any]) -> bool:
    """Remove the parts of a request that are too long, and store the error for `_Limits`; False where
    no part is."""
    environ[REFUSED] = None
    if not [it for it in environ.values() if type(it) is str and len(it) > _SHORT]:
        return False
    too_long: Problem | None = None
    for name, most in (("PATH_INFO", MOST_PATH), ("QUERY_STRING", MOST_QUERY)):
        if len(environ.get(name) or "") > most:
            part = "path" if name == "PATH_INFO" else "query string"
            environ[name] = "/" if name == "PATH_INFO" else ""
            too_long = AddressTooLong(f"The {part} has at most {most:,} bytes.")
    for name in [name for name in environ if name.startswith(("HTTP_", "CONTENT_"))]:
        if len(environ[name] or "") > MOST_HEADER:
            del environ[name]
            header = name.removeprefix("HTTP_").replace("_", "-").title()[:80]
            too_long = HeadersTooLarge(f"The header {header} has at most {MOST_HEADER:,} bytes.")
    environ[REFUSED] = too_long
    return too_long is not None


_SHORT = min(MOST_PATH, MOST_QUERY, MOST_HEADER)
"""No part of this length is too long."""

AT_ONCE = 32
"""How many requests the application answers at once, unless the server says otherwise."""


def build_app(
    db: Database,
    settings: Settings,
    at_once: int = AT_ONCE,
    monitoring: Monitoring | None = None,
) -> Wsgi:
    """The WSGI application over an open, migrated database. `at_once`: how many requests it answers at
    once; the others wait for their turn."""
    return assemble(db, settings, cache_for(db, settings), at_once, monitoring)


def cache_for(db: Database, settings: Settings) -> ResponseCache | None:
    """An empty response cache of the size in the settings; None where that is 0."""
    return ResponseCache(db, settings.cache_mb * 1024 * 1024) if settings.cache_mb else None


def assemble(
    db: Database,
    settings: Settings,
    cache: ResponseCache | None,
    at_once: int = AT_ONCE,
    monitoring: Monitoring | None = None,
) -> Wsgi:
    """The application over its database and its response cache."""
    monitoring = monitoring or Monitoring(db, settings)
    app = falcon.App(middleware=[_Limits()])
    app.req_options.strip_url_path_trailing_slash = False
    app.resp_options.secure_cookies_by_default = True
    refusals = {Exception: _on_bug, falcon.HTTPError: _on_http_error, Problem: _on_problem}
    known_query = add_pages(app, db, settings, cache, refusals)
    by_path: dict[str, list[Route]] = {}
    for route in ROUTES:
        for path in route.paths(API):
            by_path.setdefault(path, []).append(route)
    for path, routes in by_path.items():
        template = f"{path[:-1]}:path}}" if any(it.slashes for it in routes) else path
        app.add_route(template, _Resource(routes, db, settings, cache))
    add_reference(app, db, settings, API)
    app.add_route("/healthz", _Health())
    app.add_route(terraform.DISCOVERY, terraform.Discovery(API))

    def nowhere(req: falcon.Request, resp: falcon.Response, **path: str) -> None:
        # A token that is not valid gets 401 everywhere, even at unknown addresses.
        def handler(request: Request) -> Response:
            with request.read():
                raise NotFound("There is nothing at this address.")

        Request(req, db, settings, cache).answer(handler, {})

    app.add_sink(nowhere, "/")
    monitoring.add_resources(app, nowhere)
    with_shared = SharedHeaders(settings).with_shared
    gated = _gated(app, Gate(at_once))
    rate_limit = RateLimit(settings) if settings.rate_limit else None
    wrapped = _wrapped(gated, cache, with_shared, known_query)
    return monitoring.watched(_limited(wrapped, rate_limit, with_shared), cache)


def _limited(
    app: Wsgi, rate_limit: RateLimit | None, with_shared: Callable[[Headers], Headers]
) -> Wsgi:
    """The application for clients that have not sent too many requests."""
    if rate_limit is None:
        return app

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        exceeded = rate_limit.spend(environ)
        if exceeded is None or environ["PATH_INFO"] in UNLIMITED:
            environ[RATE_LIMIT] = rate_limit
            return app(environ, start_response)
        status, headers, body = refusals.refusal(refusals.too_many(exceeded), environ)
        start_response(status, with_shared(headers))
        return [body] if environ["REQUEST_METHOD"] != "HEAD" else []

    return wsgi


def _gated(app: Wsgi, gate: Gate) -> Wsgi:
    """The application, which answers only so many requests at once."""

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] in UNLIMITED:
            return app(environ, start_response)
        turn = environ[GATE] = gate.turn(change=environ["REQUEST_METHOD"] != "GET")
        try:
            turn.begin()
        except Unavailable as problem:
            status, headers, body = refusals.refusal(problem, environ)
            start_response(status, headers)
            return [body]
        try:
            return app(environ, start_response)
        finally:
            turn.end()

    return wsgi


def _wrapped(
    app: Wsgi,
    cache: ResponseCache | None,
    with_shared: Callable[[Headers], Headers],
    known_query: KnownQuery,
) -> Wsgi:
    """The application with what applies to all answers: cache, 304, HEAD and the shared headers."""

    def adding(start_response: Callable[..., Any]) -> Callable[..., Any]:
        def start(status: str, headers: Headers, *rest: Any) -> Any:
            return start_response(status, with_shared(headers), *rest)

        return start

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if _cut(environ):
            return app(environ, adding(start_response))
        path = environ["PATH_INFO"]
        if len(path) > 1 and path[-1] == "/":
            return _redirect(environ, adding(start_response))
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD"):
            if method not in METHODS:
                # No address takes TRACE: the answer is 405, with the methods that this address takes.
                environ["REQUEST_METHOD"] = "TRACE"
            return _change(app, environ, adding(start_response))
        environ["REQUEST_METHOD"] = "GET"
        if environ["QUERY_STRING"]:
            environ["QUERY_STRING"] = known_query(path, environ["QUERY_STRING"])
        key = key_of(environ)
        if cache is None:
            return build(environ, start_response, method, key, None)
        cached = cache.find(key, environ.get(MIN_REVISION_VARIABLE))
        environ[CACHE] = "miss" if cached is None else "hit"
        if cached is not None:
            environ[ROUTE] = cached.route
            return send(environ, start_response, method, key, cached, None)
        with cache.building(key) as own:
            return build(environ, start_response, method, key, own)

    def build(
        environ: dict[str, Any],
        start_response: Callable[..., Any],
        method: str,
        key: Key,
        own: Build | None,
    ) -> Iterable[bytes]:
        """A new answer of the application."""
        status, headers, body = _answer(app, environ)
        headers = with_shared(headers)
        etag = _header(headers, "etag")
        if etag is None or not status.startswith("200"):
            start_response(status, headers)
            return _without(body) if method == "HEAD" else body
        content = b"".join(body)
        compressible = _is_compressible(environ, headers, content)
        built = CachedResponse(
            environ.get(VALIDITY), etag, headers, content, compressible, route=environ.get(ROUTE)
        )
        return send(environ, start_response, method, key, built, own)

    def send(
        environ: dict[str, Any],
        start_response: Callable[..., Any],
        method: str,
        key: Key,
        cached: CachedResponse,
        own: Build | None,
    ) -> Iterable[bytes]:
        """An answer of status 200, or what its conditions make of it. `own`: it is new."""
        new = own is not None
        if own is not None:
            own.answer = cached
        if not entity_tags.if_match_holds(environ.get("HTTP_IF_MATCH"), cached.etag):
            environ[REFUSED] = PreconditionFailed("If-Match does not name what GET answers now.")
            refusal = app(environ, adding(start_response))
            return _without(refusal) if method == "HEAD" else refusal
        accepted = environ.get("HTTP_ACCEPT_ENCODING")
        coding = content_coding.choose(accepted) if cached.compressible else IDENTITY
        tag = cached.unchanged_tag(environ.get("HTTP_IF_NONE_MATCH"), coding, accepted)
        if tag is None and coding != IDENTITY and coding not in cached.compressed:
            compress = (
                content_coding.compress_file if UNCHANGING in environ else content_coding.compress
            )
            cached, new = cached.with_form(coding, compress(cached.body, coding)), True
            if own is not None:
                own.answer = cached
        if cache and new:
            cache.add(key, cached)
        if tag is not None:
            start_response("304 Not Modified", unchanged(cached.headers, tag))
            return []
        start_response("200 OK", cached.headers_in(coding))
        return [cached.bytes_in(coding)] if method == "GET" else []

    return wsgi


def _answer(app: Wsgi, environ: dict[str, Any]) -> tuple[str, Headers, Iterable[bytes]]:
    """The application's answer: status, headers, body."""
    answered: list[Any] = []
    body = app(environ, lambda *given: answered.extend(given))
    if rate_limit := environ.get(RATE_LIMIT):
        rate_limit.learn(environ, answered[0])
    return answered[0], answered[1], body


def _header(headers: Headers, wanted: str) -> str | None:
    return next((value for name, value in headers if name == wanted), None)


def _is_compressible(environ: dict[str, Any], headers: Headers, body: bytes) -> bool:
    media_type = _header(headers, "content-type") or ""
    return UNCOMPRESSED not in environ and content_coding.is_text(media_type, len(body))


def _change(
    app: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """The answer to anything but GET and HEAD, compressed if the request accepts it."""
    status, headers, body = _answer(app, environ)
    coding = content_coding.choose(environ.get("HTTP_ACCEPT_ENCODING"))
    if coding == IDENTITY or not status.startswith("2"):
        start_response(status, headers)
        return body
    content = b"".join(body)
    if _is_compressible(environ, headers, content):
        content = content_coding.compress(content, coding)
        headers = coded_headers(headers, coding, len(content))
    start_response(status, headers)
    return [content]


def _without(body: Any) -> Iterable[bytes]:
    """An empty body, after closing the one that is not sent."""
    if hasattr(body, "close"):
        body.close()
    return []


def _redirect(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    from urllib.parse import quote

    target = "/" + environ["PATH_INFO"].strip("/")
    target = quote(target.encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
    if environ.get("QUERY_STRING"):
        target += f"?{environ['QUERY_STRING']}"
    start_response(
        "308 Permanent Redirect",
        [
            ("Location", target),
            ("Content-Type", "text/plain"),
            ("Content-Length", "0"),
            ("Cache-Control", "no-store"),
        ],
    )
    return []
