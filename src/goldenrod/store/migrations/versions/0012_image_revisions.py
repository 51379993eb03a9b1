"""Which changes were of single images only."""

from alembic import op
from sqlalchemy import Column, ForeignKey

from goldenrod.store.sql import Key

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    for name in ("narrow_since", "narrow_until"):
        op.add_column("catalogue", Column(name, Key, nullable=False, server_default="0"))
    op.create_table(
        "image_revisions",
        Column("image_id", Key, ForeignKey("images.id"), primary_key=True, autoincrement=False),
        Column("revision", Key, nullable=False),
    )
