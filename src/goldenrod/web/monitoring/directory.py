"""The directory in which the workers of one server count: made when it starts, removed when it ends.

The main process and its workers have a lock on a file in it. A directory that nobody has locked belongs
to a server that was killed; the next server removes it.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "goldenrod-metrics-"
_LOCK = "in-use"


@contextmanager
def metrics_directory() -> Iterator[str]:
    """A new directory, which only this user can read."""
    _remove_left()
    directory = tempfile.mkdtemp(prefix=_PREFIX)
    lock = _locked(Path(directory))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _locked(directory: Path) -> int | None:
    """A descriptor of the directory's lock; None where another server has it."""
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _remove_left() -> None:
    """Remove the directories of servers that were killed."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            # One without a lock is being made at this moment, or is not ours.
            mine = directory.stat(follow_symlinks=False).st_uid == os.getuid()
            if not mine or not (directory / _LOCK).exists():
                continue
            lock = _locked(directory)
            if lock is not None:
                shutil.rmtree(directory, ignore_errors=True)
                os.close(lock)
