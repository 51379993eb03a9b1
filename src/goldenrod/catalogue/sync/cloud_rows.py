"""What clouds list: the scopes of a source, and the machines that each last listed.

`observe` is pure: from the rows of a scope and a complete look at it, it says what changes. A machine
that a look does not list is counted as missed; `record` writes that. Counting starts anew when the
scope's declaration has changed. A failed look changes nothing about machines.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field
from sqlalchemy import String, and_, func, or_, select

from goldenrod.base.clock import Instant
from goldenrod.base.text import identifier_key
from goldenrod.catalogue.sync.actions import Place
from goldenrod.rules.changes import mutations
from goldenrod.store import bulk, schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, Moment, in_list, param

_C, _S, _M = schema.cloud_machines, schema.sync_scopes, schema.machines

FACTS = (
    "cloud_provider",
    "source_name",
    "architecture",
    "size_gb",
    "checksum",
    "visibility",
    "status",
    "cloud_owner",
    "deprecated_at",
    "replacement",
    "created_at",
)
"""The columns that repeat what the cloud says about a machine."""


class Scope(Struct, frozen=True):
    """A scope as it was last read. `rows` are its machines by place, with `live`: the machine here has
    not ended."""

    id: int | None = None
    declaration: str = ""
    looked_at: Instant | None = None
    failing_since: Instant | None = None
    rows: Mapping[Place, Row] = field(default_factory=dict)

    @property
    def live(self) -> int:
        """The number of live machines that it listed."""
        return sum(bool(row["live"]) for row in self.rows.values())


class Observed(Struct):
    """What a look changes. `new` are places with their facts; `changed` facts by row; `seen` and
    `missed` are ids of rows. `after` are the missed ones as they are then."""

    new: dict[Place, Row] = field(default_factory=dict)
    changed: dict[int, Row] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    after: dict[Place, Row] = field(default_factory=dict)


def _scopes() -> Any:
    return select(*_S.c).where(_S.c.source_id == param("source", Key))


def _rows() -> Any:
    live = and_(
        _M.c.id.is_not(None), (_M.c.end_date.is_(None)) | (_M.c.end_date > param("now", Moment))
    )
    return (
        select(*_C.c, live.label("live"), _M.c.image_id, _M.c.version_n)
        .select_from(_C.outerjoin(_M, _M.c.id == _C.c.machine_id))
        .where(_C.c.scope_id == param("scope", Key))
    )


def read_scopes(tx: Tx, source_id: int | None, keys: Mapping[int, str]) -> dict[str, Scope]:
    """The scopes of a source by name. `keys` are the slugs of providers by id."""
    if source_id is None:
        return {}
    return {
        row["scope"]: Scope(
            row["id"],
            row["declaration"],
            row["looked_at"],
            row["failing_since"],
            {
                (
                    keys.get(one["provider_id"], f"#{one['provider_id']}"),
                    identifier_key(one["identifier"]),
                ): one
                for one in tx.rows(_rows, scope=row["id"], now=tx.now)
            },
        )
        for row in tx.rows(_scopes, source=source_id)
    }


def observe(
    scope: Scope,
    listed: Mapping[Place, Row],
    at: Instant,
    *,
    same_declaration: bool,
    additions_only: bool = False,
) -> Observed:
    """What a complete look at a scope changes. `listed` are the facts by place."""
    observed = Observed()
    for place, facts in listed.items():
        row = scope.rows.get(place)
        if row is None:
            observed.new[place] = facts
            continue
        differing = {name: facts[name] for name in FACTS if facts[name] != row[name]}
        observed.seen.append(row["id"])
        if differing:
            observed.changed[row["id"]] = differing
    if additions_only:
        return observed
    for place, row in scope.rows.items():
        if place not in listed:
            missed = row["missed"] + 1 if same_declaration else 1
            since = (row["missing_since"] if same_declaration else None) or at
            observed.missed.append(row["id"])
            observed.after[place] = row | {"missed": missed, "missing_since": since}
    return observed


def _see() -> Any:
    return (
        _C.update()
        .where(in_list(_C.c.id, "keys"))
        .values(seen_at=param("at", Moment), missed=0, missing_since=None, gone=False)
    )


def _miss() -> Any:
    return (
        _C.update()
        .where(in_list(_C.c.id, "keys"))
        .values(
            missed=_C.c.missed + 1,
            missing_since=func.coalesce(_C.c.missing_since, param("at", Moment)),
        )
    )


def _start_anew() -> Any:
    return (
        _C.update()
        .where(_C.c.scope_id == param("scope", Key), _C.c.missed > 0)
        .values(missed=0, missing_since=None, gone=False)
    )


def _forget() -> Any:
    """Machines that the catalogue does not have are forgotten when they are missing for good."""
    return _C.delete().where(
        _C.c.scope_id == param("scope", Key),
        _C.c.machine_id.is_(None),
        _C.c.missed >= param("looks", Key),
    )


def record(
    tx: Tx,
    source_id: int,
    name: str,
    observed: Observed,
    *,
    at: Instant,
    declaration: str,
    looks: int,
    gone: Iterable[int] = (),
) -> int:
    """Record a complete look at a scope. `gone` are rows that the cloud does not know any more. Rows of
    new machines are added with their images. Returns the scope's id."""
    scope_id = _scope(tx, source_id, name, declaration, at)
    tx.change(_see, keys=observed.seen, at=at)
    for number, facts in observed.changed.items():
        tx.update(_C, {"id": number}, **facts)
    tx.change(_miss, keys=observed.missed, at=at)
    for number in gone:
        tx.update(_C, {"id": number}, gone=True)
    tx.change(_forget, scope=scope_id, looks=looks)
    return scope_id


def _by_name() -> Any:
    return select(*_S.c).where(_S.c.source_id == param("source", Key), _S.c.scope == param("scope"))


def _scope(tx: Tx, source_id: int, name: str, declaration: str, at: Instant) -> int:
    found = tx.first(_by_name, source=source_id, scope=name)
    values: Row = {
        "declaration": declaration,
        "looked_at": at,
        "failing_since": None,
        "failed_reason": None,
    }
    if found is None:
        new = {"uuid": mutations.new_uuid(), "source_id": source_id, "scope": name}
        return tx.insert(_S, **new, **values)
    if found["declaration"] != declaration:
        tx.change(_start_anew, scope=found["id"])
    tx.update(_S, {"id": found["id"]}, **values)
    return int(found["id"])


def record_failure(
    tx: Tx, source_id: int, name: str, reason: str, at: Instant, declaration: str
) -> int:
    """Record a failed look at a scope, and return the scope's id. It says nothing about machines."""
    found = tx.first(_by_name, source=source_id, scope=name)
    if found is None:
        return tx.insert(
            _S,
            uuid=mutations.new_uuid(),
            source_id=source_id,
            scope=name,
            declaration=declaration,
            looked_at=None,
            failing_since=at,
            failed_reason=reason,
        )
    since = found["failing_since"] or at
    tx.update(_S, {"id": found["id"]}, failing_since=since, failed_reason=reason)
    return int(found["id"])


def _not_asked() -> Any:
    return (
        _S.update()
        .where(
            _S.c.source_id == param("source", Key),
            or_(_S.c.looked_at.is_(None), _S.c.declaration != param("declaration")),
            _S.c.failing_since.is_not(None),
            ~in_list(_S.c.scope, "keys", String),
        )
        .values(failing_since=None, failed_reason=None)
    )


def forget_failures(tx: Tx, source_id: int, looked: Iterable[str], declaration: str) -> None:
    """Forget failures of scopes that are not asked for any more: those of another declaration, and what
    stood for all scopes while the source could not say which it has."""
    keys = sorted(set(looked))
    tx.change(_not_asked, source=source_id, keys=keys, declaration=declaration)


def add(tx: Tx, new: list[Row]) -> None:
    """Add rows of machines that were not listed before."""
    bulk.insert_rows(
        tx, _C, [{**row, "missed": 0, "missing_since": None, "gone": False} for row in new]
    )


def link(tx: Tx, machines: Mapping[int, int]) -> None:
    """Set the machines here of rows: ids by row."""
    for row, machine in machines.items():
        tx.update(_C, {"id": row}, machine_id=machine)


def _elsewhere() -> Any:
    """Rows of other scopes that list a machine under the same identifier."""
    return select(_C.c.provider_id, _C.c.identifier, _C.c.seen_at, _C.c.scope_id).where(
        in_list(_C.c.identifier, "keys", _C.c.identifier.type), _C.c.missed == 0
    )


def listed_elsewhere(tx: Tx, rows: list[Row]) -> set[int]:
    """Those of these rows whose machine another scope has listed since it went missing."""
    found = tx.rows(_elsewhere, keys=sorted({row["identifier"] for row in rows}))
    return {
        row["id"]
        for row in rows
        for other in found
        if other["identifier"] == row["identifier"]
        and other["provider_id"] == row["provider_id"]
        and other["scope_id"] != row["scope_id"]
        and other["seen_at"] >= row["missing_since"]
    }
