"""The machines of an image on a provider that have an end; those without have an index already."""

from alembic import op
from sqlalchemy import text

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    ending = text("end_date IS NOT NULL")
    op.create_index(
        "ix_machines_ending",
        "machines",
        ["image_id", "provider_id"],
        sqlite_where=ending,
        postgresql_where=ending,
    )
