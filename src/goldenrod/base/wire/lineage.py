"""Response bodies of lineage and of the difference between two versions."""

from typing import Any, Literal

from msgspec import Struct

from goldenrod.base.wire.common import (
    GroupSummary,
    ImageRef,
    ImageSummary,
    LicenseSummary,
    MachineSummary,
    Moment,
    ProviderSummary,
    ScriptSummary,
    State,
    Uuid,
    VersionSummary,
)
from goldenrod.base.wire.versions import Revoked


class Node(Struct):
    """A version in a lineage."""

    id: Uuid
    url: str
    name: str
    state: State
    start_date: Moment
    end_date: Moment | None
    image: ImageSummary
    revoked: Revoked | None
    stale: bool


class Edge(Struct):
    """A child was built on its parent."""

    parent: Uuid
    child: Uuid


class Lineage(Struct):
    """A version's ancestors and descendants, nearest first."""

    root: Uuid
    direction: Literal["ancestors", "descendants", "both"]
    depth: int | None
    truncated: bool
    nodes: list[Node]
    edges: list[Edge]


class LicensesDiff(Struct):
    """Licenses added and removed."""

    added: list[LicenseSummary]
    removed: list[LicenseSummary]


class ScriptsDiff(Struct):
    """Boot scripts added and removed."""

    added: list[ScriptSummary]
    removed: list[ScriptSummary]


class MembershipDiff(Struct):
    """Groups added and removed."""

    added: list[GroupSummary]
    removed: list[GroupSummary]


class MachinesDiff(Struct):
    """Machines added and removed."""

    added: list[MachineSummary]
    removed: list[MachineSummary]


class ProvidersDiff(Struct):
    """Providers added and removed."""

    added: list[ProviderSummary]
    removed: list[ProviderSummary]


class Log(Struct):
    """A change log on the path between two versions."""

    version: VersionSummary
    change_log: str


class DiffEnd(Struct):
    """One side of a diff."""

    id: Uuid
    url: str
    name: str
    state: State
    start_date: Moment
    end_date: Moment | None
    image: ImageRef


class Diff(Struct, rename={"from_": "from"}):
    """What changed from one version to another."""

    from_: DiffEnd
    to: DiffEnd
    path: list[Uuid] | None
    fields: dict[str, Any]
    licenses: LicensesDiff
    scripts: ScriptsDiff
    membership: MembershipDiff
    machines: MachinesDiff
    providers: ProvidersDiff
    change_logs: list[Log]
