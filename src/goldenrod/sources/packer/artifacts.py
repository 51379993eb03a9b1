"""What a builder of Packer made: providers and identifiers, from the type of the builder, the id that
it gives, and its files.

The id also depends on the post-processors that ran before the manifest was written. So the form of
the id decides first, then the builder.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

_AMIS = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d+:ami-[0-9a-f]{8,17}", re.ASCII)
_VOLUMES = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d+:(?:vol|snap)-[0-9a-f]+", re.ASCII)
_DROPLETS = re.compile(r"([a-z0-9]+(?:,[a-z0-9]+)*):(\d+)", re.ASCII)
_OCID = re.compile(r"ocid1\.image\.[a-z0-9]+\.([a-z0-9-]+)\.[a-z0-9]+", re.ASCII)

_NO_IDS = frozenset({"", "VM", "Null", "File", "Container", "UNKNOWN ID"})
"""What builders give that have no id for what they made."""
_BOXES = frozenset({"virtualbox", "vmware", "libvirt", "hyperv", "parallels", "docker", "qemu"})
"""Ids of boxes that the post-processor `vagrant` made: the provider that the box is for."""

_TYPES = {
    "amazon": "aws",
    "azure": "azure",
    "googlecompute": "gcp",
    "openstack": "openstack",
    "digitalocean": "digitalocean",
    "hcloud": "hcloud",
    "yandex": "yandex",
    "nutanix": "nutanix",
    "proxmox": "proxmox",
    "oracle": "oci",
    "vsphere": "vsphere",
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "qemu": "qemu",
    "libvirt": "libvirt",
    "docker": "docker",
    "vagrant": "vagrant",
}
"""Types of providers by the first word of a builder's type."""

_WHOLE = (".ova", ".ovf", ".vmx")
"""A file that stands for all files of a build, the best first."""
_DISKS = (
    ".qcow2",
    ".raw",
    ".img",
    ".vmdk",
    ".vdi",
    ".vhd",
    ".vhdx",
    ".box",
    ".iso",
    ".tar",
    ".zip",
)
_PACKED = (".gz", ".xz", ".zst", ".bz2")
CHECKSUMS = re.compile(
    r"(?i)(?:\.checksum|\.(?:md5|sha\d+)(?:sums?)?|(?:md5|sha\d+)sums?(?:\.txt)?)\Z"
)
"""Names of files with checksums."""
_GIB = 1024**3


class File(NamedTuple):
    """A file that a build made; its size is in bytes."""

    name: str
    size: int


class Artifact(NamedTuple):
    """One machine: the provider where the id says it, else null; the id; its size, if it is a file."""

    provider: str | None
    identifier: str
    size_gb: int | None = None
    file: str | None = None
    provider_type: str | None = None


class Build(NamedTuple):
    """What identifies what a build made."""

    builder: str
    artifact_id: str
    files: tuple[File, ...]


def provider_type(builder: str, artifact: Artifact) -> str:
    """The type of provider that a machine is on; empty if it is not known."""
    return artifact.provider_type or _TYPES.get(re.split(r"[-.]", builder, maxsplit=1)[0], "")


def machines(build: Build, base_url: str | None, provider: str | None) -> list[Artifact] | str:
    """The machines of a build, or the reason why it has none. `provider` is the declared one."""
    given = build.artifact_id.strip()
    parts = given.split(",")
    if all(map(_AMIS.fullmatch, parts)):
        pairs = dict.fromkeys(tuple(part.split(":", 1)) for part in parts)
        return [Artifact(region, ami, provider_type="aws") for region, ami in pairs]
    if build.builder == "amazon-ebsvolume" or all(map(_VOLUMES.fullmatch, parts)):
        return "it made volumes or snapshots, which are no images"
    if build.builder.startswith("amazon-") and given not in _NO_IDS:
        return f"{given[:100]!r} is not a list of regions and AMIs"
    if build.builder == "digitalocean" and given not in _NO_IDS:
        if found := _DROPLETS.fullmatch(given):
            return [Artifact(region, found[2]) for region in dict.fromkeys(found[1].split(","))]
        return f"{given[:100]!r} is not a list of regions and an id"
    if given in _NO_IDS | _BOXES or given in {file.name for file in build.files}:
        return _of_files(build.files, base_url)
    if build.builder.startswith("vmware") and "::" not in given and _named(build.files):
        return _of_files(build.files, base_url)
    if build.builder == "docker" and not given.startswith("sha256:"):
        return (
            f"{given[:100]!r} is not the id of an image: write the manifest before docker-tag runs"
        )
    if build.builder == "azure-chroot":
        return [Artifact(None, part) for part in dict.fromkeys(map(str.strip, parts)) if part]
    if build.builder.startswith("oracle-oci") and (found := _OCID.fullmatch(given)):
        return [Artifact(None if provider else found[1], given)]
    if build.builder == "googlecompute" and provider and provider.startswith("gcp/"):
        return [Artifact(None, f"projects/{provider[4:]}/global/images/{given}")]
    return [Artifact(None, given)]


def _named(files: tuple[File, ...]) -> list[File]:
    """The files that are files, with slashes in their names, without those of checksums."""
    named = (File(file.name.replace("\\", "/"), file.size) for file in files)
    return [
        file
        for file in named
        if PurePosixPath(file.name).name not in ("", ".", "..") and not CHECKSUMS.search(file.name)
    ]


def _of_files(files: tuple[File, ...], base_url: str | None) -> list[Artifact] | str:
    named = _named(files)
    if not named:
        return "it has neither an id nor files"
    whole = [file for ending in _WHOLE for file in named if file.name.lower().endswith(ending)]
    if whole:
        size = sum(file.size for file in named)
        chosen = [File(whole[0].name, size)]
    else:
        chosen = [file for file in named if _is_disk(file.name)] or named
    if any(".." in file.name.split("/") for file in chosen):
        return "the name of a file has '..'"
    return list(_located(chosen, base_url))


def _is_disk(name: str) -> bool:
    lower = name.lower()
    for packed in _PACKED:
        lower = lower.removesuffix(packed)
    return lower.endswith(_DISKS)


def _located(files: list[File], base_url: str | None) -> Iterator[Artifact]:
    for file in files:
        size = -(-file.size // _GIB) if file.size > 0 else None
        path = file.name
        if base_url is not None:
            relative = path.removeprefix("./").lstrip("/")
            path = f"{base_url.rstrip('/')}/{quote(relative)}"
        yield Artifact(None, path, size, file.name)
