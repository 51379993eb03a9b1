"""Bringing what a source found into the catalogue: the only writer among the sources.

Found releases are put aside in a temporary file first, so that memory holds one release at a time
and an index, however long the source is; then each image is written in one transaction, all of it or
nothing, its releases oldest first. Reading the same source again changes nothing.
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
"""Told how many machines are done, and of how many."""

KINDS = ("image", "version", "machine", "provider")
OUTCOMES = ("created", "unchanged", "changed")


@dataclass
class Report:
    """What became of everything that a source held: counts by (kind, outcome), and what was
    skipped, with reasons."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)

    def of(self, kind: str, outcome: str) -> int:
        """How many of a kind had this outcome."""
        return self.counts[kind, outcome]

    @property
    def machines_skipped(self) -> int:
        """How many machines the skipped account for."""
        return sum(skip.machines for skip in self.skipped)


@dataclass
class _Put:
    """Where a release stands in the temporary file, and what its order is decided by."""

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
    """Write what was found, for `owner`. Raises NotFound for an owner that does not exist.

    Images are public unless `private`; providers that are new are public and active.
    """
    report = Report()
    with db.write() as tx:
        actor = source_import.source_actor(tx, owner)
    with tempfile.TemporaryFile() as spool:
        by_image = _put_aside(found, spool, report)
        total = sum(put.machines for releases in by_image.values() for put in releases)
        done = 0
        known_providers: dict[str, int] = {}
        for name, releases in by_image.items():
            releases.sort(key=lambda put: (put.start_date, put.version))
            providers = dict(known_providers)
            skipped: list[Skipped] = []
            try:
                with db.write() as tx:
                    target = Target(tx, actor, providers)
                    for put in releases:
                        _write(target, _taken(spool, put), skipped, public=not private)
                        done += put.machines
                        if progress:
                            progress(done, total)
                    target.finish()
            except Problem as refused:
                lost = sum(put.machines for put in releases)
                report.skipped.append(Skipped(name, f"image left out: {refused.detail}", lost))
                continue
            known_providers = providers
            report.counts += target.counts
            report.skipped += skipped
    return report


def _put_aside(
    found: Iterable[Found | Skipped], spool: BinaryIO, report: Report
) -> dict[str, list[_Put]]:
    by_image: dict[str, list[_Put]] = defaultdict(list)
    offset = 0
    for item in found:
        if isinstance(item, Skipped):
            report.skipped.append(item)
            continue
        raw = msgspec.msgpack.encode(item)
        spool.write(raw)
        by_image[item.image].append(
            _Put(item.start_date, item.version, offset, len(raw), len(item.machines))
        )
        offset += len(raw)
    return by_image


def _taken(spool: BinaryIO, put: _Put) -> Found:
    spool.seek(put.offset)
    return msgspec.msgpack.decode(spool.read(put.length), type=Found)


def _write(target: Target, release: Found, skipped: list[Skipped], *, public: bool) -> None:
    if not target.image_id:
        target.open(release.image, release.image_description, list(release.tags), public=public)
    placed = [
        {
            "provider_id": target.provider(m.provider, m.provider_type, m.virtualization),
            "identifier": m.identifier,
            "architecture": m.architecture,
            "size_gb": m.size_gb,
            "checksum": m.checksum or "",
        }
        for m in release.machines
    ]
    clashes = target.release(release.version, release.start_date, release.change_log, placed)
    skipped += [
        Skipped(release.source_name, f"{identifier} stands at another release of this image")
        for identifier in clashes
    ]
