"""The measurements still run, from an empty database to the documents, on a small catalogue."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from falcon import testing

from bench import __main__ as bench
from bench import catalogues, report, statements
from bench.cases import CASES, Case
from bench.catalogues import FilledCatalogue
from bench.drive import Ask, Figures, drive
from bench.plan import Plan, Seed
from bench.servers import Server, constant, serving
from goldenrod.base import clock, config
from goldenrod.store.db import Database
from goldenrod.web.app import build_app
from tests.support.cast import build_world
from tests.support.processes.programs import program

long = pytest.mark.long

VERSIONS = 300
ROWS = ("304 on a list", "PATCH")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where catalogues and figures of this test are catalogues."""
    directory = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(catalogues, "OUT", directory)
        yield directory


@pytest.fixture(scope="module")
def served(out: Path) -> Iterator[dict[Seed, tuple[FilledCatalogue, Server]]]:
    """Both seeds, filled and served."""
    seeds: tuple[Seed, Seed] = ("most", "few")
    filled = [catalogues.sqlite(Plan(VERSIONS, seed)) for seed in seeds]
    with serving(filled[0].url, cache=False) as most, serving(filled[1].url, cache=False) as few:
        yield {"most": (filled[0], most), "few": (filled[1], few)}


@long
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_is_answered_and_its_statements_run_again(
    case: Case, served: dict[Seed, tuple[FilledCatalogue, Server]]
) -> None:
    filled, server = served[case.seed]
    runs, _ = statements.record(filled.url, case.prepare(filled, server.base))
    assert statements.count(runs) >= 1
    if case.writes:
        raw = statements.Raw(filled.url)
        assert 0 < raw.milliseconds(runs, 0) < 1000
        raw.close()


@long
def test_a_filled_catalogue_counts_what_its_plan_says(out: Path) -> None:
    filled = catalogues.sqlite(Plan(VERSIONS, "most"))
    db = Database(filled.url)
    client = testing.TestClient(build_app(db, config.load({})))
    count = client.simulate_get("/image_versions", query_string="page_size=1").json["count"]
    db.close()
    now = clock.now()
    public = sum(one.public and one.is_current(now) for one in filled.plan.all())
    assert 0.7 * VERSIONS < public < 0.9 * VERSIONS
    assert count == public


@long
def test_from_an_empty_database_to_the_documents(out: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    asked = ["--versions", str(VERSIONS), "--databases", "sqlite", "--rounds", "1"]
    asked += [word for row in ROWS for word in ("--only", row)]
    bench.main([*asked, "--seconds", "0.1", "--out", str(figures)])
    rows = {row["case"]: row for row in json.loads(figures.read_text())["rows"]}
    assert set(rows) == set(ROWS)
    unchanged = rows["304 on a list"]
    assert (unchanged["bytes"], unchanged["versions"]) == (0, VERSIONS)
    assert set(unchanged["cells"]) == {"cold", "warm", "cold + writes", "warm + writes"}
    for mode, cell in unchanged["cells"].items():
        assert cell["per_second"][0] > 0, mode
        assert len(cell["written"]) == ("writes" in mode), mode
        assert all(rate > 0 for rate in cell["written"]), mode

    page = tmp_path / "performance.md"
    page.write_text(f"# Speed\n\n{report.BEGIN}What was.\n{report.END}Prose.\n")
    report.main([str(figures)], tmp_path)
    written = page.read_text()
    assert "| 304 on a list, 0 bytes | cold |" in written
    assert "What was." not in written
    assert written.endswith("Prose.\n")
    assert "304 on a list</text>" in (tmp_path / "performance-shares.svg").read_text()


@long
def test_an_answer_that_is_an_error_is_no_figure() -> None:
    with constant() as server:
        figures = drive(server.base, Ask(("/1", "/2")), 0.1, 2)
        assert isinstance(figures, Figures)
        assert figures.per_second > 10
        with pytest.raises(RuntimeError, match="405"):
            drive(server.base, Ask(("/1",), method="PATCH", body="%d"), 0.1, 2)


@long
def test_wrk_drives_what_is_asked() -> None:
    program("wrk")
    with constant() as server:
        assert drive(server.base, Ask(("/1", "/2")), 1).per_second > 100
        with pytest.raises(RuntimeError, match="did not answer well"):
            drive(server.base, Ask(("/1",), method="PATCH", body="%d"), 1)


def test_the_statements_of_a_request_are_recorded_and_run_again(
    new_database: Callable[[str], Database], backend: str
) -> None:
    db = new_database(backend)
    build_world(db)
    runs, body = statements.record(db.url, Ask(("/api/v2/image_versions?page_size=1",)))
    assert json.loads(body)["results"]
    assert statements.count(runs) > 0
    raw = statements.Raw(db.url)
    assert 0 < raw.milliseconds(runs, 0) < 1000
    raw.close()
