"""Every type of source, from its declaration to the catalogue. A second sync changes nothing."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldenrod import demo
from goldenrod.sources.sync.source_types import CLASSES
from goldenrod.store.db import Database
from tests.sources.conftest import aws as aws
from tests.sources.fake_ec2 import Ec2, image
from tests.sources.fault_server import FaultServer
from tests.sources.openstack.conftest import Office
from tests.sources.openstack.conftest import clouds_yaml as clouds_yaml
from tests.sources.openstack.conftest import image as glance_image
from tests.sources.openstack.conftest import office as office
from tests.support.processes.command_line import Run, runner

DATA = Path(__file__).parent.parent / "sources" / "data"

BASE = r"""
[[source.rules.rule]]
name = "base"
match = '(?P<name>[a-z]+)-(?P<version>\d+)'
image = "{name}"
"""
FILES = """
[[source]]
name = "google"
type = "gcp"
project = "debian-cloud"
files = ["gcp.json"]

[[source]]
name = "gallery"
type = "azure"
files = ["azure-definition.json", "azure-version.json"]

[[source]]
name = "pipeline"
type = "image-builder"
files = ["image-builder.json"]

[[source]]
name = "packer"
type = "packer"
files = ["packer.json"]
image = "built"
provider = "lab"

[[source]]
name = "lines"
type = "aws-file"
files = ["amis.jsonl"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, source in (
        ("gcp.json", "gcp/projects_debian-cloud_global_images.json"),
        ("azure-definition.json", "azure/gallery-image-definition-2026.json"),
        ("azure-version.json", "azure/gallery-image-version-2026.json"),
        ("image-builder.json", "image_builder/get-image.json"),
    ):
        shutil.copy(DATA / source, tmp_path / name)
    built = {
        "name": "web",
        "builder_type": "openstack",
        "build_time": 1790000000,
        "files": None,
        "artifact_id": "0f6c1f4e-98f6-4b7c-9d3b-1c6f1c0b7b0a",
        "packer_run_uuid": "6d5d3185-fa95-44e1-8775-9e64fe2e2d8f",
        "custom_data": {"version": "1.0"},
    }
    manifest = {"builds": [built], "last_run_uuid": built["packer_run_uuid"]}
    (tmp_path / "packer.json").write_text(json.dumps(manifest))
    (tmp_path / "amis.jsonl").write_bytes(b"".join(list(demo.ami_lines())[:50]))
    return tmp_path


@pytest.fixture
def run(
    sqlite_db: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: Path,
) -> Run:
    monkeypatch.setenv("GOLDENROD_DATABASE_URL", sqlite_db.url)
    monkeypatch.chdir(folder)
    return runner(monkeypatch, capsys)


@pytest.fixture
def ec2() -> Iterator[FaultServer]:
    listed = [image(n, f"base-{n}", Public=True) for n in range(3)]
    with FaultServer(Ec2({"us-east-1": listed, "eu-west-1": listed[:1]})) as running:
        yield running


def synced(run: Run, folder: Path, declared: str) -> list[dict[str, int]]:
    """The counts of each source in a first sync and in a second, which changes nothing."""
    (folder / "sources.toml").write_text(declared)
    first = run("sync", "sources.toml", "--json")
    assert first.code == 0, first.err or first.out
    found = first.json
    again = run("sync", "sources.toml", "--json")
    assert again.code == 0, again.err or again.out
    for one in again.json:
        counts = one["counts"]
        assert not {"created", "updated", "ended"} & {k for k, n in counts.items() if n}, counts
    return [one["counts"] for one in found]


def test_saved_answers_and_manifests(run: Run, folder: Path) -> None:
    counts = synced(run, folder, FILES)
    assert len(counts) == 5
    # The recorded image of the pipeline was still being built.
    made = [one["created"] for one in counts]
    assert made == [19, 1, 0, 1, 50], counts


@pytest.mark.usefixtures("aws")
def test_amazons_images_by_boto3(run: Run, folder: Path, ec2: FaultServer) -> None:
    head = (
        f'[[source]]\nname = "prod"\ntype = "aws"\nowners = ["self"]\nendpoint_url = "{ec2.url}"\n'
    )
    [counts] = synced(run, folder, head + BASE)
    assert counts["created"] == 4


def test_images_of_openstack_by_its_sdk(run: Run, folder: Path, office: Office) -> None:
    office.north.images = [glance_image(1), glance_image(2)]
    head = '[[source]]\nname = "cloud"\ntype = "openstack"\ncloud = "office"\n'
    [counts] = synced(run, folder, head)
    assert counts["created"] >= 2


def test_each_type_has_its_class() -> None:
    from goldenrod.sources.declarations import AnySource

    declared = {str(one.__struct_config__.tag) for one in AnySource.__args__}
    assert declared == set(CLASSES)
