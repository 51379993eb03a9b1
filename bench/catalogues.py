"""Catalogues for measuring. Each is filled once and stored in `bench/out/` for later runs.

Its name is a hash of its plan, the schema, the denormalised data and the code that creates the rows.
When any of these changes, a new one is filled. Measuring writes to it: texts, dates and shares change.
`make clean` does not delete it; `rm -r bench/out` does.
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
    "rules/visibility/placement_counts.py",
    "rules/visibility/stored_counts.py",
    "base/text.py",
    "catalogue/search.py",
)

A_MINUTE = 400_000
"""Roughly the number of versions that are created in a minute."""
TELL_S = 5

SAFE: dict[str, object] = {
    # As in production: acknowledged data is on disk, and the data fits into memory.
    **{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"},
    **{"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"},
    **{"wal_level": "minimal", "max_wal_senders": 0, "max_connections": 200},
}
"""Settings of the measured PostgreSQL."""


def say(words: str) -> None:
    """Print progress on stderr."""
    print(words, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class FilledCatalogue:
    """A filled catalogue: its URL, its plan, and the ids and words for requests (`about`)."""

    url: str
    plan: Plan
    about: dict[str, Any]

    def secret(self, who: str) -> str:
        return str(self.about["secrets"][who])


def fingerprint(plan: Plan) -> str:
    """The hash that names a filled catalogue."""
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


def sqlite(plan: Plan) -> FilledCatalogue:
    """The catalogue of a plan in a SQLite file."""
    name = f"sqlite-{plan.name}"
    path = OUT / f"{name}-{fingerprint(plan)}.db"
    told = path.with_suffix(".json")
    url = f"sqlite:///{path}"
    if not told.exists():
        OUT.mkdir(exist_ok=True)
        for old in OUT.glob(f"{name}-*"):
            old.unlink()
        _make(url, plan, told)
    return FilledCatalogue(url, plan, json.loads(told.read_text()))


def postgresql(plan: Plan, cluster: Cluster) -> FilledCatalogue:
    """The catalogue of a plan in a database of the cluster."""
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
    return FilledCatalogue(cluster.url(database), plan, json.loads(told.read_text()))


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
    # Written last and atomically: a catalogue without this file is incomplete.
    with tempfile.NamedTemporaryFile("w", dir=OUT, delete=False) as written:
        json.dump(known, written)
    Path(written.name).rename(told)
