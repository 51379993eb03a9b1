"""Describes the machine and the software of a run."""

import os
import platform
import sqlite3
import sys
from importlib.metadata import version
from pathlib import Path

import psycopg

from bench.drive import CONNECTIONS, driver
from bench.servers import THREADS
from tests.support.processes.postgres import Cluster


def described(seconds: float) -> dict[str, str]:
    """The machine, the versions of the software, and the program that sends the requests."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(aliased=True),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("granian", "falcon", "psycopg")},
        "driver": driver(seconds),
        "connections": str(CONNECTIONS),
        "threads": str(THREADS),
    }


def version_of(cluster: Cluster) -> str:
    """The version of PostgreSQL."""
    with psycopg.connect(cluster.url("postgres")) as connection:
        number = connection.info.server_version
    return f"{number // 10000}.{number % 10000}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
