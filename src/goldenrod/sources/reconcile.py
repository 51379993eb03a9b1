"""Writes what a source found into the catalogue.

Releases first go to a temporary file, so that only an index and one release are in memory, however long
the source is. Then each image is written in one transaction, its releases oldest first. Importing the
same source again changes nothing.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec

from goldenrod.base.errors import Problem
from goldenrod.catalogue.transfer import source_import
from goldenrod.catalogue.transfer.source_import import OWNER, Target
from goldenrod.sources.found import Found, Skipped
from goldenrod.store.db import Database

Progress = Callable[[int, int], None]
"""Called with the number of machines done, and their total."""

KINDS = ("image", "version", "machine", "provider")
OUTCOMES = ("created", "unchanged", "changed")


@dataclass
class Report:
    """The result of an import: counts by (kind, outcome), and what was skipped, with reasons."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)

    def of(self, kind: str, outcome: str) -> int:
        """The number of things of a kind with this outcome."""
        return self.counts[kind, outcome]

    @property
    def machines_skipped(self) -> int:
        """The number of machines in all that was skipped."""
        return sum(skip.machines for skip in self.skipped)


@dataclass
class _Stored:
    """The position of a release in the temporary file, and what it is ordered by."""

    start_date: str
    version: str
    offset: int
    length: int
    machines: int


def import_found(
    db: Database,
    found: Iterable[Found | Skipped],
    *,
    owner: str = OWNER,
    private: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Import what was found, for `owner`. Raises NotFound for an unknown owner.

    New images are public unless `private`; new providers are public and active.
    """
    report = Report()
    with db.write() as tx:
        actor = source_import.source_actor(tx, owner)
    with tempfile.TemporaryFile() as spool:
        by_image = _store(found, spool, report)
        total = sum(stored.machines for releases in by_image.values() for stored in releases)
        done = 0
        known_providers: dict[str, int] = {}
        for name, releases in by_image.items():
            releases.sort(key=lambda stored: (stored.start_date, stored.version))
            providers = dict(known_providers)
            skipped: list[Skipped] = []
            try:
                with db.write() as tx:
                    target = Target(tx, actor, providers)
                    for stored in releases:
                        _write(target, _load(spool, stored), skipped, public=not private)
                        done += stored.machines
                        if progress:
                            progress(done, total)
                    target.finish()
            except Problem as refused:
                lost = sum(stored.machines for stored in releases)
                report.skipped.append(Skipped(name, f"image not imported: {refused.detail}", lost))
                continue
            known_providers = providers
            report.counts += target.counts
            report.skipped += skipped
    return report


def _store(
    found: Iterable[Found | Skipped], spool: BinaryIO, report: Report
) -> dict[str, list[_Stored]]:
    by_image: dict[str, list[_Stored]] = defaultdict(list)
    offset = 0
    for item in found:
        if isinstance(item, Skipped):
            report.skipped.append(item)
            continue
        raw = msgspec.msgpack.encode(item)
        spool.write(raw)
        by_image[item.image].append(
            _Stored(item.start_date, item.version, offset, len(raw), len(item.machines))
        )
        offset += len(raw)
    return by_image


def _load(spool: BinaryIO, stored: _Stored) -> Found:
    spool.seek(stored.offset)
    return msgspec.msgpack.decode(spool.read(stored.length), type=Found)


def _write(target: Target, release: Found, skipped: list[Skipped], *, public: bool) -> None:
    if not target.image_id:
        target.open(release.image, release.image_description, list(release.tags), public=public)
    machines = [
        {
            "provider_id": target.provider(m.provider, m.provider_type, m.virtualization),
            "identifier": m.identifier,
            "architecture": m.architecture,
            "size_gb": m.size_gb,
            "checksum": m.checksum or "",
        }
        for m in release.machines
    ]
    clashes = target.release(release.version, release.start_date, release.change_log, machines)
    skipped += [
        Skipped(
            release.source_name, f"{identifier} belongs to another release of this image already"
        )
        for identifier in clashes
    ]
