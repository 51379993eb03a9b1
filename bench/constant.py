"""The yardstick: the same server and framework, answering a constant body of a given size."""

import sys
from typing import Any

import falcon
from granian import Granian
from granian.constants import Interfaces


class _Body:
    def on_get(self, req: falcon.Request, resp: falcon.Response, size: int) -> None:
        resp.content_type = "application/json"
        resp.data = b"x" * size


def load(target: str) -> Any:
    app = falcon.App()
    app.add_route("/{size:int}", _Body())
    return app


if __name__ == "__main__":
    Granian(
        "constant",
        port=int(sys.argv[1]),
        interface=Interfaces.WSGI,
        blocking_threads=int(sys.argv[2]),
        websockets=False,
        log_enabled=False,
    ).serve(target_loader=load)
