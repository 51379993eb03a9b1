"""A real Caddy in front of a server, on a free port of this machine, without TLS."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.processes.programs import program
from tests.support.processes.server import free_port


@contextmanager
def caddy(folder: Path, caddyfile: str, name: str) -> Iterator[str]:
    """Run Caddy with a Caddyfile whose site `name` is served here instead; yield its address. Skips the
    test where Caddy is not installed."""
    caddy_program = program("caddy")
    url = f"http://127.0.0.1:{free_port()}"
    assert f"\n{name} {{" in caddyfile
    config = folder / "Caddyfile"
    text = caddyfile.replace(f"\n{name} {{", f"\n{url} {{").replace(
        "\n{\n", "\n{\n\tadmin off\n", 1
    )
    config.write_text(text)
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "caddy.log").open("w") as log:
        command = [caddy_program, "run", "--config", str(config), "--adapter", "caddyfile"]
        process = subprocess.Popen(command, env=home, stdout=log, stderr=log)
    try:
        for _ in range(200):
            try:
                httpx.get(f"{url}/healthz")
                break
            except httpx.ConnectError:
                assert process.poll() is None, (folder / "caddy.log").read_text()
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(30)
