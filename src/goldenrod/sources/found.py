"""The result of reading any source: releases that were found, and rows that were skipped.

Every row of a source is either a machine of a `Found` or counted by a `Skipped`, whose reason a person
can act on. `reconcile.py` compares what was found with the catalogue.
"""

from msgspec import Struct

from goldenrod.base.clock import Instant


class FoundMachine(Struct, frozen=True, kw_only=True):
    """One copy of a release on one provider. `identifier` is its id there."""

    provider: str
    provider_type: str
    virtualization: str = ""
    identifier: str
    architecture: str
    size_gb: int | None = None
    checksum: str | None = None


class Found(Struct, frozen=True):
    """One release of one image. A source gives each pair of image and version once.

    `source_name` is the source's name for it. Its parent is not here: it is the release before it (by
    start date, then version), which is known once all releases of the image have been read.
    """

    image: str
    version: str
    start_date: Instant
    change_log: str
    image_description: str
    tags: tuple[str, ...]
    machines: tuple[FoundMachine, ...]
    source_name: str


class Skipped(Struct, frozen=True):
    """What could not be imported: where it is (a line, or the name of a release), why, and how many
    rows of the source it stands for."""

    where: str
    reason: str
    machines: int = 1
