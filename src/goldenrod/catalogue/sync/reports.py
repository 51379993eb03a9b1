"""The reports of runs: what each changed, left as it is, or could not read.

Entries are written while a run goes on, in the transaction of what they tell. Staff see every run and
entry. Other users see the entries about images that they edit, and the runs that have such entries.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, String, and_, exists, func, literal, select, true

from goldenrod.base.clock import later
from goldenrod.base.errors import NotFound
from goldenrod.base.printing import escaped
from goldenrod.rules import access, filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import mutations
from goldenrod.store import bulk, schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Filter, Listing, Page, Query, Wanted
from goldenrod.store.sql import Key, Moment, as_json, json_object, json_text, param

_R, _E, _S = schema.sync_runs, schema.sync_entries, schema.sync_sources

State = Literal["running", "done", "partly", "braked", "failed"]
STATES: tuple[State, ...] = ("running", "done", "partly", "braked", "failed")
KINDS = ("created", "updated", "ended", "restored", "kept", "skipped", "failed", "note")
MOST_ALIKE = 200
"""At most this many entries of a run have the same kind and reason; the rest are counted in one."""
MOST_REASON = 2_000
DAYS_STORED = 30
INTERRUPTED = "the run was interrupted; what it had done stays, and the next run did the rest"


class Entry(Struct, frozen=True):
    """One entry: what it is about, and why. `subject` is the source's name for it, or the scope."""

    kind: str
    subject: str
    reason: str
    image: int | None = None
    version: int | None = None
    machine: int | None = None


class Report:
    """The report of one run, while it is written."""

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        self._alike: Counter[tuple[str, str]] = Counter()

    def add(self, tx: Tx, entries: Iterable[Entry]) -> None:
        """Write entries."""
        rows: list[Row] = []
        for entry in entries:
            alike = entry.kind, entry.reason
            self._alike[alike] += 1
            if self._alike[alike] > MOST_ALIKE:
                continue
            rows.append(self._row(entry))
        bulk.insert_rows(tx, _E, rows)

    def _row(self, entry: Entry) -> Row:
        return {
            "run_id": self.run_id,
            "kind": entry.kind,
            "image_id": entry.image,
            "version_n": entry.version,
            "machine_id": entry.machine,
            "subject": _line(entry.subject),
            "reason": _line(entry.reason),
        }

    def finish(self, tx: Tx, state: State, counts: Mapping[str, int]) -> None:
        """The run is over. Entries beyond the limit are counted in one each."""
        more = [
            Entry(kind, f"{count - MOST_ALIKE:,} more", reason)
            for (kind, reason), count in self._alike.items()
            if count > MOST_ALIKE
        ]
        bulk.insert_rows(tx, _E, [self._row(entry) for entry in more])
        tx.update(_R, {"id": self.run_id}, state=state, end_date=tx.now, counts=_counts(counts))

    def count(self, tx: Tx, counts: Mapping[str, int]) -> None:
        """Write the counts until now."""
        tx.update(_R, {"id": self.run_id}, counts=_counts(counts))


def _line(text: str) -> str:
    return escaped(text.encode(errors="replace").decode())[:MOST_REASON]


def _counts(counts: Mapping[str, int]) -> str:
    return json.dumps({name: counts[name] for name in sorted(counts) if counts[name]})


def begin(tx: Tx, source_id: int) -> Report:
    """Begin a run. An earlier run of the source that was killed is over."""
    for row in tx.rows(_running, source=source_id):
        interrupted = Report(row["id"])
        interrupted.add(tx, [Entry("failed", "run", INTERRUPTED)])
        tx.update(_R, {"id": row["id"]}, state="failed", end_date=tx.now)
    tx.change(_old, source=source_id, until=later(tx.now, days=-DAYS_STORED))
    run_id = tx.insert(
        _R,
        uuid=mutations.new_uuid(),
        source_id=source_id,
        start_date=tx.now,
        end_date=None,
        state="running",
        counts="{}",
    )
    return Report(run_id)


def _running() -> Any:
    return select(_R.c.id).where(_R.c.source_id == param("source", Key), _R.c.state == "running")


def _old() -> Any:
    """Runs are deleted after `DAYS_STORED`, with their entries."""
    return _R.delete().where(
        _R.c.source_id == param("source", Key), _R.c.start_date < param("until", Moment)
    )


# ── reading ───────────────────────────────────────────────────────────────────────────────


def _sees_entry(entry: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    """Staff, or an editor of the image that the entry is about."""
    if reader is not ReaderKind.USER:
        return true() if reader is ReaderKind.STAFF else ~true()
    image = schema.images.alias()
    edits = exists().where(image.c.id == entry.c.image_id, access.edits_image(image, reader))
    return edits.correlate_except(image)


def _sees_run(run: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    """Staff, or who sees one of its entries."""
    if reader is not ReaderKind.USER:
        return true() if reader is ReaderKind.STAFF else ~true()
    entry = _E.alias()
    seen = exists().where(entry.c.run_id == run.c.id, _sees_entry(entry, reader))
    return seen.correlate_except(entry)


def _number(run: FromClause, reader: ReaderKind, *kinds: str) -> ColumnElement[int]:
    entry = _E.alias()
    return (
        select(func.count())
        .where(entry.c.run_id == run.c.id, entry.c.kind.in_(kinds), _sees_entry(entry, reader))
        .correlate(run)
        .scalar_subquery()
    )


def run_shape(run: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A run as JSON. Its counts are of the whole source, so only staff see them; the numbers of
    entries are of those that the reader sees."""
    source = _S.alias()
    named = select(json_object({"name": source.c.name, "type": source.c.type})).where(
        source.c.id == run.c.source_id
    )
    counts: Any = as_json(run.c.counts)
    return json_object(
        {
            "id": run.c.id,
            "uuid": run.c.uuid,
            "source": named.correlate(run).scalar_subquery(),
            "start_date": run.c.start_date,
            "end_date": run.c.end_date,
            "state": run.c.state,
            "counts": counts if reader is ReaderKind.STAFF else as_json(literal("null")),
            "changed": _number(run, reader, "created", "updated", "ended", "restored"),
            "left": _number(run, reader, "kept", "skipped"),
            "failed": _number(run, reader, "failed"),
        }
    )


def entry_shape(entry: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """An entry as JSON."""
    return json_object(
        {
            "id": entry.c.id,
            "kind": entry.c.kind,
            "subject": entry.c.subject,
            "reason": entry.c.reason,
            "image": summaries.image(entry.c.image_id, reader),
            "version": summaries.version_of(entry.c.version_n, reader),
        }
    )


def _named_source(run: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
    source = _S.alias()
    named = source.c.name == param("f_source", String)
    is_it = exists().where(source.c.id == run.c.source_id, named)
    return is_it.correlate_except(source)


RUNS = Listing(
    _R,
    {
        "source": Filter(
            "the name of a source",
            lambda given: Wanted("", {"f_source": given}),
            _named_source,
        ),
        "state": filters.one_of("state", STATES, lambda run: run.c.state),
    },
    ("start_date",),
    default="-start_date",
)

ENTRIES = Listing(
    _E,
    {"kind": filters.one_of("kind", KINDS, lambda entry: entry.c.kind)},
    ("id",),
    default="id",
)


def list_runs(tx: Tx, actor: Actor, query: Query) -> Page:
    """A page of the runs that the actor sees, the newest first."""
    return resources.page(tx, actor, run_shape, query, _sees_run)


def _one(reader: ReaderKind) -> Any:
    run = _R.alias("thing")
    return select(json_text(run_shape(run, reader))).where(
        run.c.id == param("key", Key), _sees_run(run, reader)
    )


def read_run(tx: Tx, actor: Actor, key: str) -> dict[str, Any]:
    """A run. Raises NotFound."""
    if resources.key_form(_R, key) != "id":
        raise NotFound()
    given = resources.params(tx, actor)
    found = tx.value(_one, actor.reader, key=resources.key_value("id", key), **given)
    if found is None:
        raise NotFound()
    run: dict[str, Any] = json.loads(found)
    return run


def _of_run(entry: FromClause, reader: ReaderKind) -> ColumnElement[bool]:
    return and_(entry.c.run_id == param("run", Key), _sees_entry(entry, reader))


def list_entries(tx: Tx, actor: Actor, run_id: int, query: Query) -> Page:
    """A page of the entries of a run that the actor sees, in the order of their writing."""
    return resources.page(tx, actor, entry_shape, query, _of_run, run=run_id)
