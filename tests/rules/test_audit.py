"""The audit's actions: listed in order, used by the code, and described in docs/access.md."""

import re
from pathlib import Path

import pytest

from goldenrod.rules.changes import audit

ROOT = Path(__file__).parent.parent.parent
CODE = ROOT / "src" / "goldenrod"


def described() -> list[str]:
    """The actions of the table in docs/access.md."""
    page = (ROOT / "docs" / "access.md").read_text("utf-8")
    section = page.split("\n## Audit\n")[1].split("\n## ")[0]
    return re.findall(r"^\| ([a-z_]+:[a-z]+) \|", section, re.MULTILINE)


def test_the_actions_are_in_alphabetical_order() -> None:
    assert list(audit.ACTIONS) == sorted(set(audit.ACTIONS))


def test_every_action_is_described_in_the_documentation() -> None:
    assert described() == list(audit.ACTIONS)


def test_every_action_is_recorded_somewhere() -> None:
    source = "".join(path.read_text("utf-8") for path in (CODE / "catalogue").rglob("*.py"))
    composed = {
        f"{resource}:{verb}"
        for resource in ("license", "script")
        for verb in re.findall(r'audit\.action\(kind, "([a-z]+)"\)', source)
    }
    literal = set(re.findall(r'"([a-z_]+:[a-z]+)"', source))
    assert set(audit.ACTIONS) <= literal | composed


def test_an_action_that_is_not_listed_is_refused() -> None:
    assert audit.action("license", "edit") == "license:edit"
    with pytest.raises(AssertionError, match="license:burn"):
        audit.action("license", "burn")
