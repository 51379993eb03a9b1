"""No fault outside of Goldenrod makes a command print a traceback or end with an undocumented code.

Every command meets every fault: what it writes to is closed, full or lacks characters; Ctrl-C; a
database, a file, a setting or an answer that is damaged or cut; arguments that are not UTF-8.
"""

import gzip
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from goldenrod.base.config import SETTINGS
from goldenrod.cli.main import COMMANDS
from goldenrod.demo import ami_lines
from tests.cli.command_examples import EXAMPLES
from tests.support.processes.command_line import Ended, Served, runner, serving_the_cast
from tests.support.processes.server import GOLDENROD, WAIT_S, environment

NUMBERS = count(1)

NOT_HERE = {"serve", "demo"}
ASK = {name for name, (_, code) in COMMANDS.items() if code.split(".")[0] in {"images", "versions"}}
ASK |= {name for name, (_, code) in COMMANDS.items() if code.startswith("channels.")}
ASK |= {"drift", "activity"}

Words = Callable[[str], list[str]]
Try = Callable[..., Ended]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def served(directory: Path) -> Iterator[Served]:
    with serving_the_cast(directory) as served:
        yield served


@pytest.fixture(scope="module")
def database(served: Served, directory: Path) -> Path:
    """A copy of the catalogue, for the commands that work on a database."""
    copy = directory / "copy.db"
    env = environment(f"sqlite:///{directory / 'served.db'}")
    subprocess.run([*GOLDENROD, "backup", str(copy)], env=env, check=True)
    return copy


@pytest.fixture
def words(database: Path, tmp_path: Path) -> Words:
    """The arguments of a command, with files that are whole."""
    (tmp_path / "new").mkdir()
    names = ("amis.gz", "exported", "log.md", "manifest.json")
    amis, exported, log, manifest = (tmp_path / name for name in names)
    amis.write_bytes(gzip.compress(b"".join(list(ami_lines())[:20])))
    exported.write_bytes(b'{"format":"goldenrod catalogue"}\n')
    log.write_text("Größe → alles")
    builds = b'[{"builder_type": "x", "artifact_id": "%d", "packer_run_uuid": "r"}]' % next(NUMBERS)
    manifest.write_bytes(b'{"builds": %s, "last_run_uuid": "r"}' % builds)
    files = {"amis": amis, "exported": exported, "log": log, "new": tmp_path / "new"}
    files |= {"manifest": manifest}

    def words(path: str) -> list[str]:
        build = {"builder_type": "x", "artifact_id": str(next(NUMBERS)), "packer_run_uuid": "r"}
        manifest.write_text(json.dumps({"builds": [build], "last_run_uuid": "r"}))
        example = EXAMPLES[path].format(n=next(NUMBERS), **files)
        return [*path.split(), *example.split()]

    return words


@pytest.fixture
def attempt(
    served: Served,
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Try:
    """Runs a command, and requires that it ends as documented, without a traceback."""
    monkeypatch.chdir(tmp_path)  # an odd argument may be the name of a file to write
    monkeypatch.setenv("GOLDENROD_URL", served.server.url)
    monkeypatch.setenv("GOLDENROD_TOKEN", served.world.secrets["dora"])
    monkeypatch.setenv("GOLDENROD_DATABASE_URL", f"sqlite:///{database}")
    run = runner(monkeypatch, capsys)

    def attempt(*arguments: str, damaged: bool = False, **more: Any) -> Ended:
        ended = run(*arguments, **more)
        assert ended.code in (0, 1, 2, 3, 4, 5, 6, 130, 141), ended
        # A value that is damaged inside a database cannot be told from an error of Goldenrod.
        for bug in ("Traceback", *([] if damaged else ["error of Goldenrod itself"])):
            assert bug not in ended.err, (arguments, more, ended.err)
        if ended.code not in (0, 130, 141) and arguments[0] not in ("check", "why"):
            assert ended.err, (arguments, ended)
        return ended

    return attempt


def test_the_examples_name_every_command() -> None:
    assert {*EXAMPLES} | NOT_HERE == {*COMMANDS}


# ── what a command writes to ───────────────────────────────────────────────────────────────


class _Interrupting(io.StringIO):
    def write(self, text: str) -> int:
        raise KeyboardInterrupt


def _unread_pipe() -> io.TextIOWrapper:
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w", encoding="utf-8")


STDOUTS: dict[str, Callable[[], Any]] = {
    "unread pipe": _unread_pipe,
    "full disk": lambda: Path("/dev/full").open("w", encoding="utf-8"),  # noqa: SIM115
    "Ctrl-C": _Interrupting,
    "latin-1": lambda: io.TextIOWrapper(io.BytesIO(), "latin-1"),
    "ascii": lambda: io.TextIOWrapper(io.BytesIO(), "ascii"),
}
EXPECTED = {"unread pipe": 141, "full disk": 1, "Ctrl-C": 130}


def _meet_stdout(attempt: Try, words: Words, path: str, fault: str, *options: str) -> None:
    if path == "export" and fault == "Ctrl-C":
        return  # it writes bytes, not texts
    if path == "group remove":
        attempt("group", "add", "lab", "alice")
    normally = attempt(*words(path), *options)
    if path == "group remove":
        attempt("group", "add", "lab", "alice")
    with pytest.MonkeyPatch.context() as patching, STDOUTS[fault]() as stdout:
        patching.setattr(sys, "stdout", stdout)
        met = attempt(*words(path), *options)
        written = stdout.buffer.getvalue() if fault in ("latin-1", "ascii") else b""
        if fault in EXPECTED and normally.out:
            assert met.code == EXPECTED[fault], (path, fault, met)
            says_why = "stdout: No space left on device" in met.err
            assert says_why == (fault == "full disk"), (path, met)
        if written and "--json" in options:
            json.loads(written)


def test_every_command_meets_one_kind_of_stdout(attempt: Try, words: Words) -> None:
    faults = [*STDOUTS]
    for number, path in enumerate(EXAMPLES):
        _meet_stdout(attempt, words, path, faults[number % len(faults)])


@pytest.mark.long
def test_every_command_meets_every_kind_of_stdout(attempt: Try, words: Words) -> None:
    for fault in STDOUTS:
        for path in EXAMPLES:
            _meet_stdout(attempt, words, path, fault)


def test_json_is_json_in_every_encoding(attempt: Try, words: Words) -> None:
    attempt(*words("version edit"))
    for path in ("version show", "user list", "image list"):
        for encoding in ("latin-1", "ascii"):
            _meet_stdout(attempt, words, path, encoding, "--json")


SHELL = {
    "image show none 2>/dev/full": 4,
    "export >/dev/full": 1,
    "image list --json | true": 141,
    "image list >&-": 1,
    "whatis <&-": 0,
    "--help >/dev/full": 1,
    "export /dev/full": 1,
    "image list | true": 141,
    "lineage open-image/open-1.0 | true": 141,
    "export | true": 141,
    "--help | true": 141,
}
"""Lines of a shell, and how they end."""


def _meet_shell(served: Served, database: Path, lines: list[str]) -> None:
    env = environment(f"sqlite:///{database}", GOLDENROD_URL=served.server.url)
    for line in lines:
        script = f"set -o pipefail; {sys.executable} -m goldenrod {line}"
        ended = subprocess.run(
            ["bash", "-c", script], env=env, capture_output=True, text=True, timeout=WAIT_S
        )
        assert ended.returncode == SHELL[line], (line, ended)
        assert "Traceback" not in ended.stderr
        assert "ignored" not in ended.stderr, line
        assert ended.returncode != 141 or not ended.stderr, line
    assert Path("/dev/full").is_char_device()


def test_streams_may_be_full_unread_or_closed(served: Served, database: Path) -> None:
    _meet_shell(served, database, [*SHELL][:3])


@pytest.mark.long
def test_streams_may_be_full_unread_or_closed_in_any_way(served: Served, database: Path) -> None:
    _meet_shell(served, database, [*SHELL][3:])


@pytest.mark.long
def test_a_terminal_in_another_locale_gets_every_text(served: Served) -> None:
    env = environment("sqlite://", GOLDENROD_URL=served.server.url)
    env |= {"GOLDENROD_TOKEN": served.world.secrets["alice"], "LC_ALL": "C"}
    for encoding in ("latin-1", "ascii"):
        for words in (
            ["image", "create", "--json", f"Größe → {encoding}"],
            ["image", "list"],
            ["revoke", "open-image/open-1.0", "--reason", "ü→", "--dry-run"],
            ["lineage", "open-image/open-1.0"],
        ):
            ended = subprocess.run(
                [*GOLDENROD, *words], env=env | {"PYTHONIOENCODING": encoding}, capture_output=True
            )
            assert ended.returncode == 0, ended
            if "--json" in words:
                assert json.loads(ended.stdout)["name"] == words[-1]


def test_ctrl_c_ends_a_command_at_any_moment_without_a_trace(database: Path) -> None:
    env = environment(f"sqlite:///{database}", GOLDENROD_URL="http://192.0.2.1")
    script = (
        "import sys; sys.argv = ['goldenrod', 'image', 'list']\n"
        "from goldenrod.__main__ import run; print('loaded', flush=True); run()"
    )
    for moment in (0.01, 0.1, 0.3, 0.6):
        with subprocess.Popen(
            [sys.executable, "-c", script], env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout and process.stdout.readline() == b"loaded\n"
            time.sleep(moment)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=WAIT_S)
        # 6: it had ended before.
        assert process.returncode in (130, -signal.SIGINT, 6), said
        assert b"Traceback" not in said


@pytest.mark.parametrize("changes", [1, 2])
def test_ctrl_c_while_its_handler_changes_leaves_no_trace(changes: int) -> None:
    """Ctrl-C comes when the handler has changed so many times and changes again."""
    script = (
        "import signal, sys; sys.argv = ['goldenrod', 'no-such-command']\n"
        # Where the tests run in the background, Ctrl-C is ignored in what they start.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "change, changes = signal.signal, iter(range(3))\n"
        "def interrupted(*words):\n"
        f"    if next(changes, None) == {changes}: signal.raise_signal(signal.SIGINT)\n"
        "    return change(*words)\n"
        "signal.signal = interrupted\n"
        "from goldenrod.__main__ import run; run()"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=WAIT_S)
    assert ended.returncode == -signal.SIGINT, ended
    assert b"Traceback" not in ended.stderr


# ── what a command reads ───────────────────────────────────────────────────────────────────


def _damaged(whole: Path, to: Path, seed: int) -> None:
    """A copy of a database file with a fault."""
    shutil.copy(whole, to)
    chance = random.Random(seed)
    size = to.stat().st_size
    with to.open("r+b") as file:
        if seed % 4 == 0:
            file.truncate(chance.randrange(1, size))
            return
        for _ in range(1 if seed % 4 == 1 else 60):
            file.seek(chance.randrange(100 if seed % 4 < 3 else 0, size))
            file.write(chance.randbytes(chance.choice((1, 8, 4096))))
        file.truncate(size)


def _meet_databases(attempt: Try, words: Words, database: Path, to: Path, seeds: range) -> None:
    for seed in seeds:
        for path in [name for name in EXAMPLES if name not in ASK]:
            for file in to.parent.glob(f"{to.name}*"):
                file.unlink()
            _damaged(database, to, seed)
            attempt(*words(path), damaged=True, DATABASE_URL=f"sqlite:///{to}")


def test_a_damaged_or_cut_database_is_reported(
    attempt: Try, words: Words, database: Path, tmp_path: Path
) -> None:
    _meet_databases(attempt, words, database, tmp_path / "damaged.db", range(4))


@pytest.mark.long
def test_many_damaged_databases_are_reported(
    attempt: Try, words: Words, database: Path, tmp_path: Path
) -> None:
    _meet_databases(attempt, words, database, tmp_path / "damaged.db", range(4, 20))


def test_serve_and_demo_report_a_file_that_is_no_database(attempt: Try, tmp_path: Path) -> None:
    file = tmp_path / "text.db"
    file.write_text("no database, and longer than the header of one " * 20)
    assert attempt("serve", "--port", "0", DATABASE_URL=f"sqlite:///{file}").code == 6
    assert attempt("demo", "--port", "0", "--file", str(file)).code == 5
    assert attempt("demo", "--port", "0", "--file", str(tmp_path / "none" / "new.db")).code == 6


def _damaged_bytes(whole: bytes, chance: random.Random) -> bytes:
    raw = bytearray(whole)
    for _ in range(chance.randrange(1, 6)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(raw[: chance.randrange(len(raw))] if chance.random() < 0.3 else raw)


def _meet_files(attempt: Try, tmp_path: Path, database: Path, seeds: range) -> None:
    exported, log, file = (tmp_path / name for name in ("exported", "log.md", "file"))
    attempt("export", str(exported))
    log.write_text("Größe → alles " * 9)
    lines = b"".join(list(ami_lines())[:8])
    edit = ("version", "edit", "open-image/open-1.0")
    for seed in seeds:
        chance = random.Random(seed)
        for whole, line in (
            (exported.read_bytes(), ("import", "catalogue", str(file))),
            (gzip.compress(exported.read_bytes()), ("import", "catalogue", str(file))),
            (lines, ("import", "aws", "--file", str(file))),
            (gzip.compress(lines), ("import", "aws", "--file", str(file))),
            (log.read_bytes(), (*edit, "--change-log-file", str(file))),
        ):
            file.write_bytes(_damaged_bytes(whole, chance))
            empty = tmp_path / f"{next(NUMBERS)}.db"
            url = f"sqlite:///{empty if line[1] == 'catalogue' else database}"
            met = attempt(*line, DATABASE_URL=url)
            assert "imported" in met.err or line[1] != "catalogue" or met.code


def test_damaged_and_cut_files_are_reported(attempt: Try, tmp_path: Path, database: Path) -> None:
    _meet_files(attempt, tmp_path, database, range(4))


@pytest.mark.long
def test_many_damaged_files_are_reported(attempt: Try, tmp_path: Path, database: Path) -> None:
    _meet_files(attempt, tmp_path, database, range(4, 40))


ANSWERS: list[Any] = [
    *(None, 1, [], {}, {"results": None, "next": None}, {"results": [1], "next": None}),
    *(
        {"results": [{}], "next": None},
        {"results": [{"id": {}}], "next": 3},
        {"image": {}, "name": []},
    ),
    *({"nodes": [], "edges": [{}]}, {"code": [], "detail": {}}, {"versions": {}, "channels": 1}),
]


def test_any_answer_of_a_server_is_understood_or_reported(
    attempt: Try, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = [json.dumps(answer).encode() for answer in ANSWERS]
    raw += [b"", b"{", b"\xff", b'{"id": "\\ud800"}', b"[" * 100_000, b"<html>"]
    chance = random.Random(7)
    client = httpx.Client

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"Content-Encoding": "gzip"} if chance.random() < 0.1 else {}
        status = chance.choice((200, 200, 200, 201, 204, 302, 404, 500))
        content = iter([chance.choice(raw)])
        return httpx.Response(status, headers=headers, content=content)

    monkeypatch.setattr(
        httpx, "Client", lambda **more: client(transport=httpx.MockTransport(answer), **more)
    )
    for _ in range(6):
        for path in sorted(ASK):
            attempt(*words(path))


ODD = ("\udcff", "", "9" * 30, "../..", "/", "a" * 5000)
ODD_SETTINGS = ("\udcff", "[", "http://[", "sqlite:///%00", "ü", "9" * 5000, "\r\n")


def _meet_arguments(attempt: Try, words: Words, odd: tuple[str, ...]) -> None:
    for path in EXAMPLES:
        line = words(path)
        for place in range(len(path.split()), len(line)):
            for text in (odd[(place + len(path)) % len(odd)],) if odd is ODD else odd:
                attempt(*line[:place], text, *line[place + 1 :])


def test_arguments_and_settings_of_any_bytes_are_reported(
    attempt: Try, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    _meet_arguments(attempt, words, ODD)
    for number, setting in enumerate(SETTINGS):
        for odd in (ODD_SETTINGS[number % len(ODD_SETTINGS)], "\udcff", "["):
            with monkeypatch.context() as patching:
                patching.setenv(setting.variable, odd)
                attempt("image" if setting.name in ("url", "token") else "user", "list")
    for variable, odd in (("HTTP_PROXY", "none://["), ("SSL_CERT_FILE", __file__)):
        with monkeypatch.context() as patching:
            patching.setenv(variable, odd)
            # Certificates are read for a server with TLS only.
            patching.setenv("GOLDENROD_URL", "https://127.0.0.1:1")
            attempt("image", "list")


@pytest.mark.long
def test_every_odd_argument_and_setting_is_reported(
    attempt: Try, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    _meet_arguments(attempt, words, tuple(reversed(ODD)))
    for setting in SETTINGS:
        for odd in ODD_SETTINGS:
            with monkeypatch.context() as patching:
                patching.setenv(setting.variable, odd)
                for line in (["check"], ["user", "list"], ["image", "list"], ["whatis", "x"]):
                    attempt(*line)


# ── lists of ids, and runs that skip everything ────────────────────────────────────────────


def test_ids_may_have_a_byte_order_mark_and_tabs_between_them(attempt: Try) -> None:
    text = "open-east\tami-1\r\n\tami-2\t\n"
    for raw in (text.encode("utf-8-sig"), text.encode("utf-16"), text.encode()):
        found = attempt("whatis", "--json", stdin=raw).json
        assert [one["identifier"] for one in found] == ["open-east", "ami-1", "ami-2"]
    listed = attempt("whatis", "\ufeffopen-east\tami-1\nami-2").rows()
    assert [row[0] for row in listed] == ["open-east", "ami-1", "ami-2"]


def test_an_import_that_skips_everything_says_so_and_fails(attempt: Try, tmp_path: Path) -> None:
    file = tmp_path / "amis"
    first = next(iter(ami_lines()))
    for content, said in (
        (b"nonsense\n{}\n", "Nothing was imported: all 2 machines were skipped."),
        (b"", "Nothing was imported, the file is empty."),
        (b"\xef\xbb\xbf\n", "Nothing was imported, the file is empty."),
    ):
        file.write_bytes(content)
        for options in ((), ("--json",)):
            ended = attempt("import", "aws", "--file", str(file), *options)
            assert ended.code == 1
            assert ended.err.splitlines()[-1] == said
    file.write_bytes(b"\xef\xbb\xbf" + first)
    assert attempt("import", "aws", "--file", str(file)).code == 0
