"""The tables of signing in with a browser: sessions, and accounts at OpenID Connect providers.

`schema.py` has the users they belong to. Who may see a row is no matter of the catalogue's rule: a
session is found by its secret, or listed for its own user.
"""

from sqlalchemy import Column, ForeignKey, String, Text, UniqueConstraint

from goldenrod.store.sql import Key, Moment
from goldenrod.store.tables import thing

sessions = thing(
    "sessions",
    Column("user_id", Key, ForeignKey("users.id"), nullable=False, index=True),
    # Only the SHA-256 of the cookie's secret is kept.
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created", Moment, nullable=False),
    # To the hour, so that looking at pages seldom writes.
    Column("last_seen", Moment, nullable=False),
    Column("expires", Moment, nullable=False, index=True),
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
