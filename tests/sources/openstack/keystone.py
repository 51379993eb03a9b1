"""A stand-in for Keystone: it signs anybody in, and its catalogue names an image service per region.

    keystone = Keystone({"north": Glance(images), "south": "http://127.0.0.1:9292"})
    with FaultServer(keystone) as server:
        write_clouds_yaml(path, server.url)

A region is a cloud for the fault server, or the address of a real Glance. Tokens are
`user:project:roles`, as the real Glance of these tests reads them.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.sources.fake_glance import answer
from tests.sources.fault_server import Answer, Cloud, Request

PROJECT = "5f0a5f0a5f0a4f0a8f0a5f0a5f0a5f0a"
SECRET = "do-not-tell"
NAME = "office"
"""The name of the cloud in clouds.yaml."""


@dataclass
class Keystone:
    """Signs in, and sends requests for images to their region. `revoke` ends all tokens."""

    regions: dict[str, Cloud | str]
    tokens: set[str] = field(default_factory=set)
    roles: str = "member,reader"
    signed_in: int = 0

    def __call__(self, request: Request) -> Answer:
        first, _, rest = request.path.strip("/").partition("/")
        host = request.headers["host"]
        if first == "identity":
            if request.method == "POST":
                return self._sign_in(json.loads(request.body), host)
            links = [{"rel": "self", "href": f"http://{host}/identity/v3/"}]
            version = {"id": "v3.14", "status": "stable", "links": links}
            return answer({"version": version} if rest else {"versions": {"values": [version]}})
        region = self.regions.get(first)
        if region is None or isinstance(region, str):
            return answer({"message": "not here"}, 404)
        if rest and request.headers.get("x-auth-token") not in self.tokens:
            return answer({"message": "sign in"}, 401)
        inside = {**request.headers, "host": f"{host}/{first}"}
        return region(replace(request, path=f"/{rest}", headers=inside))

    def revoke(self) -> None:
        """No token is valid any more."""
        self.tokens.clear()

    def _sign_in(self, body: dict[str, Any], host: str) -> Answer:
        auth = body["auth"]
        password = auth["identity"]["password"]["user"]["password"]
        if password != SECRET:
            return answer({"error": {"code": 401, "message": f"wrong password {password}"}}, 401)
        project = auth["scope"]["project"]["id"]
        self.signed_in += 1
        token = f"user{self.signed_in}:{project}:{self.roles}"
        self.tokens.add(token)
        endpoints = [
            {
                "id": name,
                "region": name,
                "region_id": name,
                "interface": "public",
                "url": where if isinstance(where, str) else f"http://{host}/{name}",
            }
            for name, where in self.regions.items()
        ]
        domain = {"id": "default", "name": "Default"}
        said = {
            "methods": ["password"],
            "user": {"id": "u", "name": "u", "domain": domain},
            "project": {"id": project, "name": "p", "domain": domain},
            "roles": [{"id": "r", "name": "reader"}],
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "catalog": [{"id": "i", "type": "image", "name": "glance", "endpoints": endpoints}]
            if endpoints
            else [],
        }
        signed_in = answer({"token": said}, 201)
        return replace(signed_in, headers={**signed_in.headers, "X-Subject-Token": token})


def write_clouds_yaml(
    path: Path, url: str, *, project: str = PROJECT, password: str = SECRET, **more: object
) -> None:
    """A clouds.yaml with one cloud, whose Keystone is at `url`. JSON is YAML."""
    entry = {
        "auth_type": "password",
        "auth": {
            "auth_url": f"{url}/identity/v3",
            "username": "goldenrod",
            "password": password,
            "project_id": project,
            "user_domain_id": "default",
        },
        "image_status_code_retry_delay": 0.01,
        **more,
    }
    path.write_text(json.dumps({"clouds": {NAME: entry}}))
