"""Image versions, their attachments, deprecation and revocation: request and response bodies."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from goldenrod.base.wire.common import (
    ChannelName,
    Cpus,
    GroupSummary,
    IdentitySummary,
    ImageSummary,
    Label,
    Labels,
    LicenseSummary,
    MachineSummary,
    Moment,
    Name,
    OnlyId,
    Reason,
    Ref,
    Refs,
    ScriptSummary,
    Size,
    State,
    UserSummary,
    Uuid,
    VersionSummary,
    When,
    Words,
)
from goldenrod.base.wire.providers import NestedMachine


class Deprecation(Struct):
    """When a version is or will be deprecated, the reason, and the version to use instead."""

    at: Moment
    reason: str | None
    replacement: VersionSummary | None


class Revoked(Struct):
    """The revocation of a version. `reason` and `by` are null if it is inherited from a version that
    the reader may not read."""

    at: Moment
    reason: str | None
    by: UserSummary | None
    inherited_from: VersionSummary | None


# ── resources ─────────────────────────────────────────────────────────────────────────────────


class Version(Struct):
    """An image version: the contract's fields in the contract's order, then Goldenrod's own fields."""

    id: Uuid
    parent: VersionSummary | None
    name: str
    change_log: str
    image: ImageSummary
    machines: list[MachineSummary]
    allow_imaging: bool
    licenses: list[LicenseSummary]
    membership: list[GroupSummary]
    scripts: list[ScriptSummary]
    user: UserSummary
    identity: IdentitySummary | None
    start_date: Moment
    end_date: Moment | None
    url: str
    doc_object_id: str | None
    min_cpu: int | None
    min_mem: int | None
    state: State
    deprecation: Deprecation | None
    revoked: Revoked | None
    exclude_from_latest: bool
    stale: bool
    labels: dict[str, str]


class SingleVersion(Version):
    """A single image version, with the number of newer current versions than it and than its parent."""

    behind: int
    parent_behind: int | None


class NotInherited(Struct):
    """What a new version did not inherit from its parent."""

    scripts: list[OnlyId]
    membership: list[GroupSummary]


class PublishedVersion(SingleVersion, kw_only=True):
    """The response to publishing. If the version has a parent, it lists what was not inherited."""

    not_inherited: NotInherited | UnsetType = UNSET


class VersionLicense(Struct):
    """A version and a license it needs."""

    id: int
    uuid: Uuid
    url: str
    image_version: VersionSummary
    license: LicenseSummary


class VersionMembership(Struct):
    """A version and a group it is shared with."""

    id: int
    uuid: Uuid
    url: str
    image_version: VersionSummary
    group: GroupSummary


class VersionScript(Struct):
    """A version and a boot script it needs."""

    id: int
    uuid: Uuid
    url: str
    image_version: VersionSummary
    boot_script: ScriptSummary


class Change(Struct):
    """One entry of a version's history. `source` is the source that a sync read: only staff and editors
    of the image are told."""

    sequence: int
    at: Moment
    by: UserSummary | None
    source: str | None
    action: str
    changes: dict[str, Any]


class NewDeprecation(Struct, forbid_unknown_fields=True, kw_only=True):
    """A version's deprecation. Absent fields stay unchanged; without `at`, a new one starts now."""

    at: When | None | UnsetType = UNSET
    reason: Reason | None | UnsetType = UNSET
    replacement: Ref | None | UnsetType = UNSET


class NewVersion(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /image_versions."""

    name: Name
    image: Ref
    parent: Ref | None = None
    change_log: Words = ""
    allow_imaging: bool = True
    licenses: Refs | UnsetType = UNSET
    membership: Refs | UnsetType = UNSET
    scripts: Refs | UnsetType = UNSET
    identity: Ref | None = None
    start_date: When | None = None
    end_date: When | None = None
    doc_object_id: Name | None = None
    min_cpu: Cpus | None = None
    min_mem: Size | None = None
    deprecation: NewDeprecation | None = None
    exclude_from_latest: bool = False
    allow_revoked_parent: bool = False
    labels: Labels = {}
    machines: Annotated[list[NestedMachine], Meta(max_length=500)] = []
    channels: Annotated[list[ChannelName], Meta(max_length=500)] = []


class VersionPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /image_versions/{id}."""

    name: Name | UnsetType = UNSET
    change_log: Words | UnsetType = UNSET
    image: Ref | UnsetType = UNSET
    parent: Ref | None | UnsetType = UNSET
    allow_imaging: bool | UnsetType = UNSET
    licenses: Refs | UnsetType = UNSET
    membership: Refs | UnsetType = UNSET
    scripts: Refs | UnsetType = UNSET
    identity: Ref | None | UnsetType = UNSET
    start_date: When | UnsetType = UNSET
    end_date: When | None | UnsetType = UNSET
    doc_object_id: Name | None | UnsetType = UNSET
    min_cpu: Cpus | None | UnsetType = UNSET
    min_mem: Size | None | UnsetType = UNSET
    deprecation: NewDeprecation | None | UnsetType = UNSET
    exclude_from_latest: bool | UnsetType = UNSET
    allow_revoked_parent: bool | UnsetType = UNSET
    labels: dict[str, Label | None] | None | UnsetType = UNSET


class NewVersionLicense(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /image_version_licenses."""

    image_version: Ref
    license: Ref


class NewVersionMembership(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /image_version_memberships."""

    image_version: Ref
    group: Ref


class NewVersionScript(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /image_version_boot_scripts."""

    image_version: Ref
    boot_script: Ref


class Revocation(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /image_versions/{id}/revoke."""

    reason: Reason
    at: When | None = None
    descendants: bool = False
    roll_back_channels: bool = True
    dry_run: bool = False


class Restoring(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /image_versions/{id}/restore."""

    dry_run: bool = False


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
    """What revoking or restoring changes when it takes effect; lists the first 500 of each."""

    dry_run: bool
    at: Moment
    versions_count: int
    versions: list[ChangedVersion]
    channels_count: int
    channels: list[ChangedChannel]


BulkAction = Literal["deprecate", "revoke", "share"]
MOST_IN_BULK = 200
"""The most versions that one request changes in bulk."""
MOST_GROUPS_IN_BULK = 20


class Bulk(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /images/{id}/bulk: one action on several versions of an image. Each action takes fields of
    its own; the others must be absent."""

    action: BulkAction
    versions: Annotated[list[Ref], Meta(min_length=1, max_length=MOST_IN_BULK)]
    reason: Reason | None | UnsetType = UNSET
    at: When | None | UnsetType = UNSET
    replacement: Ref | None | UnsetType = UNSET
    descendants: bool | UnsetType = UNSET
    roll_back_channels: bool | UnsetType = UNSET
    groups: Annotated[list[Ref], Meta(max_length=MOST_GROUPS_IN_BULK)] | UnsetType = UNSET
    dry_run: bool = False


class LeftOut(Struct):
    """A version that was chosen, but to which the action does not apply."""

    version: VersionSummary
    reason: str


class BulkEffect(Struct):
    """What a bulk action changes: the chosen versions to which it applies; all versions whose state
    changes and channels whose target changes, the first 500 of each; the current machines of the
    versions, the providers that have them, and the groups that the versions are shared with, or with
    `share` will be. Each is counted once."""

    dry_run: bool
    action: BulkAction
    at: Moment
    chosen_count: int
    chosen: list[VersionSummary]
    left_out_count: int
    left_out: list[LeftOut]
    versions_count: int
    versions: list[ChangedVersion]
    channels_count: int
    channels: list[ChangedChannel]
    machines_count: int
    providers_count: int
    groups: list[GroupSummary]
