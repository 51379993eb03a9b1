"""What Glance's answers say: pages of images, and members of one. The functions take any input.

The answers are not read by the SDK's `Image`: a property such as `connection`, which anybody may set on
a community image, would be an argument of its constructor and break the whole list.
"""

import re
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta, Struct

from goldenrod.base.architectures import normal_architecture
from goldenrod.base.clock import Instant
from goldenrod.base.text import first_invisible
from goldenrod.sources.declarations import OpenStack
from goldenrod.sources.found import VISIBILITIES, FoundMachine, Listed, Origin, Presence, Skipped
from goldenrod.sources.name_rules import NameRules, clean_name
from goldenrod.sources.texts import instant

OTHERS = "they belong to projects whose images are not read"

MOST_VALUES = 500_000
"""The most values of an answer, about twice those of a thousand images with as many properties and tags
as Glance allows. Values take more memory than their text."""
_MOST_TAGS = 100
_MOST_TEXT = 16 * 1024
_GIB = 2**30
_HEX_DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Page(NamedTuple):
    """One page of a list: the images as they are written, and the marker of the next page."""

    images: list[bytes]
    marker: str | None


class Members(NamedTuple):
    """The projects that accepted an image, and how many it was offered to that have not."""

    accepted: list[str]
    offered: int


class Reading(Struct, frozen=True, kw_only=True):
    """What decides how an image is read. `owners` are the projects whose images are read."""

    declaration: OpenStack
    rules: NameRules
    provider: str
    scope: str
    owners: frozenset[str]
    read_at: Instant


class _Page(Struct):
    images: list[msgspec.Raw]
    first: str
    next: str | None = None


class _Member(Struct):
    member_id: str
    status: str


class _Members(Struct):
    members: list[_Member]


_Number = Annotated[int, Meta(ge=0, le=2**60)]
_Id = Annotated[str, Meta(pattern=r"\A[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")]


class _OnlyId(Struct):
    id: _Id


class _Image(Struct):
    """The fields of an image that are read. Its properties lie beside them."""

    id: _Id
    status: str
    visibility: str
    name: str | None = None
    owner: str | None = None
    os_hidden: bool = False
    min_disk: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    min_ram: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    size: _Number | None = None
    virtual_size: _Number | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    container_format: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    tags: list[str] = []


def read_page(body: bytes) -> Page | str:
    """The images on a page, each still as it is written, or why the answer is no page."""
    page = _decoded(body, _Page)
    if isinstance(page, str):
        return page
    images = [bytes(one) for one in page.images]
    if page.next is None:
        return Page(images, None)
    try:
        markers = parse_qs(urlsplit(page.next).query).get("marker", [])
    except ValueError:
        markers = []
    if len(markers) != 1:
        return "the address of the next page has no marker"
    return Page(images, markers[0])


def read_members(body: bytes) -> Members | str:
    """The projects that an image is shared with, or why the answer does not say."""
    read = _decoded(body, _Members)
    if isinstance(read, str):
        return read
    accepted = [_short(one.member_id) for one in read.members if one.status == "accepted"]
    return Members(accepted, len(read.members) - len(accepted))


def read_presence(body: bytes, identifier: str) -> Presence:
    """What an answer about one image says of it. An administrator is shown deleted ones too."""
    image = _decoded(body, _Image)
    if isinstance(image, str) or image.id.lower() != identifier.lower():
        return "unknown"
    return "gone" if image.status in ("deleted", "pending_delete") else "there"


def id_of(raw: bytes) -> str | None:
    """The id of an image of a list, in one spelling; None where it has none."""
    one = _decoded(raw, _OnlyId)
    return None if isinstance(one, str) else one.id.lower()


def read_image(raw: bytes, reading: Reading) -> Listed | Skipped:
    """What one image of a list is, or why it is skipped."""
    values = _decoded(raw, dict[str, Any])
    if isinstance(values, str):
        return Skipped("an image", values)
    where = _where(values)
    try:
        image = msgspec.convert(values, _Image)
    except (msgspec.MsgspecError, RecursionError) as wrong:
        return Skipped(where, _told(wrong))
    listed = _listed(image, values, reading)
    return Skipped(where, _shown(listed)) if isinstance(listed, str) else listed


def _listed(image: _Image, values: dict[str, Any], reading: Reading) -> Listed | str:
    """The image as a machine, or why it is skipped."""
    declared = reading.declaration
    if image.owner not in reading.owners and not (
        declared.public_images and image.visibility == "public"
    ):
        return OTHERS
    if image.status not in ("active", "deactivated"):
        return f"its status is {_short(image.status)!r}"
    if _property(values, "image_type") == "snapshot":
        return "it is a snapshot of a server"
    if image.container_format in ("aki", "ari"):
        return "it is a kernel or a ramdisk, not a machine"
    named = _named(image, values, reading.rules)
    if isinstance(named, str):
        return named
    return Listed(
        image=named.image,
        version=named.version,
        machine=_machine(image, values, named.architecture, reading),
        source_name=named.source_name,
        start_date=named.date,
        change_log=_text(_property(values, "description")),
        tags=_tags(image, values, declared.tags),
    )


def _machine(
    image: _Image, values: dict[str, Any], architecture: str, reading: Reading
) -> FoundMachine:
    created = instant(image.created_at)
    hidden_at = instant(image.updated_at) or created or reading.read_at
    origin = None
    if reading.declaration.parent_property:
        parent = _line(_property(values, reading.declaration.parent_property))
        origin = parent and Origin(provider=reading.provider, identifier=parent, kind="build")
    return FoundMachine(
        provider=reading.provider,
        provider_type="openstack",
        identifier=image.id,
        architecture=architecture,
        size_gb=_size_gb(image),
        checksum=_checksum(image),
        min_mem=image.min_ram or None,
        status="active" if image.status == "active" else "deactivated",
        visibility=next((known for known in VISIBILITIES if known == image.visibility), None),
        deprecated_at=hidden_at if image.os_hidden else None,
        owner=_short(image.owner or ""),
        origin=origin or None,
        created_at=created,
        scope=reading.scope,
    )


class _Named(NamedTuple):
    image: str
    version: str
    architecture: str
    date: Instant | None
    source_name: str


def _named(image: _Image, values: dict[str, Any], rules: NameRules) -> _Named | str:
    """What the name says by the rules, else what the properties say; or why neither says it."""
    architecture = _property(values, "architecture").strip()
    if len(architecture) > 64 or (architecture and _line(architecture) is None):
        return "its property architecture is too long, or has control or invisible characters"
    written = image.name or ""
    read = rules.read(written) if written.strip() else "it has no name"
    if not isinstance(read, str):
        spoken = read.architecture or ""
        if not _agree(architecture, spoken):
            return f"its architecture is {architecture}, but its name says {spoken}"
        source_name = clean_name(written) or image.id
        return _Named(read.image, read.version, architecture or spoken, read.date, source_name)
    tried = rules.explain(written)
    if written.strip() and (clean_name(written) is None or (tried and tried[-1].groups)):
        return read
    version = _property(values, "internal_version") or _property(values, "image_build_date")
    parts = [_property(values, key).strip() for key in ("os_distro", "os_version")]
    if not all(parts):
        return f"{read}, and it has not both properties os_distro and os_version"
    if not version.strip():
        return f"{read}, and it has neither property internal_version nor image_build_date"
    name = "-".join([*parts, *filter(None, [normal_architecture(architecture)])])
    image_name, version_name = _line(name), _line(version)
    if image_name is None or version_name is None:
        return (
            "a property that names its image or version is too long, or has control or invisible "
            "characters"
        )
    source_name = clean_name(written) or image.id
    return _Named(image_name, version_name, architecture, None, source_name)


def _agree(one: str, other: str) -> bool:
    return not one or not other or normal_architecture(one) == normal_architecture(other)


def _size_gb(image: _Image) -> int | None:
    """The GiB of disk that a machine needs: at least `min_disk`, and what its data takes."""
    sizes = [-(-(size or 0) // _GIB) for size in (image.virtual_size, image.size)]
    return max(image.min_disk or 0, *sizes) or None


def _checksum(image: _Image) -> str | None:
    """The strong hash, or the MD5 of old images that have no other."""
    algorithm, value = (image.os_hash_algo or "").lower(), (image.os_hash_value or "").lower()
    if not value:
        algorithm, value = "md5", (image.checksum or "").lower()
    fits = len(value) == _HEX_DIGITS.get(algorithm) and _HEX.fullmatch(value)
    return f"{algorithm}:{value}" if fits else None


def _tags(image: _Image, values: dict[str, Any], listed: list[str]) -> tuple[str, ...]:
    """The tags, and the values of the listed properties."""
    written = [*image.tags, *(_property(values, key) for key in listed)]
    return tuple(dict.fromkeys(filter(None, map(_line, written))))[:_MOST_TAGS]


def _line(written: str) -> str | None:
    """A text that may be a name or tag here; None for one that may not."""
    line = clean_name(written)
    return None if line is None or first_invisible(line) else line


def _property(values: dict[str, Any], key: str) -> str:
    """The text of a property; empty where there is none, or it is no text."""
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _text(written: str) -> str:
    return _NOT_IN_TEXT.sub("", written[:_MOST_TEXT]).strip()


def _short(text: str) -> str:
    return _NOT_IN_TEXT.sub("?", text[:100])


def _where(values: dict[str, Any]) -> str:
    """How a person finds an image that is skipped: its name and id, which are both no secret."""
    name, identifier = (_property(values, key)[:100] for key in ("name", "id"))
    return _shown(
        f"{name} ({identifier})" if name and identifier else name or identifier or "an image"
    )


def _shown(text: str) -> str:
    return text if text.isprintable() else ascii(text)


def _decoded(raw: bytes, kind: type[Any]) -> Any:
    """JSON as a type, or why it is not that."""
    if raw.count(b",") > MOST_VALUES:
        return "it has too many values"
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as wrong:
        return _told(wrong)


def _told(wrong: Exception) -> str:
    if isinstance(wrong, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(wrong, RecursionError):
        return "nested too deeply"
    return _short(str(wrong))
