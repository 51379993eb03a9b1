"""Load from another process: wrk where it is installed, else a slower client in Python.

wrk asks as fast as answers come, over connections that stay open; of the times of all answers it
gives the percentiles. `sudo apt install wrk` on Debian and Ubuntu, `brew install wrk` on macOS.
"""

import http.client
import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

CONNECTIONS = 8
"""How many requests are under way at once where the server is to be kept busy."""
WRK_THREADS = 1
TIMEOUT_S = 120
STOOD_STILL = 1.5
"""A round that took so many times its seconds says nothing: other work had the whole machine."""
MOST_TRIES = 20
SLOW_ANSWERS = 3
"""How many answers are timed, one after the other, where one takes longer than a round may."""


@dataclass(frozen=True)
class Ask:
    """What is asked over and over: one request, or each of `paths` in turn. `%d` in the body counts
    the requests, so that each changes something; `note` says more of what it is."""

    paths: tuple[str, ...]
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    status: int = 200
    note: str = ""


class Figures(NamedTuple):
    """Requests a second; 50th and 99th percentile of the time of one, in milliseconds."""

    per_second: float
    p50: float
    p99: float


def driver(seconds: float) -> str:
    """What drives rounds of this length, in words."""
    if _is_wrk(seconds):
        return "wrk"
    return "a client in Python, slower than the server (install wrk, take whole seconds)"


def _is_wrk(seconds: float) -> bool:
    return seconds >= 1 and shutil.which("wrk") is not None


def drive(base: str, ask: Ask, seconds: float, connections: int = CONNECTIONS) -> Figures:
    """Ask for that long, and again where the machine stood still meanwhile.

    Raises RuntimeError where an answer is an error.
    """
    once = _wrk if _is_wrk(seconds) else _python
    for _ in range(MOST_TRIES):
        began = time.monotonic()
        figures = once(base, ask, seconds, connections)
        if time.monotonic() - began < STOOD_STILL * max(1.0, seconds) and figures.per_second:
            return figures
    raise RuntimeError("this machine stands still too often for anything to be measured on it")


def one_by_one(base: str, ask: Ask, times: int = SLOW_ANSWERS) -> Figures:
    """The figures of a few answers, one after the other: of a request that takes long."""
    taken = _Client(base, ask).timed(times)
    return _figures(taken, sum(taken))


_DONE = """
done = function(summary, latency, requests)
  local wrong = summary.errors.status + summary.errors.read + summary.errors.timeout
  io.write(string.format("FIGURES %f %f %f %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, wrong))
end
"""


def _script(ask: Ask) -> str:
    """The Lua that wrk runs. A request that never changes, wrk writes once by itself."""
    if len(ask.paths) == 1 and ask.body is None:
        return _DONE
    paths = ", ".join(map(json.dumps, ask.paths))
    if ask.body is None:
        return (
            f"local paths, ready, n = {{{paths}}}, {{}}, 0\n"
            f"init = function(args) for i, path in ipairs(paths) do ready[i] = "
            f"wrk.format({json.dumps(ask.method)}, path) end end\n"
            f"request = function() n = n % #ready + 1 return ready[n] end\n{_DONE}"
        )
    # What begins the body differs between runs, so that the first request changes something too.
    body = json.dumps(ask.body.replace("%d", f"%d in {time.time_ns()}"))
    return (
        f"local paths, n = {{{paths}}}, 0\n"
        f"request = function() n = n + 1 return wrk.format({json.dumps(ask.method)}, "
        f"paths[n % #paths + 1], nil, string.format({body}, n)) end\n{_DONE}"
    )


def _wrk(base: str, ask: Ask, seconds: float, connections: int) -> Figures:
    sent = [part for name, value in ask.headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", f"-t{WRK_THREADS}", f"-c{connections}", f"-d{round(seconds)}s"]
    command.append(f"--timeout={TIMEOUT_S}s")
    # A file, not stdin: wrk reads it again for each of its threads.
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(ask))
        script.flush()
        command += ["-s", script.name, *sent, base + ask.paths[0]]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"FIGURES (\S+) (\S+) (\S+) (\d+)", result.stdout)
    if not found or int(found[4]):
        raise RuntimeError(f"{base}{ask.paths[0]} did not answer well: {result.stdout}")
    return Figures(*map(float, found.groups()[:3]))


class _Client:
    """One connection that asks."""

    def __init__(self, base: str, ask: Ask) -> None:
        self._place = urlsplit(base)
        self._ask = ask

    def timed(self, times: int, until: float | None = None) -> list[float]:
        """The seconds that each answer took: so many, or all that come before `until`."""
        ask = self._ask
        connection = http.client.HTTPConnection(self._place.hostname or "", self._place.port)
        taken: list[float] = []
        while len(taken) < times if until is None else time.perf_counter() < until:
            path = ask.paths[len(taken) % len(ask.paths)]
            body = ask.body and ask.body.replace("%d", str(time.time_ns()))
            begin = time.perf_counter()
            connection.request(ask.method, path, body, ask.headers)
            answer = connection.getresponse()
            answer.read()
            taken.append(time.perf_counter() - begin)
            if answer.status >= 400:
                raise RuntimeError(f"{path} answered {answer.status}")
        connection.close()
        return taken


def _python(base: str, ask: Ask, seconds: float, connections: int) -> Figures:
    until = time.perf_counter() + seconds
    with ThreadPoolExecutor(connections) as threads:
        asking = [threads.submit(_Client(base, ask).timed, 0, until) for _ in range(connections)]
        taken = [one for asked in asking for one in asked.result()]
    return _figures(taken, seconds)


def _figures(taken: list[float], seconds: float) -> Figures:
    if not taken:
        return Figures(0, 0, 0)
    cuts = statistics.quantiles(taken, n=100, method="inclusive") if len(taken) > 1 else taken * 99
    return Figures(len(taken) / seconds, cuts[49] * 1000, cuts[98] * 1000)
