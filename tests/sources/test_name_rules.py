"""Rules for names: the shipped ones read real names, and no rule makes reading slow."""

import gzip
import json
import time
from importlib import import_module
from pathlib import Path

import pytest

from goldenrod import demo
from goldenrod.sources import aws_ecs_file, name_rules
from goldenrod.sources.name_rules import InvalidRule, NameRules, RuleText, shipped_rules
from tests.support.processes.programs import library

DATA = Path(__file__).parent / "data"
SHIPPED = NameRules(shipped_rules())


def rule(match: str, **more) -> RuleText:
    return RuleText(name="own", match=match, **more)


def test_the_shipped_rules_read_all_real_names_as_expected():
    lines = (DATA / "ami-names.tsv").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    assert (len(rows), len(SHIPPED)) == (69, 19)
    for _family, _cloud, _owner, name, image, version, date in rows:
        read = SHIPPED.read(name)
        if image == "-":
            assert isinstance(read, str), name
        else:
            day = None if date == "-" else f"{date[:4]}-{date[4:6]}-{date[6:]}"
            assert not isinstance(read, str), (name, read)
            assert (read.image, read.version) == (image, version), name
            assert (read.date and read.date[:10]) == day, name


def test_the_shipped_rules_read_amazons_container_images_like_their_own_reader():
    assert_read_alike({json.loads(line)["name"] for line in demo.ami_lines()}, 146, 146)


@pytest.mark.long
def test_the_shipped_rules_read_all_1635_names_of_amazons_container_images_like_their_own_reader():
    library("moto", "clouds-test")
    moto = import_module("moto")
    folder = Path(str(moto.__file__)).parent / "ec2/resources/ecs/optimized_amis"
    files = [json.loads(gzip.decompress(file.read_bytes())) for file in folder.glob("*.json.gz")]
    assert_read_alike({row["name"] for rows in files for row in rows}, 1635, 1611)


def assert_read_alike(names: set[str], known: int, readable: int):
    own = {name: aws_ecs_file._read_name(name) for name in names}
    expected = {
        name: (one.image, one.version, one.start_date)
        for name, one in own.items()
        if not isinstance(one, str)
    }
    assert (len(names), len(expected)) == (known, readable)
    read = {name: SHIPPED.read(name) for name in names}
    found = {name: one[1:4] for name, one in read.items() if not isinstance(one, str)}
    assert found == expected


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        (rule("(a"), "match", "not a regular expression"),
        (rule("a+"), "match", "no group 'version'"),
        (rule("(?P<v>a)", version="{v}"), "match", "needs image"),
        (rule("(?P<version>a)", image="{os}"), "image", "a group that match has not: os"),
        (rule("(?P<version>a)", version="{w}"), "version", "a group that match has not: w"),
        (rule("(?P<version>a)(?P<region>b)", image="i-{region}"), "image", "'region'"),
        (rule("(?P<version>a)", image="i[-{version}"), "image", "a bracket or brace"),
        (rule("(?P<version>(a|a)*)b"), "match", "takes too long"),
        (rule("(?P<version>([a-z]|[a-f])+-?)*!"), "match", "takes too long"),
        (rule("image-(?P<version>([a-z]|[a-f])*) !"), "match", "takes too long"),
        (rule("(?P<version>" + "a" * 5000 + ")"), "match", "longer than"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_with_the_reason(text, field, reason, monkeypatch):
    monkeypatch.setattr(name_rules, "_MOST_SECONDS", 0.05)
    with pytest.raises(InvalidRule, match="rule 'own': .*" + reason.replace("|", r"\|")) as wrong:
        NameRules([text])
    assert wrong.value.field == field


def test_a_rule_that_is_slow_only_for_some_names_costs_a_bounded_time(monkeypatch):
    monkeypatch.setattr(name_rules, "_MOST_SECONDS", 0.02)
    rules = NameRules([rule("[p]refix(?P<version>([a-z]|[a-f])*)!"), rule("(?P<version>[0-9]+)")])
    began = time.monotonic()
    for _ in range(200):
        assert "takes too long" in str(rules.read("prefix" + "a" * 250))
    assert time.monotonic() - began < 5
    assert rules.explain("prefix" + "a" * 250) == []


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "a\nb", "\x00", "x" * 257, "x" * 40_000, "\ud800"]
)
def test_an_unusable_name_is_skipped(name):
    assert SHIPPED.read(name) == name_rules.UNUSABLE
    assert SHIPPED.explain(name) == []
