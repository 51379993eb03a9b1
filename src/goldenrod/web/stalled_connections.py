"""Ending reads that wait for a slow client, by shutting down the connection (Linux only).

The server shows neither a request's socket nor a way to stop its read. So the connection is found by
what Linux reports of this process's sockets: something was received since the request began, and
nothing was sent since then. Another connection of the same address is like it only where that has also
waited as long for its answer. On other systems, a read lasts until its client goes away.
"""

import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_FILES = Path("/proc/self/fd")
_TCP_INFO_BYTES = 104  # the beginning of Linux's struct tcp_info, which all its versions have
_LAST_SENT = slice(44, 48)
_LAST_RECEIVED = slice(52, 56)
_EARLIER_S = 1.0
"""How much later than its head arrived a request may begin, on a busy machine."""
_BLURRED_S = 0.02


def end_reading(stuck: Sequence[tuple[str, float]]) -> int:
    """End the reads of requests, each given by its peer and the seconds since it began; how many
    connections were shut down for reading."""
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
            # A duplicate: the number itself may come to mean another file meanwhile.
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
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    sent, received = (
        int.from_bytes(info[field], sys.byteorder) / 1000 for field in (_LAST_SENT, _LAST_RECEIVED)
    )
    return any(sent >= age - _BLURRED_S and received <= age + _EARLIER_S for age in candidates)


def _same(address: str) -> str:
    """An address in one spelling; an IPv4 address that a socket gives as IPv6, as IPv4."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
