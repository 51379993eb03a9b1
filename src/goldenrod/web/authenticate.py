"""Who asks: from a request's Authorization header to an `Actor`.

A header that is not one valid token (wrong, expired, revoked, another scheme, empty, twice) is 401
everywhere, never treated as anonymous. No header is the anonymous.
"""

import re
from contextlib import suppress
from typing import Any

import falcon

from goldenrod.base.config import Settings
from goldenrod.base.errors import (
    BadRequest,
    Problem,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from goldenrod.base.network import Address, parse_address
from goldenrod.catalogue.accounts import password_hashing, password_sign_in, tokens, users
from goldenrod.rules.access import ANONYMOUS, Actor
from goldenrod.rules.changes import security_log
from goldenrod.store.db import Database, Row, Tx

_HEADER = re.compile(r"(?:token|bearer) +(?P<secret>[A-Za-z0-9._~+/=-]{1,512})", re.I | re.ASCII)


def identify(tx: Tx, header: str | None) -> tuple[Actor, bool]:
    """The actor that the Authorization header speaks for, and whether its use is to be noted.

    Raises Unauthorized.
    """
    if header is None:
        return ANONYMOUS, False
    read = _HEADER.fullmatch(header.strip())
    found = read and tokens.find_actor(tx, read["secret"])
    if not found:
        raise Unauthorized(
            "The Authorization header is not one valid token: it may be wrong, expired or revoked. "
            "Send Authorization: Token <secret>, or none at all.",
            code="token_invalid",
        )
    actor, last_used = found
    return actor, last_used != tokens.hour_of(tx.now)


def note_use(db: Database, actor: Actor) -> None:
    """Keep that the actor's token was used this hour, outside the catalogue's revision."""
    # A reader does not wait for a writer; the next use will be noted.
    with suppress(Unavailable), db.write_unversioned(wait=False) as tx:
        tokens.note_use(tx, actor.token_id)


def check_password(db: Database, username: str, password: str, address: str) -> Row:
    """The account that a username and password fit. What fails counts against the account and the
    address; what finds the server busy does not. Raises Unauthorized, TooManyRequests, Unavailable.
    """
    try:
        with password_hashing.TURNS.take():
            with db.write_unversioned() as tx:
                password_sign_in.attempt(tx, username, address)
                account = password_sign_in.find_account(tx, username)
            password_sign_in.verify(account, password)
    except (Unauthorized, TooManyRequests) as problem:
        _note_failure(db, username, address, problem)
        raise
    assert account is not None
    with db.write_unversioned() as tx:
        password_sign_in.succeeded(tx, username, address)
        tx.address = address
        security_log.record(tx, "sign_in:success", user_id=account["id"], by="password")
    return account


def _note_failure(db: Database, username: str, address: str, problem: Problem) -> None:
    """Record a sign-in that failed. A name that is nobody's is not kept: it may be a password that
    was typed into the wrong field."""
    limited = isinstance(problem, TooManyRequests)
    with suppress(Unavailable), db.write_unversioned() as tx:
        tx.address = address
        user_id = users.find_user(tx, username)
        detail: dict[str, Any] = {"by": "password"}
        if user_id is None:
            detail["reason"] = "unknown user"
        kind = "sign_in:limited" if limited else "sign_in:failure"
        security_log.record(tx, kind, user_id=user_id, alike=("password",), **detail)


def client_address(req: falcon.Request, settings: Settings) -> str:
    """The address a request came from, in its canonical form (`base/network.py`).

    X-Forwarded-For counts only behind a trusted proxy. It is read from the right: the first address
    that is no trusted proxy is the client's. Raises BadRequest where a trusted proxy sent something
    that is no address: a client of unknown address would be subject to no limit of its own.
    """
    address = parse_address(req.remote_addr)
    header = req.get_header("X-Forwarded-For") or ""
    forwarded = [entry for part in header.split(",") if (entry := part.strip())]
    while forwarded and address is not None and _trusted(address, settings):
        entry = forwarded.pop()
        address = parse_address(entry)
        if address is None:
            raise BadRequest(
                f"X-Forwarded-For holds {entry[:80]!r}, which is not an IP address. The proxy in "
                "front of this server must be set to send the client's address.",
                code="request_invalid",
            )
    return str(address or req.remote_addr[:64])


def _trusted(address: Address, settings: Settings) -> bool:
    return any(address in network for network in settings.trusted_proxies)
