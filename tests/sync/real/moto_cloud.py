"""A proxy in front of moto's server, which can answer for it as broken clouds do.

    with moto() as (url, pid):
        cloud = MotoCloud(url)
        with FaultServer(cloud) as server:
            server.fault(HTML, when=lambda request: request.region == "eu-west-1")

moto takes about five seconds to list a region. So a list that it gave is given again, byte for byte,
until `changed` says that its region is another now.
"""

import http.client
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.sources.fault_server import Answer, Request

PASSED_ON = ("authorization", "content-type", "x-amz-date", "x-amz-security-token", "user-agent")


@dataclass
class MotoCloud:
    """Passes each request on to moto at `url`."""

    url: str
    lists: dict[tuple[str, bytes], Answer] = field(default_factory=dict)

    def __call__(self, request: Request) -> Answer:
        action = request.query.get("Action", "")
        by_id = any(name.startswith("ImageId.") for name in request.query)
        if action != "DescribeImages" or by_id:
            return self._ask(request)
        key = request.region, request.body
        if key not in self.lists:
            self.lists[key] = self._ask(request)
        return self.lists[key]

    def changed(self, region: str) -> None:
        """Ask moto for this region again."""
        self.lists = {key: answer for key, answer in self.lists.items() if key[0] != region}

    def _ask(self, request: Request) -> Answer:
        at = urlsplit(self.url)
        connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=120)
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        headers["Host"] = request.headers["host"]
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        body = answer.read()
        kind = answer.headers["Content-Type"] or ""
        connection.close()
        return Answer(body, answer.status, {"Content-Type": kind})


def client(region: str, url: str) -> Any:
    """boto3's client of EC2 in a region of moto."""
    import boto3

    return boto3.session.Session().client("ec2", region_name=region, endpoint_url=url)
