"""Which changes of the catalogue are of single images only, so that answers about others stay valid.

A change is of single images if everything it writes is in blocks of `Tx.within_image`, in tables whose
rows belong to one image. Its revision is written to `image_revisions` for each of its images. Every
other change is of the whole catalogue, also one that nobody thought of here.

`catalogue.narrow_since` and `narrow_until` say that all changes after the first revision, up to the
second, were of single images. A server of an earlier release leaves `narrow_until` behind the revision,
so that its changes are of the whole catalogue as well.
"""

from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.dialects import postgresql, sqlite

from goldenrod.store import schema
from goldenrod.store.sql import Key, param

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
    )
)
"""Tables whose rows belong to the image of the block that writes them."""
IN_NO_ANSWER = frozenset(
    table.name
    for table in (
        schema.audit,
        schema.events,
        schema.deliveries,
        schema.idempotency,
        schema.scope_counts,
    )
)
"""Tables from which no answer that depends on single images is read."""


class ImageChanges:
    """What a transaction has changed so far."""

    def __init__(self) -> None:
        self.within: int | None = None
        """The image whose rows are written now."""
        self.images: set[int] = set()
        self.of_catalogue = False

    def note(self, table: str | None) -> None:
        """A statement writes this table; None where that is not known."""
        if table in IN_NO_ANSWER:
            return
        if self.within is not None and table in OF_ONE_IMAGE:
            self.images.add(self.within)
        else:
            self.of_catalogue = True

    @property
    def narrow(self) -> bool:
        """Whether only single images were changed."""
        return bool(self.images) and not self.of_catalogue


def record(tx: Any, changes: ImageChanges) -> None:
    """Record a change of single images, at the end of its transaction."""
    tx.change(_narrow)
    for image_id in sorted(changes.images):
        tx.change(_changed, tx.dialect, image=image_id)


def _narrow() -> Any:
    catalogue = schema.catalogue.c
    before = catalogue.revision - 1
    return update(schema.catalogue).values(
        narrow_since=case((catalogue.narrow_until == before, catalogue.narrow_since), else_=before),
        narrow_until=catalogue.revision,
    )


def _changed(dialect: str) -> Any:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    # Not Tx.revision: that counts the files of a SQLite database that was replaced.
    now = select(schema.catalogue.c.revision).scalar_subquery()
    return (
        insert(schema.image_revisions)
        .values(image_id=param("image", Key), revision=now)
        .on_conflict_do_update(index_elements=["image_id"], set_={"revision": now})
    )
