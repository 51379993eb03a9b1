"""No secret gets into the log at any level: neither what requests send, nor what the server sends."""

import base64
import json
import logging
from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import quote, urlencode

import granian.log
import pytest

from goldenrod.base import config
from goldenrod.base.clock import to_datetime
from goldenrod.catalogue.webhooks.worker import Deliverer
from goldenrod.store.db import Database
from goldenrod.web import oidc_client, server
from tests.conftest import NOON
from tests.support.cast import World
from tests.support.client import ApiClient
from tests.support.pages.visitor import Visitor
from tests.support.processes import oidc_provider
from tests.support.processes.oidc_provider import BEGINNING, CLIENT, SECRET
from tests.support.webhooks.events import hooked, publish
from tests.support.webhooks.receiver import Receiver

PASSWORD = "correct-horse-9431-staple"
SENT = "sent-secret-5f2b9c"
"""A part of every other secret that is sent."""


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What all loggers write at any level, in both forms, as `serve` sets them up."""
    written: list[str] = []
    forms = [server.log_formatter("plain"), server.log_formatter("json")]
    handler = logging.Handler(logging.DEBUG)
    handler.emit = lambda record: written.extend(  # type: ignore[method-assign]
        form.format(logging.makeLogRecord(record.__dict__)) for form in forms
    )
    pinned = {
        name: said["level"]
        for name, said in server._logging("plain")["loggers"].items()
        if name in ("httpx", "httpcore")
    }
    assert len(pinned) == 2
    levels = {"": "DEBUG", "goldenrod": "DEBUG"} | pinned
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)
    for name, number in before.items():
        logging.getLogger(name).setLevel(number)


def forms_of(secret: str) -> set[str]:
    """A secret as it may be written."""
    coded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, quote(secret, safe=""), coded, json.dumps(secret)[1:-1]}


def send_everything(api: ApiClient, world: World) -> None:
    """Every kind of request, with secrets wherever one may be."""
    basic = base64.b64encode(f"x:{SENT}".encode()).decode()
    hooked = {"target": f"http://127.0.0.1:9/{SENT}?key={SENT}", "events": ["version.created"]}
    bodies: list[Any] = [
        {"username": "newcomer", "password": SENT},
        {"username": SENT * 40, "password": SENT, SENT: SENT},
        {"name": SENT, "scope": "admin", "user": SENT},
        hooked | {"image": "kept"},
        [SENT],
        SENT,
    ]
    heads = (
        {"Authorization": f"Token {world.secrets['dora']}"},
        {"Authorization": f"Token {SENT}"},
        {"Authorization": f"Basic {basic}"},
        {"Authorization": SENT},
        {"Cookie": f"__Host-goldenrod_session={SENT}; goldenrod_session={SENT}"},
        {"X-Forwarded-For": SENT, "Proxy-Authorization": SENT, "X-Api-Key": SENT},
    )
    paths = ("/api/v2/users", "/api/v2/tokens", "/api/v2/webhooks", "/api/v2/images/kept", "/check")
    for path, head in product(paths, heads):
        api.ask("GET", f"{path}?token={SENT}&password={SENT}", headers=head)
        api.ask("BREW", path, headers=head)
    for path, body in product((*paths, "/sign-in"), bodies):
        for head in heads[:2]:
            api.ask("POST", path, None, body, headers=head)
            api.ask("PATCH", f"{path}/1", None, body, headers=head)
    api.ask("POST", "/api/v2/users", "dora", raw=f'{{"password": "{SENT}"'.encode())
    for form in (
        {"username": "alice", "password": SENT, "csrf": SENT},
        {"username": SENT, "password": SENT},
    ):
        api.client.simulate_post(
            "/sign-in",
            body=urlencode(form),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
    for query in (f"code={SENT}&state={SENT}", f"error={SENT}&error_description={SENT}&state=x"):
        api.client.simulate_get("/sign-in/oidc/callback", query_string=query)


@pytest.mark.long_on_postgresql
def test_no_secret_is_in_the_log(
    db: Database,
    world: World,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: set[str] = {SENT, PASSWORD, SECRET, *world.secrets.values()}
    oidc_client._provider.cache_clear()
    with oidc_provider.running() as provider, Receiver().running() as receiver:
        provider.tell(**BEGINNING | {"now": int(to_datetime(NOON).timestamp())})
        settings = config.load(
            {
                "GOLDENROD_PUBLIC_URL": "https://images.example.org",
                "GOLDENROD_TRUSTED_PROXIES": "127.0.0.1",
                "GOLDENROD_OIDC_ISSUER": provider.issuer,
                "GOLDENROD_OIDC_CLIENT_ID": CLIENT,
                "GOLDENROD_OIDC_CLIENT_SECRET": SECRET,
                "GOLDENROD_SLOW_MS": "1",
                "GOLDENROD_WEBHOOKS_PRIVATE": "true",
                "GOLDENROD_METRICS_TOKEN": f"{SENT}-metrics",
            }
        )
        api = ApiClient(db, settings, world)
        send_everything(api, world)
        # What the server gives out: tokens, secrets of webhooks, sessions.
        token = api.post("/api/v2/tokens", "dora", {"name": "ci", "scope": "read"})
        assert token.status_code == 201, token.text
        hook = hooked(api, f"{receiver.url}?key={SENT}")
        known |= {token.json["token"], hook["secret"]}
        created = api.post(
            "/api/v2/users", "dora", {"username": "zoe", "password": PASSWORD, "is_staff": False}
        )
        assert created.status_code == 201, created.text
        # Signing in: with a password, and with the provider, right and wrong.
        browser = Visitor(db, settings)
        for password in ("wrong-" + SENT, PASSWORD):
            page = browser.get("/sign-in")
            browser.submit(page, "/sign-in", username="zoe", password=password)
        known |= set(browser.cookies.values())
        other = Visitor(db, settings)
        begun = other.get("/sign-in/oidc?next=/account", follow=False).headers["location"]
        known |= set(other.cookies.values())
        address = provider.lead(begun)
        known |= {part.partition("=")[2] for part in address.partition("?")[2].split("&")}
        other.get(address.removeprefix("https://images.example.org"), follow=False)
        known |= set(other.cookies.values())
        other.get(address.removeprefix("https://images.example.org"), follow=False)
        # Sending to a webhook, which works, is refused, and is not there.
        receiver.statuses = [204, 500]
        for number in range(2):
            publish(db, world, f"{number}.0")
            Deliverer(db, private=True).deliver_due()
        assert receiver.got
    publish(db, world, "3.0")
    Deliverer(db, private=True).deliver_due()

    # A bug while a request is answered.
    def bug(*given: object, **named: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(db, "read", bug)
    monkeypatch.setattr(db, "optimistic_read", bug)
    monkeypatch.setattr(db, "write_unversioned", bug)
    send_everything(api, world)
    text = "\n".join(lines)
    assert "failed: GET" in text and "slow request" in text and "security event" in text
    short = {secret for secret in known if len(secret) < 8}
    found = {one for one in known - short for form in forms_of(one) if form in text}
    assert not found, [line for line in lines if any(one in line for one in found)][:5]


def test_the_access_log_has_no_query() -> None:
    assert "%(path)s" in granian.log.DEFAULT_ACCESSLOG_FMT
    assert "query" not in granian.log.DEFAULT_ACCESSLOG_FMT
