"""Runs `goldenrod` with arguments in this process, as `main()` does."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from goldenrod.cli.main import main
from goldenrod.store.db import Database
from goldenrod.store.migrate import migrate
from tests.support.cast import World, build_world
from tests.support.processes.server import Running, running

UNREACHED = "http://127.0.0.1:1"
"""An address at which no server runs."""


class Ended(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def rows(self) -> list[list[str]]:
        """The lines of a table, without its header."""
        return [line.split("\t") for line in self.out.splitlines()[1:]]


Run = Callable[..., Ended]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A function that runs `goldenrod` with these arguments, `stdin`, and settings in capitals."""

    def running(*arguments: str, stdin: str | bytes = "", **settings: str) -> Ended:
        for name, value in settings.items():
            monkeypatch.setenv(f"GOLDENROD_{name}", value)
        monkeypatch.setattr(sys, "argv", ["goldenrod", *arguments])
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, said.out, said.err)

    return running


class Served(NamedTuple):
    """A server with the cast's things."""

    server: Running
    world: World


@contextmanager
def serving_the_cast(directory: Path) -> Iterator[Served]:
    """A server with the cast's things, with the machine's clock, until the block ends."""
    db = Database(f"sqlite:///{directory / 'served.db'}")
    migrate(db)
    world = build_world(db)
    db.close()
    with running(db.url, directory / "stderr") as server:
        yield Served(server, world)
