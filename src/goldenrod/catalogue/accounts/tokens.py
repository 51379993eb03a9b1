"""Tokens, with which programs act as a user.

A token's secret is shown once; only its SHA-256 is stored. The secret ends with a checksum, so that
scanners for leaked secrets recognise it and a mistyped one is refused without a statement. The scope
limits which of its user's rights a token has. A token cannot create one of a wider scope or a later
expiry.
"""

import hashlib
import re
import secrets
import string
import zlib
from typing import Any

from sqlalchemy import ColumnElement, FromClause

from goldenrod.base import clock, decode
from goldenrod.base.clock import Instant
from goldenrod.base.errors import field_problem, forbidden_field
from goldenrod.base.faults import Faults
from goldenrod.base.wire import NewToken
from goldenrod.rules import filters, summaries
from goldenrod.rules.access import Actor, ReaderKind
from goldenrod.rules.changes import audit, mutations, security_log
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing
from goldenrod.store.sql import json_object

SCOPES = ("read", "write", "admin")
"""Each scope includes the ones before it."""
_PREFIX = "gr_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 36
_CHECKSUM = 6
_FORM = re.compile(r"gr_[0-9A-Za-z]{42}", re.ASCII)
"""`docs/access.md` documents this pattern for secret scanners."""
_EARLIER_FORM = re.compile(r"gr_[0-9A-Za-z_-]{43}", re.ASCII)
"""The form of older tokens, without a checksum."""


def shape(token: FromClause, reader: ReaderKind) -> ColumnElement[Any]:
    """A token as JSON, without its secret."""
    return json_object(
        {
            "id": token.c.id,
            "uuid": token.c.uuid,
            "url": summaries.url("tokens", token.c.id),
            "name": token.c.name,
            "scope": token.c.scope,
            "created": token.c.created,
            "expires": token.c.expires,
            "last_used": token.c.last_used,
            "user": summaries.user(token.c.user_id),
            "revoked_at": token.c.revoked_at,
        }
    )


TOKENS = Resource(
    schema.tokens,
    shape,
    Listing(
        schema.tokens,
        {
            "name": filters.text("name", "name"),
            "user": filters.username("user", lambda token: token.c.user_id),
        },
        ("created", "name"),
        default="created",
    ),
)


def is_usable(token: Row, now: Instant) -> bool:
    """Whether a token, as `TOKENS` shows it, is neither revoked nor expired."""
    return not token["revoked_at"] and (token["expires"] is None or token["expires"] > now)


def token_for_change(tx: Tx, actor: Actor, key: str) -> Row:
    """The row of a token that the actor may revoke. Raises NotFound, Forbidden."""
    row = TOKENS.row_for_change(tx, actor, key)
    actor.require_admin_scope()
    return row


def new_secret() -> str:
    """A new secret: `gr_`, 36 random characters (214 bits), and their checksum."""
    random = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{_PREFIX}{random}{_checksum(random)}"


def _checksum(text: str) -> str:
    """The CRC-32 of a text in base 62, as six characters."""
    left, digits = zlib.crc32(text.encode("ascii")), ""
    for _ in range(_CHECKSUM):
        left, digit = divmod(left, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def may_be_token(secret: str) -> bool:
    """Whether a text has the form and the checksum of a token's secret. Older tokens have none."""
    if _FORM.fullmatch(secret):
        text = secret.removeprefix(_PREFIX)
        return _checksum(text[:_RANDOM]) == text[_RANDOM:]
    return _EARLIER_FORM.fullmatch(secret) is not None


def digest(secret: str) -> str:
    """What is stored of the secret of a token or session."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def record_use(tx: Tx, token_id: int) -> None:
    """Record that a token was used in this hour."""
    tx.update(schema.tokens, {"id": token_id}, last_used=clock.hour_of(tx.now))


def create_token(tx: Tx, actor: Actor, body: NewToken) -> tuple[int, str]:
    """Create a token of the actor; return its id and its secret, which is not stored.

    Raises BadRequest, Forbidden (a wider scope or a later expiry than those of the actor's token).
    """
    actor.require_admin_scope()
    return insert_token(tx, actor, actor.user_id, body)


def insert_token(tx: Tx, actor: Actor, user_id: int, body: NewToken) -> tuple[int, str]:
    """Create a token of a user; return its id and secret. Raises BadRequest, Forbidden."""
    faults = Faults()
    wrong = "A token cannot create a token with a wider scope or a later expiry than its own."
    if SCOPES.index(body.scope) > SCOPES.index(actor.scope):
        faults.add(forbidden_field("scope", wrong, code="scope_insufficient"))
    expires = None
    with faults.noted():
        expires = None if body.expires is None else decode.instant("expires", body.expires)
        if actor.token_expires is not None and (expires is None or expires > actor.token_expires):
            raise forbidden_field("expires", wrong, code="scope_insufficient")
        if expires is not None and expires <= tx.now:
            raise field_problem("expires", "must be in the future")
    faults.report()
    secret = new_secret()
    values = {"name": decode.label("name", body.name), "scope": body.scope, "expires": expires}
    token_id = tx.insert(
        schema.tokens,
        uuid=mutations.new_uuid(),
        user_id=user_id,
        sha256=digest(secret),
        created=tx.now,
        **values,
    )
    created = audit.created({**values, "user": user_id})
    audit.record(tx, actor, "token:create", schema.tokens, token_id, created)
    security_log.record(
        tx,
        "token:create",
        actor,
        token=token_id,
        user=user_id,
        scope=body.scope,
        expires=expires,
    )
    return token_id, secret


def revoke_token(tx: Tx, actor: Actor, row: Row) -> None:
    """Revoke a token at once and for good. Does nothing for a token that is revoked already."""
    if row["revoked_at"] is not None:
        return
    tx.update(schema.tokens, {"id": row["id"]}, revoked_at=tx.now)
    revoked = {"revoked_at": {"before": None, "after": tx.now}}
    audit.record(tx, actor, "token:revoke", schema.tokens, row["id"], revoked)
    security_log.record(tx, "token:revoke", actor, token=row["id"], user=row["user_id"])
