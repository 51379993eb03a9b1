"""The commands `serve` and `demo`: serve the catalogue of the settings, or a demonstration."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import typer

from goldenrod.base import config
from goldenrod.base.errors import Conflict
from goldenrod.cli import output
from goldenrod.cli.open_database import prepare
from goldenrod.cli.sync.regular_sync import RegularSync, seconds
from goldenrod.cli.sync.sync import require_valid
from goldenrod.demo.catalogue import DemoReport, load
from goldenrod.demo.receiver import Receiver
from goldenrod.store.db import Database
from goldenrod.web import server

THIS_MACHINE = "127.0.0.1"
HOST = typer.Option(
    THIS_MACHINE, help="The address to listen on; 0.0.0.0 is all addresses of this machine."
)
PORT = typer.Option(8000, min=0, max=65535, help="The port to listen on; 0 is any free one.")


class LogForm(StrEnum):
    """The form of log lines."""

    PLAIN = "plain"
    JSON = "json"


LOG_FORM = typer.Option(LogForm.PLAIN, help="Write log lines as plain text or as JSON, to stderr.")
METRICS_PORT = typer.Option(
    None, min=1, max=65535, help="A port that answers metrics for Prometheus at /metrics."
)
METRICS_HOST = typer.Option(THIS_MACHINE, help="The address of that port.")
SYNC = typer.Option(
    None,
    "--sync",
    metavar="SOURCE.toml",
    exists=True,
    dir_okay=False,
    help="Sync the sources that this file declares, now and every so often.",
)
SYNC_EVERY = typer.Option("1h", "--sync-every", help="How often to sync: 15m, 1h, 1d.")
FILE = typer.Option(
    None,
    dir_okay=False,
    help="Store it in this new SQLite file; otherwise it is deleted at the end.",
)


def serve(
    host: str = HOST,
    port: int = PORT,
    workers: int = typer.Option(1, min=1, max=256, help="The number of processes."),
    threads: int = typer.Option(
        server.BLOCKING_THREADS,
        min=1,
        max=1024,
        help="The number of requests that each process answers at once.",
    ),
    log: LogForm = LOG_FORM,
    access_log: bool = typer.Option(False, "--access-log", help="Log every request."),
    metrics_port: int | None = METRICS_PORT,
    metrics_host: str = METRICS_HOST,
    sync: Path | None = SYNC,
    sync_every: str = SYNC_EVERY,
) -> None:
    """Serve the catalogue over HTTP.

    Creates or upgrades the tables first. SIGTERM or Ctrl-C ends the server after running requests.
    """
    every_s = seconds(sync_every)
    regular = None
    if sync is not None:
        require_valid(sync)
        regular = RegularSync(sync, every_s)

    def announce(address: str) -> None:
        server.say_ready(address)
        if regular:
            regular.start()

    try:
        server.serve(
            config.load(),
            host,
            port,
            workers,
            threads,
            log_form=log.value,
            log_access=access_log,
            metrics_at=None if metrics_port is None else (metrics_host, metrics_port),
            prepare=prepare,
            announce=announce,
        )
    finally:
        if regular:
            regular.stop()


def demo(
    port: int = PORT,
    file: Path | None = FILE,
) -> None:
    """Serve a demonstration with real machine images.

    It listens on this machine only and uses its own database, not that of the settings. It also offers
    a receiver to try webhooks with, which shows what it received.
    """
    if file is not None:
        if file.exists():
            raise Conflict(f"The file {file} exists already. Choose another name.")
        _serve_demo(file, port)
        return
    with TemporaryDirectory(prefix="goldenrod-demo-") as directory:
        _serve_demo(Path(directory) / "goldenrod.db", port)


def _serve_demo(file: Path, port: int) -> None:
    loaded: list[DemoReport] = []

    def fill(db: Database) -> None:
        prepare(db)
        with output.progress("Loading the demonstration") as progress:
            loaded.append(load(db, progress))

    def announce(address: str) -> None:
        # Workers are forked before: a process that is forked should have no other threads.
        receiver.start()
        lines = loaded[0].lines(address, receiver.url)
        output.say("\n".join([f"Goldenrod serves {address}", "", *lines]))

    receiver = Receiver()
    settings = replace(
        config.load(),
        database_url=f"sqlite:///{quote(str(file.resolve()))}",
        webhooks_receiver=receiver.address,
    )
    try:
        server.serve(settings, THIS_MACHINE, port, prepare=fill, announce=announce)
    finally:
        receiver.close()
