"""Chooses the machines among the files of one version.

With metadata of Incus or LXD (`incus.tar.xz`, `lxd.tar.xz`), a container is the metadata with a root
file system, and a virtual machine is it with a disk. Each is known by its fingerprint, the hash of both
files, which the metadata has. Both kinds of metadata of one version are the same machine.

Without metadata, the first of the usual formats is the machine, and its path the identifier. Deltas
(`*.vcdiff`), kernels, manifests and the other formats are not machines.
"""

import re
from typing import NamedTuple

Scalar = str | int | float | bool | None

_METADATA = ("incus.tar.xz", "lxd.tar.xz")
_CONTAINER = (
    ("squashfs", ("combined_squashfs_sha256",)),
    ("root.tar.xz", ("combined_rootxz_sha256", "combined_sha256")),
)
_VM = (
    ("disk-kvm.img", ("combined_disk-kvm-img_sha256",)),
    ("disk1.img", ("combined_disk1-img_sha256",)),
    ("uefi1.img", ("combined_uefi1-img_sha256",)),
)
FINGERPRINTS = tuple(key for _, keys in (*_CONTAINER, *_VM) for key in keys)
_ROOTS = (
    *(name for name, _ in _VM),
    *("disk.img", "disk.qcow2", "qcow2", "squashfs", "root.tar.xz", "root-tgz", "root-tbz"),
    *("root.tar.gz", "root-dd", "root-ddtgz", "root-ddxz", "rootfs.img.gz", "tar.gz"),
)
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class Item(NamedTuple):
    """A file of a version, with all fields that it inherits."""

    name: str
    path: str
    fields: dict[str, Scalar]

    @property
    def kind(self) -> str:
        """The type of the file, which may be known by its name only."""
        kind = self.fields.get("ftype")
        return kind if isinstance(kind, str) else self.name


class Download(NamedTuple):
    """A machine of a mirror. `kind` is `container`, `vm`, or empty for a plain file."""

    kind: str
    identifier: str
    root: Item


def downloads(items: list[Item]) -> list[Download] | str:
    """The machines among the files of a version, or why there are none."""
    by_kind: dict[str, Item] = {}
    for item in items:
        by_kind.setdefault(item.kind, item)
    metadata = next((by_kind[kind] for kind in _METADATA if kind in by_kind), None)
    if metadata is None:
        root = next((by_kind[kind] for kind in _ROOTS if kind in by_kind), None)
        return [Download("", root.path, root)] if root else "it has no file of a known format"
    found = [
        Download(kind, fingerprint, by_kind[root])
        for kind, roots in (("container", _CONTAINER), ("vm", _VM))
        for root, fingerprint in _fingerprints(metadata, roots, by_kind)[:1]
    ]
    if found:
        return found
    if by_kind.keys() & {root for root, _ in (*_CONTAINER, *_VM)}:
        return "its metadata has no combined hash, by which Incus and LXD know an image"
    return "it has no root file system and no disk"


def _fingerprints(
    metadata: Item, roots: tuple[tuple[str, tuple[str, ...]], ...], by_kind: dict[str, Item]
) -> list[tuple[str, str]]:
    """The roots that are there, the best first, each with the fingerprint of it and the metadata."""
    return [
        (root, value)
        for root, keys in roots
        if root in by_kind
        for key in keys
        if isinstance(value := metadata.fields.get(key), str) and _FINGERPRINT.fullmatch(value)
    ]
