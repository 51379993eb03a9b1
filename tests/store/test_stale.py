"""Nothing stale is answered, whoever writes and whatever the time (`support/stale_reads.py`)."""

from collections.abc import Callable

import pytest

from goldenrod.store.db import Database
from tests.support.stale_reads import check

pytestmark = pytest.mark.long

READS = 1_600


def test_no_answer_is_stale(new_database: Callable[[str], Database], backend: str) -> None:
    changes, stale = check(new_database(backend), READS)
    assert stale == []
    # There was something to be stale about.
    assert changes > 10
