"""Lists of the command line: newest first, never broken inside an id. What is not found is named."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldenrod.cli import output
from tests.support.processes.command_line import Ended, Run, Served, runner, serving_the_cast


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_the_cast(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture
def ask(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Run:
    """Runs commands as one of the cast, by default alice; those on a database have an empty one."""
    monkeypatch.setenv("GOLDENROD_URL", served.server.url)
    monkeypatch.setenv("GOLDENROD_DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")
    run = runner(monkeypatch, capsys)

    def asking(*arguments: str, who: str = "alice", **more: str) -> Ended:
        token = served.world.secrets.get(who, "")
        return run(*arguments, **{"TOKEN": token, **more})

    return asking


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


SLUG = "a-golden-image-with-a-name-as-long-as-names-may-be-in-the-field1"


def test_versions_are_listed_newest_first_and_with_their_channels(ask: Run) -> None:
    ask("image", "create", SLUG, "--slug", SLUG, "--public")
    for day in ("2", "1", "3"):
        made = ask(
            *(
                "version",
                "create",
                f"24.0{day}",
                "--image",
                SLUG,
                "--start",
                f"2026-01-0{day}T00:00:00Z",
            ),
            *("--machine", f"east={SLUG}-{day}", "--machine", f"west={day}"),
        )
        assert made.code == 0, made.err
    ask("channel", "set", SLUG, "stable", "24.02")
    ask("channel", "set", SLUG, "beta", "24.02")
    listed = ask("version", "list", "--image", SLUG)
    assert listed.out.splitlines()[0].split("\t") == [
        *("version", "state", "channels", "providers", "released")
    ]
    assert listed.rows() == [
        [f"{SLUG}/24.03", "current", "latest", "2", "2026-01-03"],
        [f"{SLUG}/24.02", "current", "beta, stable", "2", "2026-01-02"],
        [f"{SLUG}/24.01", "current", "", "2", "2026-01-01"],
    ]
    wide = ask("version", "list", "--image", SLUG, "--wide")
    named = wide.out.splitlines()[0].split("\t")
    assert {"version", "state", "channels", "id", "start_date", "end_date", "machines"} <= {*named}
    assert wide.rows()[0][named.index("start_date")] == "2026-01-03T00:00:00.000000Z"
    oldest = ask("version", "list", "--image", SLUG, "--ordering", "start_date").rows()
    assert oldest == listed.rows()[::-1]
    images = ask("image", "list", "--json").json
    dates = [image["start_date"] for image in images]
    assert dates == sorted(dates, reverse=True)
    for name in ("first", "second"):
        ask("user", "create", name)
        ask("token", "create", "first", "--name", name)
    assert [row[1] for row in ask("user", "list").rows()] == ["second", "first"]
    assert [row[2] for row in ask("token", "list").rows()] == ["second", "first"]


def test_tables_on_a_terminal_of_any_width_never_break_an_id(
    ask: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("image", "create", "Short", "--slug", "short", "--public")
    ask("version", "create", "9.1", "--image", "short", "--machine", "east=ami-0fedcba9876543210")
    for channel in ("stable", "beta", "candidate"):
        ask("channel", "set", "short", channel, "9.1", "--reason", "two weeks of trials " * 9)
    commands = [
        ("version", "list"),
        ("version", "list", "--wide"),
        ("image", "list"),
        ("image", "list", "--wide"),
        ("channel", "list", "short"),
        ("channel", "history", "short", "stable"),
        ("whatis", "open-east", "ami-0fedcba9876543210"),
        ("revoke", "short/9.1", "--reason", "x", "--dry-run"),
        ("user", "list"),
    ]
    for command in commands:
        piped = ask(*command).rows()
        for width in ("40", "80", "132"):
            with monkeypatch.context() as patching:
                patching.setenv("COLUMNS", width)
                patching.setattr(type(sys.stdout), "isatty", lambda self: True)
                shown = without_colours(ask(*command).out)
            pieces = {word.strip(",;()") for word in shown.split()}
            for row in piped:
                for text in row:
                    assert {word.strip(",;()") for word in text.split()} <= pieces, (command, text)
    assert len(shown.splitlines()) == len(piped) + 1
    with monkeypatch.context() as patching:
        patching.setenv("COLUMNS", "80")
        patching.setattr(type(sys.stdout), "isatty", lambda self: True)
        shown = without_colours(ask("version", "list", "--image", "short").out)
    assert "short/9.1  current  beta, candidate, latest, stable  1" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_column_of_text_is_wrapped_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "24")
    output.show_table(("id", "reason"), [["ami-01234", "It leaks all of it"], ["中中", "日本"]])
    assert without_colours(capsys.readouterr().out).splitlines() == [
        "id         reason",
        "ami-01234  It leaks all",
        "           of it",
        "中中       日本",
    ]


# ── not found ──────────────────────────────────────────────────────────────────────────────


def test_what_is_not_found_is_named_with_what_is_close(ask: Run) -> None:
    ask("image", "create", "Named", "--slug", "named", "--public")
    ask("version", "create", "24.04", "--image", "named", "--machine", "east=named-1")
    ask("channel", "set", "named", "stable", "24.04")
    image = "There is no image 'nmaed' that you may see. Did you mean named?"
    version = "There is no version 'named/24.40' that you may see. Did you mean named/24.04?"
    alone = "There is no version '24.04' that you may see. Did you mean named/24.04?"
    channel = "There is no channel of named 'stabel' that you may see. Did you mean stable?"
    provider = "There is no provider 'eastern-1' that you may see. Did you mean east?"
    for said, *commands in (
        (
            image,
            *("image show nmaed", "image edit nmaed --name x", "version show nmaed/24.04"),
            *("version list --image nmaed", "channel list nmaed", "channel show nmaed stable"),
            *("channel set nmaed stable 24.04", "channel edit nmaed stable --open"),
            *("channel delete nmaed stable", "channel history nmaed stable"),
            *("resolve nmaed stable east", "revoke nmaed/24.04 --reason x", "restore nmaed/24.04"),
            *("lineage nmaed/24.04", "diff nmaed/24.04 named/24.04", "deprecate nmaed/24.04"),
        ),
        (
            version,
            *("version show named/24.40", "version edit named/24.40 --name x"),
            *("version end named/24.40", "channel set named stable 24.40"),
            *("diff named/24.04 named/24.40", "version list --parent named/24.40"),
            "version create 2 --image named --parent named/24.40",
            "deprecate named/24.04 --replacement named/24.40",
        ),
        (alone, "version show 24.04", "lineage 24.04"),
        (channel, "channel show named stabel", "resolve named stabel east"),
        (channel, "channel history named stabel", "channel delete named stabel"),
        (provider, "resolve named stable eastern-1", "whatis x --provider eastern-1"),
        (provider, "version list --provider eastern-1", "image list --provider eastern-1"),
    ):
        for command in commands:
            ended = ask(*command.split())
            assert (ended.code, ended.out) == (4, ""), (command, ended)
            assert ended.err == f"goldenrod: {said}\n", command
    closed = ask("image", "show", "closed-imag", who="charlie").err
    assert "closed-image" not in closed, "what is hidden is not suggested"
    there = ask("version", "show", "named/24.04", "--json").json["id"]
    none = "01a217ed-2eea-713c-a09a-fb0895405c41"
    for command in (f"diff {there} {none}", f"diff {none} {there}", f"lineage {none}"):
        assert ask(*command.split()) == (
            *(4, ""),
            f"goldenrod: There is no version '{none}' that you may see.\n",
        )
    assert ask("image", "show", "").code == 2
    for command, close in (
        ("version create 1 --image nmaed", "named"),
        ("version create 1 --image named --machine eastern-1=x", "east"),
        ("version edit named/24.04 --share lba", "lab"),
        ("channel edit named stable --on eastern-1", "east"),
    ):
        ended = ask(*command.split())
        assert ended.code == 4, (command, ended)
        assert ended.err.endswith(f" Did you mean {close}?\n"), (command, ended)


def test_without_a_token_what_is_not_found_speaks_of_it(ask: Run) -> None:
    for command in (
        *("image show closed-image", "version list --image closed-image", "lineage closed-image/1"),
        *("resolve closed-image latest east", "whatis x --provider west", "image list --tag no"),
    ):
        hidden = ask(*command.split(), who="")
        assert hidden.code == 4
        assert hidden.err.endswith(" only public things are found: set GOLDENROD_TOKEN.\n"), command
        assert "TOKEN" not in ask(*command.split(), who="charlie").err
    assert ask("image", "create", "x", who="").err.endswith(" Set GOLDENROD_TOKEN.\n")
    wrong = ask("image", "list", TOKEN="gr_wrong")
    assert (wrong.code, wrong.err.endswith(" Check GOLDENROD_TOKEN.\n")) == (3, True)


def test_a_filter_that_names_nothing_says_so(ask: Run) -> None:
    for kind in ("image", "version"):
        for option in ("name", "tag", "provider", "architecture"):
            ended = ask(kind, "list", f"--{option}", "nothing", "--json")
            assert (ended.code, ended.out) == (4, ""), (kind, option)
            assert f"{option} 'nothing'" in ended.err
    for line in (
        *("image list --owner nobody", "image list --created-by nobody"),
        *("version list --user nobody", "version list --license 999", "version list --channel no"),
        *("version list --image 24.04", "image list --provider a.b"),
    ):
        ended = ask(*line.split())
        assert (ended.code, ended.out) == (4, ""), line
        assert line.split()[-1] in ended.err
    # What exists, and merely has nothing, is an empty list.
    ask("image", "create", "Empty", "--slug", "empty")
    for line in (
        "version list --image empty",
        "version list --image empty --provider east --stale",
    ):
        assert ask(*line.split(), "--json").json == []
    assert ask("version", "list", "--search", "nothing-has-this").code == 0


def test_names_with_a_slash_are_accepted(ask: Run) -> None:
    ask("image", "create", "Slashed", "--slug", "slashed")
    made = ask("version", "create", "24.04/beta/1", "--image", "slashed", "--json").json
    for name in ("slashed/24.04/beta/1", made["id"], made["id"].upper()):
        assert ask("version", "show", name, "--json").json["id"] == made["id"]
    for name in ("slashed/24.04/beta/1", "24.04/beta/1", made["id"]):
        ask("channel", "set", "slashed", "stable", "--none")
        assert ask("channel", "set", "slashed", "stable", name, "--json").json["target"]
    close = ask("channel", "set", "slashed", "stable", "24.04/beta/2")
    assert close.err.endswith(" Did you mean slashed/24.04/beta/1?\n")
    for name in ("/", "slashed/", "/x", ""):
        assert ask("version", "show", name).code == 2


def test_what_is_not_in_the_database_is_named_with_what_is_close(ask: Run, tmp_path: Path) -> None:
    ask("user", "create", "alice")
    amis = tmp_path / "amis"
    amis.write_bytes(b"")
    for command, said in (
        ("user disable alcie", "There is no user 'alcie'. Did you mean alice?"),
        ("token create alcie", "There is no user 'alcie'. Did you mean alice?"),
        ("token list --user alcie", "There is no user 'alcie'. Did you mean alice?"),
        ("why alcie image:1", "There is no user 'alcie'. Did you mean alice?"),
        (
            f"import aws --file {amis} --owner alcie",
            "There is no user 'alcie'. Did you mean alice?",
        ),
        ("group add labor alice", "There is no group 'labor'."),
        ("token revoke 9", "There is no token '9'."),
        ("webhooks deliveries 9", "There is no webhook '9'."),
        ("webhooks redeliver 9 9", "There is no webhook '9'."),
        ("why alice image:9", "'image:9' does not exist, for any reader."),
    ):
        ended = ask(*command.split())
        assert ended == (4, "", f"goldenrod: {said}\n"), command
    assert ask("group", "create", "lab", "--user", "alcie").code == 4


def test_a_diff_takes_channels(ask: Run) -> None:
    by_name = ask("diff", "open-image/open-1.0", "open-image/open-1.0")
    by_channel = ask("diff", "open-image/channel:latest", "open-image/open-1.0")
    assert (by_channel.code, by_channel.out) == (0, by_name.out)
    for absent, said in (
        ("open-image/channel:latset", "latest"),
        ("nowhere/channel:latest", "There is no image 'nowhere'"),
        ("open-image/channel:", "There is no version 'open-image/channel:'"),
    ):
        refused = ask("diff", "open-image/open-1.0", absent)
        assert (refused.code, said in refused.err) == (4, True), refused.err
    # charlie may launch nothing of an image that he may not see.
    assert ask("diff", "closed-image/channel:latest", who="charlie").code == 4
