"""A sync that is killed at any moment leaves no image half done, and the next one finishes."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest

from goldenrod.store.db import Database
from tests.support.processes.server import environment
from tests.sync.fake_cloud import declared, done, synced
from tests.sync.killed_sync import REGIONS, VERSIONS, cloud

MOST_S = 60
NEW = 40
"""How many images the cloud has more each time."""


def images(db: Database) -> Counter[int]:
    """How many machines each image has."""
    with db.read() as tx:
        rows = tx.sql(
            "SELECT i.id, m.id FROM images i LEFT JOIN versions v ON v.image_id = i.id "
            "LEFT JOIN machines m ON m.version_n = v.n"
        ).fetchall()
    return Counter(row[0] for row in rows)


@pytest.mark.parametrize(
    ("backend", "kills"),
    [
        ("sqlite", 1),
        pytest.param("sqlite", 20, marks=pytest.mark.long),
        pytest.param("postgresql", 20, marks=pytest.mark.long),
    ],
)
def test_a_killed_sync_leaves_no_image_half_done_and_the_next_one_finishes(
    new_database: Callable[[str], Database], backend: str, kills: int
) -> None:
    db = new_database(backend)
    r = random.Random(kills)
    whole = VERSIONS * len(REGIONS)
    for number in range(1, kills + 1):
        running = subprocess.Popen(
            [sys.executable, "-m", "tests.sync.killed_sync", db.url, str(NEW * number)],
            env=environment(db.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        before = images(db).total()
        until = time.monotonic() + MOST_S
        # It is killed while it writes, not while Python starts.
        while images(db).total() == before and running.poll() is None:
            assert time.monotonic() < until
        with suppress(subprocess.TimeoutExpired):
            running.wait(r.uniform(0, 0.3))
        running.send_signal(signal.SIGKILL)
        running.communicate()
        assert set(images(db).values()) <= {whole}, (
            "an image has all of its machines, or is not there"
        )
        time.sleep(0.6)  # the lease expires
    result = synced(db, cloud(NEW * kills), declared(owner="import"), lease_s=5)
    assert result.state == "done"
    assert images(db) == Counter(dict.fromkeys(images(db), whole))
    assert len(images(db)) == NEW * kills
    assert done(synced(db, cloud(NEW * kills), declared(owner="import"))) == {}
    with db.read() as tx:
        states = [row[0] for row in tx.sql("SELECT state FROM sync_runs ORDER BY id").fetchall()]
        linked = tx.sql("SELECT count(*) FROM cloud_machines WHERE machine_id IS NULL").fetchone()
    assert states[-2:] == ["done", "done"]
    assert "running" not in states
    assert linked[0] == 0
