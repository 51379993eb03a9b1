"""Reads the images of an answer of EC2's DescribeImages, as boto3 decodes it, into rows.

Each image is a row: a machine, or why it was skipped. No content raises.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from goldenrod.base.architectures import normal_architecture
from goldenrod.sources.aws.failures import Failure
from goldenrod.sources.found import FoundMachine, Listed, Origin, Skipped, Status, Visibility
from goldenrod.sources.name_rules import NameRules, clean_name
from goldenrod.sources.texts import instant

_MOST_DESCRIPTION = 4096
_MOST_SHOWN = 100
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_COPIED = re.compile(
    r"\[Copied (?P<ami>ami-[0-9a-f]{8,17})(?: \(.*?\))? from (?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\]\s*",
    re.ASCII,
)

# Others, such as pending, are skipped: the image does not exist yet.
_STATUSES: dict[str, Status] = {
    "available": "active",
    "disabled": "deactivated",
    "deregistered": "deactivated",
    "failed": "deactivated",
    "invalid": "deactivated",
    "error": "deactivated",
}


class Place(Struct, frozen=True, kw_only=True):
    """What decides how the images of one scope are read. `owners` are ids of accounts and aliases."""

    scope: str
    region: str
    account: str
    owners: tuple[str, ...]
    tags: tuple[str, ...] = ()
    marketplace: bool = False


def images_of(answer: Mapping[str, Any]) -> list[object]:
    """The images of an answer of DescribeImages. Raises for an answer that does not say which."""
    images = answer.get("Images")
    metadata = answer.get("ResponseMetadata")
    if not isinstance(images, list) or not isinstance(metadata, Mapping):
        raise Failure("the answer is not one of EC2: it has no list of images")
    if not metadata.get("RequestId"):
        raise Failure("the answer is not one of EC2: it has no request id")
    return images


def permitted(answer: Mapping[str, Any]) -> Visibility | None:
    """Who may launch an image by an answer of DescribeImageAttribute; None if it does not say."""
    permissions = answer.get("LaunchPermissions")
    if not isinstance(permissions, list):
        return None
    groups = [one.get("Group") for one in permissions if isinstance(one, Mapping)]
    return "public" if "all" in groups else "shared" if permissions else "private"


def parse(
    images: list[object], place: Place, rules: NameRules, seen: set[str]
) -> Iterator[Listed | Skipped]:
    """A row for each image. `seen` has the ids of earlier pages."""
    for number, image in enumerate(images, 1):
        try:
            row = msgspec.convert(image, _Image)
        except msgspec.ValidationError as wrong:
            yield Skipped(_where(image, number, place), _shown(str(wrong)))
            continue
        except UnicodeEncodeError:
            yield Skipped(_where(image, number, place), "it has characters that do not exist")
            continue
        outcome = "listed twice" if row.image_id in seen else _listed(row, place, rules)
        seen.add(row.image_id)
        if isinstance(outcome, str):
            yield Skipped(_where(image, number, place), outcome)
        else:
            yield outcome


class _Image(Struct, rename="pascal"):
    """An image as boto3 gives it. What only adds details may be of any kind."""

    image_id: Annotated[str, Meta(pattern=r"\Aami-[0-9A-Za-z]{1,64}\Z")]
    owner_id: Annotated[str, Meta(pattern=r"\A[0-9]{1,20}\Z")]
    state: Annotated[str, Meta(max_length=64)]
    architecture: Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_.-]{0,64}\Z")] = ""
    name: str = ""
    image_type: str = "machine"
    image_owner_alias: Any = None
    virtualization_type: Any = None
    public: bool | None = None
    description: Any = None
    creation_date: Any = None
    deprecation_time: Any = None
    root_device_name: Any = None
    block_device_mappings: Any = None
    product_codes: Any = None
    source_image_id: Any = None
    source_image_region: Any = None
    source_instance_id: Any = None
    tags: Any = None


def _listed(row: _Image, place: Place, rules: NameRules) -> Listed | str:
    """The machine that an image is, or why it is skipped."""
    if not _is_declared(row, place):
        return f"its owner {row.owner_id} is not one of those declared"
    if row.image_type != "machine":
        return "it is not a machine image"
    if (row.product_codes or row.image_owner_alias == "aws-marketplace") and not place.marketplace:
        return "it is sold on the marketplace"
    status = _STATUSES.get(row.state)
    if status is None:
        return f"its state is {_shown(row.state)}"
    read = rules.read(row.name)
    if isinstance(read, str):
        return read
    architecture = row.architecture or read.architecture or ""
    if read.architecture and not _same_architecture(read.architecture, architecture):
        return f"its architecture is {architecture}, but its name says {read.architecture}"
    own = row.owner_id == place.account
    description = _text(row.description)
    machine = FoundMachine(
        provider=place.region,
        provider_type="aws",
        virtualization=_one_of(row.virtualization_type, "hvm", "paravirtual"),
        identifier=row.image_id,
        architecture=architecture,
        size_gb=_size(row),
        status=status,
        visibility=_visibility(row, own=own),
        deprecated_at=instant(row.deprecation_time),
        owner=row.owner_id,
        origin=_origin(row, description, place.region),
        created_at=instant(row.creation_date),
        scope=place.scope,
    )
    return Listed(
        image=read.image,
        version=read.version,
        machine=machine,
        source_name=row.name,
        start_date=read.date,
        change_log=_without_copies(description),
        tags=_tags(row, place.tags) if own else (),
    )


def _is_declared(row: _Image, place: Place) -> bool:
    """Whether an image belongs to one of the declared owners. AWS sets the alias: it is not forged."""
    names = {row.owner_id}
    if row.image_owner_alias in ("amazon", "aws-marketplace"):
        names.add(row.image_owner_alias)
    if row.owner_id == place.account:
        names.add("self")
    return not names.isdisjoint(place.owners)


def _same_architecture(named: str, given: str) -> bool:
    """Whether a name says the architecture of its image. Those of Macs have an ending of their own."""
    return normal_architecture(named) == normal_architecture(given).removesuffix("_mac")


def _visibility(row: _Image, *, own: bool) -> Visibility | None:
    """Who may use it. Of own images that are not public, only the launch permissions say it."""
    if row.public is None or (own and not row.public):
        return None
    return "public" if row.public else "shared"


def _size(row: _Image) -> int | None:
    """The size of the root device in GiB."""
    devices = row.block_device_mappings if isinstance(row.block_device_mappings, list) else []
    for device in devices:
        if isinstance(device, Mapping) and device.get("DeviceName") == row.root_device_name:
            disk = device.get("Ebs")
            size = disk.get("VolumeSize") if isinstance(disk, Mapping) else None
            if type(size) is int and 0 < size <= 1_000_000:
                return size
    return None


def _origin(row: _Image, description: str, region: str) -> Origin | None:
    """The image that this one was made from: copied, or launched, changed and saved.

    The description is a hint only, for images that were copied before AWS said it in fields.
    """
    source = row.source_image_id
    if isinstance(source, str) and re.fullmatch(r"ami-[0-9A-Za-z]{1,64}", source):
        named = row.source_image_region
        known = isinstance(named, str) and re.fullmatch(r"[a-z0-9-]{1,64}", named, re.ASCII)
        provider = named if known else region
        return Origin(
            provider=provider,
            identifier=source,
            kind="build" if row.source_instance_id else "copy",
        )
    if copied := _COPIED.match(description):
        return Origin(provider=copied["region"], identifier=copied["ami"], kind="copy")
    return None


def _without_copies(description: str) -> str:
    """A description without what AWS writes before those of copies, once for each time of copying."""
    start = 0
    while copied := _COPIED.match(description, start):
        start = copied.end()
    return description[start:].strip()


def _tags(row: _Image, keys: tuple[str, ...]) -> tuple[str, ...]:
    """The values of the declared tags of an own image. Other tags may hold secrets or addresses."""
    tags = {
        tag.get("Key"): tag.get("Value")
        for tag in (row.tags if isinstance(row.tags, list) else [])
        if isinstance(tag, Mapping) and isinstance(tag.get("Key"), str)
    }
    values = (value for key in keys if isinstance(value := tags.get(key), str))
    return tuple(dict.fromkeys(filter(None, map(clean_name, values))))


def _text(written: object) -> str:
    text = written[:_MOST_DESCRIPTION] if isinstance(written, str) else ""
    return _NO_TEXT.sub(" ", text).strip()


def _one_of(written: object, *known: str) -> str:
    return written if isinstance(written, str) and written in known else ""


def _shown(text: str) -> str:
    """A text as it may be shown in one line of a report."""
    cut = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
    return cut if cut.isprintable() else ascii(cut)


def _where(image: object, number: int, place: Place) -> str:
    """What an image is called in a report."""
    values = image if isinstance(image, Mapping) else {}
    names = [values.get(key) for key in ("ImageId", "Name")]
    shown = [_shown(name) for name in names if isinstance(name, str) and name]
    return f"{place.region} {' '.join(shown) or f'image {number}'}"
