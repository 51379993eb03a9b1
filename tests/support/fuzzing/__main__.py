"""The long run: `python -m tests.support.fuzzing MINUTES` fuzzes the application on both databases.

Each round has a new catalogue and its own seed, and sends requests as each actor in turn: first the
systematic cases, then random ones, then sequences of requests. The run prints what it sent and what
it found, with the seed of each failure, and exits with 1 if it found anything.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.fuzzing.schemathesis_runs import ACTORS, Outcome, furnished, fuzz
from tests.support.processes.postgres import Cluster

ROUND_SECONDS = 90
EXAMPLES = 20


def rounds(cluster: Cluster, directory: Path) -> Iterator[tuple[int, str, str | None, Database]]:
    """Seeds, databases and actors without end. Each round has an empty catalogue."""
    for seed in count(1):
        backend = ("sqlite", "postgresql")[seed % 2]
        name = f"round_{seed}"
        url = f"sqlite:///{directory / name}.db" if backend == "sqlite" else cluster.create(name)
        db = Database(url)
        migrate(db)
        yield seed, backend, ACTORS[seed // 2 % len(ACTORS)], db
        db.close()
        if backend == "postgresql":
            cluster.drop(name)


def run(minutes: float) -> Outcome:
    """Fuzz until the time is over. Returns what was found."""
    ends = time.monotonic() + minutes * 60
    total = Outcome()
    with tempfile.TemporaryDirectory() as directory, Cluster() as cluster:
        for seed, backend, who, db in rounds(cluster, Path(directory)):
            left = int(ends - time.monotonic())
            if left < 1:
                break
            systematic = seed <= 2 * len(ACTORS)
            found = fuzz(
                db,
                furnished(db),
                who,
                seed=seed,
                examples=EXAMPLES,
                phases=("examples", "coverage") if systematic else ("fuzzing", "stateful"),
                seconds=min(left, ROUND_SECONDS),
            )
            print(f"round {seed}, {backend}, {who or 'anonymous'}: {found.cases} cases", flush=True)
            for kind, told in found.failures.items():
                print(f"  FAILED {kind} (seed {seed}, {backend})\n  {told}", flush=True)
            total.add(found)
    return total


def main() -> int:
    """Fuzz for the number of minutes on the command line."""
    try:
        minutes = float(sys.argv[1])
    except (IndexError, ValueError):
        print("usage: python -m tests.support.fuzzing MINUTES", file=sys.stderr)
        return 2
    found = run(minutes)
    print(
        f"{found.cases} cases, {len(found.operations)} operations, {len(found.failures)} failures"
    )
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
