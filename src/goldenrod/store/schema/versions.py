"""Tables of versions: versions, machines, providers, licenses, scripts, sharing, revocations.

A version's public id is its UUID, `id`. Its internal key is the integer `n`, a quarter of the size in
every index and reference. References to it are named `version_n`, `parent_n`, `replacement_n`, or
`n` where the row is about the version itself; Python calls it the `version_key`.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from goldenrod.store.schema.helpers import (
    END_OF_TIME,
    index_where,
    index_where_set,
    metadata,
    resource,
    search_table,
    search_words,
    start_and_end,
    to,
)
from goldenrod.store.sql import Id, Key, Moment, Sortable

versions = Table(
    "versions",
    metadata,
    Column("n", Key, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("parent_n", Key, to("versions.n"), index=True),
    Column("name", String(256), nullable=False),
    Column("name_key", Sortable, nullable=False),
    Column("change_log", Text, nullable=False),
    Column("image_id", Key, to("images.id"), nullable=False),
    Column("allow_imaging", Boolean, nullable=False),
    Column("user_id", Key, to("users.id"), nullable=False),
    Column("identity_id", Key, to("identities.id"), index=True),
    *start_and_end(),
    Column("doc_object_id", String(256)),
    Column("min_cpu", Integer),
    Column("min_mem", Integer),  # MiB
    Column("deprecated_at", Moment),
    Column("deprecation_reason", Text),
    Column("replacement_n", Key, to("versions.n"), index=True),
    Column("exclude_from_latest", Boolean, nullable=False),
    # Denormalised from its image, so that the access rule needs no join (`rules/visibility/`).
    Column("public", Boolean, nullable=False),
    Column("owner_id", Key, to("users.id"), nullable=False),
    Column("created_by_id", Key, to("users.id"), nullable=False),
    Column("opens_at", Moment, nullable=False),  # the later start_date of version and image
    Column("closes_at", Moment, nullable=False),  # the earlier end_date, else the end of time
    Column("ends_at", Moment, nullable=False),  # its own end_date, else the end of time
    # The earliest of closes_at, its deprecation and its revocations, own or inherited.
    Column("not_current_from", Moment, nullable=False),
    # closes_at had passed at the last check. Lists use it to skip versions that ended long ago.
    # It is only a hint: after the clock is set back, versions with it are looked for as well.
    Column("ended_hint", Boolean, nullable=False),
    UniqueConstraint("image_id", "name_key"),
    UniqueConstraint("n", "image_id"),  # the target of the machines' foreign key
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
    # With the columns of the access rule, which all versions of a user or image are checked for.
    *(
        Index(f"ix_versions_{of}", of, "start_date", "id", "public", "opens_at", "closes_at")
        for of in ("image_id", "user_id", "created_by_id")
    ),
    # The newest current versions of an image: those without an end, and those with one.
    index_where(
        "ix_versions_current_for_good",
        f"not_current_from = {END_OF_TIME}",
        "image_id",
        "start_date",
        "id",
    ),
    index_where(
        "ix_versions_not_current_from",
        f"not_current_from < {END_OF_TIME}",
        "image_id",
        "not_current_from",
    ),
    index_where("ix_versions_no_imaging", "NOT allow_imaging", "start_date", "id"),
    index_where("ix_versions_no_latest", "exclude_from_latest", "start_date", "id"),
    # Public versions in each order of a list. (SQLite reads the row for every column in a condition,
    # even one that the partial index implies, so the first index contains those columns.)
    index_where(
        "ix_versions_public",
        "public AND NOT ended_hint",
        *("start_date", "id", "opens_at", "closes_at", "public", "ended_hint"),
    ),
    index_where("ix_versions_public_name_key", "public AND NOT ended_hint", "name_key", "id"),
    index_where("ix_versions_public_ends_at", "public AND NOT ended_hint", "ends_at", "id"),
    index_where("ix_versions_public_ended", "public AND ended_hint", "closes_at"),
    # Versions that open or close between two instants. Public ones have indexes of their own, so that
    # SQLite does not choose these indexes for `closes_at > now`.
    index_where("ix_versions_public_opens_at", "public", "opens_at", "closes_at"),
    index_where("ix_versions_public_closes_at", "public", "closes_at", "opens_at"),
    index_where("ix_versions_hidden_opens_at", "NOT public", "opens_at"),
    index_where("ix_versions_hidden_closes_at", "NOT public", "closes_at"),
    index_where_set("ix_versions_deprecated_at", "deprecated_at"),
    sqlite_autoincrement=True,
)

# The names that versions had in an image before they were renamed or moved. Such a name still finds its
# version, and is never given to another of the image.
former_names = Table(
    "former_names",
    metadata,
    Column("image_id", Key, to("images.id"), primary_key=True),
    Column("name_key", Sortable, primary_key=True),
    Column("name", String(256), nullable=False),
    Column("version_n", Key, to("versions.n"), nullable=False),
    Index("ix_former_names_name_key", "name_key", "version_n"),
)

# Which group may read which version for a reason other than that it is public; with the columns that
# lists sort by. Editors' groups (the personal groups of the version's user and of the image's owner,
# and the image's maintainers) may always read it: `as_editor`. The groups of the membership of a
# version that is not public may read it from opens_at to closes_at.
shares = Table(
    "shares",
    metadata,
    Column("group_id", Key, to("groups.id"), primary_key=True),
    Column("n", Key, to("versions.n"), primary_key=True),
    Column("image_id", Key, nullable=False),
    Column("id", Id, nullable=False),
    Column("name_key", Sortable, nullable=False),
    Column("start_date", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("opens_at", Moment, nullable=False),
    Column("closes_at", Moment, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("as_editor", Boolean, nullable=False),
    CheckConstraint("as_editor OR NOT public", name="as_editor"),
    Index("ix_shares_n", "n"),
    Index("ix_shares_image_id", "group_id", "image_id"),
    Index(
        "ix_shares_start_date",
        *("group_id", "start_date", "id", "n", "as_editor", "opens_at", "closes_at"),
    ),
    Index("ix_shares_name_key", "group_id", "name_key", "id"),
    Index("ix_shares_ends_at", "group_id", "ends_at", "id"),
    # The versions that a group may read and not everybody, now and between two instants.
    index_where(
        "ix_shares_hidden",
        "NOT public",
        "group_id",
        "as_editor",
        "n",
        "opens_at",
        "closes_at",
        "public",
    ),
    index_where(
        "ix_shares_ending", f"public AND closes_at < {END_OF_TIME}", "group_id", "closes_at", "n"
    ),
    index_where("ix_shares_shared_opens_at", "NOT as_editor", "opens_at", "closes_at", "group_id"),
    index_where("ix_shares_shared_closes_at", "NOT as_editor", "closes_at", "opens_at", "group_id"),
    sqlite_with_rowid=False,
)

version_words = search_table("version_words", "n", "versions.n")

providers = resource(
    "providers",
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(256), nullable=False),
    Column("name_key", Sortable, nullable=False),
    Column("description", Text, nullable=False),
    Column("type", String(256), nullable=False),
    Column("virtualization", String(256), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    *start_and_end(),
    search_words(),
    Index("ix_providers_start_date", "start_date"),
    index_where_set("ix_providers_end_date", "end_date"),
)

# Every slug that a provider ever had. An old slug still finds its provider and is never reused.
provider_slugs = Table(
    "provider_slugs",
    metadata,
    Column("slug", String(64), primary_key=True),
    Column("provider_id", Key, to("providers.id"), nullable=False, index=True),
)

machines = resource(
    "machines",
    Column("version_n", Key, nullable=False),
    # Its version's image, so that (provider, identifier) can be unique within an image.
    Column("image_id", Key, nullable=False),
    Column("provider_id", Key, to("providers.id"), nullable=False),
    Column("identifier", Sortable, nullable=False),
    Column("size_gb", Integer),
    # In the one spelling of `base/architectures.py`.
    Column("architecture", String(256), nullable=False),
    Column("checksum", String(256), nullable=False),
    Column("created_by_id", Key, to("users.id"), nullable=False),
    *start_and_end(),
    # As it was given, such as amd64.
    Column("architecture_given", String(256), nullable=False, server_default=""),
    # By which it is found: see `base/text.py`.
    Column("identifier_key", Sortable, nullable=False, server_default=""),
    ForeignKeyConstraint(
        ["version_n", "image_id"],
        ["versions.n", "versions.image_id"],
        onupdate="CASCADE",
    ),
    CheckConstraint("size_gb BETWEEN 0 AND 2147483647", name="size_gb"),
    Index("ix_machines_version_n", "version_n", "id"),
    Index("ix_machines_provider_id", "provider_id", "version_n"),
    Index("ix_machines_identifier", "identifier", "provider_id"),
    Index("ix_machines_identifier_key", "identifier_key", "provider_id"),
    Index("ix_machines_architecture", "architecture", "version_n"),
    Index("ix_machines_start_date", "start_date"),
    index_where_set("ix_machines_end_date", "end_date"),
    # The machines of an image on a provider: those that have an end, and those that have none.
    index_where("ix_machines_ending", "end_date IS NOT NULL", "image_id", "provider_id"),
    index_where(
        "uq_machines_offered",
        "end_date IS NULL",
        "image_id",
        "provider_id",
        "identifier",
        unique=True,
    ),
)

licenses = resource(
    "licenses",
    Column("title", String(256), nullable=False),
    Column("title_key", Sortable, nullable=False),
    Column("type", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("created_by_id", Key, to("users.id"), nullable=False),
    Column("start_date", Moment, nullable=False),
    search_words(),
    CheckConstraint("type IN ('Full Text', 'URL', 'SPDX')", name="type"),
)

boot_scripts = resource(
    "boot_scripts",
    Column("title", String(256), nullable=False),
    Column("title_key", Sortable, nullable=False),
    Column("type", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("run_every_deploy", Boolean, nullable=False),
    Column("wait_for_deploy", Boolean, nullable=False),
    Column("created_by_id", Key, to("users.id"), nullable=False),
    Column("start_date", Moment, nullable=False),
    search_words(),
    CheckConstraint("type IN ('Raw Text', 'URL')", name="type"),
)


def _attachment(name: str, other: str, column: str) -> Table:
    """A table that attaches licenses, groups or scripts to versions, each once."""
    return resource(
        name,
        Column("version_n", Key, to("versions.n"), nullable=False),
        Column(column, Key, to(f"{other}.id"), nullable=False),
        UniqueConstraint("version_n", column),
        Index(f"ix_{name}_{column}", column, "version_n"),
    )


version_licenses = _attachment("version_licenses", "licenses", "license_id")

version_memberships = _attachment("version_memberships", "groups", "group_id")

version_scripts = _attachment("version_scripts", "boot_scripts", "script_id")

# The labels of versions. The index finds the versions that have a label.
version_labels = Table(
    "version_labels",
    metadata,
    Column("version_n", Key, to("versions.n"), primary_key=True),
    Column("key", Sortable, primary_key=True),
    Column("value", String(256), nullable=False),
    CheckConstraint("length(key) BETWEEN 1 AND 63", name="key"),
    Index("ix_version_labels_key", "key", "value", "version_n"),
)

revocations = resource(
    "revocations",
    Column("version_n", Key, to("versions.n"), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by_id", Key, to("users.id")),
    Column("descendants", Boolean, nullable=False),
    Column("roll_back_channels", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("restored_at", Moment),
    Column("restored_by_id", Key, to("users.id")),
    index_where("uq_revocations_unrestored", "restored_at IS NULL", "version_n", unique=True),
    # Revocations that take effect between two instants, for the deliverer.
    index_where("ix_revocations_at", "restored_at IS NULL", "at"),
)

# Which versions (`n`) each unrestored revocation applies to: its own version (depth 0) and, where it
# has `descendants`, every version below that in the lineage. Updated with each change of the
# lineage, so that whether a version is revoked is one look at an index.
revocation_reach = Table(
    "revocation_reach",
    metadata,
    Column("n", Key, to("versions.n"), primary_key=True),
    Column("revocation_id", Key, to("revocations.id"), primary_key=True),
    Column("depth", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("roll_back_channels", Boolean, nullable=False),
    Index("ix_revocation_reach_revocation_id", "revocation_id", "n"),
)
