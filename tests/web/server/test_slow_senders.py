"""Slow senders and many connections: whoever else asks is answered meanwhile, on the real server.

The long ones have 127.0.0.2 and on as other addresses (Linux).
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from goldenrod.base.errors import Unavailable
from goldenrod.catalogue.accounts.password_hashing import Turns
from goldenrod.store.db import Database
from tests.support.cast import World, build_world
from tests.support.client import ApiClient
from tests.support.processes.server import (
    WAIT_S,
    Running,
    linux_only,
    readable,
    running,
    within,
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


LOOKUP = "/api/v2/lookup"
ASKED = {"identifiers": [{"identifier": "ami-0"}]}


def head(path: str, *, method: str = "POST", size: int = 500, token: str = "") -> bytes:
    sent = f"Authorization: Token {token}\r\n" if token else ""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\n{sent}Content-Type: application/json\r\n"
        f"Content-Length: {size}\r\n\r\n"
    ).encode()


def connect(server: Running, sent: bytes, source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), 20, (source, 0))
    connection.sendall(sent)
    return connection


def timed(ask: Callable[[], httpx.Response]) -> tuple[int, float]:
    began = time.monotonic()
    status = ask().status_code
    return status, time.monotonic() - began


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def looked_up(server: Running) -> bool:
    """Whether somebody who sends at once is answered. A busy machine may hold up their body as well:
    then they are told to send it again."""
    try:
        answer = httpx.post(server.url + LOOKUP, json=ASKED, timeout=WAIT_S)
    except httpx.RemoteProtocolError:
        return False
    assert answer.status_code in (200, 408, 503)
    return answer.status_code == 200


@pytest.fixture
def stocked(new_database: Callable[[str], Database]) -> tuple[str, World]:
    db = new_database("sqlite")
    return db.url, build_world(db)


@linux_only
def test_a_late_body_is_refused_and_its_connection_ends(
    stocked: tuple[str, World], log: Path
) -> None:
    with running(stocked[0], log, GOLDENROD_BODY_SECONDS="4") as server, ExitStack() as kept:
        slow = [kept.enter_context(connect(server, head(LOOKUP) + b"{")) for _ in range(4)]
        for connection in slow:
            assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
            while connection.recv(1000):
                pass  # to the end of the connection
        assert within(WAIT_S, lambda: looked_up(server))


@linux_only
def test_slow_senders_make_room_for_the_next(stocked: tuple[str, World], log: Path) -> None:
    with running(stocked[0], log) as server, ExitStack() as kept:
        slow = [kept.enter_context(connect(server, head(LOOKUP) + b"{")) for _ in range(8)]

        # On a busy machine the server may read the slow ones' beginnings a little later.
        assert within(WAIT_S, lambda: looked_up(server) and readable(slow[0], 0))
        for _ in range(2):
            assert within(WAIT_S, lambda: looked_up(server))
        assert slow[0].recv(1000).startswith(b"HTTP/1.1 503 ")


def test_a_token_that_only_reads_is_refused_before_its_body(
    stocked: tuple[str, World], log: Path
) -> None:
    url, world = stocked
    with running(url, log) as server:
        login = {"Authorization": f"Token {world.secrets['dora']}"}
        made = httpx.post(
            f"{server.url}/api/v2/tokens",
            json={"name": "reads", "scope": "read"},
            headers=login,
            timeout=WAIT_S,
        )
        token = made.json()["token"]
        with_read = {"Authorization": f"Token {token}"}
        listed = httpx.get(f"{server.url}/api/v2/images", headers=with_read, timeout=WAIT_S).json()
        image = listed["results"][0]["id"]
        for path, method, status in (
            ("/api/v2/images", "POST", b"403"),
            ("/api/v2/tokens", "POST", b"403"),
            ("/api/v2/images/999999", "PATCH", b"404"),
            (f"/api/v2/images/{image}", "PATCH", b"403"),
        ):
            with connect(server, head(path, method=method, token=token)) as connection:
                connection.settimeout(5)  # nothing of the body is ever sent
                assert connection.recv(1000)[9:12] == status, path
        answer = httpx.post(server.url + LOOKUP, json=ASKED, headers=with_read, timeout=WAIT_S)
        assert answer.status_code == 200


def test_few_passwords_are_worked_on_at_once() -> None:
    turns, holding, go = Turns(2, 1, 0.2), threading.Barrier(3), threading.Event()

    def hold() -> None:
        with turns.take():
            holding.wait(10)
            go.wait(10)

    holders = [threading.Thread(target=hold) for _ in range(2)]
    for thread in holders:
        thread.start()
    holding.wait(10)
    with pytest.raises(Unavailable) as refused, turns.take():
        pass
    assert refused.value.headers["Retry-After"] == "2"
    go.set()
    for thread in holders:
        thread.join()
    with turns.take():
        pass


def test_a_sign_in_that_finds_the_server_busy_is_no_failure(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from goldenrod.catalogue.accounts import password_hashing

    busy = Turns(1, 1, 0.01)
    monkeypatch.setattr(password_hashing, "TURNS", busy)
    given = {"username": "alice", "password": "wrong", "name": "x", "scope": "read"}
    with busy.take():
        for _ in range(10):
            answer = api.client.simulate_post("/api/v2/tokens", json=given)
            assert (answer.status_code, answer.json["code"]) == (503, "server_busy")
            assert answer.headers["retry-after"] == "2"
    assert api.client.simulate_post("/api/v2/tokens", json=given).status_code == 401


@contextmanager
def silent(server: Running, count: int) -> Iterator[None]:
    with ExitStack() as kept:
        for _ in range(count):
            kept.enter_context(connect(server, b""))
        yield


def test_silent_connections_leave_the_server_answering(
    stocked: tuple[str, World], log: Path
) -> None:
    with running(stocked[0], log) as server, silent(server, 1200):
        took = []
        for _ in range(3):
            status, spent = timed(lambda: httpx.get(f"{server.url}/api/v2/images", timeout=20))
            assert status == 200
            took.append(spent)
        assert min(took) < 5


@pytest.mark.long
def test_three_thousand_silent_connections_end(stocked: tuple[str, World], log: Path) -> None:
    with running(stocked[0], log) as server, ExitStack() as kept:
        quiet = [kept.enter_context(connect(server, b"")) for _ in range(3000)]
        assert httpx.get(f"{server.url}/api/v2/images", timeout=20).status_code == 200
        for connection in quiet:
            assert connection.recv(1) == b""


@pytest.mark.long
@pytest.mark.alone
@linux_only
def test_trickling_senders_hold_up_nobody_else(stocked: tuple[str, World], log: Path) -> None:
    url, world = stocked
    until = time.monotonic() + 60
    with running(url, log) as server:

        def trickle(source: str) -> None:
            while time.monotonic() < until:
                try:
                    with connect(server, head(LOOKUP) + b"{", source) as connection:
                        connection.settimeout(10)
                        while time.monotonic() < until:
                            try:
                                if not connection.recv(1000):
                                    break
                            except TimeoutError:
                                connection.sendall(b" ")
                except OSError:
                    pass
                time.sleep(0.5)

        sources = ["127.0.0.1"] * 50 + [f"127.0.0.{n}" for n in range(2, 52)]
        slow = [threading.Thread(target=trickle, args=(source,)) for source in sources]
        for thread in slow:
            thread.start()
        transport = httpx.HTTPTransport(local_address="127.0.0.100")
        login = {"Authorization": f"Token {world.secrets['alice']}"}
        took: list[float] = []
        with httpx.Client(base_url=server.url, transport=transport, timeout=20) as other:
            count = 0
            while time.monotonic() < until - 1:
                count += 1
                name = f"user {count}"
                given = {"username": name, "password": "x", "name": "x", "scope": "read"}
                # After 30 failures of an address it is asked to wait, before its password is.
                for statuses, path, body, headers in (
                    ((200,), LOOKUP, ASKED, {}),
                    ((201,), "/api/v2/images", {"name": name}, login),
                    ((401,) if count <= 25 else (401, 429), "/api/v2/tokens", given, {}),
                ):
                    began = time.monotonic()
                    answer = other.post(path, json=body, headers=headers)
                    took.append(time.monotonic() - began)
                    assert answer.status_code in statuses, path
                time.sleep(1)
        for thread in slow:
            thread.join()
        assert max(took) < 1
