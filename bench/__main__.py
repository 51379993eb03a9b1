"""`make bench`: how fast it answers, as a ratio to a constant body of the same size in the same run.

Seeds a catalogue on SQLite and on PostgreSQL, starts the real server on it, and asks one version and
a page of 100, anonymous and signed in: *cold* is the first answer of a fresh server process, in
milliseconds; the rest is *warm*, under load. Machines are shared and noisy: compare ratios.

    python -m bench [VERSIONS] [SECONDS]      20,000 versions and 3 seconds a figure, if not said
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from bench.drive import drive, driver
from bench.seed import seed
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.postgres import Cluster

THREADS = 8


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(*command: str, ready: str, **environ: str) -> Iterator[None]:
    """A server process, from when it answers at `ready` until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, **environ},
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 30
        while True:
            try:
                httpx.get(ready)
                break
            except httpx.TransportError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(40)


def measure(name: str, url: str, secret: str, constant: str, seconds: float) -> None:
    """Print the rows of one database."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = ("goldenrod", "serve", "--port", str(port), "--threads", str(THREADS))
    with running(*command, ready=f"{base}/api/v2/tags", GOLDENROD_DATABASE_URL=url):
        signed_in = {"Authorization": f"Token {secret}"}
        first = httpx.get(f"{base}/image_versions?page_size=1").json()["results"][0]["url"]
        rows = (
            ("one version", first, {}),
            ("one version, signed in", first, signed_in),
            ("page of 100", "/image_versions", {}),
            ("page of 100, signed in", "/image_versions", signed_in),
        )
        for words, path, headers in rows:
            begin = time.perf_counter()
            answer = httpx.get(base + path, headers=headers)
            cold = (time.perf_counter() - begin) * 1000
            size = len(answer.raise_for_status().content)
            ours = drive(base + path, seconds, headers)
            best = drive(f"{constant}/{size}", seconds)
            print(
                f"| {name} | {words} | {size:,} | {cold:.1f} | {ours.per_second:,.0f} | "
                f"{ours.p50:.2f} | {ours.p99:.2f} | {best.per_second:,.0f} | "
                f"{ours.per_second / best.per_second:.2f} |",
                flush=True,
            )


def main(versions: int = 20_000, seconds: float = 3) -> None:
    """Measure both databases."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(Cluster())
        port = free_port()
        constant = f"http://127.0.0.1:{port}"
        stack.enter_context(
            running("bench.constant", str(port), str(THREADS), ready=f"{constant}/1")
        )
        hello = drive(f"{constant}/612", seconds)
        print(f"{versions:,} versions; driven by {driver()}; one worker, {THREADS} threads.")
        print(f"hello: {hello.per_second:,.0f} requests/s for a constant body of 612 bytes\n")
        print("| database | what | bytes | cold, ms | warm, 1/s | p50, ms | p99, ms |", end="")
        print(" constant, 1/s | ratio |\n|---|---|---|---|---|---|---|---|---|")
        urls = {
            "SQLite": f"sqlite:///{directory / 'bench.db'}",
            "PostgreSQL": cluster.create("bench"),
        }
        for name, url in urls.items():
            db = Database(url)
            migrate(db)
            secret = seed(db, versions)
            with db.connection() as connection:
                connection.execute("ANALYZE")
            db.close()
            measure(name, url, secret, constant, seconds)


if __name__ == "__main__":
    main(*(int(argument.replace(",", "")) for argument in sys.argv[1:3]))
