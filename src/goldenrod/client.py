"""A thin client for a Goldenrod server, for programs and for the command line.

    with Client("https://images.example.org", token) as server:
        for version in server.pages("/image_versions", image_id="ubuntu"):
            ...

Paths are relative to `/api/v2`. Answers are dicts as in the JSON; `base/wire/` declares their fields.
Anything but a success raises `ClientError` with the server's own sentence and code. `get_tagged` reads
what a later `patch`, `put` or `delete` with `if_match` changes only if nobody else did meanwhile. A
client remembers the newest revision of the catalogue that it has seen, and no later answer is older.
The token is sent to the given address only: of the links in answers, only the query is used.
"""

import re
import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit
from urllib.request import getproxies

import httpx

API = "/api/v2"
TIMEOUT_S = 30.0

_REVISION, _MIN_REVISION = "Goldenrod-Revision", "Goldenrod-Min-Revision"

_UNCOMPRESSED = {"Accept-Encoding": "identity"}

Json = dict[str, Any]
Values = Mapping[str, Any]


class ClientError(Exception):
    """The server refused, or could not be reached (status 0). `code` is stable, `detail` a sentence.

    `problem` is the whole problem document of the server's answer, if there was one.
    """

    def __init__(self, status: int, code: str, detail: str, problem: Json | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.problem = problem or {}


_NONE = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts no certificate."""


def _certificates(url: str) -> ssl.SSLContext | bool:
    """The certificates to trust: the usual ones, which take 50 ms to read, or none for a server without
    TLS that is reached directly."""
    plain = url.lower().startswith("http://") and not getproxies()
    return _NONE if plain else True


class Client:
    """One server, used as one user or, without a token, anonymously."""

    def __init__(self, url: str, token: str = "", *, timeout_s: float = TIMEOUT_S) -> None:  # nosec B107 # empty: no token
        self.url = url.rstrip("/")
        self.has_token = bool(token.strip())
        self.revision: str | None = None
        """The newest revision of the catalogue that was seen. Set one from an earlier client to go on
        from there; None forgets it."""
        headers = {"Accept": "application/json"}
        if token := token.strip():
            if not (token.isascii() and token.isprintable()):
                raise ClientError(0, "token_malformed", "The token has characters that none has.")
            headers["Authorization"] = f"Token {token}"
        try:
            self._http = httpx.Client(
                base_url=self.url,
                headers=headers,
                timeout=timeout_s,
                verify=_certificates(self.url),
            )
        except (httpx.InvalidURL, ValueError, OSError) as wrong:
            raise ClientError(
                0,
                "address_invalid",
                f"{self.url!r} is not a valid URL, or a proxy's address or the certificates that the "
                f"environment names are not valid: {wrong}",
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, /, **params: Any) -> Json:
        """One thing, or one page of a list."""
        return self._json("GET", path, params=_query(params))

    def get_tagged(self, path: str, /, **params: Any) -> tuple[Json, str | None]:
        """One thing, and its ETag for `if_match`. It is asked for uncompressed: a proxy that compresses
        an answer weakens its tag, and a weak tag never matches."""
        response = self.request("GET", path, params=_query(params), headers=_UNCOMPRESSED)
        return self._object(response), response.headers.get("ETag")

    def pages(self, path: str, /, **params: Any) -> Iterator[Json]:
        """All things of a list, fetched page by page as needed."""
        query = _query(params)
        while True:
            page = self._json("GET", path, params=query)
            yield from page["results"]
            if page["next"] is None:
                return
            query = parse_qsl(urlsplit(page["next"]).query, keep_blank_values=True)

    def post(self, path: str, body: Values, *, idempotency_key: str | None = None) -> Json:
        """Create something. With the same key, the same request can be repeated safely."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._json("POST", path, json=dict(body), headers=headers)

    def patch(self, path: str, body: Values, *, if_match: str | None = None) -> Json:
        """Change the fields in the body (a JSON merge patch); {} if it is no longer readable."""
        return self._json("PATCH", path, json=dict(body), headers=_match(if_match))

    def put(self, path: str, body: Values, *, if_match: str | None = None) -> Json:
        """Assign a channel."""
        return self._json("PUT", path, json=dict(body), headers=_match(if_match))

    def delete(self, path: str, *, if_match: str | None = None) -> None:
        """End or remove one thing."""
        self.request("DELETE", path, headers=_match(if_match))

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Any request; the whole response, with its headers. Raises ClientError."""
        if self.revision is not None:
            more["headers"] = {_MIN_REVISION: self.revision} | dict(more.get("headers") or {})
        try:
            response = self._http.request(method, API + path, **more)
        except httpx.TimeoutException:
            raise ClientError(
                0, "server_unreachable", f"The server at {self.url} did not answer in time."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as wrong:
            reason = str(wrong) or type(wrong).__name__
            raise ClientError(
                0, "server_unreachable", f"The server at {self.url} cannot be reached: {reason}."
            ) from None
        self._remember(response.headers.get(_REVISION))
        if not response.is_success:
            raise self._refusal(response)
        return response

    def _remember(self, seen: str | None) -> None:
        if seen is not None and 0 <= _number(seen) >= _number(self.revision or ""):
            self.revision = seen

    def _json(self, method: str, path: str, **more: Any) -> Json:
        response = self.request(method, path, **more)
        return {} if response.status_code == 204 else self._object(response)

    def _object(self, response: httpx.Response) -> Json:
        try:
            value = response.json()
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ClientError(
                502, "answer_malformed", f"The server at {self.url} is not a Goldenrod server."
            )
        return value

    def _refusal(self, response: httpx.Response) -> ClientError:
        try:
            problem = response.json()
            code, detail = str(problem["code"]), str(problem["detail"])
            return ClientError(response.status_code, code, detail, problem)
        except (ValueError, LookupError, TypeError, RecursionError):
            status = f"{response.status_code} {response.reason_phrase}".strip()
            detail = f"The server at {self.url} answered {status}."
            return ClientError(response.status_code, "server_error", detail)


def _number(revision: str) -> int:
    """The number of a revision; -1 for what is no revision."""
    found = re.fullmatch(r"([0-9]{1,18})-[0-9a-f]{16}", revision)
    return int(found[1]) if found else -1


def _query(params: Values) -> list[tuple[str, str]]:
    """Query parameters as text; None is left out, and a list is given several times."""
    return [
        (name, _text(one))
        for name, value in params.items()
        for one in (value if isinstance(value, list) else [value])
        if one is not None
    ]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _match(if_match: str | None) -> dict[str, str]:
    return {"If-Match": if_match} if if_match else {}
