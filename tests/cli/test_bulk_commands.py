"""The commands that change several versions at once, against a real server."""

from pathlib import Path

import pytest

from tests.support.processes.command_line import Ended, runner, serving_the_cast


def changes(effect: Ended) -> dict[str, str]:
    assert effect.code == 0, effect.err
    return {name: change for _, name, change in effect.rows()}


def test_several_versions_are_changed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(monkeypatch, capsys)
    with serving_the_cast(tmp_path) as served:

        def ask(*arguments: str) -> Ended:
            token = served.world.secrets["alice"]
            return run(*arguments, URL=served.server.url, TOKEN=token)

        for name in ("2", "3"):
            assert ask("version", "create", name, "--image", "open-image").code == 0
        old, *new = all_three = [f"open-image/{name}" for name in ("open-1.0", "2", "3")]
        words = ("version", "deprecate", *all_three, "--replacement", new[1])
        tried = ask(*words, "--dry-run")
        assert changes(tried) == {
            **dict.fromkeys(all_three[:2], "current → deprecated"),
            # Nothing else has a machine.
            "open-image latest": f"{old} → nothing",
            new[1]: "It is the replacement, or what replaces it.",
        }
        done = ask(*words)
        assert done.out == tried.out and done.err.startswith("2 versions deprecated.\n2 versions")
        shared = ask("version", "share", *all_three, "--group", "lab")
        assert shared.err == "3 versions shared.\nShared with: lab.\n"
        refused = ask("version", "revoke", *all_three, "open-image/none", "--reason", "x")
        assert refused.code == 4
        assert ask("version", "show", old, "--json").json["revoked"] is None
        revoked = ask("version", "revoke", *new, "--reason", "x")
        assert changes(revoked)[new[0]] == "deprecated → revoked"
