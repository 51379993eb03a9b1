"""`goldenrod sync` reads moto's server, a process with Amazon's images, through a proxy with faults.

What the catalogue has is compared, machine for machine, with what moto has.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

import pytest

from goldenrod.store.db import Database
from tests.sources.fake_ec2 import error
from tests.sources.fault_server import HTML, FaultServer, Request
from tests.support.processes.moto import moto
from tests.sync.real.moto_cloud import MotoCloud, client
from tests.sync.real.syncing import Catalogue, Machine, report

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("aws")]

SOURCES = """
[[source]]
name = "moto"
type = "aws"
owners = ["amazon", "self"]
names = ["*"]
endpoint_url = "{url}"
{more}
[[source.rules.rule]]
name = "ecs"
match = '(?P<before>.*)-(?P<version>\\d+\\.\\d+\\.(?P<date>\\d{{8}}))(?P<after>-.*)?'
image = "{{before}}[{{after}}]"

[[source.rules.rule]]
name = "all"
match = '(?P<name>.+)'
image = "{{name}}"
version = "1"
"""

REGIONS = ("us-east-1", "eu-west-1", "sa-east-1", "af-south-1")
DEREGISTERED, NEW, DISABLED = 100, 50, 10


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[str, int]]:
    with moto() as server:
        yield server


@pytest.fixture(scope="module")
def cloud(running: tuple[str, int]) -> MotoCloud:
    return MotoCloud(running[0])


@pytest.fixture
def proxy(cloud: MotoCloud) -> Iterator[FaultServer]:
    with FaultServer(cloud) as server:
        yield server


def in_moto(url: str, regions: Iterable[str]) -> set[Machine]:
    """The images that moto has, of the owners that the source reads."""
    return {
        (region, image["ImageId"])
        for region in regions
        for image in client(region, url).describe_images(Owners=["amazon", "self"])["Images"]
    }


def of_region(region: str) -> Callable[[Request], bool]:
    """Whether a request asks for the images of this region."""
    return lambda request: (
        request.region == region and request.query.get("Action") == "DescribeImages"
    )


def declare(folder: Path, url: str, more: str = "") -> None:
    (folder / "sources.toml").write_text(SOURCES.format(url=url, more=more))


def test_all_regions_of_moto_are_synced_and_then_unchanged(
    new_database: Callable[[str], Database],
    running: tuple[str, int],
    proxy: FaultServer,
    tmp_path: Path,
) -> None:
    url, pid = running
    declare(tmp_path, proxy.url)
    catalogue = Catalogue(new_database("sqlite"), tmp_path)
    first = catalogue.sync()
    told = client("us-east-1", url).describe_regions()["Regions"]
    regions = {region["RegionName"] for region in told}
    assert len(regions) > 30
    assert (first.code, first.counts["skipped"], first.entries) == (0, 0, [])
    live = catalogue.live()
    assert len(live) == first.counts["created"] > 30_000
    assert {region for region, _ in live} == regions
    sample = sorted(regions)[::8]
    assert {machine for machine in live if machine[0] in sample} == in_moto(url, sample)
    again = catalogue.sync()
    assert (again.code, again.done, again.counts["unchanged"]) == (0, {}, len(live))
    assert catalogue.live() == live and not catalogue.ended()
    status = Path(f"/proc/{pid}/status").read_text()
    moto_mib = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) >> 10
    print(f"{len(regions)} regions; moto {moto_mib} MiB")
    report(first=first, again=again)


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_exactly_what_moto_lost_is_ended_after_enough_looks(
    backend: str,
    new_database: Callable[[str], Database],
    running: tuple[str, int],
    cloud: MotoCloud,
    proxy: FaultServer,
    tmp_path: Path,
) -> None:
    url = running[0]
    declare(tmp_path, proxy.url, f"regions = {json.dumps(REGIONS)}")
    catalogue = Catalogue(new_database(backend), tmp_path)
    there = in_moto(url, REGIONS)

    first = catalogue.sync()
    assert (first.code, first.counts["skipped"], first.entries) == (0, 0, [])
    assert first.counts["created"] == len(there)
    assert catalogue.live() == there and not catalogue.ended()
    again = catalogue.sync()
    assert (again.code, again.done, again.counts["unchanged"]) == (0, {}, len(there))

    r = Random(backend)
    chosen = r.sample(sorted(there), DEREGISTERED + DISABLED)
    gone, disabled = set(chosen[:DEREGISTERED]), set(chosen[DEREGISTERED:])
    for region, ami in gone:
        client(region, url).deregister_image(ImageId=ami)
    for region, ami in disabled:
        client(region, url).disable_image(ImageId=ami)
    new = {
        (
            region,
            client(region, url).register_image(Name=f"{backend}-1.0.202601{n % 28 + 1:02}-{n}")[
                "ImageId"
            ],
        )
        for n in range(NEW)
        for region in [r.choice(REGIONS)]
    }
    for region in REGIONS:
        cloud.changed(region)
    here = there | new

    # The first look takes in what is new, and ends what is disabled.
    look = catalogue.sync()
    assert (look.code, look.done.keys()) == (0, {"created", "ended", "images", "versions"})
    assert (look.counts["created"], look.counts["ended"]) == (NEW, DISABLED)
    assert look.counts["kept"] == DEREGISTERED
    assert (catalogue.ended(), catalogue.live()) == (disabled, here - disabled)

    # Two regions fail: one with an error, one with the page of a proxy. Soon there were enough looks at
    # the others, but no day has passed.
    proxy.fault(error("AuthFailure", status=401), when=of_region(REGIONS[0]))
    proxy.fault(HTML, when=of_region(REGIONS[1]))
    for _ in range(2):
        soon = catalogue.sync()
        assert (soon.code, soon.state, soon.done) == (3, "partly", {})
        assert soon.counts["failed"] == 2
    assert (catalogue.ended(), catalogue.live()) == (disabled, here - disabled)

    # A day later. The looks that failed do not count.
    catalogue.a_day_passes()
    held = {machine for machine in gone if machine[0] in REGIONS[:2]}
    assert 10 < len(held) < DEREGISTERED
    partly = catalogue.sync()
    assert (partly.code, partly.done) == (3, {"ended": DEREGISTERED - len(held)})
    assert catalogue.ended() == disabled | gone - held
    proxy.clear()
    second = catalogue.sync()
    assert (second.code, second.done, second.counts["kept"]) == (0, {}, len(held))
    third = catalogue.sync()
    assert (third.code, third.done) == (0, {"ended": len(held)})
    assert (catalogue.ended(), catalogue.live()) == (disabled | gone, here - disabled - gone)

    # What is enabled again is restored.
    for region, ami in disabled:
        client(region, url).enable_image(ImageId=ami)
        cloud.changed(region)
    last = catalogue.sync()
    assert (last.code, last.done) == (0, {"restored": DISABLED})
    assert catalogue.ended() == gone
    assert catalogue.live() == here - gone == in_moto(url, REGIONS)
    report(first=first, again=again, changed=look, ends=partly, restores=last)
