"""What is attached to a version: licenses, boot scripts, and the groups it is shared with.

Each has a `Pairing`. The lists of a version and the attachment resources change the same rows. The
actor must be able to read what they attach; groups may also be named by exact name. A script may be
attached by its creator, staff, and editors of a version that uses it, because attaching publishes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, exists, literal, select

from goldenrod.base.errors import forbidden_field
from goldenrod.base.faults import Faults
from goldenrod.rules import access, resources
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import mutations, references
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, param


@dataclass(frozen=True)
class Pairing:
    """The list `field` of a version: the rows of `other` that `table` refers to by `column`."""

    field: str
    table: Table
    column: str
    other: Table


LICENSES = Pairing("licenses", schema.version_licenses, "license_id", schema.licenses)
MEMBERSHIP = Pairing("membership", schema.version_memberships, "group_id", schema.groups)
SCRIPTS = Pairing("scripts", schema.version_scripts, "script_id", schema.boot_scripts)
PAIRINGS = (LICENSES, MEMBERSHIP, SCRIPTS)


def _ids(pairing: Pairing) -> Any:
    link = pairing.table
    return select(link.c[pairing.column]).where(link.c.version_n == param("n", Key))


def ids(tx: Tx, pairing: Pairing, n: int) -> list[int]:
    """The ids of what is attached to a version, in order."""
    return sorted(row[pairing.column] for row in tx.rows(_ids, pairing, n=n))


def resolve(
    tx: Tx,
    actor: Actor,
    pairing: Pairing,
    refs: Iterable[references.Given],
    known: Iterable[int] = (),
    field: str | None = None,
) -> list[int]:
    """The ids of references. Those in `known` are attached already and are not checked again.

    Raises BadRequest (`reference_unknown`), Forbidden (`script_not_yours`).
    """
    attached = set(known)
    faults = Faults()
    found = {
        faults.of(_resolve, tx, actor, pairing, ref, attached, field or f"{pairing.field}[{index}]")
        for index, ref in enumerate(refs)
    }
    faults.report()
    return sorted(found)


def _resolve(
    tx: Tx, actor: Actor, pairing: Pairing, ref: references.Given, attached: set[int], field: str
) -> int:
    value = references.plain(ref)
    if value in attached:
        return int(value)
    if pairing is MEMBERSHIP:
        return references.group_id(tx, actor, ref, field, attached)
    row = references.read(tx, actor, pairing.other, ref, field)
    if pairing is SCRIPTS and row["id"] not in attached:
        require_attachable(tx, actor, row, field)
    return int(row["id"])


def _on_editable_version(reader: ReaderKind) -> Any:
    link, version = schema.version_scripts.alias(), schema.versions.alias()
    return select(literal(1)).where(
        exists().where(
            link.c.script_id == param("script", Key),
            version.c.n == link.c.version_n,
            access.edits_version(version, reader),
        )
    )


def attachable(tx: Tx, actor: Actor, script: Row) -> bool:
    """The actor may attach this script (a row with `may_change`) to versions."""
    return script["may_change"] or bool(
        tx.value(
            _on_editable_version,
            actor.reader,
            script=script["id"],
            **resources.params(tx, actor),
        )
    )


def require_attachable(tx: Tx, actor: Actor, script: Row, field: str) -> None:
    """Raise Forbidden unless the actor may attach this script."""
    if not attachable(tx, actor, script):
        raise forbidden_field(
            field,
            "Only its creator, or an editor of a version that uses it, may attach this script.",
            code="script_not_yours",
        )


def set_all(tx: Tx, pairing: Pairing, n: int, wanted: list[int]) -> None:
    """Attach exactly these to a version, and nothing else."""
    before = set(ids(tx, pairing, n))
    for gone in before - set(wanted):
        tx.delete(pairing.table, version_n=n, **{pairing.column: gone})
    for new in sorted(set(wanted) - before):
        attach(tx, pairing, n, new)


def attach(tx: Tx, pairing: Pairing, n: int, thing_id: int) -> int:
    """Attach one; the id of the attachment."""
    return tx.insert(
        pairing.table,
        uuid=mutations.new_uuid(),
        version_n=n,
        **{pairing.column: thing_id},
    )
