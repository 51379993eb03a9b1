"""Signing in with a password, and the limits on failed attempts.

An unknown username takes as long as a wrong password and gets the same answer. Failures are counted
in the database, so that all processes share the counts: per username and address together, and per
address. So failures from one address never lock an account for other addresses. An IPv6 address
counts by its /64 network, because a client can use every address of it.
"""

import hashlib
from functools import cache
from typing import Any

from sqlalchemy import Integer, or_, select, text

from goldenrod.base import clock
from goldenrod.base.clock import Instant
from goldenrod.base.errors import TooManyRequests, Unauthorized
from goldenrod.base.network import limit_key
from goldenrod.base.text import sought_key
from goldenrod.catalogue.accounts import password_hashing
from goldenrod.store import schema
from goldenrod.store.db import Row, Tx
from goldenrod.store.sql import Moment, Sortable, param

WINDOW_MINUTES = 15
"""Failures are counted for this long from the first one."""
MOST_BY_ACCOUNT = 5
"""Failures with one username from one address in a window."""
MOST_BY_ADDRESS = 30
"""Failures from one address in a window, with any username."""


@cache
def _nobody() -> str:
    """The hash that is verified for an unknown username."""
    return password_hashing.HASHER.hash("an account that does not exist")


def _buckets(username: str, address: str) -> list[tuple[str, int]]:
    def digest(*parts: str) -> str:
        return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()

    client = limit_key(address)
    account = digest("account", sought_key(username) or "", client)
    return [(account, MOST_BY_ACCOUNT), (digest("address", client), MOST_BY_ADDRESS)]


def _count() -> Any:
    # One statement, so that of many attempts at once each is counted.
    counted = text(
        "INSERT INTO sign_in_failures (bucket, since, failures) VALUES (:bucket, :since, 1) "
        "ON CONFLICT (bucket) DO UPDATE SET failures = sign_in_failures.failures + 1 "
        "RETURNING since, failures"
    )
    return counted.bindparams(param("since", Moment)).columns(since=Moment, failures=Integer)


def _uncount() -> Any:
    table = schema.sign_in_failures
    fewer = table.update().values(failures=table.c.failures - 1)
    return fewer.where(table.c.bucket == param("bucket"), table.c.failures > 0)


def _old() -> Any:
    table = schema.sign_in_failures
    # One that is to come was counted before the clock was set back.
    wrong = or_(table.c.since <= param("until", Moment), table.c.since > param("future", Moment))
    return table.delete().where(wrong)


def attempt(tx: Tx, username: str, address: str) -> None:
    """Count an attempt as a failure, which `succeeded` takes back: so many attempts at once cannot pass
    the limit together. Raises TooManyRequests."""
    until, future = (clock.later(tx.now, minutes=m) for m in (-WINDOW_MINUTES, WINDOW_MINUTES))
    tx.change(_old, until=until, future=future)
    for bucket, most in _buckets(username, address):
        row = tx.first(_count, bucket=bucket, since=tx.now)
        assert row is not None
        if row["failures"] > most:
            wait = _seconds_left(tx.now, row["since"])
            raise TooManyRequests(
                f"Too many failed sign-ins. Try again in {wait} seconds.",
                retry_after=wait,
            )


def _seconds_left(now: Instant, since: Instant) -> int:
    over = clock.to_datetime(since).timestamp() + WINDOW_MINUTES * 60
    return max(1, round(over - clock.to_datetime(now).timestamp()))


def succeeded(tx: Tx, username: str, address: str) -> None:
    """Forget the failures with this username from this address, and uncount this attempt for the
    address."""
    (account, _), (anywhere, _) = _buckets(username, address)
    tx.delete(schema.sign_in_failures, bucket=account)
    tx.change(_uncount, bucket=anywhere)


def _account(lock: bool = False) -> Any:
    user, group = schema.users.alias(), schema.groups.alias()
    found = (
        select(user.c.id, user.c.password_hash)
        .select_from(user.join(group, group.c.personal_of == user.c.id))
        .where(group.c.name_key == param("named", Sortable), user.c.active)
    )
    return found.with_for_update(read=True, of=user) if lock else found


def find_account(tx: Tx, username: str) -> Row | None:
    """The id and password hash of an active user; None for any other name."""
    return tx.first(_account, named=sought_key(username))


def verify(account: Row | None, password: str) -> int:
    """The user's id, if this is their password. Takes the same time for an unknown account.

    Slow on purpose: call it outside of any transaction, within `password_hashing.TURNS.take()`.
    Raises Unauthorized.
    """
    password_hash = account["password_hash"] if account else None
    matches = password_hashing.matches(password_hash or _nobody(), password)
    if account is None or password_hash is None or not matches:
        raise _refused()
    return int(account["id"])


def require_unchanged(tx: Tx, username: str, account: Row | None) -> None:
    """Raise Unauthorized where the account was disabled or its password changed since it was read.

    Locks the user until the transaction ends. So a later change of either ends this session too.
    """
    if tx.first(_account, True, named=sought_key(username)) != account:
        raise _refused()


def _refused() -> Unauthorized:
    return Unauthorized("Wrong username or password.", code="sign_in_failed")
