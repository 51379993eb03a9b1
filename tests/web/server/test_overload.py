"""More load than the server can answer: what it does meanwhile, and what it loses: nothing."""

import http.client
import itertools
import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from bench.overload import SETTINGS, overload, requests
from bench.servers import resident
from goldenrod.store.db import Database
from goldenrod.web.server import FINISH_S
from tests.support.cast import World, build_world
from tests.support.client import ApiClient
from tests.support.processes.server import WAIT_S, Running, children, linux_only, running
from tests.support.webhooks.events import OPEN, hooked, publish
from tests.support.webhooks.receiver import Receiver

LARGE = "/api/v2/openapi.json"
LIST = "/api/v2/image_versions?page_size=100"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


@pytest.fixture
def stocked(new_database: Callable[[str], Database]) -> tuple[Database, World]:
    db = new_database("sqlite")
    return db, build_world(db)


@contextmanager
def load(server: Running, clients: int, ask: Callable[[httpx.Client], object]) -> Iterator[None]:
    """So many clients that send requests as fast as they are answered, until the block ends."""
    stop = threading.Event()

    def client() -> None:
        with httpx.Client(base_url=server.url, timeout=WAIT_S) as sending:
            while not stop.is_set():
                ask(sending)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(WAIT_S)


@pytest.mark.long
@linux_only
def test_clients_that_read_slowly_hold_no_thread(
    stocked: tuple[Database, World], log: Path
) -> None:
    db, _ = stocked
    with running(db.url, log, "--threads", "1") as server, ExitStack() as kept:
        threads = len(list(Path(f"/proc/{_worker(server)}/task").iterdir()))
        slow = []
        for _ in range(200):
            connection = kept.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(f"GET {LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            slow.append(connection)
        took = []
        for _ in range(3):
            for connection in slow:
                assert connection.recv(1)
            began = time.monotonic()
            assert httpx.get(server.url + LIST, timeout=WAIT_S).status_code == 200
            took.append(time.monotonic() - began)
        assert min(took) < 1
        assert threads < len(slow)


def _worker(server: Running) -> int:
    return max(children(server.process.pid), key=lambda child: resident(child) or 0)


@pytest.mark.long
@pytest.mark.alone
def test_a_delivery_goes_out_under_load_and_slow_receivers_delay_no_request(
    stocked: tuple[Database, World], log: Path
) -> None:
    db, world = stocked
    api = ApiClient(db, OPEN, world)
    alice = {"Authorization": f"Token {world.secrets['alice']}"}
    with Receiver().running() as slow, Receiver().running() as prompt, ExitStack() as stack:
        slow.held.clear()
        for number in range(15):
            hooked(api, f"{slow.url}/{number}", "dora", None)
        hooked(api, prompt.url)
        settings = {"GOLDENROD_WEBHOOKS_PRIVATE": "true", "GOLDENROD_CACHE_MB": "0"}
        server = stack.enter_context(running(db.url, log, **settings))
        numbers = itertools.count()
        statuses: Counter[int] = Counter()

        def ask(client: httpx.Client) -> None:
            number = next(numbers)
            if number % 3:
                answer = client.get(LIST)
            else:
                body = {"description": f"the {number}th"}
                path = f"/api/v2/images/{world.images['open']}"
                answer = client.patch(path, json=body, headers=alice)
            statuses[answer.status_code] += 1

        stack.enter_context(load(server, 40, ask))
        for number in range(3):
            began = time.monotonic()
            body = {"name": f"9.{number}", "image": world.images["open"]}
            while (
                httpx.post(
                    f"{server.url}/api/v2/image_versions", json=body, headers=alice, timeout=WAIT_S
                ).status_code
                != 201
            ):
                time.sleep(0.1)
                assert time.monotonic() - began < WAIT_S
            published = time.monotonic()
            assert prompt.arrived.acquire(timeout=30), f"not delivered; {statuses}"
            assert time.monotonic() - published < 10
        slow.held.set()
    assert statuses.keys() <= {200, 503}


@pytest.mark.long
@linux_only
def test_when_it_is_told_to_end_every_change_that_was_made_is_answered(
    stocked: tuple[Database, World], log: Path
) -> None:
    db, world = stocked
    alice = {"Authorization": f"Token {world.secrets['alice']}"}
    refused, lost, answered = list[int](), list[int](), Counter[tuple[str, int]]()
    with running(db.url, log, GOLDENROD_CACHE_MB="0") as server:

        def client(number: int) -> None:
            headers = alice | {"Content-Type": "application/json", "Connection": "close"}
            while True:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
                try:
                    connection.connect()
                except OSError:
                    refused.append(number)
                    return
                try:
                    method, path, body = "GET", LIST, None
                    if number % 4 == 0:
                        method, path = "PATCH", f"/api/v2/images/{world.images['open']}"
                        body = json.dumps({"description": f"{time.time_ns()}"})
                    connection.request(method, path, body, headers)
                    answer = connection.getresponse()
                    answer.read()
                    answered[method, answer.status] += 1
                except (OSError, http.client.HTTPException):
                    lost.append(number)
                finally:
                    connection.close()

        clients = [threading.Thread(target=client, args=(n,)) for n in range(24)]
        for one in clients:
            one.start()
        time.sleep(2)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for one in clients:
            one.join(WAIT_S)
        assert server.process.wait(WAIT_S) == 0
        assert time.monotonic() - began < FINISH_S
    assert len(refused) == len(clients)
    assert {status for _, status in answered} <= {200, 503}
    with db.read() as tx:
        changes = tx.sql("SELECT count(*) FROM audit WHERE action = 'image:edit'").fetchone()[0]
    # A connection that was accepted a moment before may end unread: nothing was done then.
    assert changes == answered["PATCH", 200] > 0
    assert len(lost) <= len(clients) / 2


@pytest.mark.long
@pytest.mark.alone
@linux_only
def test_four_times_the_load_it_can_answer_leaves_it_answering_and_well(
    stocked: tuple[Database, World], log: Path
) -> None:
    db, world = stocked
    versions = [publish(db, world, f"5.{number}") for number in range(150)]
    with running(db.url, log, GOLDENROD_CACHE_MB="0", **SETTINGS) as server:
        worker = _worker(server)
        send = requests(versions, world.secrets["alice"])
        found = overload(server.port, send, lambda: resident(worker), 10, 3)
        import pprint

        pprint.pprint(found.figures())
    figures = found.figures()
    assert found.during.statuses["unanswered"] == found.during.statuses["lost"] == 0, figures
    assert figures["during"]["accepted p99 ms"] < 1000, figures
    assert found.during.memory[-1] < 1.3 * found.during.memory[2], figures
    assert found.recovered_s is not None and found.recovered_s <= 5, figures
