"""Images, versions, machines, what is attached to them, and the search tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from goldenrod.store.sql import Id, Key, Moment, Sortable

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "tags",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("name_key", Sortable, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("start_date", Moment(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("name_key", name=op.f("uq_tags_name_key")),
        sa.UniqueConstraint("uuid", name=op.f("uq_tags_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "boot_scripts",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("title", sa.String(length=256), nullable=False),
        sa.Column("title_key", Sortable, nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("run_every_deploy", sa.Boolean(), nullable=False),
        sa.Column("wait_for_deploy", sa.Boolean(), nullable=False),
        sa.Column("created_by_id", Key, nullable=False),
        sa.Column("start_date", Moment(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.CheckConstraint("type IN ('Raw Text', 'URL')", name=op.f("ck_boot_scripts_type")),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_boot_scripts_created_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_boot_scripts")),
        sa.UniqueConstraint("uuid", name=op.f("uq_boot_scripts_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "images",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("name_key", Sortable, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("owner_id", Key, nullable=False),
        sa.Column("created_by_id", Key, nullable=False),
        sa.Column("start_date", Moment(), nullable=False),
        sa.Column("end_date", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_images_created_by_id")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_images_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("slug", name=op.f("uq_images_slug")),
        sa.UniqueConstraint("uuid", name=op.f("uq_images_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_images_created_by_id"), "images", ["created_by_id"], unique=False)
    op.create_index("ix_images_name_key", "images", ["name_key"], unique=False)
    op.create_index(op.f("ix_images_owner_id"), "images", ["owner_id"], unique=False)
    op.create_index("ix_images_start_date", "images", ["start_date", "id"], unique=False)
    op.create_table(
        "licenses",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("title", sa.String(length=256), nullable=False),
        sa.Column("title_key", Sortable, nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_by_id", Key, nullable=False),
        sa.Column("start_date", Moment(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.CheckConstraint("type IN ('Full Text', 'URL', 'SPDX')", name=op.f("ck_licenses_type")),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_licenses_created_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licenses")),
        sa.UniqueConstraint("uuid", name=op.f("uq_licenses_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "image_maintainers",
        sa.Column("image_id", Key, nullable=False),
        sa.Column("group_id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_image_maintainers_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_image_maintainers_image_id")
        ),
        sa.PrimaryKeyConstraint("image_id", "group_id", name=op.f("pk_image_maintainers")),
    )
    op.create_index(
        "ix_image_maintainers_group_id", "image_maintainers", ["group_id", "image_id"], unique=False
    )
    op.create_table(
        "image_slugs",
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("image_id", Key, nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_slugs_image_id")),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_image_slugs")),
    )
    op.create_index(op.f("ix_image_slugs_image_id"), "image_slugs", ["image_id"], unique=False)
    op.create_table(
        "image_tags",
        sa.Column("image_id", Key, nullable=False),
        sa.Column("tag_id", Key, nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_tags_image_id")),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name=op.f("fk_image_tags_tag_id")),
        sa.PrimaryKeyConstraint("image_id", "tag_id", name=op.f("pk_image_tags")),
    )
    op.create_index("ix_image_tags_tag_id", "image_tags", ["tag_id", "image_id"], unique=False)
    op.create_table(
        "versions",
        sa.Column("n", Key, autoincrement=True, nullable=False),
        sa.Column("id", Id(), nullable=False),
        sa.Column("parent_n", Key, nullable=True),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("name_key", Sortable, nullable=False),
        sa.Column("change_log", sa.Text(), nullable=False),
        sa.Column("image_id", Key, nullable=False),
        sa.Column("allow_imaging", sa.Boolean(), nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("identity_id", Key, nullable=True),
        sa.Column("start_date", Moment(), nullable=False),
        sa.Column("end_date", Moment(), nullable=True),
        sa.Column("doc_object_id", sa.String(length=256), nullable=True),
        sa.Column("min_cpu", sa.Integer(), nullable=True),
        sa.Column("min_mem", sa.Integer(), nullable=True),
        sa.Column("deprecated_at", Moment(), nullable=True),
        sa.Column("deprecation_reason", sa.Text(), nullable=True),
        sa.Column("replacement_n", Key, nullable=True),
        sa.Column("exclude_from_latest", sa.Boolean(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("owner_id", Key, nullable=False),
        sa.Column("opens_at", Moment(), nullable=False),
        sa.Column("closes_at", Moment(), nullable=False),
        sa.CheckConstraint(
            "deprecated_at IS NOT NULL OR (deprecation_reason IS NULL AND replacement_n IS NULL)",
            name=op.f("ck_versions_deprecation"),
        ),
        sa.CheckConstraint("min_cpu BETWEEN 0 AND 4096", name=op.f("ck_versions_min_cpu")),
        sa.CheckConstraint("min_mem BETWEEN 0 AND 2147483647", name=op.f("ck_versions_min_mem")),
        sa.CheckConstraint("parent_n <> n", name=op.f("ck_versions_parent")),
        sa.CheckConstraint("replacement_n <> n", name=op.f("ck_versions_replacement")),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identities.id"], name=op.f("fk_versions_identity_id")
        ),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_versions_image_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_versions_owner_id")),
        sa.ForeignKeyConstraint(["parent_n"], ["versions.n"], name=op.f("fk_versions_parent_n")),
        sa.ForeignKeyConstraint(
            ["replacement_n"], ["versions.n"], name=op.f("fk_versions_replacement_n")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_versions_user_id")),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_versions")),
        sa.UniqueConstraint("id", name=op.f("uq_versions_id")),
        sa.UniqueConstraint("image_id", "name_key", name=op.f("uq_versions_image_id_name_key")),
        sa.UniqueConstraint("n", "image_id", name=op.f("uq_versions_n_image_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_versions_identity_id"), "versions", ["identity_id"], unique=False)
    op.create_index(
        "ix_versions_image_id", "versions", ["image_id", "start_date", "id"], unique=False
    )
    op.create_index(
        "ix_versions_owner_id", "versions", ["owner_id", "start_date", "id"], unique=False
    )
    op.create_index(op.f("ix_versions_parent_n"), "versions", ["parent_n"], unique=False)
    op.create_index(
        "ix_versions_public",
        "versions",
        ["start_date", "id", "opens_at", "closes_at"],
        unique=False,
        sqlite_where=sa.text("public = 1"),
        postgresql_where=sa.text("public"),
    )
    op.create_index(
        "ix_versions_public_closes_at",
        "versions",
        ["closes_at", "opens_at"],
        unique=False,
        sqlite_where=sa.text("public = 1"),
        postgresql_where=sa.text("public"),
    )
    op.create_index(
        "ix_versions_public_opens_at",
        "versions",
        ["opens_at", "closes_at"],
        unique=False,
        sqlite_where=sa.text("public = 1"),
        postgresql_where=sa.text("public"),
    )
    op.create_index(op.f("ix_versions_replacement_n"), "versions", ["replacement_n"], unique=False)
    op.create_index("ix_versions_start_date", "versions", ["start_date", "id"], unique=False)
    op.create_index(
        "ix_versions_user_id", "versions", ["user_id", "start_date", "id"], unique=False
    )
    op.create_table(
        "machines",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("version_n", Key, nullable=False),
        sa.Column("image_id", Key, nullable=False),
        sa.Column("provider_id", Key, nullable=False),
        sa.Column("identifier", Sortable, nullable=False),
        sa.Column("size_gb", sa.Integer(), nullable=True),
        sa.Column("architecture", sa.String(length=256), nullable=False),
        sa.Column("checksum", sa.String(length=256), nullable=False),
        sa.Column("created_by_id", Key, nullable=False),
        sa.Column("start_date", Moment(), nullable=False),
        sa.Column("end_date", Moment(), nullable=True),
        sa.CheckConstraint("size_gb BETWEEN 0 AND 2147483647", name=op.f("ck_machines_size_gb")),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_machines_created_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name=op.f("fk_machines_provider_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_n", "image_id"],
            ["versions.n", "versions.image_id"],
            name=op.f("fk_machines_version_n"),
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machines")),
        sa.UniqueConstraint("uuid", name=op.f("uq_machines_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_machines_identifier", "machines", ["identifier", "provider_id"], unique=False
    )
    op.create_index(
        "ix_machines_provider_id", "machines", ["provider_id", "version_n"], unique=False
    )
    op.create_index("ix_machines_version_n", "machines", ["version_n", "id"], unique=False)
    op.create_index(
        "uq_machines_offered",
        "machines",
        ["image_id", "provider_id", "identifier"],
        unique=True,
        sqlite_where=sa.text("end_date IS NULL"),
        postgresql_where=sa.text("end_date IS NULL"),
    )
    op.create_table(
        "shares",
        sa.Column("group_id", Key, nullable=False),
        sa.Column("n", Key, nullable=False),
        sa.Column("start_date", Moment(), nullable=False),
        sa.Column("opens_at", Moment(), nullable=False),
        sa.Column("closes_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_shares_group_id")),
        sa.ForeignKeyConstraint(["n"], ["versions.n"], name=op.f("fk_shares_n")),
        sa.PrimaryKeyConstraint("group_id", "n", name=op.f("pk_shares")),
    )
    op.create_index(
        "ix_shares_closes_at", "shares", ["group_id", "closes_at", "opens_at"], unique=False
    )
    op.create_index("ix_shares_n", "shares", ["n"], unique=False)
    op.create_index(
        "ix_shares_opens_at", "shares", ["group_id", "opens_at", "closes_at"], unique=False
    )
    op.create_index(
        "ix_shares_start_date",
        "shares",
        ["group_id", "start_date", "n", "opens_at", "closes_at"],
        unique=False,
    )
    op.create_table(
        "version_licenses",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("version_n", Key, nullable=False),
        sa.Column("license_id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["license_id"], ["licenses.id"], name=op.f("fk_version_licenses_license_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_n"], ["versions.n"], name=op.f("fk_version_licenses_version_n")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version_licenses")),
        sa.UniqueConstraint("uuid", name=op.f("uq_version_licenses_uuid")),
        sa.UniqueConstraint(
            "version_n", "license_id", name=op.f("uq_version_licenses_version_n_license_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_version_licenses_license_id",
        "version_licenses",
        ["license_id", "version_n"],
        unique=False,
    )
    op.create_table(
        "version_memberships",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("version_n", Key, nullable=False),
        sa.Column("group_id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_version_memberships_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_n"], ["versions.n"], name=op.f("fk_version_memberships_version_n")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version_memberships")),
        sa.UniqueConstraint("uuid", name=op.f("uq_version_memberships_uuid")),
        sa.UniqueConstraint(
            "version_n", "group_id", name=op.f("uq_version_memberships_version_n_group_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_version_memberships_group_id",
        "version_memberships",
        ["group_id", "version_n"],
        unique=False,
    )
    op.create_table(
        "version_scripts",
        sa.Column("id", Key, autoincrement=True, nullable=False),
        sa.Column("uuid", Id(), nullable=False),
        sa.Column("version_n", Key, nullable=False),
        sa.Column("script_id", Key, nullable=False),
        sa.ForeignKeyConstraint(
            ["script_id"], ["boot_scripts.id"], name=op.f("fk_version_scripts_script_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_n"], ["versions.n"], name=op.f("fk_version_scripts_version_n")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version_scripts")),
        sa.UniqueConstraint("uuid", name=op.f("uq_version_scripts_uuid")),
        sa.UniqueConstraint(
            "version_n", "script_id", name=op.f("uq_version_scripts_version_n_script_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_version_scripts_script_id", "version_scripts", ["script_id", "version_n"], unique=False
    )
    _search_tables()


def _search_tables() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in ("image_words", "version_words"):
            op.execute(
                f"CREATE VIRTUAL TABLE {name} USING fts5(tokens, detail=none, columnsize=0, "
                "prefix='2 3', tokenize=\"ascii tokenchars '-._'\")"
            )
        return
    op.create_table(
        "image_words",
        sa.Column("image_id", Key, autoincrement=False, nullable=False),
        sa.Column("tokens", TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_words_image_id")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_image_words")),
    )
    op.create_index(
        "ix_image_words_tokens", "image_words", ["tokens"], unique=False, postgresql_using="gin"
    )
    op.create_table(
        "version_words",
        sa.Column("n", Key, autoincrement=False, nullable=False),
        sa.Column("tokens", TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(["n"], ["versions.n"], name=op.f("fk_version_words_n")),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_version_words")),
    )
    op.create_index(
        "ix_version_words_tokens", "version_words", ["tokens"], unique=False, postgresql_using="gin"
    )
