"""docs/tutorial.md and docs/deploying.md are followed line by line, each in a directory of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.deploy.test_container import lent
from tests.support.processes.installing import ROOT, checkout
from tests.support.processes.server import environment, free_port, running, within
from tests.test_docs import fenced, text


@pytest.mark.long
def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'goldenrod.db'}"
    script = "".join(fenced(text("docs/tutorial.md"), "bash"))
    assert script.count("goldenrod serve &\n") == 1
    with running(url, tmp_path / "log") as server:
        script = script.replace("goldenrod serve &\n", "")
        script = script.replace("http://127.0.0.1:8000", server.url)
        script = script.replace("curl -s ", "curl -s --fail-with-body -w '\\n' ")
        env = environment(url)
        env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=env,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        lines = [line.strip() for line in done.stdout.splitlines()]
        assert lines.count("ami-0123456789abcdef0") == 2, "what stable resolves to, asked twice"
        assert lines.count("ami-0fedcba9876543210") == 1
        listed = httpx.get(f"{server.url}/api/v2/images", timeout=60).json()
        assert [image["name"] for image in listed["results"]] == ["Base Linux"]


class Machine:
    """A fresh machine in a directory: its programs that change a machine are stand-ins, which record
    what they were asked for; `systemctl` starts what the installed units start."""

    STAND_INS = ("apt-get", "useradd", "chown", "nginx")
    PATHS = ("/opt/", "/etc/", "/var/lib/goldenrod", "/usr/local/sbin/")

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, str(free_port())
        self.bin = folder / "stand-ins"
        for path in ("opt", "etc/systemd/system", "etc/nginx/conf.d", "usr/local/sbin", "var/lib"):
            (folder / path).mkdir(parents=True)
        self.bin.mkdir()
        for name in self.STAND_INS:
            self.program(name, f'echo {name} "$@" >> {folder}/asked\n')
        self.program("runuser", 'shift 3\nexec "$@"\n')
        self.program("install", self.INSTALL)
        self.program("systemctl", self.SYSTEMCTL)
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GOLDENROD_", "PYTHON"))
        } | {
            "PATH": f"{folder}/usr/local/sbin:{self.bin}:{os.environ['PATH']}",
            # The libraries of the tests' environment are lent: nothing is downloaded.
            "PYTHONPATH": lent(),
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_COMPILE": "1",
            "MACHINE": str(folder),
            "PORT": self.port,
        }
        (self.bin / "python3").symlink_to(Path(sys.base_prefix, "bin", "python3"))

    INSTALL = """args=
while [ $# -gt 0 ]; do case $1 in -o|-g) shift 2;; *) args="$args $1"; shift;; esac; done
exec /usr/bin/install $args
"""
    SYSTEMCTL = """echo systemctl "$@" >> $MACHINE/asked
for unit in "$@"; do :; done
case "$1 $unit" in
"start "*|"enable "*.service) ;;
*) exit 0;;
esac
file=$MACHINE/etc/systemd/system/$unit
test -f $file
mkdir -p $MACHINE/var/lib/goldenrod/backups
command=$(sed -n 's/^ExecStart=//p' $file | sed "s#/opt/#$MACHINE/opt/#; s#/var/#$MACHINE/var/#")
set -a
. $MACHINE/etc/goldenrod/environment
cd $MACHINE/var/lib/goldenrod
if [ "$1" = start ]; then exec $command; fi
nohup $command --port $PORT > $MACHINE/$unit.log 2>&1 < /dev/null &
echo $! > $MACHINE/$unit.pid
"""

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\nset -eu\n{script}")
        path.chmod(0o755)

    def mapped(self, script: str) -> str:
        """A script whose absolute paths are inside the directory."""
        for path in self.PATHS:
            script = re.sub(rf"(?<![\w.]){path}", f"{self.folder}{path}", script)
        # This machine may be busy with other tests.
        script = script.replace("--retry 20", "--retry 120")
        return script.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")

    def run(self, script: str, cwd: Path) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.mapped(script)],
            env=self.env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, (script, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout


@pytest.mark.long
def test_a_fresh_machine_gets_a_catalogue_that_is_served_and_backed_up(tmp_path: Path) -> None:
    source = checkout(tmp_path / "source")
    machine = Machine(tmp_path / "machine")
    blocks = fenced(text("docs/deploying.md"), "bash")
    assert len(blocks) == 8
    printed = []
    pid = machine.folder / "goldenrod.service.pid"
    try:
        for block in blocks:
            printed.append(machine.run(block, source))
        install, *_, serve, user, _, _, watched = printed
        assert install.splitlines()[-1].startswith("goldenrod ")
        assert serve.strip().endswith("ok")
        assert "ada" in user
        asked = (machine.folder / "asked").read_text()
        assert "useradd --system" in asked
        assert "systemctl enable --now goldenrod-backup.timer" in asked
        [backup] = (machine.folder / "var/lib/goldenrod/backups").iterdir()
        assert watched.strip() == str(backup)
        units = {path.name for path in (machine.folder / "etc/systemd/system").iterdir()}
        assert units == {path.name for path in (ROOT / "deploy" / "systemd").iterdir()}
        site = f"http://127.0.0.1:{machine.port}"
        assert httpx.get(f"{site}/help/deploying", timeout=60).status_code == 200
    finally:
        if pid.exists():
            os.kill(int(pid.read_text()), 15)
            log = machine.folder / "goldenrod.service.log"
            assert within(40, lambda: not Path(f"/proc/{pid.read_text().strip()}").exists()), log
    assert shutil.which("goldenrod", path=str(machine.folder / "usr/local/sbin"))
