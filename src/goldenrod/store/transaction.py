"""A transaction: how statements run in it, and what is known of it."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from goldenrod.base.clock import Instant
from goldenrod.store.current_request import CURRENT
from goldenrod.store.image_changes import ImageChanges
from goldenrod.store.revision import Revision, Seen, read_seen
from goldenrod.store.statements import (
    Arguments,
    Build,
    Row,
    Statement,
    delete,
    execute,
    insert,
    statement,
    update,
)

if TYPE_CHECKING:
    from goldenrod.store.db import Database

MOST_DEPENDED_ON = 200
"""The most images that an answer can depend on without depending on all."""


class Tx:
    """One transaction: everything in it sees one state of the catalogue and one `now`.

    `build` arguments are module-level functions that compose a statement from `shape`; parameters
    are given by name. `api` is the beginning of URLs; `dry_run` has a change rolled back at its end.
    `address` is the client's, where a change is made for one.
    """

    __slots__ = (
        "_connection",
        "_read_at",
        "_request",
        "_trace",
        "address",
        "api",
        "changes",
        "committed",
        "dialect",
        "dry_run",
        "generation",
        "images",
        "mark",
        "newest",
        "now",
        "revision",
        "statements",
    )

    def __init__(
        self,
        connection: Any,
        db: "Database",
        seen: Seen,
        now: Instant,
        *,
        generation: int | None = None,
        changes: ImageChanges | None = None,
    ) -> None:
        self._connection = connection
        self._trace = db.trace
        self._request = CURRENT.get()
        self.dialect = db.dialect
        self.api = db.api
        self.now = now
        self.revision = seen.revision
        self.mark = seen.mark
        self.newest = seen
        """The revision that nothing read here is newer than."""
        self.generation = generation
        """That of the revision, where it was read before the transaction; else None."""
        self.images: tuple[int, ...] = ()
        """The images that what was read depends on, if it depends on no others."""
        self.changes = changes
        """What this transaction has changed; None where it makes no change with a revision."""
        self.statements = 0
        self._read_at: tuple[int, Seen] | None = None
        self.dry_run = False
        self.address: str | None = None
        self.committed: list[Callable[[], object]] = []

    def rows(self, build: Build, *shape: Any, **params: Any) -> list[Row]:
        """All rows, as dicts keyed by column."""
        ready = statement(self.dialect, build, *shape)
        return [ready.row(values) for values in self._run(ready, params).fetchall()]

    def first(self, build: Build, *shape: Any, **params: Any) -> Row | None:
        """The first row, or None."""
        ready = statement(self.dialect, build, *shape)
        values = self._run(ready, params).fetchone()
        return None if values is None else ready.row(values)

    def value(self, build: Build, *shape: Any, **params: Any) -> Any:
        """The first column of the first row; None where there is no row."""
        ready = statement(self.dialect, build, *shape)
        values = self._run(ready, params).fetchone()
        return None if values is None else values[0]

    def stream(self, build: Build, *shape: Any, **params: Any) -> Iterator[Row]:
        """The rows one by one, without loading them all (SQLite; PostgreSQL buffers)."""
        ready = statement(self.dialect, build, *shape)
        for values in self._run(ready, params):
            yield ready.row(values)

    def change(self, build: Build, *shape: Any, **params: Any) -> int:
        """Run a statement that changes rows; how many it changed."""
        return int(self._run(statement(self.dialect, build, *shape), params).rowcount)

    def insert(self, table: sa.Table, /, **values: Any) -> int:
        """Insert one row; its (first) primary key."""
        ready = statement(self.dialect, insert, table, tuple(values))
        key: int = self._run(ready, values).fetchone()[0]
        return key

    def update(self, table: sa.Table, key: Row, /, **values: Any) -> int:
        """Set columns of the rows that `key` names; how many."""
        ready = statement(self.dialect, update, table, tuple(key), tuple(values))
        given = key | {f"new_{name}": value for name, value in values.items()}
        return int(self._run(ready, given).rowcount)

    def delete(self, table: sa.Table, **key: Any) -> int:
        """Delete the rows that `key` names; how many."""
        return int(self._run(statement(self.dialect, delete, table, tuple(key)), key).rowcount)

    def depends_on(self, images: Iterable[int | None]) -> None:
        """Tell that what is read here depends on these images, and on nothing else of an image. Of
        more than `MOST_DEPENDED_ON` it counts as depending on all."""
        known = {image for image in images if image is not None}
        self.images = tuple(sorted(known)) if len(known) <= MOST_DEPENDED_ON else ()

    def read_at(self, revision: str | None) -> None:
        """Tell at which revision the latest statement read: its column `sql.revision_read`."""
        seen = read_seen(revision) if revision else None
        self._read_at = (self.statements, seen) if seen else None

    @property
    def last_read_at(self) -> Seen | None:
        """The revision at which the latest statement read; None where it has not told."""
        told = self._read_at
        return told[1] if told and told[0] == self.statements else None

    @contextmanager
    def within_image(self, image_id: int) -> Iterator[None]:
        """What the block writes concerns this image only (`image_changes.py`)."""
        assert self.changes is not None
        outer, self.changes.within = self.changes.within, image_id
        try:
            yield
        finally:
            self.changes.within = outer

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """What the block writes shows in no answer: counts of an earlier instant, and hints."""
        changes = self.changes or ImageChanges()
        changes.unseen = True
        try:
            yield
        finally:
            changes.unseen = False

    def readers_changed(self, version_key: int) -> None:
        """Tell that a version is new, or that who may read it has changed."""
        if self.changes is not None:
            self.changes.versions.add(version_key)

    def sql(self, text: str, params: Row | None = None, *, writes: str | None = None) -> Any:
        """Run this text on the driver, for what SQLAlchemy Core cannot express. Parameters are in
        the driver's own style. `writes`: the table that it writes."""
        self.statements += 1
        if self.changes is not None:
            self.changes.note(writes)
        if self._trace is not None:
            self._trace.append(text)
        return self._execute("sql", text, params or {})

    def has_reached(self, seen: Seen | None) -> bool:
        """Whether this state of the catalogue includes what somebody has seen."""
        return Revision(self.revision, 0, self.mark).has_reached(seen)

    def on_commit(self, call: Callable[[], object]) -> None:
        """Call this once the change is committed."""
        self.committed.append(call)

    def _run(self, ready: Statement, params: Row) -> Any:
        given = ready.arguments(params)
        self.statements += 1
        if ready.writes is not None and self.changes is not None:
            self.changes.note(ready.writes)
        if self._trace is not None:
            self._trace.append(ready.text)
        return self._execute(ready.name, ready.sent, given)

    def _execute(self, name: str, text: str | bytes, given: Arguments) -> Any:
        request = self._request
        if request is None:
            return execute(self._connection, text, given)
        began = time.perf_counter()
        try:
            return execute(self._connection, text, given)
        finally:
            request.add(name, began, time.perf_counter())
