"""How many requests a client may send: each address and each token, counted in this process.

A request counts for its token if that is known to be valid from an earlier request, and otherwise for
its address: whoever invents tokens gets no more. An IPv6 address counts by its /64 network. Cached
answers count too.

`limits` counts in windows of a few seconds. Asking it for each request would take as long as answering
one from the cache. So a client takes a portion of its allowance from it at once, and spends that here.
Its own storage in memory looks at all clients in a thread after each request; `_Windows` needs no
thread, holds a limited number of clients, and its clock is never set back.
"""

import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

from limits import RateLimitItemPerSecond
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from goldenrod.base.config import Settings
from goldenrod.base.errors import BadRequest
from goldenrod.base.network import limit_key
from goldenrod.web.client_address import address_of

WINDOW_S = 4
"""The seconds of a window: a client that was silent may send so many seconds' requests at once."""
PORTIONS = 20
"""The number of portions that an allowance is taken in."""
MOST_CLIENTS = 20_000
"""Clients that are counted at once. When there are more, the count of all of them begins anew."""
MOST_TOKENS = 10_000
"""Tokens that are known to be valid. When there are more, they are forgotten: the next request with
each counts for its address."""
UNLIMITED = frozenset({"/healthz", "/readyz", "/metrics"})
"""What supervisors ask. A client that is refused elsewhere still learns that the server is well."""

TOKEN_VALID = "goldenrod.token_valid"  # noqa: S105 # nosec B105 # a name
"""The name under which a request's environment says that its Authorization header has a valid token."""


class Exceeded(NamedTuple):
    """A client has spent its allowance: what it is in a window, and the seconds to the next window."""

    allowance: int
    seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say so (draft-ietf-httpapi-ratelimit-headers)."""
        return {
            "RateLimit-Policy": f'"client";q={self.allowance};w={WINDOW_S}',
            "RateLimit": f'"client";r=0;t={self.seconds}',
        }


class _Windows(Storage):
    """What `limits` counts: for each client the requests of its window, and when that ends."""

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = time.monotonic()
        count, ends = self._counts.get(key, (0, 0.0))
        if ends <= now:
            if key not in self._counts and len(self._counts) >= MOST_CLIENTS:
                self._forget_ended(now)
            count, ends = 0, now + expiry
        self._counts[key] = (count + amount, ends)
        return count + amount

    def _forget_ended(self, now: float) -> None:
        self._counts = {key: it for key, it in self._counts.items() if it[1] > now}
        if len(self._counts) > MOST_CLIENTS // 2:
            self._counts = {}

    def get(self, key: str) -> int:
        count, ends = self._counts.get(key, (0, 0.0))
        return count if ends > time.monotonic() else 0

    def get_expiry(self, key: str) -> float:
        return self._counts.get(key, (0, time.monotonic()))[1]

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        count, self._counts = len(self._counts), {}
        return count

    def clear(self, key: str) -> None:
        self._counts.pop(key, None)


class RateLimit:
    """The requests that clients may still send."""

    def __init__(self, settings: Settings) -> None:
        """`settings.rate_limit` must not be 0."""
        allowance = settings.rate_limit * WINDOW_S
        self._portion = max(1, allowance // PORTIONS)
        self._item = RateLimitItemPerSecond(allowance, WINDOW_S)
        self._limiter = FixedWindowRateLimiter(_Windows())
        self._lock = threading.Lock()
        self._left: dict[str, int] = {}
        """The requests that each client has taken from its allowance and not spent."""
        self._tokens: dict[str, str] = {}
        """The Authorization headers with valid tokens, and the names that they are counted under."""
        self._address = lru_cache(MOST_TOKENS)(
            lambda remote, forwarded: _client(remote, forwarded, settings)
        )

    def spend(self, environ: Mapping[str, Any]) -> Exceeded | None:
        """Count a request; what to answer if its client has spent its allowance."""
        header = environ.get("HTTP_AUTHORIZATION")
        client = self._tokens.get(header) if header else None
        if client is None:
            client = self._address(
                environ.get("REMOTE_ADDR", "127.0.0.1"), environ.get("HTTP_X_FORWARDED_FOR")
            )
        # Two threads may count one request here: a lock would cost more than the count.
        left = self._left.get(client)
        if left:
            self._left[client] = left - 1
            return None
        return self._take(client)

    def _take(self, client: str) -> Exceeded | None:
        """Take the next portion of the client's allowance, and spend one request of it."""
        with self._lock:
            if self._limiter.hit(self._item, client, cost=self._portion):
                if client not in self._left and len(self._left) >= MOST_CLIENTS:
                    self._left = {}
                self._left[client] = self._portion - 1
                return None
            ends, _ = self._limiter.get_window_stats(self._item, client)
        return Exceeded(self._item.amount, max(1, ceil(ends - time.monotonic())))

    def learn(self, environ: Mapping[str, Any], status: str) -> None:
        """Learn from an answer whether the request's token is valid."""
        header = environ.get("HTTP_AUTHORIZATION")
        if header is None:
            return
        if status.startswith("401"):
            self._tokens.pop(header, None)
        elif TOKEN_VALID in environ and header not in self._tokens:
            with self._lock:
                if len(self._tokens) >= MOST_TOKENS:
                    self._tokens = {}
                self._tokens[header] = f"token {header}"


def _client(remote: str, forwarded: str | None, settings: Settings) -> str:
    try:
        return limit_key(address_of(remote, forwarded or "", settings))
    except BadRequest:
        return limit_key(remote)  # a proxy that does not say whose requests it sends
