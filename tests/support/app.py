"""The application, built once per process for each set of settings; each request uses its client's
database.

Building the routes takes 40 ms, far longer than most requests. So all tests of a process share one
application. Its database and its cache are proxies for those of the client that sends the request.
Each client has its own cache, as each server process has.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from typing import Any, cast

from goldenrod.base.config import Settings
from goldenrod.store.db import Database
from goldenrod.web.app import Wsgi, assemble, cache_for
from goldenrod.web.response_cache import ResponseCache


class _Current:
    """A proxy for the object that the variable contains."""

    def __init__(self, variable: ContextVar[Any]) -> None:
        self._variable = variable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._variable.get(), name)


_database: ContextVar[Database] = ContextVar("database")
_cache: ContextVar[ResponseCache | None] = ContextVar("cache")


@cache
def _shared(settings: Settings) -> Wsgi:
    kept = cast(ResponseCache, _Current(_cache)) if settings.cache_mb else None
    return assemble(cast(Database, _Current(_database)), settings, kept)


def app_over(db: Database, settings: Settings) -> Wsgi:
    """The application with this database and an empty cache. It does not limit how many requests
    clients send: all tests of a process are one client."""
    app, kept = _shared(replace(settings, rate_limit=0)), cache_for(db, settings)

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # Not reset afterwards, because each request sets them before anything reads them.
        _database.set(db)
        _cache.set(kept)
        return app(environ, start_response)

    return wsgi
