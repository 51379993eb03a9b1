"""The code of the release before works on today's tables, as it must while servers are replaced.

No release is published yet. Its place has the last commit before migration 0003: its version number is
0.1.0 too, and its tables are those of migration 0002.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes.installing import ROOT, run
from tests.support.processes.programs import absent
from tests.support.processes.server import GOLDENROD, environment, running

PREVIOUS = "a6c066e65a21"
TABLES = "0002"


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The sources of the release before."""
    git = shutil.which("git")
    there = git and subprocess.run(
        [git, "-C", str(ROOT), "cat-file", "-e", f"{PREVIOUS}^{{commit}}"], capture_output=True
    )
    if not there or there.returncode:
        absent(f"no commit {PREVIOUS} here: this needs a clone with its history")
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", PREVIOUS, "src", "docs"],
        capture_output=True,
        check=True,
    )
    folder = tmp_path / "previous"
    folder.mkdir()
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder / "src"


class Api:
    """A server's API, asked with one token; every answer must be a success."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Token {token}"}
        self._http = httpx.Client(base_url=f"{url}/api/v2", headers=headers, timeout=60)

    def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer = self._http.request(method, path, json=body, **more)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None


@pytest.fixture
def url(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[str]:
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'catalogue.db'}"
        return
    cluster = request.getfixturevalue("cluster")
    yield cluster.create("rolling")
    cluster.drop("rolling")


def publish(api: Api, name: str, image: str = "base-linux", **more: Any) -> Any:
    machine = {"provider": "east", "identifier": f"AMI-{name}", "architecture": "x86_64"}
    body = {"name": name, "image": image, "machines": [machine], **more}
    return api("POST", "/image_versions", body)


def known(api: Api, number: int) -> bool:
    """Whether look-up finds a machine by its id."""
    asked = {"identifiers": [{"identifier": f"AMI-{number}.1"}]}
    [found] = api("POST", "/lookup", asked)["results"]
    return bool(found["known"])


def use(api: Api, number: int) -> None:
    """Read and change things of each kind, as both releases can."""
    version = publish(api, f"{number}.0", change_log="first", start_date="2026-01-01T00:00:00Z")
    other = publish(api, f"{number}.1", parent=version["id"])
    key = f"/image_versions/{version['id']}"
    api("PATCH", key, {"change_log": f"changed by {number}"})
    assert api("GET", key)["change_log"] == f"changed by {number}"
    api("PUT", "/images/base-linux/channels/stable", {"version": other["id"]})
    resolved = api("GET", "/resolve/base-linux/stable/east")
    assert resolved["machine"]["identifier"] == f"AMI-{number}.1"
    api("PATCH", "/images/base-linux", {"description": f"by {number}", "tags": [f"t{number}"]})
    license_ = api(
        "POST", "/licenses", {"title": f"license {number}", "type": "Full Text", "text": "x"}
    )
    api("PATCH", key, {"licenses": [license_["id"]]})
    api("POST", "/groups", {"name": f"group-{number}"})
    api("POST", "/users", {"username": f"user-{number}"})
    api("POST", "/webhooks", {"target": "http://127.0.0.1:9000/", "image": "base-linux"})
    assert known(api, number)
    api("POST", f"{key}/revoke", {"reason": "bad"})
    api("POST", f"{key}/restore", {})
    for path in ("/images", "/image_versions", "/users", "/groups", "/tags", "/webhooks"):
        assert api("GET", path)["count"] >= 1
    for path in (f"{key}/history", f"{key}/lineage", "/image_versions?search=changed"):
        api("GET", path)


@pytest.mark.long
def test_servers_of_the_release_before_go_on_when_the_tables_are_those_of_today(
    previous: Path, url: str, tmp_path: Path
) -> None:
    nothing_is_sent = {"GOLDENROD_DELIVER": "false", "GOLDENROD_WEBHOOKS_PRIVATE": "true"}
    old = nothing_is_sent | {"PYTHONPATH": str(previous)}
    new = nothing_is_sent | {"PYTHONPATH": str(ROOT / "src")}

    def command(release: dict[str, str], *words: str) -> str:
        return run([*GOLDENROD, *words], tmp_path, environment(url, **release)).strip()

    command(old, "user", "create", "ada", "--staff", "--no-password")
    token = command(old, "token", "create", "ada", "--scope", "admin")
    with running(url, tmp_path / "old", **old) as older:
        before = Api(older.url, token)
        before("POST", "/providers", {"name": "east", "type": "aws", "public": True})
        before("POST", "/images", {"name": "Base Linux", "is_public": True})
        use(before, 1)
        command(new, "migrate")
        use(before, 2)
        with running(url, tmp_path / "new", **new) as newer:
            after = Api(newer.url, token)
            use(after, 3)
            use(before, 4)
            # What the older server adds is found by its id once the newer release has filled in what
            # only it knows: the start of its server did so for 2, and `migrate` does for 4.
            assert [known(after, number) for number in (1, 2, 3, 4)] == [True, True, True, False]
            command(new, "migrate")
            assert all(known(api, number) for number in (1, 2, 3, 4) for api in (before, after))
            for path in ("/images/base-linux", "/image_versions", "/users", "/licenses"):
                assert {*before("GET", path)} <= {*after("GET", path)}
            assert before("GET", "/image_versions")["count"] == 8
        assert "Traceback" not in older.log() + newer.log()
    command(new, "check")
