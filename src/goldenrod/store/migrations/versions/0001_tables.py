"""The tables of the catalogue."""

from alembic import op
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from goldenrod.base.clock import END_OF_TIME, now, of_micros
from goldenrod.store.migrations import ddl
from goldenrod.store.sql import Id, Key, Moment, Sortable

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_accounts()
    _create_common()
    _create_images()
    _create_versions()
    _create_machines_and_attachments()
    _create_revocations()
    _create_channels()
    _create_webhooks()
    _create_search_tables()
    _insert_single_rows()


def _create_accounts() -> None:
    """Users, groups, providers and identities; tokens, sessions and sign-in."""
    ddl.resource(
        "users",
        Column("username", String(256), nullable=False, unique=True),
        Column("name_key", Sortable, nullable=False, unique=True),
        *ddl.not_null(Boolean, "is_staff active"),
        Column("password_hash", Text),
        Column("start_date", Moment, nullable=False),
    )
    ddl.resource(
        "groups",
        Column("name", String(256), nullable=False),
        Column("name_key", Sortable, nullable=False, unique=True),
        Column("personal_of", Key, ForeignKey("users.id"), unique=True),
        Column("start_date", Moment, nullable=False),
    )
    op.create_table(
        "group_users",
        Column("group_id", Key, ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
        Column("user_id", Key, ForeignKey("users.id"), primary_key=True),
        Column("leader", Boolean, nullable=False),
        ddl.index("ix_group_users_user_id", "user_id group_id"),
    )
    ddl.resource(
        "providers",
        Column("slug", String(64), nullable=False, unique=True),
        Column("name", String(256), nullable=False),
        Column("name_key", Sortable, nullable=False),
        Column("description", Text, nullable=False),
        *ddl.not_null(String(256), "type virtualization"),
        *ddl.not_null(Boolean, "public active"),
        *ddl.dates(index=True),
        Column("words", Text, nullable=False),
        ddl.index_where("ix_providers_end_date", "end_date IS NOT NULL", "end_date"),
    )
    ddl.slugs("provider_slugs", "provider_id", "providers.id")
    ddl.resource(
        "identities",
        Column("user_id", Key, ForeignKey("users.id"), nullable=False),
        Column("provider_id", Key, ForeignKey("providers.id"), nullable=False, index=True),
        Column("key", Sortable, nullable=False),
        Column("start_date", Moment, nullable=False),
        UniqueConstraint("user_id", "provider_id", "key"),
    )
    ddl.resource(
        "tokens",
        Column("user_id", Key, ForeignKey("users.id"), nullable=False, index=True),
        Column("name", Sortable, nullable=False),
        Column("scope", String(8), nullable=False),
        Column("sha256", String(64), nullable=False, unique=True),
        Column("created", Moment, nullable=False),
        *ddl.nullable(Moment, "expires revoked_at last_used"),
        CheckConstraint("scope IN ('read', 'write', 'admin')", name="scope"),
        ddl.index_where("ix_tokens_expires", "expires IS NOT NULL", "expires"),
    )
    ddl.resource(
        "sessions",
        Column("user_id", Key, ForeignKey("users.id"), nullable=False, index=True),
        Column("sha256", String(64), nullable=False, unique=True),
        *ddl.not_null(Moment, "created last_seen"),
        Column("expires", Moment, nullable=False, index=True),
        *ddl.nullable(String(64), "browser address"),
    )
    ddl.resource(
        "oidc_accounts",
        Column("issuer", Text, nullable=False),
        Column("subject", String(256), nullable=False),
        Column("user_id", Key, ForeignKey("users.id"), nullable=False, index=True),
        Column("created", Moment, nullable=False),
        UniqueConstraint("issuer", "subject"),
    )
    op.create_table(
        "sign_in_failures",
        Column("bucket", String(64), primary_key=True),
        Column("since", Moment, nullable=False, index=True),
        Column("failures", Integer, nullable=False),
    )
    op.create_table(
        "security_events",
        Column("sequence", Key, primary_key=True, autoincrement=True),
        Column("at", Moment, nullable=False, index=True),
        Column("last_at", Moment, nullable=False),
        Column("kind", String(32), nullable=False),
        Column("user_id", Key, ForeignKey("users.id")),
        Column("via", String(16), nullable=False),
        Column("address", String(64)),
        Column("detail", Text, nullable=False),
        Column("count", Integer, nullable=False),
        Column("bucket", String(64), unique=True),
        ddl.index("ix_security_events_kind", "kind at"),
        ddl.index("ix_security_events_user_id", "user_id sequence"),
        sqlite_autoincrement=True,
    )


def _create_common() -> None:
    """The catalogue's revision, stored counts, audit and idempotency keys."""
    op.create_table(
        "catalogue",
        Column("one", Integer, primary_key=True, autoincrement=False),
        Column("revision", Key, nullable=False),
        Column("counted_at", Moment, nullable=False),
        CheckConstraint("one = 1", name="one_row"),
    )
    op.create_table(
        "scope_counts",
        Column("scope", Key, primary_key=True, autoincrement=False),
        Column("n", Key, nullable=False),
    )
    op.create_table(
        "audit",
        Column("sequence", Key, primary_key=True, autoincrement=True),
        Column("at", Moment, nullable=False),
        Column("user_id", Key, ForeignKey("users.id"), index=True),
        Column("via", String(16), nullable=False),
        *ddl.not_null(String(64), "action subject"),
        Column("subject_id", Key, nullable=False),
        Column("changes", Text, nullable=False),
        ddl.index("ix_audit_subject", "subject subject_id sequence"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "idempotency",
        Column("user_id", Key, ForeignKey("users.id"), primary_key=True),
        Column("key", String(256), primary_key=True),
        Column("at", Moment, nullable=False, index=True),
        Column("fingerprint", String(64), nullable=False),
        Column("status", Integer, nullable=False),
        Column("created_key", String(64), nullable=False),
        Column("extra", Text, nullable=False),
    )


def _create_images() -> None:
    """Images and tags."""
    ddl.resource(
        "images",
        Column("slug", String(64), nullable=False, unique=True),
        Column("name", String(256), nullable=False),
        Column("name_key", Sortable, nullable=False, index=True),
        Column("description", Text, nullable=False),
        Column("is_public", Boolean, nullable=False),
        *ddl.references("users.id", "owner_id created_by_id", index=True),
        *ddl.dates(),
        ddl.index_where("ix_images_end_date", "end_date IS NOT NULL", "end_date"),
        ddl.index("ix_images_start_date", "start_date id"),
    )
    ddl.slugs("image_slugs", "image_id", "images.id")
    ddl.link("image_maintainers", "image_id images.id", "group_id groups.id", "group_id image_id")
    ddl.resource(
        "tags",
        Column("name", String(256), nullable=False),
        Column("name_key", Sortable, nullable=False, unique=True),
        Column("description", Text, nullable=False),
        Column("start_date", Moment, nullable=False),
        Column("words", Text, nullable=False),
    )
    ddl.link("image_tags", "image_id images.id", "tag_id tags.id", "tag_id image_id")


def _create_versions() -> None:
    """Versions, and which groups may read them."""
    op.create_table(
        "versions",
        Column("n", Key, primary_key=True, autoincrement=True),
        Column("id", Id, nullable=False, unique=True),
        Column("parent_n", Key, ForeignKey("versions.n"), index=True),
        Column("name", String(256), nullable=False),
        Column("name_key", Sortable, nullable=False),
        Column("change_log", Text, nullable=False),
        Column("image_id", Key, ForeignKey("images.id"), nullable=False),
        Column("allow_imaging", Boolean, nullable=False),
        Column("user_id", Key, ForeignKey("users.id"), nullable=False),
        Column("identity_id", Key, ForeignKey("identities.id"), index=True),
        *ddl.dates(),
        Column("doc_object_id", String(256)),
        *ddl.nullable(Integer, "min_cpu min_mem"),
        Column("deprecated_at", Moment),
        Column("deprecation_reason", Text),
        Column("replacement_n", Key, ForeignKey("versions.n"), index=True),
        *ddl.not_null(Boolean, "exclude_from_latest public"),
        *ddl.references("users.id", "owner_id created_by_id"),
        *ddl.not_null(Moment, "opens_at closes_at ends_at not_current_from"),
        Column("ended_hint", Boolean, nullable=False),
        CheckConstraint(
            "deprecated_at IS NOT NULL OR (deprecation_reason IS NULL AND replacement_n IS NULL)",
            name="deprecation",
        ),
        CheckConstraint("min_cpu BETWEEN 0 AND 4096", name="min_cpu"),
        CheckConstraint("min_mem BETWEEN 0 AND 2147483647", name="min_mem"),
        CheckConstraint("parent_n <> n", name="parent"),
        CheckConstraint("replacement_n <> n", name="replacement"),
        UniqueConstraint("image_id", "name_key"),
        UniqueConstraint("n", "image_id"),
        ddl.index(
            "ix_versions_created_by_id", "created_by_id start_date id public opens_at closes_at"
        ),
        ddl.index_where(
            "ix_versions_current_for_good",
            f"not_current_from = '{END_OF_TIME}'",
            "image_id start_date id",
        ),
        ddl.index_where("ix_versions_deprecated_at", "deprecated_at IS NOT NULL", "deprecated_at"),
        ddl.index("ix_versions_ends_at", "ends_at id"),
        ddl.index_where("ix_versions_hidden_closes_at", "NOT public", "closes_at"),
        ddl.index_where("ix_versions_hidden_opens_at", "NOT public", "opens_at"),
        ddl.index("ix_versions_image_id", "image_id start_date id public opens_at closes_at"),
        ddl.index("ix_versions_name_key", "name_key id"),
        ddl.index_where("ix_versions_no_imaging", "NOT allow_imaging", "start_date id"),
        ddl.index_where("ix_versions_no_latest", "exclude_from_latest", "start_date id"),
        ddl.index_where(
            "ix_versions_not_current_from",
            f"not_current_from < '{END_OF_TIME}'",
            "image_id not_current_from",
        ),
        ddl.index_where(
            "ix_versions_public",
            "public AND NOT ended_hint",
            "start_date id opens_at closes_at public ended_hint",
        ),
        ddl.index_where("ix_versions_public_closes_at", "public", "closes_at opens_at"),
        ddl.index_where("ix_versions_public_ended", "public AND ended_hint", "closes_at"),
        ddl.index_where("ix_versions_public_ends_at", "public AND NOT ended_hint", "ends_at id"),
        ddl.index_where("ix_versions_public_name_key", "public AND NOT ended_hint", "name_key id"),
        ddl.index_where("ix_versions_public_opens_at", "public", "opens_at closes_at"),
        ddl.index("ix_versions_start_date", "start_date id"),
        ddl.index("ix_versions_user_id", "user_id start_date id public opens_at closes_at"),
        sqlite_autoincrement=True,
    )
    ddl.former_names("former_names", "image_id images.id", "version_n versions.n")
    op.create_table(
        "shares",
        Column("group_id", Key, ForeignKey("groups.id"), primary_key=True),
        Column("n", Key, ForeignKey("versions.n"), primary_key=True, index=True),
        Column("image_id", Key, nullable=False),
        Column("id", Id, nullable=False),
        Column("name_key", Sortable, nullable=False),
        *ddl.not_null(Moment, "start_date ends_at opens_at closes_at"),
        *ddl.not_null(Boolean, "public as_editor"),
        CheckConstraint("as_editor OR NOT public", name="as_editor"),
        ddl.index_where(
            "ix_shares_ending", f"public AND closes_at < '{END_OF_TIME}'", "group_id closes_at n"
        ),
        ddl.index("ix_shares_ends_at", "group_id ends_at id"),
        ddl.index_where(
            "ix_shares_hidden", "NOT public", "group_id as_editor n opens_at closes_at public"
        ),
        ddl.index("ix_shares_image_id", "group_id image_id"),
        ddl.index("ix_shares_name_key", "group_id name_key id"),
        ddl.index_where(
            "ix_shares_shared_closes_at", "NOT as_editor", "closes_at opens_at group_id"
        ),
        ddl.index_where(
            "ix_shares_shared_opens_at", "NOT as_editor", "opens_at closes_at group_id"
        ),
        ddl.index("ix_shares_start_date", "group_id start_date id n as_editor opens_at closes_at"),
        sqlite_with_rowid=False,
    )


def _create_machines_and_attachments() -> None:
    """Machines, licenses and boot scripts; what attaches licenses, groups and scripts to versions."""
    ddl.resource(
        "machines",
        *ddl.not_null(Key, "version_n image_id"),
        Column("provider_id", Key, ForeignKey("providers.id"), nullable=False),
        Column("identifier", Sortable, nullable=False),
        Column("size_gb", Integer),
        *ddl.not_null(String(256), "architecture checksum"),
        Column("created_by_id", Key, ForeignKey("users.id"), nullable=False),
        *ddl.dates(index=True),
        CheckConstraint("size_gb BETWEEN 0 AND 2147483647", name="size_gb"),
        ForeignKeyConstraint(
            ["version_n", "image_id"], ["versions.n", "versions.image_id"], onupdate="CASCADE"
        ),
        ddl.index("ix_machines_architecture", "architecture version_n"),
        ddl.index_where("ix_machines_end_date", "end_date IS NOT NULL", "end_date"),
        ddl.index("ix_machines_identifier", "identifier provider_id"),
        ddl.index("ix_machines_provider_id", "provider_id version_n"),
        ddl.index("ix_machines_version_n", "version_n id"),
        ddl.index_where(
            "uq_machines_offered",
            "end_date IS NULL",
            "image_id provider_id identifier",
            unique=True,
        ),
    )
    ddl.resource(
        "licenses",
        Column("title", String(256), nullable=False),
        Column("title_key", Sortable, nullable=False),
        Column("type", String(16), nullable=False),
        Column("text", Text, nullable=False),
        Column("created_by_id", Key, ForeignKey("users.id"), nullable=False),
        Column("start_date", Moment, nullable=False),
        Column("words", Text, nullable=False),
        CheckConstraint("type IN ('Full Text', 'URL', 'SPDX')", name="type"),
    )
    ddl.resource(
        "boot_scripts",
        Column("title", String(256), nullable=False),
        Column("title_key", Sortable, nullable=False),
        Column("type", String(16), nullable=False),
        Column("text", Text, nullable=False),
        *ddl.not_null(Boolean, "run_every_deploy wait_for_deploy"),
        Column("created_by_id", Key, ForeignKey("users.id"), nullable=False),
        Column("start_date", Moment, nullable=False),
        Column("words", Text, nullable=False),
        CheckConstraint("type IN ('Raw Text', 'URL')", name="type"),
    )
    for name, target, column in (
        ("version_licenses", "licenses.id", "license_id"),
        ("version_memberships", "groups.id", "group_id"),
        ("version_scripts", "boot_scripts.id", "script_id"),
    ):
        ddl.resource(
            name,
            Column("version_n", Key, ForeignKey("versions.n"), nullable=False),
            Column(column, Key, ForeignKey(target), nullable=False),
            UniqueConstraint("version_n", column),
            ddl.index(f"ix_{name}_{column}", f"{column} version_n"),
        )


def _create_revocations() -> None:
    """Revocations, and the versions that they apply to."""
    ddl.resource(
        "revocations",
        Column("version_n", Key, ForeignKey("versions.n"), nullable=False, index=True),
        Column("at", Moment, nullable=False),
        Column("reason", Text, nullable=False),
        Column("by_id", Key, ForeignKey("users.id")),
        *ddl.not_null(Boolean, "descendants roll_back_channels"),
        Column("created_at", Moment, nullable=False),
        Column("restored_at", Moment),
        Column("restored_by_id", Key, ForeignKey("users.id")),
        ddl.index_where("ix_revocations_at", "restored_at IS NULL", "at"),
        ddl.index_where(
            "uq_revocations_unrestored", "restored_at IS NULL", "version_n", unique=True
        ),
    )
    op.create_table(
        "revocation_reach",
        Column("n", Key, ForeignKey("versions.n"), primary_key=True),
        Column("revocation_id", Key, ForeignKey("revocations.id"), primary_key=True),
        Column("depth", Integer, nullable=False),
        Column("at", Moment, nullable=False),
        Column("roll_back_channels", Boolean, nullable=False),
        ddl.index("ix_revocation_reach_revocation_id", "revocation_id n"),
    )


def _create_channels() -> None:
    """Channels and their assignments."""
    ddl.resource(
        "channels",
        Column("image_id", Key, ForeignKey("images.id"), nullable=False),
        Column("name", String(64), nullable=False),
        *ddl.not_null(Boolean, "restricted hidden"),
        Column("requires_channel", String(64)),
        Column("requires_days", Integer),
        Column("start_date", Moment, nullable=False),
        CheckConstraint("name <> 'latest' OR NOT (restricted OR hidden)", name="latest"),
        UniqueConstraint("image_id", "name"),
    )
    ddl.link("channel_groups", "channel_id channels.id", "group_id groups.id", "group_id")
    ddl.link(
        "channel_providers", "channel_id channels.id", "provider_id providers.id", "provider_id"
    )
    op.create_table(
        "channel_assignments",
        Column("sequence", Key, primary_key=True, autoincrement=True),
        Column("channel_id", Key, ForeignKey("channels.id"), nullable=False),
        Column("version_n", Key, ForeignKey("versions.n"), index=True),
        Column("at", Moment, nullable=False),
        Column("by_id", Key, ForeignKey("users.id")),
        Column("reason", Text),
        Column("override", Boolean, nullable=False),
        ddl.index("ix_channel_assignments_channel_id", "channel_id sequence"),
        sqlite_autoincrement=True,
    )


def _create_webhooks() -> None:
    """Webhooks, events and deliveries."""
    ddl.resource(
        "webhooks",
        Column("image_id", Key, ForeignKey("images.id"), index=True),
        *ddl.not_null(Text, "target events"),
        Column("active", Boolean, nullable=False),
        Column("secret", Text, nullable=False),
        Column("created_by_id", Key, ForeignKey("users.id"), nullable=False),
        Column("as_staff", Boolean, nullable=False),
        Column("start_date", Moment, nullable=False),
        *ddl.nullable(Moment, "served_at slow_until"),
    )
    op.create_table(
        "events",
        Column("sequence", Key, primary_key=True, autoincrement=True),
        Column("uuid", Id, nullable=False, unique=True),
        Column("at", Moment, nullable=False),
        Column("type", String(64), nullable=False),
        Column("image_id", Key, ForeignKey("images.id"), nullable=False),
        Column("version_n", Key, ForeignKey("versions.n")),
        Column("about", Text, nullable=False),
        Column("dedup_key", String(128), unique=True),
        Column("queued", Boolean, nullable=False),
        ddl.index_where("ix_events_unqueued", "NOT queued", "sequence"),
        sqlite_autoincrement=True,
    )
    ddl.resource(
        "deliveries",
        Column("webhook_id", Key, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
        Column("event_sequence", Key, ForeignKey("events.sequence"), nullable=False, index=True),
        Column("state", String(16), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_at", Moment, index=True),
        Column("last_at", Moment),
        Column("last_status", Integer),
        Column("last_error", Text),
        CheckConstraint("state IN ('waiting', 'delivered', 'failed', 'dropped')", name="state"),
        UniqueConstraint("webhook_id", "event_sequence"),
        ddl.index_where("ix_deliveries_waiting", "state = 'waiting'", "webhook_id next_at"),
        ddl.index("ix_deliveries_webhook_id", "webhook_id id"),
    )
    op.create_table(
        "deliverer",
        Column("one", Integer, primary_key=True, autoincrement=False),
        Column("recorded_until", Moment, nullable=False),
        Column("locked_by", String(64)),
        Column("locked_until", Moment),
        CheckConstraint("one = 1", name="one_row"),
    )


def _create_search_tables() -> None:
    """Search tokens: full-text tables in SQLite, `tsvector` columns in PostgreSQL."""
    tables = (("image_words", "image_id", "images.id"), ("version_words", "n", "versions.n"))
    for name, key, target in tables:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(
                f"CREATE VIRTUAL TABLE {name} USING fts5(tokens, detail=none, columnsize=0, "
                "prefix='2 3', tokenize=\"ascii tokenchars '-._'\")"
            )
        else:
            op.create_table(
                name,
                Column(key, Key, ForeignKey(target), primary_key=True, autoincrement=False),
                Column("tokens", TSVECTOR, nullable=False),
                Index(f"ix_{name}_tokens", "tokens", postgresql_using="gin"),
            )


def _insert_single_rows() -> None:
    """The rows of `catalogue` and `deliverer`, and the counts of an empty catalogue."""
    op.execute(f"INSERT INTO catalogue (one, revision, counted_at) VALUES (1, 0, '{now()}')")  # nosec B608 # a date
    op.execute("INSERT INTO scope_counts (scope, n) VALUES (-1, 0), (0, 0)")
    op.execute(f"INSERT INTO deliverer (one, recorded_until) VALUES (1, '{of_micros(0)}')")  # nosec B608 # a date
