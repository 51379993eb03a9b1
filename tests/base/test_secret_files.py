"""Secrets that are files: `GOLDENROD_…_FILE` names the file that has the value of a secret setting."""

from pathlib import Path

import pytest

from goldenrod.base import config
from goldenrod.base.errors import SettingError

SECRETS = {
    "database_url": "postgresql://goldenrod:hunter2-q@db.example.org/goldenrod",
    "replica_url": "postgresql://reader:hunter2-q@standby.example.org/goldenrod",
    "oidc_client_secret": "hunter2-q with spaces, and ünicode",
    "token": "hunter2-q",
    "metrics_token": "hunter2-q-0123456789",
}


def test_each_secret_may_be_a_file_and_is_never_shown(tmp_path: Path) -> None:
    assert {setting.name for setting in config.SETTINGS if setting.secret} == set(SECRETS)
    environ = {}
    for number, (name, value) in enumerate(SECRETS.items()):
        file = tmp_path / name
        # One line end is the editor's; anything else belongs to the secret.
        file.write_bytes(value.encode() + (b"\n", b"\r\n", b"", b"\n", b"\n")[number])
        environ[f"GOLDENROD_{name.upper()}_FILE"] = str(file)
    settings = config.load(environ)
    assert {name: getattr(settings, name) for name in SECRETS} == SECRETS
    assert "hunter2" not in repr(settings)
    assert config.secret_files(environ) == {
        variable: Path(file) for variable, file in environ.items()
    }


def test_a_file_that_cannot_be_used_is_a_clear_error(tmp_path: Path) -> None:
    def refused(environ: dict[str, str]) -> str:
        with pytest.raises(SettingError) as error:
            config.load(environ)
        return str(error.value)

    (tmp_path / "token").write_text("hunter2-q")
    token = str(tmp_path / "token")
    both = refused({"GOLDENROD_TOKEN": "x", "GOLDENROD_TOKEN_FILE": token})
    assert both == "GOLDENROD_TOKEN and GOLDENROD_TOKEN_FILE are both set; set one of them"
    for named, reason in (("missing", "no such file or directory"), ("", "is a directory")):
        path = str(tmp_path / named)
        assert refused({"GOLDENROD_TOKEN_FILE": path}) == (
            f"GOLDENROD_TOKEN_FILE names {path!r}, which cannot be read: {reason}"
        )
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "it is not a text file" in refused({"GOLDENROD_TOKEN_FILE": str(tmp_path / "binary")})
    assert "too long" in refused({"GOLDENROD_TOKEN_FILE": "/dev/zero"})
    # What is wrong with the value is said of the variable that gave it, without the value.
    wrong = refused({"GOLDENROD_DATABASE_URL_FILE": token})
    assert wrong.startswith("GOLDENROD_DATABASE_URL_FILE takes sqlite:///")
    assert "hunter2" not in wrong
    # An empty name is what a variable that is not used looks like in a compose file.
    assert config.load({"GOLDENROD_TOKEN_FILE": "", "GOLDENROD_TOKEN": "x"}).token == "x"
