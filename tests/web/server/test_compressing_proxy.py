"""Everything works behind a real nginx that compresses: nginx weakens the ETag of what it compresses,
and a weak tag never matches If-Match."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from goldenrod.client import Client, ClientError
from goldenrod.store.db import Database
from tests.support.cast import World, build_world
from tests.support.processes.nginx import nginx
from tests.support.processes.server import GOLDENROD, running

COMPRESSES = "gzip on; gzip_types *; gzip_proxied any; gzip_min_length 20;"
"""nginx compresses everything that it can."""
PASSES = "proxy_http_version 1.1; proxy_pass http://127.0.0.1:SERVER;"


@pytest.fixture
def served(
    new_database: Callable[[str], Database], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[str, World]]:
    """The address of nginx, and the cast of the catalogue behind it."""
    db = new_database("sqlite")
    world = build_world(db)
    with running(db.url, tmp_path / "server.log") as server:
        passes = PASSES.replace("SERVER", str(server.port)) + getattr(request, "param", "")
        block = f"server {{ listen 127.0.0.1:PORT; {COMPRESSES} location / {{ {passes} }} }}"
        with nginx(tmp_path, block) as url:
            yield url, world


def test_what_is_read_through_a_proxy_that_compresses_can_be_changed(
    served: tuple[str, World],
) -> None:
    url, world = served
    token = {"Authorization": f"Token {world.secrets['dora']}"}
    with httpx.Client(base_url=url + "/api/v2", headers=token) as http:
        http.patch("/images/open-image", json={"tags": ["t"]})
        http.put("/images/open-image/channels/stable", json={"version": world.versions["open"]})
        # The smallest answers that can be changed are those of a tag and a group.
        small = [
            http.get(path).json()["results"][0]["url"] for path in ("/tags", "/groups?name=lab")
        ]
        changes = {
            "/images/open-image": {"description": "d"},
            f"/image_versions/{world.versions['open']}": {"min_cpu": 1},
            **{path.removeprefix("/api/v2"): {} for path in small},
            "/images/open-image/channels/stable": {"restricted": True},
        }
        for path, change in changes.items():
            for accepted in ("gzip, deflate, br", "zstd, gzip;q=0.5", "identity", ""):
                accepts = {"Accept-Encoding": accepted}
                etag = http.get(path, headers=accepts).headers["etag"]
                assert etag.startswith('"'), (path, accepted)
                again = http.get(path, headers=accepts | {"If-None-Match": etag})
                assert (again.status_code, again.headers["etag"]) == (304, etag)
                changed = http.patch(path, json=change, headers=accepts | {"If-Match": etag})
                assert changed.status_code == 200, (path, accepted, changed.text)
                # The tag in the answer to a change is as good.
                tag = changed.headers["etag"]
                late = http.patch(path, json={}, headers=accepts | {"If-Match": tag})
                assert late.status_code == 200, (path, accepted)
        assert http.delete(path, headers={"If-Match": tag}).status_code == 204


@pytest.mark.parametrize("served", ['proxy_set_header Accept-Encoding "";'], indirect=True)
def test_our_client_and_command_line_change_what_they_read_even_where_tags_are_weakened(
    served: tuple[str, World],
) -> None:
    url, world = served
    weak = httpx.get(f"{url}/api/v2/images/open-image").headers["etag"]
    assert weak.startswith("W/")
    cached = httpx.get(f"{url}/api/v2/images/open-image", headers={"If-None-Match": weak})
    assert cached.status_code == 304
    with Client(url, world.secrets["alice"]) as server:
        _, tag = server.get_tagged("/images/open-image")
        server.patch("/images/open-image", {"description": "d"}, if_match=tag)
        with pytest.raises(ClientError, match="Somebody changed this"):
            server.patch("/images/open-image", {"description": "e"}, if_match=tag)
        server.put("/images/open-image/channels/stable", {"version": world.versions["open"]})
    settings = {"GOLDENROD_URL": url, "GOLDENROD_TOKEN": world.secrets["alice"]}
    words = ["channel", "edit", "open-image", "stable", "--on", "east"]
    command = [*GOLDENROD, *words]
    edited = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True)
    assert edited.returncode == 0, edited.stderr
