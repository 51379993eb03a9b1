"""Tables of channels: channels, their requirements and audiences, assignments."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from goldenrod.store.schema.helpers import index_where_set, metadata, resource, to
from goldenrod.store.sql import Key, Moment

# Every image has the channel `latest`. It has no assignments: its target is computed.
channels = resource(
    "channels",
    Column("image_id", Key, to("images.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("restricted", Boolean, nullable=False),
    # Deleted: hidden until a version is assigned to it again.
    Column("hidden", Boolean, nullable=False),
    # Requirements of an assignment: the version was first assigned to this other channel at least
    # this many days ago, and it has a machine on each of `channel_providers`.
    Column("requires_channel", String(64)),
    Column("requires_days", Integer),
    Column("start_date", Moment, nullable=False),
    UniqueConstraint("image_id", "name"),
    CheckConstraint("name <> 'latest' OR NOT (restricted OR hidden)", name="latest"),
)

channel_groups = Table(
    "channel_groups",
    metadata,
    Column("channel_id", Key, to("channels.id"), primary_key=True),
    Column("group_id", Key, to("groups.id"), primary_key=True),
    Index("ix_channel_groups_group_id", "group_id"),
)

channel_providers = Table(
    "channel_providers",
    metadata,
    Column("channel_id", Key, to("channels.id"), primary_key=True),
    Column("provider_id", Key, to("providers.id"), primary_key=True),
    Index("ix_channel_providers_provider_id", "provider_id"),
)

# Append-only, in order of sequence. A null version means that the channel was unassigned.
assignments = Table(
    "channel_assignments",
    metadata,
    Column("sequence", Key, primary_key=True, autoincrement=True),
    Column("channel_id", Key, to("channels.id"), nullable=False),
    Column("version_n", Key, to("versions.n"), index=True),
    Column("at", Moment, nullable=False),
    Column("by_id", Key, to("users.id")),
    Column("reason", Text),
    Column("override", Boolean, nullable=False),
    # The sequence of the entry that this one undoes: the channel falls back past that.
    Column("voids", Key),
    Index("ix_channel_assignments_channel_id", "channel_id", "sequence"),
    index_where_set("ix_channel_assignments_voids", "voids"),
    sqlite_autoincrement=True,
)
