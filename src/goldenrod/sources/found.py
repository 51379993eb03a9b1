"""What a source says, in one form whatever it was read from: releases found, and what was skipped.

Everything a source holds ends in one of the two: a row is in a Found's machines or is counted by a
Skipped, whose reason a person can act on. Nothing is dropped in silence. Reading a source decides
nothing about the catalogue: `reconcile.py` compares what was found with what is there.
"""

from msgspec import Struct

from goldenrod.base.clock import Instant


class FoundMachine(Struct, frozen=True, kw_only=True):
    """One copy of a release on one provider; `identifier` is its id there."""

    provider: str
    provider_type: str
    virtualization: str = ""
    identifier: str
    architecture: str
    size_gb: int | None = None
    checksum: str | None = None


class Found(Struct, frozen=True):
    """One release of one image: image and version together are given once by a source.

    Its parent is the release before it (by start date, then version) of the same image among those
    found, which whoever has seen them all can say. `source_name` is what the source calls it.
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
    """What could not be taken: where it stands (a line, or a release's name), why, and how many
    rows of the source that accounts for."""

    where: str
    reason: str
    machines: int = 1
