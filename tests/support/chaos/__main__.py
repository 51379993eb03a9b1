"""`python -m tests.support.chaos`: see the package."""

import argparse
import logging
import random
import sys

from argon2 import PasswordHasher

from goldenrod.catalogue.accounts import password_hashing
from tests.support.chaos.run import chaos

BACKENDS = ("sqlite", "postgresql")


def main() -> int:
    """Run, print what was done, and exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.chaos")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60, help="the most, for each database")
    parser.add_argument("--database", choices=(*BACKENDS, "both"), default="both")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--kinds", default="", help="the first kinds of kills: worker,main,sync")
    parser.add_argument("--verbose", action="store_true", help="print each kill")
    given = parser.parse_args()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    # Nobody signs in with a password here, and hashing one well takes a second.
    password_hashing.HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    wrong = 0
    for backend in BACKENDS if given.database == "both" else (given.database,):
        kinds = tuple(filter(None, given.kinds.split(",")))
        report = chaos(
            backend,
            given.kills,
            given.seed,
            most_s=given.minutes * 60,
            kinds=kinds,
            verbose=given.verbose,
        )
        print("\n".join(report.lines()), flush=True)
        wrong += len(report.record.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
