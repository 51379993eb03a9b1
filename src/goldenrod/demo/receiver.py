"""The demonstration's own receiver of webhooks: it listens on this machine, and shows what it received.

POST to /fail is answered with 500, to any other path with 200. GET shows the newest requests as text.
It stores nothing.
"""

import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from goldenrod.base import clock
from goldenrod.base.numbers import whole_number
from goldenrod.base.printing import printable

HOST = "127.0.0.1"
MOST_SHOWN = 20
MOST_BYTES = 1024 * 1024
TIMEOUT_S = 10
_NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Receiver:
    """Listens at a free port of this machine from its creation on, and answers after `start`."""

    def __init__(self) -> None:
        self._received: deque[str] = deque(maxlen=MOST_SHOWN)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            timeout = TIMEOUT_S

            def do_POST(self) -> None:
                receiver._receive(self)

            def do_GET(self) -> None:
                _answer(self, 200, receiver.shown())

            def log_message(self, *given: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.address = (HOST, int(self._server.server_address[1]))
        self.url = f"http://{HOST}:{self.address[1]}/"

    def start(self) -> None:
        """Answer in the background, until the process ends."""
        threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.server_close()

    def shown(self) -> str:
        """The newest requests, the newest first."""
        return "\n\n".join(self._received) or "Nothing was received yet."

    def _receive(self, request: BaseHTTPRequestHandler) -> None:
        try:
            length = whole_number(request.headers.get("Content-Length", "0"), 0, MOST_BYTES)
        except ValueError:
            _answer(request, 400, f"A body of at most {MOST_BYTES:,} bytes is expected.")
            return
        body = request.rfile.read(length).decode("utf-8", "replace")
        lines = [f"{clock.now()} POST {request.path}"]
        lines += [f"{name}: {request.headers[name]}" for name in _NAMES if name in request.headers]
        self._received.appendleft("\n".join(map(printable, [*lines, body])))
        fails = request.path.partition("?")[0] == "/fail"
        if fails:
            _answer(request, 500, "This address always fails.")
        else:
            _answer(request, 200, f"Received {length:,} bytes.")


def _answer(request: BaseHTTPRequestHandler, status: int, text: str) -> None:
    body = f"{text}\n".encode()
    request.send_response(status)
    request.send_header("Content-Type", "text/plain; charset=utf-8")
    request.send_header("X-Content-Type-Options", "nosniff")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
