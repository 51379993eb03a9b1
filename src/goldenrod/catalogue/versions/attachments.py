"""Attachments: a version with one license, group or boot script, as resources of their own.

Attaching or detaching is the same change as a PATCH of the version's list and is recorded in the
version's history. Attaching twice returns the existing attachment.
"""

from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, FromClause, exists, select

from goldenrod.base.faults import Faults
from goldenrod.rules import filters, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, events, references, version_lists
from goldenrod.rules.changes.mutations import Created
from goldenrod.rules.changes.version_lists import Pairing
from goldenrod.rules.resources import Resource
from goldenrod.rules.summaries import Shape
from goldenrod.rules.visibility import denormalised
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Filter, Listing
from goldenrod.store.sql import Key, json_object, param


@dataclass(frozen=True, kw_only=True)
class AttachmentResource(Resource):
    """One kind of attachment; `member` names the field of the attached thing."""

    path: str
    member: str
    pairing: Pairing

    def attach(self, tx: Tx, actor: Actor, body: Struct) -> Created:
        """Attach a thing to a version. Raises BadRequest, Forbidden."""
        actor.require_write()
        ref = getattr(body, "image_version")  # noqa: B009 - three body types share these fields
        faults, pairing = Faults(), self.pairing
        version = faults.of(
            references.read_for_change,
            tx,
            actor,
            schema.versions,
            ref,
            "image_version",
            "You can read this version, but only its editors can change it.",
        )
        n, attached = None, []
        if version is not None:
            n = version["n"]
            attached = version_lists.ids(tx, pairing, n)
        thing = [getattr(body, self.member)]
        found = faults.of(version_lists.resolve, tx, actor, pairing, thing, attached, self.member)
        faults.report()
        [wanted] = found
        if wanted in attached:
            return Created(str(tx.value(_attachment_id, pairing, n=n, thing=wanted)), new=False)
        pairing_id = version_lists.attach(tx, pairing, n, wanted)
        self._record(tx, actor, n, attached)
        return Created(str(pairing_id))

    def detach(self, tx: Tx, actor: Actor, row: Row) -> None:
        """Detach a thing from its version."""
        attached = version_lists.ids(tx, self.pairing, row["version_n"])
        tx.delete(self.pairing.table, id=row["id"])
        self._record(tx, actor, row["version_n"], attached)

    def _record(self, tx: Tx, actor: Actor, n: int, before: list[int]) -> None:
        after = version_lists.ids(tx, self.pairing, n)
        denormalised.refresh_version(tx, n)
        changed = {self.pairing.field: {"before": before, "after": after}}
        audit.record(tx, actor, "version:edit", schema.versions, n, changed)
        events.version_edited(tx, n, changed)


def _attachment_id(pairing: Pairing) -> Any:
    link = pairing.table
    return select(link.c.id).where(
        link.c.version_n == param("n", Key), link.c[pairing.column] == param("thing", Key)
    )


def _resource(
    pairing: Pairing, path: str, member: str, summary: Shape, key: str
) -> AttachmentResource:
    def shape(link: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
        thing = pairing.other.alias()
        # Everyone who may read an attachment may read its version and the attached thing.
        shown = select(summary(thing, ReaderKind.STAFF)).where(thing.c.id == link.c[pairing.column])
        return json_object(
            {
                "id": link.c.id,
                "uuid": link.c.uuid,
                "url": summaries.url(path, link.c.id),
                "image_version": summaries.version_of(link.c.version_n, ReaderKind.STAFF),
                member: shown.scalar_subquery(),
            }
        )

    def of_version(link: FromClause, reader: ReaderKind, is_it: Any) -> ColumnElement[bool]:
        version = schema.versions.alias()
        return link.c.version_n == select(version.c.n).where(is_it(version)).scalar_subquery()

    def named(link: FromClause, reader: ReaderKind, form: str) -> ColumnElement[bool]:
        thing = pairing.other.alias()
        by_name = filters.by_key("name", key).where(thing, reader, form)
        return exists().where(thing.c.id == link.c[pairing.column], by_name)

    listing = Listing(
        pairing.table,
        {
            "version_id": filters.refers("version_id", schema.versions, of_version),
            "name": Filter("a whole name", filters.by_key("name", key).read, named),
        },
        ("id",),
        default="id",
    )
    return AttachmentResource(
        pairing.table, shape, listing, path=path, member=member, pairing=pairing
    )


LICENSES = _resource(
    version_lists.LICENSES,
    "image_version_licenses",
    "license",
    summaries.license_shape,
    "title_key",
)
MEMBERSHIPS = _resource(
    version_lists.MEMBERSHIP,
    "image_version_memberships",
    "group",
    summaries.group_shape,
    "name_key",
)
SCRIPTS = _resource(
    version_lists.SCRIPTS,
    "image_version_boot_scripts",
    "boot_script",
    summaries.script_shape,
    "title_key",
)
