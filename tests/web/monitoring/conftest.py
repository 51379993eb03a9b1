"""Applications that are monitored, each with its own metrics."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from falcon import testing
from prometheus_client.parser import text_string_to_metric_families

from goldenrod.base import config
from goldenrod.store.db import Database
from goldenrod.web.app import build_app
from goldenrod.web.monitoring.counts import COUNTS
from goldenrod.web.monitoring.monitoring import Monitoring

TOKEN = "a-token-for-metrics-0123456789"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Monitored:
    """A client of an application, and its monitoring."""

    def __init__(self, db: Database, directory: Path, **settings: str) -> None:
        given = {"GOLDENROD_METRICS_TOKEN": TOKEN} | settings
        self.settings = config.load(given)
        self.monitoring = Monitoring(db, self.settings, str(directory))
        self.client = testing.TestClient(build_app(db, self.settings, monitoring=self.monitoring))

    def samples(self) -> Samples:
        """What `/metrics` answers, by name and labels."""
        answer = self.client.simulate_get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


def sample(samples: Samples, name: str, **labels: str) -> float | None:
    """The value of one sample; None where there is none."""
    return samples.get((name, frozenset(labels.items())))


@pytest.fixture
def monitored(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Monitored]]:
    """Makes monitored applications over `db`, or over another database."""
    # Set, so that it is restored at the end: WorkerMetrics sets it.
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    COUNTS.take()  # what other tests of this process counted
    made: list[Monitored] = []

    def make(of: Database | None = None, **settings: str) -> Monitored:
        directory = tmp_path / f"metrics-{len(made)}"
        directory.mkdir()
        made.append(Monitored(of or request.getfixturevalue("db"), directory, **settings))
        return made[-1]

    yield make
    for one in made:
        one.monitoring.close()
