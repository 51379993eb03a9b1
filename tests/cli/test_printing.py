"""Control characters that users or a server wrote never reach a terminal or a log."""

import ast
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from goldenrod.base import decode
from goldenrod.base.errors import BadRequest
from goldenrod.base.printing import PrintableFormatter, escaped, printable, printable_json
from goldenrod.catalogue.transfer.jsonl_format import write_row
from goldenrod.cli import output
from goldenrod.cli.failures import report
from goldenrod.store import schema
from goldenrod.web.server import log_formatter
from tests.cli.test_commands import Run, runner

CONTROLS = "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2066, 0x2028, 0x2029)))
KEPT = "\t\n"
EVIL = f"before{CONTROLS}\x9b31mred\x1b]0;title\x07 after"


def raw(text: str) -> set[str]:
    """The harmful control characters in a text."""
    return {it for it in text if it in CONTROLS and it not in KEPT}


def test_control_characters_are_replaced_or_escaped() -> None:
    assert not raw(printable(EVIL))
    assert printable("tab\tand\nline, \u00e9\u4e2d\U0001f600") == (
        "tab\tand\nline, \u00e9\u4e2d\U0001f600"
    )
    assert printable("a\x9bb\x1bc") == "a\ufffdb\ufffdc"
    assert not {*escaped(EVIL)} & {*CONTROLS}
    assert escaped("a\nb\x85") == "a\\u000ab\\u0085"
    value = {EVIL: [EVIL]}
    written = printable_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert not raw(written)
    assert json.loads(written) == value


def test_an_exported_row_has_no_control_characters_and_the_same_value() -> None:
    row = {column.name: None for column in schema.tags.c} | {"name": EVIL, "description": "plain"}
    line = write_row(schema.tags, row)
    assert line.endswith(b"\n")
    assert not raw(line.decode()[:-1])
    assert json.loads(line)["name"] == EVIL


@pytest.mark.parametrize("character", [chr(code) for code in range(0x7F, 0xA0)])
def test_texts_with_c1_control_characters_are_refused(character: str) -> None:
    for body in ({"text": f"a{character}b"}, {f"a{character}b": 1}, [f"{character}"]):
        with pytest.raises(BadRequest, match="control character"):
            decode.parse(json.dumps(body).encode())
    assert decode.parse(json.dumps({"text": "a\u00a0b\u200fc\t\r\n"}).encode())


def test_commands_print_only_through_the_output_module() -> None:
    """Only cli/output.py calls print. What rich draws has been cleaned by `cell`."""
    for path in Path(output.__file__).parent.rglob("*.py"):
        if path == Path(output.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="print")):
                    pytest.fail(f"{path.name}:{node.lineno} does not print through cli/output.py")
                case ast.Call(func=ast.Attribute(attr="echo"), args=[ast.JoinedStr(values=values)]):
                    # The version of this release.
                    assert "goldenrod " in ast.unparse(values[0]), path.name


def test_a_bug_is_reported_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(RuntimeError(EVIL)) == 1
    said = capsys.readouterr().err
    assert "RuntimeError" in said
    assert not raw(said)


# ── a server that lies ─────────────────────────────────────────────────────────────────────


class _Lying(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        refuses = "refused" in self.path
        thing = {"id": 1, "slug": EVIL, "name": EVIL, "state": EVIL, EVIL: EVIL, "tags": [EVIL]}
        answer: object = thing | {"results": [thing], "count": 1, "next": None, "previous": None}
        if refuses:
            answer = {"status": 404, "code": EVIL, "detail": EVIL, "title": EVIL}
        body = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(404 if refuses else 200)
        kind = "application/problem+json" if refuses else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def lied_to(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    server = HTTPServer(("127.0.0.1", 0), _Lying)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("GOLDENROD_URL", f"http://127.0.0.1:{server.server_port}")
    yield runner(monkeypatch, capsys)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    "command",
    [
        ("image", "list"),
        ("image", "list", "--json"),
        ("image", "show", "x"),
        ("image", "show", "x", "--json"),
        ("image", "show", "refused"),
        ("version", "list"),
        ("version", "show", "x", "--json"),
        ("channel", "list", "x"),
        ("channel", "show", "refused", "x"),
        ("resolve", "refused", "x", "x"),
        ("whatis", "refused"),
    ],
    ids=" ".join,
)
def test_control_characters_of_a_malicious_server_are_not_printed(
    lied_to: Run, command: tuple[str, ...]
) -> None:
    ended = lied_to(*command)
    assert not raw(ended.out + ended.err), command
    if "--json" in command:
        found = json.loads(ended.out)
        # Programs get what was answered.
        assert (found[0] if isinstance(found, list) else found)["slug"] == EVIL


# ── logs ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_path_cannot_forge_a_line_of_the_log(form: str) -> None:
    path = f"/nowhere\n2026-01-01T00:00:00Z [error] all is lost{EVIL}"
    record = logging.LogRecord("goldenrod", logging.ERROR, "", 0, "failed: %s", (path,), None)
    written = log_formatter(form).format(record)  # type: ignore[arg-type]
    assert "\n" not in written
    assert not raw(written)
    assert "failed: /nowhere" in written


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_trace_in_the_log_keeps_its_lines_without_control_characters(form: str) -> None:
    try:
        raise RuntimeError(EVIL)
    except RuntimeError as error:
        given = (type(error), error, error.__traceback__)
    record = logging.LogRecord("goldenrod", logging.ERROR, "", 0, "failed", (), given)
    for written in (
        log_formatter(form).format(record),  # type: ignore[arg-type]
        PrintableFormatter().format(record),
    ):
        assert not raw(written)
        assert "RuntimeError" in written
