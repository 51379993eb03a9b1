"""Load from another process: wrk where it is installed, else a slower client in Python."""

import http.client
import re
import shutil
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECTIONS = 8


@dataclass(frozen=True)
class Figures:
    """Requests a second; the 50th and 99th percentile of the time of one, in milliseconds."""

    per_second: float
    p50: float
    p99: float


def driver() -> str:
    """What drives, in words."""
    return "wrk" if shutil.which("wrk") else "a client in Python (install wrk for higher figures)"


def drive(url: str, seconds: float, headers: dict[str, str] | None = None) -> Figures:
    """Ask `url` for that long, over 8 connections."""
    ask = _wrk if shutil.which("wrk") else _python
    return ask(url, seconds, headers or {})


_SCRIPT = """
done = function(summary, latency, requests)
  local wrong = summary.errors.status + summary.errors.read + summary.errors.timeout
  io.write(string.format("FIGURES %f %f %f %d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, wrong))
end
"""


def _wrk(url: str, seconds: float, headers: dict[str, str]) -> Figures:
    sent = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
    result = subprocess.run(
        [*command, "-s", "/dev/stdin", *sent, url],
        input=_SCRIPT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"FIGURES (\S+) (\S+) (\S+) (\d+)", result.stdout)
    if not found or int(found[4]):
        raise RuntimeError(f"{url} did not answer well: {result.stdout}")
    return Figures(*map(float, found.groups()[:3]))


def _python(url: str, seconds: float, headers: dict[str, str]) -> Figures:
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    times: list[float] = []
    until = time.perf_counter() + seconds

    def ask() -> None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        while (begin := time.perf_counter()) < until:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{url} answered {answer.status}")
            times.append(time.perf_counter() - begin)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(times, n=100)
    return Figures(len(times) / seconds, cuts[49] * 1000, cuts[98] * 1000)
