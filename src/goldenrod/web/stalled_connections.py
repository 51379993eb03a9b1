"""Ending a read from below: the connections of this process, as Linux tells of them.

The server shows neither a request's socket nor a way to stop its read. A request whose body is still
being read is known by its connection: its head came in when the request began, or something of its
body since, and nothing was sent since then. Another connection to the same address may look alike only
where it has waited as long for its own answer, and heard from its client as lately.
Elsewhere than on Linux nothing is ended: a read lasts until its client goes away.
"""

import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_FILES = Path("/proc/self/fd")
_TOLD = 104  # as much of Linux's struct tcp_info as has been there for long
_LAST_SENT = slice(44, 48)
_LAST_RECEIVED = slice(52, 56)
_EARLIER_S = 1.0
"""How much later than its head came in a request may have begun, on a busy machine."""
_BLURRED_S = 0.02


def end_reading(stuck: Sequence[tuple[str, float]]) -> int:
    """End the reads of requests, each known by its peer and the seconds since it began; how many
    connections nothing is read from any more."""
    if sys.platform != "linux":
        return 0
    ended = 0
    ages: dict[str, list[float]] = {}
    for peer, age in stuck:
        ages.setdefault(_same(peer), []).append(age)
    for file in _FILES.iterdir():
        with suppress(OSError):
            if not str(file.readlink()).startswith("socket:"):
                continue
            # A duplicate, so that the number cannot come to mean another file meanwhile.
            with socket.socket(fileno=os.dup(int(file.name))) as connection:
                if _is_stuck(connection, ages):
                    connection.shutdown(socket.SHUT_RD)
                    ended += 1
    return ended


def _is_stuck(connection: socket.socket, ages: dict[str, list[float]]) -> bool:
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    candidates = ages.get(_same(connection.getpeername()[0]))
    if not candidates:
        return False
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TOLD)
    sent, received = (
        int.from_bytes(told[place], sys.byteorder) / 1000 for place in (_LAST_SENT, _LAST_RECEIVED)
    )
    return any(sent >= age - _BLURRED_S and received <= age + _EARLIER_S for age in candidates)


def _same(address: str) -> str:
    """An address in one spelling, an IPv4 one as such where a socket of both families has it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
