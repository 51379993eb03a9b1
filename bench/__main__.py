"""`make bench`: measures how fast Goldenrod answers, compared with the limits of the machine.

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

from bench import catalogues, importing, machine, measure, servers, starting
from bench.cases import IMPORT, STARTING, Case, chosen, wanted
from bench.catalogues import FilledCatalogue, say
from bench.drive import driver
from bench.goals import checklist
from bench.measure import COLD, WARM, Measured, Rounds, Stand
from bench.plan import Plan
from bench.tables import others, tables
from tests.support.processes.postgres import Cluster

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Goldenrod.")
    parser.add_argument("--versions", default="20000", help="how many, or several: 20000,2000000")
    parser.add_argument("--databases", default=",".join(DATABASES), help="sqlite,postgresql")
    parser.add_argument("--seconds", type=float, default=1, help="how long a figure is measured")
    parser.add_argument("--rounds", type=int, default=3, help="how many times; the median counts")
    parser.add_argument("--only", action="append", default=[], help="rows whose name holds this")
    parser.add_argument("--caches", default=f"{COLD},{WARM}", help="cold,warm")
    parser.add_argument("--no-writes", action="store_true", help="leave the rounds with writes out")
    parser.add_argument("--amis", type=Path, help="lines to import; else the demonstration's")
    parser.add_argument("--out", type=Path, help="the JSON file; else named after the time")
    found = parser.parse_args(given)
    found.databases = found.databases.split(",")
    if unknown := {*found.databases} - DATABASES.keys():
        parser.error(f"--databases takes {', '.join(DATABASES)}, not {', '.join(unknown)}")
    found.caches = tuple(found.caches.split(","))
    if {*found.caches} - {COLD, WARM}:
        parser.error(f"--caches takes {COLD}, {WARM} or both")
    found.versions = sorted(int(number.replace("_", "")) for number in found.versions.split(","))
    if not (chosen(found.only) or wanted(IMPORT, found.only) or wanted(STARTING, found.only)):
        parser.error("--only names no row")
    return found


def run(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """Measure the chosen rows. Figures are added to `found`, as JSON, as soon as they are known."""
    rounds = Rounds(options.seconds, options.rounds, options.caches, not options.no_writes)
    found |= {
        "at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": machine.described(rounds.seconds),
        "seconds": rounds.seconds,
        "rounds": rounds.rounds,
        "rows": [],
        "imports": [],
        "starts": [],
    }
    with ExitStack() as stack:
        constant = stack.enter_context(servers.constant())
        for name in options.databases:
            with ExitStack() as inner:
                cluster = (
                    inner.enter_context(catalogues.cluster()) if name == "postgresql" else None
                )
                _database(inner, name, cluster, constant, options, rounds, found)


def _database(
    stack: ExitStack,
    name: str,
    cluster: Cluster | None,
    constant: servers.Server,
    options: argparse.Namespace,
    rounds: Rounds,
    found: dict[str, Any],
) -> None:
    """Measure all rows of one database."""
    shown, cases = DATABASES[name], chosen(options.only)
    if cluster:
        found["machine"]["postgresql"] = machine.version_of(cluster)

    def filled(plan: Plan) -> FilledCatalogue:
        return catalogues.postgresql(plan, cluster) if cluster else catalogues.sqlite(plan)

    if wanted(IMPORT, options.only):
        say(f"{shown}: {IMPORT}")
        imported = importing.measured(shown, options.amis, rounds.rounds, cluster)
        found["imports"].append(imported)
    if wanted(STARTING, options.only):
        say(f"{shown}: {STARTING}")
        started = starting.measured(filled(Plan(options.versions[0])).url, rounds.rounds)
        found["starts"].append({"database": shown, **started})
    seeds = sorted({case.seed for case in cases}, reverse=True)
    stands = [
        stack.enter_context(measure.stand(shown, filled(Plan(number, seed)), rounds.caches))
        for seed in seeds
        for number in options.versions
    ]
    _cases(cases, stands, constant, rounds, found["rows"])


def _cases(
    cases: list[Case],
    stands: list[Stand],
    constant: servers.Server,
    rounds: Rounds,
    rows: list[dict[str, Any]],
) -> None:
    """Measure the rows of requests: for each, a round of every catalogue in turn."""
    left = sum(
        measure.lasts(case, rounds) for case in cases for stand in stands if _is_for(case, stand)
    )
    for place, case in enumerate(cases, 1):
        at = [stand for stand in stands if _is_for(case, stand)]
        where = f"{at[0].database}, {place} of {len(cases)}"
        say(f"{where}: {case.name}; about {left / 60:.1f} minutes left of this database")
        measured = [Measured(case, stand, constant, rounds) for stand in at]
        for _ in range(rounds.rounds):
            for one in measured:
                one.round()
        rows += [one.record.document() for one in measured]
        left -= measure.lasts(case, rounds) * len(at)


def _is_for(case: Case, stand: Stand) -> bool:
    return case.seed == stand.catalogue.plan.seed


def main(given: list[str] | None = None) -> None:
    """Measure, print the figures and store them, even if the run is interrupted."""
    options = arguments(given)
    path = options.out or catalogues.OUT / f"{datetime.now():%Y-%m-%d-%H%M%S}.json"
    began = time.monotonic()
    say(f"driven by {driver(options.seconds)}")
    found: dict[str, Any] = {}
    try:
        run(options, found)
    finally:
        found["took_s"] = round(time.monotonic() - began)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=1))
    print(tables(found), others(found), checklist(found), sep="\n")
    say(f"the figures are in {path}; python -m bench.report {path} puts them into the documents")


if __name__ == "__main__":
    main(sys.argv[1:])
