"""The commands `image …` and `version …`, against a real server."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cast import IMAGES
from tests.support.processes.command_line import (
    UNREACHED,
    Ended,
    Run,
    Served,
    runner,
    serving_the_cast,
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_the_cast(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture
def ask(served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs commands as one of the cast, by default alice: `ask("image", "list", who="bob")`."""
    monkeypatch.setenv("GOLDENROD_URL", served.server.url)
    run = runner(monkeypatch, capsys)

    def asking(*arguments: str, who: str = "alice", **more: str) -> Ended:
        token = served.world.secrets.get(who, "")
        return run(*arguments, **{"TOKEN": token, **more})

    return asking


def slugs(listed: Ended) -> list[str]:
    return [image["slug"] for image in listed.json]


def test_the_list_has_the_images_that_the_reader_sees(ask: Run) -> None:
    assert set(slugs(ask("image", "list", "--json"))) >= {f"{name}-image" for name in IMAGES}
    public = slugs(ask("image", "list", "--json", who=""))
    assert "open-image" in public
    assert "closed-image" not in public
    assert slugs(ask("image", "list", "--json", "--tag", "shared-tag", who="bob")) == [
        "shared-image"
    ]
    hidden = ask("image", "list", "--json", "--tag", "shared-tag", who="charlie")
    assert (hidden.code, hidden.out) == (4, "")
    assert hidden.err == "goldenrod: There is no tag 'shared-tag' that you may see.\n"


def test_a_list_stops_at_its_limit_and_reports_it(ask: Run) -> None:
    cut = ask("version", "list", "--limit", "2", "--ordering=-name")
    assert len(cut.rows()) == 2
    assert cut.err == "There are more than 2. Use --limit to print more, or --all to print all.\n"
    whole = ask("version", "list", "--all", "--ordering=-name")
    assert len(whole.rows()) >= len(IMAGES)
    assert whole.rows()[:2] == cut.rows()
    assert whole.err == ""


def test_an_image_is_created_shown_and_changed(ask: Run) -> None:
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


def test_the_same_idempotency_key_creates_one_image(ask: Run) -> None:
    words = ("image", "create", "Once", "--idempotency-key", "k-1", "--json")
    assert ask(*words).json["id"] == ask(*words).json["id"]
    other = ask("image", "create", "Twice", "--idempotency-key", "k-1")
    assert other.code == 5


def test_refusals_exit_with_their_codes(ask: Run, served: Served) -> None:
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


def test_an_unreachable_server_is_reported(ask: Run) -> None:
    away = ask("image", "list", URL=UNREACHED)
    assert away.code == 6
    assert UNREACHED in away.err


def test_usage_is_checked_before_any_request(ask: Run) -> None:
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
        wrong = ask(*words, URL=UNREACHED)
        assert (wrong.code, wrong.out) == (2, ""), words


def test_licenses_and_scripts_are_made_listed_shown_and_changed(ask: Run, tmp_path: Path) -> None:
    made = ask("license", "create", "Lab terms", "--text", "MIT", "--json").json
    assert (made["type"], made["text"]) == ("SPDX", "MIT")
    key = str(made["id"])
    assert "Lab terms" in ask("license", "list", "--search", "terms", who="").out
    edited = ask("license", "edit", key, "--type", "URL", "--text", "https://lab.example", "--json")
    assert edited.json["text"] == "https://lab.example"
    assert "Lab terms" in ask("license", "show", key, who="charlie").out
    assert ask("license", "edit", key, "--title", "Mine", who="charlie").code == 3
    file = tmp_path / "join.sh"
    file.write_text("#!/bin/sh\njoin\n")
    script = ask(
        *("script", "create", "Join", "--text-file", str(file), "--every-boot", "--no-block"),
        "--json",
    ).json
    assert (script["text"], script["wait_for_deploy"]) == (file.read_text(), False)
    missing = ask("script", "show", str(script["id"]), who="bob")
    assert (missing.code, "There is no boot script" in missing.err) == (4, True)
    ask("version", "create", "scripted", "--image", "open-image", "--script", str(script["id"]))
    using = ask("version", "list", "--script", str(script["id"]), "--json", who="bob").json
    assert names_of(using) == ["scripted"]
    fixed = ask("script", "edit", str(script["id"]), "--text", "true")
    assert (fixed.code, "cannot change" in fixed.err) == (5, True)
    for nothing in (["license", "create", "No text"], ["script", "edit", str(script["id"])]):
        assert ask(*nothing).code == 2


def test_labels_are_given_changed_and_asked_for(ask: Run) -> None:
    words = ("--image", "open-image", "--label", "team=web", "--label", "note=a=b: c", "--json")
    made = ask("version", "create", "labelled", *words).json
    assert made["labels"] == {"note": "a=b: c", "team": "web"}
    one = "open-image/labelled"
    assert re.search(r"^labels +note=a=b: c\n +team=web$", ask("version", "show", one).out, re.M)
    changed = ask(
        *("version", "edit", one, "--label", "team=ops", "--remove-label", "note"),
        *("--label", "empty=", "--json"),
    ).json
    assert changed["labels"] == {"empty": "", "team": "ops"}
    listed = ask("version", "list", "--label", "team=ops", "--label", "empty:", "--json").json
    assert [version["name"] for version in listed] == ["labelled"]
    assert ask("version", "list", "--label", "team=ops", "--label", "empty=x", "--json").json == []
    several = ask("version", "list", "--state", "scheduled,current", "--all", "--json").json
    assert {version["state"] for version in several} == {"scheduled", "current"}
    wrong = ask("version", "edit", one, "--label", "team")
    assert (wrong.code, "'team' is not KEY=VALUE" in wrong.err) == (2, True)
    assert ask("version", "edit", one, "--clear", "labels", "--json").json["labels"] == {}
