"""The catalogue's revision, people and providers, the audit."""

import sqlalchemy as sa
from alembic import op

from goldenrod.store.sql import Id, Key, Moment, Sortable

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "catalogue",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", Key, nullable=False),
        sa.CheckConstraint("one = 1", name=op.f("ck_catalogue_one_row")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_catalogue")),
    )
    op.create_table(
        "providers",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("name_key", Sortable, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=256), nullable=False),
        sa.Column("virtualization", sa.String(length=256), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("start_date", Moment(), nullable=False),
        sa.Column("end_date", Moment(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_providers")),
        sa.UniqueConstraint("slug", name=op.f("uq_providers_slug")),
        sa.UniqueConstraint("uuid", name=op.f("uq_providers_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("bucket", sa.String(length=64), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_sign_in_failures")),
    )
    op.create_index(op.f("ix_sign_in_failures_since"), "sign_in_failures", ["since"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("username", sa.String(length=256), nullable=False),
        sa.Column("name_key", Sortable, nullable=False),
        sa.Column("is_staff", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("start_date", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name_key", name=op.f("uq_users_name_key")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
        sa.UniqueConstraint("uuid", name=op.f("uq_users_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "audit",
        sa.Column("sequence", Key, autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("user_id", Key, nullable=True),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("subject_id", Key, nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_user_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_audit_subject", "audit", ["subject", "subject_id", "sequence"], unique=False
    )
    op.create_index(op.f("ix_audit_user_id"), "audit", ["user_id"], unique=False)
    op.create_table(
        "groups",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("name_key", Sortable, nullable=False),
        sa.Column("personal_of", Key, nullable=True),
        sa.Column("start_date", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["personal_of"], ["users.id"], name=op.f("fk_groups_personal_of")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("name_key", name=op.f("uq_groups_name_key")),
        sa.UniqueConstraint("personal_of", name=op.f("uq_groups_personal_of")),
        sa.UniqueConstraint("uuid", name=op.f("uq_groups_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "idempotency",
        sa.Column("user_id", Key, nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("made", sa.String(length=64), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_idempotency_user_id")),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_at"), "idempotency", ["at"], unique=False)
    op.create_table(
        "identities",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("provider_id", Key, nullable=False),
        sa.Column("key", Sortable, nullable=False),
        sa.Column("start_date", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name=op.f("fk_identities_provider_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_identities_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
        sa.UniqueConstraint(
            "user_id", "provider_id", "key", name=op.f("uq_identities_user_id_provider_id_key")
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_identities_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_identities_provider_id"), "identities", ["provider_id"], unique=False)
    op.create_table(
        "provider_slugs",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("provider_id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name=op.f("fk_provider_slugs_provider_id")
        ),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_provider_slugs")),
    )
    op.create_index(
        op.f("ix_provider_slugs_provider_id"), "provider_slugs", ["provider_id"], unique=False
    )
    op.create_table(
        "tokens",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("name", Sortable, nullable=False),
        sa.Column("scope", sa.String(length=8), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("expires", Moment(), nullable=True),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.Column("last_used", Moment(), nullable=True),
        sa.CheckConstraint("scope IN ('read', 'write', 'admin')", name=op.f("ck_tokens_scope")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("sha256", name=op.f("uq_tokens_sha256")),
        sa.UniqueConstraint("uuid", name=op.f("uq_tokens_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)
    op.create_table(
        "group_users",
        sa.Column("group_id", Key, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("leader", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_users_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_group_users_user_id")),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_group_users")),
    )
    op.create_index("ix_group_users_user_id", "group_users", ["user_id", "group_id"], unique=False)
    op.execute("INSERT INTO catalogue (one, revision) VALUES (1, 0)")
