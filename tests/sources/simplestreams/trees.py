"""Simplestreams trees for tests: written below a directory, or served as the fault server's cloud.

The shapes are those of real mirrors (Incus, MAAS, an unsigned `.sjson`, a cloud's ids) with names, ids
and hashes of our own.
"""

import json
from pathlib import Path
from typing import Any

from tests.sources.fault_server import Answer, Request

UPDATED = "Thu, 24 Jul 2025 08:01:48 +0000"


def digest(number: int) -> str:
    """A text like a SHA-256 hash."""
    return f"{number:064x}"


def products(content_id: str, by_key: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A file of products."""
    head = {"format": "products:1.0", "content_id": content_id, "updated": UPDATED}
    return {**head, "products": by_key, **fields}


def index(paths: dict[str, str], updated: str | None = UPDATED) -> dict[str, Any]:
    """An index of these content ids with their paths."""
    entry = {"format": "products:1.0", "datatype": "image-downloads", "updated": updated}
    return {
        "format": "index:1.0",
        "index": {content_id: {**entry, "path": path} for content_id, path in paths.items()},
    }


IDS = products(
    "org.example:released:cloud",
    {
        "org.example.released:server:9:amd64": {
            # Inherited by all items below, as a mirror of a vendor does.
            "arch": "amd64",
            "os": "exampleos",
            "release": "pinky",
            "endpoint": "https://ec2.us-east-1.amazonaws.com",
            "region": "us-east-1",
            "virt_type": "paravirtual",
            "versions": {
                "20251026.1": {
                    "label": "release",
                    "items": {
                        "a": {"id": "ami-00000001", "root_store": "ebs"},
                        "b": {"id": "ami-00000002", "root_store": "instance-store"},
                    },
                },
                "9.0.4-LTS": {
                    "items": {
                        "c": {
                            "id": "Example 9 (latest)",
                            "endpoint": "https://images.cloud.example:8774/v2",
                            "region": "eu-de",
                            "virt_type": 7,
                            "root_store": None,
                        },
                        "d": {"root_store": "ebs"},
                        "e": {"id": "x" * 600},
                    }
                },
                "20259999": {},
                "": {"items": {"f": {"id": "ami-00000003"}}},
            },
        },
        "org.example.daily:server:9:arm64": {
            "arch": "arm64",
            "endpoint": "https://management.core.windows.net/",
            "region": "West Europe",
            "versions": {"20251027": {"items": {"a": {"id": "org:offer:sku:9.20251027"}}}},
        },
        "broken": ["not", "a", "product"],
        "empty": {"versions": {}},
    },
)

META = {
    "ftype": "incus.tar.xz",
    "path": "images/1/incus.tar.xz",
    "sha256": digest(1),
    "size": 700,
    "combined_squashfs_sha256": digest(10),
    "combined_rootxz_sha256": digest(11),
    "combined_disk-kvm-img_sha256": digest(12),
}
SQUASHFS = {"ftype": "squashfs", "path": "images/1/rootfs.squashfs", "sha256": digest(2), "size": 7}
ROOT_XZ = {"ftype": "root.tar.xz", "path": "images/1/rootfs.tar.xz", "sha256": digest(3), "size": 8}
DISK = {
    "ftype": "disk-kvm.img",
    "path": "images/1/disk.qcow2",
    "sha256": digest(4),
    "size": 3 * 2**30 + 1,
}
DELTA = {**DISK, "ftype": "disk-kvm.img.vcdiff", "delta_base": "20251026"}

INCUS = products(
    "images",
    {
        "exampleos:9:amd64:default": {
            "aliases": "exampleos/9,exampleos/9/default",
            "arch": "amd64",
            "os": "Exampleos",
            "release": "9",
            "release_title": "9 (pinky)",
            "variant": "default",
            "requirements": {"secureboot": "false"},
            "versions": {
                "20251027_05:24": {
                    "items": {
                        "incus.tar.xz": META,
                        "lxd.tar.xz": {**META, "ftype": "lxd.tar.xz"},
                        "root.tar.xz": ROOT_XZ,
                        "rootfs.squashfs": SQUASHFS,
                        "disk.qcow2": DISK,
                        "delta": DELTA,
                    }
                },
                "202510260524": {"items": {"lxd.tar.xz": META | {"ftype": "lxd.tar.xz"}}},
                "20251025": {
                    "items": {
                        "lxd.tar.xz": {"ftype": "lxd.tar.xz", "path": "images/2/lxd.tar.xz"},
                        "rootfs.squashfs": SQUASHFS,
                    }
                },
            },
        }
    },
)


def written(base: Path, files: dict[str, Any]) -> Path:
    """The directory, with these files in it: bytes, or what becomes JSON."""
    for path, content in files.items():
        target = base / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return base


class Served:
    """A mirror for the fault server, with these files below `/mirror/`."""

    def __init__(self, files: dict[str, Any]) -> None:
        self.files = {f"/mirror/{path}": content for path, content in files.items()}

    def __call__(self, request: Request) -> Answer:
        content = self.files.get(request.path)
        if content is None:
            return Answer(b"<html>Not found</html>", status=404)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return Answer(body, headers={"Content-Type": "application/json"})


TREE: dict[str, Any] = {
    "streams/v1/index.json": index({"images": "streams/v1/images.json"}),
    "streams/v1/images.json": INCUS,
}
