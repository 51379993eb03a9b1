"""Tables of accounts: users, groups, identities, tokens, sessions, sign-in, security events.

Sessions, OpenID Connect accounts and security events are not resources of the access rule: a session
is found by its secret or listed for its own user.
"""

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
    false,
    true,
)

from goldenrod.store.schema.helpers import index_where_set, metadata, resource, to
from goldenrod.store.sql import Key, Moment, Sortable

users = resource(
    "users",
    Column("username", String(256), nullable=False, unique=True),
    Column("name_key", Sortable, nullable=False, unique=True),
    # Given by hand. Who is staff by hand or by claims has staff's rights.
    Column("is_staff", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    # Argon2id. null: password sign-in is disabled.
    Column("password_hash", Text),
    Column("start_date", Moment, nullable=False),
    # The last sign-in with OpenID Connect had the claim that makes the user staff.
    Column("staff_by_claims", Boolean, nullable=False, server_default=false()),
)

groups = resource(
    "groups",
    Column("name", String(256), nullable=False),
    Column("name_key", Sortable, nullable=False, unique=True),
    # The user whose personal group this is. The group has the user's name, so the unique name_key
    # also keeps the names of users and groups apart.
    Column("personal_of", Key, to("users.id"), unique=True),
    Column("start_date", Moment, nullable=False),
)

group_users = Table(
    "group_users",
    metadata,
    Column("group_id", Key, to("groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", Key, to("users.id"), primary_key=True),
    Column("leader", Boolean, nullable=False),
    # Where the membership comes from: people, the claims of the last sign-in with OpenID Connect, or
    # both. A leader is always a member by hand.
    Column("by_hand", Boolean, nullable=False, server_default=true()),
    Column("by_claims", Boolean, nullable=False, server_default=false()),
    Index("ix_group_users_user_id", "user_id", "group_id"),
)

identities = resource(
    "identities",
    Column("user_id", Key, to("users.id"), nullable=False),
    Column("provider_id", Key, to("providers.id"), nullable=False, index=True),
    Column("key", Sortable, nullable=False),
    Column("start_date", Moment, nullable=False),
    UniqueConstraint("user_id", "provider_id", "key"),
)

tokens = resource(
    "tokens",
    Column("user_id", Key, to("users.id"), nullable=False, index=True),
    Column("name", Sortable, nullable=False),
    Column("scope", String(8), nullable=False),
    # The SHA-256 of the secret, which itself is not stored.
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("revoked_at", Moment),
    # Rounded to the hour, so that requests with a token seldom write.
    Column("last_used", Moment),
    CheckConstraint("scope IN ('read', 'write', 'admin')", name="scope"),
    index_where_set("ix_tokens_expires", "expires"),
)

sessions = resource(
    "sessions",
    Column("user_id", Key, to("users.id"), nullable=False, index=True),
    # The SHA-256 of the cookie's secret, which itself is not stored.
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created", Moment, nullable=False),
    # Rounded to the hour, so that page views seldom write.
    Column("last_seen", Moment, nullable=False),
    Column("expires", Moment, nullable=False, index=True),
    # A description of the browser, and the client's address.
    Column("browser", String(64)),
    Column("address", String(64)),
)

# Which user an OpenID Connect provider's `subject` is. Rows are created by staff or by a first sign-in
# that creates the user, never because two names are equal.
oidc_accounts = resource(
    "oidc_accounts",
    Column("issuer", Text, nullable=False),
    Column("subject", String(256), nullable=False),
    Column("user_id", Key, to("users.id"), nullable=False, index=True),
    Column("created", Moment, nullable=False),
    UniqueConstraint("issuer", "subject"),
)

# Failed sign-ins in the current window: by address, and by account and address.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("bucket", String(64), primary_key=True),
    Column("since", Moment, nullable=False, index=True),
    Column("failures", Integer, nullable=False),
)

# Security events (`rules/changes/security_log.py`). Recording one does not change the revision.
security_events = Table(
    "security_events",
    metadata,
    Column("sequence", Key, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False, index=True),
    # When the last of the `count` events in this row happened.
    Column("last_at", Moment, nullable=False),
    Column("kind", String(32), nullable=False),
    # null: nobody known, or the console, see `via`
    Column("user_id", Key, to("users.id")),
    Column("via", String(16), nullable=False),
    Column("address", String(64)),
    # A JSON object.
    Column("detail", Text, nullable=False),
    Column("count", Integer, nullable=False),
    # Events with the same hash are counted in one row. null: this event has its own row.
    Column("bucket", String(64), unique=True),
    Index("ix_security_events_kind", "kind", "at"),
    Index("ix_security_events_user_id", "user_id", "sequence"),
    sqlite_autoincrement=True,
)
