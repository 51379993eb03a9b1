"""Imports releases that were read from a file, without a source that is asked again.

Each image is written in one transaction. Importing the same releases again changes nothing, and nothing
is ever ended: that a file does not list a machine says nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from goldenrod.base.errors import Problem
from goldenrod.catalogue.sync import apply
from goldenrod.catalogue.sync.source_actor import OWNER, Providers, source_actor
from goldenrod.sources.found import Found, Skipped
from goldenrod.sources.sync import image_work
from goldenrod.sources.sync.plan import Terms
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
    releases: list[Found] = []
    for item in found:
        if isinstance(item, Skipped):
            report.skipped.append(item)
        else:
            releases.append(item)
    providers = Providers(public=True)
    image_work.describe(providers, (one for release in releases for one in release.machines))
    with db.write() as tx:
        actor = source_actor(tx, owner)
        providers.read(tx)
    terms = Terms(image_work.keys(providers), public=not private)
    total, done = sum(len(release.machines) for release in releases), 0
    for work in image_work.by_image(releases):
        known = providers.copy()
        try:
            with db.write() as tx:
                plan, applied = image_work.plan_and_apply(
                    tx, actor, work, known, terms, apply.Terms()
                )
        except Problem as refused:
            reason = f"image not imported: {refused.detail}"
            report.skipped.append(Skipped(work.name, reason, work.machines))
        else:
            providers = known
            report.counts += applied.counts
            report.skipped += [
                Skipped(one.subject, one.reason, one.machines)
                for one in plan.passed
                if one.kind == "skipped"
            ]
        for _ in range(work.machines if progress else 0):
            done += 1
            progress and progress(done, total)
    return report
