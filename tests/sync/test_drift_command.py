"""`goldenrod drift`: its exit code tells drift from what could not be checked."""

import json
from pathlib import Path

import pytest

from goldenrod.store.db import Database
from tests.support.clouds import Cloud
from tests.support.processes.command_line import runner, serving_the_cast


def test_the_exit_code_tells_drift_from_what_could_not_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(monkeypatch, capsys)
    with serving_the_cast(tmp_path) as (server, world):
        db = Database(f"sqlite:///{tmp_path / 'served.db'}")
        cloud = Cloud(db, world.providers["east"])
        row = cloud.lists("closed-east", visibility="private")
        ended = run("drift", URL=server.url, TOKEN=world.secrets["alice"])
        assert (ended.code, ended.rows()) == (0, [])
        assert "Nothing differs." in ended.err
        cloud.change(row, visibility="public", status="deactivated")
        cloud.lists("kept-east", missed=2, missing_since="2026-03-01T00:00:00.000000Z")
        found = run("drift")
        assert found.code == 1
        assert found.rows() == [
            [
                *("wider, not_launchable", "closed-image/closed-1.0", "east", "closed-east"),
                "private here, public there; deactivated there",
            ],
            [
                *("missing", "kept-image/kept-1.0", "east", "kept-east"),
                "2 looks since 2026-03-01T00:00:00.000000Z",
            ],
        ]
        assert "2 machines: 1 wider, 1 missing, 1 not_launchable." in found.err
        assert run("drift", "--fail-on", "changed,unknown").code == 0
        assert run("drift", "--fail-on", "changed", "--fail-on", "wider").code == 1
        assert run("drift", "--image", "open-image").code == 0
        assert [it["identifier"] for it in json.loads(run("drift", "--json").out)] == [
            "closed-east",
            "kept-east",
        ]
        for wrong in (("--fail-on", "odd"), ("--fail-on", "unchecked"), ("--kind", "odd")):
            assert run("drift", *wrong).code == 2
        assert run("drift", "--image", "opne-image").code == 4
        assert run("drift", TOKEN="").code == 3
        since = "2026-03-01T00:00:00.000000Z"
        cloud.scope("all", failing_since=since, failed_reason="wrong key")
        found = run("drift", "--kind", "wider", TOKEN=world.secrets["alice"])
        assert (found.code, len(found.rows())) == (3, 1)
        assert "wrong key" not in found.out
        assert "wrong key" in run("drift", TOKEN=world.secrets["dora"]).out
        # A part that never could be read has no machines here. Staff are told all the same.
        cloud.scope("all", failing_since=None)
        cloud.scope("never", failing_since=since, failed_reason="no such region")
        staff = run("drift", "--fail-on", "unknown")
        assert staff.code == 3
        assert f"Not read since {since}: prod, never: no such region\n" in staff.err
        assert run("drift", "--fail-on", "unknown", "--image", "open-image").code == 0
        assert "never" not in run("drift", TOKEN=world.secrets["alice"]).err
        db.close()
