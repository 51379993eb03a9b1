"""What Terraform reads: a state with outputs, and the versions of a module."""

from msgspec import Struct

from goldenrod.base.wire.common import Uuid

Kind = list[str | list[str]]
"""The type of an output, as Terraform writes it: ["map", ["map", "string"]]."""


class TextOutput(Struct):
    """An output that is a text."""

    value: str
    type: str


class MachinesOutput(Struct):
    """An output by provider, then architecture."""

    value: dict[str, dict[str, str]]
    type: Kind


class ListOutput(Struct):
    """An output that is a list of texts."""

    value: list[str]
    type: Kind


class Outputs(Struct):
    """The outputs of a channel's state: ids and versions of its machines, and what to be warned of."""

    image: TextOutput
    channel: TextOutput
    machines: MachinesOutput
    versions: MachinesOutput
    warnings: ListOutput


class TerraformState(Struct):
    """A Terraform state in format 4, without resources."""

    version: int
    terraform_version: str
    serial: int
    lineage: Uuid
    outputs: Outputs
    resources: list[str]
    check_results: None


class ModuleVersion(Struct):
    """One version of a module."""

    version: str


class Module(Struct):
    """A module and its versions."""

    versions: list[ModuleVersion]


class ModuleLocation(Struct):
    """Where the archive of a module is, relative to the address that was asked."""

    location: str


class ModuleVersions(Struct):
    """The versions of one module, as a module registry lists them."""

    modules: list[Module]
