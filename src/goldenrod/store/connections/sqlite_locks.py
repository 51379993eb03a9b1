"""Waiting for another process that holds a lock on a SQLite file.

SQLite by itself looks less and less often, in the end every tenth of a second. A process that makes
change after change would hardly ever let another in.
"""

import sqlite3
import time

BUSY_TIMEOUT_MS = 5_000
"""How long a SQLite writer waits for another before it answers 503."""
LOOK_AGAIN_S = 0.001


def begin_change(connection: sqlite3.Connection, wait_ms: int) -> None:
    """Begin a change as soon as no other process is making one; raises SQLITE_BUSY after so long."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        _when_free(connection, "BEGIN IMMEDIATE", wait_ms)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


def use_wal(connection: sqlite3.Connection) -> None:
    """Set the journal to WAL, which stays with the file.

    SQLite does not wait, whatever the busy timeout, where others do the same to a new file.
    """
    _when_free(connection, "PRAGMA journal_mode = WAL", BUSY_TIMEOUT_MS)


def _when_free(connection: sqlite3.Connection, statement: str, wait_ms: int) -> None:
    ends = time.monotonic() + wait_ms / 1000
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= ends:
                raise
        time.sleep(LOOK_AGAIN_S)


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's code of an error, without what says more about it."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
