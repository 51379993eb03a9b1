"""Tables of webhooks: webhooks, events, deliveries, the deliverer."""

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

from goldenrod.store.schema.helpers import index_where, metadata, resource, to
from goldenrod.store.sql import Id, Key, Moment

webhooks = resource(
    "webhooks",
    Column("image_id", Key, to("images.id"), index=True),
    Column("target", Text, nullable=False),
    # JSON array of event types.
    Column("events", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    # Stored in the clear, because payloads are signed with it.
    Column("secret", Text, nullable=False),
    Column("created_by_id", Key, to("users.id"), nullable=False),
    # Created with staff rights: its payloads are built with staff rights while its creator has them.
    Column("as_staff", Boolean, nullable=False),
    # Events from this instant on are sent: when it was created or last activated.
    Column("start_date", Moment, nullable=False),
    # When deliveries to it were last attempted, and until when its receiver counts as slow. The
    # deliverer orders webhooks by these.
    Column("served_at", Moment),
    Column("slow_until", Moment),
)

# Events, recorded in the transaction of the change. They hold ids only: the payload is built when it is
# sent, and contains what the webhook's creator may read then.
events = Table(
    "events",
    metadata,
    Column("sequence", Key, primary_key=True, autoincrement=True),
    Column("uuid", Id, nullable=False, unique=True),
    Column("at", Moment, nullable=False),
    Column("type", String(64), nullable=False),
    # Null for an event that is about no image, such as sync.failed, and for a test of a webhook for all
    # images.
    Column("image_id", Key, to("images.id")),
    Column("version_n", Key, to("versions.n")),
    # Ids of what else the event is about, as a JSON object.
    Column("about", Text, nullable=False),
    # An event of a given key is recorded once, by the change or by the deliverer.
    Column("dedup_key", String(128), unique=True),
    # Its deliveries have been created.
    Column("queued", Boolean, nullable=False),
    index_where("ix_events_unqueued", "NOT queued", "sequence"),
    sqlite_autoincrement=True,
)

deliveries = resource(
    "deliveries",
    Column("webhook_id", Key, to("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event_sequence", Key, to("events.sequence"), nullable=False, index=True),
    # failed: given up after the last attempt. dropped: the creator may no longer read the subject.
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
    index_where("ix_deliveries_waiting", "state = 'waiting'", "webhook_id", "next_at"),
)

# The newest attempts to deliver, with what was sent and answered, to be looked at. The webhook is no
# foreign key: an attempt is recorded without locking the webhook's row.
attempts = Table(
    "delivery_attempts",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=True),
    Column("webhook_id", Key, nullable=False),
    Column("delivery_id", Key, to("deliveries.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("milliseconds", Integer),
    Column("status", Integer),
    Column("error", Text),
    Column("payload", Text, nullable=False),
    # As a JSON object: headers, body, cut. Null where there was no answer.
    Column("answer", Text),
    Index("ix_delivery_attempts_webhook_id", "webhook_id", "id"),
    sqlite_autoincrement=True,
)

# The one deliverer: until which instant it recorded the events that dates cause, and which process
# delivers now.
deliverer = Table(
    "deliverer",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("recorded_until", Moment, nullable=False),
    Column("locked_by", String(64)),
    Column("locked_until", Moment),
    CheckConstraint("one = 1", name="one_row"),
)
