"""Reading clouds: sources, scopes, the machines last listed there, runs and their entries."""

from alembic import op
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)

from goldenrod.store.migrations import ddl
from goldenrod.store.sql import Key, Moment, Sortable

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    ddl.resource(
        "sync_sources",
        Column("name", String(64), nullable=False, unique=True),
        Column("type", String(32), nullable=False),
        Column("start_date", Moment, nullable=False),
        Column("locked_by", String(64)),
        Column("locked_until", Moment),
    )
    ddl.resource(
        "sync_scopes",
        *ddl.references("sync_sources.id", "source_id"),
        Column("scope", String(512), nullable=False),
        Column("declaration", String(64), nullable=False),
        *ddl.nullable(Moment, "looked_at failing_since"),
        Column("failed_reason", Text),
        UniqueConstraint("source_id", "scope"),
    )
    _create_cloud_machines()
    _create_runs()


def _create_cloud_machines() -> None:
    op.create_table(
        "cloud_machines",
        Column("id", Key, primary_key=True, autoincrement=True),
        *ddl.references("sync_scopes.id", "scope_id"),
        *ddl.references("providers.id", "provider_id"),
        Column("identifier", Sortable, nullable=False),
        Column("cloud_provider", String(256)),
        Column("machine_id", Key, ForeignKey("machines.id"), index=True),
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
        Column("missed", Integer, nullable=False),
        Column("missing_since", Moment),
        Column("gone", Boolean, nullable=False),
        Column("notified", String(128), nullable=False, server_default=""),
        UniqueConstraint("scope_id", "provider_id", "identifier"),
        Index("ix_cloud_machines_identifier", "identifier", "provider_id"),
        ddl.index_where(
            "ix_cloud_machines_missing_since", "missing_since IS NOT NULL", "missing_since"
        ),
        ddl.index_where(
            "ix_cloud_machines_deprecated_at", "deprecated_at IS NOT NULL", "deprecated_at"
        ),
        sqlite_autoincrement=True,
    )


def _create_runs() -> None:
    ddl.resource(
        "sync_runs",
        *ddl.references("sync_sources.id", "source_id"),
        Column("start_date", Moment, nullable=False),
        Column("end_date", Moment),
        Column("state", String(16), nullable=False),
        Column("counts", Text, nullable=False),
        CheckConstraint("state IN ('running', 'done', 'partly', 'braked', 'failed')", name="state"),
        Index("ix_sync_runs_source_id", "source_id", "id"),
    )
    op.create_table(
        "sync_entries",
        Column("id", Key, primary_key=True, autoincrement=True),
        Column("run_id", Key, ForeignKey("sync_runs.id", ondelete="CASCADE"), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("image_id", Key, ForeignKey("images.id")),
        Column("version_n", Key, ForeignKey("versions.n")),
        Column("machine_id", Key, ForeignKey("machines.id")),
        *ddl.not_null(Text, "subject reason"),
        Index("ix_sync_entries_run_id", "run_id", "id"),
        ddl.index_where("ix_sync_entries_image_id", "image_id IS NOT NULL", "image_id"),
        sqlite_autoincrement=True,
    )
