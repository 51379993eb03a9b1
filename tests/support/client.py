"""A client of the application, in this process, that sends requests as one of the cast."""

import json
from typing import Any

from falcon import testing

from goldenrod.base.config import Settings
from goldenrod.store.db import Database
from tests.support.app import app_over
from tests.support.cast import World

Result = testing.Result


class ApiClient:
    """Sends requests as `who`: a name of the cast, the secret of a token, or None for anonymous
    requests."""

    def __init__(self, db: Database, settings: Settings, world: World) -> None:
        self.client = testing.TestClient(app_over(db, settings))
        self.world = world

    def ask(
        self,
        method: str,
        address: str,
        who: str | None = None,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Result:
        sent = dict(headers or {})
        if who is not None:
            sent.setdefault("Authorization", f"Token {self.world.secrets.get(who, who)}")
        if body is not None:
            raw = json.dumps(body).encode()
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        path, _, query = address.partition("?")
        return self.client.simulate_request(
            method, path, query_string=query, headers=sent, body=raw
        )

    def get(self, address: str, who: str | None = None, **more: Any) -> Result:
        return self.ask("GET", address, who, **more)

    def post(self, address: str, who: str | None, body: Any, **more: Any) -> Result:
        return self.ask("POST", address, who, body, **more)

    def patch(self, address: str, who: str | None, body: Any, **more: Any) -> Result:
        return self.ask("PATCH", address, who, body, **more)

    def delete(self, address: str, who: str | None = None, **more: Any) -> Result:
        return self.ask("DELETE", address, who, **more)

    def all(self, address: str, who: str | None = None) -> list[Any]:
        """All results of a list, from all its pages."""
        results: list[Any] = []
        following: str | None = address
        while following:
            answer = self.get(following, who)
            assert answer.status_code == 200, answer.text
            results += answer.json["results"]
            following = answer.json["next"]
        return results


def lasting(result: Result) -> dict[str, str]:
    """The headers of an answer, without the id of its request."""
    return {name: value for name, value in result.headers.items() if name != "x-request-id"}


def code(result: Result) -> str:
    """The status and code of a problem document: `409 slug_unavailable`."""
    assert result.headers["content-type"] == "application/problem+json", result.text
    document = result.json
    assert document["status"] == result.status_code
    return f"{result.status_code} {document['code']}"
