"""`goldenrod publish`: versions from a manifest of Packer, against a real server."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes.command_line import (
    UNREACHED,
    Ended,
    Run,
    Served,
    runner,
    serving_the_cast,
)

NUMBERS = count(1)
Publish = Callable[..., Ended]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_the_cast(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture
def run(served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs commands as alice."""
    monkeypatch.setenv("GOLDENROD_URL", served.server.url)
    monkeypatch.setenv("GOLDENROD_TOKEN", served.world.secrets["alice"])
    return runner(monkeypatch, capsys)


def build(number: int, **more: Any) -> dict[str, Any]:
    """A build of an OpenStack image, with the given fields."""
    given = {
        "name": "open-image",
        "builder_type": "openstack",
        "build_time": 1_700_000_000 + number,
        "artifact_id": f"image-{number}",
        "packer_run_uuid": "run",
    }
    return given | more


def write(path: Path, *builds: dict[str, Any]) -> str:
    path.write_text(json.dumps({"builds": builds, "last_run_uuid": "run"}))
    return str(path)


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., str]:
    """Writes a manifest with one build, or with builds that differ by these fields."""

    def written(*differing: dict[str, Any]) -> str:
        builds = [build(next(NUMBERS), **more) for more in differing or ({},)]
        return write(tmp_path / f"{next(NUMBERS)}.json", *builds)

    return written


TO_EAST = ("--image", "open-image", "--provider", "east")


def shown(run: Run, version: str) -> Any:
    return run("version", "show", version, "--json").json


def test_a_version_is_published_with_machines_parent_change_log_and_channels(
    run: Run, manifest: Callable[..., str], tmp_path: Path
) -> None:
    log = tmp_path / "CHANGES.md"
    log.write_text("* Größer.")
    two = manifest({"artifact_id": "p-1"}, {"artifact_id": "us-1:ami-1", "builder_type": "x"})
    ended = run(
        *("publish", two, *TO_EAST, "--version", "p1", "--parent", "open-image/open-1.0"),
        *("--change-log-file", str(log), "--channel", "candidate", "--channel", "edge"),
        *("--expect", "2", "--architecture", "arm64"),
    )
    assert ended.err == ""
    assert ended.out == (
        "Published open-image/p1 with 2 machines (east) and assigned it to candidate, edge.\n"
    )
    version = shown(run, "open-image/p1")
    assert version["parent"]["name"] == "open-1.0"
    assert version["change_log"] == "* Größer."
    assert version["start_date"].startswith("2023-11-14T22:13:")
    assert sorted(machine["identifier"] for machine in version["machines"]) == ["p-1", "us-1:ami-1"]
    channel = run("channel", "show", "open-image", "candidate", "--json").json
    assert channel["target"]["name"] == "p1"


def test_custom_data_regions_and_rules_say_what_is_published(
    run: Run, manifest: Callable[..., str], tmp_path: Path
) -> None:
    amis = "eu-west-1:ami-0123456789abcdef0,us-east-1:ami-0123456789abcdef1"
    custom = {
        "image": "open-image",
        "version": "p2",
        "change_log": "From Packer.",
        "parent": "open-1.0",
    }
    one = manifest({"builder_type": "amazon-ebs", "artifact_id": amis, "custom_data": custom})
    regions = (
        "--provider",
        "eu-west-1=east",
        "--provider",
        "us-east-1=west",
        "--expect",
        "east,west",
    )
    ended = run("publish", one, *regions, "--json")
    assert ended.code == 0, ended.err
    [outcome] = ended.json
    assert (outcome["outcome"], outcome["changes"]) == ("created", [])
    places = [machine["provider"]["slug"] for machine in outcome["version"]["machines"]]
    assert sorted(places) == ["east", "west"]
    assert outcome["version"]["change_log"] == "From Packer."
    assert outcome["version"]["parent"]["name"] == "open-1.0"
    rules = tmp_path / "rules.toml"
    rules.write_text(
        "[[rule]]\nname='own'\nmatch='(?P<os>[a-z]+)-(?P<version>p[0-9]+)'\nimage='{os}-image'\n"
    )
    two = manifest({"custom_data": {"vm_name": "open-p3"}}, {"custom_data": {"vm_name": "kept-p3"}})
    ended = run("publish", two, "--provider", "east", "--rules", str(rules))
    assert ended.out.splitlines() == [
        "Published open-image/p3 with 1 machine (east).",
        "Published kept-image/p3 with 1 machine (east).",
    ]


def test_a_version_that_exists_is_refused_skipped_or_updated(
    run: Run, manifest: Callable[..., str], tmp_path: Path
) -> None:
    options = (*TO_EAST, "--version", "p4")
    first = manifest({"artifact_id": "p4-a"})
    assert run("publish", first, *options).code == 0
    before = shown(run, "open-image/p4")
    again = run("publish", first, *options)
    assert (again.code, "version_name_taken" in again.err, again.out) == (5, False, "")
    skipped = run("publish", first, *options, "--if-exists", "skip", "--channel", "four")
    assert skipped.out == "open-image/p4 exists already; nothing was changed.\n"
    same = run("publish", first, *options, "--if-exists", "update")
    assert same.out == "open-image/p4 has it all already; nothing was changed.\n"
    assert shown(run, "open-image/p4") == before
    more = manifest({"artifact_id": "p4-a"}, {"artifact_id": "p4-b"})
    update = (*options, "--if-exists", "update", "--channel", "four", "--change-log", "More.")
    updated = run("publish", more, *update, "--architecture", "arm64")
    assert updated.out == (
        "Updated open-image/p4: architecture of east=p4-a, machine east=p4-b, change_log, "
        "channel four.\n"
    )
    after = shown(run, "open-image/p4")
    assert {machine["identifier"] for machine in after["machines"]} == {"p4-a", "p4-b"}
    assert (after["change_log"], after["start_date"]) == ("More.", before["start_date"])
    unchanged = run("publish", more, *update, "--architecture", "arm64", "--json")
    assert [one["outcome"] for one in unchanged.json] == ["unchanged"]
    # The cloud gave an id again: it is another build now.
    assert run("publish", first, *TO_EAST, "--version", "p4-again").code == 0
    [left] = [one["identifier"] for one in shown(run, "open-image/p4")["machines"]]
    assert left == "p4-b"


def test_what_cannot_be_published_whole_is_not_published(
    run: Run, manifest: Callable[..., str], tmp_path: Path
) -> None:
    two = manifest({}, {"artifact_id": ""})
    partly = run("publish", two, *TO_EAST, "--version", "p5")
    assert partly.code == 1
    assert "build 2 (open-image): it has neither an id nor files" in partly.err
    assert "--allow-skipped" in partly.err
    for more, code, words in (
        (("--expect", "3"), 1, "has 2 builds of this run, but 3 are expected"),
        (("--expect", "east,west", "--allow-skipped"), 1, "has no machine on west"),
        (("--run", "other"), 1, "no builds of the run 'other'"),
        (("--if-exists", "maybe"), 2, "maybe"),
        (("--provider", "west"), 2, "'west' is not one PROVIDER"),
        (("--parent", "open-image/none", "--allow-skipped"), 4, "no version 'open-image/none'"),
        (("--rules", str(tmp_path / "none.toml")), 1, "none.toml: No such file"),
        (("--channel", "latest", "--allow-skipped"), 5, "computed"),
        (("--channel", "No!", "--allow-skipped"), 1, "is not the name of a channel"),
    ):
        refused = run("publish", two, *TO_EAST, "--version", "p5", *more)
        assert (refused.code, refused.out) == (code, ""), refused
        assert words in refused.err.replace("\n│ ", " "), refused.err
    cut = tmp_path / "cut.json"
    cut.write_text(Path(two).read_text()[:-5])
    assert "Was Packer still running?" in run("publish", str(cut), *TO_EAST).err
    assert run("publish", str(tmp_path / "none.json"), *TO_EAST).code == 1
    rules = tmp_path / "bad.toml"
    rules.write_text("[[rule]]\nname='x'\nmatch='('\n")
    assert (
        "bad.toml: line 3: rule 'x': match is not" in run("publish", two, "--rules", str(rules)).err
    )
    assert run("publish", manifest({}), "--image", "none", "--provider", "east").code == 4
    assert run("version", "show", "open-image/p5").code == 4
    ended = run("publish", two, *TO_EAST, "--version", "p5", "--allow-skipped")
    assert ended.out == "Published open-image/p5 with 1 machine (east).\n"


def test_a_channel_says_what_it_requires(run: Run, manifest: Callable[..., str]) -> None:
    assert run("channel", "set", "open-image", "strict", "open-1.0").code == 0
    assert run("channel", "edit", "open-image", "strict", "--on", "west").code == 0
    refused = run("publish", manifest({}), *TO_EAST, "--version", "p6", "--channel", "strict")
    assert refused.code == 5
    assert (
        "the requirements of the channel strict. It needs a current machine on west." in refused.err
    )
    assert run("version", "show", "open-image/p6").code == 4


def test_a_dry_run_asks_no_server(run: Run, manifest: Callable[..., str]) -> None:
    one = manifest({"artifact_id": "p7", "build_time": 4_000_000_000})
    options = (*TO_EAST, "--version", "p7", "--channel", "c", "--dry-run")
    dry = run("publish", one, *options, "--json", URL=UNREACHED)
    assert dry.json == [
        {
            "name": "p7",
            "image": "open-image",
            "machines": [{"provider": "east", "identifier": "p7", "take_identifier": True}],
            "channels": ["c"],
        }
    ]
    assert "east=p7" in run("publish", one, *options, URL=UNREACHED).out
