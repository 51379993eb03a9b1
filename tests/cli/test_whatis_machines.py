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


def test_commands_name_what_latest_offers_where_a_replacement_was_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(monkeypatch, capsys)
    with serving_the_cast(tmp_path) as (server, world):
        settings = {"URL": server.url, "TOKEN": world.secrets["alice"]}
        for name in ("2", "3", "4"):
            machine = ("--machine", f"east={name}-east", "--architecture", "x86_64")
            made = run("version", "create", name, "--image", "open-image", *machine, **settings)
            assert made.code == 0, made.err
        run("channel", "set", "open-image", "stable", "2")
        advice = ("--reason", "old", "--replacement", "open-image/3")
        assert "Use open-image/3 instead." in run("deprecate", "open-image/2", *advice).out
        run("revoke", "open-image/3", "--reason", "It leaks.")
        named = "Its replacement open-image/3 is revoked.\nlatest offers open-image/4.\n"
        assert run("deprecate", "open-image/2", "--reason", "older").out.endswith(named)
        resolved = run("resolve", "open-image", "stable", "east")
        assert (resolved.code, resolved.out) == (0, "2-east\n")
        assert resolved.err.endswith(named)
        instead = run("whatis", "2-east").rows()[0][5]
        assert instead.startswith("replacement open-image/3 is revoked; latest 4-east (4)")
