"""Catalogues to measure on, filled once and kept in `bench/out/` for the next run.

One is known by what it was made from: the plan, the schema, what the catalogue keeps with changes,
and the code that makes the rows. Where any of it changes, it is made anew. It is written to while it
is measured: texts change, dates and shares come and go. `make clean` leaves it, `rm -r bench/out`
takes it away.
"""

import hashlib
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.schema import CreateIndex, CreateTable

import goldenrod
from bench import about, cast, load
from bench.plan import Plan
from bench.rows import Catalogue
from goldenrod.store import schema
from goldenrod.store.db import Database
from goldenrod.store.migrate import HEAD, migrate
from tests.support.processes.postgres import Cluster

HERE = Path(__file__).parent
OUT = HERE / "out"

_PACKAGE = Path(goldenrod.__file__).parent
_MADE_BY = (
    "rules/visibility/denormalised.py",
    "rules/visibility/stored_counts.py",
    "base/text.py",
    "catalogue/search.py",
)

A_MINUTE = 400_000
"""About how many versions are made in a minute."""
TELL_S = 5

SAFE: dict[str, object] = {
    # As an operator's server: what is acknowledged is on disk; the data in memory.
    **{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"},
    **{"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"},
    **{"wal_level": "minimal", "max_wal_senders": 0, "max_connections": 200},
}
"""Settings of the measured PostgreSQL."""


def say(words: str) -> None:
    """A line on stderr of what is being done."""
    print(words, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Kept:
    """A filled catalogue: where it is, its plan, and what to ask it for (`about`)."""

    url: str
    plan: Plan
    about: dict[str, Any]

    def secret(self, who: str) -> str:
        return str(self.about["secrets"][who])


def fingerprint(plan: Plan) -> str:
    """What a filled catalogue is known by."""
    found = hashlib.blake2b(f"{plan!r} {HEAD}".encode(), digest_size=6)
    for table in schema.metadata.sorted_tables:
        found.update(str(CreateTable(table)).encode())
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            found.update(str(CreateIndex(index)).encode())
    ours = ("plan.py", "cast.py", "rows.py", "load.py", "about.py")
    for path in (*(HERE / name for name in ours), *(_PACKAGE / name for name in _MADE_BY)):
        if path.exists():
            found.update(path.read_bytes())
    return found.hexdigest()


def sqlite(plan: Plan) -> Kept:
    """The plan's catalogue in a SQLite file."""
    name = f"sqlite-{plan.name}"
    path = OUT / f"{name}-{fingerprint(plan)}.db"
    told = path.with_suffix(".json")
    url = f"sqlite:///{path}"
    if not told.exists():
        OUT.mkdir(exist_ok=True)
        for old in OUT.glob(f"{name}-*"):
            old.unlink()
        _make(url, plan, told)
    return Kept(url, plan, json.loads(told.read_text()))


def postgresql(plan: Plan, cluster: Cluster) -> Kept:
    """The plan's catalogue in a database of the cluster."""
    name = f"postgresql-{plan.name}"
    database = f"{name}-{fingerprint(plan)}"
    told = OUT / f"{database}.json"
    if not (told.exists() and database in _databases(cluster)):
        OUT.mkdir(exist_ok=True)
        for old in OUT.glob(f"{name}-*"):
            old.unlink()
        for old_database in _databases(cluster):
            if old_database.startswith(f"{name}-"):
                cluster.drop(old_database)
        cluster.create(database)
        _make(cluster.url(database), plan, told)
    return Kept(cluster.url(database), plan, json.loads(told.read_text()))


def cluster() -> Cluster:
    """A PostgreSQL whose databases are kept, where its user can reach `bench/out/`.

    As root it runs as nobody, who may not be let in there: its databases then last for this run.
    """
    data = OUT / "postgresql"
    if os.geteuid() == 0 and not all(p.stat().st_mode & 0o001 for p in OUT.parents):
        say("bench/out is closed to PostgreSQL's user: its databases are made anew in each run")
        return Cluster(None, **SAFE)
    return Cluster(data, **SAFE)


def _databases(cluster: Cluster) -> list[str]:
    with psycopg.connect(cluster.url("postgres")) as connection:
        return [name for (name,) in connection.execute("SELECT datname FROM pg_database")]


def _make(url: str, plan: Plan, told: Path) -> None:
    began = told_at = time.monotonic()

    def tell(what: str) -> None:
        nonlocal told_at
        if time.monotonic() > told_at + TELL_S:
            told_at = time.monotonic()
            say(f"  {told_at - began:.0f} s: {what}")

    minutes = plan.total / A_MINUTE
    say(f"making {told.stem}: {plan.total:,} versions, about {minutes:.1f} minutes")
    db = Database(url, pool=1)
    try:
        migrate(db)
        catalogue = Catalogue(plan, cast.build(db, plan.owners))
        load.fill(db, catalogue.tables(), tell)
    finally:
        db.close()
    known = {**about.of(catalogue), "seconds": round(time.monotonic() - began, 1)}
    say(f"  made in {known['seconds']} s")
    # Last, and at once: a catalogue without it is not whole.
    with tempfile.NamedTemporaryFile("w", dir=OUT, delete=False) as written:
        json.dump(known, written)
    Path(written.name).rename(told)
