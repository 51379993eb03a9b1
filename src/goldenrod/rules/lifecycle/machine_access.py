"""Machines of a version: which are listed, which may be launched, which may be told of once they run.

Each is asked with the version beside the machine; who reads a machine by itself is `access.py`'s.
"""

from sqlalchemy import FromClause, and_, exists, or_, true

from goldenrod.rules import access
from goldenrod.rules.access import NOW, Predicate, ReaderKind
from goldenrod.store import schema
from goldenrod.store.sql import in_list


def listed_in_version(
    machine: FromClause, provider: FromClause, reader: ReaderKind, version: FromClause | None = None
) -> Predicate:
    """A machine stands in its version's list: it is current, its provider active and current, and
    the reader may read it. Asked where the reader may read the version. (`version`: where it is at
    hand; elsewhere it is looked for.)"""
    shown = and_(access.current(machine), access.current(provider), provider.c.active)
    if reader is ReaderKind.STAFF:
        return shown
    opened: Predicate = provider.c.public
    if reader is ReaderKind.USER:
        opened = or_(
            opened,
            in_list(provider.c.id, "my_providers"),
            _kept(machine, reader) if version is None else access.edits_version(version, reader),
        )
    return and_(shown, opened)


def _kept(machine: FromClause, reader: ReaderKind) -> Predicate:
    version = schema.versions.alias()
    return exists().where(version.c.n == machine.c.version_n, access.edits_version(version, reader))


def launchable(
    machine: FromClause, version: FromClause, provider: FromClause, reader: ReaderKind
) -> Predicate:
    """The reader may launch the machine: they read it; it, its version, image and provider are
    current and the provider active. Asked where the reader may read the version."""
    return and_(listed_in_version(machine, provider, reader, version), access.open_now(version))


def found_running(
    machine: FromClause, version: FromClause, provider: FromClause, reader: ReaderKind
) -> Predicate:
    """Look-up may tell the reader of this machine: they keep its version, or they could read it at
    the last instant at which it, its version, image and provider were all current, with today's
    sharing. What was never current is its keepers' alone."""
    if reader is ReaderKind.STAFF:
        return true()
    started = and_(
        version.c.opens_at <= NOW, machine.c.start_date <= NOW, provider.c.start_date <= NOW
    )
    starts = (version.c.opens_at, machine.c.start_date, provider.c.start_date)
    overlapped = and_(
        *(start < version.c.closes_at for start in starts),
        *(
            or_(thing.c.end_date.is_(None), start < thing.c.end_date)
            for thing in (machine, provider)
            for start in starts
        ),
    )
    shared: Predicate = version.c.public
    opened: Predicate = provider.c.public
    kept: list[Predicate] = []
    if reader is ReaderKind.USER:
        shared = or_(shared, access.shared_with(version))
        opened = or_(opened, in_list(provider.c.id, "my_providers"))
        kept = [access.edits_version(version, reader)]
    return or_(*kept, and_(started, overlapped, shared, provider.c.active, opened))
