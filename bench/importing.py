"""Measures importing Amazon's machine images into an empty catalogue, in a process of its own, so that
its memory can be measured.

    python -m bench.importing sqlite:////tmp/empty.db [FILE]     prints JSON
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.servers import environment, resident
from goldenrod.demo import ami_lines
from goldenrod.sources import aws_ecs_file
from goldenrod.sources.sync.import_releases import import_found
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.processes.postgres import Cluster


def import_file(url: str, file: str | None) -> dict[str, Any]:
    """Import all lines of a file, by default the demonstration's, into an empty database."""
    db = Database(url, pool=1)
    try:
        migrate(db)
        before = resident(os.getpid())
        began = time.perf_counter()
        report = import_found(
            db, aws_ecs_file.parse(aws_ecs_file.open_lines(file) if file else ami_lines())
        )
        seconds = time.perf_counter() - began
    finally:
        db.close()
    return {
        "machines": report.of("machine", "created"),
        "seconds": seconds,
        "memory_before": before,
        "memory": resident(os.getpid(), "VmHWM"),
    }


def measured(
    database: str, file: Path | None, rounds: int, cluster: Cluster | None
) -> dict[str, Any]:
    """Repeat the import `rounds` times: lists of machines per second and of memory (MB)."""
    found: dict[str, Any] = {"database": database, "machines": 0, "per_second": [], "memory": []}
    for number in range(rounds):
        with _empty(number, cluster) as url:
            command = [sys.executable, "-m", "bench.importing", url]
            command += [str(file)] if file else []
            done = subprocess.run(
                command, env=environment(), capture_output=True, text=True, check=True
            )
        once = json.loads(done.stdout)
        found["machines"] = once["machines"]
        found["per_second"].append(once["machines"] / once["seconds"])
        found["memory_before"] = once["memory_before"]
        found["memory"].append(once["memory"])
    return found


@contextmanager
def _empty(number: int, cluster: Cluster | None) -> Iterator[str]:
    """The URL of an empty database, which is deleted afterwards."""
    if cluster is None:
        with tempfile.TemporaryDirectory(prefix="goldenrod-bench-") as directory:
            yield f"sqlite:///{directory}/import.db"
        return
    name = f"import-{os.getpid()}-{number}"
    cluster.create(name)
    try:
        yield cluster.url(name)
    finally:
        cluster.drop(name)


if __name__ == "__main__":
    print(json.dumps(import_file(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)))
