"""Machines: one copy of a version on one provider, with the provider's identifier (`ami-…`, a UUID).

Provider and identifier are unique within an image among machines without an end_date; another image
may have the same pair. Creating a machine that has ended on the same version restores it.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, select

from goldenrod.base import decode
from goldenrod.base.architectures import normal_architecture
from goldenrod.base.errors import Conflict, forbidden_field
from goldenrod.base.faults import Faults
from goldenrod.base.text import identifier_key
from goldenrod.base.wire import MachinePatch, NestedMachine, NewMachine
from goldenrod.rules import filters, resources, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, mutations, references
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.resources import Resource
from goldenrod.rules.visibility import stored_counts
from goldenrod.store import bulk, schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing
from goldenrod.store.sql import Key, Sortable, json_object, param


def shape(machine: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A machine as JSON."""
    return json_object(
        {
            "id": machine.c.id,
            "uuid": machine.c.uuid,
            "url": summaries.url("provider_machines", machine.c.id),
            # Everyone who may read a machine may read its version and its image.
            "version": summaries.version_of(machine.c.version_n, ReaderKind.STAFF),
            "image": summaries.image(machine.c.image_id, ReaderKind.STAFF),
            "provider": summaries.provider(machine.c.provider_id, reader),
            "identifier": machine.c.identifier,
            "size_gb": machine.c.size_gb,
            "architecture": machine.c.architecture,
            "checksum": machine.c.checksum,
            "created_by": summaries.user(machine.c.created_by_id),
            "start_date": machine.c.start_date,
            "end_date": machine.c.end_date,
            "architecture_given": machine.c.architecture_given,
        }
    )


def _of_version(machine: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    version = schema.versions.alias()
    return machine.c.version_n == select(version.c.n).where(is_it(version)).scalar_subquery()


def _on_provider(machine: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
    provider = schema.providers.alias()
    return machine.c.provider_id == select(provider.c.id).where(is_it(provider)).scalar_subquery()


MACHINES = Resource(
    schema.machines,
    shape,
    Listing(
        schema.machines,
        {
            "version_id": filters.refers("version_id", schema.versions, _of_version),
            "provider": filters.refers("provider", schema.providers, _on_provider),
            "identifier": filters.identifier("identifier"),
            "name": filters.identifier("name"),
            "architecture": filters.architecture(lambda machine, reader, is_it: is_it(machine)),
        },
        ("start_date", "end_date", "name"),
        {"name": "identifier"},
    ),
)


def checked(
    tx: Tx, actor: Actor, given: NestedMachine, field: str = "", *, may_ask: bool = True
) -> Row:
    """The columns of a new machine. Raises BadRequest, Forbidden (no identity on its provider; that is
    not asked where the version cannot be changed)."""
    faults = Faults()
    start_date, end_date = mutations.dates(faults, tx, given.start_date, given.end_date, field)
    values = {
        "provider_id": faults.of(_provider_id, tx, actor, given, f"{field}provider", may_ask),
        "identifier": faults.of(decode.identifier, f"{field}identifier", given.identifier),
        "architecture": faults.of(decode.label, f"{field}architecture", given.architecture),
        "size_gb": given.size_gb,
        "checksum": faults.of(decode.label, f"{field}checksum", given.checksum),
        "start_date": start_date,
        "end_date": end_date,
    }
    faults.report()
    return values


def stored(values: Row) -> Row:
    """The columns of a machine from what was given: its architecture in one spelling and as it was
    given, and the key by which its identifier is found."""
    columns = dict(values)
    if "architecture" in values:
        columns["architecture_given"] = values["architecture"]
        columns["architecture"] = normal_architecture(values["architecture"])
    if "identifier" in values:
        columns["identifier_key"] = identifier_key(values["identifier"])
    return columns


_DERIVED = ("architecture_given", "identifier_key")
"""Columns that the audit does not have: they follow from others."""


def _shown(columns: Row) -> Row:
    return {name: value for name, value in columns.items() if name not in _DERIVED}


def _with_spelling(row: Row, after: Row) -> Row:
    """The columns to change. An architecture sent back in the one spelling leaves what was given."""
    if after.get("architecture") == row["architecture"]:
        return {name: value for name, value in after.items() if name != "architecture_given"}
    return after


def _provider_id(tx: Tx, actor: Actor, given: NestedMachine, field: str, may_ask: bool) -> int:
    provider = references.read(tx, actor, schema.providers, given.provider, field)
    if may_ask and not (actor.has_staff_rights or provider["id"] in actor.providers):
        raise forbidden_field(
            field,
            "You need an identity on this provider to add machines to it.",
            code="identity_required",
        )
    return int(provider["id"])


def _current_with_identifier() -> Any:
    machine = schema.machines
    return select(*machine.c).where(
        machine.c.image_id == param("image", Key),
        machine.c.provider_id == param("provider", Key),
        machine.c.identifier_key == param("identifier", Sortable),
        machine.c.end_date.is_(None),
    )


def _ended_here() -> Any:
    machine = schema.machines
    return (
        select(*machine.c)
        .where(
            machine.c.version_n == param("n", Key),
            machine.c.provider_id == param("provider", Key),
            machine.c.identifier_key == param("identifier", Sortable),
            machine.c.end_date <= param("now", machine.c.end_date.type),
        )
        .order_by(machine.c.id.desc())
    )


def require_free(tx: Tx, image_id: int, values: Row, machine_id: int = 0) -> None:
    """Raise Conflict if another machine of the image has this provider and identifier."""
    taken = tx.first(
        _current_with_identifier,
        image=image_id,
        provider=values["provider_id"],
        identifier=identifier_key(values["identifier"]),
    )
    if values["end_date"] is None and taken and taken["id"] != machine_id:
        raise Conflict(
            f"This image already has a machine with the identifier {values['identifier']!r} on this "
            "provider.",
            code="machine_taken",
        )


def end_taken(tx: Tx, actor: Actor, version_key: int, image_id: int, values: Row) -> None:
    """End the machine of another version of the image that has this provider and identifier, if the
    actor may: the cloud gave the identifier to a new build."""
    taken = tx.first(
        _current_with_identifier,
        image=image_id,
        provider=values["provider_id"],
        identifier=identifier_key(values["identifier"]),
    )
    if taken and taken["version_n"] != version_key:
        row = resources.find_row(tx, actor, schema.machines, str(taken["id"]))
        if row and row["may_change"]:
            end_machine(tx, actor, row)


def _clashing() -> Any:
    mine, other = schema.machines.alias("mine"), schema.machines.alias("other")
    return select(mine.c.identifier).where(
        mine.c.version_n == param("n", Key),
        mine.c.end_date.is_(None),
        other.c.image_id == param("image", Key),
        other.c.end_date.is_(None),
        other.c.provider_id == mine.c.provider_id,
        other.c.identifier_key == mine.c.identifier_key,
    )


def require_no_clash(tx: Tx, version_key: int, image_id: int) -> None:
    """Raise Conflict if the other image already has one of a version's machines."""
    identifier = tx.value(_clashing, n=version_key, image=image_id)
    if identifier is not None:
        raise Conflict(
            f"That image already has a machine with the identifier {identifier!r} on the same "
            "provider.",
            code="machine_taken",
        )


def insert_machine(tx: Tx, actor: Actor, version_key: int, image_id: int, values: Row) -> int:
    """Write a checked machine of a version and return its id. Call `events.machines_created`
    afterwards.

    Raises Conflict (`machine_taken`).
    """
    require_free(tx, image_id, values)
    [machine_id] = insert_machines(
        tx, actor, [{"version_n": version_key, "image_id": image_id, **values}]
    )
    return machine_id


def insert_machines(tx: Tx, actor: Actor, machines: list[Row]) -> list[int]:
    """Write checked machines, whose identifiers are free, and return their ids. `machines` have all
    columns but the first. Call `events.machines_created` afterwards."""
    rows = [
        {"uuid": mutations.new_uuid(), "created_by_id": actor.user_id, **stored(machine)}
        for machine in machines
    ]
    ids = bulk.insert_rows(tx, schema.machines, rows)
    audit.record_all(
        tx,
        actor,
        "machine:create",
        schema.machines,
        [
            (machine_id, audit.created({"version": version, **rest}))
            for machine_id, (version, rest) in zip(ids, map(_told, machines), strict=True)
        ],
    )
    return ids


def _told(machine: Row) -> tuple[int, Row]:
    """What the audit tells of a new machine: its version, and the rest."""
    shown = _shown(stored(machine))
    rest = {name: it for name, it in shown.items() if name not in ("version_n", "image_id")}
    return machine["version_n"], rest


def create_machine(tx: Tx, actor: Actor, body: NewMachine) -> Created:
    """Create a machine of a version; a machine that has ended with the same identifier is restored.

    Raises BadRequest, Forbidden, Conflict (`machine_taken`).
    """
    actor.require_write()
    faults = Faults()
    version = faults.of(
        references.read_for_change,
        tx,
        actor,
        schema.versions,
        body.version,
        "version",
        "You can read this version, but only its editors can add machines.",
    )
    values = faults.of(checked, tx, actor, body, may_ask=not faults.found)
    faults.report()
    if body.take_identifier:
        end_taken(tx, actor, version["n"], version["image_id"], values)
    ended = tx.first(
        _ended_here,
        n=version["n"],
        provider=values["provider_id"],
        identifier=identifier_key(values["identifier"]),
        now=tx.now,
    )
    if not ended:
        with tx.within_image(version["image_id"]):
            with stored_counts.counting(tx, "n", [version["n"]]):
                machine_id = insert_machine(tx, actor, version["n"], version["image_id"], values)
            events.machines_created(tx, version["image_id"], [machine_id])
        return Created(str(machine_id))
    require_free(tx, version["image_id"], values, ended["id"])
    _update(tx, actor, ended, values, "machine:restore")
    return Created(str(ended["id"]), new=False)


def _update(tx: Tx, actor: Actor, row: Row, after: Row, action: audit.Action) -> None:
    after = stored(after)
    changed = audit.changed(row, _shown(after))
    if changed:
        with tx.within_image(row["image_id"]):
            with stored_counts.counting_machine(tx, row["version_n"], after):
                tx.update(schema.machines, {"id": row["id"]}, **_with_spelling(row, after))
            audit.record(tx, actor, action, schema.machines, row["id"], changed)
            events.machine_changed(tx, row, {**row, **after})


def edit_machine(tx: Tx, actor: Actor, row: Row, patch: MachinePatch) -> None:
    """Change what the patch gives. Raises BadRequest, Conflict."""
    given = mutations.given(patch)
    faults = Faults()
    after: Row = mutations.new_dates(faults, row, patch.start_date, patch.end_date)
    if "identifier" in given:
        after["identifier"] = faults.of(
            decode.identifier, "identifier", given["identifier"], row["identifier"]
        )
    if "size_gb" in given:
        after["size_gb"] = given["size_gb"]
    for label in {"architecture", "checksum"} & given.keys():
        after[label] = faults.of(decode.label, label, given[label], row[label])
    faults.report()
    require_free(tx, row["image_id"], {**row, **after}, row["id"])
    _update(tx, actor, row, after, "machine:edit")


def end_machine(tx: Tx, actor: Actor, row: Row) -> None:
    """End a machine now. A machine that has already ended stays unchanged."""
    if not mutations.has_ended(tx, row):
        _update(tx, actor, row, {"end_date": tx.now}, "machine:end")
