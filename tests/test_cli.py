"""The command line: what each command does, prints and ends with.

Commands run in this process as `main()` does; those that ask a server ask a real one.
"""

import gzip
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from goldenrod.base import clock as clocks
from goldenrod.base.clock import later
from goldenrod.catalogue import people, tokens
from goldenrod.cli import tables
from goldenrod.cli.main import COMMANDS, GROUPS, command, main
from goldenrod.demo import ami_lines
from goldenrod.rules import reading
from goldenrod.rules.access import ANONYMOUS
from goldenrod.store import schema
from goldenrod.store.db import Database
from goldenrod.store.migrate import HEAD, migrate
from tests.conftest import Clock
from tests.test_server import Running, running
from tests.world import CAST, IMAGES, World, build_world

UNREACHED = "http://127.0.0.1:1"


class Ended(NamedTuple):
    """What a command printed and ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def rows(self) -> list[list[str]]:
        """The lines of a table, without its columns' names."""
        return [line.split("\t") for line in self.out.splitlines()[1:]]


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `goldenrod` with these arguments, `stdin`, and settings in capitals."""

    def running(*arguments: str, stdin: str = "", **settings: str) -> Ended:
        for name, value in settings.items():
            monkeypatch.setenv(f"GOLDENROD_{name}", value)
        monkeypatch.setattr(sys, "argv", ["goldenrod", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, said.out, said.err)

    return running


@pytest.fixture
def on(run: Run, db: Database, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs commands on `db`, an empty catalogue on each database."""
    monkeypatch.setenv("GOLDENROD_DATABASE_URL", db.url)
    return run


@pytest.fixture
def cast(on: Run, db: Database, clock: Clock) -> World:
    """The cast and their things, as of the machine's clock, which commands read."""
    clock.now = clocks.now()
    return build_world(db)


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
        assert getattr(parameter, "help", None), f"{parameter.name} says nothing"
    words = COMMANDS[path][0]
    assert words in " ".join(shown.out.split()), "its line in the list says something else"


def test_the_list_of_commands_is_complete_and_nothing_in_it_is_cut_off(run: Run) -> None:
    shown = " ".join(run("--help").out.split())
    alone = {path: words for path, (words, _) in COMMANDS.items() if " " not in path}
    for name, words in (alone | GROUPS).items():
        assert f"{name} {words}" in shown
    for code in ("0 done", "1 failed", "2 the", "3 no", "4 not", "5 against", "6 the"):
        assert code in shown


def test_help_imports_nothing_heavy() -> None:
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


def test_the_package_runs_as_a_module() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "goldenrod", "--version"], capture_output=True, text=True, timeout=60
    )
    assert re.fullmatch(r"goldenrod \d+\.\d+\S*\n", told.stdout)


# ── people ─────────────────────────────────────────────────────────────────────────────────


def test_users_are_added_listed_and_disabled(on: Run, db: Database) -> None:
    assert on("user", "create", "alice", "--staff").out == "User alice is added.\n"
    made = on("user", "create", "bob", "--json").json
    assert (made["username"], made["is_staff"]) == ("bob", False)
    assert [row[1:4] for row in on("user", "list").rows()] == [
        ["alice", "yes", "yes"],
        ["bob", "no", "yes"],
    ]
    assert on("user", "disable", "bob").code == 0
    assert [user["active"] for user in on("user", "list", "--json").json] == [True, False]
    assert value(db, "SELECT via FROM audit WHERE action = 'user:edit'") == "console"


def test_a_taken_name_is_a_conflict_and_an_unknown_one_not_found(on: Run, db: Database) -> None:
    on("user", "create", "alice")
    again = on("user", "create", "ALICE")
    assert (again.code, again.out) == (5, "")
    assert again.err == "goldenrod: A user or group is named 'ALICE' already.\n"
    assert on("user", "disable", "zed") == (4, "", "goldenrod: There is no user 'zed'.\n")
    assert value(db, "SELECT count(*) FROM users") == 1


def test_a_password_comes_from_stdin_and_is_kept_as_a_hash(on: Run, db: Database) -> None:
    stdin = "correct horse\nnot this\n"
    assert on("user", "create", "alice", "--password-stdin", stdin=stdin).code == 0
    assert on("user", "create", "bob").code == 0
    kept = value(db, "SELECT password_hash FROM users WHERE username = 'alice'")
    assert people.HASHER.verify(kept, "correct horse")
    assert value(db, "SELECT password_hash FROM users WHERE username = 'bob'") is None


@pytest.mark.parametrize("stdin", ["", "\n", "short\n"])
def test_a_password_that_is_none_adds_nobody(on: Run, db: Database, stdin: str) -> None:
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
    assert (stranger.code, stranger.err) == (4, "goldenrod: bob: not in lab.\n")
    assert on("group", "add", "lab", "zed").code == 4
    assert on("group", "add", "nowhere", "bob").code == 4
    assert on("group", "add", "alice", "bob").code == 5, "a personal group"
    assert on("group", "remove", "lab", "charlie").out == "In lab now: nobody.\n"


def names(users: list[dict[str, Any]]) -> list[str]:
    return [user["username"] for user in users]


# ── tokens ─────────────────────────────────────────────────────────────────────────────────


def test_a_tokens_secret_stands_alone_on_stdout_and_works(on: Run, db: Database) -> None:
    on("user", "create", "alice", "--staff")
    made = on("token", "create", "alice", "--name", "laptop", "--scope", "admin")
    assert made.code == 0
    assert re.fullmatch(r"gr_\S+\n", made.out)
    assert made.out.strip() not in made.err
    with db.read() as tx:
        found = tokens.find_actor(tx, made.out.strip())
    assert found is not None
    assert (found[0].username, found[0].scope) == ("alice", "admin")


def test_a_token_writes_and_does_not_expire_unless_said(on: Run) -> None:
    on("user", "create", "alice")
    on("token", "create", "alice")
    on("token", "create", "alice", "--expires", "90d", "--scope", "read")
    on("token", "create", "alice", "--expires", "2999-01-01T01:00:00+01:00")
    plain, spanned, dated = on("token", "list", "--json").json
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
        assert tokens.find_actor(tx, secret) is None
    assert [row[1] for row in on("token", "list").rows() if row[7]] == ["alice"]
    assert on("token", "list", "--user", "zed").code == 4
    assert on("token", "revoke", "999").code == 4


def test_tokens_that_make_no_sense_are_not_made(on: Run, db: Database) -> None:
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
    """Where there is no database yet."""
    return tmp_path / "new.db"


def test_migrate_says_what_it_did(run: Run, file: Path) -> None:
    url = f"sqlite:///{file}"
    assert run("migrate", DATABASE_URL=url).out == f"The tables are now at {HEAD}.\n"
    assert run("migrate").out == f"The tables were already at {HEAD}.\n"


def ids(ended: Ended) -> list[str]:
    """The ids of what `check --json` found; each says what to do about it."""
    assert all(finding["what"] and finding["hint"] for finding in ended.json)
    return [finding["id"].removeprefix("goldenrod.") for finding in ended.json]


def test_check_finds_what_is_wrong_one_after_the_other(run: Run, file: Path) -> None:
    missing = run("check", "--json", DATABASE_URL=f"sqlite:///{file}")
    assert (ids(missing), missing.code) == (["E001"], 1)
    assert not file.exists(), "looking made it"
    file.touch(0o600)
    empty = run("check", "--json")
    assert (ids(empty), empty.code) == (["E002"], 1)
    run("migrate")
    unstaffed = run("check", "--json")
    assert (ids(unstaffed), unstaffed.code) == (["W003"], 0)
    run("user", "create", "dora", "--staff")
    assert run("check") == (0, "All is well.\n", "")
    file.chmod(0o644)
    assert ids(run("check", "--json")) == ["W001"]
    assert ids(run("check", "--json", TRUSTED_PROXIES="10.0.0.0/8")) == ["W001", "W002"]
    assert ids(run("check", "--json", PUBLIC_URL="https://images.example.org")) == ["W001"]
    run("user", "disable", "dora")
    assert ids(run("check", "--json")) == ["W001", "W003"]
    told = run("check")
    assert "goldenrod.W001: Everybody on this machine may read" in told.out
    assert "    chmod o-rwx" in told.out


def test_check_sees_tables_of_another_version(run: Run, file: Path) -> None:
    run("migrate", DATABASE_URL=f"sqlite:///{file}")
    db = Database(f"sqlite:///{file}")
    for stored, said in (("0001", "goldenrod migrate"), ("9999", "later one")):
        with db.connection() as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (stored,))
        found = run("check", "--json")
        errors = [finding for finding in found.json if finding["id"] == "goldenrod.E002"]
        assert len(errors) == found.code == 1
        assert said in errors[0]["hint"]
    db.close()


@pytest.mark.parametrize("url", ["postgresql://x@127.0.0.1:1/x", "sqlite:////proc/none/x.db"])
def test_a_database_that_is_away_is_one_sentence(run: Run, url: str) -> None:
    for words in (("user", "list"), ("migrate",), ("serve", "--port", "0")):
        away = run(*words, DATABASE_URL=url)
        assert (away.code, away.out) == (6, "")
        assert away.err.startswith("goldenrod: The database is away")
        assert away.err.count("\n") == 1
    found = run("check", "--json")
    assert (ids(found), found.code) == (["E001"], 1)


def test_what_is_no_database_is_said(run: Run, file: Path) -> None:
    file.write_text("this is a text, and longer than the header of a database would be" * 9)
    told = run("user", "list", DATABASE_URL=f"sqlite:///{file}")
    assert (told.code, told.err.count("\n")) == (6, 1)
    assert "not a database" in told.err


def test_a_wrong_setting_is_usage(run: Run) -> None:
    wrong = run("user", "list", DATABASE_URL="mysql:x")
    assert wrong.code == 2
    assert wrong.err.startswith("goldenrod: GOLDENROD_DATABASE_URL takes ")
    assert ids(run("check", "--json")) == ["E003"]


def test_a_fault_of_ours_keeps_its_trace(
    run: Run, sqlite_db: Database, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    with sqlite_db.connection() as connection:
        connection.execute("DROP TABLE group_users")
    monkeypatch.setenv("GOLDENROD_DATABASE_URL", sqlite_db.url)
    monkeypatch.setattr(sys, "argv", ["goldenrod", "user", "create", "alice"])
    with pytest.raises(Exception, match="no such table"):
        main()


# ── much at once ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def amis(tmp_path: Path) -> Path:
    """Forty real AMIs, and a line that is none."""
    path = tmp_path / "amis.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join([*list(ami_lines())[:40], b"nonsense\n"])))
    return path


def test_importing_twice_changes_nothing_and_says_what_was_skipped(
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


def test_an_import_is_for_its_owner_and_private_where_asked(
    on: Run, db: Database, amis: Path
) -> None:
    assert on("import", "aws", "--file", str(amis), "--owner", "alice").code == 4
    on("user", "create", "alice")
    assert on("import", "aws", "--file", str(amis), "--owner", "alice", "--private").code == 0
    assert value(db, "SELECT count(*) FROM images WHERE is_public") == 0
    assert value(db, "SELECT count(*) FROM images") > 0
    assert value(db, "SELECT count(*) FROM images WHERE owner_id <> 1") == 0


def test_a_file_that_cannot_be_read_is_said(on: Run, tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    for words in (("import", "aws", "--file", none), ("import", "catalogue", none)):
        failed = on(*words)
        assert (failed.code, failed.out) == (1, "")
        assert failed.err == f"goldenrod: {none}: No such file or directory\n"


def test_what_is_exported_is_imported_whole(
    on: Run, amis: Path, tmp_path: Path, file: Path
) -> None:
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


# ── why ────────────────────────────────────────────────────────────────────────────────────


def test_why_says_what_the_rule_says_of_everybody_and_everything(
    on: Run, db: Database, cast: World
) -> None:
    for name in IMAGES:
        things = {
            f"image:{name}-image": (schema.images, str(cast.images[name])),
            f"version:{cast.versions[name]}": (schema.versions, cast.versions[name]),
        }
        for who in (*CAST, "anonymous"):
            for thing, (table, key) in things.items():
                with db.read() as tx:
                    actor = ANONYMOUS if who == "anonymous" else cast.actor(tx, who)
                    sees = reading.find(tx, actor, table, key) is not None
                scope = "admin" if who == "dora" else "write"
                told = on("why", who, thing, "--scope", scope, "--json")
                assert (told.code, told.json["granted"]) == (0 if sees else 1, sees), (who, thing)


def test_why_names_the_clause_that_grants(on: Run, cast: World) -> None:
    shared = f"version:{cast.versions['shared']}"
    told = on("why", "bob", shared)
    assert told.out.startswith(f"bob may see {shared}:\n")
    granting = [words for words, grants in told.rows()[1:] if grants == "yes"]
    assert granting == ["is in a group of its membership, and it and its image are current"]
    stranger = on("why", "charlie", shared)
    assert stranger.out.startswith(f"charlie may not see {shared}: nothing grants it.\n")
    assert {grants for _, grants in stranger.rows()[1:]} == {"no"}


def test_why_tells_staff_from_their_token(on: Run, cast: World) -> None:
    narrow = on("why", "dora", "image:closed-image")
    assert narrow.code == 1
    assert "--scope admin" in narrow.err
    wide = on("why", "dora", "image:closed-image", "--scope", "admin")
    assert (wide.code, wide.err) == (0, "")
    assert ["is staff", "yes"] in wide.rows()


def test_why_takes_addresses_and_every_noun(on: Run, cast: World) -> None:
    for thing in (
        "/api/v2/images/open-image",
        f"https://images.example.org/api/v2/image_versions/{cast.versions['open'].upper()}",
        "image:1",
        "machine:1",
        f"provider:{cast.providers['west']}",
        "provider:east",
        f"script:{cast.scripts['setup']}",
        f"license:{cast.licenses['apache']}",
        f"group:{cast.groups['lab']}",
        f"user:{cast.users['alice']}",
        f"identity:{cast.identities['alice@west']}",
        "tag:1",
        "token:1",
        "/api/v2/image_version_licenses/1",
        "/api/v2/image_version_memberships/1",
        "/api/v2/image_version_boot_scripts/1",
    ):
        assert on("why", "alice", thing).code == 0, thing


def test_why_refuses_what_it_does_not_know(on: Run, cast: World) -> None:
    assert on("why", "zed", "image:1").code == 4
    assert on("why", "alice", "image:999").code == 4
    assert on("why", "alice", "version:999").code == 4
    for thing in ("image", "cat:1", "/api/v2/cats/1", ""):
        unknown = on("why", "alice", thing)
        assert (unknown.code, unknown.out) == (1, ""), thing
    on("user", "disable", "alice")
    disabled = on("why", "alice", "image:open-image", "--json")
    assert (disabled.code, disabled.json["granted"]) == (1, False)
    assert on("why", "alice", "image:open-image").err == "alice is disabled.\n"


# ── asking a server ────────────────────────────────────────────────────────────────────────


class Served(NamedTuple):
    """A server over the cast's things."""

    server: Running
    world: World


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("served")
    db = Database(f"sqlite:///{directory / 'served.db'}")
    migrate(db)
    world = build_world(db)
    db.close()
    with running(db.url, directory / "stderr") as server:
        yield Served(server, world)


@pytest.fixture
def ask(run: Run, served: Served, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs commands as one of the cast: `ask("image", "list", who="bob")`; as alice, else."""
    monkeypatch.setenv("GOLDENROD_URL", served.server.url)

    def asking(*arguments: str, who: str = "alice", **more: str) -> Ended:
        token = served.world.secrets.get(who, "")
        return run(*arguments, **{"TOKEN": token, **more})

    return asking


def slugs(listed: Ended) -> list[str]:
    return [image["slug"] for image in listed.json]


def test_images_are_listed_as_far_as_the_reader_sees(ask: Run) -> None:
    assert set(slugs(ask("image", "list", "--json"))) >= {f"{name}-image" for name in IMAGES}
    public = slugs(ask("image", "list", "--json", who=""))
    assert "open-image" in public
    assert "closed-image" not in public
    assert slugs(ask("image", "list", "--json", "--tag", "shared-tag", who="bob")) == [
        "shared-image"
    ]
    assert slugs(ask("image", "list", "--json", "--tag", "shared-tag", who="charlie")) == []


def test_a_list_stops_at_its_limit_and_says_so(ask: Run) -> None:
    cut = ask("version", "list", "--limit", "2", "--ordering=-name")
    assert len(cut.rows()) == 2
    assert cut.err == "There are more than these 2: --all prints all, --limit how many.\n"
    whole = ask("version", "list", "--all", "--ordering=-name")
    assert len(whole.rows()) >= len(IMAGES)
    assert whole.rows()[:2] == cut.rows()
    assert whole.err == ""


def test_an_image_is_made_shown_and_changed(ask: Run) -> None:
    made = ask(
        *("image", "create", "Big data", "--slug", "big-data", "--tag", "spark", "--tag", "hdfs"),
        *("--maintainer", "lab", "--description", "for *many* bytes", "--json"),
    )
    assert made.code == 0
    assert (made.json["slug"], made.json["is_public"]) == ("big-data", False)
    shown = ask("image", "show", "big-data").out
    assert re.search(r"^tags +hdfs, spark$", shown, re.M)
    assert re.search(r"^maintainers +lab$", shown, re.M)
    edited = ask("image", "edit", "big-data", "--public", "--clear", "tags", "--json").json
    assert (edited["is_public"], edited["tags"], edited["name"]) == (True, [], "Big data")
    ended = ask("image", "edit", "big-data", "--end", "2999-01-01T00:00:00Z", "--json").json
    assert ended["end_date"] == "2999-01-01T00:00:00.000000Z"
    assert (
        ask("image", "edit", "big-data", "--clear", "end_date", "--json").json["end_date"] is None
    )


def test_a_version_is_published_shown_changed_and_ended(ask: Run, tmp_path: Path) -> None:
    ask("image", "create", "Cycle", "--slug", "cycle")
    log = tmp_path / "log.md"
    log.write_text("# First\n\nIt *boots*.")
    made = ask(
        *("version", "create", "1.0", "--image", "cycle", "--change-log-file", str(log)),
        *("--machine", "east=ami-1", "--machine", "west=ami:2=x", "--architecture", "arm64"),
        *("--share", "lab", "--license", "1", "--min-cpu", "2", "--no-imaging", "--json"),
    )
    assert made.code == 0, made.err
    assert made.json["change_log"] == "# First\n\nIt *boots*."
    assert {(m["identifier"], m["architecture"]) for m in made.json["machines"]} == {
        ("ami-1", "arm64"),
        ("ami:2=x", "arm64"),
    }
    assert names_of(made.json["membership"]) == ["lab"]
    child = ask(
        *("version", "create", "1.1", "--image", "cycle", "--parent", "cycle/1.0", "--json")
    ).json
    assert child["parent"]["id"] == made.json["id"]
    shown = ask("version", "show", "cycle/1.1").out
    assert re.search(r"^parent +cycle/1\.0$", shown, re.M)
    edited = ask(
        "version", "edit", "cycle/1.0", "--min-mem", "512", "--clear", "membership", "--json"
    )
    assert (edited.json["min_mem"], edited.json["min_cpu"]) == (512, 2)
    assert edited.json["membership"] == []
    assert ask("version", "end", made.json["id"]).code == 0
    assert ask("version", "show", "cycle/1.0", "--json").json["state"] == "ended"
    restored = ask("version", "edit", "cycle/1.0", "--clear", "end_date", "--json").json
    assert restored["state"] == "current"


def names_of(things: list[dict[str, Any]]) -> list[str]:
    return [thing["name"] for thing in things]


def test_a_change_log_may_come_from_stdin(ask: Run) -> None:
    ask("image", "create", "Piped", "--slug", "piped")
    made = ask(
        *("version", "create", "1.0", "--image", "piped", "--change-log-file", "-", "--json"),
        stdin="from a pipe",
    )
    assert made.json["change_log"] == "from a pipe"


def test_the_same_key_makes_one_image(ask: Run) -> None:
    words = ("image", "create", "Once", "--idempotency-key", "k-1", "--json")
    assert ask(*words).json["id"] == ask(*words).json["id"]
    other = ask("image", "create", "Twice", "--idempotency-key", "k-1")
    assert other.code == 5


def test_refusals_end_with_their_codes(ask: Run, served: Served) -> None:
    closed = served.world.versions["closed"]
    assert ask("version", "show", closed, who="charlie").code == 4
    assert ask("version", "show", "open-image/none").code == 4
    assert ask("image", "show", "../users").code == 4
    assert ask("image", "edit", "open-image", "--name", "x", who="charlie").code == 3
    assert ask("image", "create", "x", who="").code == 3
    assert ask("image", "list", TOKEN="wrong").code == 3
    assert ask("image", "list", TOKEN="wröng").code == 2
    assert ask("version", "create", "OPEN-1.0", "--image", "open-image").code == 5
    assert ask("image", "list", "--ordering", "size").code == 1
    for refused in (
        ask("image", "show", "none"),
        ask("image", "create", " "),
        ask("image", "list", URL=UNREACHED),
    ):
        assert refused.out == ""
        assert refused.err.startswith("goldenrod: ")
        assert refused.err.count("\n") == 1


def test_a_server_that_is_away_is_said(ask: Run) -> None:
    away = ask("image", "list", URL=UNREACHED)
    assert away.code == 6
    assert UNREACHED in away.err


def test_usage_is_checked_before_anything_is_asked(run: Run) -> None:
    for words in (
        ("image", "edit", "x"),
        ("image", "edit", "x", "--clear", "name"),
        ("image", "edit", "x", "--tag", "a", "--clear", "tags"),
        ("version", "create", "1", "--image", "x", "--machine", "east"),
        ("version", "create", "1"),
        ("version", "edit", "x", "--change-log", "a", "--change-log-file", "b"),
        ("image", "list", "--limit", "0"),
        ("image", "lst"),
    ):
        wrong = run(*words, URL=UNREACHED)
        assert (wrong.code, wrong.out) == (2, ""), words


# ── printing ───────────────────────────────────────────────────────────────────────────────


def test_what_others_wrote_reaches_a_terminal_without_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables.show_table(("name",), [["\x1b[2Jgone\x07\x9b"], ["a\tb\nc"]])
    tables.show_fields([("log", "line\n\x1b]0;title"), ("empty", "")])
    tables.note("\x1b[31m")
    said = capsys.readouterr()
    assert said.out == "name\n�[2Jgone��\na b c\nlog  line\n     �]0;title\n"
    assert said.err == "�[31m\n"


def test_a_table_on_a_terminal_takes_texts_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    tables.show_table(("name", "current"), [["[red]x[/red]", True], ["\x1b[2J", None]])
    shown = capsys.readouterr().out
    assert re.search(r"\[red\]x\[/red\] +yes", shown)
    assert "\x1b[2J" not in shown
