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
from typing import Annotated, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct, field

from goldenrod.sources import toml_lines
from goldenrod.sources.name_rules import (
    UNUSABLE,
    InvalidRule,
    NameRules,
    RuleFile,
    RuleText,
    clean_name,
    shipped_rules,
)

T = TypeVar("T")

MOST_BYTES = 1024 * 1024
"""The most bytes of a file of declarations or rules."""

SourceName = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")]
Names = Annotated[list[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(max_length=100)]


class Rules(Struct, frozen=True, forbid_unknown_fields=True):
    """The rules for names: in place, then those of a file, then the shipped ones.

    The shipped ones hold where `shipped` is true, and by default where no others are declared. Packer
    has none by default: names of one's own builds are not those of public images.
    """

    file: Annotated[str, Meta(pattern=r"\A[^\x00-\x1f]+\Z")] | None = None
    rule: Annotated[list[RuleText], Meta(max_length=1000)] = []
    shipped: bool | None = None


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


AwsOwners = Annotated[
    list[Annotated[str, Meta(pattern=r"\A([0-9]{12}|self|amazon|aws-marketplace)\Z")]],
    Meta(min_length=1, max_length=100),
]
"""Ids of accounts, `self`, or aliases that AWS gives. Never empty: that would be anybody's images."""


class Aws(Declaration, frozen=True, kw_only=True):
    """Machine images of Amazon EC2, read with boto3. `owners` says whose are read, and is required.

    A publisher may have other accounts in some regions: `owners_by_region` is used there instead. An
    alias stands for many publishers, so it needs `names`. `tags` are the keys of the tags that own
    images give to images here.
    """

    owners: AwsOwners
    owners_by_region: dict[str, AwsOwners] = {}
    regions: Names = []
    names: Names = []
    """Filters on the name, with `*` and `?`."""
    profile: str | None = None
    endpoint_url: str | None = None
    marketplace: bool = False

    def __post_init__(self) -> None:
        owners = [*self.owners, *(o for some in self.owners_by_region.values() for o in some)]
        aliases = {"amazon", "aws-marketplace"}.intersection(owners)
        if aliases and not self.names:
            raise ValueError(
                f"owner {min(aliases)!r} stands for many publishers: declare names as well"
            )


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
    """Manifests that Packer's `manifest` post-processor wrote. `run` is `last`, `all`, or the UUID of a
    run; `expect` is how many builds it must have."""

    files: Annotated[Names, Meta(min_length=1)]
    image: str | None = None
    provider: str | None = None
    base_url: str | None = None
    run: str = "last"
    expect: Annotated[int, Meta(ge=1)] | None = None


class SimpleStreams(Declaration, frozen=True, kw_only=True):
    """A tree of simplestreams: a mirror's base URL or directory. With a keyring, it must be signed."""

    base: str
    keyring: str | None = None
    content: Names = []
    """Only these content ids of the index; empty: all."""


class Files(Declaration, frozen=True, kw_only=True):
    """What the sources that read only files have."""

    files: Annotated[Names, Meta(min_length=1)]


class Gcp(Files, frozen=True, kw_only=True):
    """Answers of Compute Engine's images.list, one JSON document per file."""

    project: str


class Azure(Files, frozen=True, kw_only=True):
    """Answers of Azure's gallery API: image definitions and versions."""


class Vagrant(Files, frozen=True, kw_only=True):
    """Vagrant box catalogues (metadata.json)."""

    provider: str = "vagrant"


class ImageBuilder(Files, frozen=True, kw_only=True, tag="image-builder"):
    """Answers of EC2 Image Builder: build versions of images."""


class AwsFile(Files, frozen=True, kw_only=True, tag="aws-file"):
    """Lines of JSON, each one Amazon machine image in one region, as `goldenrod import aws` reads."""


AnySource = (
    Aws | OpenStack | Packer | SimpleStreams | Gcp | Azure | Vagrant | ImageBuilder | AwsFile
)


TYPES = tuple(str(kind.__struct_config__.tag) for kind in get_args(AnySource))


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    source: Annotated[list[AnySource], Meta(min_length=1, max_length=100)]


class InvalidDeclaration(ValueError):
    """The file cannot be used. The message names the file, the line where known, and the reason."""


def load(path: Path) -> list[AnySource]:
    """The sources that a file declares. Raises InvalidDeclaration, or OSError if it is unreadable.

    The rules of each source are checked too, with the files that they are in.
    """
    text, declared = _decoded(path, _File)
    names: set[str] = set()
    for number, source in enumerate(declared.source):
        if source.name in names:
            line = toml_lines.line_of(text, ("source", number, "name"))
            raise _invalid(path, line, f"two sources are named {source.name!r}")
        names.add(source.name)
        try:
            NameRules(source.rules.rule)
        except InvalidRule as wrong:
            where = ("source", number, "rules", "rule", wrong.number, wrong.field)
            raise _invalid(path, toml_lines.line_of(text, where), str(wrong)) from None
        try:
            name_rules(source, path.parent)
        except OSError as wrong:
            line = toml_lines.line_of(text, ("source", number, "rules", "file"))
            raise _invalid(path, line, f"{wrong.filename}: {wrong.strerror}") from None
    return declared.source


def name_rules(source: AnySource, directory: Path) -> NameRules:
    """The compiled rules of a source. Files are relative to `directory`.

    Raises InvalidDeclaration for rules that cannot be used, OSError for a file that is unreadable.
    """
    own = list(source.rules.rule)
    if source.rules.file is not None:
        own += rules_of_file(directory / source.rules.file)
    shipped = source.rules.shipped
    if shipped is None:
        shipped = not own and not isinstance(source, Packer)
    return NameRules(own + (shipped_rules() if shipped else []))


def rules_of_file(path: Path) -> list[RuleText]:
    """The rules of a file, which are checked. Raises InvalidDeclaration, OSError."""
    text, found = _decoded(path, RuleFile)
    try:
        NameRules(found.rule)
    except InvalidRule as wrong:
        line = toml_lines.line_of(text, ("rule", wrong.number, wrong.field))
        raise _invalid(path, line, str(wrong)) from None
    return found.rule


def explain(source: AnySource, directory: Path, name: str) -> list[str]:
    """How the rules of a source read a name: each rule that is tried, and what the last one gives."""
    rules = name_rules(source, directory)
    lines = [f"source {source.name!r} has {len(rules)} rules; the name is {name[:300]!r}"]
    clean = clean_name(name)
    if clean is None:
        return [*lines, f"it is skipped: {UNUSABLE}"]
    if clean != name:
        lines.append(f"it is read as {clean!r}")
    for tried in rules.explain(name):
        if tried.groups is None:
            lines.append(f"rule {tried.rule!r} does not match")
        else:
            groups = ", ".join(f"{key}={value!r}" for key, value in tried.groups.items())
            lines.append(f"rule {tried.rule!r} matches: {groups}")
    read = rules.read(name)
    if isinstance(read, str):
        return [*lines, f"it is skipped: {read}"]
    lines += [f"image: {read.image}", f"version: {read.version}"]
    given = {"start date": read.date, "architecture": read.architecture, "region": read.region}
    return lines + [f"{what}: {value}" for what, value in given.items() if value]


def _decoded(path: Path, kind: type[T]) -> tuple[str, T]:
    """A TOML file as text and as a value. Raises InvalidDeclaration, OSError."""
    with path.open("rb") as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise InvalidDeclaration(f"{path}: is larger than {MOST_BYTES // 1024} KiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = raw[: wrong.start].count(b"\n") + 1
        raise _invalid(path, line, "is not UTF-8") from None
    try:
        return text, msgspec.toml.decode(text, type=kind)
    except msgspec.ValidationError as wrong:
        reason, where = toml_lines.problem(str(wrong))
        if where[-1:] == ("type",):
            reason += f" is not one of {', '.join(TYPES)}"
        raise _invalid(path, toml_lines.line_of(text, where), reason) from None
    except (msgspec.MsgspecError, RecursionError) as wrong:
        reason, at = toml_lines.syntax_problem(str(wrong))
        raise _invalid(path, at, reason) from None


def _invalid(path: Path, line: int | None, reason: str) -> InvalidDeclaration:
    where = f"{path}: line {line}" if line else str(path)
    return InvalidDeclaration(f"{where}: {reason}")
