"""Accounts at an OpenID Connect provider, each linked to one user.

An account is identified by its issuer and its subject (the issuer's id of the account), never by a
name or an e-mail address: those may belong to somebody else. So the first sign-in creates a new user
with a free name. Staff link an account to an existing user, and unlink it.
"""

import secrets
import unicodedata
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from goldenrod.base import decode
from goldenrod.base.errors import Conflict, Forbidden, NotFound, field_problem
from goldenrod.base.text import is_uuid, is_visible, name_key, without_invisible
from goldenrod.base.wire import NewUser
from goldenrod.catalogue.accounts import actors, oidc_claims, users
from goldenrod.rules.access import CONSOLE, Actor
from goldenrod.rules.changes import audit, mutations
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Key, param

MOST_SUBJECT = 255
MOST_ISSUER = 2048
MOST_NUMBERED = 20
"""Names with a number below this are tried before names with random characters."""


def _known() -> Any:
    account, user = schema.oidc_accounts, schema.users.alias()
    # Locks the user until the transaction ends, so that disabling them ends the new session too.
    return (
        select(user.c.id, user.c.active)
        .select_from(account.join(user, user.c.id == account.c.user_id))
        .where(account.c.issuer == param("issuer"), account.c.subject == param("subject"))
        .with_for_update(read=True, of=user)
    )


def find_user(tx: Tx, issuer: str, subject: str) -> int | None:
    """The id of the user that an account is linked to; None for none. Raises Forbidden where the user
    is disabled."""
    row = tx.first(_known, issuer=issuer, subject=subject)
    if row is None:
        return None
    if not row["active"]:
        raise Forbidden(
            "Your user is disabled, so you cannot sign in. Ask staff to enable it.",
            code="user_disabled",
        )
    return int(row["id"])


def create_user(tx: Tx, issuer: str, subject: str, name: str) -> int:
    """Create a user for an account and link them; return the user's id. The username is the account's
    name, or a similar one that is free. An account that was linked meanwhile keeps its user."""
    existing = find_user(tx, issuer, subject)
    if existing is not None:
        return existing
    username = next(free for free in _names(name) if not users.is_taken(tx, free))
    created = users.create_user(tx, CONSOLE, NewUser(username=username))
    actor = actors.of_user(tx, int(created.key), "write")
    _insert(tx, actor, int(created.key), issuer, subject)
    return int(created.key)


def _names(given: str) -> Iterator[str]:
    """Usernames to try: the account's name, then with a number, then with random characters."""
    printable = "".join(
        c if unicodedata.category(c)[0] not in "CZ" else " " for c in without_invisible(given)
    )
    base = " ".join(printable.split())[:240].strip() or "user"
    # Normalising may leave nothing of a name, and marks alone are none.
    base = base if name_key(base) and is_visible(base) else "user"
    yield base
    for number in range(2, MOST_NUMBERED):
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


def _accounts_of() -> Any:
    account = schema.oidc_accounts
    return (
        select(account.c.uuid, account.c.issuer, account.c.subject, account.c.created)
        .where(account.c.user_id == param("user", Key))
        .order_by(account.c.id)
    )


def list_accounts(tx: Tx, actor: Actor, user_id: int) -> list[Row]:
    """A user's accounts, oldest first: for the user and for staff; empty for everybody else."""
    if not actor.has_staff_rights and actor.user_id != user_id:
        return []
    return tx.rows(_accounts_of, user=user_id)


def link(tx: Tx, actor: Actor, user: Row, issuer: str, subject: str) -> None:
    """Link an account to a user, who can sign in with it from now on.

    Raises BadRequest, Forbidden (staff only), Conflict (`oidc_account_taken`).
    """
    actor.require_staff()
    issuer, subject = decode.text("issuer", issuer.strip()), subject.strip()
    for field, text, most in (("issuer", issuer, MOST_ISSUER), ("subject", subject, MOST_SUBJECT)):
        if not text:
            raise field_problem(field, "is required")
        if len(text) > most:
            raise field_problem(field, f"must have at most {most} characters")
    taken = tx.first(_known, issuer=issuer, subject=subject)
    if taken:
        whose = "this user" if taken["id"] == user["id"] else "another user"
        raise Conflict(
            f"That account is already linked to {whose}. Unlink it there first.",
            code="oidc_account_taken",
        )
    _insert(tx, actor, user["id"], issuer, subject)


def unlink(tx: Tx, actor: Actor, user: Row, uuid: str) -> Row:
    """Unlink an account from a user and sign the user out everywhere; return the account. What claims
    gave the user is taken away, as no sign-in would do it later; another account's next sign-in gives
    it again.

    Raises Forbidden (staff only), NotFound.
    """
    actor.require_staff()
    found = [row for row in list_accounts(tx, actor, user["id"]) if row["uuid"] == uuid.lower()]
    if not is_uuid(uuid) or not found:
        raise NotFound()
    tx.delete(schema.oidc_accounts, uuid=uuid.lower())
    tx.delete(schema.sessions, user_id=user["id"])
    removed = {f: {"before": found[0][f], "after": None} for f in ("issuer", "subject")}
    audit.record(tx, actor, "user:unlink", schema.users, user["id"], removed)
    oidc_claims.apply(tx, user["id"], oidc_claims.NONE)
    return found[0]
