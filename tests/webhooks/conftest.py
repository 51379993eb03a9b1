"""Fixtures for delivering: a receiver on this machine, and a deliverer that may send to it."""

from collections.abc import Iterator

import pytest

from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.store.db import Database
from tests.support.webhooks.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


@pytest.fixture
def deliverer(db: Database) -> Deliverer:
    return Deliverer(db, private=True)
