"""Why a database cannot be used, as the problem that is answered.

Errors of a driver name files, hosts and statements: none of that is answered. Operators find it in the
log, and commands print it.
"""

import sqlite3

from goldenrod.base.errors import Unavailable

LATER_S = 30
"""Seconds after which a client may try again what needs an operator."""

_FULL = {"SQLITE_FULL", "53100"}
_READ_ONLY = {"SQLITE_READONLY", "25006"}
INTERNAL = frozenset({"25006", "25P03", "XX001", "XX002"})
"""What PostgreSQL reports as errors of a kind that are otherwise bugs: a database that only reads, a
transaction that was ended from outside, and damaged data."""


def unavailable(error: BaseException) -> Unavailable:
    """The problem for this error of a driver."""
    kind = getattr(error, "sqlstate", None)
    if isinstance(error, sqlite3.Error):
        kind = _PRIMARY.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF)
    if kind in _FULL:
        return Unavailable(
            "The disk of the database is full. Reading works; changing works again once its operator "
            "has made room.",
            code="database_full",
            retry_after=LATER_S,
        )
    if kind in _READ_ONLY:
        return Unavailable(
            "The database can only be read at the moment. Changing works again once its operator has "
            "allowed it.",
            code="database_read_only",
            retry_after=LATER_S,
        )
    return Unavailable(
        "The database is unavailable or busy. Try again in a moment.", code="database_unavailable"
    )


_PRIMARY = {
    sqlite3.SQLITE_FULL: "SQLITE_FULL",
    sqlite3.SQLITE_READONLY: "SQLITE_READONLY",
}
