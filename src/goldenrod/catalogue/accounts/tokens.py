"""Tokens: how programs, and people through them, say who they are.

The secret is shown once; only its SHA-256 is kept. It ends with a checksum, so that scanners for
leaked secrets know it from other texts, and so that a mistyped one costs no statement. A token
narrows: its scope says what of its user's rights it carries, and it makes no token with a scope it
lacks or a later expiry.
"""

import hashlib
import json
import re
import secrets
import string
import zlib
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, select

from goldenrod.base import decode
from goldenrod.base.clock import Instant
from goldenrod.base.errors import Forbidden, field_problem
from goldenrod.base.wire import NewToken
from goldenrod.rules import filters, resources, summaries
from goldenrod.rules.access import NOW, Actor, ReaderKind
from goldenrod.rules.changes import audit, mutations, security_log
from goldenrod.rules.resources import Resource
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import Listing
from goldenrod.store.sql import Key, json_list, json_object, json_text, param

SCOPES = ("read", "write", "admin")
"""Each holds the ones before."""
_PREFIX = "gr_"
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = 36
_CHECKSUM = 6
_FORM = re.compile(r"gr_[0-9A-Za-z]{42}", re.ASCII)
"""`docs/access.md` has it for secret scanners."""
_EARLIER_FORM = re.compile(r"gr_[0-9A-Za-z_-]{43}", re.ASCII)
"""Of tokens without a checksum, which were made before there was one."""


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


def token_for_change(tx: Tx, actor: Actor, key: str) -> Row:
    """The row of a token that the actor may revoke. Raises NotFound, Forbidden."""
    row = resources.take(tx, actor, schema.tokens, key)
    actor.require_admin_scope()
    return row


def new_secret() -> str:
    """`gr_`, 36 random characters (214 bits), and the checksum of these."""
    chosen = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{_PREFIX}{chosen}{_checksum(chosen)}"


def _checksum(text: str) -> str:
    """The CRC-32 of a text in base 62, as six characters."""
    left, digits = zlib.crc32(text.encode("ascii")), ""
    for _ in range(_CHECKSUM):
        left, digit = divmod(left, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def may_be_token(secret: str) -> bool:
    """The text has the form of a token's secret, and its checksum where it must have one."""
    if _FORM.fullmatch(secret):
        text = secret.removeprefix(_PREFIX)
        return _checksum(text[:_RANDOM]) == text[_RANDOM:]
    return _EARLIER_FORM.fullmatch(secret) is not None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _ints(query: Any, *of: FromClause) -> ColumnElement[str]:
    return json_text(json_list(query, *of))


def who_columns(user: FromClause) -> list[ColumnElement[Any]]:
    """What `actor_of` makes an actor of: a user with groups and providers."""
    member, identity = schema.group_users.alias(), schema.identities.alias()
    groups = select(member.c.group_id).where(member.c.user_id == user.c.id)
    providers = select(identity.c.provider_id).where(identity.c.user_id == user.c.id)
    return [
        user.c.id,
        user.c.username,
        user.c.is_staff,
        _ints(groups, user).label("groups"),
        _ints(providers, user).label("providers"),
    ]


def _who(by: str) -> Any:
    """A user with groups and providers, found by a token's digest (`token`) or own id (`user`)."""
    user, token = schema.users.alias(), schema.tokens.alias()
    columns = who_columns(user)
    if by == "user":
        return select(*columns).where(user.c.id == param("user", Key), user.c.active)
    valid = and_(
        token.c.sha256 == param("sha256"),
        token.c.revoked_at.is_(None),
        (token.c.expires.is_(None)) | (token.c.expires > NOW),
    )
    return (
        select(
            *columns,
            token.c.id.label("token_id"),
            token.c.scope,
            token.c.expires,
            token.c.last_used,
        )
        .select_from(token.join(user, user.c.id == token.c.user_id))
        .where(valid, user.c.active)
    )


def find_actor(tx: Tx, secret: str) -> tuple[Actor, Instant | None] | None:
    """Who a valid token speaks for, with when it was last used; None for any other secret."""
    if not may_be_token(secret):
        return None
    row = tx.first(_who, "token", sha256=_digest(secret), now=tx.now)
    if row is None:
        return None
    actor = actor_of(row, row["scope"], row["token_id"], row["expires"])
    return actor, row["last_used"]


def actor_of_user(tx: Tx, user_id: int, scope: Any) -> Actor:
    """An active user with this scope, as after signing in with a password."""
    row = tx.first(_who, "user", user=user_id)
    assert row is not None
    return actor_of(row, scope)


def actor_of(row: Row, scope: Any, token_id: int = 0, expires: str | None = None) -> Actor:
    """The actor that a row of `who_columns` is."""
    return Actor(
        kind="user",
        user_id=row["id"],
        username=row["username"],
        staff=row["is_staff"],
        scope=scope,
        groups=tuple(json.loads(row["groups"])),
        providers=tuple(set(json.loads(row["providers"]))),
        token_id=token_id,
        token_expires=expires,
    )


def hour_of(instant: Instant) -> Instant:
    """The hour an instant lies in: all that is kept of a token's use."""
    return Instant(f"{instant[:13]}:00:00.000000Z")


def note_use(tx: Tx, token_id: int) -> None:
    """Keep that a token was used in this hour."""
    tx.update(schema.tokens, {"id": token_id}, last_used=hour_of(tx.now))


def create_token(tx: Tx, actor: Actor, body: NewToken) -> tuple[int, str]:
    """Make a token for the actor: its id, and its secret, which is kept nowhere.

    Raises BadRequest, Forbidden (a wider scope or a later expiry than the token that asks).
    """
    actor.require_admin_scope()
    return insert_token(tx, actor, actor.user_id, body)


def insert_token(tx: Tx, actor: Actor, user_id: int, body: NewToken) -> tuple[int, str]:
    """Make a token for a user: its id and secret. Raises BadRequest, Forbidden."""
    expires = None if body.expires is None else decode.instant("expires", body.expires)
    if SCOPES.index(body.scope) > SCOPES.index(actor.scope) or (
        actor.token_expires is not None and (expires is None or expires > actor.token_expires)
    ):
        raise Forbidden(
            "A token makes no token with a scope it lacks or a later expiry.",
            code="scope_insufficient",
        )
    if expires is not None and expires <= tx.now:
        raise field_problem("expires", "must be to come")
    secret = new_secret()
    values = {"name": body.name.strip(), "scope": body.scope, "expires": expires}
    token_id = tx.insert(
        schema.tokens,
        uuid=mutations.new_uuid(),
        user_id=user_id,
        sha256=_digest(secret),
        created=tx.now,
        **values,
    )
    made = audit.made({**values, "user": user_id})
    audit.record(tx, actor, "token:create", schema.tokens, token_id, made)
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
    """Revoke a token: it stops at once, for good. One revoked already stays as it is."""
    if row["revoked_at"] is not None:
        return
    tx.update(schema.tokens, {"id": row["id"]}, revoked_at=tx.now)
    revoked = {"revoked_at": {"before": None, "after": tx.now}}
    audit.record(tx, actor, "token:revoke", schema.tokens, row["id"], revoked)
    security_log.record(tx, "token:revoke", actor, token=row["id"], user=row["user_id"])
