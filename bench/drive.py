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
"""The number of concurrent requests that keep the server busy."""
WRK_THREADS = 1
TIMEOUT_S = 120
STOOD_STILL = 1.5
"""A round that takes this many times its seconds is invalid: other work had the whole machine."""
MOST_TRIES = 20
SLOW_ANSWERS = 3
"""The number of answers that are timed where one takes longer than a round."""


@dataclass(frozen=True)
class Ask:
    """A request that is repeated, to each of `paths` in turn. A counter replaces `%d` in the body, so
    that each request changes something; `note` is a remark for the table."""

    paths: tuple[str, ...]
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    status: int = 200
    note: str = ""


class Figures(NamedTuple):
    """Requests per second, and the 50th and 99th percentile of their times in milliseconds."""

    per_second: float
    p50: float
    p99: float


def driver(seconds: float) -> str:
    """The program that sends the requests in rounds of this length."""
    if _is_wrk(seconds):
        return "wrk"
    return "a client in Python, slower than the server (install wrk, take whole seconds)"


def _is_wrk(seconds: float) -> bool:
    return seconds >= 1 and shutil.which("wrk") is not None


def drive(base: str, ask: Ask, seconds: float, connections: int = CONNECTIONS) -> Figures:
    """Send requests for `seconds`, and repeat the round where other work stopped the machine.

    Raises RuntimeError for an answer that is an error.
    """
    once = _wrk if _is_wrk(seconds) else _python
    for _ in range(MOST_TRIES):
        began = time.monotonic()
        figures = once(base, ask, seconds, connections)
        if time.monotonic() - began < STOOD_STILL * max(1.0, seconds) and figures.per_second:
            return figures
    raise RuntimeError("this machine is too busy to measure anything")


def one_by_one(base: str, ask: Ask, times: int = SLOW_ANSWERS) -> Figures:
    """The figures of a slow request, from a few answers one after the other."""
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
    """The Lua script for wrk. For a constant request, wrk needs no code."""
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
    # The time makes bodies differ between runs, so that the first request changes something too.
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
    # A file, because wrk reads it once for each of its threads.
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
    """One connection that sends requests."""

    def __init__(self, base: str, ask: Ask) -> None:
        self._place = urlsplit(base)
        self._ask = ask

    def timed(self, times: int, until: float | None = None) -> list[float]:
        """The seconds that each answer took: of `times` answers, or of all until `until`."""
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
