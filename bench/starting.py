"""Measures how long `--help` and starting the server take, and the memory of an idle server."""

import subprocess
import sys
import time
from typing import Any

from bench.servers import environment, serving


def measured(url: str, rounds: int) -> dict[str, Any]:
    """Start both `rounds` times, with a filled catalogue."""
    found: dict[str, Any] = {"help_ms": [], "ready_s": [], "memory": []}
    command = [sys.executable, "-m", "goldenrod", "--help"]
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)
        found["help_ms"].append((time.perf_counter() - began) * 1000)
        with serving(url, cache=True) as server:
            found["ready_s"].append(server.ready_s)
            found["memory"].append(server.memory())
    return found
