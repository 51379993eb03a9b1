"""Tables of reading clouds: sources, their scopes, the machines listed there, runs, entries of runs."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from goldenrod.store.schema.helpers import index_where_set, metadata, resource, to
from goldenrod.store.sql import Key, Moment, Sortable

sync_sources = resource(
    "sync_sources",
    Column("name", String(64), nullable=False, unique=True),
    Column("type", String(32), nullable=False),
    Column("start_date", Moment, nullable=False),
    # The lease of the one run at a time: whose it is, and until when unless it is renewed.
    Column("locked_by", String(64)),
    Column("locked_until", Moment),
)

# The smallest parts of a source that are read whole. `declaration` is a hash of what decides which
# machines belong to it: when it changes, counting of missing machines starts anew.
sync_scopes = resource(
    "sync_scopes",
    Column("source_id", Key, to("sync_sources.id"), nullable=False),
    Column("scope", String(512), nullable=False),
    Column("declaration", String(64), nullable=False),
    Column("looked_at", Moment),  # the last complete look
    Column("failing_since", Moment),
    Column("failed_reason", Text),
    UniqueConstraint("source_id", "scope"),
)

# What the last complete look that listed a machine said about it. `machine_id` is the machine here,
# null for one that the catalogue does not have.
cloud_machines = Table(
    "cloud_machines",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("scope_id", Key, to("sync_scopes.id"), nullable=False),
    Column("provider_id", Key, to("providers.id"), nullable=False),
    Column("identifier", Sortable, nullable=False),
    Column("cloud_provider", String(256)),  # the source's name of the provider
    Column("machine_id", Key, to("machines.id"), index=True),
    Column("source_name", Text, nullable=False),
    Column("architecture", String(256), nullable=False),
    Column("size_gb", Integer),
    Column("checksum", String(256), nullable=False),
    Column("visibility", String(16)),
    Column("status", String(16), nullable=False),
    Column("cloud_owner", String(256), nullable=False),
    Column("deprecated_at", Moment),
    Column("replacement", String(512)),
    Column("created_at", Moment),
    Column("seen_at", Moment, nullable=False),
    # Complete looks in a row that did not list it, and the first of them.
    Column("missed", Integer, nullable=False),
    Column("missing_since", Moment),
    # Asked by its id, the cloud said that it is gone.
    Column("gone", Boolean, nullable=False),
    # The kinds of drift that webhooks were last notified of, with commas between them.
    Column("notified", String(128), nullable=False, server_default=""),
    UniqueConstraint("scope_id", "provider_id", "identifier"),
    Index("ix_cloud_machines_identifier", "identifier", "provider_id"),
    index_where_set("ix_cloud_machines_missing_since", "missing_since"),
    index_where_set("ix_cloud_machines_deprecated_at", "deprecated_at"),
    sqlite_autoincrement=True,
)

sync_runs = resource(
    "sync_runs",
    Column("source_id", Key, to("sync_sources.id"), nullable=False),
    Column("start_date", Moment, nullable=False),
    Column("end_date", Moment),
    # done, partly (some scopes failed), braked (nothing was ended: too much at once), failed, running
    Column("state", String(16), nullable=False),
    Column("counts", Text, nullable=False),  # JSON {"created": 3, …} of machines
    CheckConstraint("state IN ('running', 'done', 'partly', 'braked', 'failed')", name="state"),
    Index("ix_sync_runs_source_id", "source_id", "id"),
)

# What a run changed, skipped, or could not read; at most some thousands per run. An entry about an
# image is shown to its editors, one about none to staff.
sync_entries = Table(
    "sync_entries",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("run_id", Key, to("sync_runs.id", ondelete="CASCADE"), nullable=False),
    # created, updated, ended, restored, skipped, failed, note, kept (missing, but not ended: why)
    Column("kind", String(16), nullable=False),
    Column("image_id", Key, to("images.id")),
    Column("version_n", Key, to("versions.n")),
    Column("machine_id", Key, to("machines.id")),
    Column("subject", Text, nullable=False),  # the source's name for it, or the scope
    Column("reason", Text, nullable=False),
    Index("ix_sync_entries_run_id", "run_id", "id"),
    index_where_set("ix_sync_entries_image_id", "image_id"),
    sqlite_autoincrement=True,
)
