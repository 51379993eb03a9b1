"""Sessions of browsers that are signed in.

The browser's cookie has a secret, of which only the SHA-256 is stored. A session has all rights of
its user. It ends when it expires, at sign-out, and when the user is disabled or their password
changes. Sessions are no part of the catalogue, so changes to them do not change its revision.
"""

import secrets
from typing import Any, NamedTuple

from sqlalchemy import select

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.errors import NotFound
from goldenrod.base.text import is_uuid
from goldenrod.catalogue.accounts import tokens
from goldenrod.rules.access import NOW, Actor
from goldenrod.rules.changes import mutations, security_log
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Id, Key, param


class Session(NamedTuple):
    """A valid session, and the hour in which it was last used."""

    uuid: str
    last_seen: Instant


def create_session(tx: Tx, user_id: int, days: int, browser: str | None = None) -> str:
    """Create a session that expires after `days`, and return its secret, which is not stored. Expired
    sessions of all users are deleted."""
    tx.change(_expired, now=tx.now)
    secret = secrets.token_urlsafe(32)
    tx.insert(
        schema.sessions,
        uuid=mutations.new_uuid(),
        user_id=user_id,
        sha256=tokens.digest(secret),
        created=tx.now,
        last_seen=clock.hour_of(tx.now),
        expires=clock.later(tx.now, days=days),
        browser=browser,
        address=tx.address,
    )
    return secret


def _expired() -> Any:
    return schema.sessions.delete().where(schema.sessions.c.expires <= NOW)


def record_use(tx: Tx, session: Session) -> None:
    """Record that a session was used in this hour."""
    tx.update(schema.sessions, {"uuid": session.uuid}, last_seen=clock.hour_of(tx.now))


def _own() -> Any:
    session = schema.sessions
    return (
        select(
            session.c.uuid,
            session.c.created,
            session.c.last_seen,
            session.c.expires,
            session.c.browser,
            session.c.address,
        )
        .where(session.c.user_id == param("me", Key), session.c.expires > NOW)
        .order_by(session.c.created.desc(), session.c.id.desc())
    )


def _whose(actor: Actor, of: Row | None) -> int:
    """The id of the user whose sessions are meant: the actor, or the user `of` if the actor is staff.
    Raises Unauthorized, Forbidden."""
    if of is None or of["id"] == actor.user_id:
        return actor.user_id
    actor.require_staff()
    return int(of["id"])


def list_sessions(tx: Tx, actor: Actor, of: Row | None = None) -> list[Row]:
    """The valid sessions of the actor, or for staff of the user `of`, newest first."""
    return tx.rows(_own, me=_whose(actor, of), now=tx.now)


def end_session(tx: Tx, actor: Actor, uuid: str, of: Row | None = None) -> None:
    """End one session of the actor, or for staff of the user `of`. Raises NotFound."""
    key = uuid.lower()
    user_id = _whose(actor, of)
    if not is_uuid(uuid) or not tx.delete(schema.sessions, uuid=key, user_id=user_id):
        raise NotFound()
    _record_end(tx, actor, 1, of)


def _record_end(tx: Tx, actor: Actor, ended: int, of: Row | None) -> None:
    others = {"username": of["username"]} if of and of["id"] != actor.user_id else {}
    security_log.record(tx, "session:end", actor, sessions=ended, **others)


def _others() -> Any:
    session = schema.sessions
    return session.delete().where(
        session.c.user_id == param("me", Key), session.c.uuid != param("uuid", Id)
    )


def end_all_sessions(tx: Tx, actor: Actor, of: Row | None = None, *, but: str | None = None) -> int:
    """End all sessions of the actor, or for staff of the user `of`, except the one with the uuid `but`;
    return how many ended."""
    user_id = _whose(actor, of)
    if but is None:
        ended = tx.delete(schema.sessions, user_id=user_id)
    else:
        ended = tx.change(_others, me=user_id, uuid=but)
    _record_end(tx, actor, ended, of)
    return ended
