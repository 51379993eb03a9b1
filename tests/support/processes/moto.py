"""moto's server: Amazon Web Services in one process, on a free port of this machine."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.processes.programs import library
from tests.support.processes.server import free_port

READY_S = 120


@contextmanager
def moto() -> Iterator[tuple[str, int]]:
    """Run moto's server; yield its address and its process id. Needs the extra `clouds-test`."""
    library("moto", "clouds-test")
    library("flask", "clouds-test")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + READY_S
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < until, "moto did not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(READY_S)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
