"""`make bench`: how fast it answers, beside what the machine can do at all, in one run.

    python -m bench                                       20,000 versions, on both databases
    python -m bench --only 'one version' --seconds 2      one row
    python -m bench --versions 20000,2000000              as `make bench-full`

The table goes to stdout, progress to stderr, all figures to a JSON file in `bench/out/`.
"""

import argparse
import json
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import kept, machine, measure, servers
from bench.cases import Case, chosen
from bench.goals import checklist
from bench.kept import OUT, say
from bench.measure import COLD, WARM, Measured, Rounds, Stand
from bench.plan import Plan
from bench.tables import tables

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Goldenrod.")
    parser.add_argument("--versions", default="20000", help="how many, or several: 20000,2000000")
    parser.add_argument("--databases", default=",".join(DATABASES), help="sqlite,postgresql")
    parser.add_argument("--seconds", type=float, default=1, help="how long a figure is measured")
    parser.add_argument("--rounds", type=int, default=3, help="how many times; the median counts")
    parser.add_argument("--only", action="append", default=[], help="rows whose name holds this")
    parser.add_argument("--caches", default=f"{COLD},{WARM}", help="cold,warm")
    parser.add_argument("--no-writes", action="store_true", help="leave the rounds with writes out")
    parser.add_argument("--out", type=Path, help="the JSON file; else named after the time")
    found = parser.parse_args(given)
    found.databases = found.databases.split(",")
    if unknown := {*found.databases} - DATABASES.keys():
        parser.error(f"--databases takes {', '.join(DATABASES)}, not {', '.join(unknown)}")
    found.caches = tuple(found.caches.split(","))
    if {*found.caches} - {COLD, WARM}:
        parser.error(f"--caches takes {COLD}, {WARM} or both")
    found.versions = [int(number.replace("_", "")) for number in found.versions.split(",")]
    if not chosen(found.only):
        parser.error("--only names no row")
    return found


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what is asked for; everything that was found, for JSON."""
    rounds = Rounds(options.seconds, options.rounds, options.caches, not options.no_writes)
    cases = chosen(options.only)
    found: dict[str, Any] = {
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine.described(),
        "seconds": rounds.seconds,
        "rounds": rounds.rounds,
        "at_rest": [],
        "rows": [],
    }
    with servers.constant() as constant:
        for name in options.databases:
            with ExitStack() as stack:
                stands = _stands(stack, name, options.versions, cases, options.caches)
                found["at_rest"] += measure.at_rest(stands)
                found["rows"] += _measured(cases, stands, constant, rounds)
    return found


def _stands(
    stack: ExitStack, name: str, versions: list[int], cases: list[Case], caches: tuple[str, ...]
) -> list[Stand]:
    """One database's catalogues, served."""
    plans = [
        Plan(number, seed)
        for seed in sorted({case.seed for case in cases}, reverse=True)
        for number in versions
    ]
    if name == "sqlite":
        filled = [kept.sqlite(plan) for plan in plans]
    else:
        cluster = stack.enter_context(kept.cluster())
        filled = [kept.postgresql(plan, cluster) for plan in plans]
    shown = DATABASES[name]
    return [stack.enter_context(measure.stand(shown, one, caches)) for one in filled]


def _measured(
    cases: list[Case], stands: list[Stand], constant: servers.Server, rounds: Rounds
) -> list[dict[str, Any]]:
    """The rows of one database, the rounds of all its catalogues in turn."""
    rows: list[dict[str, Any]] = []
    each = {
        case.name: [stand for stand in stands if stand.kept.plan.seed == case.seed]
        for case in cases
    }
    left = sum(measure.lasts(case, rounds) * len(each[case.name]) for case in cases)
    for place, case in enumerate(cases, 1):
        say(
            f"{stands[0].database}, {place} of {len(cases)}: {case.name}; "
            f"about {left:.0f} s left of this database"
        )
        at = [Measured(case, stand, constant, rounds) for stand in each[case.name]]
        for _ in range(rounds.rounds):
            for one in at:
                one.round()
        rows += [one.record.document() for one in at]
        left -= measure.lasts(case, rounds) * len(at)
    return rows


def main(given: list[str] | None = None) -> None:
    """Measure, print, and keep the figures."""
    options = arguments(given)
    began = time.monotonic()
    say(f"driven by {machine.driver()}")
    found = run(options)
    found["took_s"] = round(time.monotonic() - began)
    OUT.mkdir(exist_ok=True)
    path = options.out or OUT / f"{datetime.now():%Y-%m-%d-%H%M%S}.json"
    path.write_text(json.dumps(found, indent=1))
    print(tables(found))
    print(checklist(found))
    say(f"the figures are in {path}; python -m bench.report {path} puts them into the documents")


if __name__ == "__main__":
    main(sys.argv[1:])
