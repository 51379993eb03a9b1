"""`goldenrod serve` as a separate process, on a free port of this machine."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WAIT_S = 60  # far more than the usual second, for a machine that is busy with other tests
GOLDENROD = (sys.executable, "-m", "goldenrod")

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


class Running:
    """A server that answers: its process, its address, and what it has written to stderr."""

    def __init__(self, process: subprocess.Popen[str], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self._log = log

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def log(self) -> str:
        return self._log.read_text()

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the server, and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(WAIT_S)


def free_port() -> int:
    """A port of this machine on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def environment(url: str, **more: str) -> dict[str, str]:
    """The environment of the test with these settings of Goldenrod and no others. Requests are not
    limited, unless a setting says so: a test is one client."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GOLDENROD_")}
    return kept | {"GOLDENROD_DATABASE_URL": url, "GOLDENROD_RATE_LIMIT": "0"} | more


def begin(
    url: str,
    log: Path,
    *options: str,
    command: str = "serve",
    program: str | None = None,
    **env: str,
) -> Running:
    """Start the process of a server. `ready` waits until it answers. `program` is another
    installation's `goldenrod`."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*((program,) if program else GOLDENROD), command, "--port", "0", *options],
            env=environment(url, **env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            bufsize=1,
        )
    return Running(process, "", log)


def readable(file: Any, seconds: float) -> bool:
    """Whether there is something to read, within so many seconds. Unlike `select.select`, it takes
    descriptors above 1,023, which many open files lead to."""
    waiting = select.poll()
    waiting.register(file, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


def ready(server: Running) -> Running:
    """The server, once it has printed its address."""
    assert server.process.stdout is not None
    line = server.process.stdout.readline() if readable(server.process.stdout, WAIT_S) else ""
    found = re.fullmatch(r"Goldenrod serves (http://\S+)\n", line)
    assert found, f"{line!r}; stderr: {server.log()}"
    server.url = found[1]
    return server


@contextmanager
def running(url: str, log: Path, *options: str, **more: str) -> Iterator[Running]:
    """A server with the database at `url` that answers, until the block ends."""
    server = begin(url, log, *options, **more)
    try:
        yield ready(server)
    finally:
        if server.process.poll() is None:
            server.end()
        assert server.process.stdout is not None
        server.process.stdout.close()


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process is running. A process that has ended and waits for its parent is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether a condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
