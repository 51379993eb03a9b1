"""Every command that is printed anywhere is run: in documents, on pages, in messages.

`printed` collects them. What is not in `CANNOT` is run as written on the demonstration, with a real
server; a command that is printed anew is run too, without a word here. Other tests run the README
(tests/test_docs.py, tests/cli/test_newcomer.py), the demonstration's lines
(tests/transfer/test_demo.py) and the snippets of the machine picker
(tests/channels/test_launch_snippets.py).
"""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from goldenrod.cli.main import COMMANDS, GROUPS
from goldenrod.demo.catalogue import ami_lines, load
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from goldenrod.web.pages.kit.render import TEMPLATES
from tests.support.processes.programs import program
from tests.support.processes.server import environment, running
from tests.test_docs import DOCS, FENCED, GUIDES, PAGES, ROOT, fenced, text

SERVES = "runs until it is stopped; the tests of the README and of the demonstration start it"
MEASURES = "takes minutes or hours; tests/test_bench.py measures briefly"
CANNOT = {
    "goldenrod serve": SERVES,
    "goldenrod serve --metrics-port 9464": SERVES,
    "goldenrod demo --file demo.db": SERVES,
    "goldenrod webhooks deliver": "runs until it is stopped; it is run with --once",
    "goldenrod user password {}": "asks for a password; tests/accounts/test_users.py answers",
    "goldenrod why bob version:UUID": "needs an id; tests/cli/test_why.py asks with one",
    "sudo apt install wrk": "installs a program on the machine",
    "make bench": MEASURES,
    "make bench-full": MEASURES,
    "python -m bench --only 'one version' --databases sqlite --seconds 2 --rounds 5": MEASURES,
    "python -m bench --only import --amis FILE": "needs a file of 200 MB that is not kept here",
    "python -m bench.report bench/out/FILE.json": "needs measurements; rewrites the documents",
    "python -m bench.overload": "takes minutes; tests/web/server/test_overload.py takes less",
    "python -m tests.replicas.test_patroni": "it is a test, which the long tests run",
    "python -m tests.support.chaos --seed 7": "takes long; tests/crashes/test_chaos.py is shorter",
    "python -m tests.support.stale_reads": "takes minutes; tests/store/test_stale.py does the same",
    "curl -s -X POST http://127.0.0.1:8000/api/v2/webhooks \\": "its target is not a real host; "
    "tests/webhooks/test_webhooks.py posts to one",
    "goldenrod serve --sync sources.toml --sync-every 1h": SERVES,
    "goldenrod sync log 7": "needs seven syncs; tests/sync/test_sync_command.py shows one",
    "curl -s http://127.0.0.1:8000/image_versions/$VERSION/user-data > user-data": "needs an id; "
    "tests/channels/test_user_data.py asks with one",
    "terraform init -upgrade": "needs a configuration; tests/channels/test_terraform.py has several",
    "python -m tests.test_docs": "rewrites the documents; tests/test_docs.py compares them",
}
"""The first lines of commands that are not run, and why."""

MAKE = re.compile(r"make [a-z-]+(?: [A-Z]+=\w+)?")
"""Targets that documents name; tests/test_docs.py requires that they exist. They run all tests or
serve until they are stopped."""

FILLED = {
    '" ~ image.slug ~ "': "base-linux",
    "GOLDENROD_TOKEN=gr_… ": "",
    "{name}": "ada",
    "NAME": "new-user",
    "SOURCE.toml": "sources.toml",
    "{}": "ada",
}
"""What templates and messages have filled in."""

README = {line for block in fenced(text("README.md"), "sh") for line in block.splitlines()}

FRESH = ("goldenrod user create ada --staff", "goldenrod export goldenrod.jsonl")
"""Blocks that begin so are run in an empty directory with a database of their own."""

SPAN = re.compile(r"`((?:[A-Z_]+=\S+ )?(?:goldenrod|curl|make|python|terraform) [^`\n]+)`")
BARE = re.compile(r'["`>]((?:[A-Z_]+=\S+ )?goldenrod [a-z](?:[^"`<]|" ~ [\w.]+ ~ ")*)["`<]')


@dataclass(frozen=True)
class Printed:
    """Commands that are printed together, in one order."""

    where: str
    commands: tuple[str, ...]


def printed() -> Iterator[Printed]:
    """Everything that is printed as a command, except by what other tests run."""
    for page in PAGES:
        content = page.read_text("utf-8")
        for block in fenced(content, "sh") if page.name != "README.md" else ():
            yield Printed(page.name, tuple(logical(block)))
        for span in SPAN.findall(FENCED.sub("", content)) if page in GUIDES else ():
            if is_example(span):
                yield Printed(page.name, (span,))
    for path in sorted(TEMPLATES.rglob("*.html")):
        for found in BARE.findall(path.read_text("utf-8")):
            yield Printed(path.name, (found,))
    for path in sorted((ROOT / "src").rglob("*.py")):
        for message in messages(path):
            for span in SPAN.findall(message):
                if is_example(span):
                    yield Printed(path.name, (span,))


def is_example(span: str) -> bool:
    """Whether words are more than the name of a command, which test_docs checks."""
    words = span.removeprefix("goldenrod ")
    named = words in COMMANDS or words in GROUPS or "…" in span or MAKE.fullmatch(span)
    return not named and span not in README


def messages(path: Path) -> Iterator[str]:
    """The texts in a module that are no docstrings, with `{}` for what is filled in."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and id(node) not in docstrings | inside:
            yield str(node.value)


def logical(block: str) -> Iterator[str]:
    """The commands of a block, each with its continued lines."""
    command = ""
    for line in block.splitlines():
        command = f"{command}\n{line}" if command else line
        if is_whole(command):
            if command.strip() and not command.startswith("#"):
                yield re.sub(r" +# .*$", "", command)
            command = ""
    assert not command, f"this does not end: {command}"


def is_whole(command: str) -> bool:
    if command.endswith(("\\", "|")) or command.count("$(") > command.count(")"):
        return False
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def first(command: str) -> str:
    return command.partition("\n")[0]


def filled(command: str) -> str:
    for word, value in FILLED.items():
        command = command.replace(word, value)
    return command


# ── the register ───────────────────────────────────────────────────────────────────────────


def test_what_is_said_not_to_run_is_printed() -> None:
    commands = [command for one in printed() for command in one.commands]
    assert len(commands) > 40
    assert {*CANNOT} <= {*map(first, commands)}, "these are not printed any more"
    assert all(CANNOT.values())
    for command in commands:
        parsed = subprocess.run(["bash", "-nc", filled(command)], capture_output=True, text=True)
        assert parsed.returncode == 0, (command, parsed.stderr)


# ── running ────────────────────────────────────────────────────────────────────────────────

BEFORE = """
goldenrod image create 'Base Linux' --public
goldenrod version create 2026-01-10 --image base-linux
goldenrod version create 2026-02-14 --image base-linux --parent base-linux/2026-01-10
goldenrod version create 2026-03-14 --image base-linux --change-log 'First build.' \
    --machine us-east-1=ami-0123456789abcdef0 --architecture x86_64
goldenrod version create 2026-03-21 --image base-linux --parent base-linux/2026-03-14
goldenrod version create 2026-04-11 --image base-linux --parent base-linux/2026-03-14 \
    --machine us-east-1=ami-0fedcba9876543210 --architecture x86_64
goldenrod version create 2026-04-18 --image base-linux --parent base-linux/2026-04-11 \
    --machine us-east-1=ami-0fedcba9876543211 --architecture x86_64
goldenrod channel set base-linux stable 2026-04-11
goldenrod group create ops
goldenrod image create Ubuntu --public
goldenrod user create ada
"""
"""What the documents' examples speak of, beside the demonstration."""
AWS = "#!/bin/sh\necho ami-0fedcba9876543210\n"
"""Answers as the cloud's own command would, with the id of a machine that runs."""
SOURCES = """
[[source]]
name = "lines"
type = "aws-file"
files = ["amis.jsonl"]
"""
MANIFEST = """{"builds": [{"name": "base", "builder_type": "amazon-ebs", "build_time": 1790000000,
"files": null, "artifact_id": "us-east-1:ami-0aaaaaaaaaaaaaaa1", "packer_run_uuid": "one",
"custom_data": {"version": "2026-05-09"}}], "last_run_uuid": "one"}"""
"""Files that the documents' examples name."""


class Shell:
    """Runs commands in one directory, with a server on the demonstration."""

    def __init__(self, directory: Path, url: str, database: str, secret: str) -> None:
        self.directory, self.url = directory, url
        bin_ = directory / "bin"
        bin_.mkdir()
        (bin_ / "aws").write_text(AWS)
        (bin_ / "aws").chmod(0o755)
        self.env = environment(database, GOLDENROD_URL=url, GOLDENROD_TOKEN=secret, TOKEN=secret)
        self.env["PATH"] = f"{bin_}:{Path(sys.executable).parent}:{self.env['PATH']}"

    def run(self, script: str, where: str) -> str:
        env, cwd = self.env, self.directory
        if script.startswith(FRESH):
            cwd = self.directory / f"fresh-{where}-{len([*self.directory.iterdir()])}"
            cwd.mkdir()
            env = env | {"GOLDENROD_DATABASE_URL": "sqlite:///goldenrod.db"}
            subprocess.run(["goldenrod", "migrate"], env=env, cwd=cwd, check=True)
        script = script.replace("http://127.0.0.1:8000", self.url)
        script = script.replace("curl -s ", "curl -s --fail-with-body ")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, (where, script, done.stdout[-1000:], done.stderr[-1000:])
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    database = f"sqlite:///{tmp_path / 'demo.db'}"
    made = Database(database)
    migrate(made)
    secret = load(made).dora
    made.close()
    (tmp_path / "amis.jsonl").write_bytes(b"\n".join([*ami_lines()][:3]) + b"\n")
    (tmp_path / "sources.toml").write_text(SOURCES)
    (tmp_path / "packer-manifest.json").write_text(MANIFEST)
    with running(database, tmp_path / "stderr") as server:
        yield Shell(tmp_path, server.url, database, secret)


def scripts() -> dict[str, str]:
    """The scripts to run, each with where it is printed: what cannot be run is left out."""
    found = {}
    for one in printed():
        runs = [filled(command) for command in one.commands if first(command) not in CANNOT]
        if runs and not all(run.startswith("export ") for run in runs):
            found["\n".join(runs)] = one.where
    return found


def test_commands_that_pages_and_messages_print_work(shell: Shell) -> None:
    """A slice of the next test: what a newcomer meets first."""
    shell.run("goldenrod image create 'Base Linux' --public", "before")
    shown = {script: where for script, where in scripts().items() if where.endswith("html")}
    assert len(shown) >= 3
    for script, where in shown.items():
        if "image create" not in script:
            shell.run(script, where)


@pytest.mark.long
def test_every_printed_command_works(shell: Shell) -> None:
    program("jq")  # the API's document pipes into it
    shell.run(BEFORE, "before")
    taken = {"goldenrod image create 'Base Linux' --public", "goldenrod user create ada"}
    for script, where in scripts().items():
        if script in taken:
            script = script.replace("Base Linux", "Other Linux").replace(" ada", " eve")
        shell.run(script, where)
    assert (DOCS / "commands.md").is_file()
