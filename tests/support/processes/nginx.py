"""A real nginx in front of a server, on a free port of this machine."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.processes.programs import program
from tests.support.processes.server import free_port


@contextmanager
def nginx(folder: Path, servers: str) -> Iterator[str]:
    """Run nginx with these `upstream` and `server` blocks, in which PORT stands for its port; yield its
    address. Skips the test where nginx is not installed."""
    nginx_program = program("nginx", "/usr/sbin/nginx")
    port = free_port()
    here = "\n".join(
        f"{kind}_temp_path {folder / kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    # As root, its workers would become a user who may not write in this folder.
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(
        f"{user} daemon off; pid {folder / 'pid'}; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {here}\n{servers.replace('PORT', str(port))} }}\n"
    )
    command = [nginx_program, "-p", str(folder), "-c", str(config)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(100):
                try:
                    httpx.get(f"{url}/healthz")
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            yield url
        finally:
            process.terminate()
