"""What is attached to a version: licenses, boot scripts, and the groups it is shared with.

One `Pairing` each. A list on the version and the pairing resources are two doors to the same rows.
What is newly attached must be readable by whoever names it; groups may be named by exact name, too.
A script is newly attached only by its creator, staff, or whoever may change a version that uses it
already: attaching is publishing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, exists, literal, select

from goldenrod.base.errors import Forbidden
from goldenrod.rules import access, resources
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import mutations, references
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, param


@dataclass(frozen=True)
class Pairing:
    """`field` on a version lists what rows of `table` attach: things of `other`, by `column`."""

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
    """The ids that references name; those in `known` are attached already and not checked again.

    Raises BadRequest (`reference_unknown`), Forbidden (`script_not_yours`).
    """
    attached = set(known)
    found = set()
    for place, ref in enumerate(refs):
        name = field or f"{pairing.field}[{place}]"
        value = references.plain(ref)
        if value in attached:
            found.add(int(value))
        elif pairing is MEMBERSHIP:
            found.add(references.group_id(tx, actor, ref, name, attached))
        else:
            row = references.read(tx, actor, pairing.other, ref, name)
            if pairing is SCRIPTS and row["id"] not in attached:
                require_attachable(tx, actor, row)
            found.add(row["id"])
    return sorted(found)


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


def require_attachable(tx: Tx, actor: Actor, script: Row) -> None:
    """Raise Forbidden unless the actor may attach this script."""
    if not attachable(tx, actor, script):
        raise Forbidden(
            "Only its creator, or a keeper of a version that uses it, may attach this script.",
            code="script_not_yours",
        )


def set_all(tx: Tx, pairing: Pairing, n: int, wanted: list[int]) -> None:
    """Make exactly these things attached to a version."""
    before = set(ids(tx, pairing, n))
    for gone in before - set(wanted):
        tx.delete(pairing.table, version_n=n, **{pairing.column: gone})
    for new in sorted(set(wanted) - before):
        attach(tx, pairing, n, new)


def attach(tx: Tx, pairing: Pairing, n: int, thing_id: int) -> int:
    """Attach one thing; the pairing's id."""
    return tx.insert(
        pairing.table,
        uuid=mutations.new_uuid(),
        version_n=n,
        **{pairing.column: thing_id},
    )
