"""A receiver of webhooks on this machine: it records requests and answers them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from standardwebhooks import Webhook


class Got(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def payload(self, secret: str) -> Any:
        """The payload, after checking its signature as receivers do."""
        return Webhook(secret).verify(self.body, self.headers)


class Receiver:
    """Answers with `statuses` one after the other, then with 204. It does not answer while `held`
    is clear."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.statuses: list[int] = []
        self.location = ""
        self.held = threading.Event()
        self.held.set()
        self.arrived = threading.Semaphore(0)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.answer(self)

            do_GET = do_POST

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {name.lower(): text for name, text in request.headers.items()}
        self.got.append(Got(request.path, headers, body))
        self.arrived.release()
        self.held.wait(30)
        status = self.statuses.pop(0) if self.statuses else 204
        try:
            request.send_response(status)
            if self.location:
                request.send_header("Location", self.location)
            request.send_header("Content-Length", "0")
            request.end_headers()
        except OSError:
            pass  # The client was killed.

    def types(self) -> list[str]:
        """The kinds of events it was sent, in order."""
        return [json.loads(got.body)["type"] for got in self.got]

    def data(self) -> list[Any]:
        """The data of the events it was sent, in order."""
        return [json.loads(got.body)["data"] for got in self.got]

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.held.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()
