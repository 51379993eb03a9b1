"""The newest attempts to deliver to webhooks; test events of webhooks for all images."""

from alembic import op
from sqlalchemy import Column, ForeignKey, Integer, Text, text

from goldenrod.store.migrations import ddl
from goldenrod.store.sql import Key, Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _allow_events_of_no_image()
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


def _allow_events_of_no_image() -> None:
    """A test event of a webhook for all images is about no image. SQLite cannot change a column: the
    table is rebuilt."""
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("events", "image_id", nullable=True)
        return
    sequence = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
    used = op.get_bind().exec_driver_sql(sequence).scalar()
    op.drop_index("ix_events_unqueued", "events")
    options = {"sqlite_autoincrement": True}
    with op.batch_alter_table("events", recreate="always", table_kwargs=options) as events:
        events.alter_column("image_id", nullable=True)
    where = text("NOT queued")
    op.create_index("ix_events_unqueued", "events", ["sequence"], sqlite_where=where)
    op.execute("DELETE FROM sqlite_sequence WHERE name IN ('events', '_alembic_tmp_events')")
    if used is not None:
        op.execute(f"INSERT INTO sqlite_sequence (name, seq) VALUES ('events', {int(used)})")  # nosec B608 # a number
