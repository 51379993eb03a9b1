"""The tables of the lifecycle: revocations, channels, and what is told to webhooks.

Nothing here is ever swept: what holds at an instant is computed from these rows when it is asked.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from goldenrod.store.sql import Id, Key, Moment
from goldenrod.store.tables import metadata, thing

revocations = thing(
    "revocations",
    Column("version_n", Key, ForeignKey("versions.n"), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by_id", Key, ForeignKey("users.id")),
    Column("descendants", Boolean, nullable=False),
    Column("roll_back_channels", Boolean, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("restored_at", Moment),
    Column("restored_by_id", Key, ForeignKey("users.id")),
    Index(
        "uq_revocations_unrestored",
        "version_n",
        unique=True,
        sqlite_where=text("restored_at IS NULL"),
        postgresql_where=text("restored_at IS NULL"),
    ),
    # What comes into force between two instants: the deliverer asks.
    Index(
        "ix_revocations_at",
        "at",
        sqlite_where=text("restored_at IS NULL"),
        postgresql_where=text("restored_at IS NULL"),
    ),
)

# Where unrestored revocations hold: the version itself (depth 0) and, where one says `descendants`,
# every version below it in the lineage as it is now. Kept with each change of the lineage, so that
# asking is one look at an index.
reach = Table(
    "revocation_reach",
    metadata,
    Column("n", Key, ForeignKey("versions.n"), primary_key=True),
    Column("revocation_id", Key, ForeignKey("revocations.id"), primary_key=True),
    Column("depth", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Column("roll_back_channels", Boolean, nullable=False),
    Index("ix_revocation_reach_revocation_id", "revocation_id", "n"),
)

# `latest` stands on every image as a channel of its own, without assignments: its target is computed.
channels = thing(
    "channels",
    Column("image_id", Key, ForeignKey("images.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("restricted", Boolean, nullable=False),
    # Deleted: hidden until it is assigned again.
    Column("hidden", Boolean, nullable=False),
    # Assigning needs so many days since the version first came to that other channel (or to be in
    # it at all), and a machine on each of `channel_providers`.
    Column("requires_channel", String(64)),
    Column("requires_days", Integer),
    Column("start_date", Moment, nullable=False),
    UniqueConstraint("image_id", "name"),
    CheckConstraint("name <> 'latest' OR NOT (restricted OR hidden)", name="latest"),
)

channel_groups = Table(
    "channel_groups",
    metadata,
    Column("channel_id", Key, ForeignKey("channels.id"), primary_key=True),
    Column("group_id", Key, ForeignKey("groups.id"), primary_key=True),
    Index("ix_channel_groups_group_id", "group_id"),
)

channel_providers = Table(
    "channel_providers",
    metadata,
    Column("channel_id", Key, ForeignKey("channels.id"), primary_key=True),
    Column("provider_id", Key, ForeignKey("providers.id"), primary_key=True),
    Index("ix_channel_providers_provider_id", "provider_id"),
)

# Only ever added to, in order of sequence; a null version is an unassignment.
assignments = Table(
    "channel_assignments",
    metadata,
    Column("sequence", Key, primary_key=True, autoincrement=True),
    Column("channel_id", Key, ForeignKey("channels.id"), nullable=False),
    Column("version_n", Key, ForeignKey("versions.n"), index=True),
    Column("at", Moment, nullable=False),
    Column("by_id", Key, ForeignKey("users.id")),
    Column("reason", Text),
    Column("override", Boolean, nullable=False),
    Index("ix_channel_assignments_channel_id", "channel_id", "sequence"),
    sqlite_autoincrement=True,
)

webhooks = thing(
    "webhooks",
    Column("image_id", Key, ForeignKey("images.id"), index=True),
    Column("target", Text, nullable=False),
    # JSON array of event types
    Column("events", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    # In the clear: payloads are signed with it.
    Column("secret", Text, nullable=False),
    Column("created_by_id", Key, ForeignKey("users.id"), nullable=False),
    # Made with staff's rights: its payloads are built with them as long as its maker has them.
    Column("as_staff", Boolean, nullable=False),
    # It is told what happens from here on: when it was made, or last switched on.
    Column("start_date", Moment, nullable=False),
    # When its last turn began, and until when its receiver counts as slow: by these the deliverer
    # orders webhooks and their makers.
    Column("served_at", Moment),
    Column("slow_until", Moment),
)

# What happened, written with the change; ids only: a payload is built when it is sent, as its
# hook's maker may read it then.
events = Table(
    "events",
    metadata,
    Column("sequence", Key, primary_key=True, autoincrement=True),
    Column("uuid", Id, nullable=False, unique=True),
    Column("at", Moment, nullable=False),
    Column("type", String(64), nullable=False),
    Column("image_id", Key, ForeignKey("images.id"), nullable=False),
    Column("version_n", Key, ForeignKey("versions.n")),
    # What else the event is about, as JSON of ids.
    Column("about", Text, nullable=False),
    # One thing happens once at one instant, whoever notices it.
    Column("once", String(128), unique=True),
    # Its deliveries have been made.
    Column("spread", Boolean, nullable=False),
    Index(
        "ix_events_spread",
        "sequence",
        sqlite_where=text("spread = 0"),
        postgresql_where=text("NOT spread"),
    ),
    sqlite_autoincrement=True,
)

deliveries = thing(
    "deliveries",
    Column("webhook_id", Key, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event_sequence", Key, ForeignKey("events.sequence"), nullable=False, index=True),
    # waiting, delivered, failed (given up), dropped (its maker may no longer read it)
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Moment),
    Column("last_at", Moment),
    Column("last_status", Integer),
    Column("last_error", Text),
    UniqueConstraint("webhook_id", "event_sequence"),
    CheckConstraint("state IN ('waiting', 'delivered', 'failed', 'dropped')", name="state"),
    Index("ix_deliveries_next_at", "next_at"),
    Index("ix_deliveries_webhook_id", "webhook_id", "id"),
    Index(
        "ix_deliveries_waiting",
        "webhook_id",
        "next_at",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
)

# The deliverer: up to which instant it has told what instants bring, and who delivers now.
deliverer = Table(
    "deliverer",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("covered", Moment, nullable=False),
    Column("holder", String(64)),
    Column("held_until", Moment),
    CheckConstraint("one = 1", name="one_row"),
)
