"""`goldenrod serve --sync` syncs at once and every so often, and ends its sync with the server."""

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from goldenrod.cli.sync.regular_sync import RegularSync, seconds

WAIT_S = 30


def waits_for(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + WAIT_S
    while not holds() and time.monotonic() < until:
        time.sleep(0.02)
    return holds()


def test_it_syncs_again_and_again_and_says_why_one_failed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "goldenrod")
    file = tmp_path / "times"
    script = f"import sys; open({str(file)!r}, 'a').write('x'); sys.exit('south: AuthFailure')"
    regular = RegularSync(tmp_path, 0.01, (sys.executable, "-c", script))
    regular.start()
    assert waits_for(lambda: file.exists() and len(file.read_text()) >= 2)
    regular.stop()
    assert "sync exited with 1: south: AuthFailure" in caplog.text


def test_a_running_sync_ends_when_the_server_stops(tmp_path: Path) -> None:
    file = tmp_path / "begun"
    script = f"import time; open({str(file)!r}, 'w').close(); time.sleep(600)"
    regular = RegularSync(tmp_path, 3600, (sys.executable, "-c", script))
    regular.start()
    assert waits_for(file.exists)
    began = time.monotonic()
    regular.stop()
    assert time.monotonic() - began < WAIT_S


def test_spans_are_seconds_minutes_hours_and_days() -> None:
    assert [seconds(span) for span in ("90s", "15m", "1h", "2d")] == [90, 900, 3600, 172800]
    for wrong in ("", "1", "h", "0h", "1.5h", "-1h", "1w", "٣h"):
        with pytest.raises(typer.BadParameter):
            seconds(wrong)
