"""Serving: the catalogue that the settings name, or a demonstration."""

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
from goldenrod.demo.catalogue import DemoReport, load
from goldenrod.store.db import Database
from goldenrod.web import server

THIS_MACHINE = "127.0.0.1"
HOST = typer.Option(
    THIS_MACHINE, help="The address to listen at; 0.0.0.0 is every one of this machine."
)
PORT = typer.Option(8000, min=0, max=65535, help="The port; 0 takes a free one.")


class LogForm(StrEnum):
    """How log lines are written."""

    PLAIN = "plain"
    JSON = "json"


LOG_FORM = typer.Option(
    LogForm.PLAIN, help="Write log lines for people, or as JSON; they go to stderr."
)
KEPT_FILE = typer.Option(
    None, dir_okay=False, help="Keep it in this new SQLite file; else it is gone at the end."
)


def serve(
    host: str = HOST,
    port: int = PORT,
    workers: int = typer.Option(1, min=1, max=256, help="How many processes answer."),
    threads: int = typer.Option(
        server.BLOCKING_THREADS, min=1, max=1024, help="How many requests each answers at once."
    ),
    log: LogForm = LOG_FORM,
    access_log: bool = typer.Option(False, "--access-log", help="Log every request."),
) -> None:
    """Serve the catalogue over HTTP.

    Tables are made or brought up to date first. SIGTERM or Ctrl-C finishes the requests in flight.
    """
    server.serve(
        config.load(),
        host,
        port,
        workers,
        threads,
        log_form=log.value,
        log_access=access_log,
        prepare=prepare,
    )


def demo(
    port: int = PORT,
    file: Path | None = KEPT_FILE,
) -> None:
    """Serve a catalogue of real machine images to try things on.

    It listens on this machine only, and has a database of its own: the one of the settings is not
    touched.
    """
    if file is not None:
        if file.exists():
            raise Conflict(f"There is a file {file} already: name another.")
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
        output.say("\n".join([f"Goldenrod serves {address}", "", *loaded[0].lines(address)]))

    settings = replace(config.load(), database_url=f"sqlite:///{quote(str(file.resolve()))}")
    server.serve(settings, THIS_MACHINE, port, prepare=fill, announce=announce)
