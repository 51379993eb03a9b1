"""Providers, machines, licenses and boot scripts: request and response bodies."""

from msgspec import UNSET, Struct, UnsetType

from goldenrod.base.wire.common import (
    Identifier,
    ImageSummary,
    Label,
    LicenseType,
    Moment,
    Name,
    ProviderSummary,
    Ref,
    ScriptType,
    Size,
    UserSummary,
    Uuid,
    VersionSummary,
    When,
    Words,
)


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
    architecture_given: str


class Provider(Struct):
    """A cloud, or one region of a cloud, on which machines exist."""

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
    """A boot script, which runs when a version is launched."""

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


class NestedMachine(Struct, forbid_unknown_fields=True, kw_only=True):
    """A machine in the POST of its version."""

    provider: Ref
    identifier: Identifier
    architecture: Label = ""
    size_gb: Size | None = None
    checksum: Label = ""
    start_date: When | None = None
    end_date: When | None = None
    take_identifier: bool = False


class NewMachine(NestedMachine, forbid_unknown_fields=True, kw_only=True):
    """POST /provider_machines."""

    version: Ref


class MachinePatch(Struct, forbid_unknown_fields=True, kw_only=True):
    """PATCH /provider_machines/{id}."""

    identifier: Identifier | UnsetType = UNSET
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
