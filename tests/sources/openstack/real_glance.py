"""A real Glance as a process, with SQLite and files, and with a stand-in for Keystone's middleware.

    with real_glance(folder) as glance:
        glance.post("/v2/images", "alice:PROJECT:member,reader", name="debian-12")

A token is `user:project:roles`. Run as a program, this file is that process.
"""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from uuid import uuid4
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx

from tests.support.processes.programs import library
from tests.support.processes.server import free_port

WAIT_S = 300
ROOT = Path(__file__).parents[3]

CONFIG = """
[DEFAULT]
worker_self_reference_url = {url}
enabled_import_methods = []
image_cache_dir =
[database]
connection = sqlite:///{folder}/glance.db
[paste_deploy]
config_file = {folder}/paste.ini
[glance_store]
stores = file
default_store = file
filesystem_store_datadir = {folder}/images
"""

PASTE = """
[pipeline:glance-api]
pipeline = negotiate root
[filter:negotiate]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[composite:root]
use = egg:Paste#urlmap
/ = versions
/v2 = v2
[app:versions]
paste.app_factory = glance.api.versions:create_resource
[pipeline:v2]
pipeline = sign_in context app
[app:app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:sign_in]
paste.filter_factory = tests.sources.openstack.real_glance:sign_in
"""

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def sign_in(*_: object, **__: object) -> Callable[[App], App]:
    """A filter: it believes a token `user:project:roles`."""

    def around(app: App) -> App:
        def signed_in(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            parts = environ.get("HTTP_X_AUTH_TOKEN", "").split(":")
            if len(parts) == 3:
                names = ("HTTP_X_USER_ID", "HTTP_X_PROJECT_ID", "HTTP_X_ROLES")
                environ |= dict(zip(names, parts, strict=True))
                environ["HTTP_X_IDENTITY_STATUS"] = "Confirmed"
            return app(environ, start)

        return signed_in

    return around


class RealGlance:
    """The server's address, and requests as somebody."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.client = httpx.Client(base_url=url, timeout=WAIT_S)

    def ask(self, method: str, path: str, token: str, **request: Any) -> Any:
        """The JSON of an answer that is no error; None where it has none."""
        headers = {"X-Auth-Token": token, **request.pop("headers", {})}
        answer = self.client.request(method, path, headers=headers, **request)
        assert answer.is_success, f"{answer.status_code}: {answer.text}"
        return answer.json() if answer.headers.get("content-type", "").endswith("json") else None

    def create(self, token: str, data: bytes | None = b"golden" * 100, **image: Any) -> str:
        """Create an image with data, and return its id."""
        body = {"disk_format": "raw", "container_format": "bare", **image}
        made: str = self.ask("POST", "/v2/images", token, json=body)["id"]
        if data is not None:
            kind = {"Content-Type": "application/octet-stream"}
            self.ask("PUT", f"/v2/images/{made}/file", token, content=data, headers=kind)
        return made

    def change(self, token: str, identifier: str, field: str, value: object) -> None:
        """Replace one field of an image."""
        patch = [{"op": "replace", "path": f"/{field}", "value": value}]
        kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        self.ask("PATCH", f"/v2/images/{identifier}", token, json=patch, headers=kind)

    def copies(self, first: str, images: Iterable[tuple[str, str]]) -> list[str]:
        """Copies of an image with these names and visibilities. Uploading many takes minutes, so they
        are written into Glance's own database."""
        made = []
        with closing(sqlite3.connect(self.folder / "glance.db", timeout=WAIT_S)) as db, db:
            db.row_factory = sqlite3.Row
            row = dict(db.execute("SELECT * FROM images WHERE id = ?", [first]).fetchone())
            for name, visibility in images:
                made.append(str(uuid4()))
                copy = row | {"id": made[-1], "name": name, "visibility": visibility}
                marks = ", ".join("?" * len(copy))
                db.execute(f"INSERT INTO images VALUES ({marks})", list(copy.values()))
        return made


@contextmanager
def real_glance(folder: Path) -> Iterator[RealGlance]:
    """A Glance that answers, until the block ends. Skips the test where Glance is not installed."""
    library("glance", "clouds-test")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "images").mkdir()
    (folder / "glance-api.conf").write_text(CONFIG.format(url=url, folder=folder))
    (folder / "paste.ini").write_text(PASTE)
    command = [sys.executable, "-m", __name__, str(port)]
    env = os.environ | {"OS_GLANCE_CONFIG_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    log = folder / "log"
    with (
        log.open("w") as said,
        subprocess.Popen(command, env=env, cwd=ROOT, stdout=said, stderr=said) as process,
    ):
        try:
            glance_server = RealGlance(url, folder)
            deadline = time.monotonic() + WAIT_S
            while True:
                try:
                    glance_server.client.get("/")
                    break
                except httpx.TransportError:
                    late = time.monotonic() > deadline
                    assert process.poll() is None and not late, log.read_text()[-2000:]
                    time.sleep(0.2)
            yield glance_server
            glance_server.client.close()
        finally:
            process.terminate()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _serve(port: int) -> None:
    from glance.common import wsgi_app
    from glance.db.sqlalchemy import api, models

    app = wsgi_app.init_app()
    models.BASE.metadata.create_all(api.get_engine())
    with make_server("127.0.0.1", port, app, _Server, _Quiet) as server:
        server.serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
