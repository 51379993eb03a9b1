"""Fixtures: a cloud of two regions, whose answers a test can spoil, and a source that reads it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goldenrod.sources.declarations import OpenStack
from goldenrod.sources.name_rules import NameRules, RuleText
from goldenrod.sources.openstack import OpenStackSource, service
from tests.sources.fake_glance import Glance as FakeGlance
from tests.sources.fault_server import FaultServer
from tests.sources.openstack.keystone import NAME, PROJECT, Keystone, write_clouds_yaml

DEBIAN = RuleText(
    name="debian",
    match=r"debian-\d+-(?P<architecture>amd64|arm64)-(?P<version>(?P<date>20\d{6})-\d+)",
)
RULES = NameRules([DEBIAN])


def image(number: int, **more: Any) -> dict[str, Any]:
    """An image as Glance gives it, whose id ends with a number."""
    return {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "name": f"debian-12-amd64-20260101-{number}",
        "status": "active",
        "visibility": "shared",
        "owner": PROJECT,
        "os_hidden": False,
        "min_disk": 0,
        "min_ram": 0,
        "size": 800,
        "virtual_size": 800,
        "checksum": "ba7acd026bc40ea9d374ec4d6b3f0134",
        "os_hash_algo": "sha512",
        "os_hash_value": "0a" * 64,
        "disk_format": "raw",
        "container_format": "bare",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "tags": [],
        **more,
    }


@dataclass
class Office:
    """The cloud `office` of clouds.yaml."""

    north: FakeGlance
    south: FakeGlance
    keystone: Keystone
    server: FaultServer
    clouds_yaml: Path

    def configured(self, **more: Any) -> None:
        """Write clouds.yaml with these entries too."""
        write_clouds_yaml(self.clouds_yaml, self.server.url, **more)

    def source(self, **declared: Any) -> OpenStackSource:
        """A source that reads it."""
        return OpenStackSource(OpenStack(name="our-openstack", cloud=NAME, **declared), RULES)

    def asked(self, method: str, path: str) -> int:
        """How often this was asked."""
        return sum((r.method, r.path) == (method, path) for r in self.server.requests)


@pytest.fixture
def clouds_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that openstacksdk reads. No other setting of it counts."""
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "clouds.yaml"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return path


@pytest.fixture
def office(clouds_yaml: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(service, "_WAITS", (0.0, 0.0))
    north, south = FakeGlance([]), FakeGlance([])
    keystone = Keystone({"north": north, "south": south})
    with FaultServer(keystone) as server:
        made = Office(north, south, keystone, server, clouds_yaml)
        made.configured()
        yield made


Change = Callable[[Office], None]
