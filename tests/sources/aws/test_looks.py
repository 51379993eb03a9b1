"""Reading EC2 with boto3, against a server of faults: complete looks, and failed ones that say why."""

import ast
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from goldenrod.sources import aws as package
from goldenrod.sources import declarations
from goldenrod.sources.aws import AwsSource, source
from goldenrod.sources.declarations import Aws
from goldenrod.sources.found import Listed, Look
from goldenrod.sources.name_rules import NameRules, RuleText
from tests.sources.fake_ec2 import ACCOUNT, THROTTLED, Ec2, error, image
from tests.sources.fault_server import HANGS, HTML, Answer, FaultServer, Request, cut, edited

RULES = NameRules([RuleText(name="base", match=r"(?P<name>\w+)-(?P<version>\d+)", image="{name}")])
US, EU = f"{ACCOUNT}/us-east-1", f"{ACCOUNT}/eu-west-1"

pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A cloud with seven images in one region and two in another, in pages of three."""
    monkeypatch.setattr(source, "PAGE_SIZE", 3)
    with FaultServer(Ec2({"us-east-1": images(7), "eu-west-1": images(2)})) as running:
        yield running


def images(count: int) -> list[dict[str, Any]]:
    return [image(n, f"base-{n}", Public=True) for n in range(count)]


def declared(server: FaultServer, **fields: Any) -> AwsSource:
    fields = {"name": "production", "owners": ["self"], "endpoint_url": server.url, **fields}
    return AwsSource(msgspec.convert(fields, Aws), RULES)


def listed(look: Look) -> list[Listed]:
    assert look.failed is None
    return [row for row in look.rows if isinstance(row, Listed)]


def asked(server: FaultServer, action: str) -> list[Request]:
    return [one for one in server.requests if one.query["Action"] == action]


def page(number: int) -> Callable[[Request], bool]:
    """A request for this page of images."""
    offset = f":{3 * number}"
    return lambda one: one.query.get("NextToken", ":0").endswith(offset) and is_list(one)


def is_list(request: Request) -> bool:
    return request.query["Action"] == "DescribeImages"


def test_every_enabled_region_is_read_page_by_page_with_the_declared_owners(
    server: FaultServer,
) -> None:
    regional = {"eu-west-1": ["111122223333"]}
    reader = declared(server, names=["base-*"], owners_by_region=regional)
    scopes, failed = reader.scopes()
    assert (scopes, failed) == ([US, EU], [])
    look = reader.look(US)
    assert [row.version for row in listed(look)] == [str(n) for n in range(7)]
    assert {row.machine.provider for row in listed(look)} == {"us-east-1"}
    assert reader.look(EU).rows == ()  # another account's

    first, second, third, elsewhere = asked(server, "DescribeImages")
    assert [one.region for one in (first, elsewhere)] == ["us-east-1", "eu-west-1"]
    assert second.query["NextToken"] == "us-east-1:3" and third.query["NextToken"] == "us-east-1:6"
    assert elsewhere.query["Owner.1"] == "111122223333"
    expected = {
        "Owner.1": "self",
        "IncludeDeprecated": "true",
        "IncludeDisabled": "true",
        "MaxResults": "3",
        "Filter.1.Name": "image-type",
        "Filter.2.Name": "name",
        "Filter.2.Value.1": "base-*",
    }
    assert expected.items() <= first.query.items()


def test_deprecated_and_disabled_images_of_others_are_read_and_strangers_are_not(
    server: FaultServer,
) -> None:
    theirs = {"OwnerId": "111122223333", "Public": True}
    server.cloud = Ec2(
        {
            "us-east-1": [
                image(1, "base-1", **theirs, DeprecationTime="2020-01-01T00:00:00.000Z"),
                image(2, "base-2", **theirs, State="disabled"),
                image(3, "base-3", OwnerId="999999999999"),
            ]
        }
    )
    look = declared(server, owners=["111122223333"], regions=["us-east-1"]).look(US)
    assert [row.machine.status for row in listed(look)] == ["active", "deactivated"]
    server.fault(edited(b"111122223333", b"666666666666"), when=is_list)  # AWS would never do this
    look = declared(server, owners=["111122223333"]).look(US)
    assert listed(look) == [] and len(look.rows) == 2


def test_a_short_or_empty_page_does_not_end_the_list(server: FaultServer) -> None:
    empty = Answer(
        b"<DescribeImagesResponse><requestId>request</requestId><imagesSet/>"
        b"<nextToken>us-east-1:3</nextToken></DescribeImagesResponse>"
    )
    server.fault(empty, when=page(0))
    assert len(listed(declared(server).look(US))) == 4


def test_a_region_is_not_read_for_longer_than_allowed(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MOST_LOOK_SECONDS", -1)
    assert declared(server).look(US).failed == (
        "production, us-east-1: reading it takes longer than -1 seconds"
    )


def test_passing_faults_are_waited_for(server: FaultServer) -> None:
    reader = declared(server)
    for fault in (THROTTLED, error("InternalError", status=500), cut(300), cut(300, "close")):
        server.clear()
        server.fault(fault, times=2, when=page(1))
        assert len(listed(reader.look(US))) == 7
        assert len(asked(server, "DescribeImages")) == 3 + 2


def test_a_region_that_cannot_be_read_whole_fails_alone_and_says_why(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_READ_SECONDS", 0.2)
    monkeypatch.setattr(source, "_ATTEMPTS", 2)
    secrets = "Credential=AKIDEXAMPLE/20261126 verysecret"
    other = b"<DescribeRegionsResponse><requestId>r</requestId></DescribeRegionsResponse>"
    unnamed = edited(b"<requestId>request</requestId>", b"")
    looped = edited(b"us-east-1:6", b"us-east-1:3")
    reader = declared(server)
    assert reader.scopes() == ([US, EU], [])
    for number, fault, reason in (
        (0, HTML, "the answer is not one of EC2: it has no list of images"),
        (2, HTML, "the answer is not one of EC2: it has no list of images"),
        (0, Answer(other), "the answer is not one of EC2: it has no list of images"),
        (0, unnamed, "the answer is not one of EC2: it has no request id"),
        (0, Answer(b""), "the answer is cut short, or is not XML"),
        (1, cut(400), "the answer is cut short"),
        (1, cut(-1, "close"), "the answer is cut short, or is not XML"),
        (1, cut(400, "chunked"), "the connection ended before the whole answer had arrived"),
        (1, edited(b">base-4<", b">base\x014<"), "the answer is cut short, or is not XML"),
        (1, HANGS, "AWS did not answer in time"),
        (2, THROTTLED, "AWS limits the rate of requests (RequestLimitExceeded)"),
        (1, looped, "AWS repeats its pages without end"),
        (0, error("OptInRequired"), "the account has not enabled this region (OptInRequired)"),
        (0, error("Odd", secrets), "AWS answered with an error (Odd)"),
        (0, error("O" * 900, secrets), "AWS answered with an error that cannot be read"),
        (0, error("RequestExpired", secrets), "the credentials have expired"),
        (
            0,
            error("AuthFailure", secrets, 401),
            "AWS does not accept the credentials, or not in this",
        ),
    ):
        server.clear()
        in_us = page(number)
        server.fault(fault, when=lambda one, is_it=in_us: one.region == "us-east-1" and is_it(one))
        look = reader.look(US)
        assert look.failed and look.failed.startswith(f"production, us-east-1: {reason}")
        assert look.rows == () and "secret" not in look.failed and "AKID" not in look.failed
        assert "\n" not in look.failed and len(look.failed) < 300
        assert len(listed(reader.look(EU))) == 2


def test_a_region_without_images_is_complete_and_empty(server: FaultServer) -> None:
    server.cloud = Ec2({"us-east-1": []})
    look = declared(server).look(US)
    assert (look.failed, look.rows) == (None, ())


def test_regions_are_read_by_several_threads_at_once(server: FaultServer) -> None:
    server.cloud = Ec2({f"eu-west-{n}": images(4) for n in range(6)})
    reader = declared(server)
    scopes, _ = reader.scopes()
    with ThreadPoolExecutor(6) as threads:
        looks = list(threads.map(reader.look, scopes))
    assert [len(listed(look)) for look in looks] == [4] * 6


def test_a_huge_answer_is_not_parsed(server: FaultServer) -> None:
    body = b"<DescribeImagesResponse>" + b" " * (64 * 1024 * 1024)
    server.fault(Answer(body), when=is_list)
    assert declared(server).look(US).failed == (
        "production, us-east-1: the answer is longer than 32 MiB"
    )


def test_a_name_of_forty_kilobytes_is_one_skipped_row(server: FaultServer) -> None:
    server.fault(edited(b">base-1<", b">" + b"b" * 40_000 + b"<"), when=is_list)
    look = declared(server).look(US)
    [skipped] = [row for row in look.rows if not isinstance(row, Listed)]
    assert len(listed(look)) == 6 and len(skipped.where) < 200


@pytest.mark.parametrize("number", [61, pytest.param(250, marks=pytest.mark.long)])
def test_all_own_images_that_are_not_public_are_asked_who_may_launch_them(
    server: FaultServer, number: int
) -> None:
    many = [image(n, f"base-{n}", Public=n == 1) for n in range(1, number + 1)]
    shared = {many[number - 20]["ImageId"]: [{"UserId": "111122223333"}]}
    server.cloud = Ec2({"us-east-1": many}, permissions=shared)
    look = declared(server).look(US)
    kinds = [row.machine.visibility for row in listed(look)]
    assert kinds == ["public", *["private"] * (number - 21), "shared", *["private"] * 19]
    assert (look.notes, len(asked(server, "DescribeImageAttribute"))) == ((), number - 1)

    about_one = lambda one: one.query.get("ImageId") == many[20]["ImageId"]  # noqa: E731
    server.fault(error("InvalidAMIID.NotFound"), when=about_one)
    assert declared(server).look(US).notes == ()
    server.clear()
    server.fault(
        error("UnauthorizedOperation"), when=lambda one: one.query["Action"].endswith("Attribute")
    )
    look = declared(server).look(US)
    assert {row.machine.visibility for row in listed(look)} == {"public", None}
    assert look.notes == (
        f"who may launch {number - 1} of {number - 1} own images is not known, so they do not count as "
        "public: the policy of the credentials denies it (UnauthorizedOperation)",
    )
    assert len(asked(server, "DescribeImageAttribute")) < 20, "one refusal is enough"


def test_one_image_is_asked_for_by_its_id(server: FaultServer) -> None:
    reader = declared(server)
    there = images(1)[0]["ImageId"]

    def presence(scope: str = US, identifier: str = there) -> str:
        return reader.presence(scope, "us-east-1", identifier)

    assert (presence(), presence(identifier="ami-0badbadbadbadbad0")) == ("there", "gone")
    assert presence(scope="999999999999/us-east-1") == "unknown"  # not asked with its credentials
    request = asked(server, "DescribeImages")[0].query
    assert request["ImageId.1"] == there and "MaxResults" not in request
    moto = Answer(
        b"<DescribeImagesResponse><requestId>request</requestId><imagesSet/></DescribeImagesResponse>"
    )
    another = edited(there.encode(), b"ami-0000000000000000f")
    for fault, answer in (
        (error("InvalidAMIID.Unavailable"), "gone"),
        (error("InvalidAMIID.Malformed"), "unknown"),
        (error("AuthFailure", status=401), "unknown"),
        (HTML, "unknown"),
        (cut(100), "unknown"),
        (moto, "gone"),
        (another, "unknown"),
        (edited(b">available<", b">disabled<"), "there"),
        (edited(b">available<", b">deregistered<"), "gone"),
    ):
        server.clear()
        server.fault(fault)
        assert presence() == answer


def test_other_credentials_than_before_fail_instead_of_listing_nothing(server: FaultServer) -> None:
    server.cloud = Ec2({"us-east-1": []}, account="111122223333")
    assert declared(server).look(US).failed == (
        "production, us-east-1: the credentials are of another account than 123456789012"
    )


def test_wrong_credentials_are_one_sentence_that_names_the_source(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(**fields: Any) -> str:
        scopes, [look] = declared(server, **fields).scopes()
        assert scopes == []
        assert look.failed
        return look.failed

    server.fault(error("InvalidClientTokenId", "verysecret", 403), times=1)
    assert failed() == "production: AWS does not accept the credentials (InvalidClientTokenId)"
    server.fault(HTML, times=1)
    assert failed() == "production: the answer is not one of AWS (KeyError)"
    denied = error("UnauthorizedOperation", "verysecret", 403)
    server.fault(denied, when=lambda one: one.query["Action"] == "DescribeRegions")
    assert failed() == (
        "production: the policy of the credentials denies it (UnauthorizedOperation); "
        "declare the regions to read them without it"
    )
    assert declared(server, regions=["eu-west-1"]).scopes() == ([EU], [])
    assert failed(profile="nobody") == "production: the profile does not exist"
    assert (
        failed(regions=["no region"]) == "production, no region: this is not the name of a region"
    )
    assert failed(endpoint_url="no url") == "production: endpoint_url is not a URL"
    assert failed(endpoint_url="http://127.0.0.1:9") == "production: AWS cannot be reached"
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    assert failed() == (
        "production: boto3 is not installed; install it with: pip install 'goldenrod[clouds]'"
    )


def test_without_credentials_nothing_is_asked(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from botocore.session import get_session

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    alone = boto3.Session(botocore_session=get_session())
    monkeypatch.setattr(boto3.session, "Session", lambda profile_name: alone)
    _, [look] = declared(server).scopes()
    assert look.failed == "production: no credentials were found"
    assert server.requests == []


def test_whose_images_are_read_must_be_declared() -> None:
    for fields, problem in (
        ({}, "owners"),
        ({"owners": []}, "owners"),
        ({"owners": ["*"]}, "owners"),
        ({"owners": ["self"], "owners_by_region": {"eu-west-1": []}}, "owners_by_region"),
        ({"owners": ["amazon"]}, "declare names as well"),
        ({"owners": ["self"], "owners_by_region": {"x": ["amazon"]}}, "declare names as well"),
    ):
        with pytest.raises(msgspec.ValidationError, match=problem):
            msgspec.convert({"name": "production", **fields}, Aws)
    msgspec.convert({"name": "a", "owners": ["amazon"], "names": ["al2023-ami-*"]}, Aws)


def test_the_documentation_has_all_fields_and_exactly_the_permissions_that_are_used(
    server: FaultServer, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "aws.md").read_text("utf-8")
    rule = '[[rule]]\nname = "a"\nmatch = "(?P<version>a)"\nimage = "a"\n'
    (tmp_path / "rules.toml").write_text(rule)
    example = tmp_path / "sources.toml"
    example.write_text(page.split("```toml\n")[1].split("```")[0])
    assert [one.name for one in declarations.load(example)] == ["aws-production", "aws-ecs"]
    own = set(Aws.__struct_fields__) - set(declarations.Declaration.__struct_fields__) | {"tags"}
    assert {field for field in own if f"| `{field}` |" not in page} == set()

    server.cloud = Ec2({"us-east-1": [image(1, "base-1")]})
    reader = declared(server)
    reader.scopes()
    reader.look(US)
    reader.presence(US, "us-east-1", "ami-1")
    policy = json.loads(page.split("```json\n")[1].split("```")[0])
    allowed = {action.removeprefix("ec2:") for action in policy["Statement"][0]["Action"]}
    used = {request.query["Action"] for request in server.requests}
    assert used == {*allowed, "GetCallerIdentity"}


def test_the_libraries_are_imported_when_a_cloud_is_read_and_not_before() -> None:
    for path in Path(package.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [alias.name for alias in getattr(node, "names", ())]
            imported = [*names, getattr(node, "module", None) or ""]
            assert not any(name.startswith(("boto", "stamina")) for name in imported)
