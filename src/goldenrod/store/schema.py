"""The tables of the catalogue, with what always holds of each, held by the database itself.

Everything with an integer `id` has a `uuid` beside it; an image version's public id is its UUID, and
`n` is its integer key inside (a quarter of the size in every index and pairing). What a version
needs for "who may read it" stands on the version itself (`public`, `owner_id`, `opens_at`,
`closes_at`; `shares` for its groups), written in the transaction that changes its image, so that
reading never joins to find out; how many versions each way of seeing shows is kept as well
(`scope_counts`). `rules/visibility/denormalised.py` and `rules/visibility/stored_counts.py` write these. The migrations in
`migrations/` build the same tables; a test compares the two.
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from goldenrod.base.clock import END_OF_TIME
from goldenrod.store.accounts import oidc_accounts, security_events, sessions
from goldenrod.store.lifecycle import (
    assignments,
    channel_groups,
    channel_providers,
    channels,
    deliverer,
    deliveries,
    events,
    reach,
    revocations,
    webhooks,
)
from goldenrod.store.sql import Id, Key, Moment, Sortable, as_numbers
from goldenrod.store.tables import metadata, thing, words

AT_THE_END = literal_column(f"'{END_OF_TIME}'", Moment())
"""The end of time as it stands in indexes: what is to use them says it to the letter."""


def _to(target: str, **more: Any) -> ForeignKey:
    return ForeignKey(target, **more)


def _part(name: str, which: str, *columns: str) -> Index:
    """An index of the rows for which this holds."""
    return Index(name, *columns, sqlite_where=text(as_numbers(which)), postgresql_where=text(which))


def _given(name: str, column: str) -> Index:
    """An index of the rows that have this column."""
    return _part(name, f"{column} IS NOT NULL", column)


def _dates() -> tuple[Column[Any], Column[Any]]:
    return Column("start_date", Moment, nullable=False), Column("end_date", Moment)


catalogue = Table(
    "catalogue",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    # Incremented in every transaction that changes what a reader could see; its row's lock makes
    # PostgreSQL's writers follow one another, as SQLite's do.
    Column("revision", Key, nullable=False),
    # The instant at which scope_counts counted.
    Column("counted_at", Moment, nullable=False),
    CheckConstraint("one = 1", name="one_row"),
)

users = thing(
    "users",
    Column("username", String(256), nullable=False, unique=True),
    Column("name_key", Sortable, nullable=False, unique=True),
    Column("is_staff", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    # argon2id; null: signs in with tokens only
    Column("password_hash", Text),
    Column("start_date", Moment, nullable=False),
)

groups = thing(
    "groups",
    Column("name", String(256), nullable=False),
    Column("name_key", Sortable, nullable=False, unique=True),
    # The user whose personal group this is. Its name is theirs, so users and groups share one
    # space of names, held by name_key's uniqueness.
    Column("personal_of", Key, _to("users.id"), unique=True),
    Column("start_date", Moment, nullable=False),
)

group_users = Table(
    "group_users",
    metadata,
    Column("group_id", Key, _to("groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Key, _to("users.id"), primary_key=True),
    Column("leader", Boolean, nullable=False),
    Index("ix_group_users_user_id", "user_id", "group_id"),
)

providers = thing(
    "providers",
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(256), nullable=False),
    Column("name_key", Sortable, nullable=False),
    Column("description", Text, nullable=False),
    Column("type", String(256), nullable=False),
    Column("virtualization", String(256), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    *_dates(),
    words(),
    Index("ix_providers_start_date", "start_date"),
    _given("ix_providers_end_date", "end_date"),
)

# Every slug a thing ever had: an old one keeps leading to it and is never given to another.
provider_slugs = Table(
    "provider_slugs",
    metadata,
    Column("slug", String(64), primary_key=True),
    Column("provider_id", Key, _to("providers.id"), nullable=False, index=True),
)

identities = thing(
    "identities",
    Column("user_id", Key, _to("users.id"), nullable=False),
    Column("provider_id", Key, _to("providers.id"), nullable=False, index=True),
    Column("key", Sortable, nullable=False),
    Column("start_date", Moment, nullable=False),
    UniqueConstraint("user_id", "provider_id", "key"),
)

tokens = thing(
    "tokens",
    Column("user_id", Key, _to("users.id"), nullable=False, index=True),
    Column("name", Sortable, nullable=False),
    Column("scope", String(8), nullable=False),
    # Only the SHA-256 of the secret is kept.
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("revoked_at", Moment),
    # To the hour, so that reading with a token seldom writes.
    Column("last_used", Moment),
    CheckConstraint("scope IN ('read', 'write', 'admin')", name="scope"),
    _given("ix_tokens_expires", "expires"),
)

images = thing(
    "images",
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(256), nullable=False),
    Column("name_key", Sortable, nullable=False),
    Column("description", Text, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("owner_id", Key, _to("users.id"), nullable=False, index=True),
    Column("created_by_id", Key, _to("users.id"), nullable=False, index=True),
    *_dates(),
    Index("ix_images_start_date", "start_date", "id"),
    _given("ix_images_end_date", "end_date"),
    Index("ix_images_name_key", "name_key"),
)

image_slugs = Table(
    "image_slugs",
    metadata,
    Column("slug", String(64), primary_key=True),
    Column("image_id", Key, _to("images.id"), nullable=False, index=True),
)

image_maintainers = Table(
    "image_maintainers",
    metadata,
    Column("image_id", Key, _to("images.id"), primary_key=True),
    Column("group_id", Key, _to("groups.id"), primary_key=True),
    Index("ix_image_maintainers_group_id", "group_id", "image_id"),
)

tags = thing(
    "tags",
    Column("name", String(256), nullable=False),
    Column("name_key", Sortable, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("start_date", Moment, nullable=False),
    words(),
)

image_tags = Table(
    "image_tags",
    metadata,
    Column("image_id", Key, _to("images.id"), primary_key=True),
    Column("tag_id", Key, _to("tags.id"), primary_key=True),
    Index("ix_image_tags_tag_id", "tag_id", "image_id"),
)

versions = Table(
    "versions",
    metadata,
    Column("n", Key, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("parent_n", Key, _to("versions.n"), index=True),
    Column("name", String(256), nullable=False),
    Column("name_key", Sortable, nullable=False),
    Column("change_log", Text, nullable=False),
    Column("image_id", Key, _to("images.id"), nullable=False),
    Column("allow_imaging", Boolean, nullable=False),
    Column("user_id", Key, _to("users.id"), nullable=False),
    Column("identity_id", Key, _to("identities.id"), index=True),
    *_dates(),
    Column("doc_object_id", String(256)),
    Column("min_cpu", Integer),
    Column("min_mem", Integer),  # MiB
    Column("deprecated_at", Moment),
    Column("deprecation_reason", Text),
    Column("replacement_n", Key, _to("versions.n"), index=True),
    Column("exclude_from_latest", Boolean, nullable=False),
    # What its image says, kept here so that reading a version never has to look there.
    Column("public", Boolean, nullable=False),
    Column("owner_id", Key, _to("users.id"), nullable=False),
    Column("created_by_id", Key, _to("users.id"), nullable=False),
    Column("opens_at", Moment, nullable=False),  # the later start_date of version and image
    Column("closes_at", Moment, nullable=False),  # the earlier end_date, else the end of time
    Column("ends_at", Moment, nullable=False),  # its own end_date, else the end of time
    # From here on it is not current: the earliest of closes_at, its deprecation and what revokes it.
    Column("spent_at", Moment, nullable=False),
    # closes_at had passed when it was last looked at: lists walk past none that ended long ago.
    # No answer depends on it: what is past and, by a clock set back, not yet over is looked for too.
    Column("past", Boolean, nullable=False),
    UniqueConstraint("image_id", "name_key"),
    UniqueConstraint("n", "image_id"),  # what machines refer to
    CheckConstraint("min_cpu BETWEEN 0 AND 4096", name="min_cpu"),
    CheckConstraint("min_mem BETWEEN 0 AND 2147483647", name="min_mem"),
    CheckConstraint("parent_n <> n", name="parent"),
    CheckConstraint("replacement_n <> n", name="replacement"),
    CheckConstraint(
        "deprecated_at IS NOT NULL OR (deprecation_reason IS NULL AND replacement_n IS NULL)",
        name="deprecation",
    ),
    Index("ix_versions_start_date", "start_date", "id"),
    Index("ix_versions_name_key", "name_key", "id"),
    Index("ix_versions_ends_at", "ends_at", "id"),
    # With what says who sees them: of all versions of somebody's, or of an image, that is asked.
    *(
        Index(f"ix_versions_{of}", of, "start_date", "id", "public", "opens_at", "closes_at")
        for of in ("image_id", "user_id", "created_by_id")
    ),
    # The newest current ones of an image: those that nothing ends, and those that something will.
    _part("ix_versions_unspent", f"spent_at = {AT_THE_END}", "image_id", "start_date", "id"),
    _part("ix_versions_spent_at", f"spent_at < {AT_THE_END}", "image_id", "spent_at"),
    _part("ix_versions_no_imaging", "NOT allow_imaging", "start_date", "id"),
    _part("ix_versions_no_latest", "exclude_from_latest", "start_date", "id"),
    # What all may see, in each order of a list. (SQLite looks at the row for a column that it asks
    # of, though the index is of rows that have it so: where that is to be spared, it is there too.)
    _part(
        "ix_versions_public",
        "public AND NOT past",
        *("start_date", "id", "opens_at", "closes_at", "public", "past"),
    ),
    _part("ix_versions_public_name_key", "public AND NOT past", "name_key", "id"),
    _part("ix_versions_public_ends_at", "public AND NOT past", "ends_at", "id"),
    _part("ix_versions_public_past", "public AND past", "closes_at"),
    # What opens and closes between two instants. Apart for what is public and what is not, so that
    # SQLite does not take them for `closes_at > now`.
    _part("ix_versions_public_opens_at", "public", "opens_at", "closes_at"),
    _part("ix_versions_public_closes_at", "public", "closes_at", "opens_at"),
    _part("ix_versions_hidden_opens_at", "NOT public", "opens_at"),
    _part("ix_versions_hidden_closes_at", "NOT public", "closes_at"),
    _given("ix_versions_deprecated_at", "deprecated_at"),
    sqlite_autoincrement=True,
)

machines = thing(
    "machines",
    Column("version_n", Key, nullable=False),
    # Its version's image: what makes (provider, identifier) unique within an image.
    Column("image_id", Key, nullable=False),
    Column("provider_id", Key, _to("providers.id"), nullable=False),
    Column("identifier", Sortable, nullable=False),
    Column("size_gb", Integer),
    Column("architecture", String(256), nullable=False),
    Column("checksum", String(256), nullable=False),
    Column("created_by_id", Key, _to("users.id"), nullable=False),
    *_dates(),
    ForeignKeyConstraint(
        ["version_n", "image_id"],
        ["versions.n", "versions.image_id"],
        onupdate="CASCADE",
    ),
    CheckConstraint("size_gb BETWEEN 0 AND 2147483647", name="size_gb"),
    Index("ix_machines_version_n", "version_n", "id"),
    Index("ix_machines_provider_id", "provider_id", "version_n"),
    Index("ix_machines_identifier", "identifier", "provider_id"),
    Index("ix_machines_architecture", "architecture", "version_n"),
    Index("ix_machines_start_date", "start_date"),
    _given("ix_machines_end_date", "end_date"),
    Index(
        "uq_machines_offered",
        "image_id",
        "provider_id",
        "identifier",
        unique=True,
        sqlite_where=text("end_date IS NULL"),
        postgresql_where=text("end_date IS NULL"),
    ),
)

licenses = thing(
    "licenses",
    Column("title", String(256), nullable=False),
    Column("title_key", Sortable, nullable=False),
    Column("type", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("created_by_id", Key, _to("users.id"), nullable=False),
    Column("start_date", Moment, nullable=False),
    words(),
    CheckConstraint("type IN ('Full Text', 'URL', 'SPDX')", name="type"),
)

boot_scripts = thing(
    "boot_scripts",
    Column("title", String(256), nullable=False),
    Column("title_key", Sortable, nullable=False),
    Column("type", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("run_every_deploy", Boolean, nullable=False),
    Column("wait_for_deploy", Boolean, nullable=False),
    Column("created_by_id", Key, _to("users.id"), nullable=False),
    Column("start_date", Moment, nullable=False),
    words(),
    CheckConstraint("type IN ('Raw Text', 'URL')", name="type"),
)


def _pairing(name: str, other: str, column: str) -> Table:
    """A version and one license, group or script: once each."""
    return thing(
        name,
        Column("version_n", Key, _to("versions.n"), nullable=False),
        Column(column, Key, _to(f"{other}.id"), nullable=False),
        UniqueConstraint("version_n", column),
        Index(f"ix_{name}_{column}", column, "version_n"),
    )


version_licenses = _pairing("version_licenses", "licenses", "license_id")
version_memberships = _pairing("version_memberships", "groups", "group_id")
version_scripts = _pairing("version_scripts", "boot_scripts", "script_id")

# Who sees which version otherwise than as everybody does, by group, with what lists sort by: one
# indexed way of seeing each. Keepers (the version's user and its image's owner, by their personal
# groups; its image's maintainers) see it always; a version of an image that is not public is seen
# by the groups of its membership while it is open.
shares = Table(
    "shares",
    metadata,
    Column("group_id", Key, _to("groups.id"), primary_key=True),
    Column("n", Key, _to("versions.n"), primary_key=True),
    Column("image_id", Key, nullable=False),
    Column("id", Id, nullable=False),
    Column("name_key", Sortable, nullable=False),
    Column("start_date", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("opens_at", Moment, nullable=False),
    Column("closes_at", Moment, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("kept", Boolean, nullable=False),
    CheckConstraint("kept OR NOT public", name="kept"),
    Index("ix_shares_n", "n"),
    Index("ix_shares_image_id", "group_id", "image_id"),
    Index(
        "ix_shares_start_date",
        *("group_id", "start_date", "id", "n", "kept", "opens_at", "closes_at"),
    ),
    Index("ix_shares_name_key", "group_id", "name_key", "id"),
    Index("ix_shares_ends_at", "group_id", "ends_at", "id"),
    # What a group adds to what is public, now and between two instants.
    _part(
        "ix_shares_hidden", "NOT public", "group_id", "kept", "n", "opens_at", "closes_at", "public"
    ),
    _part("ix_shares_ending", f"public AND closes_at < {AT_THE_END}", "group_id", "closes_at", "n"),
    _part("ix_shares_shared_opens_at", "NOT kept", "opens_at", "closes_at", "group_id"),
    _part("ix_shares_shared_closes_at", "NOT kept", "closes_at", "opens_at", "group_id"),
    sqlite_with_rowid=False,
)

# How many versions each way of seeing showed at catalogue.counted_at: to staff, to everybody, and
# to each group besides what everybody sees (`rules/visibility/stored_counts.py`).
scope_counts = Table(
    "scope_counts",
    metadata,
    Column("scope", Key, primary_key=True, autoincrement=False),
    Column("n", Key, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", Key, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    # null: the console or a source, as `via` says
    Column("user_id", Key, _to("users.id"), index=True),
    Column("via", String(16), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("subject_id", Key, nullable=False),
    # JSON {"field": {"before": …, "after": …}}, things as ids; names are filled in when read,
    # through the rule, for whoever reads.
    Column("changes", Text, nullable=False),
    Index("ix_audit_subject", "subject", "subject_id", "sequence"),
    sqlite_autoincrement=True,
)

# What a POST with an Idempotency-Key made, for 24 hours: which thing, not its bytes, so that a
# repeated answer is built anew through the rule.
idempotency = Table(
    "idempotency",
    metadata,
    Column("user_id", Key, _to("users.id"), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("made", String(64), nullable=False),
    Column("extra", Text, nullable=False),
)

# Failed sign-ins in the current window, by address alone and by account and address.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("bucket", String(64), primary_key=True),
    Column("since", Moment, nullable=False, index=True),
    Column("failures", Integer, nullable=False),
)


def _search_table(name: str, key: str, target: str) -> Table:
    """Search tokens in PostgreSQL; SQLite keeps the same in a full-text table of this name, whose
    row id is the key."""
    return Table(
        name,
        metadata,
        Column(key, Key, _to(target), primary_key=True, autoincrement=False),
        Column("tokens", TSVECTOR, nullable=False),
        Index(f"ix_{name}_tokens", "tokens", postgresql_using="gin"),
        info={"postgresql_only": True},
    )


image_words = _search_table("image_words", "image_id", "images.id")
version_words = _search_table("version_words", "n", "versions.n")

FULL_TEXT_TABLES = (
    "CREATE VIRTUAL TABLE {name} USING fts5(tokens, detail=none, columnsize=0, prefix='2 3', "
    "tokenize=\"ascii tokenchars '-._'\")"
)
"""How SQLite's tables of search tokens are made; `{name}` is `image_words` or `version_words`."""

__all__ = [
    "assignments",
    "channel_groups",
    "channel_providers",
    "channels",
    "deliverer",
    "deliveries",
    "events",
    "metadata",
    "oidc_accounts",
    "reach",
    "revocations",
    "security_events",
    "sessions",
    "webhooks",
]
"""The tables of `lifecycle.py` and `accounts.py` are reached from here like the others."""
