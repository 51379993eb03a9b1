"""The wire, outward: what the lifecycle answers. Channels, resolving, look-up, revoking, lineage, diff.

Like `answers.py`, which it continues.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from goldenrod.base.answers import (
    Deprecation,
    EventType,
    GroupSummary,
    ImageRef,
    ImageSummary,
    LicenseSummary,
    MachineSummary,
    Moment,
    ProviderSummary,
    Revoked,
    ScriptSummary,
    State,
    UserSummary,
    Uuid,
    VersionSummary,
)


class Stopped(Struct):
    """The revoked version at which a channel stopped, and why."""

    version: VersionSummary
    reason: str | None


class Requirements(Struct):
    """What assigning to a channel needs."""

    providers: list[ProviderSummary]
    channel: str | None
    days: int | None


class Channel(Struct):
    """A named pointer of an image; its target is computed."""

    name: str
    url: str
    image: ImageSummary
    assigned: VersionSummary | None
    target: VersionSummary | None
    stopped: Stopped | None
    restricted: bool
    groups: list[GroupSummary]
    requires: Requirements | None


class Assignment(Struct):
    """What a channel was assigned, when, by whom and why; a null version is an unassignment."""

    sequence: int
    at: Moment
    by: UserSummary | None
    version: VersionSummary | None
    reason: str | None
    override: bool


class Offer(Struct):
    """What a channel offers on one provider."""

    provider: ProviderSummary
    version: VersionSummary
    machine: MachineSummary
    deprecation: Deprecation | None
    revoked: Revoked | None


class Resolved(Struct):
    """The one machine that a channel offers on a provider."""

    image: ImageSummary
    channel: str
    provider: ProviderSummary
    version: VersionSummary
    machine: MachineSummary
    deprecation: Deprecation | None
    revoked: Revoked | None


class ResolvedEverywhere(Struct):
    """What a channel offers, on each provider that has it."""

    image: ImageSummary
    channel: str
    results: list[Offer]


class ImageName(Struct):
    """An image in a look-up; of one whose version has ended only these fields."""

    id: int
    slug: str
    name: str
    url: str | UnsetType = UNSET
    uuid: Uuid | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    created_by: UserSummary | UnsetType = UNSET
    end_date: Moment | None | UnsetType = UNSET


class Offered(Struct):
    """What a channel offers instead, on the same provider and architecture."""

    channel: str
    version: VersionSummary
    machine: MachineSummary


class Match(Struct):
    """What a running machine is; of what has ended only image, version, state and offers."""

    image: ImageName
    owner: UserSummary | None
    version: VersionSummary
    machine: MachineSummary | None
    state: State
    reason: str | None
    replacement: VersionSummary | None
    behind: int | None
    offered: list[Offered]


class LookedUp(Struct):
    """One id of a look-up."""

    identifier: str
    known: bool
    matches: list[Match]


class LookupAnswer(Struct):
    """What each id is."""

    results: list[LookedUp]


class ChangedVersion(Struct):
    """A version whose state changes."""

    version: VersionSummary
    before: State
    after: State


class ChangedChannel(Struct):
    """A channel whose target changes."""

    image: ImageSummary
    channel: str
    before: VersionSummary | None
    after: VersionSummary | None


class Effect(Struct):
    """What revoking or restoring changes at the instant it takes effect: the first 500 of each."""

    dry_run: bool
    at: Moment
    versions_count: int
    versions: list[ChangedVersion]
    channels_count: int
    channels: list[ChangedChannel]


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
    """What a version was built on and what was built on it, nearest first."""

    root: Uuid
    direction: Literal["ancestors", "descendants", "both"]
    depth: int | None
    truncated: bool
    nodes: list[Node]
    edges: list[Edge]


class LicensesDiff(Struct):
    """Licenses gained and lost."""

    added: list[LicenseSummary]
    removed: list[LicenseSummary]


class ScriptsDiff(Struct):
    """Boot scripts gained and lost."""

    added: list[ScriptSummary]
    removed: list[ScriptSummary]


class MembershipDiff(Struct):
    """Groups gained and lost."""

    added: list[GroupSummary]
    removed: list[GroupSummary]


class MachinesDiff(Struct):
    """Machines gained and lost."""

    added: list[MachineSummary]
    removed: list[MachineSummary]


class ProvidersDiff(Struct):
    """Providers gained and lost."""

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


class Webhook(Struct):
    """Who is told, and where, what happens to an image, or to all (null)."""

    id: int
    uuid: Uuid
    url: str
    image: ImageSummary | None
    target: str
    events: list[EventType]
    active: bool
    created_by: UserSummary
    start_date: Moment


class WebhookWithSecret(Webhook):
    """A new webhook, with the secret that its payloads are signed with: shown this once."""

    secret: str


class EventTold(Struct):
    """What a delivery tells."""

    uuid: Uuid
    type: EventType
    at: Moment


class Delivery(Struct):
    """One event for one webhook; its uuid is the header webhook-id. One about something that the
    reader may not read shows as dropped, without event."""

    id: int
    uuid: Uuid
    url: str
    event: EventTold | None
    state: Literal["waiting", "delivered", "failed", "dropped"]
    attempts: int
    next_at: Moment | None
    last_at: Moment | None
    last_status: int | None
    last_error: str | None
