"""The page of drift: machines that differ from their cloud, those that too many people see first.

The pages of images and versions mark their drifted machines with what is here.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from goldenrod.catalogue.sync import drift
from goldenrod.catalogue.sync.drift import KINDS, Mark
from goldenrod.catalogue.versions import providers
from goldenrod.web.pages.kit.listing import listed
from goldenrod.web.pages.kit.visit import Page, Visit

WORDS = {
    "wider": "visible to more people there",
    "missing": "missing there",
    "not_launchable": "cannot be launched there",
    "changed": "changed",
    "deprecated": "deprecated there only",
    "current": "deprecated here only",
    "narrower": "visible to fewer people there",
    "unknown": "not in this catalogue",
    "unchecked": "not checked",
}
"""What each kind is called on pages."""
FACTS = {"architecture": "architecture", "size_gb": "size in GB", "checksum": "checksum"}


@dataclass(frozen=True)
class Marks:
    """The drifted machines of a page: how many there are, how many of them are wider, and where."""

    count: int
    wider: int
    at: dict[Any, str] = field(default_factory=dict)
    """What is drifted, in words, by what the page shows."""


def of_versions(marks: list[Mark]) -> Marks:
    """The marks of an image, by version and provider."""
    counts: dict[tuple[str, int], Counter[str]] = {}
    for mark in marks:
        counts.setdefault((mark.version, mark.provider_id), Counter()).update(mark.kinds)
    return _marks(marks, {key: _words(found) for key, found in counts.items()})


def of_machines(marks: list[Mark]) -> Marks:
    """The marks of a version, by provider and identifier."""
    return _marks(
        marks, {(mark.provider_id, mark.identifier): _words(mark.kinds) for mark in marks}
    )


def _words(kinds: Any) -> str:
    return ", ".join(WORDS[kind] for kind in KINDS if kind in kinds)


def _marks(marks: list[Mark], at: dict[Any, str]) -> Marks:
    return Marks(len(marks), sum("wider" in mark.kinds for mark in marks), at)


def show_drift(visit: Visit) -> Page:
    """GET /drift: what differs, for editors and staff."""
    visit.require_user()
    with visit.read() as (tx, actor):
        filters = ("kind", "provider", "image")
        found = listed(visit, tx, actor, drift.list_drift, drift.LIST, *filters)
        unread = drift.find_unread(tx, actor)
        choices = providers.PROVIDERS.read_list(tx, actor, ordering="name", page_size=1000)
    return visit.page(
        "sync/drift.html",
        list=found,
        unread=unread,
        wider=[it for it in found.rows if "wider" in it["kinds"]],
        others=[it for it in found.rows if "wider" not in it["kinds"]],
        providers=choices,
        kinds=[("", "any"), *WORDS.items()],
        words=WORDS,
        facts=FACTS,
    )
