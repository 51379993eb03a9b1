"""The baseline: the same server, framework and number of threads, with a constant answer.

`/612` answers 612 bytes, `/unchanged` 304 without a body.
"""

import sys
from functools import lru_cache
from typing import Any

import falcon
from granian import Granian
from granian.constants import Interfaces


@lru_cache
def _body(size: int) -> bytes:
    return b"x" * size


class _Body:
    def on_get(self, req: falcon.Request, resp: falcon.Response, size: int) -> None:
        resp.content_type = "application/json"
        resp.data = _body(size)


class _Unchanged:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.status = 304


def load(target: str) -> Any:
    app = falcon.App()
    app.add_route("/{size:int}", _Body())
    app.add_route("/unchanged", _Unchanged())
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
