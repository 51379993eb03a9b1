"""Builds Goldenrod's wheel and sdist without a network, and installs the wheel in a new environment.

The environment of the tests lends the libraries: the new one has only Goldenrod of its own.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.support.processes.programs import library

ROOT = Path(__file__).parents[3]
PACKED = (
    *("src", "docs", "deploy", "tests", "bench", "pyproject.toml", "Makefile", "LICENSE"),
    *("README.md", "CHANGELOG.md", "Dockerfile", ".dockerignore", "compose.yaml", ".gitignore"),
)
"""What a checkout has that a release is built from."""
EPOCH = "1767225600"
LIBRARIES = sysconfig.get_path("purelib")


def checkout(folder: Path) -> Path:
    """A copy of this checkout, without caches and results of measurements."""
    folder.mkdir(parents=True)
    caches = shutil.ignore_patterns("__pycache__", "*.pyc", "out", ".*_cache")
    for name in PACKED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, symlinks=True, ignore=caches)
        else:
            shutil.copy2(source, folder / name)
    return folder


def build(folder: Path, *kinds: str) -> list[Path]:
    """What `python -m build` makes of a checkout: by default an sdist, and a wheel of the sdist."""
    library("build", "dev")
    library("hatchling", "dev")
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", "dist", "."]
    env = os.environ | {"SOURCE_DATE_EPOCH": EPOCH}
    run(command, folder, env)
    return sorted((folder / "dist").iterdir())


def install(wheel: Path, environment: Path) -> Path:
    """A new environment with this wheel; the folder of its programs."""
    run([sys.executable, "-m", "venv", str(environment)])
    bin_ = environment / "bin"
    options = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    run([str(bin_ / "python"), "-m", "pip", "install", *options, str(wheel)])
    [site] = environment.glob("lib/python*/site-packages")
    # A plain path: files *.pth of the lent folder, such as this checkout's, are not read.
    (site / "lent.pth").write_text(LIBRARIES + "\n")
    return bin_


def run(command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command to its end; what it printed."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout
