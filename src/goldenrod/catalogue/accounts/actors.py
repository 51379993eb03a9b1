"""Actors: who a token or a session speaks for.

An `Actor` is a user with their groups and providers, in a scope. One statement reads it.
"""

import json
from typing import Any

from sqlalchemy import ColumnElement, FromClause, select

from goldenrod.base.clock import Instant
from goldenrod.catalogue.accounts import tokens, users
from goldenrod.catalogue.accounts.sessions import Session
from goldenrod.rules.access import NOW, Actor
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, json_list, json_text, param


def _columns(user: FromClause) -> list[ColumnElement[Any]]:
    """What an actor is made of: a user, the ids of their groups and of the providers they use."""
    member, identity = schema.group_users.alias(), schema.identities.alias()
    groups = select(member.c.group_id).where(member.c.user_id == user.c.id)
    providers = select(identity.c.provider_id).where(identity.c.user_id == user.c.id)
    return [
        user.c.id,
        user.c.username,
        users.is_staff(user).label("is_staff"),
        json_text(json_list(groups, user)).label("groups"),
        json_text(json_list(providers, user)).label("providers"),
    ]


def _by_token() -> Any:
    user, token = schema.users.alias(), schema.tokens.alias()
    return (
        select(
            *_columns(user),
            token.c.id.label("token_id"),
            token.c.scope,
            token.c.expires,
            token.c.last_used,
        )
        .select_from(token.join(user, user.c.id == token.c.user_id))
        .where(
            token.c.sha256 == param("sha256"),
            token.c.revoked_at.is_(None),
            token.c.expires.is_(None) | (token.c.expires > NOW),
            user.c.active,
        )
    )


def _by_session() -> Any:
    user, session = schema.users.alias(), schema.sessions.alias()
    return (
        select(*_columns(user), session.c.uuid.label("session"), session.c.last_seen)
        .select_from(session.join(user, user.c.id == session.c.user_id))
        .where(session.c.sha256 == param("sha256"), session.c.expires > NOW, user.c.active)
    )


def _by_id() -> Any:
    user = schema.users.alias()
    return select(*_columns(user)).where(user.c.id == param("user", Key), user.c.active)


def of_token(tx: Tx, secret: str) -> tuple[Actor, Instant | None] | None:
    """The actor of a valid token, and when the token was last used; None for any other secret."""
    if not tokens.may_be_token(secret):
        return None
    row = tx.first(_by_token, sha256=tokens.digest(secret), now=tx.now)
    if row is None:
        return None
    return _actor(row, row["scope"], row["token_id"], row["expires"]), row["last_used"]


def of_session(tx: Tx, secret: str) -> tuple[Actor, Session] | None:
    """The actor of a valid session, with all rights of its user; None for any other secret."""
    row = tx.first(_by_session, sha256=tokens.digest(secret), now=tx.now)
    if row is None:
        return None
    return _actor(row, "admin"), Session(row["session"], row["last_seen"])


def of_user(tx: Tx, user_id: int, scope: Any) -> Actor:
    """An active user in this scope, without a token."""
    row = tx.first(_by_id, user=user_id)
    assert row is not None
    return _actor(row, scope)


def _actor(row: Row, scope: Any, token_id: int = 0, expires: str | None = None) -> Actor:
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
