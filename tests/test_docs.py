"""The documents agree with the code, and the README's first publish is run as it stands there.

`docs/commands.md` is what `--help` says of every command; the tables of settings and of error codes
are those of the code:

    python -m tests.test_docs       writes these anew
"""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from msgspec.structs import fields

from goldenrod.base import decode, errors
from goldenrod.base import text as words
from goldenrod.base.config import SETTINGS
from goldenrod.catalogue.accounts import password_sign_in
from goldenrod.catalogue.channels import lookup
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.cli.main import COMMANDS, GROUPS, command
from goldenrod.rules.changes import idempotency
from goldenrod.sources import aws
from goldenrod.sources.found import Found
from goldenrod.store import drivers as store
from goldenrod.store import paging
from goldenrod.web import request_body
from goldenrod.web.api.routes import ROUTES, Route
from goldenrod.web.docs.error_codes import CODES
from tests.support.processes.server import environment, running

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
HELP = DOCS / "commands.md"
WIDTH = 100

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
ONE_MACHINES = re.compile(r"(?<![\w.:/])/(wor[k]|roo[t]|hom[e]|tm[p]|User[s])/")
COMMAND = re.compile(r"(?<![\w./-])goldenrod ((?:[a-z]+ ?)+|--[a-z-]+)")
RAISED = re.compile(r'\b(?:code=|default_code = )"([a-z_]+)"')


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def fenced(page: str, language: str) -> list[str]:
    """The contents of a page's code blocks in one language."""
    return [body for kind, body in FENCED.findall(page) if kind == language]


def rows(page: str) -> list[list[str]]:
    """The cells of all lines of a page's tables, the lines under the heads left out."""
    lines = [line for line in FENCED.sub("", page).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def first_cells(page: str) -> dict[str, list[str]]:
    """The rows of a page's tables that begin with one word in code, by that word."""
    found = {}
    for cells in rows(page):
        if word := re.fullmatch(r"`([^` ]+)`", cells[0]):
            found[word[1]] = cells
    return found


def sections(page: str, level: int) -> dict[str, str]:
    """A page's sections of one level, by heading; each ends at the next of its level or above."""
    parts = re.split(rf"^(#{{1,{level}}}) (.+)$", FENCED.sub("", page), flags=re.MULTILINE)
    found = zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    return {heading: body for marks, heading, body in found if len(marks) == level}


# ── the command line ───────────────────────────────────────────────────────────────────────


def help_of(path: str) -> str:
    """What `--help` says of a command, a group, or (for no words) of the whole."""
    out = io.StringIO()
    with redirect_stdout(out):
        command().main(
            [*path.split(), "--help"],
            prog_name="goldenrod",
            standalone_mode=False,
            terminal_width=WIDTH,
            max_content_width=WIDTH,
        )
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def command_reference() -> str:
    """The text of docs/commands.md."""
    parts = [
        "# Commands\n\nWhat `--help` says of every command. `image` and `version` ask a server; the "
        "others work on\nthe database that the [settings](operating.md#settings) name.\n"
    ]
    for path in ["", *COMMANDS]:
        heading = f"goldenrod {path}".rstrip()
        parts.append(f"\n## {heading}\n\n```\n{help_of(path)}\n```\n")
    return "".join(parts)


def test_the_command_reference_is_what_help_says() -> None:
    assert HELP.read_text("utf-8") == command_reference(), (
        "run `python -m tests.test_docs` to write docs/commands.md anew"
    )


def named_commands() -> Iterator[tuple[str, str]]:
    """Every command that the pages name, with the page."""
    for page in PAGES:
        if page != HELP:
            for found in COMMAND.findall(code_of(page.read_text("utf-8"))):
                yield page.name, found.strip()


def code_of(page: str) -> str:
    """What stands in a page as code, spans and blocks."""
    blocks = [body for _, body in FENCED.findall(page)]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", FENCED.sub("", page))])


def test_commands_that_are_named_exist() -> None:
    unknown = [(page, named) for page, named in named_commands() if not exists(named)]
    assert not unknown
    assert {named.split()[0] for _, named in named_commands()} >= {"serve", "token", "version"}


def exists(named: str) -> bool:
    """Whether the words after `goldenrod` begin with a command, or are a group's name alone."""
    first, *rest = named.split()
    if first in GROUPS:
        return not rest or f"{first} {rest[0]}" in COMMANDS
    return first in COMMANDS or first in help_of("").split()


def test_options_in_examples_exist() -> None:
    for page in PAGES:
        blocks = "\n".join(fenced(page.read_text("utf-8"), "sh")).replace("\\\n", " ")
        for line in blocks.splitlines():
            for named in COMMAND.findall(line):
                path = " ".join(named.split()[:2])
                path = path if path in COMMANDS else named.split()[0]
                said = help_of(path)
                called = line[line.index(f"goldenrod {named}") :]
                for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", called):
                    assert re.search(rf"{option}(?![\w-])", said), (
                        f"{page.name}: goldenrod {path} takes no {option}"
                    )


# ── settings, errors ───────────────────────────────────────────────────────────────────────


def setting_table() -> str:
    """The table of settings in docs/operating.md."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default else "none"
        lines.append(f"| `{setting.variable}` | {default} | {setting.meaning} |")
    return "\n".join(lines) + "\n"


def error_table() -> str:
    """The table of codes in docs/api.md."""
    lines = ["| code | status | when |", "|---|---|---|"]
    lines += [f"| `{code}` | {status} | {meaning} |" for code, (status, meaning) in CODES.items()]
    return "\n".join(lines) + "\n"


def with_table(page: str, table: str) -> str:
    """The page with this table in place of the one under the same head."""
    head = re.escape(table.partition("\n")[0])
    replaced, times = re.subn(rf"^{head}\n(\|.*\n)+", lambda _: table, page, flags=re.MULTILINE)
    assert times == 1
    return replaced


def test_the_tables_of_settings_and_errors_are_those_of_the_code() -> None:
    for name, table in GENERATED_TABLES.items():
        assert table() in text(name), f"run `python -m tests.test_docs` to write {name} anew"


GENERATED_TABLES = {"docs/operating.md": setting_table, "docs/api.md": error_table}


def test_no_other_setting_is_named() -> None:
    named = {name for page in PAGES for name in re.findall(r"GOLDENROD_\w+", page.read_text())}
    assert named == {setting.variable for setting in SETTINGS}


def test_every_code_that_is_raised_is_told() -> None:
    told = {*CODES, *first_cells(sections(text("docs/operating.md"), 2)["Codes outside the API"])}
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    raised = {*RAISED.findall(source)}
    raised |= {kind.default_code for kind in [errors.Problem, *errors.Problem.__subclasses__()]}
    raised |= {*re.findall(r'ClientError\(\s*\d+, "([a-z_]+)"', source)}
    assert {"not_found", "field_invalid", "user_not_found", "server_unreachable"} <= raised
    assert not raised - told, "codes that no document tells"
    assert not told - raised - _composed(source), "codes that nothing raises"


def _composed(source: str) -> set[str]:
    """Codes that the source puts together or passes on: named in it as a text, or by their end."""
    ends = {*re.findall(r'code=f"\{\w+\}(_\w+)"', source)}
    starts = {*re.findall(r'code=f"(\w+_)\{\w+\}"', source)}
    return {
        code
        for code in CODES
        if any(code.endswith(end) for end in ends) or any(code.startswith(s) for s in starts)
    }


def test_boot_checks_are_told() -> None:
    told = first_cells(sections(text("docs/operating.md"), 2)["Starting"])
    source = text("src/goldenrod/cli/check.py")
    assert {id_ for id_ in told if id_.startswith("goldenrod.")} == {
        *re.findall(r'"(goldenrod\.[EW]\d{3})"', source)
    }


# ── the API ────────────────────────────────────────────────────────────────────────────────


def test_every_address_is_told_with_its_methods() -> None:
    told: dict[str, set[str]] = {}
    for cells in rows(sections(text("docs/api.md"), 2)["Addresses"]):
        for address in re.findall(r"`([^`]+)`", cells[0]):
            told[address] = {*cells[1].split(", ")}
    served: dict[str, set[str]] = {}
    for route in ROUTES:
        for path in route.paths("/api/v2"):
            served.setdefault(path.replace("{key}", "{id}"), set()).add(route.method)
    assert told == served


LISTS = [route for route in ROUTES if route.lists is not None]


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.path)
def test_every_filter_of_a_list_is_told(route: Route) -> None:
    address = f"`{route.path.replace('{key}', '{id}')}`"
    found = [part for part in sections(text("docs/api.md"), 3).values() if address in part]
    assert len(found) == 1, f"one section tells of the list {address}"
    section = found[0]
    listing = route.lists
    assert listing is not None
    told = {name: cells[1] for name, cells in first_cells(section).items()}
    assert told == {name: takes.takes for name, takes in listing.filters.items()}
    assert all(cells[2] for cells in first_cells(section).values())
    sentence = section.strip().split("\n\n")[0]
    orders = re.findall(r"`(-?\w+)`", sentence.replace(address, ""))
    assert orders == [
        listing.default,
        *(name for name in listing.orders if name != listing.default.removeprefix("-")),
    ]


def test_every_field_of_a_body_is_told() -> None:
    told = {}
    for name, cells in first_cells(sections(text("docs/api.md"), 2)["Fields"]).items():
        told[name] = tuple({*filter(None, cell.split(", "))} for cell in cells[1:])
    taken: dict[str, dict[str, set[str]]] = {}
    for route in ROUTES:
        if route.takes is not None:
            resource = re.sub(r"/\{\w+\}$", "", route.path).removeprefix("/")
            resource = resource.replace("{key}", "{id}")
            by_method = taken.setdefault(resource, {"POST": set(), "PATCH": set()})
            by_method["PATCH" if route.method == "PATCH" else "POST"] = {
                f"**{field.name}**" if field.required else field.name
                for field in fields(route.takes)
            }
    assert told == {name: (by["POST"], by["PATCH"]) for name, by in taken.items()}


def test_limits_are_those_of_the_code() -> None:
    limits = {
        "a body": [request_body.MOST_BODY // 2**20, decode.MOST_DEPTH],
        "a name": [decode.MOST_NAME],
        "a change log, description or text": [decode.MOST_TEXT_BYTES // 2**10],
        "a list in a body": [decode.MOST_ITEMS],
        "a page": [paging.MOST_PER_PAGE, paging.PAGE_SIZE],
        "a search": [words.MOST_WORDS, words.MOST_CHARACTERS],
        "ids in a look-up": [lookup.MOST_IDENTIFIERS, lookup.MOST_CHARACTERS],
        "versions in a lineage": [lineage.MOST_NODES],
        "versions shown inside an image": [images.NEWEST],
        "failed sign-ins in a quarter of an hour": [
            password_sign_in.MOST_BY_ACCOUNT,
            password_sign_in.MOST_BY_ADDRESS,
        ],
        "an Idempotency-Key is kept for": [idempotency.HOURS_STORED],
        "waiting for SQLite's other writer": [store.BUSY_TIMEOUT_MS // 1000],
    }
    told = {cells[0]: cells[1] for cells in rows(sections(text("docs/operating.md"), 2)["Limits"])}
    for what, numbers in limits.items():
        shown = [int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*", told[what])]
        assert shown[: len(numbers)] == numbers, what


def test_an_imported_line_becomes_what_is_told() -> None:
    page = text("docs/importing.md")
    [line] = fenced(page, "json")
    [found] = aws.parse([line.encode()])
    assert isinstance(found, Found)
    told = set(re.findall(r"`([^`]+)`", sections(page, 2)["What becomes of a line"]))
    assert {found.image, found.version, *found.tags, found.machines[0].provider_type} <= told


# ── the pages themselves ───────────────────────────────────────────────────────────────────


def anchors(page: str) -> set[str]:
    """The anchors that a page's headings are, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    content = page.read_text("utf-8")
    for link in LINK.findall(FENCED.sub("", content)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.is_file(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), f"{link}: there is no such heading"


def test_every_page_is_reached_from_the_readme() -> None:
    reached = {link.partition("#")[0] for link in LINK.findall(text("README.md"))}
    assert {page.relative_to(ROOT).as_posix() for page in PAGES[1:]} <= reached


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_path_of_one_machine_is_named(page: Path) -> None:
    assert not ONE_MACHINES.findall(page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_in_json_are_json(page: Path) -> None:
    for block in fenced(page.read_text("utf-8"), "json"):
        json.loads(block)


def test_modules_that_are_named_exist() -> None:
    for page in ("README.md", "docs/architecture.md"):
        spans = re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?|\w+\.py)(?::[^`]*)?`", text(page))
        assert spans
        for span in spans:
            places = [ROOT / span, ROOT / "src" / "goldenrod" / span]
            places += (ROOT / "src" / "goldenrod").glob(f"*/{span}")
            assert any(place.exists() for place in places), f"{page}: there is no {span}"


# ── the first publish ──────────────────────────────────────────────────────────────────────


def test_the_first_publish_works_as_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'first.db'}"
    section = text("README.md").partition("\n## A first publish\n")[2].partition("\n## ")[0]
    blocks = fenced(section, "sh")
    assert blocks[0].count("goldenrod serve &\n") == 1
    with running(url, tmp_path / "stderr") as server:
        script = "set -euo pipefail\n" + "".join(blocks).replace("goldenrod serve &\n", "")
        script = script.replace("http://127.0.0.1:8000", server.url)
        script = script.replace("curl -s ", "curl -s --fail-with-body -w '\\n' ")
        env = environment(url)
        env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    listed = json.loads(done.stdout.strip().splitlines()[-1])
    newest, first = listed["results"]
    assert (listed["count"], newest["name"], first["name"]) == (2, "2026-04-11", "2026-03-14")
    assert newest["parent"]["id"] == first["id"]
    assert newest["change_log"] == "Security updates; OpenSSL 3.5."
    assert newest["machines"][0]["identifier"] == "ami-0fedcba9876543210"


if __name__ == "__main__":
    HELP.write_text(command_reference(), "utf-8")
    for name, table in GENERATED_TABLES.items():
        (ROOT / name).write_text(with_table(text(name), table()), "utf-8")
    print(f"Written: {HELP.relative_to(ROOT)}, and the tables in {', '.join(GENERATED_TABLES)}.")
