"""Channels, resolving and look-up: bodies of requests and answers."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from goldenrod.base.wire.common import (
    GroupSummary,
    Identifier,
    ImageSummary,
    MachineSummary,
    Moment,
    ProviderSummary,
    Reason,
    Ref,
    Refs,
    State,
    UserSummary,
    Uuid,
    VersionSummary,
)
from goldenrod.base.wire.versions import Deprecation, Revoked


class NewAssignment(Struct, forbid_unknown_fields=True, kw_only=True):
    """PUT /images/{image}/channels/{name}: a version, or null to unassign. `voids` undoes the channel's
    newest assignment, by its sequence: `version` is then what the channel was assigned before."""

    version: Ref | None
    reason: Reason | None = None
    override: bool = False
    voids: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None


class NewRequirements(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a version needs before it is assigned: a machine on each of these providers, and `days`
    since it was first assigned to that other channel."""

    providers: Refs = []
    channel: str | None | UnsetType = UNSET
    days: Annotated[int, Meta(ge=0, le=3650)] | None = None


class ChannelPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /images/{image}/channels/{name}."""

    restricted: bool | UnsetType = UNSET
    groups: Refs | UnsetType = UNSET
    requires: NewRequirements | None | UnsetType = UNSET


class Running(Struct, forbid_unknown_fields=True, kw_only=True):
    """The id of a running machine, and optionally its provider."""

    identifier: Identifier
    provider: Ref | None | UnsetType = UNSET


class Lookup(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /lookup: at most 1,000 ids."""

    identifiers: Annotated[list[Identifier | Running], Meta(min_length=1, max_length=1000)]


class Stopped(Struct):
    """The revoked version at which a channel stopped, and why."""

    version: VersionSummary
    reason: str | None


class Requirements(Struct):
    """What a version needs before it is assigned to a channel."""

    providers: list[ProviderSummary]
    channel: str | None
    days: int | None


class Channel(Struct):
    """A name of an image that resolves to a version; the target is computed."""

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
    """One assignment of a channel. A null version is an unassignment. `voids` is the sequence of the
    assignment that this one undoes."""

    sequence: int
    at: Moment
    by: UserSummary | None
    version: VersionSummary | None
    reason: str | None
    override: bool
    voids: int | None


class Offer(Struct):
    """The machine that a channel offers on one provider."""

    provider: ProviderSummary
    version: VersionSummary
    machine: MachineSummary
    deprecation: Deprecation | None
    revoked: Revoked | None


class Resolved(Struct):
    """The machine that a channel offers on the provider; `channel` is null if a version was named."""

    image: ImageSummary
    channel: str | None
    provider: ProviderSummary
    version: VersionSummary
    machine: MachineSummary
    deprecation: Deprecation | None
    revoked: Revoked | None


class ResolvedEverywhere(Struct):
    """The machines that a channel offers, one for each provider that has one."""

    image: ImageSummary
    channel: str
    results: list[Offer]


class ImageName(Struct):
    """An image in a look-up; only id, slug and name if the machine or its version has ended."""

    id: int
    slug: str
    name: str
    url: str | UnsetType = UNSET
    uuid: Uuid | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    created_by: UserSummary | UnsetType = UNSET
    end_date: Moment | None | UnsetType = UNSET


class Offered(Struct):
    """The machine that a channel offers on the same provider and architecture."""

    channel: str
    version: VersionSummary
    machine: MachineSummary


class Match(Struct):
    """What a running machine is; only image, version, state and offers if it has ended."""

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
    """The answer for one id. `asked` is what the request asked for, as it was sent."""

    asked: str | Running
    identifier: str
    known: bool
    matches: list[Match]


class LookupAnswer(Struct):
    """The answers for all ids."""

    results: list[LookedUp]
