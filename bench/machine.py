"""What the figures were measured on and with, in words."""

import os
import platform
import sqlite3
import sys
from importlib.metadata import version
from pathlib import Path

from bench.drive import CONNECTIONS, driver
from bench.servers import THREADS

__all__ = ["described", "driver"]


def described() -> dict[str, str]:
    """The machine, the versions of what is measured, and how it is driven."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(aliased=True),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("granian", "falcon", "psycopg")},
        "driver": driver(),
        "connections": str(CONNECTIONS),
        "threads": str(THREADS),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
