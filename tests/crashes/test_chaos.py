"""Processes of a working catalogue are killed, and nothing is lost (`support/chaos/`)."""

import pytest

from tests.support.chaos.run import chaos
from tests.support.processes.server import linux_only

pytestmark = linux_only

ALL = ("worker", "main", "sync", "import", "migration")
OF_POSTGRESQL = ("backend", "postgres")
LONG_KILLS, LONG_S = 200, 240


@pytest.mark.parametrize(
    ("backend", "kinds"),
    [
        ("sqlite", ("worker", "main")),
        pytest.param("sqlite", ALL, marks=pytest.mark.long),
        pytest.param("postgresql", (*OF_POSTGRESQL, *ALL), marks=pytest.mark.long),
    ],
)
def test_nothing_is_lost_when_processes_are_killed(backend: str, kinds: tuple[str, ...]) -> None:
    report = chaos(backend, len(kinds), seed=11, kinds=kinds)
    assert report.record.wrong == [], "\n".join(report.lines())
    assert report.kills.total() == len(kinds)
    assert report.record.acknowledged > 0
    assert report.events == report.delivered > 0


@pytest.mark.long
@pytest.mark.alone
def test_nothing_is_lost_in_many_kills(backend: str) -> None:
    """As many as come in four minutes, at most 200: `make chaos` does more."""
    report = chaos(backend, LONG_KILLS, seed=7, most_s=LONG_S)
    print("\n".join(report.lines()))
    assert report.record.wrong == [], "\n".join(report.lines())
    assert report.events == report.delivered > 0
