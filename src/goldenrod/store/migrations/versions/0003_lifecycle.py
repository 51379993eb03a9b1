"""Revocations, channels and webhooks."""

import sqlalchemy as sa
from alembic import op

from goldenrod.store.sql import Id, Key, Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "deliverer",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("covered", Moment(), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("held_until", Moment(), nullable=True),
        sa.CheckConstraint("one = 1", name=op.f("ck_deliverer_one_row")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_deliverer")),
    )
    op.create_table(
        "channels",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("image_id", Key, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("requires_channel", sa.String(length=64), nullable=True),
        sa.Column("requires_days", sa.Integer(), nullable=True),
        sa.Column("start_date", Moment(), nullable=False),
        sa.CheckConstraint(
            "name <> 'latest' OR NOT (restricted OR hidden)", name=op.f("ck_channels_latest")
        ),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_channels_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channels")),
        sa.UniqueConstraint("image_id", "name", name=op.f("uq_channels_image_id_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_channels_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhooks",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("image_id", Key, nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("created_by_id", Key, nullable=False),
        sa.Column("as_staff", sa.Boolean(), nullable=False),
        sa.Column("start_date", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_webhooks_created_by_id")
        ),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_webhooks_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("uuid", name=op.f("uq_webhooks_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_webhooks_image_id"), "webhooks", ["image_id"], unique=False)
    op.create_table(
        "channel_assignments",
        sa.Column("sequence", Key, autoincrement=True, nullable=False),
        sa.Column("channel_id", Key, nullable=False),
        sa.Column("version_n", Key, nullable=True),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("by_id", Key, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("override", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_channel_assignments_by_id")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_channel_assignments_channel_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_n"], ["versions.n"], name=op.f("fk_channel_assignments_version_n")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_channel_assignments")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_channel_assignments_channel_id",
        "channel_assignments",
        ["channel_id", "sequence"],
        unique=False,
    )
    op.create_index(
        op.f("ix_channel_assignments_version_n"), "channel_assignments", ["version_n"], unique=False
    )
    op.create_table(
        "channel_groups",
        sa.Column("channel_id", Key, nullable=False),
        sa.Column("group_id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_channel_groups_channel_id")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_channel_groups_group_id")
        ),
        sa.PrimaryKeyConstraint("channel_id", "group_id", name=op.f("pk_channel_groups")),
    )
    op.create_index("ix_channel_groups_group_id", "channel_groups", ["group_id"], unique=False)
    op.create_table(
        "channel_providers",
        sa.Column("channel_id", Key, nullable=False),
        sa.Column("provider_id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("fk_channel_providers_channel_id")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name=op.f("fk_channel_providers_provider_id")
        ),
        sa.PrimaryKeyConstraint("channel_id", "provider_id", name=op.f("pk_channel_providers")),
    )
    op.create_index(
        "ix_channel_providers_provider_id", "channel_providers", ["provider_id"], unique=False
    )
    op.create_table(
        "events",
        sa.Column("sequence", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("image_id", Key, nullable=False),
        sa.Column("version_n", Key, nullable=True),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("once", sa.String(length=128), nullable=True),
        sa.Column("spread", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_events_image_id")),
        sa.ForeignKeyConstraint(["version_n"], ["versions.n"], name=op.f("fk_events_version_n")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_events")),
        sa.UniqueConstraint("once", name=op.f("uq_events_once")),
        sa.UniqueConstraint("uuid", name=op.f("uq_events_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_events_spread",
        "events",
        ["sequence"],
        unique=False,
        sqlite_where=sa.text("spread = 0"),
        postgresql_where=sa.text("NOT spread"),
    )
    op.create_table(
        "revocations",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("version_n", Key, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_id", Key, nullable=True),
        sa.Column("descendants", sa.Boolean(), nullable=False),
        sa.Column("roll_back_channels", sa.Boolean(), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("restored_at", Moment(), nullable=True),
        sa.Column("restored_by_id", Key, nullable=True),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_revocations_by_id")),
        sa.ForeignKeyConstraint(
            ["restored_by_id"], ["users.id"], name=op.f("fk_revocations_restored_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_n"], ["versions.n"], name=op.f("fk_revocations_version_n")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revocations")),
        sa.UniqueConstraint("uuid", name=op.f("uq_revocations_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_revocations_version_n"), "revocations", ["version_n"], unique=False)
    op.create_index(
        "uq_revocations_unrestored",
        "revocations",
        ["version_n"],
        unique=True,
        sqlite_where=sa.text("restored_at IS NULL"),
        postgresql_where=sa.text("restored_at IS NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("webhook_id", Key, nullable=False),
        sa.Column("event_sequence", Key, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", Moment(), nullable=True),
        sa.Column("last_at", Moment(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'failed', 'dropped')",
            name=op.f("ck_deliveries_state"),
        ),
        sa.ForeignKeyConstraint(
            ["event_sequence"], ["events.sequence"], name=op.f("fk_deliveries_event_sequence")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name=op.f("fk_deliveries_webhook_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("uuid", name=op.f("uq_deliveries_uuid")),
        sa.UniqueConstraint(
            "webhook_id", "event_sequence", name=op.f("uq_deliveries_webhook_id_event_sequence")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_deliveries_event_sequence"), "deliveries", ["event_sequence"], unique=False
    )
    op.create_index("ix_deliveries_next_at", "deliveries", ["next_at"], unique=False)
    op.create_index("ix_deliveries_webhook_id", "deliveries", ["webhook_id", "id"], unique=False)
    op.create_table(
        "revocation_reach",
        sa.Column("n", Key, nullable=False),
        sa.Column("revocation_id", Key, nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("roll_back_channels", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["n"], ["versions.n"], name=op.f("fk_revocation_reach_n")),
        sa.ForeignKeyConstraint(
            ["revocation_id"], ["revocations.id"], name=op.f("fk_revocation_reach_revocation_id")
        ),
        sa.PrimaryKeyConstraint("n", "revocation_id", name=op.f("pk_revocation_reach")),
    )
    op.create_index(
        "ix_revocation_reach_revocation_id",
        "revocation_reach",
        ["revocation_id", "n"],
        unique=False,
    )
    _index_instants()
    epoch = "1970-01-01T00:00:00.000000Z"
    op.execute(f"INSERT INTO deliverer (one, covered) VALUES (1, '{epoch}')")


def _index_instants() -> None:
    """What the deliverer asks: which instants lie between two."""
    parts = (
        ("ix_revocations_at", "revocations", "at", "restored_at IS NULL", None),
        ("ix_versions_hidden_opens_at", "versions", "opens_at", "public = 0", "NOT public"),
        ("ix_versions_hidden_closes_at", "versions", "closes_at", "public = 0", "NOT public"),
        (
            "ix_versions_deprecated_at",
            "versions",
            "deprecated_at",
            "deprecated_at IS NOT NULL",
            None,
        ),
        ("ix_machines_end_date", "machines", "end_date", "end_date IS NOT NULL", None),
    )
    for name, table, column, where, other in parts:
        op.create_index(
            name,
            table,
            [column],
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(other or where),
        )
    op.create_index("ix_machines_start_date", "machines", ["start_date"])
