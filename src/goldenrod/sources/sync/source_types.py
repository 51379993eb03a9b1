"""The class of each type of source. Its module is imported when a source of the type is made, so that
the command line starts fast and a missing library matters only to who needs it."""

import hashlib
from importlib import import_module
from pathlib import Path

import msgspec

from goldenrod.sources.declarations import AnySource, InvalidDeclaration, name_rules
from goldenrod.sources.found import Source

CLASSES = {
    "aws": "goldenrod.sources.aws:AwsSource",
    "openstack": "goldenrod.sources.openstack:OpenStackSource",
    "packer": "goldenrod.sources.packer.source:PackerSource",
    "simplestreams": "goldenrod.sources.simplestreams:SimpleStreamsSource",
    "gcp": "goldenrod.sources.files.gcp:GcpSource",
    "azure": "goldenrod.sources.files.azure:AzureSource",
    "vagrant": "goldenrod.sources.files.vagrant:VagrantSource",
    "image-builder": "goldenrod.sources.files.image_builder:ImageBuilderSource",
    "aws-file": "goldenrod.sources.files.aws_lines:AwsFileSource",
}
"""By type: the module and its class, which is made of (declaration, rules, directory)."""

NOT_READ = ("owner", "public", "identities", "projects", "tags", "looks", "rules")
"""Fields of a declaration that do not decide which machines are listed."""


def type_of(declaration: AnySource) -> str:
    """The type of a source, as it is declared."""
    return str(declaration.__struct_config__.tag)


def make(declaration: AnySource, directory: Path) -> Source:
    """The source of a declaration; its files are relative to `directory`. Raises InvalidDeclaration."""
    rules = name_rules(declaration, directory)
    module, _, name = CLASSES[type_of(declaration)].partition(":")
    try:
        made: Source = getattr(import_module(module), name)(declaration, rules, directory)
    except ImportError as missing:
        raise InvalidDeclaration(
            f"source {declaration.name!r}: reading this type needs further libraries "
            f"({missing.name}); install goldenrod[clouds]"
        ) from None
    return made


def fingerprint(declaration: AnySource, directory: Path) -> str:
    """A hash of what decides which machines a source lists, and as which images."""
    said = msgspec.to_builtins(declaration)
    decides = {name: value for name, value in said.items() if name not in NOT_READ}
    rules = declaration.rules
    texts = [msgspec.json.encode(decides, order="sorted"), msgspec.json.encode(rules.rule)]
    if rules.file:
        texts.append((directory / rules.file).read_bytes())
    return hashlib.sha256(b"\0".join(texts)).hexdigest()
