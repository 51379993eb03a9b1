"""The demonstration: every line that it suggests works against the real server."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes.server import WAIT_S, environment, running


@pytest.mark.long
def test_every_suggested_line_works(tmp_path: Path) -> None:
    with running("sqlite://", tmp_path / "stderr", command="demo") as server:
        assert server.process.stdout is not None
        lines = iter(server.process.stdout.readline, "")
        suggested = []
        for line in lines:
            suggested.append(line.strip())
            if line.startswith("goldenrod whatis"):
                break
        told = pasted(suggested, tmp_path)
    resolved = [out.splitlines() for line, out in told if "resolve" in line]
    assert [len(out) for out in resolved] == [1, 1, 3, 1, 3], "id alone, or below two warnings"
    first, again, warned, fallen, back = (out[-1] for out in resolved)
    assert first == again == warned == back != fallen
    tried, done = (out for line, out in told if " revoke " in line)
    assert tried.splitlines()[:-1] == done.splitlines()[:-1]
    assert "deprecated → revoked" in tried
    assert "research-workbench/1.1\tcurrent → revoked" in tried
    (states,) = ([*out.splitlines()] for line, out in told if " whatis " in line)
    assert states[-1] == "4 ids: 1 current, 1 revoked, 1 deprecated, 1 unknown, 2 behind."


def pasted(lines: list[str], directory: Path) -> list[tuple[str, str]]:
    """What each suggested command prints, pasted one after the other into one shell."""
    commands = [line for line in lines if line and not line.startswith("#")]
    script = "\n".join(
        f"{line} || exit\nprintf '\\036'".replace("curl -s ", "curl -s --fail-with-body ")
        for line in commands
    )
    env = environment("sqlite://")
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"exec 2>&1\n{script}"],
        env=env,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=4 * WAIT_S,  # a limit for more than a dozen commands
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return list(zip(commands, done.stdout.split("\036"), strict=False))
