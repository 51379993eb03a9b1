"""An HTTP server on sockets that answers as clouds do when something is wrong.

    with FaultServer(cloud) as server:              # cloud: Request -> Answer
        server.fault(cut(200), times=1)             # the next answer ends after 200 bytes of its body
        server.fault(HTML, when=lambda request: request.region == "eu-west-1")
        client = boto3.client("ec2", endpoint_url=server.url, ...)

`fake_ec2.Ec2` and `fake_glance.Glance` are clouds. A fault replaces an answer, or changes it. Faults
are tried in the order in which they were added; the first that is not used up and whose `when` holds is
taken. `server.requests` has all requests so far. Bodies are sent with a Content-Length, or without one
(`framing="close"`: they end with the connection), or in chunks.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event, Lock, Thread
from typing import Literal, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client sent. `query` has the parameters of the address and of a form in the body."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def region(self) -> str:
        """The region that an AWS request was signed for; empty for other requests."""
        scope = self.headers.get("authorization", "").partition("Credential=")[2].split("/")
        return scope[2] if len(scope) > 2 else ""


@dataclass(frozen=True)
class Answer:
    """What the server sends. Only the first `cut` bytes of the body are sent, then the connection ends.

    With `hangs`, nothing is sent, and the connection stays open until the server stops.
    """

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    framing: Literal["length", "close", "chunked"] = "length"
    cut: int | None = None
    hangs: bool = False


Cloud = Callable[[Request], Answer]
Fault = Answer | Callable[[Answer], Answer]

HTML = Answer(
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><p>Guest network</p></body></html>",
    headers={"Content-Type": "text/html"},
)
HANGS = Answer(b"", hangs=True)


def cut(
    length: int, framing: Literal["length", "close", "chunked"] = "length"
) -> Callable[[Answer], Answer]:
    """A fault: the body ends after so many bytes; negative: so many before its end."""

    def change(answer: Answer) -> Answer:
        end = length if length >= 0 else max(len(answer.body) + length, 0)
        return replace(answer, cut=end, framing=framing)

    return change


def edited(old: bytes, new: bytes) -> Callable[[Answer], Answer]:
    """A fault: these bytes of the body are others."""
    return lambda answer: replace(answer, body=answer.body.replace(old, new))


@dataclass
class _Planned:
    fault: Fault
    left: int | None
    when: Callable[[Request], bool]


class FaultServer:
    """The server, on a port of 127.0.0.1 that is free."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.requests: list[Request] = []
        self._planned: list[_Planned] = []
        self._lock = Lock()
        self._stopped = Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def fault(
        self,
        fault: Fault,
        *,
        times: int | None = None,
        when: Callable[[Request], bool] = lambda _: True,
    ) -> None:
        """Answer with a fault, so many times or always, the requests for which `when` holds."""
        with self._lock:
            self._planned.append(_Planned(fault, times, when))

    def clear(self) -> None:
        """Forget all faults and requests."""
        with self._lock:
            self._planned.clear()
            self.requests.clear()

    def answer(self, request: Request) -> Answer:
        """The answer to a request, with the fault that is planned for it."""
        with self._lock:
            self.requests.append(request)
            answer = self.cloud(request)
            for planned in self._planned:
                if planned.left != 0 and planned.when(request):
                    if planned.left:
                        planned.left -= 1
                    fault = planned.fault
                    return fault if isinstance(fault, Answer) else fault(answer)
        return answer

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection, connection.makefile("rb") as stream:
            while request := _read(stream):
                answer = self.answer(request)
                if answer.hangs:
                    self._stopped.wait()
                    return
                connection.sendall(_head(answer))
                if request.method != "HEAD":
                    connection.sendall(_framed(answer))
                if answer.cut is not None or answer.framing == "close":
                    return


def _read(stream: "socket.SocketIO") -> Request | None:
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers = {}
    while header := stream.readline().decode("latin-1").strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    address = urlsplit(line[1])
    query = parse_qsl(address.query, keep_blank_values=True)
    if "form-urlencoded" in headers.get("content-type", ""):
        query += parse_qsl(body.decode(), keep_blank_values=True)
    return Request(line[0], address.path, dict(query), headers, body)


def _head(answer: Answer) -> bytes:
    headers = {"Content-Type": "text/xml;charset=UTF-8", **answer.headers}
    if answer.framing == "length":
        headers["Content-Length"] = str(len(answer.body))
    elif answer.framing == "chunked":
        headers["Transfer-Encoding"] = "chunked"
    else:
        headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {answer.status} Answer", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _framed(answer: Answer) -> bytes:
    body = answer.body[: answer.cut]
    if answer.framing != "chunked":
        return body
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return chunk if answer.cut is not None else chunk + b"0\r\n\r\n"
