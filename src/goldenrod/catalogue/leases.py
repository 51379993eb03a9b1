"""Who has a lease, and whether it is still needed: for the deliverer and for the sources of a sync.

A lease expires. A process that was killed would still have it until then, so a holder's name says which
process of which machine it is: others on the same machine take over at once. A lease that ends later
than any lease can is from before the clock was set back, and is not waited for either.
"""

import hashlib
import os
import socket
import sys
from functools import cache
from pathlib import Path
from secrets import token_hex

from goldenrod.base.clock import Instant, later
from goldenrod.base.numbers import is_id

LONGEST_S = 60.0
"""The longest lease."""
_ENDED_STATES = frozenset("ZX")


def new_holder() -> str:
    """A name for a holder in this process; no two are the same."""
    pid = os.getpid()
    return f"{_machine()}.{pid}.{_start(pid) or 0}.{token_hex(6)}"


def abandoned(holder: str | None, until: str | None, now: Instant) -> str:
    """The holder, if its lease need not be waited for; else an empty text."""
    if holder is None or until is None:
        return ""
    return holder if until > later(now, seconds=2 * LONGEST_S) or _has_ended(holder) else ""


def _has_ended(holder: str) -> bool:
    """Whether a holder's process ran on this machine and has ended. False where that is unknown."""
    machine, _, rest = holder.partition(".")
    pid, _, rest = rest.partition(".")
    if not machine or machine != _machine() or not is_id(pid):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    start = _start(int(pid))
    return start is not None and start != rest.partition(".")[0]


@cache
def _machine() -> str:
    """This boot of this machine, and its numbering of processes; empty where it cannot be known."""
    if sys.platform != "linux":
        return ""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        numbering = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {numbering} {socket.gethostname()}".encode()).hexdigest()[:12]


def _start(pid: int) -> str | None:
    """When a process began, in the machine's own count; "ended" for one that only waits to be noticed.
    None where that cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return "ended" if fields[0] in _ENDED_STATES else fields[19]
