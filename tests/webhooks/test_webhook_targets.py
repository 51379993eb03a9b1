"""Targets of webhooks: public addresses, ports 80, 443 and 1024 up, unless the operator allows more."""

import socket
from typing import Any

import pytest

from goldenrod.base import config
from goldenrod.base.errors import SettingError
from goldenrod.catalogue.webhooks import http_sender, special_addresses
from goldenrod.catalogue.webhooks.http_sender import Sender
from goldenrod.demo.receiver import Receiver as DemoReceiver
from goldenrod.store.db import Database
from tests.support.cast import World
from tests.support.client import ApiClient, code
from tests.support.webhooks.receiver import Receiver

SPECIAL = (
    "0.1.2.3",
    "10.1.2.3",
    "100.64.0.1",
    "127.9.9.9",
    "169.254.1.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.1.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "169.254.169.254",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:93.184.216.34",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::5db8:d822",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:1::1",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:1ff::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:5db8:d822::",
    "2620:4f:8000::1",
    "3fff::1",
    "3fff:fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "4000::1",
    "1::1",
    "fe80::1%eth0",
)
PUBLIC = (
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "168.63.129.15",
    "172.32.0.1",
    "192.0.1.1",
    "192.88.98.1",
    "192.88.100.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2606:4700:4700::1111",
    "2620:4f:8001::1",
    "3ffe::1",
)


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not special_addresses.is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_neighbours_of_special_ranges_are_public(address: str) -> None:
    assert special_addresses.is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "168.63.129.16",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a83f:8110::1",
        "fd00:ec2::254",
    ],
)
def test_metadata_addresses_are_refused_even_where_private_ones_are_allowed(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(http_sender.TargetRefused):
        http_sender.require_reachable(f"http://{host}/", private=True)
    outcome = Sender(private=True).send(f"http://{host}/", "id", "whsec_AAAA", b"{}")
    assert outcome.error == "The target resolves to an address that webhooks are not sent to."


@pytest.mark.parametrize(
    "host",
    [
        "168.63.129.16",
        "0300.0250.1.1",
        "0xc0a80101",
        "3232235777",
        "127.1",
        "127.0.0.1.",
        "localhost.",
        "%31%32%37.0.0.1",
        "[::ffff:7f00:1]",
        "[fe80::1%25lo]",
        "93.184.216.34@127.0.0.1",
        "93.184.216.34:80@127.0.0.1",
        "127.0.0.1\\@93.184.216.34",
        "93.184.216.34\\@127.0.0.1",
        "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021",
    ],
)
def test_other_spellings_lead_nowhere_else(host: str) -> None:
    with pytest.raises((http_sender.TargetRefused, ValueError)):
        http_sender.require_reachable(f"http://{host}/", private=False)


def test_only_ports_of_the_web_and_free_ones_unless_allowed() -> None:
    def reach(port: int, ports: frozenset[int] = frozenset()) -> None:
        http_sender.require_reachable(f"https://93.184.216.34:{port}/", private=False, ports=ports)

    for port in (80, 443, 1024, 8443, 65535):
        reach(port)
    for port in (1, 22, 25, 81, 1023):
        with pytest.raises(ValueError, match="must use port 80, 443, or a port from 1024 up"):
            reach(port)
    reach(25, frozenset({25}))


def test_the_port_is_refused_in_words_and_at_sending(api: ApiClient, world: World) -> None:
    body = {"target": "https://93.184.216.34:25/", "image": world.images["open"]}
    refused = api.post("/api/v2/webhooks", "alice", body)
    assert code(refused) == "400 field_invalid"
    assert "port 80, 443, or a port from 1024 up" in refused.json["detail"]
    outcome = Sender(private=False).send(str(body["target"]), "id", "whsec_AAAA", b"{}")
    assert outcome.error == "The target must use port 80, 443, or a port from 1024 up."


def test_the_setting_allows_a_port(db: Database, world: World) -> None:
    api = ApiClient(db, config.load({"GOLDENROD_WEBHOOKS_PORTS": "25, 587"}), world)
    body = {"target": "https://93.184.216.34:587/", "image": world.images["open"]}
    assert api.post("/api/v2/webhooks", "alice", body).status_code == 201
    for wrong in ("x", "0", "70000", "25;26"):
        with pytest.raises(SettingError, match="GOLDENROD_WEBHOOKS_PORTS takes port numbers"):
            config.load({"GOLDENROD_WEBHOOKS_PORTS": wrong})


def test_a_name_that_resolves_to_a_metadata_address_is_refused_when_connecting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, *args: Any, **more: Any) -> Any:
        return real("168.63.129.16" if host == "hooks.example.org" else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with Receiver().running():
        outcome = Sender(private=False).send("http://hooks.example.org/", "i", "whsec_AAAA", b"{}")
    assert outcome.error == "The target resolves to an address that webhooks are not sent to."


def test_the_demonstrations_own_receiver_alone_is_allowed() -> None:
    other, own = DemoReceiver(), DemoReceiver()
    own.start()
    sender = Sender(private=False, own=own.address)
    try:
        outcome = sender.send(f"{own.url}hook", "id", "whsec_AAAA", b'{"type":"webhook.test"}')
        assert (outcome.status, outcome.error) == (200, None)
        assert outcome.answer and outcome.answer.body == "Received 23 bytes.\n"
        assert sender.send(f"{own.url}fail", "id", "whsec_AAAA", b"{}").status == 500
        assert "POST /hook\nwebhook-id: id\n" in own.shown() and "webhook.test" in own.shown()
        http_sender.require_reachable(own.url, private=False, own=own.address)
        refused = (other.url, own.url.replace("127.0.0.1", "127.0.0.2"), "http://10.0.0.1/")
        for target in refused:
            with pytest.raises(http_sender.TargetRefused):
                http_sender.require_reachable(target, private=False, own=own.address)
            assert sender.send(target, "id", "whsec_AAAA", b"{}").status is None
    finally:
        own.close()
        other.close()
    assert config.load({}).webhooks_receiver is None
