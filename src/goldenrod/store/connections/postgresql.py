"""How PostgreSQL is connected to and committed to, where a lost server must not cause a wrong answer.

A URL may name several hosts. The driver tries them in order and takes the first that accepts writes.
A server that does not answer is given up after seconds, not after the minutes of TCP.

A commit is never cancelled. If its answer does not arrive, or arrives with a warning (PostgreSQL stops
waiting for its standbys that way), nobody knows whether the change is there: `OutcomeUnknown`.
"""

import os
import select
import socket
import time
from contextlib import suppress
from typing import Any

from goldenrod.base.errors import OutcomeUnknown, SettingError

COMMIT_WAIT_S = 10
"""How long a change waits for its commit, such as for a synchronous standby: shorter than clients and
proxies wait for an answer."""

_TCP = {
    "connect_timeout": "3",
    "tcp_user_timeout": "3000",
    "keepalives_idle": "3",
    "keepalives_interval": "1",
    "keepalives_count": "3",
}
"""Defaults of a connection that its URL may change: a host that vanished is noticed within seconds."""
_OPTIONS = "-c plan_cache_mode=force_generic_plan -c timezone=UTC -c jit=off -c work_mem=32MB"
"""PostgreSQL's own 4 MB do not hold the bitmap of a search that finds hundreds of thousands of
versions. Then it compares each row of the marked pages with all keys found, which takes minutes."""
_COMMIT = b"SET LOCAL statement_timeout = 0; COMMIT"
"""One message. Without the first statement, a timeout would cancel the wait for standbys."""
_NOT_COMMITTED = ("08", "57", "58", "XX")
"""Classes of errors that are about the server and not about the change: they do not say whether it was
committed."""


def conninfo(url: str, *, standby: bool = False) -> str:
    """The URL in the driver's form, with our defaults. Raises SettingError."""
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        given = conninfo_to_dict(url)
    except Error:
        # The reason could contain a part of the password.
        raise SettingError(
            "a PostgreSQL address looks like postgresql://user:password@host:5432/name, or with "
            "several hosts postgresql://user:password@host1:5432,host2:5432/name; a special character "
            "in it is written as % and its code, such as %40"
        ) from None
    defaults = dict(_TCP)
    if standby or has_several_hosts(given):
        defaults["target_session_attrs"] = "standby" if standby else "read-write"
    return make_conninfo("", **defaults | given)


def with_last(text: str, host: str, port: str) -> str:
    """The parameters of a connection with one of its hosts moved to the end: the others are tried
    first."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    given = conninfo_to_dict(text)
    hosts = str(given["host"]).split(",")
    ports = str(given.get("port") or "5432").split(",")
    pairs = list(zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=True))
    pairs.sort(key=(host, port).__eq__)
    return make_conninfo(
        text, host=",".join(one for one, _ in pairs), port=",".join(one for _, one in pairs)
    )


def has_several_hosts(given: dict[str, Any]) -> bool:
    """Whether these parameters of a connection name more than one host."""
    return "," in str(given.get("host") or given.get("hostaddr") or "")


LOCK_TIMEOUT_S = 5
"""How long a change waits for another before it is answered 503, where reads are limited."""
IDLE_TRANSACTION_S = 60
"""After how long the database ends a transaction whose server does nothing, where reads are limited: a
server that hangs must not stop the changes of all others."""


def connecting(*, prepare: bool, read_seconds: float | None = None) -> dict[str, Any]:
    """How connections are opened. `read_seconds`: how long a statement outside of changes may take; it
    is said once for each connection, because saying it in each transaction would cost a round trip.
    Without `prepare`, as a pooler in transaction mode needs it: no statement is prepared, and no
    setting is sent that the pooler would refuse, so the pooler has to limit statements."""
    if not prepare:
        return {"autocommit": True, "prepare_threshold": None}
    options = _OPTIONS
    if read_seconds is not None:
        limits = {
            "statement_timeout": read_seconds,
            "lock_timeout": LOCK_TIMEOUT_S,
            "idle_in_transaction_session_timeout": IDLE_TRANSACTION_S,
        }
        options += "".join(f" -c {name}={round(s * 1000)}" for name, s in limits.items())
    return {"autocommit": True, "prepare_threshold": 0, "options": options}


def connect(url: str) -> Any:
    """A connection in the driver's own mode, for migrations."""
    import psycopg

    return psycopg.connect(conninfo(url), prepare_threshold=None)


def set_time_zone(connection: Any) -> None:
    """Set what `connecting` could not send: a pooler keeps the time zone of each of its clients."""
    connection.execute("SET timezone = 'UTC'")


def commit(connection: Any) -> None:
    """Commit, and wait for the answer without ever cancelling. Raises OutcomeUnknown, or the driver's
    error where the database says that nothing was committed."""
    from psycopg import OperationalError
    from psycopg.errors import error_from_result
    from psycopg.pq import ConnStatus, ExecStatus

    warned: list[str] = []

    def note(diagnostic: Any) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            warned.append(diagnostic.severity_nonlocalized)

    if connection.pgconn.status != ConnStatus.OK:
        raise OperationalError("the connection was lost before the commit")
    connection.add_notice_handler(note)
    try:
        results = run(connection.pgconn, _COMMIT, COMMIT_WAIT_S)
    except (OperationalError, TimeoutError) as lost:
        raise _unknown() from lost
    finally:
        connection.remove_notice_handler(note)
    last = results[-1] if results else None
    if last is not None and last.status == ExecStatus.FATAL_ERROR:
        error = error_from_result(last)
        if error.sqlstate is not None and error.sqlstate[:2] not in _NOT_COMMITTED:
            raise error
        raise _unknown() from error
    tag = None if last is None else last.command_status
    if tag == b"ROLLBACK":
        raise OperationalError("the database rolled the change back")
    if tag != b"COMMIT" or warned:
        raise _unknown()


def run(pgconn: Any, text: bytes, seconds: float) -> list[Any]:
    """The results of a text, on libpq itself. Raises TimeoutError where they do not arrive in time: the
    connection must be closed then. Raises OperationalError where the connection is lost."""
    ends = time.monotonic() + seconds
    file = pgconn.socket
    pgconn.send_query(text)
    results: list[Any] = []
    while True:
        while (unsent := pgconn.flush()) or pgconn.is_busy():
            events = select.POLLIN | (select.POLLOUT if unsent else 0)
            poll = select.poll()
            poll.register(file, events)
            left = ends - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise TimeoutError("the database did not answer in time")
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            return results
        results.append(result)


def break_off(connection: Any) -> None:
    """End a connection under a thread that waits for its answer: the thread gets an error."""
    with suppress(Exception), socket.socket(fileno=os.dup(connection.pgconn.socket)) as shared:
        shared.shutdown(socket.SHUT_RDWR)


def _unknown() -> OutcomeUnknown:
    return OutcomeUnknown(
        "The connection to the database was lost while this change was being saved, so the change may "
        "have been made or not. Look before you repeat it, or repeat it with the same Idempotency-Key.",
        retry_after=2,
        code="outcome_unknown",
    )
