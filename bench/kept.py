"""Catalogues to measure on, filled once and kept in `bench/out/` for the next run.

One is known by what it was made from: the plan, the schema and its migrations, what the catalogue
keeps with changes, and the code that makes the rows. Where any of it changes, it is made anew. A
catalogue is written to while it is measured (texts change, dates and shares come and go), so its
figures are not those of its first hour; `make clean` does not take it away, `rm -r bench/out` does.
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

import goldenrod
from bench import cast, load
from bench import plan as words
from bench.plan import Plan
from bench.rows import Catalogue, version_id
from goldenrod.base.words import slug
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.postgres import Cluster

OUT = Path(__file__).parent / "out"

_PACKAGE = Path(goldenrod.__file__).parent
_MADE_FROM = (
    *("store/schema.py", "store/tables.py", "store/lifecycle.py", "store/sql.py"),
    *("store/migrations/versions/*.py", "rules/standing.py", "rules/counts.py"),
)

SAFE = {
    # As an operator's server: what is acknowledged is on disk; the data in memory.
    **{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"},
    **{"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"},
    **{"wal_level": "minimal", "max_wal_senders": 0},
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
    found = hashlib.blake2b(repr(plan).encode(), digest_size=6)
    ours = [
        Path(__file__).parent / name
        for name in ("plan.py", "cast.py", "rows.py", "load.py", "kept.py")
    ]
    for path in (*ours, *(p for pattern in _MADE_FROM for p in sorted(_PACKAGE.glob(pattern)))):
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
        return Cluster(**SAFE)
    return Cluster(data, **SAFE)


def _databases(cluster: Cluster) -> list[str]:
    with psycopg.connect(cluster.url("postgres")) as connection:
        return [name for (name,) in connection.execute("SELECT datname FROM pg_database")]


def _make(url: str, plan: Plan, told: Path) -> None:
    began = time.monotonic()

    def tell(what: str) -> None:
        say(f"  {time.monotonic() - began:6.1f} s  {what}")

    say(f"making {told.stem}: {plan.total:,} versions")
    db = Database(url, pool=1)
    try:
        migrate(db)
        catalogue = Catalogue(plan, cast.build(db, plan.owners))
        load.fill(db, catalogue.tables(), tell)
    finally:
        db.close()
    about = {**_about(catalogue), "seconds": round(time.monotonic() - began, 1)}
    tell("made")
    # Last, and at once: a catalogue without it is not whole.
    with tempfile.NamedTemporaryFile("w", dir=OUT, delete=False) as written:
        json.dump(about, written)
    Path(written.name).rename(told)


def _about(catalogue: Catalogue) -> dict[str, Any]:
    """What requests name."""
    plan = catalogue.plan
    image = 1 if plan.seed == "few" else 11
    stable = plan.version(catalogue.stable(image))
    if plan.seed == "few":
        keys = [plan.key(image, turn) for turn in range(plan.per_image)]
    else:
        keys = list(range(1, plan.total, max(1, plan.total // 2000)))
    seen = [v for v in map(plan.version, keys) if v.public and v.is_current(words.ENDED)]
    ended, *others = (version_id(v.n, plan) for v in seen if v.n != stable.n)
    return {
        "secrets": catalogue.cast.secrets,
        "version": version_id(stable.n, plan),
        "versions": others,
        "ended": ended,
        "hidden": _shared_by_lab(catalogue),
        "image": image + 1,
        "slug": slug(words.image_name(image)),
        "region": words.REGIONS[stable.n % len(words.REGIONS)],
        "owner": "owner-1",
        "words": words.image_name(image),
        "many": words.MANY,
    }


def _shared_by_lab(catalogue: Catalogue) -> list[str]:
    """Versions of one image that is not public, shared with a group of the reader's."""
    image = 5 if catalogue.plan.seed == "few" else 4
    keys = (catalogue.plan.key(image, turn) for turn in range(catalogue.plan.per_image))
    return [version_id(n, catalogue.plan) for n in keys]
