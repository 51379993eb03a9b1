"""Amazon EC2's query protocol, as far as reading machine images needs it, for `fault_server.py`.

It does what moto does not: pages with NextToken, deprecated and disabled images that are hidden,
regions that are not enabled, InvalidAMIID.NotFound for a whole call, SourceImageId. Images are written
as boto3 returns them; the names on the wire are those of botocore's own model.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import Shape

from goldenrod.base.clock import now
from tests.sources.fault_server import Answer, Request

ACCOUNT = "123456789012"

Image = dict[str, Any]


def image(number: int, name: str, **others: object) -> Image:
    """An image of the account, as boto3 returns it."""
    return {
        "ImageId": f"ami-{number:017x}",
        "Name": name,
        "OwnerId": ACCOUNT,
        "State": "available",
        "ImageType": "machine",
        "Architecture": "x86_64",
        "VirtualizationType": "hvm",
        "Public": False,
        "CreationDate": "2026-03-01T10:00:00.000Z",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}],
        **others,
    }


def error(code: str, message: str = "Said by the cloud.", status: int = 400) -> Answer:
    """An error as EC2 writes it."""
    return Answer(
        f"<Response><Errors><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        f"</Errors><RequestID>request</RequestID></Response>".encode(),
        status,
    )


THROTTLED = error("RequestLimitExceeded", status=503)


@dataclass
class Ec2:
    """The cloud: its images by region, and by image the permissions to launch it."""

    images: dict[str, list[Image]]
    account: str = ACCOUNT
    permissions: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    token: Callable[[str, int], str] = lambda region, offset: f"{region}:{offset}"

    def __call__(self, request: Request) -> Answer:
        action = request.query.get("Action", "")
        if action == "GetCallerIdentity":
            return Answer(
                f"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{self.account}</Account>"
                f"</GetCallerIdentityResult><ResponseMetadata><RequestId>request</RequestId>"
                f"</ResponseMetadata></GetCallerIdentityResponse>".encode()
            )
        if action == "DescribeRegions":
            return _answer(action, {"Regions": [{"RegionName": region} for region in self.images]})
        if action == "DescribeImageAttribute":
            ami = request.query["ImageId"]
            return _answer(
                action, {"ImageId": ami, "LaunchPermissions": self.permissions.get(ami, [])}
            )
        if action == "DescribeImages":
            return self._describe_images(request)
        return error("InvalidAction")

    def _describe_images(self, request: Request) -> Answer:
        query = request.query
        images = self.images.get(request.region)
        if images is None:
            return error("AuthFailure", status=401)
        wanted = _values(query, "ImageId")
        if missing := set(wanted) - {one["ImageId"] for one in images}:
            return error(
                "InvalidAMIID.NotFound", f"The image id '{sorted(missing)}' does not exist"
            )
        listed = [one for one in images if self._is_listed(one, query, by_id=bool(wanted))]
        if wanted:
            return _answer(
                "DescribeImages", {"Images": [i for i in listed if i["ImageId"] in wanted]}
            )
        size = int(query.get("MaxResults", len(listed) or 1))
        begin = int(query.get("NextToken", ":0").rpartition(":")[2])
        page: dict[str, object] = {"Images": listed[begin : begin + size]}
        if begin + size < len(listed):
            page["NextToken"] = self.token(request.region, begin + size)
        return _answer("DescribeImages", page)

    def _is_listed(self, one: Image, query: dict[str, str], *, by_id: bool) -> bool:
        owners = _values(query, "Owner")
        mine = one["OwnerId"] == self.account
        is_owned = (
            not owners
            or one["OwnerId"] in owners
            or ("self" in owners and mine)
            or one.get("ImageOwnerAlias") in owners
        )
        if one["State"] == "disabled" and "IncludeDisabled" not in query:
            return False
        hidden = one.get("DeprecationTime", "9") < now() and not mine and not by_id
        if hidden and "IncludeDeprecated" not in query:
            return False
        filters = {
            query[f"{key[:-5]}.Name"]: _values(query, f"{key[:-5]}.Value")
            for key in query
            if key.startswith("Filter.") and key.endswith(".Name")
        }
        names = filters.get("name", ["*"])
        types = filters.get("image-type", [one["ImageType"]])
        return (
            is_owned
            and one["ImageType"] in types
            and any(fnmatchcase(one["Name"], n) for n in names)
        )


def _values(query: dict[str, str], prefix: str) -> list[str]:
    return [
        value
        for key, value in query.items()
        if key.startswith(f"{prefix}.") and key.count(".") == prefix.count(".") + 1
    ]


@cache
def _shape(action: str) -> Shape:
    model = botocore.session.get_session().get_service_model("ec2")
    return model.operation_model(action).output_shape


def _answer(action: str, content: dict[str, object]) -> Answer:
    inner = _xml(_shape(action), content)
    return Answer(
        f'<?xml version="1.0" encoding="UTF-8"?><{action}Response>'
        f"<requestId>request</requestId>{inner}</{action}Response>".encode()
    )


def _xml(shape: Shape, value: Any) -> str:
    if shape.type_name == "structure":
        parts = []
        for name, one in value.items():
            member = shape.members[name]
            tag = member.serialization.get("name", name)
            parts.append(f"<{tag}>{_xml(member, one)}</{tag}>")
        return "".join(parts)
    if shape.type_name == "list":
        return "".join(f"<item>{_xml(shape.member, one)}</item>" for one in value)
    return escape(str(value).lower() if isinstance(value, bool) else str(value))
