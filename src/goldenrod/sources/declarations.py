"""Reads the TOML file that declares sources.

    [[source]]
    name = "aws-production"          # unique; the actor of the changes in the audit
    type = "aws"                     # one of the types below
    owners = ["self"]
    regions = ["us-east-1"]

    [source.rules]
    file = "rules.toml"              # relative to this file

Everything is checked when the file is loaded: unknown keys, regular expressions, templates. The first
problem is raised with the line it is on. Credentials are never in this file; each library reads them
from where it usually does.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from goldenrod.sources.name_rules import NameRules, RuleText

SourceName = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")]
Names = Annotated[list[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(max_length=100)]


class Rules(Struct, frozen=True, forbid_unknown_fields=True):
    """The rules for names: in a file of their own, in place, or both (the file's come last)."""

    file: str | None = None
    rule: list[RuleText] = []


class Declaration(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type", tag=str.lower
):
    """What all sources have.

    `owner` is the user who owns new images. `public` makes new images public even where the cloud does
    not say so; by default an image is public only if every machine found of it is. `providers` maps
    the source's names of providers (regions) to slugs here. `identities` maps owners on the cloud to
    provider accounts here. `projects` maps projects to groups that new versions are shared with. A
    machine must be missing in `looks` complete looks in a row before it is ended.
    """

    name: SourceName
    owner: str = "import"
    public: bool | None = None
    providers: dict[str, str] = {}
    identities: dict[str, str] = {}
    projects: dict[str, str] = {}
    tags: Names = []
    looks: Annotated[int, Meta(ge=1, le=100)] = 3
    rules: Rules = field(default_factory=Rules)


class Aws(Declaration, frozen=True, kw_only=True):
    """Machine images of Amazon EC2, read with boto3. `owners` says whose are read, and is required."""

    owners: Annotated[Names, Meta(min_length=1)]
    owners_by_region: dict[str, Names] = {}
    regions: Names = []
    names: Names = []
    """Filters on the name, with `*` and `?`."""
    profile: str | None = None
    endpoint_url: str | None = None
    marketplace: bool = False


class OpenStack(Declaration, frozen=True, kw_only=True):
    """Images of OpenStack Glance, read with openstacksdk. `cloud` is an entry of clouds.yaml."""

    cloud: str
    regions: Names = []
    project_owners: Names = []
    """Only images of these projects are read; empty: of the project that one is signed in to."""
    public_images: bool = False
    """Also read images that other projects published to everybody."""
    parent_property: str | None = None
    """The property that has the id of the image that one was built from, such as `base_image_ref`."""


class Packer(Declaration, frozen=True, kw_only=True):
    """Manifests that Packer's `manifest` post-processor wrote."""

    files: Annotated[Names, Meta(min_length=1)]
    image: str | None = None
    provider: str | None = None
    base_url: str | None = None
    run: str = "last"


class SimpleStreams(Declaration, frozen=True, kw_only=True):
    """A tree of simplestreams: a mirror's base URL or directory. With a keyring, it must be signed."""

    base: str
    keyring: str | None = None
    content: Names = []
    """Only these content ids of the index; empty: all."""


class Files(Declaration, frozen=True, kw_only=True):
    """What the three sources that read only files have."""

    files: Annotated[Names, Meta(min_length=1)]


class Gcp(Files, frozen=True, kw_only=True):
    """Answers of Compute Engine's images.list, one JSON document per file."""

    project: str


class Azure(Files, frozen=True, kw_only=True):
    """Answers of Azure's gallery API: image definitions and versions."""


class Vagrant(Files, frozen=True, kw_only=True):
    """Vagrant box catalogues (metadata.json)."""

    provider: str = "vagrant"


class AwsFile(Files, frozen=True, kw_only=True, tag="aws-file"):
    """Lines of JSON, each one Amazon machine image in one region, as `goldenrod import aws` reads."""


AnySource = Aws | OpenStack | Packer | SimpleStreams | Gcp | Azure | Vagrant | AwsFile


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    source: Annotated[list[AnySource], Meta(min_length=1, max_length=100)]


class InvalidDeclaration(ValueError):
    """The file cannot be used. The message names the file, the line where known, and the reason."""


def load(path: Path) -> list[AnySource]:
    """The sources that a file declares. Raises InvalidDeclaration, or OSError if it is unreadable."""
    try:
        declared = msgspec.toml.decode(path.read_bytes(), type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise InvalidDeclaration(f"{path}: {wrong}") from None
    names = [source.name for source in declared.source]
    for name in names:
        if names.count(name) > 1:
            raise InvalidDeclaration(f"{path}: two sources are named {name!r}")
    return declared.source


def name_rules(source: AnySource, directory: Path) -> NameRules:
    """The compiled rules of a source. Files are relative to `directory`.

    Raises InvalidDeclaration for rules that cannot be used.
    """
    texts = list(source.rules.rule)
    try:
        if source.rules.file:
            raw = (directory / source.rules.file).read_bytes()
            texts += msgspec.toml.decode(raw, type=_RulesFile).rule
        return NameRules(texts)
    except (OSError, ValueError) as wrong:
        raise InvalidDeclaration(f"source {source.name!r}: {wrong}") from None


class _RulesFile(Struct, frozen=True, forbid_unknown_fields=True):
    rule: list[RuleText]
