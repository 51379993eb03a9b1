"""Syncs every so often, while the server runs: for those without cron.

Each sync is a process of its own, so that what reading a cloud takes does not slow down answers and is
given back when it ends. It ends with the server.
"""

import logging
import re
import subprocess  # nosec B404 # it runs this program itself, without a shell
import sys
import threading
from pathlib import Path

import typer

from goldenrod.base.numbers import whole_number
from goldenrod.catalogue.sync.leases import LEASE_S
from goldenrod.cli.sync.sync import LOCKED

log = logging.getLogger("goldenrod")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
END_S = 30
"""Seconds in which a sync must end when the server does."""
MOST_SHOWN = 20
"""Of what a sync says on stderr, at most this many lines are logged."""


def seconds(span: str) -> int:
    """The length of a span such as `1h`. Raises BadParameter."""
    found = _SPAN.fullmatch(span)
    if found is None:
        raise typer.BadParameter(f"{span!r} is not a span of time, such as 15m, 1h or 1d")
    return whole_number(found[1]) * _UNITS[found[2]]


class RegularSync:
    """Syncs a file of sources when it is started, and then every so often, until it is stopped."""

    def __init__(self, file: Path, every_s: float, command: tuple[str, ...] = ()) -> None:
        ours = (sys.executable, "-m", "goldenrod", "sync", str(file.resolve()))
        self._command = command or ours
        self._every_s = every_s
        self._over = threading.Event()
        self._running: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End a sync that is running, and begin no other."""
        self._over.set()
        running = self._running
        if running is not None and running.poll() is None:
            running.terminate()
        if self._thread.is_alive():
            self._thread.join(END_S)

    def _run(self) -> None:
        while not self._over.is_set():
            code = self._sync()
            # A run that was killed has the source until its lease expires.
            self._over.wait(min(self._every_s, LEASE_S * 2) if code == LOCKED else self._every_s)

    def _sync(self) -> int | None:
        try:
            with subprocess.Popen(  # noqa: S603 # nosec B603 # this program itself
                self._command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            ) as running:
                self._running = running
                if self._over.is_set():
                    running.terminate()
                _, said = running.communicate()
                code = running.returncode
        except OSError as error:
            log.warning("sync could not be started: %s", error.strerror)
            return None
        if code and not self._over.is_set():
            lines = said.strip().splitlines()
            shown = "; ".join(lines[:MOST_SHOWN])
            log.warning("sync exited with %s: %s", code, shown or "it said nothing")
        return code
