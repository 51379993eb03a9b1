"""Drift: machines that differ between the catalogue and their cloud, as the last complete look saw it.

A row of `cloud_machines` is compared with its machine here, and with that machine's version. It has
drifted in some of these ways, of which the worst comes first:

    wider           the cloud shows it to more people than the version here
    missing         the last complete looks did not list it, but it has not ended here
    not_launchable  the cloud does not launch it, but the catalogue offers it
    changed         its architecture, size or checksum differs
    deprecated      deprecated there, but its version is current here
    current         not deprecated there, but its version is deprecated here
    narrower        the cloud shows it to fewer people than the version here
    unknown         the catalogue does not have it
    unchecked       its scope could not be read at the last look, so all else may be out of date

The visibilities are private < shared < community < public. Here, a version of a public image is
public, one with a membership is shared, and any other is private. A machine that has ended here can
only be wider. Each kind is an SQL predicate, and there is no second form of it.

Editors of a version see the drift of its machines, staff all; only staff see unknown machines, and
which source and scope reads a machine.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    String,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
)

from goldenrod.base.architectures import SPELLINGS
from goldenrod.base.errors import Forbidden, Unauthorized
from goldenrod.base.wire import DriftKind
from goldenrod.rules import access, filters, resources, summaries
from goldenrod.rules.access import NOW, Actor, ReaderKind
from goldenrod.rules.changes import events
from goldenrod.rules.lifecycle import states
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing, Page, Query, parse
from goldenrod.store.sql import Key, as_json, json_object, json_text, param

Predicate = ColumnElement[bool]

KINDS: tuple[str, ...] = get_args(DriftKind)
FACTS = ("architecture", "size_gb", "checksum")
"""The facts in which a changed machine differs."""
MOST_MARKS = 4000
"""How many drifted machines of an image are read for its page, at most."""

_RANKS = {"private": 0, "shared": 1, "community": 2, "public": 3}


# ── what differs ───────────────────────────────────────────────────────────────────────────


def kinds(flags: Mapping[str, Any]) -> list[str]:
    """The kinds that are true, the worst first."""
    return [kind for kind in KINDS if flags.get(kind)]


def _normal(architecture: ColumnElement[str]) -> ColumnElement[str]:
    """The one spelling of an architecture, as `normal_architecture` makes it."""
    written = func.lower(func.trim(architecture), type_=String())
    return case(*((written == form, usual) for form, usual in SPELLINGS.items()), else_=written)


def _differs(cloud: FromClause, machine: FromClause) -> dict[str, Predicate]:
    """In which facts the two differ. A fact that one of them does not know does not differ."""
    there, here = _normal(cloud.c.architecture), _normal(machine.c.architecture)
    return {
        "architecture": and_(there != "", here != "", there != here),
        "size_gb": and_(
            cloud.c.size_gb.is_not(None),
            machine.c.size_gb.is_not(None),
            cloud.c.size_gb != machine.c.size_gb,
        ),
        "checksum": and_(
            cloud.c.checksum != "",
            machine.c.checksum != "",
            cloud.c.checksum != machine.c.checksum,
        ),
    }


def _visibility_here(version: FromClause, public: Any, shared: Any, private: Any) -> Any:
    """Who sees a version here, in these three words or numbers."""
    return case((version.c.public, public), (access.has_membership(version), shared), else_=private)


def _not_there(cloud: FromClause) -> Predicate:
    """The last complete looks did not list the machine, and no other scope lists it."""
    other = schema.cloud_machines.alias()
    elsewhere = exists().where(other.c.machine_id == cloud.c.machine_id, other.c.missed == 0)
    return and_(cloud.c.missed > 0, ~elsewhere.correlate(cloud))


def _of_known(
    cloud: FromClause, machine: FromClause, version: FromClause, scope: FromClause
) -> dict[str, Predicate]:
    """The kinds of drift of a machine that the catalogue has."""
    listed = cloud.c.missed == 0
    live = or_(machine.c.end_date.is_(None), machine.c.end_date > NOW)
    offered = and_(live, version.c.closes_at > NOW)
    there = case(*((cloud.c.visibility == word, rank) for word, rank in _RANKS.items()))
    here = _visibility_here(version, *(_RANKS[word] for word in ("public", "shared", "private")))
    old_there = and_(cloud.c.deprecated_at.is_not(None), cloud.c.deprecated_at <= NOW)
    new_there = or_(cloud.c.deprecated_at.is_(None), cloud.c.deprecated_at > NOW)
    old_here = and_(states.deprecated(version), ~states.revoked(version))
    return {
        "wider": and_(listed, there > here),
        "missing": and_(live, _not_there(cloud)),
        "not_launchable": and_(listed, offered, cloud.c.status != "active"),
        "changed": and_(listed, live, or_(*_differs(cloud, machine).values())),
        "deprecated": and_(listed, live, old_there, version.c.not_current_from > NOW),
        "current": and_(listed, offered, new_there, old_here),
        "narrower": and_(listed, live, there < here),
        "unchecked": and_(live, scope.c.failing_since.is_not(None)),
    }


def _is_unknown(cloud: FromClause) -> Predicate:
    """The cloud lists it, and no machine here has its id on this provider."""
    machine = schema.machines.alias()
    is_here = exists().where(
        machine.c.identifier == cloud.c.identifier, machine.c.provider_id == cloud.c.provider_id
    )
    return and_(cloud.c.machine_id.is_(None), cloud.c.missed == 0, ~is_here.correlate(cloud))


def _joined(
    cloud: FromClause, reader: ReaderKind
) -> tuple[FromClause, FromClause, FromClause, Predicate]:
    """The machine, version and scope of a cloud's machine, and the condition that joins them: the
    reader edits the version."""
    machine, version = schema.machines.alias(), schema.versions.alias()
    scope = schema.sync_scopes.alias()
    is_it = and_(
        machine.c.id == cloud.c.machine_id,
        version.c.n == machine.c.version_n,
        scope.c.id == cloud.c.scope_id,
        access.edits_version(version, reader),
    )
    return machine, version, scope, is_it


def _known(cloud: FromClause, reader: ReaderKind, kind: str | None = None) -> Predicate:
    """It is a machine of a version that the reader edits, with this kind of drift, or with any."""
    machine, version, scope, is_it = _joined(cloud, reader)
    found = _of_known(cloud, machine, version, scope)
    holds = or_(*found.values()) if kind is None else found[kind]
    return exists().where(is_it, holds).correlate(cloud)


def _drifted(cloud: FromClause, reader: ReaderKind) -> Predicate:
    """It has drifted, and the reader may see that."""
    if reader is ReaderKind.ANONYMOUS:
        return false()
    known = _known(cloud, reader)
    return or_(known, _is_unknown(cloud)) if reader is ReaderKind.STAFF else known


def _of_kind(cloud: FromClause, kind: str) -> Predicate:
    """It has this kind of drift. Whether the reader may see it is another condition of the list."""
    return _is_unknown(cloud) if kind == "unknown" else _known(cloud, ReaderKind.STAFF, kind)


def _rank(cloud: FromClause) -> ColumnElement[int]:
    """The place of the worst kind in KINDS, from 1."""
    machine, version, scope, is_it = _joined(cloud, ReaderKind.STAFF)
    found = _of_known(cloud, machine, version, scope)
    place = {kind: number for number, kind in enumerate(KINDS, start=1)}
    worst = case(*((holds, place[kind]) for kind, holds in found.items()), else_=len(KINDS))
    known = select(worst).where(is_it).correlate(cloud).scalar_subquery()
    return func.coalesce(known, place["unknown"], type_=Integer())


# ── as JSON ────────────────────────────────────────────────────────────────────────────────


def shape(cloud: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A drifted machine as JSON; `_item` makes the answer from it."""
    machine, version, scope, is_it = _joined(cloud, reader)
    here = {
        **{fact: machine.c[fact] for fact in FACTS},
        "visibility": _visibility_here(
            version, *(literal(word, String) for word in ("public", "shared", "private"))
        ),
        "deprecated_at": version.c.deprecated_at,
    }
    known = json_object(
        {
            "kinds": json_object(_of_known(cloud, machine, version, scope)),
            "changed": json_object(_differs(cloud, machine)),
            "image": summaries.image(version.c.image_id, reader),
            "version": summaries.version_shape(version, reader),
            "machine": summaries.machine_shape(machine, reader),
            "here": json_object(here),
        }
    )
    there = {"name": cloud.c.source_name, **{fact: cloud.c[fact] for fact in FACTS}}
    there |= {name: cloud.c[name] for name in ("visibility", "status", "deprecated_at")}
    found = select(known).where(is_it).correlate(cloud).scalar_subquery()
    shown = {"id": cloud.c.id, "identifier": cloud.c.identifier, "known": as_json(found)}
    shown |= {"provider": summaries.provider(cloud.c.provider_id, reader)}
    shown |= {"there": json_object(there)}
    shown |= {name: cloud.c[name] for name in ("seen_at", "missed", "missing_since", "gone")}
    return json_object({**shown, "read": as_json(_read_by(cloud, reader))})


def _read_by(cloud: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """Since when the scope cannot be read; for staff, which one it is and why."""
    scope, source = schema.sync_scopes.alias(), schema.sync_sources.alias()
    told = {"unchecked_since": scope.c.failing_since}
    if reader is ReaderKind.STAFF:
        told |= {"source": source.c.name, "scope": scope.c.scope, "reason": scope.c.failed_reason}
    query = select(json_object(told)).where(
        scope.c.id == cloud.c.scope_id, source.c.id == scope.c.source_id
    )
    return query.correlate(cloud).scalar_subquery()


_UNKNOWN: Row = {
    "kinds": {"unknown": True},
    "changed": {},
    **dict.fromkeys(("image", "version", "machine", "here")),
}


def _item(row: Row) -> Row:
    """The answer about one machine, from the row that `shape` gives."""
    known, read = row["known"] or _UNKNOWN, row["read"]
    changed = [fact for fact in FACTS if known["changed"].get(fact)]
    found = kinds(known["kinds"])
    return {
        "id": row["id"],
        "kinds": found,
        "changed": changed if "changed" in found else [],
        "identifier": row["identifier"],
        "provider": row["provider"],
        **{name: known[name] for name in ("image", "version", "machine", "here")},
        **{name: row[name] for name in ("there", "seen_at", "missed", "missing_since", "gone")},
        **{name: read.get(name) for name in ("unchecked_since", "source", "scope", "reason")},
    }


# ── the lists ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class _WorstFirst(Listing):
    """A list that can be ordered by the worst kind of each row, which is no column."""

    def order(self, thing: FromClause, name: str) -> ColumnElement[Any]:
        return _rank(thing) if name == "kind" else super().order(thing, name)


def _on_provider(cloud: FromClause, reader: ReaderKind, is_it: Any) -> Predicate:
    provider = schema.providers.alias()
    found = exists().where(provider.c.id == cloud.c.provider_id, is_it(provider))
    return found.correlate(cloud)


def _in_image(cloud: FromClause, reader: ReaderKind, is_it: Any) -> Predicate:
    _, version, _, of_cloud = _joined(cloud, ReaderKind.STAFF)
    image = schema.images.alias()
    found = exists().where(of_cloud, image.c.id == version.c.image_id, is_it(image))
    return found.correlate(cloud)


LIST: Listing = _WorstFirst(
    schema.cloud_machines,
    {
        "kind": filters.what_is(KINDS, _of_kind),
        "provider": filters.refers("provider", schema.providers, _on_provider),
        "image": filters.refers("image", schema.images, _in_image),
    },
    ("kind", "id"),
    # A cursor's position is a number, as in any column of whole numbers.
    columns={"kind": "missed"},
    default="kind",
)

OF_VERSION: Listing = replace(
    LIST, filters={name: it for name, it in LIST.filters.items() if name != "image"}
)


def list_drift(tx: Tx, actor: Actor, query: Query) -> Page:
    """A page of the drifted machines that the actor may see. Raises Unauthorized."""
    if actor.kind == "anonymous":
        raise Unauthorized("Only editors and staff can read drift. Sign in as one of them.")
    return _page(resources.page(tx, actor, shape, query, _drifted))


def _of_version(cloud: FromClause, reader: ReaderKind) -> Predicate:
    machine, version, scope, is_it = _joined(cloud, reader)
    found = _of_known(cloud, machine, version, scope)
    its = exists().where(is_it, version.c.n == param("version", Key), or_(*found.values()))
    return its.correlate(cloud)


def list_drift_of_version(tx: Tx, actor: Actor, key: str, query: Query) -> Page:
    """A page of the drifted machines of a version. Raises NotFound, and Unauthorized or Forbidden if
    the actor may read the version but not change it."""
    version = resources.get_row(tx, actor, schema.versions, key)
    if not version["may_change"]:
        if actor.kind == "anonymous":
            raise Unauthorized("Only editors can read a version's drift. Sign in as one of them.")
        raise Forbidden("Only editors can read a version's drift.")
    return _page(resources.page(tx, actor, shape, query, _of_version, version=version["n"]))


def _page(page: Page) -> Page:
    items = (_item(json.loads(text)) for text in page.results)
    texts = [json.dumps(it, ensure_ascii=False, separators=(",", ":")) for it in items]
    return replace(page, results=texts)


# ── what could not be read ─────────────────────────────────────────────────────────────────


def _unread_shape(scope: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    source = schema.sync_sources.alias()
    name = select(source.c.name).where(source.c.id == scope.c.source_id).correlate(scope)
    return json_object(
        {
            "id": scope.c.id,
            "source": name.scalar_subquery(),
            "scope": scope.c.scope,
            "reason": scope.c.failed_reason,
            "unchecked_since": scope.c.failing_since,
            "looked_at": scope.c.looked_at,
        }
    )


UNREAD = Listing(schema.sync_scopes, {}, ("id",), default="id")


def list_unread(tx: Tx, actor: Actor, query: Query) -> Page:
    """A page of the scopes that could not be read when they were last looked at, also those that never
    could be and so have no machines. Raises Unauthorized, Forbidden (staff only)."""
    actor.require_staff()
    failing: resources.Condition = lambda scope, _: scope.c.failing_since.is_not(None)  # noqa: E731
    return resources.page(tx, actor, _unread_shape, query, failing)


def find_unread(tx: Tx, actor: Actor) -> list[Row]:
    """The first of these scopes, for a page; none for who is not staff."""
    if not actor.has_staff_rights:
        return []
    page = list_unread(tx, actor, parse(UNREAD, {"page_size": ["100"]}))
    return [json.loads(text) for text in page.results]


# ── marks on pages ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Mark:
    """A drifted machine of an image: of which version, on which provider, how."""

    version: str
    provider_id: int
    identifier: str
    kinds: list[str]


def _marks(reader: ReaderKind, column: str) -> Any:
    cloud = schema.cloud_machines.alias("cloud")
    machine, version, scope, is_it = _joined(cloud, reader)
    found = _of_known(cloud, machine, version, scope)
    del found["unchecked"]
    flags = json_object(found)
    # No index has the machines of an image: they are found by its versions.
    its = version.c.image_id if column == "image_id" else machine.c.version_n
    return (
        select(
            version.c.id.label("version"),
            machine.c.provider_id,
            machine.c.identifier,
            json_text(flags).label("flags"),
        )
        .where(is_it, its == param("of", Key), or_(*found.values()))
        .order_by(cloud.c.id)
        .limit(MOST_MARKS)
    )


def find_marks(
    tx: Tx, actor: Actor, *, image_id: int | None = None, version_key: int | None = None
) -> list[Mark]:
    """The machines of an image, or of a version, that differ from their cloud: as far as the actor is
    an editor. What could not be checked is left out."""
    column, of = ("image_id", image_id) if version_key is None else ("version_n", version_key)
    rows = tx.rows(_marks, actor.reader, column, of=of, **resources.params(tx, actor))
    return [
        Mark(row["version"], row["provider_id"], row["identifier"], kinds(json.loads(row["flags"])))
        for row in rows
    ]


# ── events ─────────────────────────────────────────────────────────────────────────────────


def _states() -> Any:
    """The machines of a scope that have drifted, or of which webhooks were notified."""
    cloud = schema.cloud_machines.alias("cloud")
    machine, version, scope, is_it = _joined(cloud, ReaderKind.STAFF)
    found = _of_known(cloud, machine, version, scope)
    del found["unchecked"]
    return (
        select(
            *(cloud.c.id, cloud.c.notified, cloud.c.missing_since),
            *(machine.c.id.label("machine_id"), machine.c.image_id, machine.c.version_n),
            json_text(json_object(found)).label("flags"),
        )
        .where(
            is_it,
            cloud.c.scope_id == param("scope", Key),
            or_(cloud.c.notified != "", *found.values()),
        )
        .order_by(cloud.c.id)
    )


def _failing() -> Any:
    scope = schema.sync_scopes
    return select(scope.c.failing_since).where(scope.c.id == param("scope", Key))


def record_changes(tx: Tx, scope: int) -> None:
    """Record the events of a scope (its id) that was just looked at: a machine went missing, or
    drifted in a way of which webhooks were not notified yet, or the scope cannot be read.

    Called in the transaction that stores the look, after the catalogue was changed.
    """
    happened = list(_of_machines(tx, tx.rows(_states, scope=scope, now=tx.now)))
    failing_since = tx.value(_failing, scope=scope)
    if failing_since is not None:
        happened += events.of_failed_scope(tx, scope, failing_since)
    events.record(tx, happened)


def _of_machines(tx: Tx, rows: Iterable[Row]) -> Iterable[events.Event]:
    for row in rows:
        found = kinds(json.loads(row["flags"]))
        known = row["notified"].split(",")
        if found != list(filter(None, known)):
            notified = {"notified": ",".join(found)}
            tx.update(schema.cloud_machines, {"id": row["id"]}, **notified)
        new = [kind for kind in found if kind not in known]
        if "missing" in new:
            yield events.of_missing_machine(row, row["missing_since"] or tx.now)
        if drifted := [kind for kind in new if kind != "missing"]:
            yield events.of_drifted_machine(row, drifted, tx.now)
