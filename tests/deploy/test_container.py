"""The Dockerfile and compose.yaml. Their steps run in a plain directory, without a container engine."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
import yaml

from goldenrod.base.config import SETTINGS
from tests.support.processes.dockerfile import Build, instructions
from tests.support.processes.installing import LIBRARIES, ROOT, checkout
from tests.support.processes.programs import absent, library
from tests.support.processes.server import free_port, within

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
IGNORED = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
SECRET = re.compile(r"(?i)(password|secret|token|key)\w*\s*[=:]\s*['\"]?(?!/run/secrets/)[\w-]+")


def test_the_image_runs_as_a_user_of_its_own_without_secrets_and_hosts() -> None:
    steps = instructions(DOCKERFILE)
    words = [word for word, _ in steps]
    assert words.count("FROM") == 2
    last = steps[len(words) - 1 - words[::-1].index("FROM") :]
    final = dict(last)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", final["USER"])
    assert not [word for word, _ in last if word in ("RUN", "COPY", "ADD")][2:], "kept small"
    assert "HEALTHCHECK" in final
    assert "curl" not in DOCKERFILE
    # Images come from where the engine is configured to look, as do packages.
    assert not re.search(
        r"://(?!/)|--(?:extra-)?index-url|FROM \S+/", DOCKERFILE.replace("sqlite:", "")
    )
    assert not SECRET.search(DOCKERFILE)
    settings = {setting.variable for setting in SETTINGS}
    assert {*re.findall(r"GOLDENROD_\w+", DOCKERFILE)} <= settings
    # The builder gets what COPY names, and nothing else.
    copied = {name for word, rest in steps if word == "COPY" for name in rest.split()[:-1]}
    allowed = {line.removeprefix("!") for line in IGNORED if line.startswith("!")}
    assert "*" in IGNORED
    assert allowed == {name for name in copied if not name.startswith(("-", "/"))}


def test_compose_passes_secrets_as_files_and_waits_for_the_database() -> None:
    server, database = COMPOSE["services"]["server"], COMPOSE["services"]["database"]
    assert server["read_only"] is True
    assert server["cap_drop"] == ["ALL"]
    assert server["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert all(port.startswith("127.0.0.1:") for port in server["ports"])
    assert "ports" not in database
    for name, service in COMPOSE["services"].items():
        for variable, value in service["environment"].items():
            secret = re.search("PASSWORD|DATABASE_URL|SECRET", variable)
            assert not secret or (variable.endswith("_FILE") and value.startswith("/run/secrets/"))
            if value.startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], name
    settings = {setting.variable for setting in SETTINGS}
    assert {name.removesuffix("_FILE") for name in server["environment"]} <= settings
    assert {*COMPOSE["secrets"]} == {*server["secrets"], *database["secrets"]}
    assert not SECRET.search(
        yaml.dump([one["environment"] for one in COMPOSE["services"].values()])
    )
    program, command, *options = server["command"]
    assert (program, command) == ("goldenrod", "serve")
    help_ = subprocess.run(
        [sys.executable, "-m", "goldenrod", "serve", "--help"], capture_output=True, text=True
    ).stdout
    assert all(option in help_ for option in options if option.startswith("--"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="goldenrod-image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def reachable(file: str, may: int = 0o005) -> bool:
    """Whether every user may read a file, and run it."""
    path = Path(file).resolve()
    inside = all(place.stat().st_mode & 0o001 for place in path.parents)
    return inside and path.stat().st_mode & may == may


def lent() -> str:
    """The folders of the libraries that this environment lends."""
    library("hatchling", "dev")
    found = find_spec("hatchling")
    assert found is not None and found.origin is not None
    return os.pathsep.join([LIBRARIES, str(Path(found.origin).parent.parent)])


@pytest.mark.long
def test_each_step_of_the_dockerfile_works_and_its_command_serves(
    open_folder: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        absent("a Dockerfile's steps run as root")
    base = Path(sys.base_prefix, "bin", "python3")
    pythons = [str(base), "/usr/bin/python3"]
    same = f"{sys.version_info.major}.{sys.version_info.minor}"
    usable = [
        name
        for name in pythons
        if Path(name).exists()
        and reachable(name)
        and reachable(f"{LIBRARIES}/falcon/__init__.py", 0o004)
        and same in subprocess.run([name, "-V"], capture_output=True, text=True).stdout
    ]
    python = next(iter(usable), str(base))
    context = checkout(tmp_path / "context")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("GOLDENROD_", "PYTHON"))}
    # Without a network: the libraries of this environment are lent, and count as installed.
    env |= {
        "PYTHONPATH": lent(),
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_COMPILE": "1",
    }
    build = Build(open_folder, context, ("opt", "build", "var"), python)
    image = build.run(DOCKERFILE, env)

    before = {path: path.lstat().st_mtime_ns for path in image.folder.rglob("*")}
    user = int(image.user.partition(":")[0])
    data = image.folder / "var" / "lib" / "goldenrod"
    assert (data.stat().st_uid, stat.S_IMODE(data.stat().st_mode)) == (user, 0o700)
    env |= build.environment(image)
    env["PATH"] = f"{image.folder}/opt/goldenrod/bin:{env['PATH']}"
    port = str(free_port())
    as_user = {"user": user, "group": user, "extra_groups": []} if usable else {}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [word.replace("8000", port) for word in image.commands["CMD"]],
            env=env,
            cwd=build.inside(image, image.directory),
            stdout=log,
            stderr=log,
            **as_user,  # type: ignore[call-overload]
        )
    check = [word.replace("8000", port) for word in image.commands["HEALTHCHECK"]]

    def healthy() -> bool:
        return subprocess.run(check, env=env, capture_output=True, **as_user).returncode == 0  # type: ignore[call-overload]

    try:
        assert within(60, healthy), (tmp_path / "log").read_text()
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60).text == "ok\n"
        assert httpx.get(f"http://127.0.0.1:{port}/help/operating", timeout=60).status_code == 200
    finally:
        server.terminate()
        assert server.wait(30) == 0
    assert not healthy()
    assert (data / "goldenrod.db").stat().st_uid == (user if usable else 0)
    # All else may be read-only.
    changed = {
        path
        for path in image.folder.rglob("*")
        if before.get(path) != path.lstat().st_mtime_ns and data not in (path, *path.parents)
    }
    assert not changed
