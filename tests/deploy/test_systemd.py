"""The systemd units: hardened alike, understood by systemd, and able to run what they start."""

import configparser
import ctypes
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from goldenrod.cli.main import COMMANDS
from tests.support.processes.installing import ROOT
from tests.support.processes.programs import absent, program
from tests.support.processes.server import environment, within

UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
HARDENING = "\n# What the service may do."
_PR_SET_MDWE = 65


def hardening(unit: Path) -> str:
    text = unit.read_text("utf-8").partition(HARDENING)[2].partition("\n\n[Install]")[0]
    return "\n".join(line for line in text.splitlines() if not line.startswith("StateDirectory="))


def test_the_units_are_hardened_alike_and_rated_below_2(tmp_path: Path) -> None:
    assert len(SERVICES) == 4
    assert len({hardening(unit).strip() for unit in SERVICES}) == 1
    analyze = program("systemd-analyze")
    rated = [analyze, "security", "--offline=true", "--threshold=19", "--no-pager", *SERVICES]
    done = subprocess.run(rated, capture_output=True, text=True)
    scores = [
        float(score) for score in re.findall(r"exposure level for \S+: ([\d.]+)", done.stdout)
    ]
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    assert len(scores) == len(SERVICES)
    assert max(scores) < 2.0
    # Here, nothing is installed in /opt: everything else must be understood.
    for unit in UNITS.iterdir():
        text = unit.read_text("utf-8").replace("/opt/goldenrod/bin/goldenrod", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    verified = subprocess.run(
        [analyze, "verify", "--man=no", *sorted(tmp_path.iterdir())], capture_output=True, text=True
    )
    ours = [line for line in verified.stderr.splitlines() if "goldenrod" in line]
    assert not ours, ours


def test_units_run_commands_that_exist_with_options_that_exist() -> None:
    for unit in SERVICES:
        parsed = configparser.ConfigParser(strict=False, interpolation=None)
        parsed.optionxform = str  # type: ignore[assignment, method-assign]
        parsed.read_string(unit.read_text("utf-8"))
        program_, *words = parsed["Service"]["ExecStart"].split()
        assert program_ == "/opt/goldenrod/bin/goldenrod"
        path = next(path for path in (" ".join(words[:2]), words[0]) if path in COMMANDS)
        help_ = subprocess.run(
            [sys.executable, "-m", "goldenrod", *path.split(), "--help"],
            capture_output=True,
            text=True,
        ).stdout
        assert all(option in help_ for option in words if option.startswith("--")), unit.name
    for timer in UNITS.glob("*.timer"):
        assert timer.with_suffix(".service") in SERVICES


@pytest.mark.long
def test_the_server_works_where_no_memory_may_be_writable_and_executable(tmp_path: Path) -> None:
    """MemoryDenyWriteExecute, set by the kernel itself, which newer ones can."""
    libc = ctypes.CDLL(None)
    probe = "import ctypes, sys; sys.exit(ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0)"
    if subprocess.run([sys.executable, "-c", probe]).returncode:
        absent("this kernel cannot forbid it: PR_SET_MDWE came with Linux 6.3")
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    log = tmp_path / "log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "goldenrod", "serve", "--port", "0", "--workers", "2"],
            env=environment(url),
            stdout=out,
            stderr=out,
            preexec_fn=lambda: libc.prctl(_PR_SET_MDWE, 1, 0, 0, 0),
        )
    try:
        assert within(60, lambda: "serves" in log.read_text()), log.read_text()
        found = re.search(r"serves (\S+)", log.read_text())
        assert found
        assert httpx.get(f"{found[1]}/image_versions", timeout=60).json()["count"] == 0
        wrong = {"username": "ada", "password": "not her password"}
        signed_in = httpx.post(f"{found[1]}/api/v2/sign_in", json=wrong, timeout=60)
        assert signed_in.status_code < 500
        assert httpx.get(f"{found[1]}/help/operating", timeout=60).status_code == 200
    finally:
        server.terminate()
        assert server.wait(40) == 0, log.read_text()
