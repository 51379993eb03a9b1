"""The tables of signing in: sessions, accounts at OpenID Connect providers, security events.

`schema.py` has the users they belong to. Who may see a row is no matter of the catalogue's rule: a
session is found by its secret, or listed for its own user.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from goldenrod.store.sql import Key, Moment
from goldenrod.store.tables import metadata, thing

sessions = thing(
    "sessions",
    Column("user_id", Key, ForeignKey("users.id"), nullable=False, index=True),
    # Only the SHA-256 of the cookie's secret is kept.
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created", Moment, nullable=False),
    # To the hour, so that looking at pages seldom writes.
    Column("last_seen", Moment, nullable=False),
    Column("expires", Moment, nullable=False, index=True),
    # What signed in, in words, and from where.
    Column("browser", String(64)),
    Column("address", String(64)),
)

# What `rules/changes/security_log.py` records, outside the catalogue's revision.
security_events = Table(
    "security_events",
    metadata,
    Column("sequence", Key, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False, index=True),
    # When it happened last, of those that `count` says.
    Column("last_at", Moment, nullable=False),
    Column("kind", String(32), nullable=False),
    # null: nobody known, or the console, as `via` says
    Column("user_id", Key, ForeignKey("users.id")),
    Column("via", String(16), nullable=False),
    Column("address", String(64)),
    # A JSON object.
    Column("detail", Text, nullable=False),
    Column("count", Integer, nullable=False),
    # A hash of what makes events alike; null: this one stands alone.
    Column("bucket", String(64), unique=True),
    Index("ix_security_events_kind", "kind", "at"),
    Index("ix_security_events_user_id", "user_id", "sequence"),
    sqlite_autoincrement=True,
)

# Whom an OpenID Connect provider knows as `subject` is this user here. Only who staff joined, or
# whom signing in made, stands here: never who merely has the same name.
oidc_accounts = thing(
    "oidc_accounts",
    Column("issuer", Text, nullable=False),
    Column("subject", String(256), nullable=False),
    Column("user_id", Key, ForeignKey("users.id"), nullable=False, index=True),
    Column("created", Moment, nullable=False),
    UniqueConstraint("issuer", "subject"),
)
