"""The API's reference: `/openapi.json`, the interactive page `/docs`, and `/docs/errors`.

The pages load only files of this server: Swagger UI from its Python package, the rest from
`static/`. Their Content-Security-Policy allows nothing else, and no inline scripts. Addresses in the
pages are relative, so they work under any prefix.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import falcon
from openapi_ui_bundles import swagger_ui

from goldenrod.base.config import Settings
from goldenrod.base.errors import Problem
from goldenrod.store.db import Database
from goldenrod.web.content_coding import UNCHANGING
from goldenrod.web.docs.error_codes import CODES
from goldenrod.web.docs.openapi import document
from goldenrod.web.request import JSON, Request, Response

_CSS, _HTML = "text/css; charset=utf-8", "text/html; charset=utf-8"
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
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class _StaticAnswer:
    """One address whose answer is built on the first request and never changes afterwards."""

    def __init__(
        self,
        content: Callable[[], bytes],
        media_type: str,
        ask: Callable[[falcon.Request], Request],
        *,
        policy: str | None = None,
    ) -> None:
        self._content = cache(content)
        self._media_type = media_type
        self._policy = policy
        self._ask = ask

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        request = self._ask(req)
        request.answer(self._check, {})
        content = self._content()
        if self._policy:
            resp.set_header("Content-Security-Policy", self._policy)
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
    app.add_route("/docs", _StaticAnswer(_docs_page, _HTML, ask, policy=POLICY))
    app.add_route("/docs/errors", _StaticAnswer(_errors_page, _HTML, ask, policy=POLICY))
    for name, (folder, media_type) in ASSETS.items():
        app.add_route(
            f"/docs/assets/{name}", _StaticAnswer((folder / name).read_bytes, media_type, ask)
        )


def _docs_page() -> bytes:
    return b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Goldenrod: the API</title>
<link rel="icon" href="docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
<script src="docs/assets/swagger-ui-bundle.js" defer></script>
<script src="docs/assets/reference.js" defer></script>
</head>
<body>
<div id="reference"></div>
<noscript>This page needs JavaScript. The same content is in <a href="openapi.json">openapi.json</a>.
All errors are in <a href="docs/errors">errors</a>.</noscript>
</body>
</html>
"""


def _errors_page() -> bytes:
    kinds: list[type[Problem]] = [Problem, *Problem.__subclasses__()]
    titles = {kind.status: kind.title for kind in kinds}
    rows = "".join(
        f'<tr id="{code}"><td><a href="#{code}"><code>{code}</code></a></td>'
        f"<td>{status} {escape(titles[status])}</td><td>{escape(meaning)}</td></tr>\n"
        for code, (status, meaning) in CODES.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Goldenrod: errors</title>
<link rel="icon" href="assets/favicon-32x32.png">
<link rel="stylesheet" href="assets/reference.css">
</head>
<body>
<main>
<h1>Errors</h1>
<p>Every error is a problem document (RFC 9457). Its <code>code</code> is stable, its <code>type</code>
links to the row here, and its <code>detail</code> says what to change. Where several apply, you get
the first of 405, 401, 404, 403, 413, 415, 400, 412 and 409. Back to <a href="../docs">the API</a>.</p>
<table>
<thead><tr><th>Code</th><th>Status</th><th>Meaning</th></tr></thead>
<tbody>
{rows}</tbody>
</table>
</main>
</body>
</html>
""".encode()
