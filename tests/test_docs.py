"""The documents match the code, and the README's commands are run as written.

`docs/commands.md` and the tables of settings and of error codes are generated from the code:

    python -m tests.test_docs       writes them again
"""

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from msgspec.structs import fields

from goldenrod.base import decode, errors
from goldenrod.base import text as words
from goldenrod.base.config import SETTINGS
from goldenrod.catalogue.accounts import password_hashing, password_rules, password_sign_in
from goldenrod.catalogue.channels import lookup
from goldenrod.catalogue.images import images
from goldenrod.catalogue.versions.lineage import lineage
from goldenrod.catalogue.webhooks import http_sender, outbox, webhooks, worker
from goldenrod.cli.main import COMMANDS, GROUPS, command
from goldenrod.rules import filters
from goldenrod.rules.changes import events, idempotency, labels, security_log
from goldenrod.sources import aws_ecs_file
from goldenrod.sources.found import Found
from goldenrod.store import drivers as store
from goldenrod.store import paging
from goldenrod.web import app, request_body, server
from goldenrod.web.api import user_data
from goldenrod.web.api.routes import ROUTES, Route
from goldenrod.web.docs.error_codes import CODES
from goldenrod.web.pages.images import image_versions
from goldenrod.web.pages.kit import visit
from tests.support.processes.server import environment, running

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
HELP = DOCS / "commands.md"
GUIDES = [page for page in PAGES if page.name not in ("CHANGELOG.md", "commands.md")]
WIDTH = 100

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
ONE_MACHINES = re.compile(r"(?<![\w.:/])/(wor[k]|roo[t]|hom[e]|tm[p]|User[s])/")
COMMAND = re.compile(r"(?<![\w./-])goldenrod ((?:[a-z]+ ?)+|--[a-z-]+)")
NAMED_FILE = re.compile(r"`((?:\w+/)+(?:\w+\.\w+)?|\w+\.py)(?::[^`]*)?`")
RAISED = re.compile(r'\b(?:code=|default_code = )"([a-z_]+)"')


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def fenced(page: str, language: str) -> list[str]:
    """The contents of a page's code blocks in one language."""
    return [body for kind, body in FENCED.findall(page) if kind == language]


def rows(page: str) -> list[list[str]]:
    """The cells of the rows of a page's tables, their headings included."""
    lines = [line for line in FENCED.sub("", page).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def first_cells(page: str) -> dict[str, list[str]]:
    """The rows of a page's tables whose first cell is one word in code, by that word."""
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
    """The `--help` of a command, of a group, or (for no words) of `goldenrod` itself."""
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
        "# Commands\n\nThe `--help` of every command. `channel`, `deprecate`, `diff`, `drift`, "
        "`image`, `lineage`,\n`resolve`, `restore`, `revoke`, `version` and `whatis` ask a server. "
        "The others work directly on the\ndatabase that the [settings](operating.md#settings) name.\n"
    ]
    for path in ["", *COMMANDS]:
        heading = f"goldenrod {path}".rstrip()
        parts.append(f"\n## {heading}\n\n```\n{help_of(path)}\n```\n")
    return "".join(parts)


def test_the_command_reference_is_what_help_says() -> None:
    assert HELP.read_text("utf-8") == command_reference(), (
        "run `python -m tests.test_docs` to write docs/commands.md again"
    )


def named_commands() -> Iterator[tuple[str, str]]:
    """Every command that the pages name, with the page."""
    for page in PAGES:
        if page != HELP:
            for found in COMMAND.findall(code_of(page.read_text("utf-8"))):
                yield page.name, found.strip()


def code_of(page: str) -> str:
    """The code spans and code blocks of a page."""
    blocks = [body for _, body in FENCED.findall(page)]
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", FENCED.sub("", page))])


def test_commands_that_documents_name_exist() -> None:
    unknown = [(page, named) for page, named in named_commands() if not exists(named)]
    assert not unknown
    assert {named.split()[0] for _, named in named_commands()} >= {"serve", "token", "version"}


def exists(named: str) -> bool:
    """Whether the words after `goldenrod` start with a command, or are only a group's name."""
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
    """The page with this table in place of the one with the same heading."""
    head = re.escape(table.partition("\n")[0])
    replaced, times = re.subn(rf"^{head}\n(\|.*\n)+", lambda _: table, page, flags=re.MULTILINE)
    assert times == 1
    return replaced


def test_the_tables_of_settings_and_errors_are_those_of_the_code() -> None:
    for name, table in GENERATED_TABLES.items():
        assert table() in text(name), f"run `python -m tests.test_docs` to write {name} again"


GENERATED_TABLES = {"docs/operating.md": setting_table, "docs/api.md": error_table}


def test_no_other_setting_is_named() -> None:
    named = {name for page in PAGES for name in re.findall(r"GOLDENROD_\w+", page.read_text())}
    assert named == {setting.variable for setting in SETTINGS}


def test_every_error_code_is_documented() -> None:
    documented = {
        *CODES,
        *first_cells(sections(text("docs/operating.md"), 2)["Codes outside the API"]),
    }
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    raised = {*RAISED.findall(source)}
    raised |= {kind.default_code for kind in [errors.Problem, *errors.Problem.__subclasses__()]}
    raised |= {*re.findall(r'ClientError\(\s*\d+, "([a-z_]+)"', source)}
    assert {"not_found", "field_invalid", "user_not_found", "server_unreachable"} <= raised
    assert not raised - documented, "codes that no document has"
    assert not documented - raised - _composed(source), "codes that nothing raises"


def _composed(source: str) -> set[str]:
    """Codes that the source composes from a beginning or an end."""
    ends = {*re.findall(r'code=f"\{\w+\}(_\w+)"', source)}
    starts = {*re.findall(r'code=f"(\w+_)\{\w+\}"', source)}
    return {
        code
        for code in CODES
        if any(code.endswith(end) for end in ends) or any(code.startswith(s) for s in starts)
    }


def test_boot_checks_are_documented() -> None:
    documented = first_cells(sections(text("docs/operating.md"), 2)["Starting"])
    source = text("src/goldenrod/cli/check.py")
    assert {id_ for id_ in documented if id_.startswith("goldenrod.")} == {
        *re.findall(r'"(goldenrod\.[EW]\d{3})"', source)
    }


# ── the API ────────────────────────────────────────────────────────────────────────────────


def test_every_address_is_documented_with_its_methods() -> None:
    documented: dict[str, set[str]] = {}
    for cells in rows(sections(text("docs/api.md"), 2)["Addresses"]):
        for address in re.findall(r"`([^`]+)`", cells[0]):
            documented[address] = {*cells[1].split(", ")}
    served: dict[str, set[str]] = {}
    for route in ROUTES:
        for path in route.paths("/api/v2"):
            served.setdefault(path.replace("{key}", "{id}"), set()).add(route.method)
    assert documented == served


LISTS = [route for route in ROUTES if route.lists is not None]


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.path)
def test_every_filter_of_a_list_is_documented(route: Route) -> None:
    address = f"`{route.path.replace('{key}', '{id}')}`"
    found = [part for part in sections(text("docs/api.md"), 3).values() if address in part]
    assert len(found) == 1, f"one section documents the list {address}"
    section = found[0]
    listing = route.lists
    assert listing is not None
    documented = {name: cells[1] for name, cells in first_cells(section).items()}
    assert documented == {name: takes.takes for name, takes in listing.filters.items()}
    assert all(cells[2] for cells in first_cells(section).values())
    sentence = section.strip().split("\n\n")[0]
    orders = re.findall(r"`(-?\w+)`", sentence.replace(address, ""))
    assert orders == [
        listing.default,
        *(name for name in listing.orders if name != listing.default.removeprefix("-")),
    ]


def test_every_field_of_a_body_is_documented() -> None:
    documented = {}
    for name, cells in first_cells(sections(text("docs/api.md"), 2)["Fields"]).items():
        documented[name] = tuple({*filter(None, cell.split(", "))} for cell in cells[1:])
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
    assert documented == {name: (by["POST"], by["PATCH"]) for name, by in taken.items()}


def test_limits_are_those_of_the_code() -> None:
    limits = {
        "a path": [app.MOST_PATH],
        "a query string": [app.MOST_QUERY],
        "a header": [app.MOST_HEADER],
        "a password": [password_rules.LEAST, password_rules.MOST],
        "bodies being received at once, each process": [
            request_body.AT_ONCE,
            request_body.MOST_OF_ADDRESS,
            request_body.MOST_OF_ANONYMOUS,
            request_body.MOST_OF_USER,
        ],
        "passwords checked at once, each process": [
            password_hashing.AT_ONCE,
            PasswordHasher().memory_cost // 2**10,
        ],
        "a connection's time to send a request's head, or to lie idle": [server.IDLE_S],
        "open connections, each process": [server.MOST_CONNECTIONS],
        "a request's time to get a database connection": [int(store.POOL_TIMEOUT_S)],
        "webhooks": [webhooks.MOST_PER_IMAGE, webhooks.MOST_PER_CREATOR],
        "deliveries that wait for a webhook": [outbox.MOST_WAITING],
        "receivers that are sent to at once": [
            worker.SLOTS,
            worker.SLOTS_PER_CREATOR,
            worker.SLOW_SLOTS,
        ],
        "a delivery's time": [int(http_sender.STEP_TIMEOUT_S), int(http_sender.TOTAL_TIMEOUT_S)],
        "deliveries and events are stored for": [events.DAYS_STORED],
        "rows of security events in an hour": [
            security_log.MOST_ALIKE,
            security_log.MOST_OF_KIND,
        ],
        "security events are stored for": [security_log.DAYS_STORED],
        "a body": [
            request_body.MOST_BODY // 2**20,
            decode.MOST_DEPTH,
            decode.MOST_SEPARATORS,
            decode.MOST_ANONYMOUS_SEPARATORS,
        ],
        "a form of somebody who is not signed in": [visit.MOST_ANONYMOUS // 2**10],
        "a name": [decode.MOST_NAME],
        "a change log, description or text": [decode.MOST_TEXT_BYTES // 2**10],
        "boot scripts as [user data](consuming.md#boot-scripts-at-launch)": [
            user_data.MOST_USER_DATA // 2**20
        ],
        "a list in a body": [decode.MOST_ITEMS],
        "labels of a version": [labels.MOST_LABELS],
        "a filter": [filters.MOST_VALUES, labels.MOST_ASKED],
        "a list of versions as CSV": [image_versions.MOST_IN_CSV],
        "a page": [paging.MOST_PER_PAGE, paging.PAGE_SIZE],
        "a search": [words.MOST_WORDS, words.MOST_CHARACTERS],
        "ids in a look-up": [lookup.MOST_IDENTIFIERS, lookup.MOST_CHARACTERS],
        "versions in a lineage": [lineage.MOST_NODES],
        "versions shown inside an image": [images.NEWEST],
        "failed sign-ins in a quarter of an hour": [
            password_sign_in.MOST_BY_ACCOUNT,
            password_sign_in.MOST_BY_ADDRESS,
        ],
        "an Idempotency-Key is stored for": [idempotency.HOURS_STORED],
        "waiting for SQLite's other writer": [store.BUSY_TIMEOUT_MS // 1000],
    }
    documented = {
        cells[0]: cells[1] for cells in rows(sections(text("docs/operating.md"), 2)["Limits"])
    }
    for what, numbers in limits.items():
        shown = [
            int(number.replace(",", "")) for number in re.findall(r"\b\d[\d,]*", documented[what])
        ]
        assert shown[: len(numbers)] == numbers, what


def test_a_line_is_imported_as_documented() -> None:
    page = text("docs/importing.md")
    [line] = fenced(page, "json")
    [found] = aws_ecs_file.parse([line.encode()])
    assert isinstance(found, Found)
    documented = set(re.findall(r"`([^`]+)`", sections(page, 2)["How a line is imported"]))
    assert {found.image, found.version, *found.tags, found.machines[0].provider_type} <= documented


# ── the pages themselves ───────────────────────────────────────────────────────────────────


def anchors(page: str) -> set[str]:
    """The anchors that a page's headings are, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_have_a_target(page: Path) -> None:
    content = page.read_text("utf-8")
    for link in LINK.findall(FENCED.sub("", content)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.is_file(), f"{link}: there is no such file"
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), f"{link}: there is no such heading"


def test_the_readme_links_every_page() -> None:
    linked = {link.partition("#")[0] for link in LINK.findall(text("README.md"))}
    assert {page.relative_to(ROOT).as_posix() for page in PAGES[1:]} <= linked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_path_of_one_machine_is_named(page: Path) -> None:
    assert not ONE_MACHINES.findall(page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_in_json_are_json(page: Path) -> None:
    for block in fenced(page.read_text("utf-8"), "json"):
        json.loads(block)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_files_and_folders_that_are_named_exist(page: Path) -> None:
    for span in NAMED_FILE.findall(FENCED.sub("", page.read_text("utf-8"))):
        found = [ROOT / span, ROOT / "src" / "goldenrod" / span]
        assert any(path.exists() for path in found), f"there is no {span}"


def test_every_make_target_that_is_named_exists() -> None:
    targets = {*re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE)}
    assert {"demo", "test", "test-long"} <= targets
    for page in GUIDES:
        code = code_of(page.read_text("utf-8")) + page.read_text("utf-8")
        named = {*re.findall(r"(?:^ *|`)make ([a-z-]+)", code, re.MULTILINE)}
        assert named <= targets, f"{page.name}: {named - targets}"


def test_where_is_answers_forty_questions_with_files_that_exist() -> None:
    table = rows(sections(text("docs/architecture.md"), 2)["Where is …?"])[1:]
    assert len(table) == 40
    assert len({question for question, _ in table}) == len({answer for _, answer in table}) == 40
    for question, answer in table:
        assert question.endswith("?")
        assert (ROOT / "src" / "goldenrod" / answer.strip("`")).is_file(), answer


def test_the_glossary_is_alphabetical_with_one_line_for_each_word() -> None:
    page = text("docs/glossary.md")
    table = rows(page)[1:]
    words = [cells[0] for cells in table]
    assert len(words) > 40
    assert words == sorted({word.lower() for word in words})
    assert all(len(cells) == 2 and cells[1].endswith(".") for cells in table)
    assert {"README.md", "docs/architecture.md"} <= {
        guide.relative_to(ROOT).as_posix()
        for guide in GUIDES
        if re.search(r"\]\((?:docs/)?glossary\.md\)", guide.read_text("utf-8"))
    }


# ── the README's commands ───────────────────────────────────────────────────────────────────


def test_the_commands_of_the_readme_work_as_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'first.db'}"
    blocks = fenced(text("README.md"), "sh")
    if shutil.which("terraform") is None:
        blocks = [block for block in blocks if "terraform init" not in block]
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
            timeout=240,
        )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    lines = done.stdout.strip().splitlines()
    assert lines[-1] == "ami-0fedcba9876543210", "what stable resolves to"
    [listed] = [json.loads(line) for line in lines if line.startswith('{"count"')]
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
