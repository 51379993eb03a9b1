"""`goldenrod activity`: the list of staff's page on the command line, with its filters."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.support.processes.command_line import runner, serving_the_cast


def test_staff_list_who_did_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(monkeypatch, capsys)
    with serving_the_cast(tmp_path) as (server, world):
        edited = run(
            *("version", "edit", "open-image/open-1.0", "--min-cpu", "4"),
            URL=server.url,
            TOKEN=world.secrets["alice"],
        )
        assert edited.code == 0, edited.err
        assert run("activity").code == 3
        found = run("activity", "--action", "version:edit", TOKEN=world.secrets["dora"])
        assert found.code == 0, found.err
        [row] = found.rows()
        assert row[1:] == [
            "alice",
            "version:edit",
            "open-image/open-1.0",
            "min_cpu:  → 4",
            "",
            "1",
            "",
        ]
        [entry] = json.loads(run("activity", "--action", "version:edit", "--json").out)
        assert entry["by"]["username"] == "alice"
        lines = list(
            csv.reader(io.StringIO(run("activity", "--action", "version:edit", "--csv").out))
        )
        assert lines[0] == ["at", "who", "action", "what", "change", "address", "count", "source"]
        assert lines[1:] == [row]
        # The refusal of alice's own request, and what the filters leave.
        refused = run("activity", "--result", "refusals").rows()
        assert [it[1:4] for it in refused] == [["alice", "access:refused", "GET /api/v2/activity"]]
        assert run(
            "activity", "--image", "open-image", "--user", "alice", "--limit", "1"
        ).rows() == [row]
        assert run("activity", "--since", row[0][:10], "--resource", "version").rows()[0] == row
        assert run("activity", "--until", "2020-01-01").rows() == []
        wrong = (("--since", "soon"), ("--limit", "0"), ("--csv", "--json"))
        assert [run("activity", *it).code for it in wrong] == [2, 2, 2]
        assert run("activity", "--action", "odd").code == 1
        assert run("activity", "--image", "opne-image").code == 4
