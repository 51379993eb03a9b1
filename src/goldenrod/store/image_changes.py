"""Which changes of the catalogue are of single images only, so that answers about others stay valid.

A change is of single images if everything it writes is in blocks of `Tx.within_image`, in tables whose
rows belong to one image. Its revision is written to `image_revisions` for each of its images. Every
other change is of the whole catalogue, also one that nobody thought of here.

Who may read a version decides what is shown with other versions: with its parent, its children, what it
replaces, and what was revoked with it. So a change of a version's readers, also its creation, is of the
images of all these as well (`Tx.readers_changed`). An answer therefore need not depend on the images of
versions that it does not show.

`catalogue.narrow_since` and `narrow_until` say that all changes after the first revision, up to the
second, were of single images. A server of an earlier release leaves `narrow_until` behind the revision,
so that its changes are of the whole catalogue as well.
"""

from typing import Any

from sqlalchemy import FromClause, case, select, union, update

from goldenrod.store import schema
from goldenrod.store.sql import in_list, insert_or_update

OF_ONE_IMAGE = frozenset(
    table.name
    for table in (
        schema.images,
        schema.versions,
        schema.version_labels,
        schema.version_licenses,
        schema.version_memberships,
        schema.version_scripts,
        schema.version_words,
        schema.former_names,
        schema.shares,
        schema.revocation_reach,
        schema.machines,
        schema.channels,
        schema.assignments,
        schema.audit,
    )
)
"""Tables whose rows belong to the image of the block that writes them."""
IN_NO_ANSWER = frozenset(
    table.name
    for table in (
        schema.events,
        schema.deliveries,
        schema.idempotency,
        schema.scope_counts,
        schema.placement_counts,
    )
)
"""Tables from which no answer that depends on single images is read."""


class ImageChanges:
    """What a transaction has changed so far."""

    def __init__(self) -> None:
        self.within: int | None = None
        """The image whose rows are written now."""
        self.images: set[int] = set()
        self.unseen = False
        """What is written now shows in no answer."""
        self.versions: set[int] = set()
        """The keys of versions whose readers have changed."""
        self.of_catalogue = False

    def note(self, table: str | None) -> None:
        """A statement writes this table; None where that is not known."""
        if self.unseen or table in IN_NO_ANSWER:
            return
        if self.within is not None and table in OF_ONE_IMAGE:
            self.images.add(self.within)
        else:
            self.of_catalogue = True

    @property
    def narrow(self) -> bool:
        """Whether only single images were changed, or nothing that shows in an answer."""
        return not self.of_catalogue


def record(tx: Any, changes: ImageChanges) -> None:
    """Record a change of single images, at the end of its transaction."""
    tx.change(_narrow)
    if not changes.images:
        return
    images, versions = sorted(changes.images), sorted(changes.versions)
    tx.change(_changed, tx.dialect, bool(versions), images=images, versions=versions)


def _narrow() -> Any:
    catalogue = schema.catalogue.c
    before = catalogue.revision - 1
    return update(schema.catalogue).values(
        narrow_since=case((catalogue.narrow_until == before, catalogue.narrow_since), else_=before),
        narrow_until=catalogue.revision,
    )


def _changed(dialect: str, readers: bool) -> Any:
    """Store the revision for the `images`; where `readers` of `versions` have changed, also for those
    of the versions around them."""
    # Not Tx.revision: that counts the files of a SQLite database that was replaced.
    now = select(schema.catalogue.c.revision).scalar_subquery()
    changed: Any = select(schema.images.c.id).where(in_list(schema.images.c.id, "images"))
    if readers:
        changed = union(changed, *_around())
    found = changed.subquery()
    rows = select(found.c.id, now)
    return insert_or_update(
        dialect, schema.image_revisions, rows, lambda new: {"revision": new.revision}
    )


def _around() -> list[Any]:
    """The images of the versions that refer to one of `versions`, and of their parents."""
    version, other = schema.versions.alias(), schema.versions.alias()
    reach, revocation = schema.revocation_reach, schema.revocations

    def images(tables: FromClause, one: Any) -> Any:
        return select(other.c.image_id).select_from(tables).where(in_list(one, "versions"))

    reached = reach.join(revocation, revocation.c.id == reach.c.revocation_id)
    return [
        images(version.join(other, other.c.n == version.c.parent_n), version.c.n),
        images(other, other.c.parent_n),
        images(other, other.c.replacement_n),
        images(reached.join(other, other.c.n == reach.c.n), revocation.c.version_n),
    ]
