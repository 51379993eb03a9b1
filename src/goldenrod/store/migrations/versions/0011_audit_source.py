"""Which source a sync's changes came from."""

from alembic import op
from sqlalchemy import Column, String

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("audit", Column("source", String(64)))
