"""Everything that has a name is in the documents: the addresses that the application really serves, the
parameters of the API, commands, settings, defences. `tests/test_docs.py` holds what is generated."""

import re
from pathlib import Path
from typing import Any

import falcon
import falcon.inspect
import pytest

from goldenrod.base import config
from goldenrod.base.config import SETTINGS
from goldenrod.cli.main import COMMANDS
from goldenrod.store.db import Database
from goldenrod.web.api.routes import ROUTES
from goldenrod.web.app import API, build_app

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
GUIDES = "\n".join(path.read_text("utf-8") for path in DOCS if path.name != "commands.md")
FILES = re.compile(r"(/static|/docs/assets)/.*")
"""What pages load: documented as a folder."""


def norm(address: str) -> str:
    """An address without the names of its parts and its query."""
    return re.sub(r"\{[^}]*\}", "{}", address.partition("?")[0])


def documented_addresses() -> set[str]:
    """The addresses in the documents. `…/end` after another on the same line has its beginning."""
    found = set()
    for line in GUIDES.splitlines():
        base = ""
        for span in re.findall(r"`(?:[A-Z]+ )?((?:/|…/)[^` ]*)`", line):
            if span.startswith("/"):
                base = norm(span)
                found.add(base)
            elif base:
                parts = base.split("/")
                found |= {"/".join(parts[:n]) + norm(span[1:]) for n in range(1, len(parts) + 1)}
    return found


def served(db: Database, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The addresses that the application has."""
    made: list[falcon.App] = []

    class Recorded(falcon.App):
        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            made.append(self)

    monkeypatch.setattr(falcon, "App", Recorded)
    build_app(db, config.load({}))
    return {norm(route.path) for app in made for route in falcon.inspect.inspect_routes(app)}


def test_every_address_that_is_served_is_documented(
    sqlite_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    documented = documented_addresses()
    addresses = served(sqlite_db, monkeypatch)
    assert {"/healthz", "/account", "/openapi.json", "/resolve/{}/{}"} <= addresses
    missing = {
        address
        for address in addresses
        if FILES.sub(r"\1/…", address) not in documented
        # The API's own paths have a table: tests/test_docs.py compares it with the routes.
        and not address.startswith(API)
        and address not in {norm(route.path.replace(":path", "")) for route in ROUTES}
    }
    assert not missing


def test_every_parameter_of_an_address_is_documented() -> None:
    for route in ROUTES:
        for name in route.options:
            assert re.search(rf"`\??{name}[`=]|[?&]{name}=", GUIDES), (route.path, name)


def test_every_command_and_every_setting_is_explained_beside_its_table() -> None:
    reference = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert all(f"## goldenrod {path}\n" in reference for path in COMMANDS)
    assert all(f"| `{setting.variable}` | " in GUIDES for setting in SETTINGS)


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_no_row_of_a_table_is_there_twice(page: Path) -> None:
    tables = re.findall(r"^\|.*\n\|[-| ]+\n((?:\|.*\n)+)", page.read_text("utf-8"), re.MULTILINE)
    for table in tables:
        rows = table.splitlines()
        assert len(rows) == len({*rows})
        if page.name not in ("performance.md", "api.md"):
            firsts = [row.split("|")[1] for row in rows]
            assert len(firsts) == len({*firsts}), page.name


def test_each_defence_names_the_tests_that_hold_it() -> None:
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ") and "`tests/" in line
    ]
    assert len(rows) > 35
    for row in rows:
        files = re.findall(r"`(tests/[\w/]+\.py)`", row[-1])
        assert files and all("def test_" in (ROOT / file).read_text("utf-8") for file in files), row
    entries = text.partition("## Entry points")[2].partition("## What is not")[0]
    for line in entries.splitlines():
        if line.startswith("| ") and not line.startswith(("| attack", "|---")):
            assert "`tests/" in line, f"nothing holds: {line}"
