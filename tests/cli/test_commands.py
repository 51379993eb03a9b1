"""The command line: what each command does, prints and ends with.

Commands run in this process, as `main()` does. Those that ask a server: `test_cli_remote.py`;
`goldenrod why`: `test_cli_why.py`.
"""

import gzip
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from goldenrod.base.clock import later
from goldenrod.catalogue.accounts import actors, password_hashing, users
from goldenrod.cli import output
from goldenrod.cli.main import COMMANDS, GROUPS, command
from goldenrod.demo import ami_lines
from goldenrod.store.db import Database
from goldenrod.store.migrate import HEAD
from tests.support.processes.command_line import Ended, Run, runner


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(monkeypatch, capsys)


@pytest.fixture
def on(run: Run, db: Database, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs commands on `db`, an empty catalogue on each database."""
    monkeypatch.setenv("GOLDENROD_DATABASE_URL", db.url)
    return run


def value(db: Database, text: str) -> Any:
    with db.read() as tx:
        row = tx.sql(text).fetchone()
    return row and row[0]


# ── help ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", COMMANDS)
def test_help_names_every_option_and_argument(path: str, run: Run) -> None:
    group, _, name = path.rpartition(" ")
    into: Any = command().commands[group] if group else command()
    late = into.commands[name]
    shown = run(*path.split(), "--help")
    assert shown.code == 0
    for parameter in late.load().params:
        for option in [*parameter.opts, *parameter.secondary_opts]:
            word = option if option.startswith("-") else (parameter.metavar or option).strip("[].")
            assert word in shown.out, parameter.name
        assert getattr(parameter, "help", None), f"{parameter.name} has no help"
    words = COMMANDS[path][0]
    assert words in " ".join(shown.out.split()), "its summary in the list is another one"


def test_the_list_of_commands_is_complete_and_not_cut_off(run: Run) -> None:
    shown = " ".join(run("--help").out.split())
    alone = {path: words for path, (words, _) in COMMANDS.items() if " " not in path}
    for name, words in (alone | GROUPS).items():
        assert f"{name} {words}" in shown
    for code in ("0 success", "1 failed", "2 the", "3 missing", "4 not", "5 conflicts", "6 the"):
        assert code in shown


def test_help_imports_no_large_packages() -> None:
    heavy = ("sqlalchemy", "httpx", "falcon", "granian", "rich.table", "goldenrod.store.db")
    script = (
        "import sys\n"
        "from goldenrod.cli.main import main\n"
        "sys.argv = ['goldenrod', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert "Commands:" in told.stdout
    assert told.stderr == "[]\n"


def test_a_catalogue_on_sqlite_does_not_load_the_driver_of_postgresql() -> None:
    script = "import sys, goldenrod.store.db; print('psycopg' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout == "False\n"


def test_the_package_runs_as_a_module() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "goldenrod", "--version"], capture_output=True, text=True, timeout=60
    )
    assert re.fullmatch(r"goldenrod \d+\.\d+\S*\n", told.stdout)


# ── people ─────────────────────────────────────────────────────────────────────────────────


def test_users_are_added_listed_and_disabled(on: Run, db: Database) -> None:
    made = on("user", "create", "alice", "--staff", "--no-password").out
    assert made.startswith("User alice is added. They have no password yet")
    made = on("user", "create", "bob", "--json").json
    assert (made["username"], made["is_staff"]) == ("bob", False)
    assert [row[1:4] for row in on("user", "list").rows()] == [
        ["bob", "no", "yes"],
        ["alice", "yes", "yes"],
    ]
    assert on("user", "disable", "bob").code == 0
    assert [user["active"] for user in on("user", "list", "--json").json] == [False, True]
    assert value(db, "SELECT via FROM audit WHERE action = 'user:edit'") == "console"


def test_a_taken_name_is_a_conflict_and_an_unknown_one_is_not_found(on: Run, db: Database) -> None:
    on("user", "create", "alice")
    again = on("user", "create", "ALICE")
    assert (again.code, again.out) == (5, "")
    assert again.err == "goldenrod: The name 'ALICE' is already taken by a user or group.\n"
    assert on("user", "disable", "zed") == (4, "", "goldenrod: There is no user 'zed'.\n")
    assert value(db, "SELECT count(*) FROM users") == 1


def test_a_password_comes_from_stdin_and_is_stored_as_a_hash(on: Run, db: Database) -> None:
    stdin = "correct horse\nnot this\n"
    assert on("user", "create", "alice", "--password-stdin", stdin=stdin).code == 0
    assert on("user", "create", "bob").code == 0
    kept = value(db, "SELECT password_hash FROM users WHERE username = 'alice'")
    assert password_hashing.HASHER.verify(kept, "correct horse")
    assert value(db, "SELECT password_hash FROM users WHERE username = 'bob'") is None


@pytest.mark.parametrize("stdin", ["", "\n", "short\n"])
def test_an_invalid_password_adds_no_user(on: Run, db: Database, stdin: str) -> None:
    refused = on("user", "create", "alice", "--password-stdin", stdin=stdin)
    assert refused.code == 1
    assert "password" in refused.err
    assert value(db, "SELECT count(*) FROM users") == 0


def test_groups_gain_and_lose_members(on: Run, db: Database) -> None:
    for name in ("alice", "bob", "charlie"):
        on("user", "create", name)
    assert on("group", "create", "lab", "--user", "bob", "--leader", "alice").code == 0
    added = on("group", "add", "lab", "charlie", "--leader", "--json").json
    assert names(added["users"]) == ["alice", "bob", "charlie"]
    assert names(added["leaders"]) == ["alice", "charlie"]
    left = on("group", "remove", "lab", "alice", "bob", "--json").json
    assert (names(left["users"]), names(left["leaders"])) == (["charlie"], ["charlie"])
    stranger = on("group", "remove", "lab", "bob", "charlie")
    assert (stranger.code, stranger.err) == (4, "goldenrod: Not in lab: bob.\n")
    assert on("group", "add", "lab", "zed").code == 4
    assert on("group", "add", "nowhere", "bob").code == 4
    assert on("group", "add", "alice", "bob").code == 5, "a personal group"
    assert on("group", "remove", "lab", "charlie").out == "Members of lab: nobody.\n"


def names(users: list[dict[str, Any]]) -> list[str]:
    return [user["username"] for user in users]


# ── tokens ─────────────────────────────────────────────────────────────────────────────────


def test_only_the_secret_of_a_token_is_on_stdout_and_it_works(on: Run, db: Database) -> None:
    on("user", "create", "alice", "--staff")
    made = on("token", "create", "alice", "--name", "laptop", "--scope", "admin")
    assert made.code == 0
    assert re.fullmatch(r"gr_\S+\n", made.out)
    assert made.out.strip() not in made.err
    with db.read() as tx:
        found = actors.of_token(tx, made.out.strip())
    assert found is not None
    assert (found[0].username, found[0].scope) == ("alice", "admin")


def test_a_token_may_write_and_never_expires_by_default(on: Run) -> None:
    on("user", "create", "alice")
    on("token", "create", "alice")
    on("token", "create", "alice", "--expires", "90d", "--scope", "read")
    on("token", "create", "alice", "--expires", "2999-01-01T01:00:00+01:00")
    dated, spanned, plain = on("token", "list", "--json").json
    assert (plain["scope"], plain["expires"]) == ("write", None)
    assert (spanned["scope"], spanned["expires"]) == ("read", later(spanned["created"], days=90))
    assert dated["expires"] == "2999-01-01T00:00:00.000000Z"


def test_tokens_are_listed_by_user_and_revoked(on: Run, db: Database) -> None:
    on("user", "create", "alice")
    on("user", "create", "bob")
    secret = on("token", "create", "alice").out.strip()
    on("token", "create", "bob")
    (mine,) = on("token", "list", "--user", "alice", "--json").json
    assert on("token", "revoke", mine["uuid"]).code == 0
    with db.read() as tx:
        assert actors.of_token(tx, secret) is None
    assert [row[1] for row in on("token", "list").rows() if row[5]] == ["alice"]
    assert on("token", "list", "--user", "zed").code == 4
    assert on("token", "revoke", "999").code == 4


def test_invalid_tokens_are_not_created(on: Run, db: Database) -> None:
    on("user", "create", "alice")
    assert on("token", "create", "zed").code == 4
    assert on("token", "create", "alice", "--scope", "all").code == 2
    past = on("token", "create", "alice", "--expires", "2001-01-01T00:00:00Z")
    assert (past.code, past.out) == (1, "")
    assert on("token", "create", "alice", "--expires", "soon").code == 1
    on("user", "disable", "alice")
    assert on("token", "create", "alice").code == 5
    assert value(db, "SELECT count(*) FROM tokens") == 0


# ── the database ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of a database that does not exist yet."""
    return tmp_path / "new.db"


def test_migrate_reports_what_it_did(run: Run, file: Path) -> None:
    url = f"sqlite:///{file}"
    assert run("migrate", DATABASE_URL=url).out == f"The tables are now at {HEAD}.\n"
    assert run("migrate").out == f"The tables were already at {HEAD}.\n"


def ids(ended: Ended) -> list[str]:
    """The ids of the findings of `check --json`, each of which has a hint."""
    assert all(finding["what"] and finding["hint"] for finding in ended.json)
    return [finding["id"].removeprefix("goldenrod.") for finding in ended.json]


def test_check_finds_each_problem(run: Run, file: Path) -> None:
    missing = run("check", "--json", DATABASE_URL=f"sqlite:///{file}")
    assert (ids(missing), missing.code) == (["E001"], 1)
    assert not file.exists(), "the check created it"
    file.touch(0o600)
    empty = run("check", "--json")
    assert (ids(empty), empty.code) == (["E002"], 1)
    run("migrate")
    unstaffed = run("check", "--json")
    assert (ids(unstaffed), unstaffed.code) == (["W003"], 0)
    run("user", "create", "dora", "--staff")
    assert run("check") == (0, "No problems found.\n", "")
    file.chmod(0o644)
    assert ids(run("check", "--json")) == ["W001"]
    assert ids(run("check", "--json", TRUSTED_PROXIES="10.0.0.0/8")) == ["W001", "W002"]
    assert ids(run("check", "--json", PUBLIC_URL="https://images.example.org")) == ["W001"]
    run("user", "disable", "dora")
    assert ids(run("check", "--json")) == ["W001", "W003"]
    told = run("check")
    assert "goldenrod.W001: Other users of this machine can access" in told.out
    assert "    chmod 600 " in told.out


def test_check_finds_tables_of_another_release(run: Run, file: Path) -> None:
    run("migrate", DATABASE_URL=f"sqlite:///{file}")
    db = Database(f"sqlite:///{file}")
    for stored, said in (("0000", "goldenrod migrate"), ("9999", "later one")):
        with db.connection() as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (stored,))
        found = run("check", "--json")
        errors = [finding for finding in found.json if finding["id"] == "goldenrod.E002"]
        assert len(errors) == found.code == 1
        assert said in errors[0]["hint"]
    db.close()


@pytest.mark.parametrize("url", ["postgresql://x@127.0.0.1:1/x", "sqlite:////proc/none/x.db"])
def test_an_unreachable_database_is_reported_in_one_sentence(run: Run, url: str) -> None:
    for words in (("user", "list"), ("migrate",), ("serve", "--port", "0")):
        away = run(*words, DATABASE_URL=url)
        assert (away.code, away.out) == (6, "")
        assert away.err.startswith("goldenrod: The database is unavailable")
        assert away.err.count("\n") == 1
    found = run("check", "--json")
    assert (ids(found), found.code) == (["E001"], 1)


def test_a_file_that_is_no_database_is_reported(run: Run, file: Path) -> None:
    file.write_text("this is a text, and longer than the header of a database would be" * 9)
    told = run("user", "list", DATABASE_URL=f"sqlite:///{file}")
    assert (told.code, told.err.count("\n")) == (6, 1)
    assert "not a database" in told.err


def test_a_wrong_setting_is_a_usage_error(run: Run) -> None:
    wrong = run("user", "list", DATABASE_URL="mysql:x")
    assert wrong.code == 2
    assert wrong.err.startswith("goldenrod: GOLDENROD_DATABASE_URL takes ")
    assert ids(run("check", "--json")) == ["E003"]


def test_a_bug_is_one_sentence_that_says_where_it_was_raised(
    run: Run, sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite_db.connection() as connection:
        connection.execute("DROP TABLE group_users")
    damaged = run("user", "create", "alice", DATABASE_URL=sqlite_db.url)
    assert (damaged.code, damaged.err.count("\n")) == (6, 1)
    assert "The database failed: no such table: group_users. It may be damaged" in damaged.err
    monkeypatch.setattr(users, "hash_password", lambda *given: 1 / 0)
    bug = run("user", "create", "alice")
    assert (bug.code, bug.err.count("\n")) == (1, 1)
    said = r"goldenrod: This is an error of Goldenrod itself.*ZeroDivisionError.*users\.py:\d+"
    assert re.match(said, bug.err)


# ── much at once ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def amis(tmp_path: Path) -> Path:
    """Forty real AMIs and an invalid line."""
    path = tmp_path / "amis.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join([*list(ami_lines())[:40], b"nonsense\n"])))
    return path


def test_importing_twice_changes_nothing_and_reports_what_was_skipped(
    on: Run, db: Database, amis: Path
) -> None:
    first = on("import", "aws", "--file", str(amis), "--json").json
    assert first["counts"]["machine"]["created"] == 40
    assert [skip["where"] for skip in first["skipped"]] == ["line 41"]
    again = on("import", "aws", "--file", str(amis))
    assert again.code == 0
    assert ["machine", "0", "40", "0"] in again.rows()
    assert "skipped line 41" in again.err
    assert value(db, "SELECT count(*) FROM images WHERE NOT is_public") == 0


def test_an_import_has_an_owner_and_may_be_private(on: Run, db: Database, amis: Path) -> None:
    assert on("import", "aws", "--file", str(amis), "--owner", "alice").code == 4
    on("user", "create", "alice")
    assert on("import", "aws", "--file", str(amis), "--owner", "alice", "--private").code == 0
    assert value(db, "SELECT count(*) FROM images WHERE is_public") == 0
    assert value(db, "SELECT count(*) FROM images") > 0
    assert value(db, "SELECT count(*) FROM images WHERE owner_id <> 1") == 0


def test_an_unreadable_file_is_reported(on: Run, tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    for words in (("import", "aws", "--file", none), ("import", "catalogue", none)):
        failed = on(*words)
        assert (failed.code, failed.out) == (1, "")
        assert failed.err == f"goldenrod: {none}: No such file or directory\n"


@pytest.mark.long_on_postgresql
def test_an_export_is_imported_completely(on: Run, amis: Path, tmp_path: Path, file: Path) -> None:
    on("user", "create", "alice")
    on("token", "create", "alice")
    on("import", "aws", "--file", str(amis))
    kept = tmp_path / "kept.jsonl"
    assert on("export", str(kept)).code == 0
    assert kept.stat().st_mode & 0o077 == 0
    assert on("export").out == kept.read_text()
    assert on("import", "catalogue", str(kept)).code == 5, "the catalogue is not empty"
    assert on("import", "catalogue", str(kept), DATABASE_URL=f"sqlite:///{file}").code == 0
    assert on("export").out == kept.read_text()
    blank = on("export", "--no-credentials").out
    assert blank
    assert '"sha256":' in kept.read_text()
    assert '"sha256":' not in blank
    other = f"sqlite:///{file.with_name('other.db')}"
    assert on("import", "catalogue", "-", stdin=blank, DATABASE_URL=other).code == 0
    assert on("token", "list", "--json").json == []


def test_a_backup_opens_and_overwrites_nothing(
    on: Run, db: Database, backend: str, tmp_path: Path
) -> None:
    on("user", "create", "alice")
    copy = tmp_path / "copy.db"
    made = on("backup", str(copy))
    if backend == "postgresql":
        assert made.code == 1
        assert "pg_dump" in made.err
        assert not copy.exists()
        return
    assert made.code == 0
    assert on("backup", str(copy)).code == 5
    assert [row[1] for row in on("user", "list", DATABASE_URL=f"sqlite:///{copy}").rows()] == [
        "alice"
    ]


# ── printing ───────────────────────────────────────────────────────────────────────────────


def test_texts_of_users_are_printed_without_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.show_table(("name",), [["\x1b[2Jgone\x07\x9b"], ["a\tb\nc"]])
    output.show_fields([("log", "line\n\x1b]0;title"), ("empty", "")])
    output.note("\x1b[31m")
    said = capsys.readouterr()
    assert said.out == "name\n�[2Jgone��\na b c\nlog  line\n     �]0;title\n"
    assert said.err == "�[31m\n"


def test_a_table_on_a_terminal_does_not_interpret_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    output.show_table(("name", "current"), [["[red]x[/red]", True], ["\x1b[2J", None]])
    shown = capsys.readouterr().out
    assert re.search(r"\[red\]x\[/red\] +yes", shown)
    assert "\x1b[2J" not in shown
