"""Reads the scopes of a source, several at once, and asks clouds for single machines by their ids."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from goldenrod.base import clock
from goldenrod.sources.found import Listed, Look, Presence, Source

Asked = tuple[str, str, str]
"""A scope, the source's name of a provider, and the identifier of a machine there."""


def read_all(
    source: Source, concurrency: int, progress: Callable[[int, int], None] | None = None
) -> list[Look]:
    """A look at each scope of the source. What a source raises is a failed look, too."""
    try:
        scopes, failed = source.scopes()
    except Exception as error:
        return [Look(scope="*", read_at=clock.now(), failed=_sentence(error))]
    scopes = list(dict.fromkeys(scopes))
    looks = list(failed)
    with ThreadPoolExecutor(max(1, concurrency), "sync") as threads:
        for done, look in enumerate(threads.map(lambda scope: _look(source, scope), scopes), 1):
            looks.append(look)
            if progress:
                progress(done, len(scopes))
    return looks


def _look(source: Source, scope: str) -> Look:
    try:
        look = source.look(scope)
    except Exception as error:
        return Look(scope=scope, read_at=clock.now(), failed=_sentence(error))
    rows = tuple(
        replace(row, machine=replace(row.machine, scope=scope))
        if isinstance(row, Listed) and row.machine.scope != scope
        else row
        for row in look.rows
    )
    return (
        look if look.scope == scope and rows == look.rows else replace(look, scope=scope, rows=rows)
    )


def ask_all(source: Source, asked: Iterable[Asked], concurrency: int) -> dict[Asked, Presence]:
    """What the cloud answers for each machine."""
    wanted = list(asked)
    if not wanted:
        return {}
    with ThreadPoolExecutor(max(1, concurrency), "sync") as threads:
        answers = threads.map(lambda one: _presence(source, one), wanted)
        return dict(zip(wanted, answers, strict=True))


def _presence(source: Source, asked: Asked) -> Presence:
    try:
        return source.presence(*asked)
    except Exception:
        return "unknown"


def _sentence(error: Exception) -> str:
    # Not its text: an unexpected exception may contain credentials.
    return f"it could not be read: {type(error).__name__}, an unexpected error of this source"
