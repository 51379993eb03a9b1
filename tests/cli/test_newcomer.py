"""A newcomer follows the README from an empty directory, line by line, on a terminal.

The newcomer's cloud is moto's server, which has two images of the account.
"""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.processes.moto import moto
from tests.support.processes.server import WAIT_S, environment, free_port, readable
from tests.test_docs import fenced, text
from tests.test_printed_commands import logical

PASSWORD = "a newcomer's long password"
PROMPT = re.compile(r"(?:Password for ada|Repeat it): ")
MINUTES = 10
AMIS = {
    "web-server-2026-03-14": "ami-0aaaaaaaaaaaaaa14",
    "web-server-2026-04-11": "ami-0bbbbbbbbbbbbbb11",
}


class Terminal:
    """A shell with a terminal of its own, in an empty directory."""

    def __init__(self, directory: Path) -> None:
        env = environment("") | {"PS1": "", "PS2": "", "TERM": "dumb"}
        del env["GOLDENROD_DATABASE_URL"]
        env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "--noediting"],
            env=env,
            cwd=directory,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.run("stty -echo")

    def run(self, command: str) -> str:
        """What a command prints. Prompts for a password are answered."""
        # In braces, so that a prompt does not read the second line as its answer.
        os.write(self._master, f"{{ {command}\n}}; echo END $?-\n".encode())
        seen, answered, until = "", 0, time.monotonic() + MINUTES * 60
        while not (ended := re.search(r"END (\d+)-", seen)):
            assert time.monotonic() < until, (command, seen)
            if readable(self._master, 0.1):
                seen += os.read(self._master, 65536).decode(errors="replace")
            if len(PROMPT.findall(seen)) > answered:
                answered += 1
                os.write(self._master, f"{PASSWORD}\n".encode())
        assert ended[1] == "0", (command, seen)
        return seen[: ended.start()].replace("\r\n", "\n").strip()

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGHUP)
        self._process.wait(WAIT_S)
        os.close(self._master)


@pytest.fixture
def cloud(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The newcomer's cloud: moto's server with the images of `AMIS`, and credentials for it."""
    listed = tmp_path_factory.mktemp("moto") / "amis.json"
    about = {"owner_id": "123456789012", "architecture": "x86_64", "virtualization_type": "hvm"}
    listed.write_text(
        json.dumps([{**about, "ami_id": one, "name": name} for name, one in AMIS.items()])
    )
    settings = {
        "MOTO_AMIS_PATH": str(listed),
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "verysecret",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with moto() as (url, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield


@pytest.fixture
def terminal(tmp_path: Path, cloud: None) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.long
def test_a_newcomer_gets_from_an_empty_directory_to_terraform(terminal: Terminal) -> None:
    port = free_port()
    started, told = time.monotonic(), {}
    for block in fenced(text("README.md"), "sh"):
        if "terraform " in block and shutil.which("terraform") is None:
            continue
        # A terminal sees a here-document's lines one after the other.
        for command in [block] if "<<" in block else logical(block):
            begun = time.monotonic()
            command = command.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
            command = command.replace("goldenrod serve &", f"goldenrod serve --port {port} &")
            told[command] = terminal.run(command)
            print(f"{time.monotonic() - begun:6.1f} s  {command.splitlines()[0]}")
            if "/healthz" in command:
                signs_in(f"http://127.0.0.1:{port}")
    assert time.monotonic() - started < MINUTES * 60
    [resolved] = [out for command, out in told.items() if "/api/v2/resolve/" in command]
    assert resolved == "ami-0fedcba9876543210"
    [synced] = [out for command, out in told.items() if "goldenrod sync" in command]
    assert "aws-production: plan: 1 new images, 2 new versions, 2 created." in synced
    assert synced.endswith("aws-production: done. 1 new images, 2 new versions, 2 created.")
    for command, out in told.items():
        if "terraform init" in command:
            assert out.endswith("ami-0fedcba9876543210")
        if "terraform -chdir=web plan" in command:
            assert f'ami = "{AMIS["web-server-2026-04-11"]}"' in re.sub(r"\x1b\[\d*m", "", out)


def signs_in(url: str) -> None:
    """Sign in as a browser does, with the password that the terminal asked for."""
    with httpx.Client(base_url=url, follow_redirects=True) as browser:
        form = browser.get("/sign-in").text
        token = re.findall(r'name="token" value="([^"]+)"', form)[-1]
        sent = {"token": token, "next": "/", "username": "ada", "password": PASSWORD}
        home = browser.post("/sign-in", data=sent, headers={"Origin": url})
        assert home.status_code == 200, home.text
        assert "ada</a>" in home.text
