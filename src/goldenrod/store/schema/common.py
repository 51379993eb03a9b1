"""Tables of the catalogue as a whole: revision, counts, audit, idempotency keys."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table, Text

from goldenrod.store.schema.helpers import metadata, to
from goldenrod.store.sql import Key, Moment

catalogue = Table(
    "catalogue",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    # Incremented by every transaction that changes what a reader could see. The lock on this row
    # makes PostgreSQL's writers wait for one another, as SQLite's do.
    Column("revision", Key, nullable=False),
    # The instant for which the counts in scope_counts and placement_counts are right.
    Column("counted_at", Moment, nullable=False),
    # A random text that every such transaction draws anew. Where a database lost its last changes, the
    # same number can come again, but not with the same mark.
    Column("mark", String(16), nullable=False, server_default=""),
    # Every change after the first revision, up to the second, was of single images only
    # (`store/image_changes.py`).
    Column("narrow_since", Key, nullable=False, server_default="0"),
    Column("narrow_until", Key, nullable=False, server_default="0"),
    # Up to which revision every change has updated placement_counts.
    Column("counts_until", Key, nullable=False, server_default="0"),
    CheckConstraint("one = 1", name="one_row"),
)

# The numbers of readable versions (`n`) at catalogue.counted_at: one for staff, one for everybody, one
# for each group of those that not everybody can read (`rules/visibility/stored_counts.py`).
scope_counts = Table(
    "scope_counts",
    metadata,
    Column("scope", Key, primary_key=True, autoincrement=False),
    Column("n", Key, nullable=False),
)

# The number of versions that everybody can read at catalogue.counted_at, for each list of the pairs of
# provider and architecture that their current machines have (`rules/visibility/placement_counts.py`).
placement_counts = Table(
    "placement_counts",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("placement", Text, nullable=False),
    Column("n", Key, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", Key, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    # null: the console or a source, see `via`
    Column("user_id", Key, to("users.id")),
    Column("via", String(16), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("subject_id", Key, nullable=False),
    # JSON {"field": {"before": …, "after": …}} with ids of other resources. Their names are added
    # when the entry is read, as far as the reader may see them.
    Column("changes", Text, nullable=False),
    # The name of the source that a sync read, null for every other change. No reference to
    # sync_sources: the entry outlives the source.
    Column("source", String(64)),
    Index("ix_audit_subject", "subject", "subject_id", "sequence"),
    # The activity list reads the newest entries, of everybody, of one user or of one action.
    Index("ix_audit_at", "at", "sequence"),
    Index("ix_audit_user_id", "user_id", "at", "sequence"),
    Index("ix_audit_action", "action", "at", "sequence"),
    sqlite_autoincrement=True,
)

# What each POST with an Idempotency-Key created, for 24 hours. Only the key of the resource is stored:
# a repeated answer is built again, as far as its reader may then see it.
idempotency = Table(
    "idempotency",
    metadata,
    Column("user_id", Key, to("users.id"), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("created_key", String(64), nullable=False),
    Column("extra", Text, nullable=False),
)
