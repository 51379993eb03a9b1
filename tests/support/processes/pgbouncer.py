"""A real pgbouncer in transaction mode, in front of a test's PostgreSQL cluster."""

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.support.processes.postgres import START_SECONDS, Cluster, _end_with_parent
from tests.support.processes.programs import program

_PORT = 6432


@contextmanager
def pgbouncer(cluster: Cluster, database: str, server_connections: int = 4) -> Iterator[str]:
    """Run it in the cluster's directory, with so many connections to the server for all its clients;
    yield the URL of a database through it. Skips the test where it is not installed."""
    pooler = program("pgbouncer", "/usr/sbin/pgbouncer")
    directory = cluster._directory
    assert directory
    config = Path(directory) / "pgbouncer.ini"
    config.write_text(
        "[databases]\n"
        f"* = host={directory} port=5432 user=postgres\n"
        "[pgbouncer]\n"
        f"unix_socket_dir = {directory}\nlisten_addr =\nlisten_port = {_PORT}\n"
        f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {server_connections}\n"
        f"max_client_conn = 100\nlogfile = {directory / 'pgbouncer.log'}\n"
    )
    # It refuses to run as root.
    nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    process = subprocess.Popen(
        [pooler, str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=nobody.pw_uid if nobody else None,
        group=nobody.pw_gid if nobody else None,
        extra_groups=[] if nobody else None,
        preexec_fn=_end_with_parent(),
    )
    socket = quote(str(directory), safe="")
    url = f"postgresql://postgres@/{quote(database, safe='')}?host={socket}&port={_PORT}"
    try:
        ends = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(url).close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < ends and process.poll() is None, "it did not start"
                time.sleep(0.02)
        yield url
    finally:
        process.terminate()
        process.wait(10)
