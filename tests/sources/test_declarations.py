"""Declarations of sources: each problem is reported with its file, its line and the reason."""

import pytest

from goldenrod.sources import declarations
from goldenrod.sources.declarations import InvalidDeclaration
from tests.test_docs import fenced, text

GOOD = """\
[[source]]
name = "one"
type = "aws"
owners = ["self"]

[[source.rules.rule]]
name = "plain"
match = '''
(?P<family>[a-z]+)-(?P<version>[0-9]+)'''

# the second
[[source]]
name = "two"
type = "packer"
files = [
  "a.json",
]
providers = {east = "us-east-1"}
rules.file = "rules.toml"
"""
RULES = """\
[[rule]]
name = "first"
match = '(?P<version>[0-9]+)-(?P<os>[a-z]+)'
image = "{os}"

[[rule]]
name = "second"
match = '(?P<os>[a-z]+)-(?P<version>[0-9]+)'
"""


def write(folder, text=GOOD, rules=RULES):
    (folder / "rules.toml").write_text(rules)
    path = folder / "sources.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_sources_and_their_rules_are_read(tmp_path):
    one, two = declarations.load(write(tmp_path))
    assert (one.name, two.files, two.providers) == ("one", ["a.json"], {"east": "us-east-1"})
    assert len(declarations.name_rules(one, tmp_path)) == 1
    assert len(declarations.name_rules(two, tmp_path)) == 2
    [bare] = declarations.load(
        write(tmp_path, '[[source]]\nname="x"\ntype="aws"\nowners=["self"]\n')
    )
    assert len(declarations.name_rules(bare, tmp_path)) == 19


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("owners", "ownrs", 4, "'ownrs' is not a key here"),
        ('files = [\n  "a.json",\n]\n', "", 12, "the key 'files' is required"),
        ('"packer"', '"paker"', 14, "type: invalid value 'paker' is not one of aws, openstack"),
        ('"us-east-1"', "1", 18, "providers: expected `str`, got `int`"),
        ('"two"', '"one"', 13, "two sources are named 'one'"),
        ("(?P<family>", "((?P<family>", 8, "rule 'plain': match is not a regular expression"),
        ("?P<version>", "?P<v>", 8, "rule 'plain': match names no group 'version'"),
        (
            'name = "plain"',
            'name = "plain"\nimage = "{os}"',
            8,
            "rule 'plain': image names a group",
        ),
        ('"rules.toml"', '"none.toml"', 19, "none.toml: No such file or directory"),
        ('[[source]]\nname = "two"', '[[source]\nname = "two"', 12, "is not TOML"),
    ],
)
def test_a_problem_is_reported_with_its_line(tmp_path, before, after, line, reason):
    assert before in GOOD
    path = write(tmp_path, GOOD.replace(before, after, 1))
    with pytest.raises(InvalidDeclaration) as wrong:
        declarations.load(path)
    assert str(wrong.value).startswith(f"{path}: line {line}: ")
    assert reason in str(wrong.value)


def test_a_problem_in_a_file_of_rules_is_reported_with_that_file(tmp_path):
    path = write(tmp_path, rules=RULES.replace("(?P<os>[a-z]+)-(?P", "(?P<os>[a-z]+-(?P"))
    with pytest.raises(InvalidDeclaration, match=r"rules\.toml: line 8: rule 'second': match is"):
        declarations.load(path)
    path = write(tmp_path, rules=RULES + "imgae = ''\n")
    with pytest.raises(InvalidDeclaration, match=r"rules\.toml: line 9: 'imgae' is not a key here"):
        declarations.load(path)


def test_a_file_that_is_no_toml_is_refused(tmp_path):
    nested = "x = " + "[" * 5000
    for raw in (b"\xff\n", b"\x00", b"<html>", b"a" * 1_100_000, nested.encode(), b""):
        with pytest.raises(InvalidDeclaration, match=r"sources\.toml: "):
            declarations.load(write(tmp_path, raw))
    with pytest.raises(OSError, match="No such file"):
        declarations.load(tmp_path / "none.toml")


def test_a_name_is_explained_rule_by_rule(tmp_path):
    _, two = declarations.load(write(tmp_path))
    assert declarations.explain(two, tmp_path, " debian-12 ") == [
        "source 'two' has 2 rules; the name is ' debian-12 '",
        "it is read as 'debian-12'",
        "rule 'first' does not match",
        "rule 'second' matches: os='debian', version='12'",
        "image: debian",
        "version: 12",
    ]
    assert declarations.explain(two, tmp_path, "?")[-1] == "it is skipped: no rule matches its name"
    assert "control characters" in declarations.explain(two, tmp_path, "a\x00b")[-1]


def test_the_declarations_of_the_documents_are_valid(tmp_path):
    (tmp_path / "rules.toml").write_text(RULES)
    seen = []
    for page in ("docs/building.md", "docs/names.md"):
        for block in fenced(text(page), "toml"):
            if "[[source]]" in block:
                [source] = declarations.load(write(tmp_path, block))
                seen.append((source.name, len(declarations.name_rules(source, tmp_path))))
            else:
                (tmp_path / "own.toml").write_text(block)
                assert len(declarations.rules_of_file(tmp_path / "own.toml")) == 1
    assert seen == [("packer", 0), ("aws", 21)]
