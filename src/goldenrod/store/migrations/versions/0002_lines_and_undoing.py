"""Whether an image's versions are one line; which entry an assignment of a channel undoes."""

from alembic import op
from sqlalchemy import Boolean, Column, false, text

from goldenrod.store.sql import Key

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("images", Column("one_line", Boolean, nullable=False, server_default=false()))
    op.execute(_FIND_LINES)
    op.add_column("channel_assignments", Column("voids", Key))
    where = text("voids IS NOT NULL")
    op.create_index(
        "ix_channel_assignments_voids",
        "channel_assignments",
        ["voids"],
        sqlite_where=where,
        postgresql_where=where,
    )


_FIND_LINES = text(
    "UPDATE images SET one_line = (1 = 1) WHERE id NOT IN ("
    "SELECT image_id FROM (SELECT image_id, parent_n, lag(n) OVER (PARTITION BY image_id"
    " ORDER BY start_date, id) AS before FROM versions) AS it"
    " WHERE before IS NOT NULL AND (parent_n IS NULL OR parent_n <> before))"
    " AND id IN (SELECT image_id FROM versions)"
)
