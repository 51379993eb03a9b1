"""Server processes: Goldenrod with its answer cache on or off, and the baseline."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

import goldenrod
from goldenrod.web.server import BLOCKING_THREADS
from tests.support.processes.server import free_port

THREADS = BLOCKING_THREADS
"""Threads of each server, as `goldenrod serve` has by default."""
CACHE_SETTING = "GOLDENROD_CACHE_MB"
START_S = 60
STOP_S = 40


@dataclass(frozen=True)
class Server:
    """A server at the address `base`, its worker's process, and how long it took to start."""

    base: str
    worker: int | None
    ready_s: float

    def memory(self) -> float | None:
        """The worker's memory (RSS) in MB; None where it is unknown."""
        return None if self.worker is None else resident(self.worker)


def resident(process: int, kind: str = "VmRSS") -> float | None:
    """A process's memory in MB, or its peak with `VmHWM`; None without /proc."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(kind))


@contextmanager
def serving(url: str, *, cache: bool, **more: str) -> Iterator[Server]:
    """Run `goldenrod serve` with one worker on a catalogue, with more settings. It counts the requests
    of clients as by default, but refuses none."""
    settings = {"GOLDENROD_DATABASE_URL": url, "GOLDENROD_RATE_LIMIT": "1000000"} | more
    if not cache:
        settings[CACHE_SETTING] = "0"
    port = free_port()
    command = ("goldenrod", "serve", "--port", str(port), "--threads", str(THREADS))
    with _running(command, port, "/api/v2/tags", settings) as server:
        yield server


@contextmanager
def constant() -> Iterator[Server]:
    """Run the baseline."""
    port = free_port()
    with _running(("bench.constant", str(port), str(THREADS)), port, "/1", {}) as server:
        yield server


def environment(**settings: str) -> dict[str, str]:
    """This process's environment, with only these settings of Goldenrod."""
    others = {
        name: value for name, value in os.environ.items() if not name.startswith("GOLDENROD_")
    }
    source = Path(goldenrod.__file__).parent.parent
    paths = [str(source), str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    return others | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | settings


@contextmanager
def _running(
    command: tuple[str, ...], port: int, path: str, settings: dict[str, str]
) -> Iterator[Server]:
    base = f"http://127.0.0.1:{port}"
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=environment(**settings),
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                httpx.get(base + path).raise_for_status()
                break
            except httpx.TransportError:
                if time.monotonic() > began + START_S or process.poll() is not None:
                    raise
                time.sleep(0.02)
        yield Server(base, _child(process.pid), time.monotonic() - began)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _child(process: int) -> int | None:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return None
    # Granian's worker. Python's resource tracker may be another child.
    return max(map(int, children), key=lambda child: resident(child) or 0, default=None)
