"""Sending one POST: the addresses that are allowed, and the time limits."""

import socket
import threading
import time
from typing import Any

import pytest

from goldenrod.base import config
from goldenrod.catalogue.webhooks.http_sender import Sender
from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.webhooks.events import hooked, log_of, publish
from tests.support.webhooks.receiver import Receiver


def test_the_address_is_checked_again_when_connecting(
    db: Database, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, name, asked = socket.getaddrinfo, "hooks.example.org", []
    addresses = ["93.184.216.34"]

    def resolve(host: str, *args: Any, **more: Any) -> Any:
        if host != name:
            return real(host, *args, **more)
        asked.append(host)
        return real(addresses[0], *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    api = ApiClient(db, config.load({}), world)
    hook = hooked(api, f"http://{name}:{receiver.port}/hook")
    addresses[0] = "127.0.0.1"
    publish(db, world, "2.0")
    assert Deliverer(db, private=False).deliver_due()
    assert receiver.got == []
    [delivery] = log_of(api, hook)
    assert (
        delivery["last_error"] == "The target resolves to an address that webhooks are not sent to."
    )
    # Where private addresses are allowed, the name is looked up only once per POST.
    asked.clear()
    outcome = Sender(private=True).send(hook["target"], "id", hook["secret"], b"{}")
    assert (outcome.status, asked) == (204, [name])
    assert receiver.got[0].headers["host"] == f"{name}:{receiver.port}"


def test_tls_verifies_the_name_and_not_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, *args: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == "hooks.example.org" else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    seen: list[bytes] = []

    def listen(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            seen.append(connection.recv(10_000))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        target = f"https://hooks.example.org:{server.getsockname()[1]}/"
        outcome = Sender(private=True).send(target, "id", "whsec_AAAA", b"{}")
        thread.join()
    assert b"hooks.example.org" in seen[0]
    assert outcome.error is not None
    assert outcome.error.startswith("The connection failed: ")


def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert Sender(private=True).send(receiver.url, "id", "whsec_AAAA", b"{}").status == 204


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldenrod.catalogue.webhooks.http_sender.TOTAL_TIMEOUT_S", 2)

    def trickle(server: socket.socket, first: bytes) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(100_000)
            try:
                connection.sendall(first)
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                return

    body = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    for first, status in ((b"HTTP/1.1 200 OK\r\nX: ", None), (body, 200)):
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=trickle, args=(server, first))
            thread.start()
            began = time.monotonic()
            target = f"http://127.0.0.1:{server.getsockname()[1]}/"
            outcome = Sender(private=True).send(target, "id", "whsec_AAAA", b"{}")
            assert time.monotonic() - began < 10
            assert outcome.status == status
            thread.join()
