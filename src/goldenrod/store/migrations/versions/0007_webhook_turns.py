"""When each webhook was last served and until when its receiver counts as slow; what waits for it."""

import sqlalchemy as sa
from alembic import op

from goldenrod.store.sql import Moment

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("served_at", Moment()))
    op.add_column("webhooks", sa.Column("slow_until", Moment()))
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["webhook_id", "next_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
