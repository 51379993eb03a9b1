"""The wire, outward: every JSON object that is answered, field by field, in order.

The database builds these objects itself (`rules/summaries.py` and each noun's shape); here they are
declared for the OpenAPI document, the client, and the tests that hold the two together. Fields of a
summary that may be missing are missing together: of what the reader may not see only `id` shows.
What is taken in is in `bodies.py`.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Moment = Annotated[
    str,
    Meta(
        title="Instant",
        description="UTC, ISO 8601, six fractional digits, Z",
        extra_json_schema={"format": "date-time"},
    ),
]
Uuid = Annotated[str, Meta(title="UUID", extra_json_schema={"format": "uuid"})]
Scope = Literal["read", "write", "admin"]
LicenseType = Literal["Full Text", "URL", "SPDX"]
ScriptType = Literal["Raw Text", "URL"]
State = Literal["ended", "scheduled", "revoked", "deprecated", "current"]
EventType = Literal[
    "version.published",
    "version.edited",
    "version.deprecated",
    "version.revoked",
    "version.restored",
    "version.ended",
    "channel.assigned",
    "machine.added",
    "machine.gone",
]

# ── summaries ──────────────────────────────────────────────────────────────────────────────


class UserSummary(Struct):
    """A user by name."""

    id: int
    url: str
    uuid: Uuid
    username: str


class ImageRef(Struct):
    """The image of a version in a summary."""

    id: int
    url: str
    slug: str


class VersionSummary(Struct):
    """A version inside another object; only `id` where the reader may not read it."""

    id: Uuid
    url: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    state: State | UnsetType = UNSET
    start_date: Moment | UnsetType = UNSET
    end_date: Moment | None | UnsetType = UNSET
    image: ImageRef | UnsetType = UNSET


class ImageSummary(Struct):
    """An image inside another object; only `id` where the reader may not read it."""

    id: int
    url: str | UnsetType = UNSET
    uuid: Uuid | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    created_by: UserSummary | UnsetType = UNSET
    end_date: Moment | None | UnsetType = UNSET


class ProviderSummary(Struct):
    """A provider inside another object; only `id` where the reader may not read it."""

    id: int
    url: str | UnsetType = UNSET
    uuid: Uuid | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class MachineSummary(Struct):
    """A copy of a version on one provider, inside its version."""

    id: int
    url: str
    uuid: Uuid
    identifier: str
    architecture: str
    size_gb: int | None
    start_date: Moment
    end_date: Moment | None
    provider: ProviderSummary


class LicenseSummary(Struct):
    """A license inside a version."""

    id: int
    url: str
    uuid: Uuid
    title: str
    type: LicenseType


class ScriptSummary(Struct):
    """A boot script inside a version."""

    id: int
    url: str
    uuid: Uuid
    title: str
    type: ScriptType


class GroupSummary(Struct):
    """A group inside another object."""

    id: int
    url: str
    uuid: Uuid
    name: str


class TagSummary(Struct):
    """A tag inside an image."""

    id: int
    url: str
    uuid: Uuid
    name: str


class IdentitySummary(Struct):
    """An identity inside a version; only `id` where the reader may not read it."""

    id: int
    url: str | UnsetType = UNSET
    uuid: Uuid | UnsetType = UNSET
    provider: ProviderSummary | UnsetType = UNSET


class Deprecation(Struct):
    """Since when a version is deprecated, or will be, why, and what to take instead."""

    at: Moment
    reason: str | None
    replacement: VersionSummary | None


class Revoked(Struct):
    """The revocation that a version shows; reason and by are null where it is inherited from a
    version that the reader may not read."""

    at: Moment
    reason: str | None
    by: UserSummary | None
    inherited_from: VersionSummary | None


# ── things ─────────────────────────────────────────────────────────────────────────────────


class Version(Struct):
    """An image version: the contract's fields in the contract's order, then ours."""

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


class SingleVersion(Version):
    """An image version alone: with how many newer current ones there are, for it and its parent."""

    behind: int
    parent_behind: int | None


class OnlyId(Struct):
    """A thing of which no more is said than its id."""

    id: int


class NotInherited(Struct):
    """What a new version did not take over from its parent."""

    scripts: list[OnlyId]
    membership: list[GroupSummary]


class NewVersion(SingleVersion, kw_only=True):
    """The answer to publishing; with a parent it says what was not inherited."""

    not_inherited: NotInherited | UnsetType = UNSET


class Image(Struct):
    """An image: what versions are versions of."""

    id: int
    uuid: Uuid
    url: str
    name: str
    slug: str
    description: str
    is_public: bool
    tags: list[TagSummary]
    owner: UserSummary
    maintainers: list[GroupSummary]
    created_by: UserSummary
    start_date: Moment
    end_date: Moment | None
    versions: list[VersionSummary]
    versions_count: int
    versions_url: str


class Machine(Struct):
    """One copy of a version on one provider."""

    id: int
    uuid: Uuid
    url: str
    version: VersionSummary
    image: ImageSummary
    provider: ProviderSummary
    identifier: str
    size_gb: int | None
    architecture: str
    checksum: str
    created_by: UserSummary
    start_date: Moment
    end_date: Moment | None


class Provider(Struct):
    """One place where machines live."""

    id: int
    uuid: Uuid
    url: str
    name: str
    slug: str
    description: str
    type: str
    virtualization: str
    public: bool
    active: bool
    start_date: Moment
    end_date: Moment | None


class License(Struct):
    """A software license."""

    id: int
    uuid: Uuid
    url: str
    title: str
    type: LicenseType
    text: str
    created_by: UserSummary
    start_date: Moment


class Script(Struct):
    """A boot script: runs when a version is launched."""

    id: int
    uuid: Uuid
    url: str
    title: str
    type: ScriptType
    text: str
    run_every_deploy: bool
    wait_for_deploy: bool
    created_by: UserSummary
    start_date: Moment


class Group(Struct):
    """A group of users; `personal` ones belong to one user for good."""

    id: int
    uuid: Uuid
    url: str
    name: str
    users: list[UserSummary]
    leaders: list[UserSummary]
    personal: bool
    start_date: Moment


class User(Struct):
    """A user; `is_staff` shows to staff and to the user."""

    id: int
    uuid: Uuid
    url: str
    username: str
    is_staff: bool
    active: bool
    start_date: Moment


class Identity(Struct):
    """A user's account on a provider."""

    id: int
    uuid: Uuid
    url: str
    user: UserSummary
    provider: ProviderSummary
    key: str
    start_date: Moment


class Tag(Struct):
    """A word that images carry."""

    id: int
    uuid: Uuid
    url: str
    name: str
    description: str
    start_date: Moment


class Token(Struct):
    """A token; its secret is in the answer to POST only."""

    id: int
    uuid: Uuid
    url: str
    name: str
    scope: Scope
    created: Moment
    expires: Moment | None
    last_used: Moment | None
    user: UserSummary
    revoked_at: Moment | None


class SecurityEvent(Struct):
    """A sign-in, a failure, a refusal, a token or an export; `count` times since `at`. `user` is null
    for nobody known and for the console."""

    sequence: int
    at: Moment
    last_at: Moment
    kind: str
    user: UserSummary | None
    via: str
    address: str | None
    detail: dict[str, Any]
    count: int


class NewTokenAnswer(Struct):
    """A new token, with its secret, shown this once."""

    id: int
    uuid: Uuid
    url: str
    name: str
    scope: Scope
    created: Moment
    expires: Moment | None
    last_used: Moment | None
    token: str


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
    """One entry of a version's history."""

    sequence: int
    at: Moment
    by: UserSummary | None
    action: str
    changes: dict[str, Any]


class ProblemField(Struct):
    """One wrong field."""

    field: str
    detail: str


class ProblemDocument(Struct):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemField] | UnsetType = UNSET
