"""The wire, inward: every JSON object that is taken, field by field.

`New…` is the body of a POST, `…Patch` of a PATCH (a JSON merge patch: what is absent stays). Unknown
fields are refused. `decode.py` checks a body against these, `answers.py` has what goes out.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from goldenrod.base.answers import EventType, LicenseType, Scope, ScriptType


class Reference(Struct):
    """A thing named by an object, such as the one that a GET gave: `id` counts, else `uuid`, else
    its name."""

    id: int | str | UnsetType = UNSET
    uuid: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    username: str | UnsetType = UNSET


Ref = Annotated[
    int | str | Reference,
    Meta(description="an id, a uuid, a name or slug where the field takes one, or an object"),
]
Refs = Annotated[list[Ref], Meta(max_length=500)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Label = Annotated[str, Meta(max_length=256)]
Words = Annotated[str, Meta(max_length=65536)]
Tags = Annotated[list[str | Reference], Meta(max_length=500)]
Password = Annotated[
    str,
    Meta(
        description="not the username, and none of the commonest passwords",
        # Held in `catalogue/accounts/password_rules.py`, which says in words what is wrong.
        extra_json_schema={"minLength": 10, "maxLength": 1024},
    ),
]
Size = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Cpus = Annotated[int, Meta(ge=0, le=4096)]
When = Annotated[
    str,
    Meta(
        description="ISO 8601 with a zone, years 0001 to 9999",
        extra_json_schema={"format": "date-time"},
    ),
]


class NestedMachine(Struct, forbid_unknown_fields=True, kw_only=True):
    """A machine in the POST of its version."""

    provider: Ref
    identifier: Name
    architecture: Label = ""
    size_gb: Size | None = None
    checksum: Label = ""
    start_date: When | None = None
    end_date: When | None = None


Reason = Annotated[str, Meta(min_length=1, max_length=2000)]


class Deprecation(Struct, forbid_unknown_fields=True, kw_only=True):
    """A version's deprecation: what is absent stays as it is; without `at`, since now."""

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
    deprecation: Deprecation | None = None
    exclude_from_latest: bool = False
    allow_revoked_parent: bool = False
    machines: Annotated[list[NestedMachine], Meta(max_length=500)] = []


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
    deprecation: Deprecation | None | UnsetType = UNSET
    exclude_from_latest: bool | UnsetType = UNSET
    allow_revoked_parent: bool | UnsetType = UNSET


class NewImage(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /images."""

    name: Name
    slug: str | UnsetType = UNSET
    description: Words = ""
    is_public: bool = False
    tags: Tags = []
    maintainers: Refs = []
    start_date: When | None = None
    end_date: When | None = None


class ImagePatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /images/{id}."""

    name: Name | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    description: Words | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    owner: Ref | UnsetType = UNSET
    maintainers: Refs | UnsetType = UNSET
    start_date: When | UnsetType = UNSET
    end_date: When | None | UnsetType = UNSET


class NewMachine(NestedMachine, forbid_unknown_fields=True, kw_only=True):
    """POST /provider_machines."""

    version: Ref


class MachinePatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /provider_machines/{id}."""

    identifier: Name | UnsetType = UNSET
    architecture: Label | UnsetType = UNSET
    size_gb: Size | None | UnsetType = UNSET
    checksum: Label | UnsetType = UNSET
    start_date: When | UnsetType = UNSET
    end_date: When | None | UnsetType = UNSET


class NewProvider(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /providers."""

    name: Name
    slug: str | UnsetType = UNSET
    description: Words = ""
    type: Label = ""
    virtualization: Label = ""
    public: bool = False
    active: bool = True
    start_date: When | None = None
    end_date: When | None = None


class ProviderPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /providers/{id}."""

    name: Name | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    description: Words | UnsetType = UNSET
    type: Label | UnsetType = UNSET
    virtualization: Label | UnsetType = UNSET
    public: bool | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    start_date: When | UnsetType = UNSET
    end_date: When | None | UnsetType = UNSET


class NewLicense(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /licenses."""

    title: Name
    type: LicenseType
    text: Words


class LicensePatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /licenses/{id}."""

    title: Name | UnsetType = UNSET
    type: LicenseType | UnsetType = UNSET
    text: Words | UnsetType = UNSET


class NewScript(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /boot_scripts."""

    title: Name
    type: ScriptType
    text: Words
    run_every_deploy: bool = False
    wait_for_deploy: bool = True


class ScriptPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /boot_scripts/{id}."""

    title: Name | UnsetType = UNSET
    type: ScriptType | UnsetType = UNSET
    text: Words | UnsetType = UNSET
    run_every_deploy: bool | UnsetType = UNSET
    wait_for_deploy: bool | UnsetType = UNSET


class NewGroup(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /groups."""

    name: Name
    users: Refs = []
    leaders: Refs = []


class GroupPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /groups/{id}."""

    name: Name | UnsetType = UNSET
    users: Refs | UnsetType = UNSET
    leaders: Refs | UnsetType = UNSET


class NewUser(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /users; without a password the user signs in with tokens only."""

    username: Name
    password: Password | None = None
    is_staff: bool = False
    active: bool = True


class UserPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /users/{id}."""

    is_staff: bool | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    password: Password | None | UnsetType = UNSET


class NewIdentity(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /identities."""

    user: Ref
    provider: Ref
    key: Name


class IdentityPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /identities/{id}."""

    key: Name | UnsetType = UNSET


class TagPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /tags/{id}."""

    name: Name | UnsetType = UNSET
    description: Words | UnsetType = UNSET


class NewToken(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /tokens: with username and password, or with a token of the scope admin."""

    username: Name | UnsetType = UNSET
    password: Annotated[str, Meta(max_length=1024)] | UnsetType = UNSET
    name: Label = ""
    scope: Scope = "write"
    expires: When | None = None


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


class Assignment(Struct, forbid_unknown_fields=True, kw_only=True):
    """PUT /images/{image}/channels/{name}: a version, or null to unassign."""

    version: Ref | None
    reason: Reason | None = None
    override: bool = False


class Requirements(Struct, forbid_unknown_fields=True, kw_only=True):
    """What assigning to a channel needs: a machine on each of these providers, and `days` since
    the version first came to that other channel."""

    providers: Refs = []
    channel: str | None | UnsetType = UNSET
    days: Annotated[int, Meta(ge=0, le=3650)] | None = None


class ChannelPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /images/{image}/channels/{name}."""

    restricted: bool | UnsetType = UNSET
    groups: Refs | UnsetType = UNSET
    requires: Requirements | None | UnsetType = UNSET


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


class Running(Struct, forbid_unknown_fields=True, kw_only=True):
    """One machine that was found running; on this provider, where it is said."""

    identifier: Name
    provider: Ref | None = None


class Lookup(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /lookup: at most 1,000 ids."""

    identifiers: Annotated[list[Name | Running], Meta(min_length=1, max_length=1000)]


Target = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        description="an http or https address, without credentials or fragment",
        extra_json_schema={
            "pattern": r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:[1-9][0-9]{0,4})?"
            r"([/?][!-\"$-~]*)?$"
        },
    ),
]
EventTypes = Annotated[list[EventType], Meta(min_length=1, max_length=20)]


class NewWebhook(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /webhooks: for one image, or for all (staff)."""

    target: Target
    image: Ref | None = None
    events: EventTypes | UnsetType = UNSET
    active: bool = True


class WebhookPatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /webhooks/{id}."""

    target: Target | UnsetType = UNSET
    events: EventTypes | UnsetType = UNSET
    active: bool | UnsetType = UNSET
