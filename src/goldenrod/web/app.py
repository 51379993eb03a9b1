"""The WSGI application: routes, one renderer for all errors, and the headers that all answers share.

`build_app` returns it. HEAD is GET without its body; a trailing slash is redirected (308)
to a target that begins with exactly one slash.
"""

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

import falcon

from goldenrod.base.config import Settings
from goldenrod.base.errors import (
    AddressTooLong,
    Forbidden,
    HeadersTooLarge,
    MethodNotAllowed,
    NotFound,
    Problem,
)
from goldenrod.store.db import Database
from goldenrod.web.api.routes import ROUTES, Route
from goldenrod.web.docs.reference import add_reference
from goldenrod.web.pages.responders import KnownQuery, add_pages
from goldenrod.web.refusal_log import record_refusal
from goldenrod.web.request import Request, Response
from goldenrod.web.response_cache import (
    VALIDITY,
    CachedResponse,
    Headers,
    ResponseCache,
    is_unchanged,
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
        request = Request(req, db, settings, cache)
        try:
            answer = request.answer(route.handler, path)
        except Forbidden as problem:
            record_refusal(request, API + route.path, problem)
            raise
        _send(req, resp, answer, request.anonymous)
        if route.cacheable and answer.status == 200:
            req.env[VALIDITY] = request.validity()

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
    if answer.body is not None:
        resp.content_type = answer.media_type
        resp.data = answer.body.encode()
    if req.method == "GET":
        resp.set_header("Cache-Control", f"{'public' if anonymous else 'private'}, no-cache")
    else:
        resp.set_header("Cache-Control", "no-store")


def _problem(req: falcon.Request, resp: falcon.Response, problem: Problem) -> None:
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
        allowed = dict(error.headers or {}).get("Allow", "")
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
REFUSED = "goldenrod.refused"
"""The name under which a request's environment has the error for a part that is too long."""


class _Limits:
    """Refuses requests whose address or headers are too long, with a problem document or a page."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        if refused := req.env.get(REFUSED):
            raise refused


def _cut(environ: dict[str, Any]) -> bool:
    """Remove the parts of a request that are too long, and store the error for `_Limits`; False where
    no part is."""
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


def build_app(db: Database, settings: Settings) -> Wsgi:
    """The WSGI application over an open, migrated database."""
    return assemble(db, settings, cache_for(db, settings))


def cache_for(db: Database, settings: Settings) -> ResponseCache | None:
    """An empty response cache of the size in the settings; None where that is 0."""
    return ResponseCache(db, settings.cache_mb * 1024 * 1024) if settings.cache_mb else None


def assemble(db: Database, settings: Settings, cache: ResponseCache | None) -> Wsgi:
    """The application over its database and its response cache."""
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
        app.add_route(path, _Resource(routes, db, settings, cache))
    add_reference(app, db, settings, API)
    app.add_route("/healthz", _Health())

    def nowhere(req: falcon.Request, resp: falcon.Response, **path: str) -> None:
        # A token that is not valid gets 401 everywhere, even at unknown addresses.
        def handler(request: Request) -> Response:
            with request.read():
                raise NotFound("There is nothing at this address.")

        Request(req, db, settings, cache).answer(handler, {})

    app.add_sink(nowhere, "/")
    return _wrapped(app, cache, SharedHeaders(settings).with_shared, known_query)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


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
            if method not in _METHODS:
                # No address takes TRACE: the answer is 405, with the methods that this address takes.
                environ["REQUEST_METHOD"] = "TRACE"
            return app(environ, adding(start_response))
        environ["REQUEST_METHOD"] = "GET"
        if environ["QUERY_STRING"]:
            environ["QUERY_STRING"] = known_query(path, environ["QUERY_STRING"])
        key = key_of(environ)
        cached = cache.find(key) if cache else None
        if cached is None:
            answered: list[Any] = []
            body = app(environ, lambda *given: answered.extend(given))
            status, headers = answered[0], with_shared(answered[1])
            etag = next((value for name, value in headers if name == "etag"), None)
            if etag is None or not status.startswith("200"):
                start_response(status, headers)
                return _without(body) if method == "HEAD" else body
            cached = CachedResponse(environ.get(VALIDITY), etag, headers, b"".join(body))
            if cache:
                cache.add(key, cached)
        if is_unchanged(environ.get("HTTP_IF_NONE_MATCH"), cached.etag):
            start_response("304 Not Modified", unchanged(cached.headers))
            return []
        start_response("200 OK", cached.headers)
        return [cached.body] if method == "GET" else []

    return wsgi


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
