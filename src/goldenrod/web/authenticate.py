"""Authentication: the `Actor` of a request, from its Authorization header or a password.

A request without the header is anonymous. A header that is not exactly one valid token is answered
401 everywhere, never treated as anonymous.
"""

import base64
import re
from contextlib import suppress
from typing import Any

from goldenrod.base import clock
from goldenrod.base.errors import (
    Problem,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from goldenrod.catalogue.accounts import actors, password_hashing, password_sign_in, tokens, users
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.rules.changes import security_log
from goldenrod.store.db import Database, Row, Tx
from goldenrod.web.monitoring.counts import COUNTS, SIGN_INS

_HEADER = re.compile(r"(?:token|bearer) +(?P<secret>[A-Za-z0-9._~+/=-]{1,512})", re.I | re.ASCII)


def from_basic(header: str) -> str:
    """The header with the password of HTTP Basic as its token, whatever the username; any other header
    as it is. Only where a program can send nothing else, such as Terraform's backend `http`."""
    scheme, _, given = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return header
    try:
        _, _, secret = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except ValueError:
        return header
    return f"Token {secret}"


def identify(tx: Tx, header: str | None) -> tuple[Actor, bool]:
    """The actor of an Authorization header, and whether the use of its token must be recorded.

    Raises Unauthorized.
    """
    if header is None:
        return ANONYMOUS, False
    match = _HEADER.fullmatch(header.strip())
    found = match and actors.of_token(tx, match["secret"])
    if not found:
        raise Unauthorized(
            "The Authorization header has no valid token: it may be wrong, expired or revoked. "
            "Send Authorization: Token <secret>, or no such header.",
            code="token_invalid",
        )
    actor, last_used = found
    return actor, last_used != clock.hour_of(tx.now)


def record_token_use(db: Database, actor: Actor) -> None:
    """Record that the actor's token was used in this hour."""
    # A reader does not wait for a writer; the next use is recorded.
    with suppress(Unavailable), db.write_unversioned(wait=False) as tx:
        tokens.record_use(tx, actor.token_id)


def check_password(
    db: Database, username: str, password: str, address: str, *, by: str = "password"
) -> Row:
    """The account with this username and password. Each failure counts towards the limits of
    `password_sign_in`. The security log says what the password was given for: `by`. Raises
    Unauthorized, TooManyRequests, Unavailable.
    """
    try:
        with password_hashing.TURNS.take():
            with db.write_unversioned() as tx:
                password_sign_in.attempt(tx, username, address)
                account = password_sign_in.find_account(tx, username)
            password_sign_in.verify(account, password)
    except (Unauthorized, TooManyRequests) as problem:
        _record_failure(db, username, address, problem, by)
        raise
    assert account is not None
    with db.write_unversioned() as tx:
        password_sign_in.succeeded(tx, username, address)
        tx.address = address
        security_log.record(tx, "sign_in:success", user_id=account["id"], by=by)
    return account


def _record_failure(db: Database, username: str, address: str, problem: Problem, by: str) -> None:
    """Record a failed sign-in. An unknown username is not recorded: it may be a password that was typed
    into the wrong field."""
    limited = isinstance(problem, TooManyRequests)
    COUNTS.add(SIGN_INS, by, "limited" if limited else "failure")
    with suppress(Unavailable), db.write_unversioned() as tx:
        tx.address = address
        user_id = users.find_user(tx, username)
        detail: dict[str, Any] = {"by": by}
        if user_id is None:
            detail["reason"] = "unknown user"
        kind = "sign_in:limited" if limited else "sign_in:failure"
        security_log.record(tx, kind, user_id=user_id, alike=("password",), **detail)
