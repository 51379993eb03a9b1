"""Nothing stale is answered, whoever writes and whatever the time (`support/stale_reads`)."""

from collections.abc import Callable

import pytest

from goldenrod.store.db import Database, Tx
from tests.support.stale_reads.reader import KINDS, OF_ALL, OF_CHILDREN, check

READS = 1_600
MANY_READS = {"sqlite": 100_000, "postgresql": 80_000}
"""What takes less than four minutes."""
READS_WITH_A_FAULT = 3_200
NO_IMAGE = -1
"""The id of an image that nobody changes."""


@pytest.mark.parametrize("many", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.long_on_postgresql
def test_no_answer_is_stale(
    new_database: Callable[[str], Database], backend: str, many: bool
) -> None:
    found = check(new_database(backend), MANY_READS[backend] if many else READS)
    assert found.stale == []
    # There was something to be stale about.
    assert found.changes > 10


@pytest.mark.long
def test_each_answer_is_stale_where_it_does_not_tell_its_image(
    new_database: Callable[[str], Database], backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = Tx.depends_on
    monkeypatch.setattr(Tx, "depends_on", lambda tx, images: tell(tx, [NO_IMAGE]))
    found = check(new_database(backend), READS_WITH_A_FAULT)
    assert found.kinds == KINDS - OF_ALL


@pytest.mark.long
def test_lineage_is_stale_where_a_change_of_readers_is_of_one_image(
    new_database: Callable[[str], Database], backend: str
) -> None:
    found = check(new_database(backend), READS_WITH_A_FAULT, readers_are_told=False)
    assert found.kinds == OF_CHILDREN
