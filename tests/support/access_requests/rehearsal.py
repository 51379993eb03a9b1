"""A database on which each change is answered and then undone, so that every change starts with the
same things."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from goldenrod.store.db import Database, Tx


class Rehearsal(Database):
    """A catalogue in which a change is made, answered, and then undone."""

    @contextmanager
    def write(self, *, wait: bool = True) -> Iterator[Tx]:
        with _undone(super().write(wait=wait)) as tx:
            yield tx

    @contextmanager
    def write_unversioned(self, *, wait: bool = True) -> Iterator[Tx]:
        with _undone(super().write_unversioned(wait=wait)) as tx:
            yield tx


@contextmanager
def _undone(change: AbstractContextManager[Tx]) -> Iterator[Tx]:
    try:
        with change as tx:
            yield tx
            raise Undone
    except Undone:
        pass


class Undone(Exception):
    """Raised to leave a transaction without its changes."""
