"""The commands of the lifecycle, against a real server. `tests/transfer/test_demo.py` runs others."""

import os
import pty
import re
import subprocess
from collections.abc import Iterator
from itertools import count

import pytest

from goldenrod.base import clock
from goldenrod.base.clock import later
from goldenrod.client import Client
from tests.support.processes.command_line import (
    UNREACHED,
    Ended,
    Run,
    Served,
    runner,
    serving_the_cast,
)
from tests.support.processes.server import GOLDENROD, WAIT_S, environment

NUMBERS = count(1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_the_cast(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture
def ask(served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs commands as one of the cast, by default alice."""
    run = runner(monkeypatch, capsys)

    def asking(*arguments: str, who: str = "alice", **more: str) -> Ended:
        token = served.world.secrets.get(who, "")
        return run(*arguments, **{"URL": served.server.url, "TOKEN": token, **more})

    return asking


@pytest.fixture
def image(ask: Run) -> str:
    """A new public image of alice's with the versions 1, 2 and 3, each built on the one before,
    each with a machine `<image>-<version>` on east."""
    slug = f"line-{next(NUMBERS)}"
    ask("image", "create", slug, "--slug", slug, "--public")
    for name, before in (("1", None), ("2", "1"), ("3", "2")):
        publish(ask, slug, name, before)
    return slug


def publish(ask: Run, image: str, name: str, parent: str | None = None, *more: str) -> None:
    built = ("--parent", f"{image}/{parent}") if parent else ()
    machine = ("--machine", f"east={image}-{name}", "--architecture", "x86_64")
    made = ask(
        *("version", "create", name, "--image", image, "--change-log", f"log of {name}"),
        *(*built, *machine, *more),
    )
    assert made.code == 0, made.err


def offered(ask: Run, image: str, channel: str = "stable") -> str:
    """The id that a channel offers on east."""
    found = ask("resolve", image, channel, "east")
    assert found.code == 0, found.err
    return found.out.removesuffix("\n")


# ── channels ───────────────────────────────────────────────────────────────────────────────


def test_a_channel_is_assigned_shown_and_hidden(ask: Run, image: str) -> None:
    made = ask("channel", "set", image, "stable", "1", "--json").json
    assert made["target"]["name"] == "1"
    uuid = ask("version", "show", f"{image}/2", "--json").json["id"]
    ask("channel", "set", image, "stable", uuid, "--reason", "two weeks of trials")
    shown = ask("channel", "set", image, "stable", f"{image}/3").out
    assert re.search(rf"^target +{image}/3$", shown, re.M)
    assert ask("channel", "set", image, "stable", "3").code == 0, "nothing to add"
    listed = {row[0]: row[1] for row in ask("channel", "list", image).rows()}
    assert listed == {"latest": f"{image}/3", "stable": f"{image}/3"}
    none = ask("channel", "set", image, "stable", "--none", "--json").json
    assert (none["assigned"], none["target"]) == (None, None)
    history = ask("channel", "history", image, "stable").rows()
    assert [row[2:] for row in history] == [
        ["alice", "", "no", ""],
        ["alice", f"{image}/3", "no", ""],
        ["alice", f"{image}/2", "no", "two weeks of trials"],
        ["alice", f"{image}/1", "no", ""],
    ]
    assert ask("channel", "history", image, "stable", "--at", history[2][1]).rows() == [history[2]]
    assert ask("channel", "delete", image, "stable").code == 0
    assert ask("channel", "show", image, "stable").code == 4
    assert ask("channel", "set", image, "stable", "2").code == 0


def test_an_unmet_requirement_of_a_channel_prevents_assigning(ask: Run, image: str) -> None:
    for name in ("candidate", "stable"):
        ask("channel", "set", image, name, "1")
    edited = ask(
        *("channel", "edit", image, "stable", "--on", "west", "--after", "candidate"),
        *("--days", "14", "--restricted", "--group", "lab"),
    ).out
    said = "a machine on west; to have been in candidate, 14 days ago"
    assert re.search(rf"^requires +{said}$", edited, re.M)
    assert ask("channel", "show", image, "stable", who="bob").code == 0
    assert ask("channel", "show", image, "stable", who="charlie").code == 4
    refused = ask("channel", "set", image, "stable", "2")
    assert (refused.code, refused.out) == (5, "")
    assert "a current machine on west and to have been in the other channel" in refused.err
    ask("channel", "set", image, "candidate", "2")
    assert re.search(r"to wait until \d{4}-", ask("channel", "set", image, "stable", "2").err)
    passed = ask(
        *("channel", "set", image, "stable", "2", "--override", "--reason", "urgent", "--json")
    )
    assert passed.json["target"]["name"] == "2"
    assert ask("channel", "history", image, "stable").rows()[0][4:] == ["yes", "urgent"]
    # What is not named stays.
    kept = ask("channel", "edit", image, "stable", "--days", "3", "--open", "--json").json
    (west,), channel, days = kept["requires"].values()
    assert (west["slug"], channel, days) == ("west", "candidate", 3)
    assert (kept["restricted"], [group["name"] for group in kept["groups"]]) == (False, ["lab"])
    clear = ("--clear", "requires", "--clear", "groups")
    cleared = ask("channel", "edit", image, "stable", *clear, "--json").json
    assert (cleared["requires"], cleared["groups"]) == (None, [])
    assert ask("channel", "set", image, "stable", "3").code == 0


def test_bad_assignments_change_nothing(ask: Run, image: str, served: Served) -> None:
    ask("channel", "set", image, "stable", "1")
    before = ask("channel", "history", image, "stable", "--json").json
    ask("version", "end", f"{image}/3")
    for code, words in (
        (5, ("set", image, "stable", "3")),
        (5, ("set", image, "latest", "1")),
        (5, ("delete", image, "latest")),
        (1, ("set", image, "stable", served.world.versions["open"])),
        (4, ("set", image, "stable", "none")),
        (4, ("show", image, "none")),
        (4, ("delete", image, "none")),
        (4, ("set", image, "../users", "1")),
    ):
        refused = ask("channel", *words)
        assert (refused.code, refused.out) == (code, ""), words
        assert refused.err.startswith("goldenrod: ")
    assert ask("channel", "set", image, "stable", "2", who="charlie").code == 3
    assert ask("channel", "history", image, "stable", "--json").json == before


# ── resolving ──────────────────────────────────────────────────────────────────────────────


def test_only_the_id_is_on_stdout_and_warnings_are_on_stderr(ask: Run, image: str) -> None:
    ask("channel", "set", image, "stable", "1")
    assert ask("resolve", image, "stable", "east", who="") == (0, f"{image}-1\n", "")
    assert offered(ask, image, "latest") == f"{image}-3"
    end = later(clock.now(), days=9)
    ask("version", "edit", f"{image}/1", "--end", end)
    ask("deprecate", f"{image}/1", "--reason", "old", "--replacement", f"{image}/2")
    warned = ask("resolve", image, "stable", "east", who="")
    assert (warned.code, warned.out) == (0, f"{image}-1\n")
    deprecated, instead, ends = warned.err.splitlines()
    assert re.fullmatch(rf"{image}/1 has been deprecated since [\d:.TZ-]+: old\.", deprecated)
    assert instead == f"Use {image}/2 instead."
    assert ends == f"{image}/1 ends at {end}."
    whole = ask("resolve", image, "stable", "east", "--json").json
    assert (whole["machine"]["identifier"], whole["deprecation"]["reason"]) == (f"{image}-1", "old")


def test_exit_codes_of_resolve_say_why_there_is_no_machine(ask: Run, image: str) -> None:
    ask("channel", "set", image, "stable", "1")

    def code(*words: str, **more: str) -> int:
        ended = ask("resolve", *words, **more)
        assert (ended.out == "") == (ended.code != 0)
        assert ended.code == 0 or ended.err.startswith("goldenrod: ")
        return ended.code

    assert code(image, "stable", "east") == 0
    assert code(image, "stable", "east", "--architecture", "arm64") == 4
    assert code(image, "stable", "west") == 4, "no machine there"
    for words in ((image, "none", "east"), ("none", "stable", "east"), (image, "stable", "none")):
        assert code(*words) == 4, words
    assert code(image, "stable", "east", TOKEN="wrong") == 1, "3 says revoked, and only that"
    assert code(image, "stable", "east", URL=UNREACHED) == 6
    assert ask("resolve", image, "stable").code == 2
    ask("channel", "set", image, "stable", "2")
    ask("revoke", f"{image}/2", "--reason", "It leaks.", "--hold-channels")
    held = ask("resolve", image, "stable", "east")
    assert (held.code, held.out) == (3, "")
    assert "It leaks." in held.err
    allowed = ask("resolve", image, "stable", "east", "--allow-revoked")
    assert (allowed.code, allowed.out) == (0, f"{image}-2\n")
    assert re.fullmatch(rf"{image}/2 has been revoked since \S+: It leaks\.\n.*\n", allowed.err)
    shown = ask("channel", "show", image, "stable").out
    assert re.search(rf"^stopped +{image}/2: It leaks\.$", shown, re.M)
    ask("restore", f"{image}/2")
    ask("channel", "set", image, "stable", "--none")
    assert code(image, "stable", "east") == 4


def test_several_architectures_are_listed_and_one_is_chosen(
    ask: Run, image: str, served: Served
) -> None:
    version = ask("channel", "set", image, "stable", "1", "--json").json["target"]["id"]
    with Client(served.server.url, served.world.secrets["alice"]) as server:
        body = {"version": version, "provider": "east", "identifier": f"{image}-arm"}
        server.post("/provider_machines", body | {"architecture": "arm64"})
    several = ask("resolve", image, "stable", "east")
    assert (several.code, several.out) == (5, "")
    assert "arm64, x86_64" in several.err
    for architecture, machine in (("arm64", f"{image}-arm"), ("x86_64", f"{image}-1")):
        named = ask("resolve", image, "stable", "east", "--architecture", architecture)
        assert named == (0, f"{machine}\n", "")


# ── deprecate, revoke, restore ─────────────────────────────────────────────────────────────


def test_a_deprecation_names_its_replacement_and_is_removed(ask: Run, image: str) -> None:
    said = ask("deprecate", f"{image}/1", "--reason", "Old.", "--replacement", f"{image}/2")
    assert said.code == 0
    assert f"Use {image}/2 instead.\n" in said.out
    at = later(clock.now(), days=3)
    announced = ask("deprecate", f"{image}/1", "--at", at)
    assert f"{image}/1 will be deprecated from {at}: Old.\n" in announced.out, "the rest stays"
    shown = ask("version", "show", f"{image}/1").out
    assert re.search(rf"^deprecation +{at}; Old\.; {image}/2$", shown, re.M)
    assert ask("deprecate", f"{image}/2", "--replacement", f"{image}/1").code == 5
    assert ask("deprecate", f"{image}/1", "--reason", " ").code == 1
    assert ask("deprecate", f"{image}/1", who="charlie").code == 3
    undone = ask("deprecate", f"{image}/1", "--undo")
    assert undone.out == f"{image}/1 is not deprecated.\n"
    assert ask("version", "show", f"{image}/1", "--json").json["deprecation"] is None


def changes(effect: Ended) -> dict[str, str]:
    assert effect.code == 0, effect.err
    return {name: change for _, name, change in effect.rows()}


def test_revoking_shows_the_impact_before_and_after(ask: Run, image: str) -> None:
    ask("channel", "set", image, "stable", "1")
    ask("channel", "set", image, "stable", "2")
    words = ("revoke", f"{image}/2", "--reason", "It leaks.", "--descendants")
    tried = ask(*words, "--dry-run")
    expected = {
        f"{image}/2": "current → revoked",
        f"{image}/3": "current → revoked",
        f"{image} stable": f"{image}/2 → {image}/1",
        f"{image} latest": f"{image}/3 → {image}/1",
    }
    assert changes(tried) == expected
    assert re.match("2 versions and 2 channels would change at ", tried.err)
    assert offered(ask, image) == f"{image}-2", "a dry run changes nothing"
    done = ask(*words)
    assert done.out == tried.out
    assert re.match("2 versions and 2 channels change at ", done.err)
    assert offered(ask, image) == offered(ask, image, "latest") == f"{image}-1"
    shown = ask("version", "show", f"{image}/3", "--json").json["revoked"]
    assert (shown["reason"], shown["inherited_from"]["name"]) == ("It leaks.", "2")

    assert ask(*words).code == 5, "already revoked"
    inherited = ask("restore", f"{image}/3")
    assert (inherited.code, "which it is built on. Restore " in inherited.err) == (5, True)
    undoing = ask("restore", f"{image}/2", "--dry-run")
    back = {name: " → ".join(reversed(change.split(" → "))) for name, change in expected.items()}
    assert changes(undoing) == back
    assert offered(ask, image) == f"{image}-1"
    assert ask("restore", f"{image}/2").out == undoing.out
    assert offered(ask, image) == f"{image}-2"
    assert ask("restore", f"{image}/2").code == 5


def test_invalid_revocations_are_refused(ask: Run, image: str) -> None:
    revoke = ("revoke", f"{image}/1")
    assert ask(*revoke).code == 2, "a reason is required"
    assert ask(*revoke, "--reason", " ").code == 1
    assert ask(*revoke, "--reason", "x" * 10_000).code == 1
    assert ask(*revoke, "--reason", "x", "--at", later(clock.now(), minutes=-6)).code == 1
    assert ask(*revoke, "--reason", "x", who="charlie").code == 3
    assert ask("revoke", f"{image}/none", "--reason", "x").code == 4
    assert ask("version", "show", f"{image}/1", "--json").json["revoked"] is None
    at = later(clock.now(), days=1)
    planned = ask(*revoke, "--reason", "x", "--at", at)
    assert changes(planned) == {f"{image}/1": "current → revoked"}
    assert at in planned.err
    assert ask("version", "show", f"{image}/1", "--json").json["state"] == "current"


def test_building_on_a_revoked_version_needs_an_explicit_option(ask: Run, image: str) -> None:
    ask("revoke", f"{image}/3", "--reason", "x")
    words = ("version", "create", "4", "--image", image, "--parent", f"{image}/3")
    assert ask(*words).code == 5
    assert ask(*words, "--allow-revoked-parent", "--not-for-latest").code == 0
    assert offered(ask, image, "latest") == f"{image}-2"
    listed = ask("version", "list", "--image", image, "--revoked", "--json").json
    assert [version["name"] for version in listed] == ["3"]


# ── whatis ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def fleet(ask: Run, image: str) -> str:
    """The image with 1 revoked, 2 deprecated and replaced, 3 current and newest, and 4 ended."""
    publish(ask, image, "4")
    ask("channel", "set", image, "stable", "3")
    ask("revoke", f"{image}/1", "--reason", "It\nleaks.")
    ask("deprecate", f"{image}/2", "--reason", "old", "--replacement", f"{image}/3")
    ask("version", "end", f"{image}/4")
    return image


def test_whatis_shows_versions_and_what_to_use_instead(ask: Run, fleet: str) -> None:
    asked = [f"{fleet}-{name}" for name in "1234"]
    told = ask("whatis", *asked, "ami-none", asked[0], who="")
    instead = f"latest {fleet}-3 (3); stable {fleet}-3 (3)"
    assert told.rows() == [
        [asked[0], fleet, "1", "revoked", "1", instead, "It leaks."],
        [asked[1], fleet, "2", "deprecated", "1", f"replacement {fleet}/3; {instead}", "old"],
        [asked[2], fleet, "3", "current", "0", "", ""],
        [asked[3], fleet, "4", "ended", "", instead, ""],
        ["ami-none", "", "", "unknown", "", "", ""],
    ]
    assert told.err == "5 ids: 1 current, 1 revoked, 1 deprecated, 1 ended, 1 unknown, 2 behind.\n"
    assert told.code == 0
    as_json = ask("whatis", *asked, "--json").json
    assert [one["identifier"] for one in as_json] == asked


SO = {
    "1": {"revoked", "behind"},
    "2": {"deprecated", "behind"},
    "3": set(),
    "4": {"ended"},
    "none": {"unknown"},
}


def test_whatis_fails_on_the_states_that_are_named(ask: Run, fleet: str) -> None:
    for name, what in SO.items():
        asked = ("whatis", f"{fleet}-3", f"{fleet}-{name}")
        for word in ("revoked", "deprecated", "ended", "unknown", "behind"):
            ended = ask(*asked, "--fail-on", word, who="")
            assert ended.code == (1 if word in what else 0), (name, word)
        several = ask(*asked, "--fail-on", "revoked,deprecated, ended", "--fail-on", "unknown")
        assert several.code == (1 if what else 0)
        assert ask(*asked).code == 0


def test_more_than_a_thousand_ids_from_stdin_are_sent_in_several_requests(
    ask: Run, fleet: str
) -> None:
    ids = [f"ami-{number}" for number in range(2345)] + [f"{fleet}-1"]
    told = ask("whatis", stdin="\n".join(["", *ids, "", *ids[:700], ""]))
    assert [row[0] for row in told.rows()] == ids
    assert told.err == "2,346 ids: 1 revoked, 2,345 unknown, 1 behind.\n"
    assert ask("whatis", stdin="").err == "0 ids.\n"


@pytest.mark.parametrize("who", ["", "charlie", "bob", "alice", "dora"])
def test_whatis_knows_what_the_reader_sees(ask: Run, who: str) -> None:
    told = ask("whatis", "open-east", "shared-east", "kept-east", "closed-east", who=who)
    known = {"": 1, "charlie": 1, "bob": 3}.get(who, 4)
    assert [row[3] for row in told.rows()] == ["current"] * known + ["unknown"] * (4 - known)
    assert ask("whatis", "open-east", "--provider", "east", who=who).rows()[0][3] == "current"
    elsewhere = ask("whatis", "open-east", "--provider", "west", who=who)
    assert elsewhere.code == (4 if who in ("", "charlie") else 0), "they see no such provider"
    assert elsewhere.code or elsewhere.rows()[0][3] == "unknown"


def test_whatis_reports_invalid_arguments(ask: Run) -> None:
    for words in (("x" * 5000,), ("a", "--fail-on", "old")):
        wrong = ask("whatis", *words, URL=UNREACHED)
        assert (wrong.code, wrong.out) == (2, "")
    assert ask("whatis", "a", URL=UNREACHED).code == 6
    assert ask("whatis", "a", "--provider", "a b").code == 4


# ── lineage and diff ───────────────────────────────────────────────────────────────────────


def test_a_lineage_is_printed_as_a_tree(ask: Run, image: str) -> None:
    publish(ask, image, "2b", "2")
    publish(ask, image, "2c", "2b")
    ask("revoke", f"{image}/2", "--reason", "x", "--descendants")
    ask("version", "end", f"{image}/3")
    told = ask("lineage", f"{image}/2")
    assert told.out.splitlines() == [
        f"{image}/1  current",
        f"{image}/2  revoked  (this one)",
        f"├── {image}/3  ended, also revoked, through {image}/2",
        f"└── {image}/2b  revoked, through {image}/2",
        f"    {image}/2c  revoked, through {image}/2",
    ]
    up = ask("lineage", f"{image}/2c", "--direction", "ancestors", "--depth", "1").out
    assert [line.split()[0] for line in up.splitlines()] == [f"{image}/2b", f"{image}/2c"]
    down = ask("lineage", f"{image}/1", "--direction", "descendants", "--depth", "0").out
    assert down == f"{image}/1  current  (this one)\n"
    seen = ask("lineage", f"{image}/2", who="").out
    assert f"{image}/3" not in seen, "only its editors may read what has ended"
    whole = ask("lineage", f"{image}/2", "--json").json
    assert (len(whole["nodes"]), len(whole["edges"]), whole["truncated"]) == (5, 4, False)
    assert ask("lineage", f"{image}/1", "--direction", "up").code == 2


def test_a_newer_parent_is_reported(ask: Run, image: str) -> None:
    publish(ask, image, "1b", "1")
    told = ask("lineage", f"{image}/2", "--depth", "1").out.splitlines()
    assert told == [
        f"{image}/1  current",
        f"{image}/2  current, outdated  (this one)",
        f"{image}/3  current, outdated",
    ]
    stale = ask("version", "list", "--image", image, "--stale", "--json").json
    assert {version["name"] for version in stale} == {"1b", "2", "3"}


def test_a_diff_shows_what_was_added_and_removed(ask: Run, image: str) -> None:
    ask("version", "edit", f"{image}/3", "--min-cpu", "4", "--license", "1")
    told = ask("diff", f"{image}/1", f"{image}/3")
    assert told.err == ""
    lines = told.out.splitlines()
    assert lines[:2] == [f"--- {image}/1", f"+++ {image}/3"]
    for part in (
        ["min_cpu", "  + 4"],
        ["licenses", "  + Apache 2.0"],
        ["machines", f"  - east={image}-1", f"  + east={image}-3"],
        ["parent", f"  + {image}/2"],
        [f"change log of {image}/2", "    log of 2", f"change log of {image}/3", "    log of 3"],
    ):
        start = lines.index(part[0])
        assert lines[start : start + len(part)] == part
    back = ask("diff", f"{image}/3", f"{image}/1").out.splitlines()
    assert back[back.index("min_cpu") + 1] == "  - 4"
    assert ask("diff", f"{image}/2").out.splitlines()[:2] == [f"--- {image}/1", f"+++ {image}/2"]
    first = ask("diff", f"{image}/1")
    assert (first.code, first.err) == (
        1,
        f"goldenrod: {image}/1 has no parent that you can see. Name two versions.\n",
    )
    apart = ask("diff", f"{image}/1", "open-image/open-1.0")
    assert "neither builds on the other" in apart.err
    assert ask("diff", f"{image}/2", f"{image}/2").out.splitlines()[2:] == []
    assert ask("diff", f"{image}/1", f"{image}/none").code == 4


def on_a_terminal(served: Served, *words: str) -> str:
    """The output of a command on a terminal."""
    master, slave = pty.openpty()
    env = environment("sqlite://", GOLDENROD_URL=served.server.url, TERM="xterm", COLUMNS="120")
    env["GOLDENROD_TOKEN"] = served.world.secrets["alice"]
    env.pop("NO_COLOR", None)
    with subprocess.Popen([*GOLDENROD, *words], env=env, stdout=slave, stdin=slave) as process:
        os.close(slave)
        said = b""
        try:
            while part := os.read(master, 65536):
                said += part
        except OSError:  # how Linux says that the other side is closed
            pass
        finally:
            os.close(master)
        assert process.wait(WAIT_S) == 0
    return said.decode().replace("\r\n", "\n")


def test_only_a_terminal_gets_colours(ask: Run, image: str, served: Served) -> None:
    for words in (("diff", f"{image}/2"), ("lineage", f"{image}/2")):
        shown = on_a_terminal(served, *words)
        piped = ask(*words).out
        assert "\x1b[3" in shown
        assert "\x1b" not in piped
        assert re.sub(r"\x1b\[[\d;]*m", "", shown) == piped


# ── the rest ───────────────────────────────────────────────────────────────────────────────


def test_usage_is_checked_before_any_request(ask: Run) -> None:
    for words in (
        ("channel", "set", "x", "stable"),
        ("channel", "set", "x", "stable", "1", "--none"),
        ("channel", "set", "x", "stable", "1", "--override"),
        ("channel", "edit", "x", "stable"),
        ("channel", "edit", "x", "stable", "--clear", "name"),
        ("channel", "edit", "x", "stable", "--group", "lab", "--clear", "groups"),
        ("channel", "edit", "x", "stable", "--days", "-1"),
        ("deprecate", "x/1", "--undo", "--reason", "y"),
        ("revoke", "x/1"),
        ("lineage", "x/1", "--depth", "-1"),
    ):
        wrong = ask(*words, URL=UNREACHED)
        assert (wrong.code, wrong.out) == (2, ""), words
