"""An export needs as much memory for a large catalogue as for a small one."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import cast, load
from bench.plan import Plan
from bench.rows import Catalogue
from goldenrod.catalogue.transfer.backup import export_to_file
from goldenrod.store import bulk, schema
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate

SMALL, LARGE = 1_000, 10_000


def filled(url: str, versions: int) -> None:
    db = Database(url, pool=1)
    migrate(db)
    plan = Plan(versions, "most")
    load.fill(db, Catalogue(plan, cast.build(db, plan.owners)).tables(), lambda _: None)
    db.close()


def peak_mb(url: str, file: Path) -> float:
    """The most memory that Python had during an export. SQLite's cache, which has a size of its own
    (64 MiB), is not in it."""
    db = Database(url, pool=1)
    try:
        with db.read() as tx:  # what is loaded once
            bulk.count(tx, schema.versions)
        tracemalloc.start()
        export_to_file(db, file)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        db.close()
    return most / 2**20


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
    assert sizes[1] > 8 * sizes[0] > 8_000_000
    assert peaks[1] < peaks[0] * 1.1 + 0.5, peaks
