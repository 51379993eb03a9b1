"""The template and the snippets of docs/building.md are run, with the real Packer and a real server."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from goldenrod.client import Client
from tests.support.processes.command_line import Served, serving_the_cast
from tests.support.processes.programs import program
from tests.test_docs import fenced, text

PAGE = "docs/building.md"
TEMPLATE = "image.pkr.hcl"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_the_cast(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture
def server(served: Served) -> Iterator[Client]:
    """The server, asked by dora, with what the page's commands name."""
    with Client(served.server.url, served.world.secrets["dora"]) as client:
        if not list(client.pages("/providers", name="File server")):
            client.post("/providers", {"name": "File server", "type": "files", "public": True})
            for name in ("Debian", "Base Linux"):
                client.post("/images", {"name": name})
            client.post("/image_versions", {"name": "13.1", "image": "debian"})
        yield client


def workspace(directory: Path, served: Served, **more: str) -> dict[str, str]:
    """A directory with the template and a commit; returns the environment of its commands."""
    packer = program("packer")
    tools = directory / "tools"
    tools.mkdir()
    python = shlex.quote(sys.executable)
    commands = {
        "goldenrod": f'exec {python} -m goldenrod "$@"',
        "packer": f'exec {shlex.quote(packer)} "$@"',
        "pip": "exit 0",
    }
    for name, line in commands.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    [template] = fenced(text(PAGE), "hcl")
    (directory / TEMPLATE).write_text(template)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GOLDENROD_")}
    env = kept | {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(directory),
        "CHECKPOINT_DISABLE": "1",
        "GOLDENROD_URL": served.server.url,
        "GOLDENROD_TOKEN": served.world.secrets["dora"],
    }
    return env | more


def shell(directory: Path, env: dict[str, str], *scripts: str) -> str:
    """Runs scripts as a runner does, and returns what they print."""
    said = ""
    for script in scripts:
        ended = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=directory,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ended.returncode == 0, (script, ended.stdout, ended.stderr)
        said += ended.stdout
    return said


def require_published(server: Client, name: str, change_log: str) -> None:
    [version] = server.pages("/image_versions", image_id="base-linux", name=name)
    [machine] = server.pages("/provider_machines", version_id=version["id"])
    shown = version["parent"]["name"], version["change_log"].strip()
    assert shown == ("13.1", change_log)
    url = f"https://files.example.org/{name}/out/base-linux.img"
    assert (machine["provider"]["slug"], machine["identifier"]) == ("file-server", url)
    assert (machine["architecture"], machine["size_gb"]) == ("x86_64", 1)
    assert machine["checksum"].startswith("sha256:")
    channel = server.get("/images/base-linux/channels/candidate")
    assert channel["target"]["name"] == name


def snippet(number: int) -> Any:
    return yaml.safe_load(fenced(text(PAGE), "yaml")[number])


@pytest.mark.long
def test_the_snippet_for_github_publishes(tmp_path: Path, served: Served, server: Client) -> None:
    env = workspace(tmp_path, served, GITHUB_REF_NAME="v1.0")
    job = snippet(0)["jobs"]["image"]
    assert job["env"].keys() == {"GOLDENROD_URL", "GOLDENROD_TOKEN"}
    shell(
        tmp_path,
        env,
        "git init -q && git add image.pkr.hcl",
        "git -c user.name=a -c user.email=a@example.org commit -qm 'Smaller by half.'",
    )
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    said = shell(tmp_path, env, *scripts)
    end = "Published base-linux/v1.0 with 1 machine (file-server) and assigned it to candidate.\n"
    assert said.endswith(end)
    require_published(server, "v1.0", "Smaller by half.")
    # The same job again, as a runner repeats it: Packer appends a run to the manifest.
    assert shell(tmp_path, env, *scripts).endswith("exists already; nothing was changed.\n")
    assert len(json.loads((tmp_path / "packer-manifest.json").read_bytes())["builds"]) == 2


@pytest.mark.long
def test_the_snippet_for_gitlab_publishes(tmp_path: Path, served: Served, server: Client) -> None:
    more = {"CI_COMMIT_TAG": "v2.0", "CI_COMMIT_TAG_MESSAGE": "Größer."}
    env = workspace(tmp_path, served, **more)
    said = shell(tmp_path, env, *snippet(1)["image"]["script"])
    assert "Published base-linux/v2.0 with 1 machine" in said
    require_published(server, "v2.0", "Größer.")


@pytest.mark.long
def test_the_shell_lines_of_the_page_publish(
    tmp_path: Path, served: Served, server: Client
) -> None:
    env = workspace(tmp_path, served)
    shell(tmp_path, env, f"packer build -var version=v3.0 {TEMPLATE}")
    [line] = fenced(text(PAGE), "sh")
    said = shell(tmp_path, env, f"{line.strip()} --provider file-server")
    assert "Published base-linux/v3.0 with 1 machine (file-server)" in said
