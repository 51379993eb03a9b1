"""`goldenrod whatis` on machines whose own state is not that of their version."""

from pathlib import Path

import pytest

from goldenrod.client import Client
from tests.support.processes.command_line import runner, serving_the_cast


def test_whatis_tells_and_fails_on_a_machine_that_ended_of_a_version_that_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A current version gets another machine in place of its first one, which ends."""
    run = runner(monkeypatch, capsys)
    with serving_the_cast(tmp_path) as (server, world):
        key = world.versions["open"]
        with Client(server.url, world.secrets["alice"]) as client:
            [machine] = [
                it
                for it in client.get(f"/image_versions/{key}")["machines"]
                if it["identifier"] == "open-east"
            ]
            again = {"version": key, "provider": "east", "identifier": "open-again"}
            client.post("/provider_machines", again | {"architecture": machine["architecture"]})
            client.delete(f"/provider_machines/{machine['id']}")
            told = run("whatis", "open-east", "open-again", URL=server.url, TOKEN="")
            assert [row[3:6] for row in told.rows()] == [
                ["ended", "", "latest open-again (open-1.0)"],
                ["current", "0", ""],
            ]
            assert "1 current, 1 ended" in told.err
            assert run("whatis", "open-east", "--fail-on", "ended").code == 1
            assert run("whatis", "open-again", "--fail-on", "ended").code == 0
            client.post(f"/image_versions/{key}/revoke", {"reason": "It leaks."})
        assert run("whatis", "open-east").rows()[0][3] == "ended, revoked"
        assert run("whatis", "open-east", "--fail-on", "revoked").code == 1
