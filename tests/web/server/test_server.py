"""The server as a process: how it starts, that it ends, and what it leaves behind: nothing."""

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from goldenrod.store.db import Database
from goldenrod.web.server import HEAPS
from tests.support.cast import build_world
from tests.support.processes.postgres import Cluster
from tests.support.processes.server import (
    GOLDENROD,
    WAIT_S,
    alive,
    begin,
    children,
    environment,
    linux_only,
    ready,
    running,
    within,
)


@pytest.fixture
def fresh(tmp_path: Path) -> str:
    """The URL of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'fresh.db'}"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "stderr"


def test_it_makes_its_tables_and_answers_once_it_says_so(fresh: str, log: Path) -> None:
    with running(fresh, log) as server:
        answer = httpx.get(f"{server.url}/image_versions", timeout=WAIT_S)
        assert (answer.status_code, answer.json()["count"]) == (200, 0)
        assert server.end() == 0
        assert server.log() == ""


@pytest.mark.long
def test_two_that_start_at_once_on_a_fresh_database_both_answer(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'both.db'}"
    if backend == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        url = cluster.create(f"both_{os.getpid()}")
    starting = [begin(url, tmp_path / f"stderr-{number}") for number in (1, 2)]
    try:
        for server in map(ready, starting):
            assert httpx.get(f"{server.url}/api/v2/images", timeout=WAIT_S).status_code == 200
    finally:
        codes = [server.end() for server in starting]
        for server in starting:
            assert server.process.stdout is not None
            server.process.stdout.close()
    assert codes == [0, 0]


@pytest.mark.long
def test_a_port_in_use_is_noticed(fresh: str, log: Path, tmp_path: Path) -> None:
    with running(fresh, log) as server:
        second = subprocess.run(
            [*GOLDENROD, "serve", "--port", str(server.port)],
            env=environment(f"sqlite:///{tmp_path / 'second.db'}"),
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        assert second.returncode == 1
        assert second.stdout == ""
        assert second.stderr == (
            f"goldenrod: Cannot listen at port {server.port} of 127.0.0.1: address already "
            "in use. Choose another port with --port.\n"
        )
        assert not (tmp_path / "second.db").exists()
        assert httpx.get(f"{server.url}/image_versions", timeout=WAIT_S).status_code == 200


@pytest.mark.long
def test_a_port_is_free_again_as_soon_as_its_server_has_ended(fresh: str, log: Path) -> None:
    with running(fresh, log) as server:
        httpx.get(f"{server.url}/image_versions", timeout=WAIT_S)
        port = server.port
        server.end()
    again = begin(fresh, log, "--port", str(port))
    assert ready(again).port == port
    assert again.end() == 0
    assert again.process.stdout is not None
    again.process.stdout.close()


@pytest.mark.long
@linux_only
def test_killing_the_main_process_leaves_no_worker(fresh: str, log: Path) -> None:
    with running(fresh, log, "--workers", "2") as server:
        workers = children(server.process.pid)
        assert len(workers) >= 2
        server.end(signal.SIGKILL)
        assert within(WAIT_S, lambda: not any(alive(worker) for worker in workers))
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/image_versions", timeout=WAIT_S)


HASTY = f"""#!{sys.executable}
from goldenrod.cli.main import main
from goldenrod.web import server

server.FINISH_S = 1
main()
"""


@pytest.mark.long
@linux_only
def test_a_client_that_does_not_read_holds_no_worker_of_a_killed_main_process(
    fresh: str, log: Path, tmp_path: Path
) -> None:
    hasty = tmp_path / "goldenrod"
    hasty.write_text(HASTY)
    hasty.chmod(0o700)
    with running(fresh, log, "--access-log", program=str(hasty)) as server:
        (worker,) = children(server.process.pid)
        with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
            # More than the buffers of the connection take: an answer waits for its client.
            asked = 100
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * asked)
            answered = 0
            while (now := server.log().count("GET /openapi.json")) > answered or not now:
                answered = now
                time.sleep(0.5)
            assert answered < asked
            server.end(signal.SIGKILL)
            # The server's own handler of a signal waits for ever where it is called again and again.
            for _ in range(6):
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGTERM)
                time.sleep(0.1)
            assert within(WAIT_S, lambda: not alive(worker))


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to(fresh: str, log: Path, how: signal.Signals) -> None:
    with running(fresh, log) as server:
        assert server.end(how) == 0


@pytest.mark.long
def test_requests_in_flight_are_finished(
    log: Path, new_database: Callable[[str], Database]
) -> None:
    db = new_database("sqlite")
    token = build_world(db).secrets["alice"]
    body = json.dumps({"name": "slowly sent"}).encode()
    head = (
        f"POST /api/v2/images HTTP/1.1\r\nHost: x\r\nAuthorization: Token {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with running(db.url, log) as server:
        with socket.create_connection(("127.0.0.1", server.port), WAIT_S) as connection:
            connection.sendall(head.encode() + body[:5])
            used = "SELECT count(*) FROM tokens WHERE last_used IS NOT NULL"

            def arrived() -> bool:
                with db.read() as tx:
                    return bool(tx.sql(used).fetchone()[0])

            # The use of its token is noted before the body is read: now it is being answered.
            assert within(WAIT_S, arrived)
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                server.process.wait(0.5)
            connection.sendall(body[5:])
            assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")
        assert server.process.wait(WAIT_S) == 0


def separate_heaps(pid: int) -> int:
    """How many heaps of glibc a process has besides its first one. Each reserves 64 MB, up to a
    multiple of 64 MB, and has no access yet to the end of it."""
    size = 64 * 1024 * 1024
    areas = [line.split()[:2] for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    reserved = [area.split("-") for area, mode in areas if mode == "---p"]
    bounds = [(int(begin, 16), int(end, 16)) for begin, end in reserved]
    return sum(end % size == 0 and end - begin > size // 4 for begin, end in bounds)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have no such heaps")
@linux_only
def test_the_threads_of_a_worker_share_heaps(fresh: str, log: Path) -> None:
    with running(fresh, log) as server:
        (worker,) = children(server.process.pid)

        def ask(number: int) -> int:
            address = f"{server.url}/image_versions?name={number}"
            return httpx.get(address, timeout=WAIT_S).status_code

        with ThreadPoolExecutor(16) as clients:
            assert set(clients.map(ask, range(200))) == {200}
        assert 1 <= separate_heaps(worker) < HEAPS


def test_variables_of_the_environment_do_not_arrive_as_headers(fresh: str, log: Path) -> None:
    with running(fresh, log, HTTP_AUTHORIZATION="Token nonsense") as server:
        assert httpx.get(f"{server.url}/image_versions", timeout=WAIT_S).status_code == 200
        wrong = {"Authorization": "Token nonsense"}
        assert (
            httpx.get(f"{server.url}/image_versions", headers=wrong, timeout=WAIT_S).status_code
            == 401
        )


def test_answers_do_not_say_what_serves_them(fresh: str, log: Path) -> None:
    with running(fresh, log) as server:
        for path in ("/", "/api/v2/images", "/nowhere", "/images/"):
            answer = httpx.get(f"{server.url}{path}", timeout=WAIT_S)
            assert not answer.headers.get("server"), path
            assert answer.headers["x-content-type-options"] == "nosniff", path


@pytest.mark.long
def test_requests_are_logged_where_asked_for_without_credentials(fresh: str, log: Path) -> None:
    with running(fresh, log, "--access-log", "--log", "json") as server:
        headers = {"Authorization": "Token hidden"}
        httpx.get(
            f"{server.url}/image_versions", params={"name": "x"}, headers=headers, timeout=WAIT_S
        )
        assert within(WAIT_S, lambda: "GET /image_versions" in server.log())
        first = json.loads(server.log().splitlines()[0])
        assert (first["level"], first["logger"]) == ("info", "granian.access")
        assert "hidden" not in server.log()


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (("--host", "nowhere.invalid"), "it is not an address of this machine", 1),
        (("--host", "192.0.2.1"), "Cannot listen at", 1),
        (("--port", "65536"), "'--port'", 2),
        (("--threads", "0"), "'--threads'", 2),
    ],
)
def test_an_address_that_cannot_be_served_is_said(
    fresh: str, options: tuple[str, ...], said: str, code: int
) -> None:
    failed = subprocess.run(
        [*GOLDENROD, "serve", "--port", "0", *options],
        env=environment(fresh),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert failed.returncode == code
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.long
def test_the_demonstration_has_its_own_database_and_leaves_nothing(
    fresh: str, log: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with running(fresh, log, command="demo", TMPDIR=str(temporary)) as server:
        assert httpx.get(f"{server.url}/api/v2/images", timeout=WAIT_S).json()["count"] > 0
        assert list(temporary.iterdir()) != []
        server.process.send_signal(signal.SIGTERM)
        assert server.process.stdout is not None
        assert f"curl -s '{server.url}/image_versions" in server.process.stdout.read()
        assert server.process.wait(WAIT_S) == 0
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "fresh.db").exists()
