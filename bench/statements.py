"""The raw driver: records the statements of one request, and runs them again in a loop.

It uses one process, one thread and one connection, opened as Goldenrod opens its own. All rows are
fetched and discarded.
"""

import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import psycopg
from falcon import testing

from bench.drive import Ask
from bench.servers import CACHE_SETTING
from goldenrod.base import config
from goldenrod.store.db import Database
from goldenrod.store.statements import execute
from goldenrod.web.app import build_app

_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK")


@dataclass(frozen=True)
class Run:
    """A statement with its parameters, as given to the driver."""

    text: str
    params: Any


def record(url: str, ask: Ask, *, cache: bool = False) -> tuple[list[Run], bytes]:
    """The statements of a request that is not the first of its kind, with or without the answer cache,
    and its answer. Raises RuntimeError for an error, or where a statement was not recorded."""
    runs: list[Run] = []
    with _listening(runs):
        db = Database(url, pool=1)
        try:
            settings = {"GOLDENROD_DATABASE_URL": url} | ({} if cache else {CACHE_SETTING: "0"})
            client = testing.TestClient(build_app(db, config.load(settings)))
            _asked(client, ask)  # statements are composed, a token's use is noted
            runs.clear()
            db.trace = []
            body = _asked(client, ask)
            unseen = {*db.trace} - {run.text for run in runs}
        finally:
            db.close()
    if unseen:
        raise RuntimeError(f"these did not pass by the driver's cursor: {unseen}")
    return [run for run in runs if run.text], body


def count(runs: list[Run]) -> int:
    """The number of statements, without those that begin and end transactions."""
    return sum(not run.text.upper().startswith(_CONTROL) for run in runs)


def _asked(client: testing.TestClient, ask: Ask) -> bytes:
    path, _, query = ask.paths[0].partition("?")
    body = ask.body and ask.body.replace("%d", str(time.time_ns()))
    answer = client.simulate_request(
        ask.method, path, query_string=query, headers=ask.headers, body=body
    )
    if answer.status_code != ask.status:
        raise RuntimeError(f"{ask.method} {path} answered {answer.status}: {answer.text[:500]}")
    return bytes(answer.content)


@contextmanager
def _listening(runs: list[Run]) -> Iterator[None]:
    """Record the statements of connections that are opened in this block."""

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = (), /) -> Any:
            runs.append(Run(sql, parameters))
            return super().execute(sql, parameters)

    class Recording:
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)  # type: ignore[misc] # of a connection

        def execute(self, sql: str, parameters: Any = (), /) -> Any:
            return self.cursor().execute(sql, parameters)

    connect, execute_on = sqlite3.connect, psycopg.Cursor.execute

    def connected(*args: Any, factory: Any = sqlite3.Connection, **more: Any) -> Any:
        recording = type("Connection", (Recording, factory), {})
        return connect(*args, factory=recording, **more)

    def executed(self: Any, query: Any, params: Any = None, **more: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else query
        runs.append(Run(text if isinstance(text, str) else "", params))
        return execute_on(self, query, params, **more)

    with (
        patch.object(sqlite3, "connect", connected),
        patch.object(psycopg.Cursor, "execute", executed),
    ):
        yield


class Raw:
    """Runs statements in a loop, on one connection."""

    def __init__(self, url: str) -> None:
        self._db = Database(url, pool=1)

    def milliseconds(self, runs: list[Run], seconds: float) -> float:
        """The time of the statements of one request: the median over as many runs as fit."""
        taken: list[float] = []
        with self._db.connection() as connection:
            self._once(connection, runs)
            until = time.perf_counter() + seconds
            while not taken or time.perf_counter() < until:
                began = time.perf_counter()
                self._once(connection, runs)
                taken.append(time.perf_counter() - began)
        return statistics.median(taken) * 1000

    def _once(self, connection: Any, runs: list[Run]) -> None:
        for run in runs:
            given = run.params or {}
            if isinstance(connection, sqlite3.Connection):  # which takes a list of values as it is
                cursor = connection.execute(run.text, given)
            else:
                cursor = execute(connection, run.text, given)
            if cursor.description:
                cursor.fetchall()

    def close(self) -> None:
        self._db.close()


def durable_commit() -> list[Run]:
    """The smallest change: increment the catalogue's revision and commit it to disk."""
    update = "UPDATE catalogue SET revision = revision + 1, counts_until = counts_until + 1"
    return [Run("BEGIN", None), Run(update, None), Run("COMMIT", None)]
