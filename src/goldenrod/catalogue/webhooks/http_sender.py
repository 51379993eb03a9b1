"""Sends one signed POST to a webhook's receiver, within limits of address and time.

A target on this machine or in a private network is refused, unless the operator allows it. The name
is resolved once, when connecting. Every address is checked, and the connection uses a checked address,
so a name that resolves differently the next time cannot get around the check. TLS still verifies the
name. Redirects are not followed and proxies of the environment are not used. Only the status of the
answer decides; the beginning of its body and a few headers are returned to be looked at. The signature
follows the Standard Webhooks specification.
"""

import base64
import re
import secrets
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpcore
import httpx
from standardwebhooks import Webhook as Signer

from goldenrod import __version__
from goldenrod.catalogue.webhooks.special_addresses import is_metadata, is_public

STEP_TIMEOUT_S = 10.0
"""The longest wait for a connection, or for the next part of an answer."""
TOTAL_TIMEOUT_S = 15.0
"""The longest time that one POST may take in all."""
MOST_ANSWER_BYTES = 16 * 1024
"""The most bytes of an answer that are read."""
MOST_BODY_BYTES = 2 * 1024
"""The most bytes of an answer that are returned; the others are discarded."""
MOST_HEADER_CHARACTERS = 200
ANSWER_HEADERS = ("content-type", "content-length", "location", "retry-after", "server")
"""The headers of an answer that are returned."""
SECRET_PREFIX = "whsec_"  # noqa: S105 # nosec B105 # how secrets begin; none itself
SECRET_BYTES = 32

_HOST = re.compile(rb"[A-Za-z0-9._:-]{1,253}")
_PORTS = frozenset({80, 443})
_FIRST_FREE_PORT = 1024
_PORT_REFUSED = "must use port 80, 443, or a port from 1024 up"


class TargetRefused(Exception):
    """The target resolves to an address that webhooks are not sent to."""


def parse_target(target: str) -> httpx.URL:
    """The target's parts. Raises ValueError with what is wrong."""
    try:
        url = httpx.URL(target)
        port = url.port
    except (httpx.InvalidURL, ValueError):
        raise ValueError("is not a valid URL") from None
    if url.scheme not in ("http", "https") or not _HOST.fullmatch(url.raw_host):
        raise ValueError("must be a URL such as https://hooks.example.org/goldenrod")
    if re.search(r"[\s\\\x00-\x1f\x7f-\x9f]", target) or (
        port is not None and not 0 < port < 65536
    ):
        raise ValueError("is not a valid URL")
    if url.userinfo:
        raise ValueError("must not contain credentials: payloads are signed instead")
    if "#" in target:
        raise ValueError("must not have a fragment, which would not be sent")
    return url


def require_port(url: httpx.URL, ports: frozenset[int]) -> None:
    """Raise ValueError for a port of another service, unless it is among `ports`."""
    port = url.port or (443 if url.scheme == "https" else 80)
    if port < _FIRST_FREE_PORT and port not in _PORTS | ports:
        raise ValueError(_PORT_REFUSED)


Receiver = tuple[str, int]
"""An address and a port."""


def checked_addresses(
    host: str, port: int, *, private: bool, own: Receiver | None = None
) -> list[str]:
    """The addresses of a host, if all of them are allowed; `own` is, whatever else is. Raises
    TargetRefused, OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if own is not None and all((address, port) == own for address in addresses):
        return addresses
    if any(map(is_metadata, addresses)):
        raise TargetRefused
    if not private and not all(map(is_public, addresses)):
        raise TargetRefused
    return addresses


def require_reachable(
    target: str,
    *,
    private: bool,
    ports: frozenset[int] = frozenset(),
    own: Receiver | None = None,
) -> None:
    """Raise TargetRefused where webhooks may not be sent to the target. Looks up its name.

    Raises ValueError for a malformed target or a port that is not allowed; `ports` are further
    allowed ports, `own` is an allowed receiver on this machine.
    """
    url = parse_target(target)
    require_port(url, ports)
    try:
        checked_addresses(url.raw_host.decode(), url.port or 443, private=private, own=own)
    except (OSError, UnicodeError):
        # The same refusal as for a private address: it does not show which internal names exist.
        raise TargetRefused from None


def new_secret() -> str:
    """A new signing secret, in the form of the specification."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class Answer(NamedTuple):
    """An answer: its status, a few of its headers, and the beginning of its body as text. All of it
    comes from a stranger."""

    status: int
    headers: Mapping[str, str]
    body: str
    cut: bool


class Outcome(NamedTuple):
    """The outcome of one POST: the status of the answer, why it was not a success, what else there was
    of an answer, and how long it took."""

    status: int | None
    error: str | None
    answer: Answer | None = None
    milliseconds: int | None = None

    @property
    def delivered(self) -> bool:
        return self.error is None


class Sender:
    """Sends to receivers. `private` allows receivers on this machine and in private networks; `ports`
    are further ports that are allowed, `own` is an allowed receiver on this machine."""

    def __init__(
        self, *, private: bool, ports: frozenset[int] = frozenset(), own: Receiver | None = None
    ) -> None:
        self._private = private
        self._own = own
        self._ports = ports
        self._tls = ssl.create_default_context()

    def send(self, target: str, message_id: str, secret: str, body: bytes) -> Outcome:
        """POST a signed payload. A failure of the receiver is an outcome, never an exception."""
        began = time.monotonic()
        outcome = self._send(target, message_id, secret, body)
        return outcome._replace(milliseconds=round((time.monotonic() - began) * 1000))

    def _send(self, target: str, message_id: str, secret: str, body: bytes) -> Outcome:
        try:
            url = parse_target(target)
            require_port(url, self._ports)
            answer = self._post(url, message_id, secret, body)
        except TargetRefused:
            return Outcome(None, "The target resolves to an address that webhooks are not sent to.")
        except httpcore.TimeoutException:
            return Outcome(None, f"There was no answer within {STEP_TIMEOUT_S:.0f} seconds.")
        except httpcore.ProtocolError:
            return Outcome(None, "The receiver did not answer with valid HTTP.")
        except httpcore.NetworkError as error:
            return Outcome(None, f"The connection failed: {error or type(error).__name__}."[:500])
        except (OSError, UnicodeError):
            return Outcome(None, "The target's name could not be resolved.")
        except ValueError as wrong:
            return Outcome(None, f"The target {wrong}.")
        status = answer.status
        if 200 <= status < 300:
            return Outcome(status, None, answer)
        redirect = "; redirects are not followed" if 300 <= status < 400 else ""
        return Outcome(status, f"The receiver answered {status}{redirect}.", answer)

    def _post(self, url: httpx.URL, message_id: str, secret: str, body: bytes) -> Answer:
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
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), STEP_TIMEOUT_S)
        backend = _CheckedBackend(
            private=self._private,
            own=self._own,
            deadline=time.monotonic() + TOTAL_TIMEOUT_S,
        )
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
            return _answer(response)


def _answer(response: httpcore.Response) -> Answer:
    """An answer, with the beginning of its body. A short one is read to its end, so that its receiver
    does not see a broken connection."""
    read, kept = 0, bytearray()
    try:
        for part in response.iter_stream():
            read += len(part)
            kept += part[: MOST_BODY_BYTES - len(kept)]
            if read > MOST_ANSWER_BYTES:
                break
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        pass  # only the status matters, and it has arrived
    headers = {
        name.decode("latin-1").lower(): _text(value[:MOST_HEADER_CHARACTERS])
        for name, value in response.headers
        if name.decode("latin-1").lower() in ANSWER_HEADERS
    }
    return Answer(int(response.status), headers, _text(bytes(kept)), read > len(kept))


def _text(received: bytes) -> str:
    """Bytes as text that any database can store. What is not UTF-8, and NUL, is replaced."""
    return received.decode("utf-8", "replace").replace("\0", "\ufffd")


class _CheckedBackend(httpcore.NetworkBackend):
    """Resolves a name, checks its addresses and connects to one of them, before a deadline."""

    def __init__(self, *, private: bool, own: Receiver | None, deadline: float) -> None:
        self._private = private
        self._own = own
        self._deadline = deadline
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
        for address in checked_addresses(host, port, private=self._private, own=self._own):
            try:
                left = _left(self._deadline, timeout)
                return _DeadlineStream(
                    self._sockets.connect_tcp(address, port, left), self._deadline
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore.ConnectError("no address")


class _DeadlineStream(httpcore.NetworkStream):
    """A connection with a deadline: each step may take its timeout, but no more than what is left."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(self._deadline, timeout)
        return _DeadlineStream(
            self._stream.start_tls(ssl_context, server_hostname, left), self._deadline
        )

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float, timeout: float | None) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline has passed")
    return min(left, STEP_TIMEOUT_S if timeout is None else timeout)
