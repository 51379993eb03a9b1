"""Machines of a version: which a reader is shown, may launch, and may find by a running instance.

Each predicate is used in a statement that has the version as well. `access.py` has the rule for
reading a machine by itself.
"""

from sqlalchemy import FromClause, and_, exists, or_, true

from goldenrod.rules import access
from goldenrod.rules.access import NOW, Predicate, ReaderKind
from goldenrod.store import schema
from goldenrod.store.sql import in_list


def listed_in_version(
    machine: FromClause, provider: FromClause, reader: ReaderKind, version: FromClause | None = None
) -> Predicate:
    """A machine is in its version's list: it is current, its provider active and current, and the
    reader may read it. The reader must be able to read the version. Without `version`, the
    machine's version is looked up."""
    shown = and_(access.current(machine), access.current(provider), provider.c.active)
    if reader is ReaderKind.STAFF:
        return shown
    opened: Predicate = provider.c.public
    if reader is ReaderKind.USER:
        opened = or_(
            opened,
            in_list(provider.c.id, "my_providers"),
            _edits_version_of(machine, reader)
            if version is None
            else access.edits_version(version, reader),
        )
    return and_(shown, opened)


def _edits_version_of(machine: FromClause, reader: ReaderKind) -> Predicate:
    version = schema.versions.alias()
    return exists().where(version.c.n == machine.c.version_n, access.edits_version(version, reader))


def launchable(
    machine: FromClause, version: FromClause, provider: FromClause, reader: ReaderKind
) -> Predicate:
    """The reader may launch the machine: they read it; it, its version, image and provider are
    current and the provider active. The reader must be able to read the version."""
    return and_(listed_in_version(machine, provider, reader, version), access.open_now(version))


def readable_of(
    machine: FromClause, version: FromClause, provider: FromClause, reader: ReaderKind
) -> Predicate:
    """The access rule for a machine, where the reader may read its version. For many machines: the rule
    by itself looks up version and provider for each."""
    if reader is ReaderKind.STAFF:
        return true()
    seen = and_(access.current(machine), access.offers_to(provider, reader))
    return (
        seen if reader is ReaderKind.ANONYMOUS else or_(access.edits_version(version, reader), seen)
    )


def has_ended(machine: FromClause, provider: FromClause) -> Predicate:
    """The machine or its provider has ended, whatever the state of its version."""
    return or_(
        *(and_(it.c.end_date.is_not(None), it.c.end_date <= NOW) for it in (machine, provider))
    )


def found_running(
    machine: FromClause, version: FromClause, provider: FromClause, reader: ReaderKind
) -> Predicate:
    """Look-up shows the reader this machine: they are an editor of its version, or they could read it
    at the last instant at which it, its version, image and provider were all current, with today's
    sharing. A machine that was never current is shown to editors only."""
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
    as_editor: list[Predicate] = []
    if reader is ReaderKind.USER:
        shared = or_(shared, access.shared_with(version))
        opened = or_(opened, in_list(provider.c.id, "my_providers"))
        as_editor = [access.edits_version(version, reader)]
    return or_(*as_editor, and_(started, overlapped, shared, provider.c.active, opened))
