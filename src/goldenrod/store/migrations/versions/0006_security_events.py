"""Security events, and where a session was begun."""

import sqlalchemy as sa
from alembic import op

from goldenrod.store.sql import Key, Moment

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("browser", sa.String(length=64), nullable=True))
    op.add_column("sessions", sa.Column("address", sa.String(length=64), nullable=True))
    op.create_table(
        "security_events",
        sa.Column("sequence", Key, autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("last_at", Moment(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("user_id", Key, nullable=True),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_security_events_user_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_security_events")),
        sa.UniqueConstraint("bucket", name=op.f("uq_security_events_bucket")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_security_events_at"), "security_events", ["at"], unique=False)
    op.create_index("ix_security_events_kind", "security_events", ["kind", "at"], unique=False)
    op.create_index(
        "ix_security_events_user_id", "security_events", ["user_id", "sequence"], unique=False
    )
