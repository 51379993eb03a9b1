"""The command `sync`: its plan, its exit codes, and the log of its runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from goldenrod.catalogue.sync import leases
from goldenrod.sources.sync import source_types
from goldenrod.store.db import Database
from tests.support.processes.command_line import Run, runner

SOURCES = """
[[source]]
name = "lab"
type = "aws-file"
files = ["lab.json"]

[[source]]
name = "campus"
type = "aws-file"
files = ["campus.json"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a declaration of two sources, and what each lists."""
    (tmp_path / "sources.toml").write_text(SOURCES)
    write(tmp_path / "lab.json", {"north": ["ami-1"], "south": ["ami-2"]})
    write(tmp_path / "campus.json", {"west": ["u-1"]})
    return tmp_path


def write(path: Path, regions: dict[str, list[str]], *failing: str) -> None:
    listed = {
        region: {one: {"image": f"{path.stem} base", "version": "1"} for one in identifiers}
        for region, identifiers in regions.items()
    }
    path.write_text(json.dumps({"regions": listed, "failing": failing}))


@pytest.fixture
def run(
    sqlite_db: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: Path,
) -> Run:
    """Runs `goldenrod` on the database, with a fake cloud as the type aws-file."""
    monkeypatch.setenv("GOLDENROD_DATABASE_URL", sqlite_db.url)
    monkeypatch.setitem(source_types.CLASSES, "aws-file", "tests.sync.fake_cloud:JsonCloud")
    monkeypatch.chdir(folder)
    return runner(monkeypatch, capsys)


def test_a_plan_is_printed_then_done_and_logged(run: Run) -> None:
    dry = run("sync", "sources.toml", "--dry-run")
    assert dry.code == 0
    assert "lab: plan: 1 new images, 1 new versions, 2 created." in dry.out
    assert run("image", "list").code != 0
    assert run("sync", "log", "--json").json == []
    done = run("sync", "sources.toml")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(dry.out.splitlines()[0])
    assert "lab: done. 1 new images, 1 new versions, 2 created." in done.out
    again = run("sync", "sources.toml", "--only", "lab", "--json").json
    assert [(it["source"], it["state"], it["counts"]["unchanged"]) for it in again] == [
        ("lab", "done", 2)
    ]
    logged = run("sync", "log", "--json").json
    assert [(it["source"]["name"], it["changed"]) for it in logged] == [
        ("lab", 0),
        ("campus", 2),
        ("lab", 2),
    ]
    assert [row[1] for row in run("sync", "log", "--source", "lab").rows()] == ["lab", "lab"]
    shown = run("sync", "log", str(logged[-1]["id"]))
    assert "created\tlab-base\t1\tversion: 2 machines" in shown.out
    assert run("sync", "log", "99").code == 4


def test_the_exit_code_says_what_was_not_done(run: Run, folder: Path, sqlite_db: Database) -> None:
    write(folder / "lab.json", {"north": ["ami-1"], "south": ["ami-2"]}, "south")
    partly = run("sync", "sources.toml")
    assert partly.code == 3
    assert "lab: failed: south: AuthFailure in this region" in partly.err
    assert "campus: done." in partly.out
    sqlite_db.now = None  # the command's clock is the machine's
    with sqlite_db.write() as tx:
        assert leases.acquire(tx, "lab", "aws-file", "another", 60)
    locked = run("sync", "sources.toml")
    assert locked.code == 4
    assert "lab: another run is reading this source" in locked.err
    assert "campus: done." in locked.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"owner = 'nobody-here'": None}, "There is no user 'nobody-here'"),
        ({"projects = {p = 'no-group'}": None}, "no-group"),
        ({"providers = {north = 'Not A Slug'}": None}, "cannot be a provider's slug"),
        ({"ownre = 'alice'": None}, "ownre"),
        ({"rules = {rule = [{name = 'r', match = '('}]}": None}, "not a regular expression"),
    ],
)
def test_a_declaration_that_cannot_be_used_is_refused_before_anything_is_asked(
    run: Run, folder: Path, change: dict[str, Any], said: str
) -> None:
    (folder / "sources.toml").write_text(SOURCES + "\n".join(change))
    ended = run("sync", "sources.toml")
    assert ended.code == 2
    assert said in ended.err
    assert run("sync", "log", "--json").json == []


def test_a_name_is_explained_without_reading_a_cloud(run: Run, folder: Path) -> None:
    (folder / "sources.toml").write_text(
        SOURCES + "rules = {rule = [{name = 'r', match = 'app-(?P<version>\\d+)'}]}"
    )
    told = run("sync", "sources.toml", "--only", "campus", "--explain", "app-7")
    assert told.code == 0
    assert told.out.splitlines() == [
        "source 'campus' has 1 rules; the name is 'app-7'",
        "rule 'r' matches: version='7'",
        "image: app",
        "version: 7",
    ]
    assert run("sync", "sources.toml", "--only", "nothing").code == 2
    missing = run("sync", "none.toml")
    assert (missing.code, "none.toml: No such file" in missing.err) == (2, True)
