"""An export needs as much memory for a large catalogue as for a small one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import cast, load
from bench.plan import Plan
from bench.rows import Catalogue
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.processes.server import environment

SMALL, LARGE = 2_000, 20_000


def filled(url: str, versions: int) -> None:
    db = Database(url, pool=1)
    migrate(db)
    plan = Plan(versions, "most")
    load.fill(db, Catalogue(plan, cast.build(db, plan.owners)).tables(), lambda _: None)
    db.close()


def peak_mb(url: str, file: Path) -> float:
    """The most memory that `goldenrod export` had."""
    # A process of its own, which reports the largest of its children: the one export.
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", script, sys.executable, "-m", "goldenrod", "export", str(file)]
    done = subprocess.run(
        command, env=environment(url), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / 1024


@pytest.fixture
def urls(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[list[str]]:
    if backend == "sqlite":
        yield [f"sqlite:///{tmp_path / f'{size}.db'}" for size in (SMALL, LARGE)]
        return
    cluster = request.getfixturevalue("cluster")
    yield [cluster.create(f"export_{size}") for size in (SMALL, LARGE)]
    for size in (SMALL, LARGE):
        cluster.drop(f"export_{size}")


@pytest.mark.long
def test_an_export_of_ten_times_the_versions_needs_no_more_memory(
    urls: list[str], tmp_path: Path
) -> None:
    peaks, sizes = [], []
    for url, versions in zip(urls, (SMALL, LARGE), strict=True):
        filled(url, versions)
        file = tmp_path / f"{versions}.jsonl"
        peaks.append(peak_mb(url, file))
        sizes.append(file.stat().st_size)
    assert sizes[1] > 8 * sizes[0] > 10_000_000
    assert peaks[1] < peaks[0] * 1.1 + 4, peaks
