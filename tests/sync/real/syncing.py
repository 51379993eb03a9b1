"""`goldenrod sync` as a process on a catalogue, and what the catalogue has afterwards."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldenrod.base.clock import later
from goldenrod.store import schema
from goldenrod.store.db import Database
from tests.support.processes.server import GOLDENROD, environment

_C = schema.cloud_machines

Machine = tuple[str, str]
"""A machine: the slug of its provider, and its identifier there."""


@dataclass
class Synced:
    """A run: its exit code, what it did, what it reported, and what it cost."""

    code: int
    state: str
    counts: dict[str, int]
    entries: list[dict[str, str]]
    seconds: float
    mib: int
    said: str

    @property
    def done(self) -> dict[str, int]:
        """What changed: the counts without what was left as it is."""
        left = ("unchanged", "kept", "skipped", "failed")
        return {name: count for name, count in self.counts.items() if count and name not in left}


@dataclass
class Catalogue:
    """A catalogue, and a folder with the declaration `sources.toml`."""

    db: Database
    folder: Path

    def sync(self, *options: str, most_s: float = 600) -> Synced:
        """Run the command, whose plan and report are JSON."""
        out, err = self.folder / "out", self.folder / "err"
        begun = time.monotonic()
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                [*GOLDENROD, "sync", "sources.toml", "--json", *options],
                env=environment(self.db.url, PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        assert seconds < most_s
        said = err.read_text()
        assert "Traceback" not in said, said
        [result] = json.loads(out.read_bytes())
        return Synced(
            process.returncode,
            result["state"],
            result["counts"],
            result["entries"],
            seconds,
            usage.ru_maxrss >> 10,
            said,
        )

    def a_day_passes(self) -> None:
        """What is missing went missing a day earlier than it did."""
        missing = self.rows("SELECT id, missing_since FROM cloud_machines WHERE missed > 0")
        with self.db.write() as tx:
            for number, since in missing:
                tx.update(_C, {"id": number}, missing_since=later(since, hours=-25))

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        with self.db.read() as tx:
            return [tuple(row) for row in tx.sql(text).fetchall()]

    def live(self) -> set[Machine]:
        """The machines that have not ended."""
        return self._machines("m.end_date IS NULL")

    def ended(self) -> set[Machine]:
        """The machines that have ended."""
        return self._machines("m.end_date IS NOT NULL")

    def _machines(self, which: str) -> set[Machine]:
        found = self.rows(
            "SELECT p.name, m.identifier FROM machines m JOIN providers p ON p.id = m.provider_id "
            f"WHERE {which}"
        )
        assert len(found) == len(set(found)), "a machine is there twice"
        return set(found)


def report(**runs: Synced) -> None:
    """Print what runs cost."""
    for name, run in runs.items():
        did = {word: count for word, count in run.counts.items() if count}
        print(f"{name}: {run.seconds:.1f} s, {run.mib} MiB, {did}")
