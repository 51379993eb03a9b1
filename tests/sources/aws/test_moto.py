"""Reading moto's server with boto3: all its regions, and what becomes of one region's images."""

import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from goldenrod.sources.aws import AwsSource
from goldenrod.sources.declarations import Aws
from goldenrod.sources.found import Found, Listed, Look
from goldenrod.sources.name_rules import NameRules, RuleText
from goldenrod.sources.releases import releases
from tests.sources.fake_ec2 import ACCOUNT
from tests.support.processes.moto import moto

RULES = NameRules(
    [
        RuleText(
            name="ecs",
            match=r"(?P<before>.*)-(?P<version>\d+\.\d+\.(?P<date>\d{8}))(?P<after>-.*)?",
            image="{before}[{after}]",
        ),
        RuleText(name="all", match=r"(?P<name>.+)", image="{name}", version="1"),
    ]
)

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("aws")]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    with moto() as running:
        yield running


def source(server: tuple[str, int], *owners: str, **fields: Any) -> AwsSource:
    fields = {"name": "moto", "owners": owners, "names": ["*"], "endpoint_url": server[0], **fields}
    return AwsSource(msgspec.convert(fields, Aws), RULES)


def listed(look: Look) -> dict[str, Listed]:
    assert look.failed is None
    return {row.machine.identifier: row for row in look.rows if isinstance(row, Listed)}


def test_every_region_is_read_whole_and_the_same_again(server: tuple[str, int]) -> None:
    everything = source(server, "amazon", "self")
    scopes, failed = everything.scopes()
    assert len(scopes) > 30 and not failed
    begun = time.monotonic()
    looks = [everything.look(scope) for scope in scopes]
    seconds = time.monotonic() - begun
    machines = [row for look in looks for row in listed(look).values()]
    skipped = [row for look in looks for row in look.rows if not isinstance(row, Listed)]
    assert len(machines) > 30_000 and not skipped
    places = {(row.machine.provider, row.machine.identifier) for row in machines}
    assert len(places) == len(machines)
    grouped = [one for one in releases(machines) if isinstance(one, Found)]
    assert {one.image for one in grouped} > {"al2023-ami-ecs-hvm-kernel-6.1-arm64"}
    biggest = max(grouped, key=lambda one: len(one.machines))
    assert len({machine.provider for machine in biggest.machines}) > 20

    again = {scope: everything.look(scope) for scope in scopes[:2]}
    for look in looks[:2]:
        assert listed(again[look.scope]) == listed(look)
    status = Path(f"/proc/{server[1]}/status").read_text()
    moto_mib = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) >> 10
    own_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{len(machines):,} machines of {len(scopes)} regions in {seconds:.0f} s")
    print(f"{len(grouped):,} releases; {own_mib} MiB here, {moto_mib} MiB in moto")


def test_what_becomes_of_own_images_is_seen(server: tuple[str, int]) -> None:
    import boto3

    def ec2(region: str) -> Any:
        return boto3.session.Session().client("ec2", region_name=region, endpoint_url=server[0])

    us, eu = ec2("us-east-1"), ec2("eu-west-1")
    ids = [us.register_image(Name=f"web-1.0.2026010{n}")["ImageId"] for n in (1, 2, 3, 4)]
    copy = eu.copy_image(
        Name="web-1.0.20260101", SourceImageId=ids[0], SourceRegion="us-east-1", Description="[x]"
    )["ImageId"]
    regions = ["us-east-1", "eu-west-1"]
    mine = source(server, "self", regions=regions, names=["web-*"])
    scopes, _ = mine.scopes()
    before = [listed(mine.look(scope)) for scope in scopes]
    assert set(before[0]) == set(ids) and set(before[1]) == {copy}
    rows = [row for look in before for row in look.values()]
    first = next(one for one in releases(rows) if one.version == "1.0.20260101")
    assert {one.provider for one in first.machines} == set(regions)
    assert {row.machine.visibility for row in before[0].values()} == {"private"}

    us.deregister_image(ImageId=ids[1])
    us.disable_image(ImageId=ids[2])
    us.modify_image_attribute(
        ImageId=ids[3], LaunchPermission={"Add": [{"UserId": "111122223333"}]}
    )
    after = listed(mine.look(scopes[0]))
    assert set(after) == {*ids} - {ids[1]}
    assert after[ids[2]].machine.status == "deactivated"
    assert after[ids[3]].machine.visibility == "shared"
    answers = [mine.presence(f"{ACCOUNT}/us-east-1", "us-east-1", one) for one in ids]
    assert answers == ["there", "gone", "there", "there"]
    assert mine.presence(f"{ACCOUNT}/us-east-1", "us-east-1", "ami-0badbadbadbadbad0") == "gone"
