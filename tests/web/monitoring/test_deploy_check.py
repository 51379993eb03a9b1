"""`goldenrod check --deploy`: what would be wrong in production, and nothing where all is well."""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from goldenrod.base import config
from goldenrod.cli import deploy_check
from goldenrod.store import schema
from goldenrod.store.connections import server_settings
from goldenrod.store.db import Database
from tests.support.processes.command_line import Run, runner


@pytest.fixture
def found(
    new_database: Callable[[str], Database],
    backend: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., set[str]]:
    """Runs the check on a catalogue that is well, with these settings, and gives the ids."""
    run: Run = runner(monkeypatch, capsys)
    db = new_database(backend)
    monkeypatch.setenv("GOLDENROD_DATABASE_URL", db.url)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    tmp_path.chmod(0o700)
    run("user", "create", "dora", "--staff", "--no-password")
    # The tests' own PostgreSQL is set so that it is quick.
    monkeypatch.setattr(server_settings, "_LOSING", ())
    if backend == "sqlite":
        for file in tmp_path.glob("*.db*"):
            file.chmod(0o600)
        assert run("backup", str(tmp_path / "copy.db")).code == 0

    def check(*options: str, code: int = 0, **settings: str) -> set[str]:
        well = {
            "PUBLIC_URL": "https://images.example.org",
            "TRUSTED_PROXIES": "127.0.0.1",
            "DATABASE_POOL": "8",
            "WEBHOOKS_PRIVATE": "false",
            "DELIVER": "true",
        }
        ended = run("check", "--deploy", "--json", *options, **(well | settings))
        assert ended.code == code, ended.err
        assert all(finding["what"] and finding["hint"] for finding in ended.json)
        return {finding["id"].removeprefix("goldenrod.") for finding in ended.json}

    return check


def test_each_wrong_setting_is_found_and_no_right_one(
    found: Callable[..., set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found() == set()
    assert found(PUBLIC_URL="") == {"W002", "W101"}
    assert found(PUBLIC_URL="http://images.example.org") == {"W102"}
    assert found(TRUSTED_PROXIES="") == {"W103"}
    assert found(TRUSTED_PROXIES="10.0.0.1,::/0") == {"W104"}
    assert found(WEBHOOKS_PRIVATE="true") == {"W109"}
    assert found("--threads", "40", DATABASE_POOL="8") == {"W111"}
    assert found("--metrics-host", "0.0.0.0") == {"W115"}
    assert found("--metrics-host", "0.0.0.0", METRICS_TOKEN="x" * 32) == set()
    monkeypatch.delenv("GOLDENROD_METRICS_TOKEN")
    secret = tmp_path / "token"
    secret.write_text("y" * 32)
    secret.chmod(0o644)
    assert found(METRICS_TOKEN_FILE=str(secret)) == {"W105"}
    secret.chmod(0o600)
    assert found() == set()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert found() == {"W110"}


def test_what_the_database_says_is_found(
    found: Callable[..., set[str]], backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    db = Database(config.load().database_url)
    with db.write() as tx:
        event = {"about": "{}", "image_id": None, "version_n": None, "dedup_key": None}
        at = "2020-01-01T00:00:00.000000Z"
        uuid, kind = str(uuid4()), "version.created"
        tx.insert(schema.events, uuid=uuid, at=at, type=kind, queued=False, **event)
    assert found() == set(), "somebody may deliver"
    assert found(DELIVER="false") == {"W113"}
    if backend == "postgresql":
        assert found("--workers", "200") == {"W112"}
        monkeypatch.setattr(server_settings, "_LOSING", ("fsync", "full_page_writes"))
        assert found(code=1) == {"E102"}
        db.close()
        return
    with db.write_unversioned() as tx:
        tx.sql("UPDATE security_events SET last_at = '2020-01-01T00:00:00.000000Z'")
    assert found() == {"W114"}
    with db.write_unversioned() as tx:
        tx.sql("DELETE FROM security_events")
    assert found() == {"W114"}
    db.close()
    tmp_path.chmod(0o777)
    assert found() == {"W106", "W114"}
    tmp_path.chmod(0o700)
    monkeypatch.setattr(deploy_check, "network_file_system", lambda folder: "nfs4")
    assert found(code=1) == {"E101", "W114"}


def test_network_file_systems_and_plain_connections_are_recognised(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\nserver:/x /srv/my\\040images nfs4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n"
    )
    kind = deploy_check.network_file_system
    assert kind(Path("/srv/my images/goldenrod"), mounts) == "nfs4"
    assert kind(Path("/srv/my images"), mounts) == "nfs4"
    assert kind(Path("/srv/my"), mounts) is None
    assert kind(Path("/tmp/x"), mounts) is None
    assert kind(Path("/tmp/x"), tmp_path / "missing") is None

    def ids(url: str) -> list[str]:
        settings = config.load({"GOLDENROD_DATABASE_URL": url})
        return [one.id.removeprefix("goldenrod.") for one in deploy_check._encryption(settings)]

    for host in (
        "db.example.org",
        "10.0.0.7",
        "db.example.org:5433",
        "a.example.org,b.example.org",
    ):
        url = f"postgresql://user:secret@{host}/goldenrod"
        assert ids(url) == ids(f"{url}?sslmode=prefer") == ["W108"]
        assert ids(f"{url}?sslmode=verify-full") == []
    for local in ("localhost", "127.0.0.1", "[::1]"):
        assert ids(f"postgresql://user:secret@{local}/goldenrod") == []
    assert ids("postgresql:///goldenrod?host=/var/run/postgresql") == []
    relative = config.load({"GOLDENROD_DATABASE_URL": "sqlite:///x.db"})
    assert "goldenrod.W107" in [one.id for one in deploy_check._files(relative)]
