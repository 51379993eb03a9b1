"""Runs the long run on both databases."""

import sys
import tempfile
from pathlib import Path

from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.processes.postgres import Cluster
from tests.support.stale_reads.reader import check


def main(reads: int = 100_000) -> int:
    """Check both databases."""
    wrong = 0
    with tempfile.TemporaryDirectory() as directory, Cluster() as cluster:
        urls = {
            "SQLite": f"sqlite:///{Path(directory) / 'stale.db'}",
            "PostgreSQL": cluster.create("stale"),
        }
        for name, url in urls.items():
            db = Database(url)
            migrate(db)
            found = check(db, reads)
            db.close()
            print(
                f"{name}: {reads:,} reads, {found.changes:,} changes seen, "
                f"{len(found.stale)} stale answers"
            )
            for kind, what in found.stale[:20]:
                print(f"  {kind}: {what}")
            wrong += len(found.stale)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument.replace(",", "")) for argument in sys.argv[1:2])))
