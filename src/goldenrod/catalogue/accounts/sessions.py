"""Sessions: how a browser says who it is, on pages only.

The cookie holds a secret; only its SHA-256 is kept. A session carries its user's full rights, ends
when it expires, when it is signed out, when the user is disabled, and when their password changes.
Nothing here touches the catalogue's revision: no reader of the catalogue sees sessions.
"""

import secrets
from typing import Any, NamedTuple

from sqlalchemy import select

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.errors import NotFound
from goldenrod.catalogue.accounts import tokens
from goldenrod.rules.access import NOW, Actor
from goldenrod.rules.changes import mutations, security_log
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import is_uuid
from goldenrod.store.sql import Key, param


class Session(NamedTuple):
    """A session that holds: which one, and the hour in which it was last seen."""

    uuid: str
    last_seen: Instant


def create_session(tx: Tx, user_id: int, days: int, browser: str | None = None) -> str:
    """Make a session of so many days for a user who has just signed in with `browser`; its secret,
    which is kept nowhere. Sessions that are over are forgotten."""
    tx.change(_over, now=tx.now)
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


def _over() -> Any:
    return schema.sessions.delete().where(schema.sessions.c.expires <= NOW)


def note_use(tx: Tx, session: Session) -> None:
    """Keep that a session was seen in this hour."""
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


def list_sessions(tx: Tx, actor: Actor) -> list[Row]:
    """The actor's own sessions that hold, the newest first."""
    return tx.rows(_own, me=actor.user_id, now=tx.now)


def end_session(tx: Tx, actor: Actor, uuid: str) -> None:
    """Sign one of the actor's own browsers out. Raises NotFound."""
    key = uuid.lower()
    if not is_uuid(uuid) or not tx.delete(schema.sessions, uuid=key, user_id=actor.user_id):
        raise NotFound()
    security_log.record(tx, "session:end", actor, sessions=1)


def end_all_sessions(tx: Tx, actor: Actor) -> int:
    """Sign the actor out everywhere; how many browsers that was."""
    ended = tx.delete(schema.sessions, user_id=actor.user_id)
    security_log.record(tx, "session:end", actor, sessions=ended)
    return ended
