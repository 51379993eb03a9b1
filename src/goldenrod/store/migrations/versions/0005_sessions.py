"""Browsers' sessions, and users' accounts at OpenID Connect providers."""

import sqlalchemy as sa
from alembic import op

from goldenrod.store.sql import Id, Key, Moment

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("last_seen", Moment(), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("uuid", name=op.f("uq_sessions_uuid")),
        sa.UniqueConstraint("sha256", name=op.f("uq_sessions_sha256")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_index(op.f("ix_sessions_expires"), "sessions", ["expires"], unique=False)
    op.create_table(
        "oidc_accounts",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_oidc_accounts_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oidc_accounts")),
        sa.UniqueConstraint("uuid", name=op.f("uq_oidc_accounts_uuid")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_oidc_accounts_issuer_subject")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_oidc_accounts_user_id"), "oidc_accounts", ["user_id"], unique=False)
