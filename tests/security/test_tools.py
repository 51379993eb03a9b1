"""Two tools that look for known holes: bandit in the code, pip-audit in what it depends on.

pip-audit asks a public service which versions have known holes. A machine without internet cannot be
audited: only then the audit is skipped, with this reason, also with CI=true. Every other failure of
the audit fails the test. How the tool behaves in each case is held against a service on this machine.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
TIMEOUT_S = 15
NOT_REACHED = re.compile(
    r"Could not connect to \S+ vulnerability feed"
    r"|requests\.exceptions\.(?:ConnectionError|ConnectTimeout)"
)
"""How pip-audit ends if it does not get through to the service at all."""
FOUND = re.compile(r"^Found \d+ known vulnerabilit", re.MULTILINE)


# ── the code ───────────────────────────────────────────────────────────────────────────────


def bandit(*given: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-f", "json"]
    return subprocess.run(
        [*command, "-r", *map(str, given)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.long
def test_the_code_has_nothing_that_bandit_finds(tmp_path: Path) -> None:
    done = bandit("src/goldenrod")
    report = json.loads(done.stdout)
    found = [f"{it['filename']}:{it['line_number']}: {it['test_id']}" for it in report["results"]]
    assert (found, report["errors"], done.returncode) == ([], [], 0)
    assert len(report["metrics"]) > 300, "all files were read"
    (tmp_path / "hole.py").write_text("import subprocess\nsubprocess.call(input(), shell=True)\n")
    assert bandit(tmp_path).returncode == 1


def test_each_exception_names_its_check_and_says_why() -> None:
    exceptions = [
        (path.name, line.partition("nosec")[2])
        for path in (ROOT / "src").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if "nosec" in line
    ]
    assert len(exceptions) > 20
    for name, said in exceptions:
        assert re.fullmatch(r" B\d{3}(, B\d{3})* # \S.*", said), (name, said)


# ── what it depends on ─────────────────────────────────────────────────────────────────────


def audit(*more: str) -> subprocess.CompletedProcess[str]:
    """Run pip-audit over the packages of this environment."""
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "-s", "osv"]
    return subprocess.run(
        [*command, "--skip-editable", "--timeout", str(TIMEOUT_S), *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def outcome(done: subprocess.CompletedProcess[str]) -> str:
    """`clean`, `holes`, `unreachable`, or `failed`: for any other reason."""
    if done.returncode == 0:
        return "clean" if "No known vulnerabilities found" in done.stderr else "failed"
    if FOUND.search(done.stderr):
        return "holes"
    return "unreachable" if NOT_REACHED.search(done.stderr) else "failed"


@pytest.mark.long
def test_no_dependency_has_a_known_hole(tmp_path: Path) -> None:
    done = audit("--cache-dir", str(tmp_path))
    ended = outcome(done)
    if ended == "unreachable":
        # Not `programs.absent`: without internet there is nothing to install that would help.
        pytest.skip("the dependencies were not audited: no vulnerability service can be reached")
    assert ended == "clean", done.stdout + done.stderr[-2000:]


@contextmanager
def service(status: int, answers: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """A vulnerability service on this machine, which answers `answers` for the package jinja2: its
    address, and the names that it was asked for."""
    asked: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = body["package"]["name"]
            asked.add(name)
            text = json.dumps(answers if name == "jinja2" else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


HOLE = {"vulns": [{"id": "HOLE-1", "summary": "a hole", "affected": []}]}


@pytest.mark.long
@pytest.mark.parametrize(
    ("status", "answers", "expected"),
    [(200, {}, "clean"), (200, HOLE, "holes"), (500, {}, "failed"), (None, {}, "unreachable")],
    ids=["clean", "holes", "failed", "unreachable"],
)
def test_only_an_unreachable_service_excuses_the_audit(
    tmp_path: Path, status: int | None, answers: dict[str, Any], expected: str
) -> None:
    with service(status or 200, answers) as (address, asked):
        if status is None:
            address = "http://127.0.0.1:9/"  # where nothing listens
        done = audit("--osv-url", address, "--cache-dir", str(tmp_path))
    assert outcome(done) == expected, done.stdout + done.stderr[-2000:]
    if expected in ("clean", "holes"):
        wanted = {"falcon", "granian", "jinja2", "sqlalchemy", "psycopg", "msgspec", "authlib"}
        assert wanted <= asked
