"""The newest attempts to deliver to webhooks; test events of webhooks for all images."""

from alembic import op
from sqlalchemy import Column, ForeignKey, Integer, Text

from goldenrod.store.migrations import ddl
from goldenrod.store.sql import Key, Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("events", table_kwargs={"sqlite_autoincrement": True}) as events:
        events.alter_column("image_id", existing_type=Key, nullable=True)
    op.create_table(
        "delivery_attempts",
        Column("id", Key, primary_key=True, autoincrement=True),
        Column("webhook_id", Key, nullable=False),
        Column(
            "delivery_id",
            Key,
            ForeignKey("deliveries.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        Column("at", Moment, nullable=False),
        *ddl.nullable(Integer, "milliseconds status"),
        Column("error", Text),
        Column("payload", Text, nullable=False),
        Column("answer", Text),
        ddl.index("ix_delivery_attempts_webhook_id", "webhook_id id"),
        sqlite_autoincrement=True,
    )
