"""One POST to a webhook's receiver: where it may go, how it is signed, when it is given up.

A target that leads to this machine or a private network is refused, unless the operator allows it:
its name is resolved once, at the moment of connecting, every address is vetted, and the connection
goes to the very address that was (so a name that changes its mind between two look-ups gains
nothing); TLS still checks the name. Redirects are not followed, proxies of the environment not
used, and of the answer only the status counts. Signed as the Standard Webhooks specification says.
"""

import base64
import re
import secrets
import socket
import ssl
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpcore
import httpx
from standardwebhooks import Webhook as Signer

from goldenrod import __version__
from goldenrod.catalogue.webhooks.special_addresses import is_metadata, is_public

STEP_S = 10.0
"""The longest wait to connect, or for the next part of an answer."""
WHOLE_S = 15.0
"""The longest that one POST takes, however its receiver trickles."""
MOST_ANSWER = 16 * 1024
"""So many bytes of an answer are read, and thrown away."""
SECRET_PREFIX = "whsec_"  # noqa: S105
SECRET_BYTES = 32

_HOST = re.compile(rb"[A-Za-z0-9._:-]{1,253}")
_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
_PORT_REFUSED = "must use port 80, 443, or one from 1024 on"


class TargetRefused(Exception):
    """The target leads to an address that webhooks are not sent to."""


def parsed(target: str) -> httpx.URL:
    """The target's parts. Raises ValueError with what it takes."""
    try:
        url = httpx.URL(target)
        port = url.port
    except (httpx.InvalidURL, ValueError):
        raise ValueError("is no address") from None
    if url.scheme not in ("http", "https") or not _HOST.fullmatch(url.raw_host):
        raise ValueError("takes an address such as https://hooks.example.org/goldenrod")
    if re.search(r"[\s\\\x00-\x1f\x7f-\x9f]", target) or (
        port is not None and not 0 < port < 65536
    ):
        raise ValueError("is no address")
    if url.userinfo:
        raise ValueError("must not carry credentials: payloads are signed instead")
    if "#" in target:
        raise ValueError("must not have a fragment: it would not be sent")
    return url


def require_port(url: httpx.URL, ports: frozenset[int]) -> None:
    """Raise ValueError for a port that belongs to other services, unless it is among `ports`."""
    port = url.port or (443 if url.scheme == "https" else 80)
    if port < _FIRST_FREE_PORT and port not in _PORTS | ports:
        raise ValueError(_PORT_REFUSED)


def vetted(host: str, port: int, *, private: bool) -> list[str]:
    """The addresses of a host, all of which may be sent to. Raises TargetRefused, OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if any(map(is_metadata, addresses)):
        raise TargetRefused
    if not private and not all(map(is_public, addresses)):
        raise TargetRefused
    return addresses


def require_reachable(target: str, *, private: bool, ports: frozenset[int] = frozenset()) -> None:
    """Raise TargetRefused where the target could not be sent to now. It asks the name servers.

    Raises ValueError for a port that is not allowed; `ports` are the further ones that are.
    """
    url = parsed(target)
    require_port(url, ports)
    try:
        vetted(url.raw_host.decode(), url.port or 443, private=private)
    except (OSError, UnicodeError):
        # The same for a name that does not exist as for one of the inside: it tells nothing.
        raise TargetRefused from None


def new_secret() -> str:
    """A secret to sign with, as the specification writes it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class Outcome(NamedTuple):
    """What became of one POST: the status that was answered; why it was no success."""

    status: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        return self.error is None


class Sender:
    """Sends to receivers; `private` allows those of this machine and of private networks, `ports`
    further ports."""

    def __init__(self, *, private: bool, ports: frozenset[int] = frozenset()) -> None:
        self._private = private
        self._ports = ports
        self._tls = ssl.create_default_context()

    def send(self, target: str, message_id: str, secret: str, body: bytes) -> Outcome:
        """POST a payload, signed; it never raises for what its receiver does."""
        try:
            url = parsed(target)
            require_port(url, self._ports)
            status = self._post(url, message_id, secret, body)
        except TargetRefused:
            return Outcome(None, "The target leads to an address that webhooks are not sent to.")
        except httpcore.TimeoutException:
            return Outcome(None, f"There was no answer within {STEP_S:.0f} seconds.")
        except httpcore.ProtocolError:
            return Outcome(None, "What answered does not speak HTTP.")
        except httpcore.NetworkError as error:
            return Outcome(None, f"The connection failed: {error or type(error).__name__}."[:500])
        except (OSError, UnicodeError):
            return Outcome(None, "The target's name could not be resolved.")
        except ValueError as wrong:
            return Outcome(None, f"The target {wrong}.")
        if 200 <= status < 300:
            return Outcome(status, None)
        follow = ": redirects are not followed" if 300 <= status < 400 else ""
        return Outcome(status, f"It answered {status}{follow}.")

    def _post(self, url: httpx.URL, message_id: str, secret: str, body: bytes) -> int:
        now = datetime.now(UTC)
        headers = {
            "host": url.netloc.decode(),
            "content-type": "application/json",
            "content-length": str(len(body)),
            "user-agent": f"Goldenrod/{__version__}",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Signer(secret).sign(message_id, now, body.decode()),
        }
        address = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), STEP_S)
        backend = _Vetting(private=self._private, ends=time.monotonic() + WHOLE_S)
        with (
            httpcore.ConnectionPool(self._tls, max_connections=1, network_backend=backend) as pool,
            pool.stream(
                "POST",
                address,
                headers=[(name.encode(), text.encode()) for name, text in headers.items()],
                content=body,
                extensions={"timeout": timeouts},
            ) as response,
        ):
            _drain(response)
            return int(response.status)


def _drain(response: httpcore.Response) -> None:
    """Read a short answer to its end, so that its receiver need not see a broken connection."""
    read = 0
    try:
        for part in response.iter_stream():
            read += len(part)
            if read > MOST_ANSWER:
                return
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        return  # the status is here, and it is what counts


class _Vetting(httpcore.NetworkBackend):
    """Resolves, vets, and connects to what was vetted; ends at a time, whatever comes."""

    def __init__(self, *, private: bool, ends: float) -> None:
        self._private = private
        self._ends = ends
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in vetted(host, port, private=self._private):
            try:
                left = _left(self._ends, timeout)
                return _Timed(self._sockets.connect_tcp(address, port, left), self._ends)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore.ConnectError("no address")


class _Timed(httpcore.NetworkStream):
    """A connection that ends at a time: each step may take its timeout, and never more than what
    is left."""

    def __init__(self, stream: httpcore.NetworkStream, ends: float) -> None:
        self._stream = stream
        self._ends = ends

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._ends, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._ends, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(self._ends, timeout)
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, left), self._ends)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(ends: float, timeout: float | None) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("its time is over")
    return min(left, STEP_S if timeout is None else timeout)
