"""What the API's reference loads: `/openapi.json`, and the files below `/docs/assets/`.

The pages `/docs` and `/docs/errors` (`pages/help/api_reference.py`) load only files of this server:
Swagger UI from its Python package, the rest from `static/`. Their Content-Security-Policy allows
nothing else, and no inline scripts.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import falcon
from openapi_ui_bundles import swagger_ui

from goldenrod.base.config import Settings
from goldenrod.store.db import Database
from goldenrod.web.content_coding import UNCHANGING
from goldenrod.web.docs.openapi import document
from goldenrod.web.request import JSON, Request, Response

_CSS = "text/css; charset=utf-8"
_JAVASCRIPT, _PNG = "text/javascript; charset=utf-8", "image/png"

_SWAGGER = Path(swagger_ui.static_path)
_STATIC = Path(str(files("goldenrod.web") / "static"))
ASSETS: Mapping[str, tuple[Path, str]] = {
    "swagger-ui-bundle.js": (_SWAGGER, _JAVASCRIPT),
    "swagger-ui.css": (_SWAGGER, _CSS),
    "favicon-32x32.png": (_SWAGGER, _PNG),
    "reference.js": (_STATIC, _JAVASCRIPT),
    "reference.css": (_STATIC, _CSS),
}
"""The files under `/docs/assets/`, by name: the folder of each, and its media type."""

# Swagger UI sets style attributes and draws its icons from data addresses.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


class _StaticAnswer:
    """One address whose answer is built on the first request and never changes afterwards."""

    def __init__(
        self,
        content: Callable[[], bytes],
        media_type: str,
        ask: Callable[[falcon.Request], Request],
    ) -> None:
        self._content = cache(content)
        self._media_type = media_type
        self._ask = ask

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        request = self._ask(req)
        request.answer(self._check, {})
        content = self._content()
        audience = "public" if request.anonymous else "private"
        resp.set_header("Cache-Control", f"{audience}, no-cache")
        resp.etag = hashlib.blake2b(content, digest_size=16).hexdigest()
        req.env[UNCHANGING] = True
        resp.content_type = self._media_type
        resp.data = content

    def _check(self, request: Request) -> Response:
        if request.req.get_header("Authorization") is not None:
            # An invalid token gets 401 everywhere; reading checks it.
            with request.read():
                pass
        if self._media_type == JSON:
            request.no_arguments()
        return Response()


def add_reference(app: falcon.App[Any, Any], db: Database, settings: Settings, api: str) -> None:
    """Add the reference's addresses to the application. `api` is the prefix of the API's routes."""

    def ask(req: falcon.Request) -> Request:
        return Request(req, db, settings)

    def openapi_json() -> bytes:
        return json.dumps(document(settings.public_url or "/", api), ensure_ascii=False).encode()

    app.add_route("/openapi.json", _StaticAnswer(openapi_json, JSON, ask))
    for name, (folder, media_type) in ASSETS.items():
        app.add_route(
            f"/docs/assets/{name}", _StaticAnswer((folder / name).read_bytes, media_type, ask)
        )
