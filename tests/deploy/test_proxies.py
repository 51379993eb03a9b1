"""deploy/nginx.conf and deploy/Caddyfile, each run by the real program in front of a real server."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from goldenrod.store.db import Database
from tests.support.cast import World, build_world
from tests.support.processes.caddy import caddy
from tests.support.processes.installing import ROOT
from tests.support.processes.nginx import nginx
from tests.support.processes.programs import program
from tests.support.processes.server import Running, free_port, running, within

LOOKUP = "/api/v2/lookup"
ASKED = {"identifiers": [{"identifier": "ami-0"}]}


@dataclass
class Proxied:
    """A proxy at `url`, the server behind it with an access log, and the cast of its catalogue."""

    url: str
    server: Running
    world: World

    def asked(self) -> list[str]:
        """The requests that reached the server since the last call."""
        lines = [json.loads(line) for line in self.server.log().splitlines()]
        logged = [line["event"] for line in lines if line.get("logger") == "granian.access"]
        # [when] address - "GET /path HTTP/1.1" status milliseconds
        seen = [f"{line.split()[-4]} {line.split()[-2]}" for line in logged]
        new, self._seen = seen[getattr(self, "_seen", 0) :], len(seen)
        return new


def example(server: Running, folder: Path) -> str:
    """deploy/nginx.conf with the ports and folders of the test."""
    between = free_port()
    text = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
    for was, here in {
        "127.0.0.1:8000": f"127.0.0.1:{server.port}",
        "127.0.0.1:8001": f"127.0.0.1:{between}",
        "listen 80;": "listen 127.0.0.1:PORT;",
        "/var/lib/nginx/goldenrod": str(folder / "store"),
    }.items():
        assert was in text
        text = text.replace(was, here)
    return text


@pytest.fixture(params=["nginx", "caddy"])
def proxied(
    request: pytest.FixtureRequest, new_database: Callable[[str], Database], tmp_path: Path
) -> Iterator[Proxied]:
    db = new_database("sqlite")
    world = build_world(db)
    options = ("--access-log", "--log", "json")
    settings = {"GOLDENROD_TRUSTED_PROXIES": "127.0.0.1"}
    with running(db.url, tmp_path / "log", *options, **settings) as server:
        if request.param == "nginx":
            with nginx(tmp_path, example(server, tmp_path)) as url:
                yield Proxied(url, server, world)
            return
        text = (ROOT / "deploy" / "Caddyfile").read_text("utf-8")
        assert "127.0.0.1:8000" in text
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        assert "request_buffers 2MiB" in text
        if subprocess.check_output([program("caddy"), "version"]).startswith((b"2.6", b"v2.6")):
            text = text.replace("request_buffers 2MiB", "buffer_requests\nmax_buffer_size 2MiB")
        with caddy(tmp_path, text, "images.example.org") as url:
            yield Proxied(url, server, world)


@pytest.mark.long
def test_a_proxy_passes_on_compressed_answers_bodies_and_the_clients_address(
    proxied: Proxied,
) -> None:
    with httpx.Client(base_url=proxied.url, timeout=60) as http:
        listed = http.get("/image_versions", headers={"Accept-Encoding": "gzip"})
        assert (listed.status_code, listed.headers["content-encoding"]) == (200, "gzip")
        etag = listed.headers["etag"]
        assert etag.startswith('"')
        again = http.get(
            "/image_versions", headers={"Accept-Encoding": "gzip", "If-None-Match": etag}
        )
        assert again.status_code == 304
        plain = http.get("/image_versions", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.json() == listed.json()
        assert http.post(LOOKUP, json=ASKED).status_code == 200
        # A page of somebody who is about to sign in is not compressed on the way either.
        assert "content-encoding" not in http.get("/sign-in").headers
        # Nobody can pretend to have another address.
        for pretended in ("X-Forwarded-For", "X_Forwarded_For", "X-Forwarded_For"):
            wrong = {"username": "alice", "password": "not her password"}
            http.post("/api/v2/sign_in", json=wrong, headers={pretended: "203.0.113.9"})
        dora = {"Authorization": f"Token {proxied.world.secrets['dora']}"}
        events = http.get("/api/v2/security_events", headers=dora)
        assert events.status_code == 200, events.text
        addresses = {one["address"] for one in events.json()["results"] if one["address"]}
        assert addresses <= {"127.0.0.1"}, addresses


@pytest.mark.parametrize("proxied", ["nginx"], indirect=True)
def test_nginx_stores_answers_to_anonymous_readers_and_asks_each_time_whether_they_are_valid(
    proxied: Proxied,
) -> None:
    world, path = proxied.world, "/api/v2/images/open-image"
    tokens = {
        name: {"Authorization": f"Token {world.secrets[name]}"} for name in ("alice", "charlie")
    }
    with httpx.Client(base_url=proxied.url, timeout=60) as http:
        first = http.get(path)
        assert within(5, lambda: any(path in line for line in proxied.asked()))
        for _ in range(3):
            stored = http.get(path)
            assert (stored.status_code, stored.content) == (200, first.content)
        until = time.monotonic() + 5
        asked = []
        while len(asked) < 3 and time.monotonic() < until:
            asked += proxied.asked()
        assert [one.rpartition(" ")[2] for one in asked] == ["304"] * 3, (
            "nginx has the answer, and the server was asked each time whether it is valid"
        )
        # A change is seen by the very next request.
        edited = http.patch(path, json={"description": "changed"}, headers=tokens["alice"])
        assert edited.status_code == 200
        assert http.get(path).json()["description"] == "changed"

        # Whoever has a token or a session gets their own answers, and leaves none behind.
        anonymous = {address: http.get(address).content for address in ("/", "/image_versions")}
        signed_in = httpx.Client(base_url=proxied.url, headers=tokens["alice"], timeout=60)
        private = signed_in.get("/image_versions")
        assert private.headers["cache-control"].startswith("private")
        assert private.json()["count"] > json.loads(anonymous["/image_versions"])["count"]
        for reader in ({}, tokens["charlie"], {"Cookie": "goldenrod_session=unknown"}):
            seen = httpx.get(f"{proxied.url}/image_versions", headers=reader, timeout=60)
            assert seen.content != private.content, reader
        assert http.get("/image_versions").content == anonymous["/image_versions"]
        hidden = f"/api/v2/images/{world.images['closed']}"
        assert signed_in.get(hidden).status_code == 200
        assert http.get(hidden).status_code == 404
        # The forms of one page, by Vary.
        html = http.get("/images/open-image", headers={"Accept": "text/html"})
        assert html.headers["content-type"].startswith("text/html")
        text = {"Accept": "text/plain"}
        one = http.get("/resolve/open-image/latest/east", headers=text)
        other = http.get("/resolve/open-image/latest/east")
        assert one.headers["content-type"].startswith("text/plain")
        assert other.headers["content-type"] == "application/json"
        assert http.get("/resolve/open-image/latest/east", headers=text).text == one.text
        # What is gone is gone, though nginx has stored it.
        gone = http.delete(path, headers=tokens["alice"])
        assert gone.status_code in (200, 204)
        assert http.get(path).status_code == 404
        signed_in.close()
    proxied.server.end()
    assert httpx.get(f"{proxied.url}/image_versions", timeout=60).status_code == 502
