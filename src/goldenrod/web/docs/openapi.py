"""The OpenAPI 3.1 document, generated from `api.routes.ROUTES` and the types named there.

No operation is written by hand: a route that is added to the table appears in the document. Headers
and error statuses are defined once per method. `schemas.py` has the types, `params.py` the
parameters and headers, `examples.py` the contract's example. `reference.py` serves the document.
"""

from typing import Any

from apispec import APISpec
from msgspec import Struct

from goldenrod import __version__
from goldenrod.base import errors, wire
from goldenrod.base.entity_tags import CODINGS
from goldenrod.base.wire import NewToken
from goldenrod.web.api.routes import ROUTES, Route
from goldenrod.web.docs import examples
from goldenrod.web.docs.params import FOR_A_SECRET, headers, of_path, of_query, tag_of
from goldenrod.web.docs.schemas import Components, Schema
from goldenrod.web.request import JSON, MERGE_PATCH

PROBLEM = "application/problem+json"

_INTRODUCTION = """\
Versions of golden machine images: what changed in each version, what it was built on, where it
can be launched, and who can use it.

Without credentials you see what is public. Send `Authorization: Token <secret>` (or `Bearer`) to
use your own rights. An invalid token gets 401 everywhere. What you may not see gets 404, exactly
like what does not exist.

Every answer has the header `Goldenrod-Revision`. Send it back as `Goldenrod-Min-Revision`, and no
answer is older than that (503 `revision_not_reached`).

Parameters and fields that are not listed here are refused (400). Errors are problem documents
(RFC 9457); [all codes](docs/errors)."""

_CHANGES = ("POST", "PATCH", "PUT", "DELETE")
_REFUSALS: dict[str, tuple[int, ...]] = {
    "GET": (400, 401, 404, 412, 429, 503),
    # 404: the same Idempotency-Key created something that is gone.
    "POST": (400, 401, 403, 404, 408, 409, 412, 413, 415, 429, 503),
    "PATCH": (400, 401, 403, 404, 408, 409, 412, 413, 415, 429, 503),
    "PUT": (400, 401, 403, 404, 408, 409, 412, 413, 415, 429, 503),
    "DELETE": (400, 401, 403, 404, 409, 412, 429, 503),
}
_VERBS = {"POST": "create", "PATCH": "edit", "PUT": "put", "DELETE": "delete"}
_HEADERS: dict[str, Schema] = {
    "ETag": {
        "description": "a hash of the answer's bytes, for If-None-Match and If-Match",
        "schema": {"type": "string", "pattern": f'^"[0-9a-f]{{32}}(-{"|-".join(CODINGS)})?"$'},
        "required": True,
    },
    "Location": {
        "description": "the address of what was created",
        "schema": {"type": "string", "format": "uri-reference"},
        "required": True,
    },
    "WWW-Authenticate": {"schema": {"type": "string"}, "required": True},
    "Retry-After": {
        "description": "seconds",
        "schema": {"type": "integer", "minimum": 0},
        "required": True,
    },
}


def document(server: str, api: str, routes: tuple[Route, ...] = ROUTES) -> dict[str, Any]:
    """The document. `server` is the base address of all paths; `api` is the prefix of those that are
    not at the root."""
    spec = APISpec(
        "Goldenrod",
        __version__,
        "3.1.0",
        info={
            "summary": "The catalogue of golden machine images",
            "description": _INTRODUCTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        servers=[{"url": server}],
        tags=[{"name": tag} for tag in dict.fromkeys(tag_of(route) for route in routes)],
    )
    components = Components(routes)
    by_path: dict[str, dict[str, Any]] = {}
    for route in routes:
        for path in route.paths(api):
            operation = _operation(route, components, at_root=not path.startswith(f"{api}/"))
            by_path.setdefault(_openapi_path(path), {})[route.method.lower()] = operation
    for path, operations in by_path.items():
        spec.path(path, operations=operations)
    for name, schema in sorted(components.schemas.items()):
        spec.components.schema(name, schema)
    for name, header in _HEADERS.items():
        spec.components.header(name, header)
    for kind in errors.Problem.__subclasses__():
        spec.components.response(f"Problem{kind.status}", _problem(kind, components))
    for name, scheme in _SCHEMES.items():
        spec.components.security_scheme(name, scheme)
    return spec.to_dict()


_SCHEMES: dict[str, Schema] = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token <secret>`: the word Token, a space, the secret",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "the same secret"},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "the same secret as the password, with any username",
    },
}


def _openapi_path(path: str) -> str:
    return path.replace("{key}", "{id}")


def _singular(words: str) -> str:
    return f"{words[:-3]}y" if words.endswith("ies") else words.removesuffix("s")


def operation_id(route: Route) -> str:
    """`list_images`, `get_image`, `edit_image`, `list_image_channels`."""
    parts = [part.replace("-", "_") for part in route.path.strip("/").split("/")]
    words = [part for part in parts if not part.startswith("{")]
    words += ["version"] * ("{image}@{version}" in parts)
    many = route.lists is not None
    owners = [_singular(word) for word in words[:-1]]
    last = words[-1] if many or len(words) > 1 else _singular(words[-1])
    verb = _VERBS.get(route.method) or ("list" if many else "get")
    ends = parts[-1].strip("{}")
    named = [ends] if parts[-1].startswith("{") and ends not in ("key", "name") else []
    return "_".join([verb, *owners, last, *named])


def _operation(route: Route, components: Components, *, at_root: bool) -> Schema:
    operation: Schema = {
        "operationId": operation_id(route) + ("_at_root" if at_root else ""),
        "summary": route.summary,
        "description": _description(route),
        "tags": [tag_of(route)],
        "parameters": [*of_path(route), *of_query(route), *headers(route)],
        "responses": _responses(route, components),
        "security": [
            *([] if _needs_token(route) else [{}]),
            {"token": []},
            {"bearer": []},
            *([{"basic": []}] * route.basic),
        ],
    }
    if route.takes:
        operation["requestBody"] = _request_body(route, components)
    return operation


def _description(route: Route) -> str:
    if route.lists is not None:
        return "Unknown parameters are refused, and so is any parameter given twice."
    if route.method == "PATCH":
        return (
            "A JSON merge patch: absent fields stay as they are, and lists are replaced whole. Either "
            "all of it is applied or nothing. Sending back what GET answered changes nothing. It "
            "takes no query parameters."
        )
    return "" if route.options else "It takes no query parameters."


def _needs_token(route: Route) -> bool:
    # POST /tokens also accepts a username and a password.
    return route.method in _CHANGES and not (route.asks or route.takes is NewToken)


def _request_body(route: Route, components: Components) -> Schema:
    assert route.takes
    media: Schema = {"schema": components.ref(route.takes)}
    if route.path == "/image_versions/{key}":
        media["example"] = examples.EDIT
    kinds = (JSON, MERGE_PATCH) if route.method == "PATCH" else (JSON,)
    return {"required": True, "content": dict.fromkeys(kinds, media)}


def _responses(route: Route, components: Components) -> dict[str, Any]:
    found: dict[str, Any] = {str(s): _success(route, s, components) for s in route.statuses}
    if route.method == "GET":
        found["304"] = {"description": "Unchanged since the ETag in If-None-Match."}
    for status in sorted({*_REFUSALS[route.method], *route.refuses}):
        found[str(status)] = f"Problem{status}"
    return found


def _success(route: Route, status: int, components: Components) -> Schema:
    description = _DESCRIPTIONS.get((route.method, status), "The answer.")
    if status == 204 or not (route.answers or route.also):
        return {"description": description}
    content: Schema = dict.fromkeys(route.also, _TEXT)
    if route.answers:
        content = {JSON: _json(route, route.answers, components), **content}
    tagged = route.method != "POST" or status == 201
    headers = ["ETag"] * (tagged and route.takes not in FOR_A_SECRET)
    headers += ["Location"] * (status == 201 and route.method == "POST")
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": content,
    }


def _json(route: Route, answers: type[Struct], components: Components) -> Schema:
    paged = route.lists is not None
    media: Schema = {"schema": (components.page_ref if paged else components.ref)(answers)}
    if route.answers is wire.Version:
        media["example"] = examples.COLLECTION
    if route.answers is wire.SingleVersion:
        media["example"] = examples.VERSION
    return media


_TEXT: Schema = {"schema": {"type": "string"}}
_DESCRIPTIONS = {
    ("POST", 201): "Created.",
    ("POST", 200): "It existed already.",
    ("PUT", 201): "Created.",
    ("PATCH", 204): "Done. You can no longer see it.",
    ("DELETE", 204): "Done.",
}


def _problem(kind: type[errors.Problem], components: Components) -> Schema:
    headers = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}
    return {
        "description": kind.title,
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"} for name in headers.get(kind.status, [])
        },
        "content": {PROBLEM: {"schema": components.ref(wire.ProblemDocument)}},
    }
