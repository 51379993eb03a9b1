"""Adds the pages to the application: their responders, their files, and the error pages."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_plus

import falcon
from falcon.routing import CompiledRouter

from goldenrod.base.config import Settings
from goldenrod.base.errors import Forbidden, NotFound, Problem
from goldenrod.store.db import Database, SnapshotChanged
from goldenrod.web.content_coding import UNCHANGING, UNCOMPRESSED
from goldenrod.web.monitoring.watch import CODE
from goldenrod.web.pages.kit import assets
from goldenrod.web.pages.kit.visit import Page, Visit
from goldenrod.web.pages.routes import PAGES, Route
from goldenrod.web.refusal_log import record_refusal
from goldenrod.web.request import REVISION
from goldenrod.web.response_cache import VALIDITY, ResponseCache

ErrorHandler = Callable[[falcon.Request, falcon.Response, Any, dict[str, Any]], None]

KnownQuery = Callable[[str, str], str]

log = logging.getLogger("goldenrod")

IMMUTABLE = "public, max-age=31536000, immutable"


def add_pages(
    app: falcon.App[Any, Any],
    db: Database,
    settings: Settings,
    cache: ResponseCache | None,
    handlers: Mapping[type[Exception], ErrorHandler],
) -> KnownQuery:
    """Add the pages to the application. `handlers` answer errors to programs.

    Returns a function from a path and a query to the part of the query that the path's page reads.
    """
    router = CompiledRouter()
    by_path: dict[str, list[Route]] = {}
    for route in PAGES:
        by_path.setdefault(route.path, []).append(route)
    for path, routes in by_path.items():
        app.add_route(path, _Resource(routes, db, settings, cache))
        takes = [(route.takes, route.several) for route in routes if route.method == "GET"]
        router.add_route(path, _QueryNames(*(takes[0] if takes else ())))
    app.add_route("/static/{edition}/{name}", _Assets())
    for kind, handler in handlers.items():
        app.add_error_handler(kind, _with_pages(handler, db, settings))

    def known(path: str, query: str) -> str:
        found = router.find(path)
        takes = found[0] if found else None
        if not isinstance(takes, _QueryNames):
            return query
        return known_query(query, takes.names, takes.several)

    return known


class _QueryNames:
    """The query parameters of a page, in the form that the router can find."""

    def __init__(self, names: tuple[str, ...] | None = None, several: tuple[str, ...] = ()) -> None:
        self.names = names
        self.several = several

    def on_get(self, req: falcon.Request, resp: falcon.Response, **path: str) -> None:
        """Required of a resource by the router; never called."""
        raise NotFound()


def known_query(query: str, takes: tuple[str, ...] | None, several: tuple[str, ...] = ()) -> str:
    """The part of a query that a page reads: the first value of each known name, in a fixed order; all
    values of those that may be given `several` times.

    Other names, such as the tracking parameters of links in mails, do not change the answer. Without
    them the cache needs only one entry for it.
    """
    if takes is None:
        return query
    found: dict[str, list[str]] = {name: [] for name in takes}
    for part in query.split("&"):
        name = unquote_plus(part.partition("=")[0])
        if name in takes and (name in several or not found[name]):
            found[name].append(part)
    return "&".join(part for parts in found.values() for part in parts)


class _Resource:
    """Falcon's responders for one path, from its routes."""

    def __init__(
        self, routes: Iterable[Route], db: Database, settings: Settings, cache: ResponseCache | None
    ) -> None:
        for route in routes:
            setattr(self, f"on_{route.method.lower()}", _responder(route, db, settings, cache))


MOST_CACHED_US = 30_000_000
"""The longest time that a page is cached, in microseconds. A page shows relative times ("2 minutes
ago"), which become wrong."""


def _responder(
    route: Route, db: Database, settings: Settings, cache: ResponseCache | None
) -> Callable[..., None]:
    def respond(req: falcon.Request, resp: falcon.Response, **path: str) -> None:
        visit = req.context.visit = Visit(req, db, settings, cache)
        # Sessions and visits do not change the revision, so they are read from the primary.
        visit.may_use_replica = route.method == "GET" and not visit.may_be_signed_in
        try:
            page = visit.answer(route.handler, path)
        except Forbidden as problem:
            record_refusal(visit, route.path, problem)
            raise
        finally:
            if visit.seen is not None:
                resp.set_header(REVISION, str(visit.seen))
        if visit.problem is not None:
            req.env[CODE] = visit.problem.code
        if isinstance(visit.problem, Forbidden):
            record_refusal(visit, route.path, visit.problem)
        _send(req, resp, page, visit)
        if visit.personal:
            req.env[UNCOMPRESSED] = True
        if page.status != 200 or visit.personal:
            return
        if validity := visit.validity(narrow=route.narrow):
            latest = min(validity.valid_until, validity.valid_from + MOST_CACHED_US)
            req.env[VALIDITY] = validity._replace(valid_until=latest)

    return respond


def _send(req: falcon.Request, resp: falcon.Response, page: Page, visit: Visit) -> None:
    resp.status = page.status
    resp.set_headers(dict(page.headers))
    for cookie in page.cookies:
        resp.append_header("Set-Cookie", cookie)
    if remembered := visit.revision_cookie():
        resp.append_header("Set-Cookie", remembered)
    if page.etag:
        resp.set_header("ETag", page.etag)
    if page.body is not None:
        resp.content_type = page.media_type
        resp.text = page.body
    if req.method != "GET" or resp.status_code >= 400:
        resp.set_header("Cache-Control", "no-store")
    else:
        resp.set_header("Cache-Control", f"{'private' if visit.personal else 'public'}, no-cache")


class _Assets:
    """Serves the files that pages load."""

    def on_get(self, req: falcon.Request, resp: falcon.Response, edition: str, name: str) -> None:
        asset = assets.assets().get(name)
        if asset is None:
            raise NotFound("There is nothing at this address.")
        # A page of an earlier release may ask for an old edition: it gets the present file, uncached.
        caching = IMMUTABLE if edition == assets.edition() else "public, no-cache"
        resp.set_headers({"Cache-Control": caching, "ETag": asset.etag, "Vary": "Accept-Encoding"})
        req.env[UNCHANGING] = True
        resp.content_type = asset.media_type
        resp.data = asset.content


def wants_page(req: falcon.Request) -> bool:
    """The request accepts HTML and does not prefer JSON."""
    return "text/html" in req.accept and (
        req.client_prefers(("application/json", "text/html")) == "text/html"
    )


def _with_pages(handler: ErrorHandler, db: Database, settings: Settings) -> ErrorHandler:
    """The error handler, with its problem document shown to browsers as a page."""

    def handle(
        req: falcon.Request, resp: falcon.Response, error: Any, params: dict[str, Any]
    ) -> None:
        handler(req, resp, error, params)
        if not wants_page(req):
            return
        visit = getattr(req.context, "visit", None) or Visit(req, db, settings)
        try:
            _show_error_page(resp, visit)
        except Exception as fault:
            # The answer remains the problem document.
            log.error("no page for: %s %s", req.method, req.path, exc_info=fault)

    return handle


def _show_error_page(resp: falcon.Response, visit: Visit) -> None:
    problem = json.loads(resp.text or "{}")
    if visit.now is None and resp.status_code < 500:
        # Finds out who the reader is, so that the page shows them as signed in.
        with suppress(Problem, SnapshotChanged), visit.read():
            pass
    page = visit.page("kit/error.html", resp.status_code, refusal=problem, here=visit.back)
    resp.set_headers(dict(page.headers))
    resp.set_header("Vary", "Accept, Cookie, Authorization, Accept-Encoding")
    for cookie in page.cookies:
        resp.append_header("Set-Cookie", cookie)
    resp.content_type = page.media_type
    resp.text = page.body
