"""Answers about reading clouds: where the catalogue and a cloud differ."""

from typing import Literal

from msgspec import Struct

from goldenrod.base.wire.common import (
    ImageSummary,
    MachineSummary,
    Moment,
    ProviderSummary,
    VersionSummary,
)

DriftKind = Literal[
    "wider",
    "missing",
    "not_launchable",
    "changed",
    "deprecated",
    "current",
    "narrower",
    "unknown",
    "unchecked",
]
"""How a machine differs from what the catalogue says, the worst first."""


class MachineHere(Struct):
    """A machine as the catalogue has it; `visibility` says who sees its version."""

    architecture: str
    size_gb: int | None
    checksum: str
    visibility: Literal["private", "shared", "public"]
    deprecated_at: Moment | None


class MachineThere(Struct):
    """A machine as its cloud last listed it; `name` is its name there."""

    name: str
    architecture: str
    size_gb: int | None
    checksum: str
    visibility: Literal["private", "shared", "community", "public"] | None
    status: Literal["active", "deactivated"]
    deprecated_at: Moment | None


class UnreadScope(Struct):
    """A part of a cloud that could not be read since an instant. `looked_at` is when it was last read
    whole; null: never."""

    id: int
    source: str
    scope: str
    reason: str
    unchecked_since: Moment
    looked_at: Moment | None


class Drift(Struct):
    """A machine that differs between the catalogue and its cloud. Its image, version and machine are
    null if the catalogue does not have it. `source`, `scope` and `reason` are for staff."""

    id: int
    kinds: list[DriftKind]
    changed: list[Literal["architecture", "size_gb", "checksum"]]
    identifier: str
    provider: ProviderSummary
    image: ImageSummary | None
    version: VersionSummary | None
    machine: MachineSummary | None
    here: MachineHere | None
    there: MachineThere
    seen_at: Moment
    missed: int
    missing_since: Moment | None
    gone: bool
    unchecked_since: Moment | None
    source: str | None
    scope: str | None
    reason: str | None
