"""Images of EC2 are read into rows: real answers, and every way in which an image is skipped."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from goldenrod.sources.aws.failures import Failure
from goldenrod.sources.aws.images import Place, images_of, parse, permitted
from goldenrod.sources.found import FoundMachine, Listed, Origin, Skipped
from goldenrod.sources.name_rules import NameRules, RuleText
from tests.sources.fake_ec2 import ACCOUNT, image

DATA = Path(__file__).parents[1] / "data" / "aws"
UBUNTU = r"ubuntu(-minimal)?/images/[a-z0-9-]+/ubuntu-(?P<edition>\w+)-[\d.]+-amd64-\w+-"
RULES = NameRules(
    [
        RuleText(name="ubuntu", match=UBUNTU + r"(?P<version>(?P<date>\d{8}))", image="{edition}"),
        RuleText(name="base", match=r"(?P<name>base(-arm64)?)-(?P<version>\d+)", image="{name}"),
        RuleText(
            name="named", match=r"named-(?P<architecture>\w+)-(?P<version>\d+)", image="named"
        ),
        RuleText(name="all", match=r"(?P<name>[\w.-]+)", image="{name}", version="1"),
    ]
)
PLACE = Place(
    scope=f"{ACCOUNT}/us-east-1",
    region="us-east-1",
    account=ACCOUNT,
    owners=("self",),
    tags=("os",),
)
EVERYBODY = ("self", "amazon", "099720109477", "111122223333", "222233334444", "123456789123")


def sample(name: str) -> dict[str, Any]:
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


def read(images: list[Any], **place: Any) -> dict[str, Listed | str]:
    """What each image is read as, or why it is skipped, by its id."""
    rows = parse(images, msgspec.structs.replace(PLACE, **place), RULES, set())
    return {
        one["ImageId"]: row if isinstance(row, Listed) else row.reason
        for one, row in zip(images, rows, strict=True)
    }


def one(**fields: Any) -> Listed | str:
    """What an image with these fields is read as, or why it is skipped."""
    fields = {"name": "base-7", **fields}
    return read([image(1, **fields)])[f"ami-{1:017x}"]


def test_an_image_is_read_with_all_that_the_answer_says() -> None:
    found = one(
        Description="[Copied ami-0123456789abcdef0 from us-west-2] The base.\x07",
        DeprecationTime="2027-12-10T13:12:35.000Z",
        Tags=[{"Key": "os", "Value": " linux "}, {"Key": "password", "Value": "secret"}],
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 500}},
            {"DeviceName": "/dev/sdc", "VirtualName": "ephemeral0"},
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}},
        ],
    )
    assert found == Listed(
        image="base",
        version="7",
        source_name="base-7",
        change_log="The base.",
        tags=("linux",),
        machine=FoundMachine(
            provider="us-east-1",
            provider_type="aws",
            virtualization="hvm",
            identifier=f"ami-{1:017x}",
            architecture="x86_64",
            size_gb=8,
            deprecated_at="2027-12-10T13:12:35.000000Z",
            owner=ACCOUNT,
            origin=Origin(provider="us-west-2", identifier="ami-0123456789abcdef0", kind="copy"),
            created_at="2026-03-01T10:00:00.000000Z",
            scope=f"{ACCOUNT}/us-east-1",
        ),
    )


def test_real_answers_are_read() -> None:
    copies = read(sample("describe-images-copied-to-own-region")["Images"], owners=EVERYBODY)
    copied = copies["ami-3848e742"]
    assert copied.change_log == "devx"
    assert copied.machine.origin == Origin(
        provider="us-east-1", identifier="ami-c772ddbd", kind="copy"
    )
    xenial = copies["ami-cd0f5cb6"]
    assert (xenial.image, xenial.version) == ("xenial", "20170721")
    assert xenial.start_date == "2017-07-21T00:00:00.000000Z"
    assert (xenial.machine.visibility, xenial.machine.size_gb) == ("public", 8)

    malformed = read(
        sample("describe-images-deprecated-malformed-time")["Images"], owners=EVERYBODY
    )
    wrong, foreign = malformed.values()
    assert wrong.machine.deprecated_at is None and wrong.machine.architecture == "arm64"
    assert foreign.machine.visibility == "shared"

    newest = sample("source-image-in-shape")["Images"]
    built, minimal, copy, eks, sold = read(newest, owners=(*EVERYBODY, "679593333241")).values()
    assert built.machine.origin.kind == "build" and built.machine.origin.provider == "us-east-1"
    assert minimal.machine.deprecated_at == "2027-12-10T13:12:35.000000Z"
    assert copy.machine.origin.kind == "copy" and copy.machine.size_gb == 500
    assert eks.machine.origin == Origin(
        provider="us-west-2", identifier=newest[3]["SourceImageId"], kind="copy"
    )
    assert eks.machine.size_gb is None
    assert sold == "it is sold on the marketplace"

    moto = sample("moto-5.2.5-describe-images")["Images"]
    assert {one.machine.visibility for one in read(moto, owners=("amazon",)).values()} == {"public"}
    for name in ("describe-images-encrypted", "describe-images-cross-account"):
        [found] = read(sample(name)["Images"], owners=EVERYBODY).values()
        assert isinstance(found, Listed)
    [red_hat] = read(sample("cli-describe-images-0")["Images"]).values()
    assert red_hat.machine.visibility == "public"
    assert permitted(sample("describe-image-attribute-launch-permission")) == "shared"


def test_an_image_that_is_not_wanted_or_not_ready_is_skipped_with_a_reason() -> None:
    stranger = "its owner 999999999999 is not one of those declared"
    for fields, reason in (
        ({"OwnerId": "999999999999"}, stranger),
        ({"OwnerId": "999999999999", "ImageOwnerAlias": "self"}, stranger),
        ({"ImageType": "kernel"}, "it is not a machine image"),
        ({"ProductCodes": [{"ProductCodeId": "x"}]}, "it is sold on the marketplace"),
        ({"State": "pending"}, "its state is pending"),
        ({"State": "tran\x1bsient"}, "its state is 'tran\\x1bsient'"),
        ({"name": "no rule"}, "no rule matches its name"),
        ({"name": "named-arm64-3"}, "its architecture is x86_64, but its name says arm64"),
    ):
        assert one(**fields) == reason
    assert "longer than 256" in one(name="x" * 40_000)
    assert "control characters" in one(name="base\x017")
    assert "`$.ImageId`" in read([image(1, "base-7") | {"ImageId": "ami-\x1b"}])["ami-\x1b"]
    again = list(parse([image(1, "base-7"), image(1, "base-7")], PLACE, RULES, set()))
    assert again[1] == Skipped(f"us-east-1 ami-{1:017x} base-7", "listed twice")


def test_who_is_read_is_who_is_declared_for_the_region() -> None:
    canonical = {"OwnerId": "099720109477", "ImageOwnerAlias": "amazon"}
    for owners, is_read in ((("amazon",), True), (("self",), False), (("099720109477",), True)):
        [found] = read([image(1, "base-7", **canonical)], owners=owners).values()
        assert isinstance(found, Listed) == is_read
    # Tags of other accounts are never used: a rule for them would hold for nobody else.
    tagged = image(1, "base-7", **canonical, Tags=[{"Key": "os", "Value": "linux"}])
    assert read([tagged], owners=("amazon",))[tagged["ImageId"]].tags == ()


def test_states_sizes_and_visibility_are_those_of_the_cloud() -> None:
    assert one(State="disabled").machine.status == "deactivated"
    assert one(State="available").machine.status == "active"
    assert one(Public=True).machine.visibility == "public"
    assert one(Public=False).machine.visibility is None  # its launch permissions say it
    assert one(RootDeviceName="/dev/sdz").machine.size_gb is None
    assert one(BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": 7}]).machine.size_gb is None
    mac = one(name="named-arm64-3", Architecture="arm64_mac")
    assert mac.machine.architecture == "arm64_mac"
    assert one(name="named-amd64-3").machine.architecture == "x86_64"
    assert one(name="named-arm64-3", Architecture="").machine.architecture == "arm64"
    assert one(Architecture="").machine.architecture == ""  # moto's images have none
    twice = "[Copied ami-0123456789abcdef0 (base 7) from us-west-2] "
    assert one(Description=twice * 2 + "The base.").change_log == "The base."


def test_who_may_launch_an_own_image_is_what_its_permissions_say() -> None:
    for permissions, visibility in (
        ([], "private"),
        ([{"UserId": "111122223333"}], "shared"),
        ([{"UserId": "111122223333"}, {"Group": "all"}], "public"),
        (None, None),
    ):
        assert permitted({"LaunchPermissions": permissions}) == visibility


def test_an_answer_without_images_or_request_id_is_no_answer() -> None:
    asked = {"RequestId": "request"}
    assert images_of({"Images": [], "ResponseMetadata": asked}) == []
    for answer in (
        {"ResponseMetadata": asked},
        {"Images": [], "ResponseMetadata": {}},
        {"Images": []},
        {"Images": {}, "ResponseMetadata": asked},
    ):
        with pytest.raises(Failure):
            images_of(answer)
