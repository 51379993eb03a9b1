"""Accounts at an OpenID Connect provider, and which user here each one is.

An account is known by its issuer and the issuer's own id of it (the subject), never by a name or an
e-mail address: who has the same name as a user here is somebody else until staff say otherwise. So a
first sign-in makes a new user, whose name is a free one; staff link an account to a user who is here
already, and take the link away again.
"""

import secrets
import unicodedata
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from goldenrod.base import decode
from goldenrod.base.errors import Conflict, Forbidden, NotFound, field_problem
from goldenrod.base.text import name_key
from goldenrod.base.wire import NewUser
from goldenrod.catalogue.accounts import tokens, users
from goldenrod.rules.access import CONSOLE, Actor
from goldenrod.rules.changes import audit, mutations
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.paging import is_uuid
from goldenrod.store.sql import Key, param

MOST_SUBJECT = 255
MOST_ISSUER = 2048
NUMBERED = 20
"""So many names with a number are tried before one with random characters."""


def _known() -> Any:
    account, user = schema.oidc_accounts, schema.users.alias()
    # Held until the transaction ends: who is disabled meanwhile is signed out afterwards.
    return (
        select(user.c.id, user.c.active)
        .select_from(account.join(user, user.c.id == account.c.user_id))
        .where(account.c.issuer == param("issuer"), account.c.subject == param("subject"))
        .with_for_update(read=True, of=user)
    )


def find_user(tx: Tx, issuer: str, subject: str) -> int | None:
    """The id of the user that an account is; None for one that is nobody's. Raises Forbidden where
    the user is disabled."""
    row = tx.first(_known, issuer=issuer, subject=subject)
    if row is None:
        return None
    if not row["active"]:
        raise Forbidden(
            "Your user here is disabled: you cannot sign in. Ask staff.", code="user_disabled"
        )
    return int(row["id"])


def create_user(tx: Tx, issuer: str, subject: str, name: str) -> int:
    """Make the user that an account is from now on, named like it or, where that is taken, nearly
    so; the id. Who came first in a race stays."""
    known = find_user(tx, issuer, subject)
    if known is not None:
        return known
    username = next(free for free in _names(name) if not users.is_taken(tx, free))
    made = users.create_user(tx, CONSOLE, NewUser(username=username))
    actor = tokens.actor_of_user(tx, int(made.key), "write")
    _insert(tx, actor, int(made.key), issuer, subject)
    return int(made.key)


def _names(given: str) -> Iterator[str]:
    """What an account might be called here: its own name, then with a number, then at random."""
    kept = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in given)
    base = " ".join(kept.split())[:240].strip() or "user"
    # A name of compatibility characters may come to nothing.
    base = base if name_key(base) else "user"
    yield base
    for number in range(2, NUMBERED):
        yield f"{base}-{number}"
    while True:
        yield f"{base}-{secrets.token_hex(4)}"


def _insert(tx: Tx, actor: Actor, user_id: int, issuer: str, subject: str) -> None:
    tx.insert(
        schema.oidc_accounts,
        uuid=mutations.new_uuid(),
        user_id=user_id,
        issuer=issuer,
        subject=subject,
        created=tx.now,
    )
    linked = audit.created({"issuer": issuer, "subject": subject})
    audit.record(tx, actor, "user:link", schema.users, user_id, linked)


def _of_user() -> Any:
    account = schema.oidc_accounts
    return (
        select(account.c.uuid, account.c.issuer, account.c.subject, account.c.created)
        .where(account.c.user_id == param("user", Key))
        .order_by(account.c.id)
    )


def list_accounts(tx: Tx, actor: Actor, user_id: int) -> list[Row]:
    """A user's accounts, oldest first; staff see everybody's, others their own."""
    if not actor.has_staff_rights and actor.user_id != user_id:
        return []
    return tx.rows(_of_user, user=user_id)


def link(tx: Tx, actor: Actor, user: Row, issuer: str, subject: str) -> None:
    """Have an account be this user from now on.

    Raises BadRequest, Forbidden (staff only), Conflict (`oidc_account_taken`).
    """
    actor.require_staff()
    issuer, subject = decode.text("issuer", issuer.strip()), subject.strip()
    for field, text, most in (("issuer", issuer, MOST_ISSUER), ("subject", subject, MOST_SUBJECT)):
        if not text:
            raise field_problem(field, "is required")
        if len(text) > most:
            raise field_problem(field, f"has at most {most} characters")
    taken = tx.first(_known, issuer=issuer, subject=subject)
    if taken:
        whose = "this user's" if taken["id"] == user["id"] else "another user's"
        raise Conflict(
            f"That account is {whose} already. Unlink it there first.", code="oidc_account_taken"
        )
    _insert(tx, actor, user["id"], issuer, subject)


def unlink(tx: Tx, actor: Actor, user: Row, uuid: str) -> Row:
    """Take an account from a user, who is signed out everywhere; what it was.

    Raises Forbidden (staff only), NotFound.
    """
    actor.require_staff()
    [*found] = [row for row in list_accounts(tx, actor, user["id"]) if row["uuid"] == uuid.lower()]
    if not is_uuid(uuid) or not found:
        raise NotFound()
    tx.delete(schema.oidc_accounts, uuid=uuid.lower())
    tx.delete(schema.sessions, user_id=user["id"])
    removed = {f: {"before": found[0][f], "after": None} for f in ("issuer", "subject")}
    audit.record(tx, actor, "user:unlink", schema.users, user["id"], removed)
    return found[0]
