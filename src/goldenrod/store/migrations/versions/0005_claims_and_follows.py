"""Memberships and staff rights that sign-in claims give; images that users follow, and their visits."""

from alembic import op
from sqlalchemy import Boolean, Column, ForeignKey, false, true

from goldenrod.store.sql import Key, Moment

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "users", Column("staff_by_claims", Boolean, nullable=False, server_default=false())
    )
    op.add_column("group_users", Column("by_hand", Boolean, nullable=False, server_default=true()))
    op.add_column(
        "group_users", Column("by_claims", Boolean, nullable=False, server_default=false())
    )
    op.create_table(
        "follows",
        Column("user_id", Key, ForeignKey("users.id"), primary_key=True),
        Column("image_id", Key, ForeignKey("images.id"), primary_key=True),
        Column("since", Moment, nullable=False),
    )
    op.create_table(
        "visits",
        Column("user_id", Key, ForeignKey("users.id"), primary_key=True),
        Column("began", Moment, nullable=False),
        Column("since", Moment, nullable=False),
    )
